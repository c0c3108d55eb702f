"""From a record's value to the value Braze keeps, one function per type of the README's table. Pure.

Each takes whatever a tap may send for that type (JSON's own types, `Decimal`, dates as text or as Python objects) and
returns what goes into the request. None changes what a value means: what cannot be brought over whole raises
`RefusalError`, whose text says why and never holds the value (invariant 5). What comes out, put in again, stays as it
is (invariant 7).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from target_braze.limits import (
    MAX_EXACT_DIGITS,
    MAX_INTEGER,
    MAX_NUMBER_DIGITS,
    MAX_STRING_CHARACTERS,
    MAX_YEAR,
)
from target_braze.rejections import RefusalError

_TRUE: Final = frozenset({"true", "t", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "f", "0", "no", "n"})

# Narrower than Decimal() and float(), which take `1_000`, `nan` and the digits of any script
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")

# ISO 8601 first. Then as Braze itself writes a day with slashes ("User attributes object", 2025-11): the month is
# first, so 05/06/1971 is the 6th of May.
_DAYS: Final = (
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})",
    r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})",
    r"(?P<year>[0-9]{4})/(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})",
    r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})",
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
)
# The colon before the fraction is Braze's own `HH:mm:ss:SSSZ`; the zone `+00` is how PostgreSQL casts to text.
_TIME: Final = (
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,:](?P<fraction>[0-9]+))?)?"
    r" ?(?:(?P<utc>[Zz]|UTC)|(?P<sign>[+-])(?P<zone_hours>[0-9]{2}):?(?P<zone_minutes>[0-9]{2})?)?)?"
)
_MOMENTS: Final = tuple(re.compile(day + _TIME) for day in _DAYS)

_MICROSECONDS_PER_MILLISECOND: Final = 1000

INTEGER_TOO_LARGE: Final = "integer beyond 2^53-1, which JSON readers round (set the field's type to string)"
DECIMAL_INEXACT: Final = (
    f"decimal of more than {MAX_EXACT_DIGITS} digits, which would be rounded (set the field's type to string)"
)
STRING_TOO_LONG: Final = (
    f"longer than {MAX_STRING_CHARACTERS} characters, which Braze does not store (too_long: truncate cuts it)"
)
NOT_FINITE: Final = "not a finite number"
NOT_UNICODE: Final = "not valid Unicode (half of a surrogate pair)"


def to_boolean(value: Any) -> bool:
    """True or false; also from 0 and 1 and from the words for them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (word := value.strip().lower()) in _TRUE | _FALSE:
        return word in _TRUE
    number = as_decimal(value, "not a boolean")
    if number in (0, 1):
        return bool(number)
    raise RefusalError("not a boolean")


def to_integer(value: Any) -> int:
    """A whole number that every JSON reader keeps exactly."""
    number = whole_number(value)
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise RefusalError(INTEGER_TOO_LARGE)
    return number


def whole_number(value: Any) -> int:
    """A whole number of any size, from a number or its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        exact = as_decimal(value, "not an integer")
        if exact.adjusted() > MAX_NUMBER_DIGITS:  # int() would write out every zero of 1e999999
            raise RefusalError(INTEGER_TOO_LARGE)
        if exact != exact.to_integral_value():
            raise RefusalError("not an integer")
        if isinstance(value, float) and abs(exact) > MAX_INTEGER:  # its digits are lost already
            raise RefusalError(INTEGER_TOO_LARGE)
        number = int(exact)
    if number.bit_length() > MAX_NUMBER_DIGITS * 4:
        raise RefusalError(INTEGER_TOO_LARGE)
    return number


def to_float(value: Any) -> float:
    """A double; from text too.

    Raises:
        RefusalError: Also for a whole number beyond 2^53-1, which a double would round: a `number` column of a
            database may well hold identifiers.
    """
    if isinstance(value, float):
        number = value
    else:
        exact = as_decimal(value, "not a number")
        if exact.as_tuple().exponent == 0 and abs(exact) > MAX_INTEGER:
            raise RefusalError(INTEGER_TOO_LARGE)
        number = float(exact)
    if not math.isfinite(number):
        raise RefusalError(NOT_FINITE)
    return number


def to_decimal(value: Any) -> float:
    """A decimal as the double that is written with the same digits; 12.340 becomes 12.34.

    Raises:
        RefusalError: If it has more digits than a double always keeps: nothing is rounded unseen.
    """
    number = as_decimal(value, "not a decimal")
    result = float(number)
    if _significant_digits(number) > MAX_EXACT_DIGITS or not (_is_ordinary(result) or _is_same(result, number)):
        raise RefusalError(DECIMAL_INEXACT)
    return result


def to_number(value: Decimal) -> float:
    """A number whose type nobody declared, as the double that is written with the same digits.

    Unlike `to_decimal` it takes the 16 and 17 digits that a double's own shortest form may have.
    """
    number = as_decimal(value, "not a number")
    result = float(number)
    if not _is_same(result, number):
        raise RefusalError(DECIMAL_INEXACT)
    return result


def _is_ordinary(result: float) -> bool:
    """Whether a double is so far from the ends of its range that it keeps all 15 digits; spares `_is_same`."""
    return 1e-300 < abs(result) < 1e300  # noqa: PLR2004 - anything within 2.3e-308 and 1.7e308


def _is_same(result: float, number: Decimal) -> bool:
    return math.isfinite(result) and Decimal(repr(result)) == number


def _significant_digits(number: Decimal) -> int:
    digits = number.as_tuple().digits
    if len(digits) <= MAX_EXACT_DIGITS:
        return len(digits)
    # not normalize(): it rounds to the context's precision, and 1.00…001 would pass as 1
    return len("".join(map(str, digits)).strip("0"))


def as_decimal(value: Any, otherwise: str) -> Decimal:
    """A number just as it is written, whatever it came as.

    Raises:
        RefusalError: If it is none, with this text, or not finite.
    """
    try:
        if isinstance(value, Decimal):
            number = value
        elif isinstance(value, float):
            number = Decimal(repr(value))  # through its shortest text: Decimal(0.1) would have 55 digits
        elif isinstance(value, str):
            number = Decimal(value.strip() if _NUMBER.fullmatch(value.strip()) else "")
        elif isinstance(value, int) and not isinstance(value, bool):
            number = Decimal(value)
        else:
            raise RefusalError(otherwise)
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
        if not value.isascii() and not is_unicode(value):
            raise RefusalError(NOT_UNICODE)
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(whole_number(value))
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, dt.datetime):
        return to_datetime(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise RefusalError("not a string")


def _number_text(value: float | Decimal) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RefusalError(NOT_FINITE)
        return repr(value)
    if not value.is_finite():
        raise RefusalError(NOT_FINITE)
    if abs(value.adjusted()) > MAX_NUMBER_DIGITS:  # written out, 1e999999 would be a million characters
        raise RefusalError(STRING_TOO_LONG)
    return format(value, "f")


def is_unicode(text: str) -> bool:
    """Whether text can be sent at all: half of a surrogate pair, which JSON can spell, has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_date(value: Any) -> str:
    """A day as YYYY-MM-DD; of a date-time, the day as written."""
    if isinstance(value, dt.date):  # a datetime is a date too
        day = value
    elif isinstance(value, str):
        day = _iso_day(value) or parse_moment(value.strip(), "not a date (write YYYY-MM-DD)")
    else:
        raise RefusalError("not a date")
    if day.year > MAX_YEAR:
        raise RefusalError(f"date beyond the year {MAX_YEAR}, which Braze would keep as text")
    return dt.date.isoformat(day)


def _iso_day(text: str) -> dt.date | None:
    """The usual case, ten times faster; the dashes are asked for, as Python 3.11 takes weeks (2026-W05-6) too."""
    if len(text) != len("YYYY-MM-DD") or text[4] != "-" or text[7] != "-":
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def to_datetime(value: Any) -> str:
    """A moment as ISO 8601 in UTC, milliseconds only if there are any; without a zone it is UTC already."""
    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    elif isinstance(value, str):
        try:
            moment = msgspec.convert(value, dt.datetime)  # RFC 3339, the usual case, ten times faster
        except msgspec.ValidationError:
            moment = parse_moment(value.strip(), "not a date-time (write ISO 8601, e.g. 2026-01-31T12:00:00Z)")
    else:
        raise RefusalError("not a date-time")
    return utc_text(moment)


def utc_text(moment: dt.datetime) -> str:
    """The text of `to_datetime` for a moment that is parsed already."""
    if moment.tzinfo is not None and moment.tzinfo is not dt.timezone.utc:
        try:
            moment = moment.astimezone(dt.timezone.utc)
        except OverflowError:
            raise RefusalError("date-time out of range") from None
    if moment.year > MAX_YEAR:
        raise RefusalError(f"date-time beyond the year {MAX_YEAR}, which Braze would keep as text")
    # isoformat() cuts what is finer than its timespec, and ends in the zone, which is UTC or none by now
    if moment.microsecond >= _MICROSECONDS_PER_MILLISECOND:
        return moment.isoformat(timespec="milliseconds")[: len("YYYY-MM-DDTHH:MM:SS.mmm")] + "Z"
    return moment.isoformat(timespec="seconds")[: len("YYYY-MM-DDTHH:MM:SS")] + "Z"


def parse_moment(text: str, otherwise: str, zone: dt.tzinfo | None = dt.timezone.utc) -> dt.datetime:
    """A day, or a day and a time, in any of the forms above.

    Args:
        text: The text.
        otherwise: What to say of it if it is none.
        zone: Its zone if none is written; None leaves a time without, and puts a day in UTC.
    """
    match = next(filter(None, (form.fullmatch(text) for form in _MOMENTS)), None)
    if match is None:
        raise RefusalError(otherwise)
    part = match.groupdict()
    offset = dt.timedelta(hours=int(part["zone_hours"] or 0), minutes=int(part["zone_minutes"] or 0)) * (
        -1 if part["sign"] == "-" else 1
    )
    try:
        if part["sign"] is not None or part["utc"] is not None:
            zone = dt.timezone(offset) if offset else dt.timezone.utc
        elif part["hour"] is None:
            zone = zone or dt.timezone.utc
        return dt.datetime(
            int(part["year"]),
            int(part["month"]),
            int(part["day"]),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int((part["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=zone,
        )
    except ValueError:  # the 31st of February
        raise RefusalError(otherwise) from None
