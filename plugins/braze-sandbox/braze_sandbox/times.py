"""Which strings Braze takes for a time, and which time that is. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

MAX_YEAR = 3000  # Braze docs, "User attributes object", 2026-09: later years stay strings

_CLOCK = (
    r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.:,](?P<fraction>\d{1,9}))?)?"
    r"(?:\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
)
# Braze docs, "User attributes object", 2026-09: ISO 8601 and the forms listed there. "Data types" adds that
# a string such as 12-1-2021 or 12/1/2021 is taken for a time, too.
_ISO = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?:[T ]{_CLOCK})?", re.ASCII)
_AMERICAN = re.compile(r"(?P<month>\d{1,2})(?P<mark>[/-])(?P<day>\d{1,2})(?P=mark)(?P<year>\d{4})", re.ASCII)
_RUBY = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<name>[A-Z][a-z]{2}|\d{2}) (?P<day>\d{2}) "
    r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})[ .](?P<zone>UTC|GMT|Z|[+-]\d{2}:?\d{2}) "
    r"(?P<year>\d{4})",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})?")


def parse(value: Any) -> datetime | None:
    """Return the time that a string says, in UTC, or `None` if Braze would not take it for one."""
    return _parsed(value) if isinstance(value, str) else None


@lru_cache(maxsize=16_384)  # one request's people share most of their dates
def _parsed(value: str) -> datetime | None:
    for pattern in (_ISO, _AMERICAN, _RUBY):
        match = pattern.fullmatch(value)
        if match:
            return _from_parts(match.groupdict())
    return None


def is_time(value: Any) -> bool:
    """Return whether Braze takes this string for a time."""
    return parse(value) is not None


def iso(seconds: float) -> str:
    """Return seconds since 1970 the way Braze writes times in its answers."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _from_parts(parts: dict[str, str | None]) -> datetime | None:
    month = parts.get("month") or parts.get("name") or ""
    try:
        moment = datetime(
            int(parts["year"] or 0),
            _MONTHS.index(month) + 1 if month in _MONTHS else int(month),
            int(parts["day"] or 0),
            int(parts.get("hour") or 0),
            int(parts.get("minute") or 0),
            int(parts.get("second") or 0),
            int((parts.get("fraction") or "0")[:6].ljust(6, "0")),
            tzinfo=timezone.utc,
        )
        if moment.year > MAX_YEAR:
            return None
        return moment - _offset(parts.get("zone"))
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    match = _ZONE.fullmatch(zone or "")
    if not match:
        return timedelta(0)
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return offset if sign == "+" else -offset
