"""A rejection is a value: what was turned down, and why; and how many of them end a run. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from target_braze.errors import SettingsError

_LEAST_OF_A_SHARE: Final = 100


class RefusalError(ValueError):
    """One value cannot be sent as it is; the text is the reason, and holds no value (invariant 5)."""


@dataclass(frozen=True)
class Rejection:
    """Something that Braze refused, or would refuse or silently drop.

    Attributes:
        stream: The stream it came from.
        identity: Whom it is about, as Braze's identifier fields; None where the record names nobody.
        reason: Why, in Braze's words where they are Braze's.
        attribute: The attribute it is about; None when the whole record is rejected.
        object: What would have been sent; for one attribute, its name and value.
    """

    stream: str
    identity: dict[str, Any] | None
    reason: str
    attribute: str | None
    object: Any


@dataclass(frozen=True)
class RejectionLimit:
    """How many records may have a rejection.

    Attributes:
        count: A number of records; with a share, the least that it comes to.
        share: A share of the records read, 0 to 1, or None.
    """

    count: int
    share: float | None = None

    def is_passed(self, rejected: int, records: int) -> bool:
        """Whether so many of so many records are too many."""
        return rejected > max(self.count, (self.share or 0) * records)


def rejection_limit(value: Any) -> RejectionLimit:
    """The limit as the settings give it.

    Raises:
        SettingsError: If it is neither a number nor a share.
    """
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return RejectionLimit(count=int(text))
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text):
        return RejectionLimit(count=_LEAST_OF_A_SHARE, share=float(match[1]) / 100)
    raise SettingsError(f"`max_rejected` is {text!r}; write a number such as 50 or a share such as `1%`.")
