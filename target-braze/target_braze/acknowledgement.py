"""When a STATE may leave. Pure.

Updates are numbered in the order they were taken; a request covers a run of them. A STATE received after update n
may leave when all requests that cover updates up to n have ended, each of their objects accepted or durably in the
dead letter (invariant 1).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

MIN_SECONDS_BETWEEN_STATES: Final = 1.0
"""Each STATE line costs Meltano some 10 ms, or 80 ms with a remote backend, in which it relays no records."""


@dataclass
class Acknowledger:
    """Knows which STATE is safe.

    Attributes:
        min_seconds: Least time between two STATEs, but for the last.
    """

    min_seconds: float = MIN_SECONDS_BETWEEN_STATES
    _open: deque[int] = field(default_factory=deque)
    _ended: set[int] = field(default_factory=set)
    _settled: int = 0
    _states: deque[tuple[int, Any]] = field(default_factory=deque)
    _last_emitted: float = float("-inf")

    def opened(self, position: int) -> None:
        """Note a closed request whose last update is number `position`; requests are opened in order."""
        self._open.append(position)

    def ended(self, position: int) -> None:
        """Note that every object of the request that was opened with this position has ended."""
        self._ended.add(position)
        while self._open and self._open[0] in self._ended:
            self._settled = self._open.popleft()
            self._ended.remove(self._settled)

    def received(self, position: int, state: Any) -> None:
        """Note a STATE that came when `position` updates had been taken."""
        if self._states and self._states[-1][0] == position:
            self._states.pop()  # the newer of two with nothing between them says more
        self._states.append((position, state))

    def due(self, now: float, *, at_once: bool = False) -> Any | None:
        """The newest STATE that is safe, if it is time for one; it counts as emitted.

        Args:
            now: Seconds of a monotonic clock.
            at_once: Whether not to wait for the rhythm, as at the end of a run.
        """
        if not self.is_waiting or (not at_once and now < self.next_due):
            return None
        state = None
        while self.is_waiting:
            _, state = self._states.popleft()
        self._last_emitted = now
        return state

    @property
    def is_waiting(self) -> bool:
        """Whether there is a STATE that is safe and not emitted yet."""
        return bool(self._states) and self._states[0][0] <= self._settled

    @property
    def next_due(self) -> float:
        """The earliest time for the next STATE, on the clock of `due`."""
        return self._last_emitted + self.min_seconds
