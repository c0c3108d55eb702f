"""What a condition compares a column with, brought into the column's type. Pure.

Nothing is guessed: a number that the settings give as text, or a text as a number, is an error that says so, for
`zip: 02134` is 1116 to YAML and `gt: "500"` compares text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from target_braze import comparables
from target_braze.errors import SettingsError
from target_braze.rejections import RefusalError
from target_braze.schema import Kind

MAX_DAYS: Final = 36_500
"""The longest duration: a hundred years."""
Read = Callable[[Any], Any]

_DURATION: Final = re.compile(r"([0-9]{1,6})([hdw])")
_HOURS_OF_UNIT: Final = {"h": 1, "d": 24, "w": 7 * 24}
_NUMBERS: Final = frozenset({Kind.DECIMAL, Kind.FLOAT, Kind.INTEGER})
_TIMES: Final = frozenset({Kind.DATE, Kind.DATETIME})
_ENDS_OF_A_RANGE: Final = 2


def name_of(data: Any) -> str:
    """What kind of thing the settings hold, for errors, which do not repeat it."""
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "a boolean"
    names: dict[Any, str] = {
        str: "text",
        int | float | Decimal: "a number",
        dt.date: "a date",
        Mapping: "an object",
        list: "a list",
    }
    return next((name for kind, name in names.items() if isinstance(data, kind)), "nothing that can be compared")


@dataclass(frozen=True)
class Operand:
    """The right side of a condition on one column.

    Attributes:
        data: What the settings hold.
        place: Where, for errors.
        field: The column.
        kind: Its type.
        has_order: Whether it is asked what is more.
    """

    data: Any
    place: str
    field: str
    kind: Kind
    has_order: bool = False

    def flag(self) -> bool:
        """True or false.

        Raises:
            SettingsError: If it is neither, as for all methods here.
        """
        if not isinstance(self.data, bool):
            raise SettingsError(f"`{self.place}` is {name_of(self.data)}; it takes true or false.")
        return self.data

    def duration(self) -> dt.timedelta:
        """So many hours, days or weeks. A month and a year are no durations: they differ in length."""
        match = _DURATION.fullmatch(self.data) if isinstance(self.data, str) else None
        if match is None:
            raise SettingsError(
                f"`{self.place}` is no duration; write so many hours, days or weeks: 12h, 90d, 2w (a year is 365d). "
                "With a date, compare by gt or lt."
            )
        duration = dt.timedelta(hours=int(match[1]) * _HOURS_OF_UNIT[match[2]])
        if not dt.timedelta() < duration <= dt.timedelta(days=MAX_DAYS):
            raise SettingsError(f"`{self.place}` is no time, or more than {MAX_DAYS} days.")
        if match[2] == "h" and self.kind is Kind.DATE:
            raise SettingsError(f"`{self.place}` is in hours, but {self.field!r} is a date and has none; write days.")
        return duration

    def element(self) -> Any:
        """Part of a text, or an element of an array."""
        is_usable = isinstance(self.data, str | bool | int | float | Decimal) and self.data != ""
        if not is_usable or (self.kind is Kind.STRING and not isinstance(self.data, str)):
            taken = "some text" if self.kind is Kind.STRING else "one text, number or boolean"
            found = "empty" if self.data == "" else name_of(self.data)
            raise SettingsError(f"`{self.place}` is {found}; it takes {taken}.")
        self._check_number(self.data, self.place)
        return self.data

    def one(self) -> tuple[Read, Any]:
        """How to read the column's values, and what to compare them with."""
        read, compared = self._read([(self.data, self.place)])
        return read, compared[0]

    def several(self) -> tuple[Read, list[Any]]:
        """How to read the column's values, and all the values to compare them with."""
        if not isinstance(self.data, list) or not self.data:
            raise SettingsError(f"`{self.place}` is {name_of(self.data)}; it takes a list of values, at least one.")
        return self._read([(one, f"{self.place}[{at}]") for at, one in enumerate(self.data)])

    def range(self) -> tuple[Read, Any, Any]:
        """How to read the column's values, and the least and the most they may be."""
        if not isinstance(self.data, list) or len(self.data) != _ENDS_OF_A_RANGE:
            raise SettingsError(f"`{self.place}` takes a list of two values, the least and the most.")
        read, (low, high) = self.several()
        if low > high:
            raise SettingsError(f"`{self.place}` has the larger value first, and would hold for nobody.")
        return read, low, high

    def _read(self, items: list[tuple[Any, str]]) -> tuple[Read, list[Any]]:
        literals = [self._literal(data, place) for data, place in items]
        kinds = {kind for kind, _ in literals}
        if len(kinds) > 1:
            names = " and ".join(sorted(kind.value for kind in kinds))
            raise SettingsError(f"`{self.place}` mixes {names}; all of its values have to be of one type.")
        kind = kinds.pop()
        if kind is Kind.DATE and self.kind is not Kind.DATE:  # the whole of that day, not its first moment
            return comparables.utc_day, [value for _, value in literals]
        return comparables.READERS[kind], [value for _, value in literals]

    def _literal(self, data: Any, place: str) -> tuple[Kind, Any]:
        """A value of the settings with its type."""
        if isinstance(data, bool):
            literal: tuple[Kind, Any] = (Kind.BOOLEAN, data)
        elif isinstance(data, int | float | Decimal):
            literal = (Kind.DECIMAL, self._check_number(data, place))
        elif isinstance(data, dt.datetime):
            literal = (Kind.DATETIME, comparables.moment(data))
        elif isinstance(data, dt.date):
            literal = (Kind.DATE, data)
        elif isinstance(data, str):
            literal = (Kind.STRING, data)
            if self.kind in _TIMES or (self.kind is Kind.ANY and self.has_order):
                literal = self._time(data, place)
        else:
            hint = ": `is_null: true` asks for it" if data is None else ""
            raise SettingsError(f"`{place}` is {name_of(data)}; it takes one value{hint}.")
        kind = literal[0]
        is_fitting = self.kind in (Kind.ANY, kind) or (self.kind in _NUMBERS and kind is Kind.DECIMAL)
        if self.kind is Kind.ANY and self.has_order and kind is Kind.BOOLEAN:
            is_fitting = False
        if not is_fitting and not (self.kind is Kind.DATETIME and kind is Kind.DATE):
            raise SettingsError(f"`{place}` is {name_of(data)}, but {self.field!r} {self._wanted()}.")
        return literal

    def _time(self, data: str, place: str) -> tuple[Kind, Any]:
        if (day := comparables.iso(data, dt.date)) is not None:
            return Kind.DATE, day
        if (moment := comparables.iso(data, dt.datetime)) is not None:
            return Kind.DATETIME, comparables.moment(moment)
        if self.kind is Kind.ANY:
            raise SettingsError(
                f"`{place}` is text, which has no order. Write a number without quotes, a time as 2026-01-31 or "
                "2026-01-31T12:00:00Z."
            )
        raise SettingsError(f"`{place}` is text, but {self.field!r} {self._wanted()}.")

    def _wanted(self) -> str:
        if self.kind in _NUMBERS:
            return "is a number: write one, without quotes"
        return {
            Kind.BOOLEAN: "is a boolean: write true or false, without quotes",
            Kind.STRING: "is text: write it in quotes",
            Kind.DATE: "is a date: write a day such as 2026-01-31",
            Kind.DATETIME: "is a date-time: write 2026-01-31T12:00:00Z, or a day such as 2026-01-31",
            Kind.ANY: "is asked what is more: write a number or a time",
        }[self.kind]

    @staticmethod
    def _check_number(data: Any, place: str) -> Any:
        """A number with all its digits; anything else as it is."""
        if isinstance(data, bool | str):
            return data
        try:
            return comparables.number(data)
        except RefusalError:
            raise SettingsError(f"`{place}` is not a finite number.") from None
