"""The SQLite file: schema and transactions.

One connection, exclusively held, so that two sandboxes cannot share a file. Every answered request was committed
before its answer: a killed process loses nothing that was answered. `synchronous = OFF` leaves the write to the
operating system, so a power failure may lose the last moments.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS profiles (
  id INTEGER PRIMARY KEY,
  braze_id TEXT NOT NULL UNIQUE,
  external_id TEXT UNIQUE,
  email TEXT,
  phone TEXT,
  name TEXT NOT NULL,
  updated REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS profiles_by_email ON profiles (email) WHERE email IS NOT NULL;
CREATE INDEX IF NOT EXISTS profiles_by_phone ON profiles (phone) WHERE phone IS NOT NULL;
CREATE TABLE IF NOT EXISTS documents (id INTEGER PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS aliases (
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY (label, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY,
  record BLOB NOT NULL,
  body BLOB
);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
TABLES = ("profiles", "documents", "aliases", "requests", "state")


class DatabaseInUseError(Exception):
    """Another process holds the file."""


def opened(path: Path) -> sqlite3.Connection:
    """Open the file, making it and its folder if need be, and hold it for this process alone.

    Raises:
        DatabaseInUseError: If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # who is in it is nobody else's business, even on a machine of several people
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=512)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -65536")  # 64 MB: the demo's people fit
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")  # takes the lock, which exclusive mode then keeps
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error):
            raise DatabaseInUseError(str(path)) from None
        raise
    return connection


def emptied(connection: sqlite3.Connection) -> None:
    """Delete every row."""
    connection.execute("BEGIN")
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 # names from the constant above
    connection.execute("COMMIT")
