"""Hands requests over to delivery: what they change is noted before, and no more data points are spent than allowed.

Delivery begins with the first request: a run in which nothing changed needs none. From then on its thread alone
touches what lets STATE leave; before that, and in a dry run, the thread that reads does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from target_braze.errors import DataPointLimitError
from target_braze.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.changes import Changes
    from target_braze.delivery import Delivery
    from target_braze.doubts import Doubts
    from target_braze.enrolments import Enrolments
    from target_braze.packing import Request
    from target_braze.recording import Recorder
    from target_braze.settings import Settings
    from target_braze.states import States


class Handover:
    """Where requests go.

    Args:
        settings: The settings.
        endpoint: Braze's REST endpoint.
        changes: Knows whether there are additions.
        audiences: Keep who enters before that is sent; None if there are none.
        doubts: Notes requests that are under way.
        recorder: Is told what became of them.
        states: Lets STATE leave.
        on_failure: Called once when delivery gives up, on the delivery's thread.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        endpoint: str,
        changes: Changes,
        audiences: Enrolments | None,
        doubts: Doubts,
        recorder: Recorder,
        states: States,
        on_failure: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._changes = changes
        self._audiences = audiences
        self._doubts = doubts
        self._recorder = recorder
        self._states = states
        self._on_failure = on_failure
        self._delivery: Delivery | Rehearsal | None = None
        self._position = 0
        self._data_points = 0
        if settings.dry_run:
            self._begin(Rehearsal(recorder))

    @property
    def failure(self) -> BaseException | None:
        """Why delivery gave up, if it did."""
        return self._delivery.failure if self._delivery else None

    @property
    def has_begun(self) -> bool:
        """Whether delivery has begun."""
        return self._delivery is not None

    def submit(self, request: Request, position: int) -> None:
        """Deliver a request.

        Args:
            request: The request.
            position: The number of its last update.

        Raises:
            TargetBrazeError: If delivery gave up, or the request would pass the limit of data points.
        """
        self._spend(request)
        self._position = position
        delivery = self._delivery or self._begin(self._started())
        if self._audiences is not None:
            self._doubts.memberships = self._audiences.memberships
            self._audiences.write()
        if not self._settings.dry_run:
            self._doubts.has_additions = self._changes.additions.is_any
            self._doubts.note(position, request.singles, request.forgets)
        delivery.submit(position, request)

    def skip_to(self, position: int) -> None:
        """Let a STATE after this update wait for no request, if there was none with the last updates up to it."""
        if position > self._position:
            self._position = position
            self.call(partial(self._skipped, position))

    def call(self, function: Callable[[], None]) -> None:
        """Run a function where what lets STATE leave may be touched."""
        if self._delivery is None:
            function()
        else:
            self._delivery.call(function)

    def finish(self) -> None:
        """Wait until all that was submitted has ended.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        if self._delivery:
            self._delivery.finish()

    def close(self) -> bool:
        """Let what is in flight finish and send nothing more; return whether the delivery's thread is gone."""
        return self._delivery is None or self._delivery.close()

    def _started(self) -> Delivery:
        from target_braze.delivery import Delivery, Limits  # noqa: PLC0415 - a quarter of the time a run needs to start

        settings = self._settings
        limits = Limits(
            settings.max_requests_per_second,
            settings.max_connections,
            settings.request_timeout_seconds,
            settings.max_retry_seconds,
        )
        delivery = Delivery(self._endpoint, settings.api_key, limits, self._recorder, self._on_failure)
        delivery.start()
        return delivery

    def _begin(self, delivery: Delivery | Rehearsal) -> Delivery | Rehearsal:
        self._delivery = delivery
        self._states.call_later = delivery.call_later
        return delivery

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
            self.finish()
            raise DataPointLimitError(
                f"Stopped before a request that would have passed `max_data_points`: {self._data_points:,} of {most:,} "
                f"are used, and it costs {points:,}. What was delivered is kept and acknowledged; run again with a "
                "higher limit to send the rest."
            )
        self._data_points += points

    def _skipped(self, position: int) -> None:
        self._states.opened(position)
        self._states.ended(position)
