"""The state of this Braze in one place: profiles, types, settings, counters, journal, limits, faults.

Responsible for what is kept across restarts and for the one transaction in which a request is applied, counted and
recorded.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from braze_sandbox import database
from braze_sandbox.counters import Counters
from braze_sandbox.faults import FaultQueue
from braze_sandbox.journal import Journal, Record
from braze_sandbox.limits import RateLimit
from braze_sandbox.settings import Settings
from braze_sandbox.shelves import Shelves
from braze_sandbox.store import ProfileStore
from braze_sandbox.type_registry import TypeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from braze_sandbox.identities import Identity


class Braze:
    """A local Braze without its HTTP side.

    Attributes:
        workspace: Stands for all it was ever told: made with the database, and another one after each `reset`. Whoever
            remembers what was delivered must forget it when this is another.
    """

    def __init__(self, path: Path) -> None:
        """Open the database.

        Args:
            path: Its file.

        Raises:
            DatabaseInUseError: If another sandbox has it.
        """
        self.path = path
        self._connection, self._lock = database.opened(path)
        self.store = ProfileStore(self._connection)
        self.shelves = Shelves(self._connection)
        self.journal = Journal(self._connection)
        self.faults = FaultQueue()
        self.limits: dict[str, RateLimit] = {}
        self.in_flight: Counter[Identity] = Counter()
        self.applied = 0  # what a lost update waits for
        self._settings = Settings()
        self.registry = TypeRegistry({})
        self.counters = Counters()
        self.workspace = ""
        self._load()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        with self.transaction():
            self._keep("settings", settings)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; counters and detected types are written along."""
        self._connection.execute("BEGIN")
        try:
            yield
            self._keep("counters", self.counters)
            if self.registry.has_news:
                self._keep("types", self.registry.detected)
                self.registry.has_news = False
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Take back what is written meanwhile, within a transaction."""
        self._connection.execute("SAVEPOINT undone")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK TO undone")
            self._connection.execute("RELEASE undone")
            self.store.refresh()

    def record(self, record: Record, body: bytes) -> None:
        """Keep a request, within a transaction."""
        settings = self._settings
        self.journal.write(record, body, keep_requests=settings.keep_requests, keep_bodies=settings.keep_bodies)

    def limit(self, route: str) -> RateLimit:
        """Return the rate limit of a route."""
        return self.limits.setdefault(route, RateLimit())

    def reset(self) -> None:
        """Forget everything: people, requests, types, counts, settings, faults."""
        database.emptied(self._connection)
        self.faults.clear()
        self.limits.clear()
        self.store.refresh()
        self.journal.refresh()
        self._settings, self.registry, self.counters = Settings(), TypeRegistry({}), Counters()
        self._begin_workspace()

    def close(self) -> None:
        """Close the database and give it up."""
        self._connection.close()
        self._lock.close()

    def _load(self) -> None:
        kept = dict(self._connection.execute("SELECT name, value FROM state"))
        if "settings" in kept:
            self._settings = msgspec.json.decode(kept["settings"], type=Settings)
        if "types" in kept:
            self.registry = TypeRegistry(msgspec.json.decode(kept["types"], type=dict[str, str]))
        if "counters" in kept:
            self.counters = msgspec.json.decode(kept["counters"], type=Counters)
        if "workspace" in kept:
            self.workspace = msgspec.json.decode(kept["workspace"], type=str)
        else:  # a new database, one of an older sandbox, or one that died in the middle of a reset
            self._begin_workspace()

    def _begin_workspace(self) -> None:
        self.workspace = uuid.uuid4().hex
        self._keep("workspace", self.workspace)

    def _keep(self, name: str, value: Any) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, msgspec.json.encode(value))
        )


def now() -> float:
    """Return the time in seconds since 1970."""
    return time.time()
