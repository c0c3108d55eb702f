"""One run: what its streams share, and the path of an update from the packer to the acknowledgement.

    find changes → hold → pack → deliver → record → acknowledge

Up to packing all happens on the thread that reads; the rest on the delivery's thread, which alone touches the
acknowledger while it lives. It begins with the first request: a run in which nothing changed needs none.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze import instances
from target_braze.acknowledgement import Acknowledger
from target_braze.additions import IN_DOUBT, split
from target_braze.changes import Changes, Held
from target_braze.digests import unknown
from target_braze.doubts import Doubts, forget
from target_braze.endpoints import TRACK
from target_braze.errands import Errands
from target_braze.errors import DataPointLimitError, DeadLetterError, DeliveryError, SettingsError
from target_braze.hashes import Hasher
from target_braze.ledger import Ledger
from target_braze.mapping_ahead import MappingAhead
from target_braze.names import Names
from target_braze.newcomers import Newcomers
from target_braze.occurrences import SECONDS_A_DAY, Occurrences
from target_braze.packing import Packer, Request
from target_braze.plan import Plan
from target_braze.rehearsal import Rehearsal
from target_braze.rejections import Rejection
from target_braze.reports import Report
from target_braze.sealing import Sealer
from target_braze.tally import Tally
from target_braze.updates import Attributes, ObjectKind, Outcome, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from target_braze.changes import Change, Person
    from target_braze.delivery import Delivery
    from target_braze.enrolment import Enrolments
    from target_braze.mapped_ahead import MappedHeap
    from target_braze.mapping import Mapper
    from target_braze.newcomers import Terms
    from target_braze.settings import Settings
    from target_braze.statements import StatementMapper
    from target_braze.updates import Mapped, Update


_FORGOTTEN_ON: Final = "occurrences forgotten on"


class Run:
    """One run of the target.

    Args:
        settings: The settings.
        endpoint: Braze's REST endpoint.
        emit: Writes one STATE to standard output.
        on_failure: Called once when delivery gives up, on the delivery's thread.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: str,
        emit: Callable[[Any], None],
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self.tally = Tally()
        self._settings = settings
        self._emit = emit
        self._started = time.monotonic()
        self._logger = logging.getLogger("target-braze")
        self._report = Report(settings.report_path)
        self._packer = Packer(settings.max_objects_per_request, is_per_array=settings.is_object_limit_per_array)
        self._acknowledger = Acknowledger()
        self._is_acknowledgement_set = False
        self._data_points = 0
        self._ledger = Ledger.open(
            settings.ledger,
            endpoint=settings.base_url or instances.SANDBOX,
            api_key=settings.api_key,
            ledger_key=settings.ledger_key,
            is_rehearsal=settings.dry_run,
        )
        names = Names(self._ledger.meta_get, self._ledger.meta_put)
        hasher, sealer, now = Hasher(self._ledger.key), Sealer(self._ledger.key), int(time.time())
        self.changes = Changes(self._ledger, names, hasher, sealer, now, is_resync=settings.full_resync)
        self.occurrences = Occurrences(self._ledger, names, hasher, now)
        self._names = names
        self.audiences: Enrolments | None = None
        if settings.audiences:
            from target_braze.enrolment import Enrolments, Remembering  # noqa: PLC0415 - for runs that have some

            began_at = dt.datetime.fromtimestamp(now, dt.timezone.utc)
            self.audiences = Enrolments(
                settings.audiences, self, Remembering(self._ledger, names, hasher, sealer), began_at
            )
            self.changes.on_change = self.audiences.changed
        self._today = now // SECONDS_A_DAY
        self._doubts = Doubts(self._ledger.meta_get, self._ledger.meta_put)
        if people := forget(self._doubts.left(), self._ledger, names):
            self._logger.info(
                "The last run did not see what became of changes of %d people; what comes of these next is sent.",
                people,
            )
        self._doubts.clear()
        self.ahead = MappingAhead(self._ledger.key)
        self._delivery: Delivery | Rehearsal | None = None
        self._plan = Plan(settings.max_requests_per_second) if settings.dry_run else None
        self.changes.is_watched = settings.dry_run
        if settings.dry_run:
            self._delivery = Rehearsal(self)
            self._emit = _emit_nothing  # a bookmark must not move past what was never sent
        self._endpoint = endpoint
        self._on_failure = on_failure
        self._submitted = 0
        self._unanswered = 0
        self._warned: set[str] = set()
        begun_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._errands = Errands(self._packer, self.changes, self._close, self._pack, self._note, begun_at=begun_at)

    @property
    def failure(self) -> BaseException | None:
        """Why delivery gave up, if it did."""
        return self._delivery.failure if self._delivery else None

    @property
    def summary_path(self) -> Path:
        """Where the summary is, once the run has ended."""
        return self._report.folder / "summary.json"

    # On the thread that reads

    def begin(self, mapper: Mapper | StatementMapper) -> int:
        """Begin with a stream's records under a schema; return the seed for their digests."""
        return self.occurrences.begin(mapper) if mapper.is_of_occurrences else self.changes.begin(mapper)

    def unknown(self, digests: Sequence[bytes] | Sequence[bytes | None]) -> list[int]:
        """The indexes of the records that are not known to be unchanged by their digests."""
        return unknown(digests, self._ledger.table)

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
            self._reject(mapped.rejections, records=int(mapped.is_empty))
            digest = None  # what was turned down is to be turned down again
        if mapped.left_out:
            self.tally.left_out(stream, mapped.left_out)
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
            self.tally.streams[stream].unchanged += 1  # an identifier and nothing else: there is nothing to change

    def _occur(self, mapped: Mapped, stream: str, digest: bytes | None) -> None:
        """Pack what of an event or purchase was not sent yet, list what is held, since it may have been."""
        if mapped.update is not None and mapped.known_by is None:
            self._pack(mapped.update)
            return
        found = self.occurrences.find(mapped, digest)
        for update, day in found.held:
            self._hold(update, _sent_on(day))
        if found.held and not found.updates:
            self.tally.in_doubt(stream)
        elif not found.updates:
            self.tally.streams[stream].unchanged += 1
        self.tally.streams[stream].again += found.again
        for update in found.updates:
            self._pack(update)

    def change(self, attributes: Attributes, person: Person | None, digest: bytes | None) -> None:
        """Find what of a record changed, hold what is to be held, pack the rest; see `take`."""
        changes = self.changes
        if person is None:
            changes.settle()
            person = changes.person(attributes)
        if self._is_open(person) and not (
            changes.is_mergeable(attributes, person) and self._packer.has_room(attributes.size)
        ):
            self._close()
        change = changes.find(attributes, person, digest)
        if change.update is not None and change.replaces is None:
            self._pack(change.update)
        elif change.replaces is not None:
            self._packer.replace(change.replaces, change.update)
        self._note(attributes, change)

    def _is_open(self, person: Person) -> bool:
        """Whether an update of the person is in the request that is being packed, one by itself."""
        newcomers = self.changes.take_apart(person)
        if newcomers is not None:
            self._packer.take_apart(newcomers)
        return self.changes.is_open(person)

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
                self._close()
                continue
            newcomers = Newcomers(terms, heap, digests, start, min(start + room, end))
            while len(newcomers) > 1 and not packer.has_room(len(newcomers.body) + 1):
                newcomers = Newcomers(terms, heap, digests, start, start + len(newcomers) // 2)
            if not packer.has_room(len(newcomers.body) + 1) and not packer.is_empty:
                self._close()
                continue
            self.changes.enter(newcomers)
            packer.add_newcomers(newcomers)
            start += len(newcomers)

    def warn(self, warnings: Iterable[str]) -> None:
        """Say something of a stream, once in a run."""
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._logger.warning("%s", warning)

    def begin_tracking(self) -> None:
        """Fill requests to `/users/track` from now on."""
        self._errands.turn_to(TRACK)

    def _note(self, attributes: Attributes, change: Change) -> None:
        """Count what of a record changed."""
        if self._plan is not None:
            self._plan.note(attributes, change)
        if change.held:
            self.tally.held(attributes.stream, change.held)
            if change.doubtful is not None:
                self._hold(change.doubtful[0], _sent_on(change.doubtful[1]))
        if change.update is None:
            tally = self.tally.streams[attributes.stream]
            tally.unchanged += change.replaces.records if change.replaces is not None else 0
            if change.doubtful is not None:
                self.tally.in_doubt(attributes.stream)
            elif change.held:
                tally.held += 1
            else:
                tally.unchanged += 1

    def _pack(self, update: Update) -> None:
        """Pack an update; deliver the request that it found full."""
        request = self._packer.add(update)
        if request is not None:
            self.changes.packed(update)
            self._submit(request, self._packer.position - 1)

    def _close(self) -> None:
        """Deliver the request that is open, however full."""
        request = self._packer.close()
        self.changes.packed()
        if request is not None:
            self._submit(request, self._packer.position)
        elif self._packer.position > self._submitted:
            # All that was in it was taken back by later records: a STATE after them waits for no request.
            self._submitted = self._packer.position
            self._call(partial(self._passed, self._submitted))

    def leave(self, attributes: Attributes, person: Person) -> None:
        """Take what is said of a person who leaves audiences, with no record behind it."""
        self.begin_tracking()
        if self._is_open(person):
            self._close()
        change = self.changes.find(attributes, person, None)
        if change.update is not None:
            self._pack(change.update)

    def receive(self, state: Any) -> None:
        """Take a STATE: it leaves when all that was taken before it has ended.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        self.ahead.catch_up()
        if self.audiences is not None:
            self.audiences.state_came()
        self._call(partial(self._received, self._packer.position, state))

    def rest(self) -> None:
        """Acknowledge what is safe before waiting for the tap; once delivery has begun, that looks to it by itself."""
        if self._delivery is None:
            self._acknowledge(at_once=True)

    def finish(self) -> dict[str, Any]:
        """Deliver all that was taken, acknowledge the last STATE, write the summary; return it.

        Raises:
            TargetBrazeError: If delivery gave up, or too much was rejected.
        """
        self.ahead.catch_up()
        self._finish_delivery()
        if self.audiences is not None:
            self.audiences.leave()
            self._finish_delivery()
            self.audiences.close()
        self._end(forgets=not self._settings.dry_run)
        return self._summarise()

    def _finish_delivery(self) -> None:
        self._close()
        if self._delivery:
            self._delivery.finish()

    def abandon(self) -> dict[str, Any]:
        """End early: let what is in flight finish, acknowledge what is safe, write and return the summary."""
        with contextlib.suppress(DeadLetterError):  # one that fails again is not acknowledged, and was reported
            self._end()
        try:
            return self._summarise()
        except SettingsError as error:  # what ended the run says more
            self._logger.warning("%s", error)
            return self._counted()

    def _end(self, *, forgets: bool = False) -> None:
        self.ahead.close()
        try:
            if self._delivery is None or self._delivery.close():
                # its thread is gone, so that nobody else touches the acknowledger and the ledger
                try:
                    self._acknowledge(at_once=True)
                    self.changes.settle()  # before the table is written, which must not know more than the store
                    self.changes.flush()
                    self.occurrences.settle()
                    self.occurrences.flush()
                    if forgets:
                        self._forget_old()
                finally:
                    self._ledger.close()
        finally:
            self._report.close()

    def _forget_old(self) -> None:
        """Forget events and purchases that were sent too long ago; once a day, for it goes through all of them."""
        today = b"%d" % self._today
        if self._ledger.meta_get(_FORGOTTEN_ON) == today:
            return
        days = {number: self._settings.stream(name).remember_days for name, number in self._names.streams.items()}
        if forgotten := self.occurrences.forget_old(days, self._settings.remember_days):
            self._logger.info("Forgot %d events and purchases, sent longer ago than `remember_days`.", forgotten)
        self._ledger.meta_put(_FORGOTTEN_ON, today)

    def _summarise(self) -> dict[str, Any]:
        summary = self._counted()
        self._report.write_summary(summary)
        return summary

    def _counted(self) -> dict[str, Any]:
        while self.changes.additions.again:
            stream, count = self.changes.additions.again.popitem()
            self.tally.streams[stream].again += count
        summary = self.tally.summary(time.monotonic() - self._started, dry_run=self._settings.dry_run)
        if self._plan is not None:
            summary["plan"] = self._plan.summary(summary["streams"], self.changes.source)
        return summary

    def _submit(self, request: Request, position: int) -> None:
        self._spend(request)
        self._submitted = position
        if self._delivery is None:
            self._delivery = self._begin_delivery()
        if self.audiences is not None:
            self._doubts.memberships = self.audiences.memberships
            self.audiences.write()
        if not self._settings.dry_run:
            self._doubts.has_additions = self.changes.additions.is_any
            self._doubts.note(position, request.singles, request.forgets)
        self._delivery.submit(position, request)

    def _begin_delivery(self) -> Delivery:
        from target_braze.delivery import Delivery, Limits  # noqa: PLC0415 - a quarter of the time a run needs to start

        settings = self._settings
        limits = Limits(
            settings.max_requests_per_second,
            settings.max_connections,
            settings.request_timeout_seconds,
            settings.max_retry_seconds,
        )
        delivery = Delivery(self._endpoint, settings.api_key, limits, self, self._on_failure)
        delivery.start()
        return delivery

    def _call(self, function: Callable[[], None]) -> None:
        """Run a function where the acknowledger may be touched."""
        if self._delivery is None:
            function()
        else:
            self._delivery.call(function)

    def _spend(self, request: Request) -> None:
        """Stop before a request that would pass the limit of data points.

        What Braze rejects costs nothing and is counted here all the same: where the run stops must not depend on when
        answers come (invariant 6).

        Raises:
            DataPointLimitError: When all that was submitted before has ended.
        """
        most = self._settings.max_data_points
        if most is None:
            return
        points = request.data_points
        if self._data_points + points > most:
            if self._delivery:
                self._delivery.finish()
            raise DataPointLimitError(
                f"Stopped before a request that would have passed `max_data_points`: {self._data_points:,} of {most:,} "
                f"are used, and it costs {points:,}. What was delivered is kept and acknowledged; run again with a "
                "higher limit to send the rest."
            )
        self._data_points += points

    def _passed(self, position: int) -> None:
        self._acknowledger.opened(position)
        self.ended(position)

    def _received(self, position: int, state: Any) -> None:
        self._acknowledger.received(position, state)
        self._acknowledge()

    # On the delivery's thread

    def submitted(self, position: int) -> None:
        """Let no STATE that covers the request pass it."""
        self._acknowledger.opened(position)

    def sent(self, request: Request, *, is_retry: bool) -> None:
        """A request leaves."""
        if self._plan is not None:
            self._plan.sent(request.endpoint)
        self.occurrences.leaving(request.singles)
        if self.changes.additions.is_any:
            self.changes.additions.leaving(request.singles)
        self.tally.sent(request, is_retry=is_retry)

    def returned(self, objects: Sequence[Update]) -> None:
        """Take it back that these objects may have reached Braze."""
        self.occurrences.returned(objects)
        if self.changes.additions.is_any:
            self.changes.additions.returned(objects)

    def in_doubt(self, objects: Sequence[Update], reason: str) -> Sequence[Update]:
        """Hold what may have reached Braze and must not be there twice; return what of it may go again.

        Raises:
            DeadLetterError: If it cannot be listed.
            DeliveryError: If so many are held that a person had better look at it first.
        """
        spared = [rest for update in objects if (rest := self._spare(update, f"in doubt: {reason}")) is not None]
        self._unanswered += len(objects)
        if self._settings.max_rejected.is_passed(self._unanswered, self.tally.records):
            raise DeliveryError(
                f"Nobody knows whether Braze has {self._unanswered:,} events, purchases and additions, for it does not "
                "answer as it should. With `in_doubt: hold` they are held, and since `max_rejected` allows no more, "
                f"the run stops. They are in {self._report.held.path}. Run again when Braze answers; what was not sent "
                "yet is sent then."
            )
        return spared

    def _spare(self, update: Update, reason: str) -> Update | None:
        """Hold what of an object must not be there twice; return the rest, if there is any."""
        if update.lesson is None:
            self._hold(update, reason)
            self.occurrences.ended(update)
            self.tally.in_doubt(update.stream, update.records)
            self._end_whole(update, Outcome.HELD)
            return None
        held, rest = split(update)
        self._hold(held, reason)
        self.changes.additions.ended([update])
        self.tally.held(update.stream, [Held(name, IN_DOUBT, each) for name, each in held.shape.data_points.items()])
        if rest is None:
            self.changes.rejected(update.lesson)
            self.tally.in_doubt(update.stream, update.records)
        return rest

    def accepted(self, accepted: Request) -> None:
        """Record what Braze accepted (invariant 2)."""
        objects = accepted.singles
        if accepted.endpoint is not TRACK:
            # before the rest: what was asked must not look settled while what it undid is still believed
            self.changes.forgotten(accepted.forgets)
        self.changes.arrived(accepted.newcomers)
        if objects:
            self.changes.accepted([update.lesson for update in objects if update.lesson is not None])
            if self.changes.additions.is_any:
                self.changes.additions.accepted(objects)
        has_occurrences = self.occurrences.accepted(objects)
        self.tally.accepted(accepted)
        if self.audiences is not None:
            self.audiences.accepted(objects)
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
                self.changes.rejected(lesson)
        identity = _identity(update, fields)
        self._reject([Rejection(update.stream, identity, reason, None, fields)], records=update.records)
        if update.occurrence is not None:  # once it is among the rejected, it need not be in doubt any more
            self.occurrences.rejected(update)
            self._end_whole(update, Outcome.REJECTED)
        elif self.changes.additions.is_any:
            self.changes.additions.returned([update])
            self.changes.additions.ended([update])

    def ended(self, position: int) -> None:
        """Acknowledge what a request that has ended was the last to hold up."""
        self._doubts.ended(position)
        self._acknowledger.ended(position)
        self._acknowledge()

    def _end_whole(self, update: Update, outcome: Outcome) -> None:
        """Count a record of several objects, of which this is the last to end."""
        whole = None if update.occurrence is None else update.occurrence.whole
        if whole is not None and (of_record := whole.ended(outcome)) is not None:
            self.tally.ended(update.stream, of_record)

    def _acknowledge(self, *, at_once: bool = False) -> None:
        """Emit the newest STATE that is safe, at most once a second (invariant 1)."""
        now = time.monotonic()
        state = self._acknowledger.due(now, at_once=at_once)
        if state is not None:
            self._report.sync()
            self._ledger.sync()
            self._emit(state)
        elif self._delivery and self._acknowledger.is_waiting and not self._is_acknowledgement_set:
            self._is_acknowledgement_set = True
            self._delivery.call_later(self._acknowledger.next_due - now, self._acknowledge_later)

    def _acknowledge_later(self) -> None:
        self._is_acknowledgement_set = False
        self._acknowledge()

    # On both

    def _hold(self, update: Update, reason: str) -> None:
        """List an event, a purchase or an addition that is held."""
        fields = msgspec.json.decode(update.body)
        advice = (
            "look whether Braze has it; if not, read its record again (e.g. `meltano run --full-refresh`) with "
            f"`in_doubt: resend` for stream {update.stream}, which sends what is in doubt and nothing twice besides"
        )
        held = Rejection(update.stream, _identity(update, fields), f"{reason}; {advice}", None, fields)
        self._report.held.add([held])

    def _reject(self, rejections: Sequence[Rejection], *, records: int) -> None:
        self._report.dead_letter.add(rejections)
        self.tally.rejected(rejections, records=records)
        rejected, read = self.tally.records_with_rejections, self.tally.records
        if self._settings.max_rejected.is_passed(rejected, read):
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


def _sent_on(day: int) -> str:
    """Why something is held that another run has sent."""
    return f"in doubt since {dt.date(1970, 1, 1) + dt.timedelta(days=day)}: it was sent then, and no answer came"


def _emit_nothing(_: Any) -> None:
    """Let no STATE leave."""
