"""A sorted map of bytes to bytes in a folder: RocksDB, as the ledger uses it, and its error messages as ours.

A write is atomic, in the order of all writes, and durable after `sync`. In a rehearsal, what is written goes to a
folder of its own, which is looked at first, and the store itself is not touched.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from rocksdict import (
    AccessType,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
)

from target_braze.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Pair = tuple[bytes, "bytes | None"]
"""A key, and its value or None to take it out."""

_MIB: Final = 1 << 20
_CACHE_MIB: Final = 32
_WRITE_BUFFER_BYTES: Final = 8 * _MIB
"""Of two: one is filled while the other is written out. In a first load, keys come in random order, and a place in a
buffer that stays in the processor's cache is found sooner: 1.1 us a key, of 16 MiB 1.5 us."""
_FILES_BEFORE_MERGE: Final = 12
"""Buffers that were written out before they are merged with all that is there: less often merged, it takes a third of
the processor less to load, and a key that is not there 0.8 us to look for instead of 0.5."""
_MAX_OPEN_FILES: Final = 128
_REMOVED: Final = b""
"""In a rehearsal, what stands over a value that was taken out; no value is empty."""


class Store:
    """The map.

    Args:
        path: The folder with the files of the store. Without `rehearsed_in` it is made if it is not there.
        rehearsed_in: A folder that takes all writes instead.

    Raises:
        LedgerError: If it cannot be opened.
    """

    def __init__(self, path: Path, rehearsed_in: Path | None = None) -> None:
        self._path = path
        self._below: Rdict | None = None
        try:
            if rehearsed_in is None:
                self._top = Rdict(str(path), _options())
                return
            if is_there(path):
                logs_elsewhere = _options()
                logs_elsewhere.set_db_log_dir(str(rehearsed_in))
                # what a killed run left in its log is read as well, and stays there
                self._below = Rdict(
                    str(path), logs_elsewhere, access_type=AccessType.read_only(error_if_log_file_exist=False)
                )
            self._top = Rdict(str(rehearsed_in / "store"), _options())
        except Exception as error:  # noqa: BLE001 - RocksDB's errors have no class of their own
            raise self._failure(error) from None

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        return self.get_many([key])[0]

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The value of each key.

        Raises:
            LedgerError: If they cannot be read.
        """
        try:
            values: list[bytes | None] = self._top.get(keys)  # type: ignore[assignment, arg-type]
            if self._below is not None:
                missing = [place for place, value in enumerate(values) if value is None]
                for place, value in zip(missing, self._below.get([keys[place] for place in missing]), strict=True):  # type: ignore[arg-type]
                    values[place] = value
                values = [value or None for value in values]
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None
        return values

    def write(self, pairs: Iterable[Pair]) -> None:
        """Write all of it or nothing.

        Raises:
            LedgerError: If it cannot be written.
        """
        batch = WriteBatch(raw_mode=True)
        put = batch.put
        for key, value in pairs:
            if value is not None:
                put(key, value)
            elif self._below is None:
                batch.delete(key)
            else:
                put(key, _REMOVED)
        self._write(batch)

    def put_many(self, keys: Iterable[bytes], values: Iterable[bytes]) -> None:
        """Write all of it or nothing; a third quicker than `write`.

        Raises:
            LedgerError: As there.
        """
        batch = WriteBatch(raw_mode=True)
        deque(map(batch.put, keys, values), maxlen=0)
        self._write(batch)

    def _write(self, batch: WriteBatch) -> None:
        try:
            self._top.write(batch)
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def items(self, from_key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys from one on, in order, with their values.

        Raises:
            LedgerError: If they cannot be read, or what is read is not what was written.
        """
        try:
            if self._below is None:
                yield from _from(self._top, from_key)
                return
            # both are in order, and of two with one key the upper one comes first
            both = heapq.merge(_from(self._top, from_key), _from(self._below, from_key), key=itemgetter(0))
            for _, same in groupby(both, key=itemgetter(0)):
                key, value = next(same)
                if value != _REMOVED:
                    yield key, value
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def values(self, from_key: bytes) -> Iterator[bytes]:
        """The values of all keys from one on, in order; more than twice as quick as `items`.

        Raises:
            LedgerError: As there.
        """
        if self._below is not None:
            yield from (value for _, value in self.items(from_key))
            return
        try:
            yield from self._top.values(from_key=from_key)
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def count(self) -> int:
        """About how many keys there are."""
        stores = [self._top] if self._below is None else [self._top, self._below]
        return sum(store.property_int_value("rocksdb.estimate-num-keys") or 0 for store in stores)

    def sync(self) -> None:
        """Make all that was written durable.

        Raises:
            LedgerError: If it cannot be.
        """
        if self._below is not None:
            return
        try:
            self._top.flush_wal(sync=True)  # fdatasync of the log and, when it is new, fsync of its folder
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def compact(self, key: bytes, last: bytes | None = None) -> None:
        """Write anew what holds a key, or all to a last one: what was taken out there is in no file any more.

        Raises:
            LedgerError: If it cannot be written.
        """
        try:
            self._top.flush()
            self._top.compact_range(key, (last or key) + b"\0")
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def close(self) -> None:
        """Close the files.

        Raises:
            LedgerError: If what was written since the last `sync` cannot be kept.
        """
        try:
            if self._below is not None:
                self._below.close()
            self._top.close()
        except Exception as error:  # noqa: BLE001
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> LedgerError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if reason.startswith(("Corruption", "Invalid argument")) or "No such file" in reason:
            return damaged(self._path.parent, reason)
        return LedgerError(
            f"The ledger in {self._path.parent} cannot be read or written ({reason}), so the run stops. If the disk is "
            "full make room, or set `ledger` to a folder elsewhere; then run again. What Braze accepted and the ledger "
            "does not know is sent once more."
        )


def damaged(folder: Path, reason: str) -> LedgerError:
    """The error for a ledger that is not as it was written."""
    return LedgerError(
        f"The ledger in {folder} is damaged ({reason}). Nothing is lost, for it only remembers what Braze has: move "
        "that folder away and run again. Everything is then sent once more, as in a first run, and costs as much."
    )


def is_there(path: Path) -> bool:
    """Whether there is a store; RocksDB would make its folder even to read it."""
    return (path / "CURRENT").exists()


def _from(store: Rdict, key: bytes) -> Iterator[tuple[bytes, bytes]]:
    return store.items(from_key=key)  # type: ignore[return-value]  # in raw mode all is bytes


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    # A bloom filter of 10 bits a key in files and in memory, so that a person not in the ledger costs no read in 99 of
    # 100 cases, and a cache. BlockBasedOptions.set_bloom_filter is no way to it: rocksdict 0.3.29 reads the options
    # of a store that exists from its files, where that filter has no bits, and then neither writes nor uses one.
    options.optimize_for_point_lookup(_CACHE_MIB)
    options.set_compression_type(DBCompressionType.none())  # of hashes, lz4 takes away 0.1 %
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_level_zero_file_num_compaction_trigger(_FILES_BEFORE_MERGE)
    options.set_level_zero_slowdown_writes_trigger(3 * _FILES_BEFORE_MERGE)
    options.set_level_zero_stop_writes_trigger(5 * _FILES_BEFORE_MERGE)
    options.set_target_file_size_base(64 * _MIB)
    options.set_max_bytes_for_level_base(512 * _MIB)
    options.set_allow_concurrent_memtable_write(False)  # one thread writes as good as always
    options.set_max_background_jobs(2)
    options.set_max_open_files(_MAX_OPEN_FILES)
    options.set_bytes_per_sync(_MIB)
    options.set_keep_log_file_num(1)
    options.set_stats_dump_period_sec(0)
    return options
