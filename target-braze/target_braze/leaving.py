"""How many people may leave an audience at once before a person has to look. Pure.

A table that is empty for a night is a mistake far more often than it is news.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from target_braze.errors import SettingsError

DEFAULT_MAX_LEAVING: Final = "20%"
_WHOLE: Final = 100


@dataclass(frozen=True)
class LeavingLimit:
    """How many people may leave at once: a number or a share, whichever is set.

    Attributes:
        count: A number of people.
        share: A share of the people who are in, 0 to 1.
    """

    count: int | None = None
    share: float = 0.2

    def is_passed(self, leaving: int, people: int) -> bool:
        """Whether so many of so many people are too many."""
        return leaving > (self.share * people if self.count is None else self.count)


def read_leaving_limit(value: Any, place: str) -> LeavingLimit:
    """The limit that the settings give.

    Raises:
        SettingsError: If it is neither a number of people nor a share.
    """
    text = "" if isinstance(value, bool) else str(value).strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return LeavingLimit(count=int(text))
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%", text)
    if match is None or float(match[1]) > _WHOLE:
        raise SettingsError(f"`{place}` is neither a number of people such as 500 nor a share such as `20%`.")
    return LeavingLimit(share=float(match[1]) / _WHOLE)
