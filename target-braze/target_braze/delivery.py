"""Delivers requests: many at once, at Braze's pace, with bounded retries, from one event loop on a thread of its own.

Promises: an object is never in two requests in flight, nor are two objects of one identity; a retry holds
exactly the objects not yet accepted (invariant 4). What is not delivered when this gives up or is told to stop
is never reported as ended, so that no STATE can pass it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from target_braze.backoff import backoff_seconds
from target_braze.client import Answer, Client
from target_braze.errors import DeliveryError, TargetBrazeError
from target_braze.pace import Pace
from target_braze.packing import Request
from target_braze.responses import Action, Resolution, without_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.endpoints import Endpoint
    from target_braze.updates import Identity, Update

MAX_ATTEMPTS: Final = 25
"""Attempts for one request, those after a wait that Braze asked for included."""
UNREACHED_SECONDS: Final = 30.0
"""How long to go on while nothing has ever answered: then the settings are the likelier cause."""
MAX_ANNOUNCED_SECONDS: Final = 3_700.0
"""Braze's longest window is an hour. Whoever asks for more is not Braze, or a clock is wrong."""
_SUBMITTED_PER_CONNECTION: Final = 2
"""Requests that may be on their way for each connection: one in flight, one ready to follow it."""
_END_SECONDS: Final = 5.0
_LOGGED_WAIT_SECONDS: Final = 1.0
_UNDONE: Final = (Action.RETRY, Action.SPLIT, Action.STOP)
"""Of a request with such an answer Braze has done nothing, unless the answer leaves it open."""
_UNINTERRUPTED_SECONDS: Final = 0.1
"""A wait so short is over before it would be worth interrupting; the pace asks for one before most requests."""


class Outcomes(Protocol):
    """Whoever is told what became of requests, on the delivery's thread. What it raises ends the delivery."""

    def submitted(self, position: int) -> None:
        """A request was submitted with this position."""

    def sent(self, request: Request, *, is_retry: bool) -> None:
        """A request leaves."""

    def returned(self, objects: Sequence[Update]) -> None:
        """Braze has certainly done nothing of these objects, in this attempt and those before it."""

    def in_doubt(self, objects: Sequence[Update], reason: str) -> Sequence[Update]:
        """Nobody knows whether Braze has these objects, and they are not sent again; return what of them may be."""

    def accepted(self, accepted: Request) -> None:
        """Braze accepted all that is in here, a request as it was sent or a part of one."""

    def rejected(self, update: Update, reason: str) -> None:
        """Braze rejected this object, for good."""

    def ended(self, position: int) -> None:
        """Every object of the request submitted with this position was accepted or rejected, or is in doubt."""


@dataclass(frozen=True)
class Limits:
    """Pace and patience; see the settings of these names.

    Attributes:
        requests_per_second: Most requests in any second.
        connections: Most requests in flight at once.
        timeout_seconds: How long to wait for an answer.
        retry_seconds: How long one request may go on failing; waits that Braze asks for are not counted.
    """

    requests_per_second: float
    connections: int
    timeout_seconds: float
    retry_seconds: float


class Delivery:
    """Sends requests until it is told to finish or something stops it.

    Args:
        endpoint: Braze's REST endpoint, no slash at its end.
        api_key: The key.
        limits: Pace and patience.
        outcomes: Who is told what became of each object.
        on_failure: Called once, on the delivery's thread, when it gives up.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        limits: Limits,
        outcomes: Outcomes,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = Client(endpoint, api_key, limits.connections, limits.timeout_seconds)
        self._limits = limits
        self._outcomes = outcomes
        self._on_failure = on_failure
        self._logger = logging.getLogger("target-braze")
        self._pace = Pace(limits.requests_per_second)
        self._paces: dict[str, Pace] = {}
        self._warned: set[str] = set()
        self._failure: BaseException | None = None
        self._is_stopping = False
        self._unfinished = 0
        self._changed = threading.Condition()
        """Guards `_failure` and `_unfinished`, the two things both threads look at."""
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    # On the thread that reads

    @property
    def failure(self) -> BaseException | None:
        """Why it gave up, if it did."""
        return self._failure

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._is_ready.wait()

    def submit(self, position: int, request: Request) -> None:
        """Hand over a request; wait while enough are on their way (so is the memory bounded).

        Args:
            position: What `Outcomes.ended` is to be told when it has ended.
            request: The request.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        most = self._limits.connections * _SUBMITTED_PER_CONNECTION
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._unfinished < most)
            self._raise_failure()
            self._unfinished += 1
        self._hand_over(self._enqueue, position, request)

    def call(self, function: Callable[[], None]) -> None:
        """Run a function on the delivery's thread, after all that was handed over before.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        self._hand_over(function)

    def finish(self) -> None:
        """Wait until all that was submitted has ended.

        Raises:
            TargetBrazeError: If delivery gave up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._unfinished)
            self._raise_failure()

    def close(self) -> bool:
        """Start no more requests, let those in flight finish, end the thread; return whether it has ended."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already, having failed
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(self._limits.timeout_seconds + _END_SECONDS)
        return not self._thread.is_alive()

    def _hand_over(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed
            self._raise_failure()
            raise

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # On its own thread

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run a function on this thread after a time."""
        self._loop.call_later(seconds, function)

    def _enqueue(self, position: int, request: Request) -> None:
        self._outcomes.submitted(position)
        self._queue.put_nowait((position, request))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._raised)
        try:
            self._loop.run_until_complete(self._deliver_all())
        finally:
            self._is_ready.set()  # whatever happened: `start` waits for it
            self._loop.close()

    async def _deliver_all(self) -> None:
        self._queue: asyncio.Queue[tuple[int, Request]] = asyncio.Queue()
        self._stopped = asyncio.Event()
        self._landed = asyncio.Event()
        self._connections = asyncio.Semaphore(self._limits.connections)
        self._turn = asyncio.Lock()
        self._in_flight: set[Identity] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        async with self._client:
            self._is_ready.set()
            dispatch = asyncio.create_task(self._dispatch())
            await self._stopped.wait()
            dispatch.cancel()
            await asyncio.gather(dispatch, *self._tasks, return_exceptions=True)

    async def _dispatch(self) -> None:
        """Start requests in the order they came.

        One that shares an identity with one in flight waits, and those behind it with it: which requests
        leave in which order must not depend on how fast answers come (invariant 6).
        """
        while True:
            position, request = await self._queue.get()
            await self._connections.acquire()
            while not self._in_flight.isdisjoint(request.identities):
                self._landed.clear()
                await self._landed.wait()
            if self._is_stopping:
                return
            self._in_flight |= request.identities
            task = asyncio.create_task(self._carry(position, request))
            self._tasks.add(task)
            task.add_done_callback(self._carried)
            if not self._client.was_reached:
                # The first goes alone: a wrong key is worth one request, not hundreds, and the pace is kept better
                # once there is a connection.
                await asyncio.wait([task])

    async def _carry(self, position: int, request: Request) -> None:
        """See one request to its end."""
        try:
            if await self._deliver(request):
                self._outcomes.ended(position)
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()
        finally:
            self._in_flight -= request.identities
            self._landed.set()
            self._connections.release()

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _deliver(self, request: Request) -> bool:
        """Send a request, and what is left of it, until each object has ended; False if told to stop before."""
        parts = [request]
        while parts:
            part = parts.pop()
            resolution = await self._attempt(part, is_again=part is not request)
            if resolution is None:
                return False
            if resolution.accepts_all:  # as good as always
                self._outcomes.accepted(part)
                continue
            parts.extend(reversed(self._settle(part, resolution)))
            if resolution.action is Action.RETRY and parts and not await self._sleep(backoff_seconds(1, random.random)):
                return False
        return True

    async def _attempt(self, part: Request, *, is_again: bool) -> Resolution | None:
        """Send a request until there is an answer about its objects; None if told to stop before.

        One that may have been applied is not sent again while an object is in it that must not be there twice.

        Raises:
            DeliveryError: If attempts or patience are used up, or no retry can mend it.
        """
        spent = 0.0
        is_in_doubt = False
        for attempts in range(1, MAX_ATTEMPTS + 1):
            if not await self._turn_comes(part.endpoint):
                return None
            self._outcomes.sent(part, is_retry=is_again or attempts > 1)
            started = time.monotonic()
            answer = await self._client.post(part)
            resolution = answer.resolution
            is_in_doubt |= resolution.is_in_doubt
            if resolution.action in _UNDONE and not is_in_doubt:
                self._outcomes.returned(part.singles)
            if resolution.action is Action.STOP:
                raise DeliveryError(resolution.reason)
            if resolution.action is not Action.RETRY:
                if 0 < (answer.announced_seconds or 0) <= MAX_ANNOUNCED_SECONDS:  # a longer one is a 429's to say
                    self._pause(answer.announced_seconds or 0, "Braze's rate limit is used up", part.endpoint)
                return resolution if attempts == 1 or part.endpoint.is_repeatable else _perhaps_done(resolution)
            if resolution.is_in_doubt and any(update.is_held_in_doubt for update in part.singles):
                return resolution
            wait = self._wait(answer, attempts, part.endpoint)
            spent += time.monotonic() - started + (0 if answer.announced_seconds else wait)
            if spent > self._patience_seconds:
                break
            if not await self._sleep(wait):
                return None
        raise DeliveryError(
            f"Gave up after {attempts} attempts: {resolution.reason}. What Braze accepted until then is kept; "
            "run again to send the rest."
        )

    @property
    def _patience_seconds(self) -> float:
        longest = self._limits.retry_seconds
        return longest if self._client.was_reached else min(longest, UNREACHED_SECONDS)

    def _settle(self, part: Request, resolution: Resolution) -> list[Request]:
        """Report the objects that ended with this answer; return requests with the rest."""
        rest = part.objects
        if resolution.rejected:
            for place, reason in resolution.rejected.items():
                self._outcomes.rejected(part.places[place], reason)
            rest = [update for place, update in part.places.items() if place not in resolution.rejected]
        if resolution.is_in_doubt and (resolution.action is Action.RETRY or len(part.objects) > 1):
            rest = self._without_doubtful(rest, resolution.reason)
        if not rest:
            return []
        if resolution.action is Action.ACCEPT:
            self._outcomes.accepted(Request(rest))
        elif resolution.action is Action.RETRY:
            return [Request(rest)]
        elif resolution.action is Action.SPLIT and len(rest) > 1:
            self._warn(
                f"Braze refused a request as a whole ({without_values(resolution.reason)}); it is sent again in "
                "parts. If this is about the number of objects, your contract allows fewer: lower "
                "`max_objects_per_request`."
            )
            return list(Request(rest).halves())
        elif resolution.action is Action.SPLIT and len(rest) < len(part.objects):
            return [Request(rest)]  # alone now, and never judged alone
        else:
            for update in rest:
                self._outcomes.rejected(update, resolution.reason)
        return []

    def _without_doubtful(self, objects: Sequence[Update], reason: str) -> Sequence[Update]:
        """Report those that must not be there twice; return the others, which may go again."""
        doubtful = [update for update in objects if update.is_held_in_doubt]
        if not doubtful:
            return objects
        self._warn(
            f"Nobody knows whether Braze has taken some events, purchases or additions ({without_values(reason)}). "
            "With `in_doubt: hold` they are not sent again."
        )
        spared = self._outcomes.in_doubt(doubtful, without_values(reason))
        return [*(update for update in objects if not update.is_held_in_doubt), *spared]

    async def _turn_comes(self, endpoint: Endpoint) -> bool:
        """Wait for the pace; False if told to stop."""
        own = self._pace_of(endpoint)
        async with self._turn:  # first come, first served: a slow endpoint holds the others up, which keeps the order
            while wait := max(self._pace.wait(now := time.monotonic()), own.wait(now)):
                if not await self._sleep(wait):
                    return False
            if self._is_stopping:
                return False
            self._pace.started(time.monotonic())
            if own is not self._pace:
                own.started(time.monotonic())
            return True

    def _pace_of(self, endpoint: Endpoint) -> Pace:
        """The pace that keeps an endpoint's rate limit, which others may share."""
        rate = endpoint.rate
        return self._pace if rate is None else self._paces.setdefault(rate.name, Pace(rate.per_second))

    async def _sleep(self, seconds: float) -> bool:
        """Wait; False if told to stop meanwhile."""
        if seconds < _UNINTERRUPTED_SECONDS:
            await asyncio.sleep(seconds)
            return not self._is_stopping
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except asyncio.TimeoutError:
            return True
        return False

    def _wait(self, answer: Answer, attempts: int, endpoint: Endpoint) -> float:
        """How long to wait before a retry; Braze's own word comes first, but for one that says not to wait.

        A reset that is past, by a clock that is ahead of Braze's, would let all attempts be used up in an instant.
        """
        reason, announced = answer.resolution.reason, answer.announced_seconds
        wait = _credible(announced, reason) if announced else backoff_seconds(attempts, random.random)
        if answer.resolution.is_limit:
            self._pause(wait, reason, endpoint)
        elif attempts == 1:
            self._warn(f"A request failed and is tried again: {reason}.")
        return wait

    def _pause(self, seconds: float, why: str, endpoint: Endpoint) -> None:
        """Let no request start for a while: a rate limit is everybody's, not one request's."""
        now = time.monotonic()
        pace = self._pace_of(endpoint)
        if seconds - pace.wait(now) >= _LOGGED_WAIT_SECONDS:  # said once, not by each request in flight
            self._logger.info("%s; no request starts for %.0f seconds.", why, seconds)
        pace.pause(now, seconds)

    def _warn(self, message: str) -> None:
        """Say something once in a run: it is about the account or the network, not about one request."""
        if message not in self._warned:
            self._warned.add(message)
            self._logger.warning("%s", message)

    def _raised(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Give up when a function that was handed over raises."""
        self._fail(context.get("exception") or DeliveryError(str(context.get("message"))))

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None:
            return
        if not isinstance(error, TargetBrazeError):
            self._logger.error("Delivery failed unexpectedly (%s).", type(error).__name__, exc_info=error)
        with self._changed:
            self._failure = error
            self._changed.notify_all()
        self._stop()
        self._on_failure()

    def _stop(self) -> None:
        self._is_stopping = True
        self._stopped.set()


def _perhaps_done(resolution: Resolution) -> Resolution:
    """What came of a request that was sent before and not answered, to an endpoint that does a thing once only."""
    rejected = {
        place: f"{reason} (it was sent before without an answer, and may have been done then)"
        for place, reason in resolution.rejected.items()
    }
    return replace(resolution, rejected=rejected)


def _credible(seconds: float, why: str) -> float:
    """A wait that was asked for.

    Raises:
        DeliveryError: If it is longer than any that Braze asks for.
    """
    if seconds > MAX_ANNOUNCED_SECONDS:
        raise DeliveryError(
            f"{why}, and the answer asks to wait for {seconds:,.0f} seconds, though Braze's longest limit is one "
            "of an hour. Check this machine's clock, and what stands between it and Braze."
        )
    return seconds
