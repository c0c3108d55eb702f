"""Who belongs to an audience, as data: `{all: [{field: spent, gt: 500}, {field: last_order_at, within: 90d}]}`. Pure.

A condition is compiled once, against the types of the stream's columns: whatever is wrong in it is an error that names
the place, before anybody enters or leaves. Asked about a record, it answers yes, no or `UNDECIDED`, after four rules:

- **A null is a value that equals nothing.** Only `is_null: true`, `ne` and `not_in` hold for it, and `not` turns every
  answer around: `{not: {field: plan, eq: gold}}` is `{field: plan, ne: gold}`, and holds where there is no plan. SQL
  would answer neither yes nor no, and silently lose these people from both sides.
- **A value that is broken is no reason to leave.** Text in a number column says nothing about the person, so the leaf
  is undecided. So is one whose column the record lacks: in Singer that says nothing about it, unlike a null.
- **Undecided only if it matters:** `any` with a member that holds, holds; `all` with one that does not, does not.
- **A day is the whole day.** Compared with `2026-01-31`, a date-time counts as its day in UTC.
"""

from __future__ import annotations

import datetime as dt
import enum
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from target_braze import comparables
from target_braze.errors import SettingsError
from target_braze.operands import Operand, name_of
from target_braze.rejections import RefusalError
from target_braze.schema import Kind

MAX_LEVELS: Final = 20
"""Levels of `all`, `any` and `not`. Ours: nobody can read more, and Python's own limit is far beyond."""
GRACE: Final = dt.timedelta(days=1)
"""How far ahead of now a value may be and still be `within` the time before.

A run takes its time once, at its start, while the tap goes on reading new rows; and where the source is, the day may
have begun that in UTC has not.
"""


class Undecided(enum.Enum):
    """The answer of a condition whose record does not say enough."""

    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        raise TypeError("an undecided condition is neither true nor false; compare with `is`")


UNDECIDED: Final = Undecided.UNDECIDED
Answer = bool | Literal[Undecided.UNDECIDED]
_Test = Callable[[Mapping[str, Any], dt.datetime], Answer]
_Ask = Callable[[Any, dt.datetime], bool]

_NUMBERS: Final = frozenset({Kind.DECIMAL, Kind.FLOAT, Kind.INTEGER})
_TIMES: Final = frozenset({Kind.DATE, Kind.DATETIME, Kind.ANY})
_ORDERED: Final = _NUMBERS | _TIMES
_SCALARS: Final = _ORDERED | {Kind.BOOLEAN, Kind.STRING}
OPERATORS: Final[Mapping[str, frozenset[Kind]]] = {
    "eq": _SCALARS,
    "ne": _SCALARS,
    "gt": _ORDERED,
    "gte": _ORDERED,
    "lt": _ORDERED,
    "lte": _ORDERED,
    "in": _SCALARS,
    "not_in": _SCALARS,
    "between": _ORDERED,
    "contains": frozenset({Kind.STRING, Kind.ARRAY, Kind.ANY}),
    "is_null": frozenset(Kind),
    "within": _TIMES,
    "before": _TIMES,
    "within_next": _TIMES,
}
"""Operator → the types of columns it can be asked of."""
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_HOLD_FOR_NULL: Final = frozenset({"ne", "not_in"})
_DURATIONS: Final = frozenset({"within", "before", "within_next"})
_CONNECTIVES: Final = ("all", "any", "not")


@dataclass(frozen=True)
class Condition:
    """A compiled condition.

    Attributes:
        fields: The columns it asks about.
        is_time_dependent: Whether the same record may be answered differently at another time.
        is_by_day: Whether, if so, it is answered the same all day, as seen from UTC.
    """

    fields: frozenset[str]
    is_time_dependent: bool
    is_by_day: bool
    _test: _Test

    def holds(self, record: Mapping[str, Any], now: dt.datetime) -> Answer:
        """Whether it holds.

        Args:
            record: Column → value, as the tap sent it.
            now: The time that durations are measured from, with its zone.

        Returns:
            Yes, no, or `UNDECIDED` where a value that matters is broken or absent.
        """
        return self._test(record, now)


EVERYBODY: Final = Condition(frozenset(), is_time_dependent=False, is_by_day=True, _test=lambda _record, _now: True)
"""The condition of an audience that has none: whoever is in the stream is in it."""


def compile_condition(data: Any, where: str, kinds: Mapping[str, Kind], *, is_closed: bool = False) -> Condition:
    """Compile a condition.

    Args:
        data: The condition, as the settings hold it.
        where: Its place in the settings, for errors.
        kinds: Column → type, of the columns that are known; a value of any other is taken for what it is compared with.
        is_closed: Whether there are no other columns.

    Raises:
        SettingsError: If it is none, or does not fit the columns; the message names the place inside it.
    """
    compiler = _Compiler(kinds, is_closed=is_closed)
    test = compiler.node(data, where, 0)
    return Condition(frozenset(compiler.fields), compiler.is_time_dependent, compiler.is_by_day, test)


class _Compiler:
    """Compiles one condition, and collects what it asks about."""

    def __init__(self, kinds: Mapping[str, Kind], *, is_closed: bool) -> None:
        self.fields: set[str] = set()
        self.is_time_dependent = False
        self.is_by_day = True
        self._kinds = kinds
        self._is_closed = is_closed

    def node(self, data: Any, where: str, level: int) -> _Test:
        if not isinstance(data, Mapping):
            raise SettingsError(
                f"`{where}` is {name_of(data)}; a condition is {{field: …, <operator>: …}}, {{all: […]}}, "
                "{any: […]} or {not: …}."
            )
        if level > MAX_LEVELS:
            raise SettingsError(f"`{where}` is nested deeper than {MAX_LEVELS} levels.")
        names = [str(name) for name in data]
        connectives = [name for name in names if name in _CONNECTIVES]
        if not connectives:
            return self._leaf(data, names, where)
        if len(names) > 1:
            raise SettingsError(
                f"`{where}` has {' and '.join(names)}; beside {connectives[0]} nothing else can stand. Put all of it "
                "into one {all: […]} or {any: […]}."
            )
        name, inner = connectives[0], data[connectives[0]]
        if name == "not":
            return _negation(self.node(inner, f"{where}.not", level + 1))
        if not isinstance(inner, list) or not inner:
            raise SettingsError(f"`{where}.{name}` is {name_of(inner)}; it takes a list of conditions, at least one.")
        tests = [self.node(one, f"{where}.{name}[{at}]", level + 1) for at, one in enumerate(inner)]
        return _settled_by(tests, settling=name == "any")

    def _leaf(self, data: Mapping[str, Any], names: list[str], where: str) -> _Test:
        field = data.get("field")
        if not isinstance(field, str) or not field:
            raise SettingsError(f"`{where}` names no column; a condition on one is {{field: …, <operator>: …}}.")
        asked = [name for name in names if name != "field"]
        if unknown := [name for name in asked if name not in OPERATORS]:
            raise SettingsError(f"`{where}` has {unknown[0]!r}, which is none of {', '.join(OPERATORS)}.")
        if len(asked) != 1:
            found = " and ".join(asked) if asked else "no operator"
            raise SettingsError(f"`{where}` has {found}; it takes one operator. Two go into {{all: […]}}.")
        if self._is_closed and field not in self._kinds:
            raise SettingsError(
                f"`{where}.field` is {field!r}, but the stream has no such column: {', '.join(sorted(self._kinds))}."
            )
        name, kind, place = asked[0], self._kinds.get(field, Kind.ANY), f"{where}.{asked[0]}"
        if kind not in OPERATORS[name]:
            raise SettingsError(f"`{place}`: {_misfit(name, field, kind)}")
        self.fields.add(field)
        self.is_time_dependent = self.is_time_dependent or name in _DURATIONS
        self.is_by_day = self.is_by_day and (name not in _DURATIONS or kind is Kind.DATE)
        operand = Operand(data[name], place, field, kind, has_order=OPERATORS[name] == _ORDERED)
        if name == "is_null":
            return _null_test(field, is_wanted=operand.flag())
        return _test_of(field, _question(name, operand), holds_for_null=name in _HOLD_FOR_NULL)


def _misfit(name: str, field: str, kind: Kind) -> str:
    allowed = [one for one, kinds in OPERATORS.items() if kind in kinds]
    hint = ""
    if kind is Kind.STRING:
        hint = f" If it holds numbers or times, say so: `fields: {{{field}: {{type: decimal}}}}` (or date, datetime)."
    return f"{name} cannot be asked of {field!r}, whose type is {kind.value}, but {', '.join(allowed)} can.{hint}"


def _question(name: str, operand: Operand) -> _Ask:
    """What to ask of a value that is not null; it raises `RefusalError` where the value is broken."""
    if name in _DURATIONS:
        return _duration_question(name, operand)
    if name == "contains":
        return _contains_question(operand)
    if name in ("in", "not_in"):
        read, choices = operand.several()
        chosen, is_wanted = frozenset(choices), name == "in"
        return lambda value, _now: (read(value) in chosen) is is_wanted
    if name == "between":
        read, low, high = operand.range()
        return lambda value, _now: bool(low <= read(value) <= high)
    read, other = operand.one()
    compare = _COMPARISONS[name]
    return lambda value, _now: compare(read(value), other)


def _duration_question(name: str, operand: Operand) -> _Ask:
    duration = operand.duration()
    read = comparables.READERS[Kind.DATE if operand.kind is Kind.DATE else Kind.DATETIME]
    of = _today if operand.kind is Kind.DATE else _this_moment
    if name == "within":
        return lambda value, now: bool(of(now) - duration <= read(value) <= of(now) + GRACE)
    if name == "before":
        return lambda value, now: bool(read(value) < of(now) - duration)
    return lambda value, now: bool(of(now) <= read(value) <= of(now) + duration)


def _today(now: dt.datetime) -> Any:
    return now.astimezone(dt.timezone.utc).date()


def _this_moment(now: dt.datetime) -> Any:
    return now


def _contains_question(operand: Operand) -> _Ask:
    part = operand.element()
    wanted = comparables.element(part)

    def is_element(value: Any, _now: dt.datetime) -> bool:
        return any(comparables.element(one) == wanted for one in comparables.elements(value))

    def is_part(value: Any, _now: dt.datetime) -> bool:
        if not isinstance(part, str):
            raise RefusalError("not an array")
        return part in comparables.text(value)

    if operand.kind is Kind.ANY:
        return lambda value, now: is_element(value, now) if isinstance(value, list) else is_part(value, now)
    return is_element if operand.kind is Kind.ARRAY else is_part


def _test_of(field: str, ask: _Ask, *, holds_for_null: bool) -> _Test:
    def test(record: Mapping[str, Any], now: dt.datetime) -> Answer:
        if field not in record:
            return UNDECIDED
        value = record[field]
        try:
            return holds_for_null if value is None else ask(value, now)
        except RefusalError:
            return UNDECIDED

    return test


def _null_test(field: str, *, is_wanted: bool) -> _Test:
    return lambda record, _now: (record[field] is None) is is_wanted if field in record else UNDECIDED


def _negation(test: _Test) -> _Test:
    def negated(record: Mapping[str, Any], now: dt.datetime) -> Answer:
        answer = test(record, now)
        return answer if answer is UNDECIDED else not answer

    return negated


def _settled_by(tests: list[_Test], *, settling: bool) -> _Test:
    """One answer settles it, whatever the others are: no of `all`, yes of `any`."""

    def settled(record: Mapping[str, Any], now: dt.datetime) -> Answer:
        result: Answer = not settling
        for test in tests:
            answer = test(record, now)
            if answer is settling:
                return settling
            if answer is UNDECIDED:
                result = UNDECIDED
        return result

    return settled
