"""One run: what its streams share, and the path of an update from the packer to the acknowledgement.

    pack → deliver → record → acknowledge

Packing happens on the thread that reads; the rest on the delivery's thread, which alone touches the acknowledger
while it lives.
"""

from __future__ import annotations

import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from target_braze.acknowledgement import Acknowledger
from target_braze.delivery import Delivery, Limits
from target_braze.errors import DataPointLimitError, DeadLetterError, SettingsError
from target_braze.packing import Packer, Request
from target_braze.rehearsal import Rehearsal
from target_braze.rejections import Rejection
from target_braze.reports import Report
from target_braze.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from target_braze.settings import Settings
    from target_braze.updates import Mapped, Update


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
        self._delivery: Delivery | Rehearsal
        if settings.dry_run:
            self._delivery = Rehearsal(self)
            self._emit = _emit_nothing  # a bookmark must not move past what was never sent
        else:
            limits = Limits(
                settings.max_requests_per_second,
                settings.max_connections,
                settings.request_timeout_seconds,
                settings.max_retry_seconds,
            )
            self._delivery = Delivery(endpoint, settings.api_key, limits, self, on_failure)
            self._delivery.start()

    @property
    def failure(self) -> BaseException | None:
        """Why delivery gave up, if it did."""
        return self._delivery.failure

    @property
    def summary_path(self) -> Path:
        """Where the summary is, once the run has ended."""
        return self._report.folder / "summary.json"

    # On the thread that reads

    def take(self, mapped: Mapped, stream: str) -> None:
        """Take what mapping made of a record: pack its update, keep its rejections.

        Raises:
            TargetBrazeError: If the run cannot go on.
        """
        update = mapped.update
        if mapped.rejections:
            self._reject(mapped.rejections, is_record=update is None)
        if mapped.left_out:
            self.tally.left_out(stream, mapped.left_out)
        if update is not None:
            self.pack(update)
        elif not mapped.rejections:
            self.tally.streams[stream].unchanged += 1  # an identifier and nothing else: there is nothing to change

    def pack(self, update: Update) -> None:
        """Pack an update; deliver the request that it found full.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        request = self._packer.add(update)
        if request is not None:
            self._submit(request, self._packer.position - 1)

    def receive(self, state: Any) -> None:
        """Take a STATE: it leaves when all that was taken before it has ended.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        self._delivery.call(partial(self._received, self._packer.position, state))

    def finish(self) -> dict[str, Any]:
        """Deliver all that was taken, acknowledge the last STATE, write the summary; return it.

        Raises:
            TargetBrazeError: If delivery gave up, or too much was rejected.
        """
        request = self._packer.close()
        if request is not None:
            self._submit(request, self._packer.position)
        self._delivery.finish()
        self._end()
        return self._summarise()

    def abandon(self) -> dict[str, Any]:
        """End early: let what is in flight finish, acknowledge what is safe, write and return the summary."""
        with contextlib.suppress(DeadLetterError):  # one that fails again is not acknowledged, and was reported
            self._end()
        try:
            return self._summarise()
        except SettingsError as error:  # what ended the run says more
            self._logger.warning("%s", error)
            return self._counted()

    def _end(self) -> None:
        try:
            if self._delivery.close():
                # its thread is gone, so that nobody else touches the acknowledger
                self._acknowledge(at_once=True)
        finally:
            self._report.dead_letter.close()

    def _summarise(self) -> dict[str, Any]:
        summary = self._counted()
        self._report.write_summary(summary)
        return summary

    def _counted(self) -> dict[str, Any]:
        return self.tally.summary(time.monotonic() - self._started, dry_run=self._settings.dry_run)

    def _submit(self, request: Request, position: int) -> None:
        self._spend(request)
        self._delivery.submit(position, request)

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
        points = sum(sum(update.shape.data_points.values()) for update in request.objects)
        if self._data_points + points > most:
            self._delivery.finish()
            raise DataPointLimitError(
                f"Stopped before a request that would have passed `max_data_points`: {self._data_points:,} of {most:,} "
                f"are used, and it costs {points:,}. What was delivered is kept and acknowledged; run again with a "
                "higher limit to send the rest."
            )
        self._data_points += points

    def _received(self, position: int, state: Any) -> None:
        self._acknowledger.received(position, state)
        self._acknowledge()

    # On the delivery's thread

    def submitted(self, position: int) -> None:
        """Let no STATE that covers the request pass it."""
        self._acknowledger.opened(position)

    def sent(self, request: Request, *, is_retry: bool) -> None:
        """A request leaves."""
        self.tally.sent(request, is_retry=is_retry)

    def accepted(self, objects: Sequence[Update]) -> None:
        """Record what Braze accepted."""
        self.tally.accepted(objects)

    def rejected(self, update: Update, reason: str) -> None:
        """Record what Braze rejected.

        Raises:
            DeadLetterError: If it cannot be kept, or too much was rejected.
        """
        fields = msgspec.json.decode(update.body)
        identity = {update.identity.kind: fields[update.identity.kind]}
        self._reject([Rejection(update.stream, identity, reason, None, fields)], is_record=True)

    def ended(self, position: int) -> None:
        """Acknowledge what a request that has ended was the last to hold up."""
        self._acknowledger.ended(position)
        self._acknowledge()

    def _acknowledge(self, *, at_once: bool = False) -> None:
        """Emit the newest STATE that is safe, at most once a second (invariant 1)."""
        now = time.monotonic()
        state = self._acknowledger.due(now, at_once=at_once)
        if state is not None:
            self._report.dead_letter.sync()
            self._emit(state)
        elif self._acknowledger.is_waiting and not self._is_acknowledgement_set:
            self._is_acknowledgement_set = True
            self._delivery.call_later(self._acknowledger.next_due - now, self._acknowledge_later)

    def _acknowledge_later(self) -> None:
        self._is_acknowledgement_set = False
        self._acknowledge()

    # On both

    def _reject(self, rejections: Sequence[Rejection], *, is_record: bool) -> None:
        self._report.dead_letter.add(rejections)
        self.tally.rejected(rejections, is_record=is_record)
        rejected, records = self.tally.records_with_rejections, self.tally.records
        if self._settings.max_rejected.is_passed(rejected, records):
            raise DeadLetterError(
                f"{rejected:,} of {records:,} records had something rejected, more than `max_rejected` allows, so "
                f"the run stops. The reasons are in {self._report.dead_letter.path}; mend the data or the mapping, "
                "or raise `max_rejected`."
            )


def _emit_nothing(_: Any) -> None:
    """Let no STATE leave."""
