"""Lets STATE leave, the newest that is safe: once what a run must not lose before it is durable (invariant 1).

Which one is safe, `acknowledgement.py` knows. One thread at a time may call what is here: the delivery's while it
lives, else the one that reads.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_braze.acknowledgement import Acknowledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.ledger import Ledger
    from target_braze.reports import Report


class States:
    """The STATEs of one run.

    Args:
        report: Has the dead letter and the list of what is held.
        ledger: The ledger.
        emit: Writes one STATE to standard output.

    Attributes:
        acknowledger: Knows which STATE is safe.
        call_later: Calls a function after so many seconds; None while nothing can.
    """

    def __init__(self, report: Report, ledger: Ledger, emit: Callable[[Any], None]) -> None:
        self.acknowledger = Acknowledger()
        self.call_later: Callable[[float, Callable[[], None]], None] | None = None
        self._report = report
        self._ledger = ledger
        self._emit = emit
        self._is_acknowledgement_set = False

    def received(self, position: int, state: Any) -> None:
        """Take a STATE that came when so many updates had been taken."""
        self.acknowledger.received(position, state)
        self.acknowledge()

    def opened(self, position: int) -> None:
        """Let no STATE that covers a request pass it."""
        self.acknowledger.opened(position)

    def ended(self, position: int) -> None:
        """Acknowledge what a request that has ended was the last to hold up."""
        self.acknowledger.ended(position)
        self.acknowledge()

    def acknowledge(self, *, at_once: bool = False) -> None:
        """Emit the newest STATE that is safe, at most once a second (invariant 1)."""
        now = time.monotonic()
        state = self.acknowledger.due(now, at_once=at_once)
        if state is not None:
            self._report.sync()
            self._ledger.sync()
            self._emit(state)
        elif self.call_later and self.acknowledger.is_waiting and not self._is_acknowledgement_set:
            self._is_acknowledgement_set = True
            self.call_later(self.acknowledger.next_due - now, self._acknowledge_later)

    def _acknowledge_later(self) -> None:
        self._is_acknowledgement_set = False
        self.acknowledge()
