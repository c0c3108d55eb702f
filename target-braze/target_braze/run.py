"""One run: what its streams share, from the first record to the summary.

    read → (unchanged? stop here) → map → find changes → hold → pack → deliver → record → acknowledge

Up to mapping a record is its stream's (`sink.py`). What its mapping made of it the run's `intake.py` takes: it finds
changes, holds and packs. `handover.py` has requests delivered, `recording.py` records what became of them, `states.py`
acknowledges. Up to the handover all happens on the thread that reads; the rest on the delivery's thread, which alone
touches what lets STATE leave while it lives.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_braze import instances
from target_braze.changes import Changes
from target_braze.digests import unknown
from target_braze.doubts import Doubts, forget
from target_braze.errors import DeadLetterError, SettingsError
from target_braze.handover import Handover
from target_braze.hashes import Hasher
from target_braze.intake import Intake
from target_braze.ledger import Ledger
from target_braze.mapping_ahead import MappingAhead
from target_braze.names import Names
from target_braze.occurrences import SECONDS_A_DAY, Occurrences
from target_braze.packing import Packer
from target_braze.plan import Plan
from target_braze.recording import Recorder
from target_braze.reports import Report
from target_braze.sealing import Sealer
from target_braze.states import States
from target_braze.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from target_braze.enrolments import Enrolments
    from target_braze.mapping import Mapper
    from target_braze.settings import Settings
    from target_braze.statements import StatementMapper

_FORGOTTEN_ON: Final = "occurrences forgotten on"


class Run:
    """One run of the target.

    Args:
        settings: The settings.
        endpoint: Braze's REST endpoint.
        emit: Writes one STATE to standard output.
        on_failure: Called once when delivery gives up, on the delivery's thread.

    Attributes:
        tally: Counts what becomes of records.
        changes: Finds what changed of attributes.
        occurrences: Finds which events and purchases were not sent yet.
        audiences: Who enters and leaves; None if there are none.
        ahead: Maps heaps of records before it is their turn.
        intake: Takes what mapping made of records.
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
        self._started = time.monotonic()
        self._logger = logging.getLogger("target-braze")
        self._warned: set[str] = set()
        self._report = Report(settings.report_path)
        self._ledger = Ledger.open(
            settings.ledger,
            endpoint=settings.base_url or instances.SANDBOX,
            api_key=settings.api_key,
            ledger_key=settings.ledger_key,
            is_rehearsal=settings.dry_run,
        )
        self._names = names = Names(self._ledger.meta_get, self._ledger.meta_put)
        hasher, sealer, now = Hasher(self._ledger.key), Sealer(self._ledger.key), int(time.time())
        self._today = now // SECONDS_A_DAY
        self.changes = Changes(self._ledger, names, hasher, sealer, now, is_resync=settings.full_resync)
        self.changes.is_watched = settings.dry_run
        self.occurrences = Occurrences(self._ledger, names, hasher, now)
        self.audiences: Enrolments | None = None
        if settings.audiences:
            from target_braze.enrolment import Remembering  # noqa: PLC0415 - for runs that have some
            from target_braze.enrolments import Enrolments  # noqa: PLC0415

            began_at = dt.datetime.fromtimestamp(now, dt.timezone.utc)
            self.audiences = Enrolments(
                settings.audiences, self, Remembering(self._ledger, names, hasher, sealer), began_at
            )
            self.changes.on_change = self.audiences.changed
        doubts = self._begin_doubts()
        self.ahead = MappingAhead(self._ledger.key)
        self._plan = Plan(settings.max_requests_per_second) if settings.dry_run else None
        # in a dry run no STATE leaves: a bookmark must not move past what was never sent
        self._states = States(self._report, self._ledger, _emit_nothing if settings.dry_run else emit)
        recorder = Recorder(
            changes=self.changes,
            occurrences=self.occurrences,
            audiences=self.audiences,
            doubts=doubts,
            tally=self.tally,
            plan=self._plan,
            report=self._report,
            max_rejected=settings.max_rejected,
            states=self._states,
        )
        self._handover = Handover(
            settings=settings,
            endpoint=endpoint,
            changes=self.changes,
            audiences=self.audiences,
            doubts=doubts,
            recorder=recorder,
            states=self._states,
            on_failure=on_failure,
        )
        self._packer = Packer(settings.max_objects_per_request, is_per_array=settings.is_object_limit_per_array)
        self.intake = Intake(
            changes=self.changes,
            occurrences=self.occurrences,
            packer=self._packer,
            handover=self._handover,
            recorder=recorder,
            tally=self.tally,
            plan=self._plan,
            begun_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )

    def _begin_doubts(self) -> Doubts:
        """Forget what the last run left in doubt."""
        doubts = Doubts(self._ledger.meta_get, self._ledger.meta_put)
        if people := forget(doubts.left(), self._ledger, self._names):
            self._logger.info(
                "The last run did not see what became of changes of %d people; what comes of these next is sent.",
                people,
            )
        doubts.clear()
        return doubts

    @property
    def failure(self) -> BaseException | None:
        """Why delivery gave up, if it did."""
        return self._handover.failure

    @property
    def summary_path(self) -> Path:
        """Where the summary is, once the run has ended."""
        return self._report.folder / "summary.json"

    # Streams

    def begin(self, mapper: Mapper | StatementMapper) -> int:
        """Begin with a stream's records under a schema; return the seed for their digests."""
        return self.occurrences.begin(mapper) if mapper.is_of_occurrences else self.changes.begin(mapper)

    def unknown(self, digests: Sequence[bytes] | Sequence[bytes | None]) -> list[int]:
        """The indexes of the records that are not known to be unchanged by their digests."""
        return unknown(digests, self._ledger.table)

    def warn(self, warnings: Iterable[str]) -> None:
        """Say something of a stream, once in a run."""
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._logger.warning("%s", warning)

    # STATE

    def receive(self, state: Any) -> None:
        """Take a STATE: it leaves when all that was taken before it has ended.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        self.ahead.catch_up()
        if self.audiences is not None:
            self.audiences.state_came()
        self._handover.call(partial(self._states.received, self._packer.position, state))

    def rest(self) -> None:
        """Acknowledge what is safe before waiting for the tap; once delivery has begun, that looks to it by itself."""
        if not self._handover.has_begun:
            self._states.acknowledge(at_once=True)

    # Ends

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
        self.intake.close()
        self._handover.finish()

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
            if self._handover.close():
                # the delivery's thread is gone, so that nobody else touches the acknowledger and the ledger
                try:
                    self._states.acknowledge(at_once=True)
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


def _emit_nothing(_: Any) -> None:
    """Let no STATE leave."""
