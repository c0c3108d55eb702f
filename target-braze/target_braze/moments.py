"""When an event or a purchase happened: stricter than a date-time among attributes, which is UTC unless it says. Pure.

Amperity's rules, as a purchase that lands in the wrong day is seldom noticed (vector C84).
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from target_braze import values
from target_braze.rejections import RefusalError

NONE: Final = "not a date-time (write ISO 8601, e.g. 2026-01-31T12:00:00Z)"
TIME_WITHOUT_ZONE: Final = "a time without an offset, which could be any of 26 hours (set default_time_zone)"

DIGITS: Final = (
    "digits in text, which could be Unix seconds, milliseconds or a date (send Unix seconds as a number, e.g. by a "
    "cast in the query or stream map, or write ISO 8601)"
)
_DIGITS: Final = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*")


def to_moment(value: Any, zone: dt.tzinfo | None = None) -> str:
    """When something happened, as `to_datetime`; a day is its midnight, a number is Unix seconds.

    Args:
        value: The moment.
        zone: Where a moment without an offset was written down; None if nobody said so.

    Raises:
        RefusalError: Also for a moment that could be any of 26 hours.
    """
    if isinstance(value, bool):
        raise RefusalError("not a date-time")
    if isinstance(value, int | float | Decimal):
        try:
            moment = dt.datetime.fromtimestamp(float(value), dt.timezone.utc)
        except (ValueError, OverflowError, OSError):
            raise RefusalError("not a time in Unix seconds (of milliseconds, make seconds)") from None
    elif isinstance(value, str):
        try:
            moment = msgspec.convert(value, dt.datetime)
        except msgspec.ValidationError:
            otherwise = DIGITS if _DIGITS.fullmatch(value) else NONE
            moment = values.parse_moment(value.strip(), otherwise, zone)
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=zone or dt.timezone.utc)
    elif isinstance(value, dt.datetime):
        moment = value
    else:
        raise RefusalError("not a date-time")
    if moment.tzinfo is None:
        if zone is None:
            raise RefusalError(TIME_WITHOUT_ZONE)
        moment = moment.replace(tzinfo=zone)
    return values.utc_text(moment)
