"""The requests that came, kept in SQLite: what each said, what it was answered, what it did.

Authorization never gets here, nor does an API key that an answer echoed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from braze_sandbox.outcome import Outcome  # noqa: TC001 # msgspec reads the annotation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

REDACTED = "[redacted]"
PRUNE_EVERY = 256


class Record(msgspec.Struct):
    """One request.

    Attributes:
        number: Counted from 1 since the last reset.
        arrived: When its head had come, in seconds since 1970.
        answered: When its answer was about to leave; `None` if there was none.
        method: Its method.
        path: Its path.
        headers: Its headers, with lower-case names and no Authorization.
        status: What it was answered; `None` if it was not.
        answer: The answer's body, if it is JSON.
        fault: The kind of fault that it met.
        objects: Array → objects in it.
        outcome: What it did, if it was applied.
        body: Its body, if that is JSON; `text` holds any other.
    """

    number: int
    arrived: float
    answered: float | None
    method: str
    path: str
    headers: dict[str, str]
    status: int | None = None
    answer: Any = None
    fault: str | None = None
    objects: dict[str, int] = {}
    outcome: Outcome | None = None
    body: Any = None
    text: str | None = None


_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


class Journal:
    """All requests that are kept, the newest of them with their bodies."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._next = 1
        self.refresh()

    def refresh(self) -> None:
        """Learn anew where numbering goes on, after the database was opened or emptied."""
        (highest,) = self._connection.execute("SELECT COALESCE(MAX(number), 0) FROM requests").fetchone()
        self._next = highest + 1

    @property
    def came(self) -> int:
        """How many requests came since the last reset, kept or not."""
        return self._next - 1

    def opened(self, method: str, path: str, headers: dict[str, str], arrived: float) -> Record:
        """Return the record of a request that just came; `write` keeps it."""
        number, self._next = self._next, self._next + 1
        return Record(number, arrived, None, method, path, headers)

    def write(self, record: Record, body: bytes, *, keep_requests: int, keep_bodies: int) -> None:
        """Keep a record, within the transaction that is open, and let the oldest go."""
        self._connection.execute(
            "INSERT OR REPLACE INTO requests (number, record, body) VALUES (?, ?, ?)",
            (record.number, _ENCODER.encode(record), zlib.compress(body, 1) if keep_bodies else None),
        )
        if record.number % PRUNE_EVERY == 0:
            self._connection.execute("DELETE FROM requests WHERE number <= ?", (record.number - keep_requests,))
            self._connection.execute(
                "UPDATE requests SET body = NULL WHERE number <= ? AND number > ?",
                (record.number - keep_bodies, record.number - keep_bodies - 2 * PRUNE_EVERY),
            )

    def count(self) -> int:
        """Return how many requests are kept."""
        return int(self._connection.execute("SELECT COUNT(*) FROM requests").fetchone()[0])

    def listed(self, *, newest_first: bool = False, limit: int, offset: int = 0, bodies: bool = True) -> list[Record]:
        """Return kept requests."""
        order = "DESC" if newest_first else "ASC"
        column = "body" if bodies else "NULL"
        rows = self._connection.execute(
            f"SELECT record, {column} FROM requests ORDER BY number {order} LIMIT ? OFFSET ?",  # noqa: S608
            (limit, offset),
        )
        return [_read(*row) for row in rows]

    def one(self, number: int) -> Record | None:
        """Return one request, if it is kept."""
        row = self._connection.execute("SELECT record, body FROM requests WHERE number = ?", (number,)).fetchone()
        return _read(*row) if row else None


def redacted(headers: dict[str, str]) -> dict[str, str]:
    """Return headers with lower-case names and without what may be a key."""
    return {
        name.lower(): REDACTED if name.lower() in {"authorization", "cookie"} else value
        for name, value in headers.items()
    }


def without_secrets(body: bytes, names: Collection[str]) -> bytes:
    """Return a body without the keys that are in it; one that cannot be read is all redacted."""
    parsed = _object(body)
    if parsed is None:
        return REDACTED.encode()
    return _ENCODER.encode({name: REDACTED if name in names else value for name, value in parsed.items()})


def secrets_in(body: bytes, names: Collection[str]) -> list[str]:
    """Return the keys that are in a body."""
    parsed = _object(body) or {}
    return [parsed[name] for name in names if isinstance(parsed.get(name), str)]


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _read(record: bytes, body: bytes | None) -> Record:
    read = _DECODER.decode(record)
    if body:
        plain = zlib.decompress(body)
        try:
            read.body = msgspec.json.decode(plain)
        except (msgspec.DecodeError, UnicodeDecodeError):
            read.text = plain.decode("utf-8", "replace")
    return read
