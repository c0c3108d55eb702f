"""The SQLite file: schema and transactions.

One connection, held by one process: a lock file beside the database says whose, before anything is opened. Every
answered request was committed before its answer: a killed process loses nothing that was answered.
With `synchronous = NORMAL` a power failure may lose the last moments and never damages what is there.
"""

from __future__ import annotations

import fcntl
import sqlite3
from typing import TYPE_CHECKING, TextIO

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
CREATE INDEX IF NOT EXISTS aliases_by_id ON aliases (id);
CREATE TABLE IF NOT EXISTS deprecated_ids (external_id TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deprecated_ids_by_id ON deprecated_ids (id);
CREATE TABLE IF NOT EXISTS members (cohort TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (cohort, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_id ON members (id);
CREATE TABLE IF NOT EXISTS tokens (
  app_id TEXT NOT NULL,
  token TEXT NOT NULL,
  id INTEGER NOT NULL,
  device_id TEXT,
  PRIMARY KEY (app_id, token, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_by_id ON tokens (id);
CREATE INDEX IF NOT EXISTS tokens_by_device_id ON tokens (device_id) WHERE device_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS shelves (
  shelf TEXT NOT NULL,
  name TEXT NOT NULL,
  document BLOB NOT NULL,
  PRIMARY KEY (shelf, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY,
  record BLOB NOT NULL,
  body BLOB
);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
# What is known of a profile by its row, beside the profile itself.
BY_ID = ("aliases", "deprecated_ids", "members", "tokens")
TABLES = ("profiles", "documents", *BY_ID, "shelves", "requests", "state")


class DatabaseInUseError(Exception):
    """Another process holds the file."""


def opened(path: Path) -> tuple[sqlite3.Connection, TextIO]:
    """Open the file, making it and its folder if need be, and hold it for this process alone.

    Returns:
        The connection, and the lock; the lock is given up when it is closed, or when the process ends in any way.

    Raises:
        DatabaseInUseError: If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DatabaseInUseError(str(path)) from None
    path.touch(mode=0o600)  # who is in it is nobody else's business, even on a machine of several people
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # spares the locking of every single statement
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB: the demo's people fit
    connection.executescript(_SCHEMA)
    return connection, lock


def emptied(connection: sqlite3.Connection) -> None:
    """Delete every row."""
    connection.execute("BEGIN")
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 # names from the constant above
    connection.execute("COMMIT")
