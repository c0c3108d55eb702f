"""Rate limits: whether a request may pass now, and what its headers say. Pure; the clock is a parameter.

Braze docs, "API limits", 2026-09. Windows are aligned to the clock, not rolling, as recorded answers show.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Group = Literal[
    "track.bulk",
    "track.sync",
    "users",
    "external_ids.rename",
    "external_ids.remove",
    "subscriptions",
    "export",
    "custom_attributes",
    "catalogs",
    "catalog_items",
    "catalog_items_read",
    "other",
]
# Requests and seconds of the routes beside /users/track; routes of one group share them.
LIMITS: dict[Group, tuple[int, float]] = {
    "track.bulk": (50, 1.0),
    "track.sync": (500, 60.0),
    "users": (20_000, 60.0),
    "external_ids.rename": (1_000, 60.0),
    "external_ids.remove": (1_000, 60.0),
    "subscriptions": (5_000, 60.0),
    "export": (2_500, 60.0),
    "custom_attributes": (1_000, 3_600.0),
    "catalogs": (50, 60.0),
    "catalog_items": (16_000, 60.0),
    "catalog_items_read": (50, 60.0),
    "other": (250_000, 3_600.0),
}


class Decision(NamedTuple):
    """May it pass, and what is left of the (longer) window."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_at: int
    wait_seconds: int


class Window:
    """A number of requests in each window of some seconds."""

    def __init__(self) -> None:
        self._start = -1.0
        self.used = 0

    def turn(self, now: float, seconds: float) -> float:
        """Begin a new window if the clock says so; return when this one ends."""
        start = now // seconds * seconds
        if start != self._start:
            self._start, self.used = start, 0
        return start + seconds


class RateLimit:
    """A long window and perhaps a short one, for bursts, in front of one route."""

    def __init__(self) -> None:
        self._window = Window()
        self._burst = Window()

    def decide(
        self, now: float, limit: int, seconds: float, burst_limit: int | None = None, burst_seconds: float = 3
    ) -> Decision:
        """Count a request at `now` (seconds since 1970), or refuse it."""
        end = self._window.turn(now, seconds)
        reset_at = math.ceil(end)
        if self._window.used >= limit:
            return Decision(False, limit, 0, reset_at, max(1, math.ceil(end - now)))
        if burst_limit is not None:
            burst_end = self._burst.turn(now, burst_seconds)
            if self._burst.used >= burst_limit:
                wait = max(1, math.ceil(burst_end - now))
                return Decision(False, limit, limit - self._window.used, reset_at, wait)
            self._burst.used += 1
        self._window.used += 1
        return Decision(True, limit, limit - self._window.used, reset_at, 0)


def headers(decision: Decision, now: float, reset_style: str) -> dict[str, str]:
    """Return the three headers of an answer."""
    reset = decision.reset_at if reset_style == "epoch" else max(0, math.ceil(decision.reset_at - now))
    return {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(reset),
    }


def refusal_headers(decision: Decision, now: float, reset_style: str, *, retry_after: bool) -> dict[str, str]:
    """Return the headers of a 429: on some contracts one with the wait alone, on others the usual three."""
    if retry_after:
        return {"X-Ratelimit-Retry-After": str(decision.wait_seconds)}
    return headers(decision, now, reset_style)


NO_HEADERS = {"X-RateLimit-Limit": "", "X-RateLimit-Remaining": "", "X-RateLimit-Reset": ""}  # of a 401
