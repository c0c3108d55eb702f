"""The small files beside the ledger's store: its lock, its key, and the table of settled records. Owns them."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import secrets
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from target_braze.errors import LedgerError
from target_braze.record_table import WORD, RecordTable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOCK: Final = "lock"
KEY: Final = "ledger.key"
TABLE: Final = "records.table"
NEW_KEY_LENGTH: Final = 64
STAMP_BYTES: Final = 16

_HEADER: Final = struct.Struct("<24s16sQQQ")
_MAGIC: Final = b"target-braze records 1".ljust(24)
_HEADER_BYTES: Final = 4096
"""A page, so that the table's lines are the memory's."""


class Lock:
    """One process at a time: it holds the lock of its folder until `release`, or until it dies.

    Args:
        folder: The ledger's folder.

    Raises:
        LedgerError: If another one holds it, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unusable(folder, error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(os.pread(self._file, 1000, 0))
            os.close(self._file)
            raise LedgerError(
                f"The ledger in {folder} is in use by {holder}. Two runs at once would undo each other's changes: wait "
                "until it has ended, or end it, and run again. For another workspace, set `ledger` to another folder."
            ) from None
        since = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        self._write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode())

    def release(self) -> None:
        """Let others have it."""
        self._write(b"")
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, content, 0)


def _holder(content: bytes) -> str:
    try:
        holder: dict[str, Any] = json.loads(content)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"  # which has not said yet who it is


def unusable(folder: Path, error: OSError) -> LedgerError:
    """The error for a folder that cannot be read or written."""
    return LedgerError(
        f"The ledger in {folder} cannot be read or written ({error.strerror}). Set `ledger` to a folder that can."
    )


def read_key(folder: Path) -> str | None:
    """The key that was made for the ledger, None if there is none.

    Raises:
        LedgerError: If there is one that cannot be read.
    """
    try:
        return (folder / KEY).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LedgerError(f"The ledger's key in {folder / KEY} cannot be read ({error}).") from None


def new_key() -> str:
    """A random key of 64 hexadecimal digits."""
    return secrets.token_hex(NEW_KEY_LENGTH // 2)


def write_key(folder: Path, key: str) -> None:
    """Keep a key, durably.

    Raises:
        LedgerError: If it cannot be.
    """
    _write_durably(folder, KEY, [key.encode("ascii") + b"\n"])


def read_table(folder: Path, stamp: bytes) -> RecordTable | None:
    """The table with this stamp, None if there is none.

    It is mapped into memory, privately: only what is touched is read, and what is changed stays in the process.
    """
    path = folder / TABLE
    try:
        with path.open("rb") as file:
            magic, written_stamp, count, removed, slots = _HEADER.unpack(file.read(_HEADER.size))
            is_whole = os.fstat(file.fileno()).st_size == _HEADER_BYTES + slots * 2 * WORD.itemsize
            if magic != _MAGIC or written_stamp != stamp or not is_whole:
                return None
            words = np.memmap(file, dtype=WORD, mode="c", offset=_HEADER_BYTES, shape=(slots, 2))
    except (OSError, struct.error):
        return None
    return RecordTable(words.view(np.ndarray), count, removed)


def write_table(folder: Path, table: RecordTable, stamp: bytes) -> None:
    """Keep a table, durably, in the place of the last one.

    Raises:
        LedgerError: If it cannot be.
    """
    header = _HEADER.pack(_MAGIC, stamp, len(table), table.removed, len(table.words))
    _write_durably(folder, TABLE, [header.ljust(_HEADER_BYTES, b"\0"), table.words.data])


def _write_durably(folder: Path, name: str, content: Iterable[bytes | memoryview]) -> None:
    """Write a file so that after a crash there is the old one or the new one, whole."""
    temporary = folder / f".{name}.new"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for part in content:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / name)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unusable(folder, error) from None
