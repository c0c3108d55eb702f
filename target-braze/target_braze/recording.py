"""Records what became of each object of a request: accepted, rejected or in doubt.

What Braze accepted the ledger learns, what it rejected goes to the dead letter, what nobody knows of to the list of
what is held. Delivery tells it all that, on its thread; a request that has ended lets STATE go on (`states.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_braze.additions import IN_DOUBT, split
from target_braze.differences import Held
from target_braze.endpoints import TRACK
from target_braze.errors import DeadLetterError, DeliveryError
from target_braze.rejections import Rejection
from target_braze.updates import ObjectKind, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.changes import Changes
    from target_braze.doubts import Doubts
    from target_braze.enrolments import Enrolments
    from target_braze.occurrences import Occurrences
    from target_braze.packing import Request
    from target_braze.plan import Plan
    from target_braze.rejections import RejectionLimit
    from target_braze.reports import Report
    from target_braze.states import States
    from target_braze.tally import Tally
    from target_braze.updates import Update


class Recorder:
    """Is told what became of requests; the `Outcomes` of delivery.

    Args:
        changes: Learns what Braze accepted of attributes.
        occurrences: Learns what it accepted of events and purchases.
        audiences: Counts who entered and left; None if there are none.
        doubts: Has a note of each request that is under way.
        tally: Counts what became of records.
        plan: Watches a dry run.
        report: Keeps what is rejected and what is held.
        max_rejected: How many records may have something rejected.
        states: Lets STATE leave.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        occurrences: Occurrences,
        audiences: Enrolments | None,
        doubts: Doubts,
        tally: Tally,
        plan: Plan | None,
        report: Report,
        max_rejected: RejectionLimit,
        states: States,
    ) -> None:
        self._changes = changes
        self._occurrences = occurrences
        self._audiences = audiences
        self._doubts = doubts
        self._tally = tally
        self._plan = plan
        self._report = report
        self._max_rejected = max_rejected
        self._states = states
        self._unanswered = 0

    # What delivery tells, on its thread

    def submitted(self, position: int) -> None:
        """Let no STATE that covers the request pass it."""
        self._states.opened(position)

    def sent(self, request: Request, *, is_retry: bool) -> None:
        """A request leaves."""
        if self._plan is not None:
            self._plan.sent(request.endpoint)
        self._occurrences.leaving(request.singles)
        if self._changes.additions.is_any:
            self._changes.additions.leaving(request.singles)
        self._tally.sent(request, is_retry=is_retry)

    def returned(self, objects: Sequence[Update]) -> None:
        """Take it back that these objects may have reached Braze."""
        self._occurrences.returned(objects)
        if self._changes.additions.is_any:
            self._changes.additions.returned(objects)

    def in_doubt(self, objects: Sequence[Update], reason: str) -> Sequence[Update]:
        """Hold what may have reached Braze and must not be there twice; return what of it may go again.

        Raises:
            DeadLetterError: If it cannot be listed.
            DeliveryError: If so many are held that a person had better look at it first.
        """
        spared = [rest for update in objects if (rest := self._spare(update, f"in doubt: {reason}")) is not None]
        self._unanswered += len(objects)
        if self._max_rejected.is_passed(self._unanswered, self._tally.records):
            raise DeliveryError(
                f"Nobody knows whether Braze has {self._unanswered:,} events, purchases and additions, for it does not "
                "answer as it should. With `in_doubt: hold` they are held, and since `max_rejected` allows no more, "
                f"the run stops. They are in {self._report.held.path}. Run again when Braze answers; what was not sent "
                "yet is sent then."
            )
        return spared

    def accepted(self, accepted: Request) -> None:
        """Record what Braze accepted (invariant 2)."""
        objects = accepted.singles
        if accepted.endpoint is not TRACK:
            # before the rest: what was asked must not look settled while what it undid is still believed
            self._changes.forgotten(accepted.forgets)
        self._changes.arrived(accepted.newcomers)
        if objects:
            self._changes.accepted([update.lesson for update in objects if update.lesson is not None])
            if self._changes.additions.is_any:
                self._changes.additions.accepted(objects)
        has_occurrences = self._occurrences.accepted(objects)
        self._tally.accepted(accepted)
        if self._audiences is not None:
            self._audiences.accepted(objects)
        if has_occurrences:
            for update in objects:
                self._end_whole(update, Outcome.DELIVERED)

    def rejected(self, update: Update, reason: str) -> None:
        """Record what Braze rejected.

        Raises:
            DeadLetterError: If it cannot be kept, or too much was rejected.
        """
        fields = msgspec.json.decode(update.body)
        for lesson in (update.lesson, *update.forgets):
            if lesson is not None:
                self._changes.rejected(lesson)
        identity = _identity(update, fields)
        self.reject([Rejection(update.stream, identity, reason, None, fields)], records=update.records)
        if update.occurrence is not None:  # once it is among the rejected, it need not be in doubt any more
            self._occurrences.rejected(update)
            self._end_whole(update, Outcome.REJECTED)
        elif self._changes.additions.is_any:
            self._changes.additions.returned([update])
            self._changes.additions.ended([update])

    def ended(self, position: int) -> None:
        """Take back the note of a request that has ended, and acknowledge what it was the last to hold up."""
        self._doubts.ended(position)
        self._states.ended(position)

    def _spare(self, update: Update, reason: str) -> Update | None:
        """Hold what of an object must not be there twice; return the rest, if there is any."""
        if update.lesson is None:
            self.hold(update, reason)
            self._occurrences.ended(update)
            self._tally.in_doubt(update.stream, update.records)
            self._end_whole(update, Outcome.HELD)
            return None
        held, rest = split(update)
        self.hold(held, reason)
        self._changes.additions.ended([update])
        self._tally.held(update.stream, [Held(name, IN_DOUBT, each) for name, each in held.shape.data_points.items()])
        if rest is None:
            self._changes.rejected(update.lesson)
            self._tally.in_doubt(update.stream, update.records)
        return rest

    def _end_whole(self, update: Update, outcome: Outcome) -> None:
        """Count a record of several objects, of which this is the last to end."""
        whole = None if update.occurrence is None else update.occurrence.whole
        if whole is not None and (of_record := whole.ended(outcome)) is not None:
            self._tally.ended(update.stream, of_record)

    # On the thread that reads as well

    def hold(self, update: Update, reason: str) -> None:
        """List an event, a purchase or an addition that is held.

        Raises:
            DeadLetterError: If it cannot be listed.
        """
        fields = msgspec.json.decode(update.body)
        advice = (
            "look whether Braze has it; if not, read its record again (e.g. `meltano run --full-refresh`) with "
            f"`in_doubt: resend` for stream {update.stream}, which sends what is in doubt and nothing twice besides"
        )
        held = Rejection(update.stream, _identity(update, fields), f"{reason}; {advice}", None, fields)
        self._report.held.add([held])

    def reject(self, rejections: Sequence[Rejection], *, records: int) -> None:
        """Keep what was turned down, of so many records as a whole (invariant 3).

        Raises:
            DeadLetterError: If it cannot be kept, or too much was rejected.
        """
        self._report.dead_letter.add(rejections)
        self._tally.rejected(rejections, records=records)
        rejected, read = self._tally.records_with_rejections, self._tally.records
        if self._max_rejected.is_passed(rejected, read):
            raise DeadLetterError(
                f"{rejected:,} of {read:,} records had something rejected, more than `max_rejected` allows, so "
                f"the run stops. The reasons are in {self._report.dead_letter.path}; mend the data or the mapping, "
                "or raise `max_rejected`."
            )


def _identity(update: Update, fields: Any) -> dict[str, Any]:
    """Whom or what an object is about, as a rejection says it."""
    if update.endpoint is TRACK:
        return {update.identity.kind: fields[update.identity.kind]}
    if update.kind is ObjectKind.CATALOG_ITEMS:
        return {"id": fields["id"]}
    return update.people[0].as_fields()
