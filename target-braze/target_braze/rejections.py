"""A rejection is a value: what was turned down, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
