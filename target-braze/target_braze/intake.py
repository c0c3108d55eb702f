"""Takes what mapping made of records, one after the other: what of it changed, goes into requests.

    find changes → hold → pack

`changes.py` finds and holds, `occurrences.py` does of events and purchases; `packing.py` packs; a request that is full
is handed over (`handover.py`). All of it happens on the thread that reads.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from target_braze.endpoints import TRACK
from target_braze.errands import Errands
from target_braze.newcomers import Newcomers
from target_braze.updates import Attributes, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.changes import Change, Changes, Person
    from target_braze.handover import Handover
    from target_braze.mapped_ahead import MappedHeap
    from target_braze.newcomers import Terms
    from target_braze.occurrences import Occurrences
    from target_braze.packing import Packer
    from target_braze.plan import Plan
    from target_braze.recording import Recorder
    from target_braze.tally import Tally
    from target_braze.updates import Mapped, Update


class Intake:
    """Takes records of all streams of a run.

    Args:
        changes: Finds what changed of attributes.
        occurrences: Finds which events and purchases were not sent yet.
        packer: Fills requests.
        handover: Where requests go.
        recorder: Keeps what is rejected, lists what is held.
        tally: Counts what became of records.
        plan: Watches a dry run.
        begun_at: When the run began, ISO 8601.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        occurrences: Occurrences,
        packer: Packer,
        handover: Handover,
        recorder: Recorder,
        tally: Tally,
        plan: Plan | None,
        begun_at: str,
    ) -> None:
        self._changes = changes
        self._occurrences = occurrences
        self._packer = packer
        self._handover = handover
        self._recorder = recorder
        self._tally = tally
        self._plan = plan
        self._errands = Errands(packer, changes, self.close, self._pack, self._note, begun_at=begun_at)

    def take(
        self, mapped: Mapped | Attributes, stream: str, person: Person | None = None, digest: bytes | None = None
    ) -> None:
        """Take what mapping made of a record: find what changed, pack it, keep what was turned down.

        Args:
            mapped: What mapping made of it.
            stream: The record's stream.
            person: Whom it is about, if that was asked for before.
            digest: Stands for the record in the ledger; None if it has to be looked at again in any case.

        Raises:
            TargetBrazeError: If the run cannot go on.
        """
        if isinstance(mapped, Attributes):  # nothing was turned down
            self.change(mapped, person, digest)
            return
        if mapped.rejections:
            self._recorder.reject(mapped.rejections, records=int(mapped.is_empty))
            digest = None  # what was turned down is to be turned down again
        if mapped.left_out:
            self._tally.left_out(stream, mapped.left_out)
        if isinstance(mapped.attributes, Statement):
            self._errands.say(mapped.attributes, person, digest)
        elif mapped.attributes is not None:
            self.begin_tracking()
            self.change(mapped.attributes, person, digest)
        elif mapped.update is not None and mapped.update.endpoint is not TRACK:
            self._errands.send(mapped.update)
        elif mapped.update is not None:
            self.begin_tracking()
            self._occur(mapped, stream, digest)
        elif not mapped.rejections:
            self._tally.streams[stream].unchanged += 1  # an identifier and nothing else: there is nothing to change

    def _occur(self, mapped: Mapped, stream: str, digest: bytes | None) -> None:
        """Pack what of an event or purchase was not sent yet, list what is held, since it may have been."""
        if mapped.update is not None and mapped.known_by is None:
            self._pack(mapped.update)
            return
        found = self._occurrences.find(mapped, digest)
        for update, day in found.held:
            self._recorder.hold(update, _sent_on(day))
        if found.held and not found.updates:
            self._tally.in_doubt(stream)
        elif not found.updates:
            self._tally.streams[stream].unchanged += 1
        self._tally.streams[stream].again += found.again
        for update in found.updates:
            self._pack(update)

    def change(self, attributes: Attributes, person: Person | None, digest: bytes | None) -> None:
        """Find what of a record changed, hold what is to be held, pack the rest; see `take`."""
        changes = self._changes
        if person is None:
            changes.settle()
            person = changes.person(attributes)
        if self._is_open(person) and not (
            changes.is_mergeable(attributes, person) and self._packer.has_room(attributes.size)
        ):
            self.close()
        change = changes.find(attributes, person, digest)
        if change.update is not None and change.replaces is None:
            self._pack(change.update)
        elif change.replaces is not None:
            self._packer.replace(change.replaces, change.update)
        self._note(attributes, change)

    def _is_open(self, person: Person) -> bool:
        """Whether an update of the person is in the request that is being packed, one by itself."""
        if self._changes.has_open_newcomers and (newcomers := self._changes.take_apart(person)) is not None:
            self._packer.take_apart(newcomers)
        return self._changes.is_open(person)

    def take_new(self, terms: Terms, heap: MappedHeap, digests: Sequence[bytes], start: int, end: int) -> None:
        """Take records of people of whom nothing is known and nothing under way, each of another: pack all they say.

        Args:
            terms: What they have in common.
            heap: What records say, those among them.
            digests: What stands for each record of the heap in the ledger.
            start: The first of them.
            end: The first behind them.

        Raises:
            TargetBrazeError: If the run cannot go on.
        """
        packer = self._packer
        while start < end:
            if not (room := packer.room_for(Newcomers.kind)):
                self.close()
                continue
            newcomers = Newcomers(terms, heap, digests, start, min(start + room, end))
            while len(newcomers) > 1 and not packer.has_room(len(newcomers.body) + 1):
                newcomers = Newcomers(terms, heap, digests, start, start + len(newcomers) // 2)
            if not packer.has_room(len(newcomers.body) + 1) and not packer.is_empty:
                self.close()
                continue
            self._changes.enter(newcomers)
            packer.add_newcomers(newcomers)
            start += len(newcomers)

    def begin_tracking(self) -> None:
        """Fill requests to `/users/track` from now on."""
        self._errands.turn_to(TRACK)

    def leave(self, attributes: Attributes, person: Person) -> None:
        """Take what is said of a person who leaves audiences, with no record behind it."""
        self.begin_tracking()
        if self._is_open(person):
            self.close()
        change = self._changes.find(attributes, person, None)
        if change.update is not None:
            self._pack(change.update)

    def _note(self, attributes: Attributes, change: Change) -> None:
        """Count what of a record changed."""
        if self._plan is not None:
            self._plan.note(attributes, change)
        if change.held:
            self._tally.held(attributes.stream, change.held)
            if change.doubtful is not None:
                self._recorder.hold(change.doubtful[0], _sent_on(change.doubtful[1]))
        if change.update is None:
            tally = self._tally.streams[attributes.stream]
            tally.unchanged += change.replaces.records if change.replaces is not None else 0
            if change.doubtful is not None:
                self._tally.in_doubt(attributes.stream)
            elif change.held:
                tally.held += 1
            else:
                tally.unchanged += 1

    def _pack(self, update: Update) -> None:
        """Pack an update; deliver the request that it found full."""
        request = self._packer.add(update)
        if request is not None:
            self._changes.packed(update)
            self._handover.submit(request, self._packer.position - 1)

    def close(self) -> None:
        """Deliver the request that is open, however full."""
        request = self._packer.close()
        self._changes.packed()
        if request is not None:
            self._handover.submit(request, self._packer.position)
        else:  # all that was in it may have been taken back by later records
            self._handover.skip_to(self._packer.position)


def _sent_on(day: int) -> str:
    """Why something is held that another run has sent."""
    return f"in doubt since {dt.date(1970, 1, 1) + dt.timedelta(days=day)}: it was sent then, and no answer came"
