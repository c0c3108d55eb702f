"""From a record's value to the value Braze keeps, one function per type of the README's table. Pure.

Each function takes whatever a tap may send for that type (JSON's own types, `Decimal`, dates as text or as Python objects) and returns what goes
into the request. It never changes what a value means: what cannot be brought over whole raises `RefusalError`, whose text says why and
never holds the value.
"""

from __future__ import annotations

import datetime
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from target_braze.limits import MAX_EXACT_DIGITS, MAX_INTEGER, MAX_STRING_CHARACTERS, MAX_YEAR
from target_braze.rejections import RefusalError

_TRUE: Final = frozenset({"true", "t", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "f", "0", "no", "n"})

# Beside ISO 8601; the first is how Braze itself writes a day with slashes ("User attributes object"), so 05/06/1971 is the 6th of May.
_DATE_FORMATS: Final = ("%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y")
_DATETIME_FORMATS: Final = ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S:%fZ", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y")

INTEGER_TOO_LARGE: Final = "integer beyond 2^53-1, which JSON readers round (set the field's type to string)"
DECIMAL_INEXACT: Final = (
    f"decimal of more than {MAX_EXACT_DIGITS} digits, which would be rounded (set the field's type to string)"
)
STRING_TOO_LONG: Final = (
    f"longer than {MAX_STRING_CHARACTERS} characters, which Braze does not store (too_long: truncate cuts it)"
)
NOT_FINITE: Final = "not a finite number"


def to_boolean(value: Any) -> bool:
    """True or false; also from 0 and 1 and from the words for them."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise RefusalError("not a boolean")


def to_integer(value: Any) -> int:
    """A whole number that every JSON reader keeps exactly."""
    number = whole_number(value)
    if abs(number) > MAX_INTEGER:
        raise RefusalError(INTEGER_TOO_LARGE)
    return number


def whole_number(value: Any) -> int:
    """A whole number of any size, from a number or its digits."""
    if isinstance(value, bool):
        raise RefusalError("not an integer")
    if isinstance(value, int):
        return value
    number = _decimal(value, "not an integer")
    if number != number.to_integral_value():
        raise RefusalError("not an integer")
    if number.adjusted() > MAX_EXACT_DIGITS + 1:
        # int() would write out every zero of 1e999999999
        raise RefusalError(INTEGER_TOO_LARGE)
    return int(number)


def to_float(value: Any) -> float:
    """A double; from text too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise RefusalError("not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise RefusalError("not a number") from None
    if not math.isfinite(number):
        raise RefusalError(NOT_FINITE)
    return number


def to_decimal(value: Any) -> float:
    """A decimal as the double that is written with the same digits; 12.340 becomes 12.34.

    Raises:
        RefusalError: If it has more digits than a double keeps (invariant 8: nothing is rounded unseen).
    """
    number = _decimal(value, "not a decimal")
    digits = len(number.normalize().as_tuple().digits)
    result = float(number)
    if digits > MAX_EXACT_DIGITS or not math.isfinite(result) or (number and not result):
        raise RefusalError(DECIMAL_INEXACT)
    return result


def _decimal(value: Any, otherwise: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise RefusalError(otherwise)
    try:
        # a float through its shortest text: Decimal(0.1) would have 55 digits
        number = (
            value
            if isinstance(value, Decimal)
            else Decimal(repr(value) if isinstance(value, float) else value)
        )
    except InvalidOperation:
        raise RefusalError(otherwise) from None
    if not number.is_finite():
        raise RefusalError(NOT_FINITE)
    return number


def to_string(value: Any) -> str:
    """Text of at most 255 characters; numbers, booleans and dates in their usual spelling."""
    text = any_text(value)
    if len(text) > MAX_STRING_CHARACTERS:
        raise RefusalError(STRING_TOO_LONG)
    return text


def to_truncated_string(value: Any) -> str:
    """Text, cut to 255 characters."""
    return any_text(value)[:MAX_STRING_CHARACTERS]


def any_text(value: Any) -> str:
    """Text of any length from a scalar."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, Decimal):
        text = format(value, "f") if value.is_finite() else ""
    elif isinstance(value, float):
        text = repr(value) if math.isfinite(value) else ""
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, datetime.datetime):
        text = to_datetime(value)
    elif isinstance(value, datetime.date | datetime.time):
        text = value.isoformat()
    else:
        raise RefusalError("not a string")
    if not text and not isinstance(value, str):
        raise RefusalError(NOT_FINITE)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise RefusalError("not valid Unicode (half of a surrogate pair)")
    return text


def to_date(value: Any) -> str:
    """A day as YYYY-MM-DD; of a date-time, the day as written."""
    if isinstance(value, datetime.date):  # a datetime is a date too
        day = value
    elif isinstance(value, str):
        day = _parse_date(value.strip())
    else:
        raise RefusalError("not a date")
    if day.year > MAX_YEAR:
        raise RefusalError(f"date beyond the year {MAX_YEAR}, which Braze would keep as text")
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}"


def _parse_date(text: str) -> datetime.date:
    try:
        return (
            datetime.date.fromisoformat(text[:10])
            if len(text) == len("YYYY-MM-DD")
            else _parse_datetime(text)
        )
    except (ValueError, RefusalError):
        for form in _DATE_FORMATS:
            try:
                return datetime.datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                continue
    raise RefusalError("not a date (write YYYY-MM-DD)")


def to_datetime(value: Any) -> str:
    """A moment as ISO 8601 in UTC, milliseconds only if there are any; without a zone it is UTC already."""
    if isinstance(value, datetime.datetime):
        moment = value
    elif isinstance(value, datetime.date):
        moment = datetime.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - made UTC below
    elif isinstance(value, str):
        moment = _parse_datetime(value.strip())
    else:
        raise RefusalError("not a date-time")
    return utc_text(moment)


def utc_text(moment: datetime.datetime) -> str:
    """The text of `to_datetime` for a moment that is parsed already."""
    if moment.tzinfo is not None and moment.tzinfo is not datetime.timezone.utc:
        try:
            moment = moment.astimezone(datetime.timezone.utc)
        except OverflowError:
            raise RefusalError("date-time out of range") from None
    if moment.year > MAX_YEAR:
        raise RefusalError(f"date-time beyond the year {MAX_YEAR}, which Braze would keep as text")
    milliseconds = moment.microsecond // 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return (
        f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
        f"T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}{fraction}Z"
    )


def _parse_datetime(text: str) -> datetime.datetime:
    try:
        return msgspec.convert(text, datetime.datetime)
    except msgspec.ValidationError:
        pass
    if len(text) == len("YYYY-MM-DD"):
        try:
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            pass
    for form in _DATETIME_FORMATS:
        try:
            return datetime.datetime.strptime(text, form)  # noqa: DTZ007 - without a zone it is UTC
        except ValueError:
            continue
    raise RefusalError("not a date-time (write ISO 8601, e.g. 2026-01-31T12:00:00Z)")
