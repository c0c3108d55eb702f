"""Named documents in SQLite, each on a shelf: catalogs and their items, cohorts, states that wait for somebody.

It knows nothing of what they are. Whoever writes does so within the transaction that is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_WRITE = """INSERT INTO shelves (shelf, name, document) VALUES (?, ?, ?)
  ON CONFLICT (shelf, name) DO UPDATE SET document = excluded.document"""


class Shelves:
    """All of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, shelf: str, name: str) -> Any:
        """Return a document, or `None`."""
        statement = "SELECT document FROM shelves WHERE shelf = ? AND name = ?"
        row = self._connection.execute(statement, (shelf, name)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def put(self, shelf: str, name: str, document: Any) -> None:
        """Write a document."""
        self._connection.execute(_WRITE, (shelf, name, msgspec.json.encode(document)))

    def remove(self, shelf: str, names: Iterable[str]) -> int:
        """Delete documents; return how many there were."""
        statement = "DELETE FROM shelves WHERE shelf = ? AND name = ?"
        return self._connection.executemany(statement, [(shelf, name) for name in names]).rowcount

    def clear(self, shelf: str) -> None:
        """Delete all documents of a shelf."""
        self._connection.execute("DELETE FROM shelves WHERE shelf = ?", (shelf,))

    def count(self, shelf: str) -> int:
        """Return how many documents a shelf has."""
        return int(self._connection.execute("SELECT COUNT(*) FROM shelves WHERE shelf = ?", (shelf,)).fetchone()[0])

    def has(self, shelf: str) -> bool:
        """Return whether there is anything on a shelf."""
        statement = "SELECT EXISTS (SELECT 1 FROM shelves WHERE shelf = ?)"
        return bool(self._connection.execute(statement, (shelf,)).fetchone()[0])

    def listed(self, shelf: str, limit: int = -1, offset: int = 0) -> list[tuple[str, Any]]:
        """Return names and documents by name; -1 is all of them."""
        statement = "SELECT name, document FROM shelves WHERE shelf = ? ORDER BY name LIMIT ? OFFSET ?"
        rows = self._connection.execute(statement, (shelf, limit, offset))
        return [(name, msgspec.json.decode(document)) for name, document in rows]
