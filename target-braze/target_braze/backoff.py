"""How long to wait before trying again. Pure: chance is given to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS: Final = 0.5
MAX_SECONDS: Final = 60.0


def backoff_seconds(attempts: int, chance: Callable[[], float]) -> float:
    """The wait after so many failed attempts: it doubles from half a second to a minute, half of it left to chance.

    Chance keeps many requests that failed together from coming back together (jitter).

    Args:
        attempts: How many attempts failed, at least 1.
        chance: Returns a number from 0 up to 1.
    """
    longest = min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** (attempts - 1))
    return longest * (0.5 + 0.5 * chance())
