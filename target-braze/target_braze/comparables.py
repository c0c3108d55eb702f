"""A record's values in a form in which they can be compared with one another, one function per type. Pure.

Not the form Braze keeps (`values.py`): here a decimal keeps all its digits and a date may be the year 9999, which
warehouses write for "no end". What is no value of its type raises `RefusalError`, whose text never holds the value
(invariant 5).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from target_braze import values
from target_braze.nested import parsed
from target_braze.rejections import RefusalError
from target_braze.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_Time = TypeVar("_Time", dt.date, dt.datetime)


def boolean(value: Any) -> bool:
    """True or false."""
    return values.to_boolean(value)


def number(value: Any) -> int | Decimal:
    """A number with all its digits; of a float those that it is written with."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return values.as_decimal(value, "not a number")


def text(value: Any) -> str:
    """Text as it is, in its own case; numbers, booleans and dates in their usual spelling."""
    return values.any_text(value)


def day(value: Any) -> dt.date:
    """A day; of a date-time, the day as written."""
    if isinstance(value, str):
        value = iso(value, dt.date) or iso(value, dt.datetime) or dt.date.fromisoformat(values.to_date(value))
    if isinstance(value, dt.datetime):
        return value.date()
    if not isinstance(value, dt.date):
        raise RefusalError("not a date")
    return value


def moment(value: Any) -> dt.datetime:
    """A moment; UTC if it has no zone, and of a day its midnight."""
    if isinstance(value, str):
        value = iso(value, dt.datetime) or iso(values.to_datetime(value), dt.datetime)
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    if not isinstance(value, dt.datetime):
        raise RefusalError("not a date-time")
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.timezone.utc)


def utc_day(value: Any) -> dt.date:
    """The day of a moment, in UTC."""
    try:
        return moment(value).astimezone(dt.timezone.utc).date()
    except OverflowError:
        raise RefusalError("date-time out of range") from None


def elements(value: Any) -> list[Any]:
    """The elements of an array, or of JSON text of one."""
    if isinstance(value, str):
        value = parsed(value)
    if not isinstance(value, list):
        raise RefusalError("not an array")
    return value


def element(value: Any) -> tuple[type, Any] | None:
    """An element as something equal only to its like: 1 is 1.0, and neither True nor "1". None if it is no scalar."""
    if isinstance(value, bool | str):
        return type(value), value
    return (Decimal, number(value)) if isinstance(value, int | float | Decimal) else None


def iso(value: str, time: type[_Time]) -> _Time | None:
    """A day or a moment written as ISO 8601 has it; None if it is not."""
    try:
        return msgspec.convert(value, time)
    except msgspec.ValidationError:
        return None


READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.BOOLEAN: boolean,
    Kind.DATE: day,
    Kind.DATETIME: moment,
    Kind.DECIMAL: number,
    Kind.FLOAT: number,
    Kind.INTEGER: number,
    Kind.STRING: text,
}
"""Kind → what brings a value (never null) into the form that is compared."""
