"""Objects for other endpoints than `/users/track`: one request at a time is filled, for one endpoint.

An object for another endpoint closes the request that is open, so that requests leave in the order of their records
and a STATE covers a run of them. On the thread that reads. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_braze.changes import Change, Changes, Person
    from target_braze.endpoints import Endpoint
    from target_braze.packing import Packer
    from target_braze.updates import Identity, Lesson, Statement, Update


class Errands:
    """Packs what goes elsewhere.

    Args:
        packer: Fills requests.
        changes: Compares with the ledger.
        close: Delivers the request that is open.
        pack: Packs an update.
        noted: Is told what of a record changed.
        begun_at: When the run began, ISO 8601.
    """

    def __init__(
        self,
        packer: Packer,
        changes: Changes,
        close: Callable[[], None],
        pack: Callable[[Update], None],
        noted: Callable[[Statement, Change], None],
        *,
        begun_at: str,
    ) -> None:
        self._packer = packer
        self._changes = changes
        self._close = close
        self._pack = pack
        self._noted = noted
        self._begun_at = begun_at
        self._begun: set[bytes] = set()

    def turn_to(self, endpoint: Endpoint) -> None:
        """Fill requests for an endpoint from now on."""
        if self._packer.endpoint is not endpoint:
            self._close()
            self._packer.turn_to(endpoint)

    def send(self, update: Update) -> None:
        """Pack an object of which the ledger remembers nothing."""
        self.turn_to(update.endpoint)
        if self._packer.excludes(update.body, update.people):
            self._close()
        self._pack(replace(update, forgets=self._forgotten(update.people)))

    def say(self, statement: Statement, person: Person | None, digest: bytes | None) -> None:
        """Pack what a record asks, if it is new."""
        if statement.preamble is not None:
            self._begin(statement.preamble)
        changes = self._changes
        self.turn_to(statement.endpoint)
        if person is None:
            changes.settle()
            person = changes.person(statement)
        if changes.is_open(person):
            has_room = self._packer.has_room(statement.size + len(statement.body))
            if not (has_room and changes.is_mergeable(statement, person)):
                self._close()
        elif self._packer.excludes(statement.body, statement.people):
            self._close()
        change = changes.find(statement, person, digest)
        if change.replaces is not None:
            self._packer.replace(change.replaces, change.update)
        elif change.update is not None:
            forgets = self._forgotten(statement.forgets, but=person[0])
            self._pack(replace(change.update, forgets=forgets) if forgets else change.update)
        if statement.counts:
            self._noted(statement, change)

    def _begin(self, preamble: Statement) -> None:
        """Say what has to be said before, once in a run."""
        if preamble.body not in self._begun:
            self._begun.add(preamble.body)
            body = b'%b,"created_at":"%b"}' % (preamble.body[:-1], self._begun_at.encode())
            self.say(replace(preamble, body=body), None, None)

    def _forgotten(self, people: Iterable[Identity], but: bytes | None = None) -> tuple[Lesson, ...]:
        return tuple(lesson for person in people for lesson in self._changes.forget(person, but))
