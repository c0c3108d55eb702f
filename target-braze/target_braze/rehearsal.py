"""Stands in for delivery in a dry run: every object counts as accepted, and nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.delivery import Outcomes
    from target_braze.packing import Request


class Rehearsal:
    """Tells what would become of requests.

    Args:
        outcomes: Who is told.

    Attributes:
        failure: None, for nothing can go wrong.
    """

    failure: BaseException | None = None

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def submit(self, position: int, request: Request) -> None:
        """Count a request as accepted."""
        self._outcomes.submitted(position)
        self._outcomes.sent(request, is_retry=False)
        self._outcomes.accepted(request)
        self._outcomes.ended(position)

    def call(self, function: Callable[[], None]) -> None:
        """Run a function."""
        function()

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Nothing: in the end there is no STATE to be late for."""

    def finish(self) -> None:
        """Nothing to wait for."""

    def close(self) -> bool:
        """It has ended."""
        return True
