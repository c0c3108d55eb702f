"""Floating-point numbers of files as JSON has them. Pure."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter

_FLOAT = struct.Struct("<f")
# A decimal of six digits survives the way through a float of 32 bits; no such float needs more than nine.
_FORMATS = ("%.6g", "%.7g", "%.8g", "%.9g")


def finite(number: float, field: str, not_finite: Counter[str]) -> float | None:
    """Return a number, or None if JSON has no such number, which is counted."""
    if math.isfinite(number):
        return number
    not_finite[field] += 1
    return None


def shortest(number: float, field: str, not_finite: Counter[str]) -> float | None:
    """Return a number of 32 bits as the number with the fewest digits that is the same in 32 bits.

    Braze keeps prices in 32 bits: 12.34 is 12.34000015258789 there, which nobody has written.
    """
    if not math.isfinite(number):
        return finite(number, field, not_finite)
    for form in _FORMATS:
        short = float(form % number)
        if _FLOAT.unpack(_FLOAT.pack(short))[0] == number:
            return short
    raise AssertionError("nine digits suffice")
