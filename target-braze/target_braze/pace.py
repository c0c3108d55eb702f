"""The pace that keeps the rate limits: our own setting, and what Braze announces. Pure: the time is given to it.

Braze announces a limit in two styles (Braze docs, "API limits" and "User track", 2026-09): most contracts have the
reset as an absolute second since 1970, MAU contracts as seconds that are left. A 429 of MAU contracts has
`X-Ratelimit-Retry-After` and none of the others; a 401 has all of them, empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPREAD: Final = 1.025
"""Requests start 2.5 % further apart than the limit says: what leaves evenly does not arrive evenly."""
_CATCH_UP_SECONDS: Final = 0.005
"""How much of a late start may be made up for by starting the next requests earlier."""
_WARM_UP_SECONDS: Final = 0.5
"""How long after the first request the pace is half of what it may be: until connections are open, requests leave late,
and would arrive in a heap with those after them."""
_LEAST_EPOCH: Final = 1_000_000_000
"""A reset beyond it is a second since 1970, not a number of seconds left."""


@dataclass
class Pace:
    """When the next request may start. All times are seconds of one monotonic clock.

    Attributes:
        per_second: Most requests in any second.
    """

    per_second: float
    _next: float = float("-inf")
    _warm_at: float | None = None
    _paused_until: float = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next request may start, 0 if it may start now."""
        return max(0.0, self._next - now, self._paused_until - now)

    def started(self, now: float) -> None:
        """Note that a request starts."""
        if self._warm_at is None:
            self._warm_at = now + _WARM_UP_SECONDS
        interval = _SPREAD / self.per_second * (2 if now < self._warm_at else 1)
        self._next = max(self._next, now - _CATCH_UP_SECONDS) + interval

    def pause(self, now: float, seconds: float) -> None:
        """Start no request for so long: the limit is everybody's, not one request's."""
        self._paused_until = max(self._paused_until, now + seconds)


def announced_wait(headers: Mapping[str, str], epoch_seconds: float) -> float | None:
    """How long Braze asks to wait, in seconds, or None if it does not.

    Args:
        headers: An answer's headers, names in lower case.
        epoch_seconds: The time, in seconds since 1970.
    """
    for name in ("x-ratelimit-retry-after", "retry-after"):
        if (seconds := _number(headers.get(name))) is not None:
            return seconds
    if _number(headers.get("x-ratelimit-remaining")) != 0:
        return None  # a 429 with some of the hour left is about the burst of 3 seconds, not about the hour
    reset = _number(headers.get("x-ratelimit-reset"))
    if reset is None:
        return None
    return max(0.0, reset - epoch_seconds) if reset > _LEAST_EPOCH else reset


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
