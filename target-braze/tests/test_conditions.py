"""Conditions: what each operator holds for, what is undecided, and where a wrong one is said to be wrong."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.conditions import EVERYBODY, MAX_LEVELS, OPERATORS, UNDECIDED, Answer, Condition, compile_condition
from target_braze.errors import SettingsError
from target_braze.schema import Kind

NOW = dt.datetime(2026, 6, 15, 20, 0, tzinfo=dt.timezone.utc)
SEOUL = dt.timezone(dt.timedelta(hours=9))
KINDS = {
    "spent": Kind.DECIMAL,
    "score": Kind.FLOAT,
    "orders": Kind.INTEGER,
    "plan": Kind.STRING,
    "active": Kind.BOOLEAN,
    "born": Kind.DATE,
    "seen_at": Kind.DATETIME,
    "tags": Kind.ARRAY,
    "address": Kind.OBJECT,
    "loose": Kind.ANY,
}


def compiled(data: Any) -> Condition:
    return compile_condition(data, "audiences[0].where", KINDS, is_closed=True)


def holds(data: Any, record: dict[str, Any], now: dt.datetime = NOW) -> Answer:
    return compiled(data).holds(record, now)


def asked(field: str, operator: str, operand: Any, value: Any) -> Answer:
    return holds({"field": field, operator: operand}, {field: value})


@pytest.mark.parametrize(
    ("field", "operator", "operand", "value", "expected"),
    [
        pytest.param("spent", "eq", 0.1, Decimal("0.10"), True, id="decimal equal, closing zeros aside"),
        pytest.param("spent", "eq", 0.1, Decimal("0.1000000000000000055"), False, id="decimal equal to all its digits"),
        pytest.param("spent", "eq", 0.1, 0.1, True, id="a float is the digits it is written with"),
        pytest.param("spent", "gt", 500, "500.01", True, id="decimal that came as text"),
        pytest.param("spent", "gt", 500, 500, False, id="gt is not gte"),
        pytest.param("spent", "gte", 500, Decimal("500.000"), True, id="gte takes the equal"),
        pytest.param("spent", "lt", 10**30, Decimal("999999999999999999999999999999.9"), True, id="thirty digits"),
        pytest.param("spent", "lte", 1, Decimal("1.0000000000000000000001"), False, id="lte to the last digit"),
        pytest.param("orders", "ne", 3, 4, True, id="integer unequal"),
        pytest.param("orders", "in", [1, 2.0, 3], 2, True, id="integer in"),
        pytest.param("orders", "not_in", [1, 2], 2, False, id="integer not in"),
        pytest.param("orders", "between", [1, 3], 3, True, id="between takes both ends"),
        pytest.param("orders", "between", [1, 3], 4, False, id="between no more"),
        pytest.param("orders", "gt", 2**60, 2**60 + 1, True, id="integer beyond a double"),
        pytest.param("score", "lt", 0.5, 0.4999999, True, id="float less"),
        pytest.param("plan", "eq", "gold", "gold", True, id="text equal"),
        pytest.param("plan", "eq", "gold", "Gold", False, id="text in its own case"),
        pytest.param("plan", "eq", "gold", "gold ", False, id="blanks are significant"),
        pytest.param("plan", "eq", "5", 5, True, id="a number in a text column is its digits"),
        pytest.param("plan", "in", ["gold", "silver"], "silver", True, id="text in"),
        pytest.param("plan", "contains", "ol", "gold", True, id="part of a text"),
        pytest.param("plan", "contains", "OL", "gold", False, id="part of a text in its own case"),
        pytest.param("active", "eq", True, "yes", True, id="boolean from a word"),
        pytest.param("active", "ne", True, 0, True, id="boolean from 0"),
        pytest.param("tags", "contains", "a", ["a", "b"], True, id="element"),
        pytest.param("tags", "contains", "a", ["ab"], False, id="an element is not a part of one"),
        pytest.param("tags", "contains", "a", '["a"]', True, id="element of JSON text"),
        pytest.param("tags", "contains", 1, [True, "1"], False, id="1 is neither true nor its digit"),
        pytest.param("tags", "contains", 1, [Decimal("1.0")], True, id="1 is 1.0"),
        pytest.param("tags", "contains", True, [1], False, id="true is not 1"),
        pytest.param("tags", "contains", "a", [None, {"a": 1}, ["a"]], False, id="elements that are no scalars"),
        pytest.param("tags", "contains", "a", [], False, id="empty array"),
        pytest.param("born", "lt", "2000-01-01", "1999-12-31", True, id="date"),
        pytest.param("born", "eq", dt.date(2000, 1, 1), "01/01/2000", True, id="date that YAML has read"),
        pytest.param("born", "lte", "2000-01-01", "2000-01-01T23:00:00-08:00", True, id="a date's day as written"),
        pytest.param("born", "gt", "2000-01-01", "9999-12-31", True, id="the year 9999"),
        pytest.param("born", "gt", "2000-01-01", "9999-12-31T00:00:00Z", True, id="the year 9999 with a time"),
        pytest.param("seen_at", "lt", "2026-01-31T12:00:00Z", "2026-01-31T20:00:00+09:00", True, id="zones"),
        pytest.param("seen_at", "eq", "2026-01-31T12:00:00", "2026-01-31T12:00:00Z", True, id="no zone is UTC"),
        pytest.param("seen_at", "lte", "2026-01-31", "2026-01-31T23:59:59Z", True, id="lte a day: its last second too"),
        pytest.param("seen_at", "gt", "2026-01-31", "2026-01-31T00:00:01Z", False, id="gt a day: not later that day"),
        pytest.param("seen_at", "between", ["2026-01-01", "2026-01-31"], "2026-01-31T18:00:00Z", True, id="whole days"),
        pytest.param("seen_at", "eq", "2026-01-31", "2026-02-01T03:00:00+09:00", True, id="a day is a day in UTC"),
        pytest.param("seen_at", "gte", "2026-01-31", dt.datetime(2026, 2, 1, tzinfo=SEOUL), True, id="a Python object"),
        pytest.param("seen_at", "gt", "2026-01-31", dt.date(2026, 2, 1), True, id="a day in a date-time column"),
        pytest.param("seen_at", "gt", "2026-01-31", "9999-12-31T23:59:59Z", True, id="the end of time"),
        pytest.param("loose", "gt", 5, "6", True, id="untyped, compared with a number"),
        pytest.param("loose", "eq", "6", 6, True, id="untyped, compared with text"),
        pytest.param("loose", "gt", "2026-01-31", "2026-02-01T00:00:00Z", True, id="untyped, compared with a day"),
        pytest.param("loose", "contains", "a", ["a"], True, id="untyped, an array"),
        pytest.param("loose", "contains", "a", "ab", True, id="untyped, text"),
        pytest.param("address", "is_null", False, {}, True, id="an object is not null"),
        pytest.param("plan", "is_null", True, "", False, id="empty text is not null"),
        pytest.param("orders", "is_null", False, "broken", True, id="a broken value is not null"),
    ],
)  # fmt: skip
def test_holds(field: str, operator: str, operand: Any, value: Any, expected: bool) -> None:
    assert asked(field, operator, operand, value) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("within", "2026-03-17T20:00:00Z", True),
        ("within", "2026-03-17T19:59:59Z", False),
        ("within", "2026-06-15T20:00:00Z", True),
        pytest.param("within", "2026-06-16T19:00:00Z", True, id="within: read while the run goes on"),
        pytest.param("within", "2026-06-16T20:00:01Z", False, id="within: planned, not past"),
        ("before", "2026-03-17T19:59:59Z", True),
        ("before", "2026-03-17T20:00:00Z", False),
        ("before", "2027-01-01T00:00:00Z", False),
        ("within_next", "2026-06-15T20:00:00Z", True),
        ("within_next", "2026-06-15T19:59:59Z", False),
        ("within_next", "2026-09-13T20:00:00Z", True),
        ("within_next", "2026-09-13T20:00:01Z", False),
    ],
)
@pytest.mark.parametrize("duration", ["90d", "2160h"])
def test_durations_of_date_times(operator: str, duration: str, value: str, expected: bool) -> None:
    assert asked("seen_at", operator, duration, value) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("within", "2026-06-01", True),
        ("within", "2026-05-31", False),
        pytest.param("within", "2026-06-16", True, id="within: today in Seoul"),
        pytest.param("within", "2026-06-17", False, id="within: planned"),
        ("before", "2026-05-31", True),
        ("before", "2026-06-01", False),
        ("within_next", "2026-06-15", True),
        ("within_next", "2026-06-14", False),
        ("within_next", "2026-06-29", True),
        ("within_next", "2026-06-30", False),
    ],
)
@pytest.mark.parametrize("duration", ["14d", "2w"])
def test_durations_of_dates_count_whole_days(operator: str, duration: str, value: str, expected: bool) -> None:
    assert asked("born", operator, duration, value) is expected


def test_now_may_be_in_any_zone() -> None:
    now = NOW.astimezone(SEOUL)
    assert now.date() != NOW.date()
    assert holds({"field": "born", "within_next": "1d"}, {"born": "2026-06-15"}, now) is True


@pytest.mark.parametrize(
    ("operator", "operand", "expected"),
    [
        ("eq", 1, False), ("ne", 1, True), ("gt", 1, False), ("gte", 1, False), ("lt", 1, False), ("lte", 1, False),
        ("in", [1], False), ("not_in", [1], True), ("between", [0, 1], False), ("contains", "a", False),
        ("is_null", True, True), ("is_null", False, False),
        ("within", "1d", False), ("before", "1d", False), ("within_next", "1d", False),
    ],
)  # fmt: skip
def test_a_null_equals_nothing(operator: str, operand: Any, expected: bool) -> None:
    leaf = {"field": "loose", operator: operand}
    assert holds(leaf, {"loose": None}) is expected
    assert holds({"not": leaf}, {"loose": None}) is (not expected), "two-valued: `not` turns every answer around"


def test_every_operator_is_asked_about_null() -> None:
    marks = test_a_null_equals_nothing.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(OPERATORS)


@pytest.mark.parametrize(
    ("field", "operator", "operand", "value"),
    [
        pytest.param("spent", "gt", 500, "a lot", id="text in a number column"),
        pytest.param("spent", "ne", 500, float("nan"), id="NaN"),
        pytest.param("orders", "in", [1], True, id="boolean in a number column"),
        pytest.param("active", "eq", True, "maybe", id="a word that is no boolean"),
        pytest.param("plan", "eq", "gold", {"a": 1}, id="an object in a text column"),
        pytest.param("plan", "eq", "gold", "\ud800", id="half a surrogate pair"),
        pytest.param("born", "gt", "2000-01-01", "0000-00-00", id="MySQL's no date"),
        pytest.param("born", "gt", "2000-01-01", 7, id="a number in a date column"),
        pytest.param("seen_at", "gt", "2000-01-01", "soon", id="text in a date-time column"),
        pytest.param("seen_at", "within", "90d", 1750000000, id="epoch seconds in a date-time column"),
        pytest.param("seen_at", "gt", "2000-01-01", "0001-01-01T00:00:00+14:00", id="before the first day"),
        pytest.param("tags", "contains", "a", "a", id="text that is no JSON in an array column"),
        pytest.param("tags", "contains", "a", {"a": 1}, id="an object in an array column"),
        pytest.param("loose", "contains", 5, "a5", id="a number inside untyped text"),
        pytest.param("loose", "contains", "a", {"a": 1}, id="an untyped object"),
    ],
)
def test_a_broken_value_is_undecided(field: str, operator: str, operand: Any, value: Any) -> None:
    assert asked(field, operator, operand, value) is UNDECIDED
    assert holds({"not": {"field": field, operator: operand}}, {field: value}) is UNDECIDED


@pytest.mark.parametrize("operator", ["is_null", "eq"])
def test_an_absent_column_is_undecided(operator: str) -> None:
    assert holds({"field": "active", operator: True}, {"spent": 1}) is UNDECIDED


def test_undecided_only_where_it_matters() -> None:
    record = {"orders": "broken", "spent": 600, "plan": "gold"}
    rich, poor, broken = (
        {"field": "spent", "gt": 500},
        {"field": "spent", "lt": 500},
        {"field": "orders", "gt": 1},
    )
    assert holds({"any": [broken, rich]}, record) is True
    assert holds({"any": [broken, poor]}, record) is UNDECIDED
    assert holds({"all": [broken, poor]}, record) is False
    assert holds({"all": [broken, rich]}, record) is UNDECIDED
    assert holds({"not": {"all": [broken, poor]}}, record) is True


def test_undecided_is_not_taken_for_a_no() -> None:
    with pytest.raises(TypeError, match="compare with `is`"):
        bool(asked("orders", "gt", 1, "broken"))


def test_what_a_condition_asks_about() -> None:
    condition = compiled(
        {"all": [{"field": "spent", "gt": 500}, {"not": {"any": [{"field": "plan", "eq": "x"}]}}]},
    )
    assert condition.fields == {"spent", "plan"}
    assert not condition.is_time_dependent
    assert compiled({"not": {"field": "seen_at", "within": "90d"}}).is_time_dependent


def test_everybody() -> None:
    assert EVERYBODY.holds({}, NOW) is True
    assert not EVERYBODY.fields


def test_without_a_schema_every_column_is_untyped() -> None:
    """At the start, when no stream has said what it has, only what is wrong in any case is an error."""
    for data in (
        {"field": "anything", "gt": 5},
        {"field": "x", "gt": "2026-01-31"},
        {"field": "x", "eq": "2026-01-31T00:00:00Z"},
        {"field": "x", "contains": 5},
        {"field": "x", "between": ["2026-01-01", "2026-01-31"]},
        {"field": "x", "before": "12h"},
    ):
        compile_condition(data, "where", {})
    with pytest.raises(SettingsError, match="no order"):
        compile_condition({"field": "x", "gt": "500"}, "where", {})


def deep(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {"field": "spent", "gt": 1}
    for _ in range(levels):
        data = {"not": data}
    return data


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        pytest.param("spent > 500", "", "is text; a condition is {field", id="SQL"),
        pytest.param([], "", "is a list", id="a bare list"),
        pytest.param(None, "", "is null", id="null"),
        pytest.param({}, "", "names no column", id="nothing"),
        pytest.param({"field": "spent"}, "", "has no operator; it takes one", id="no operator"),
        pytest.param({"field": "spent", "gt": 1, "lt": 9}, "", "has gt and lt; it takes one", id="two operators"),
        pytest.param({"field": "spent", "greater": 1}, "", "has 'greater', which is none of eq, ne", id="no such one"),
        pytest.param({"field": "spent", True: 1}, "", "has 'True', which is none", id="a key that YAML took for true"),
        pytest.param({"gt": 1}, "", "names no column", id="no field"),
        pytest.param({"field": ["spent"], "gt": 1}, "", "names no column", id="two fields"),
        pytest.param({"field": "spend", "gt": 1}, ".field", "'spend', but the stream has no such", id="unknown field"),
        pytest.param({"all": []}, ".all", "is a list; it takes a list of conditions, at least one", id="empty all"),
        pytest.param({"any": {}}, ".any", "is an object; it takes a list", id="any of no list"),
        pytest.param({"all": [], "any": []}, "", "has all and any; beside all nothing", id="all and any"),
        pytest.param({"field": "spent", "not": {}}, "", "beside not nothing", id="a field beside not"),
        pytest.param({"all": [{"any": [{"field": "spent", "gt": 1}, 5]}]}, ".all[0].any[1]", "a number", id="inside"),
        pytest.param({"all": [{"not": {"field": "spent", "gt": "5"}}]}, ".all[0].not.gt", "is text", id="deep inside"),
        pytest.param({"field": "spent", "gt": "500"}, ".gt", "is text, but 'spent' is a number: write", id="in quotes"),
        pytest.param({"field": "orders", "eq": True}, ".eq", "is a boolean, but 'orders' is a number", id="yes"),
        pytest.param({"field": "plan", "eq": 2134}, ".eq", "is a number, but 'plan' is text: write it in q", id="zip"),
        pytest.param({"field": "plan", "eq": dt.date(2026, 1, 1)}, ".eq", "is a date, but 'plan' is text", id="day"),
        pytest.param({"field": "plan", "gt": "a"}, ".gt", "cannot be asked of 'plan', whose type", id="order"),
        pytest.param({"field": "active", "eq": "true"}, ".eq", "write true or false, without quotes", id="a word"),
        pytest.param({"field": "active", "lt": True}, ".lt", "whose type is boolean", id="order of booleans"),
        pytest.param({"field": "address", "eq": "x"}, ".eq", "whose type is object, but is_null can", id="an object"),
        pytest.param({"field": "tags", "eq": "x"}, ".eq", "whose type is array, but contains, is_null", id="an array"),
        pytest.param({"field": "spent", "contains": 5}, ".contains", "whose type is decimal", id="part of a number"),
        pytest.param({"field": "spent", "within": "9d"}, ".within", "whose type is decimal", id="time of a number"),
        pytest.param({"field": "born", "gt": "soon"}, ".gt", "is a date: write a day such as", id="no date"),
        pytest.param({"field": "born", "gt": "2026-01-31T12:00:00Z"}, ".gt", "write a day", id="a time for a date"),
        pytest.param({"field": "seen_at", "gt": "31.1.2026"}, ".gt", "is a date-time: write", id="another form"),
        pytest.param({"field": "seen_at", "gt": 20260131}, ".gt", "is a number, but 'seen_at' is a", id="digits"),
        pytest.param(
            {"field": "seen_at", "between": ["2026-01-01", "2026-01-31T00:00:00Z"]}, ".between", "mixes date and",
            id="a day and a moment",
        ),
        pytest.param({"field": "loose", "in": [1, "1"]}, ".in", "mixes decimal and string", id="two types"),
        pytest.param({"field": "loose", "gt": False}, ".gt", "write a number or a time", id="more than false"),
        pytest.param({"field": "loose", "gt": "500"}, ".gt", "text, which has no order", id="an untyped text"),
        pytest.param({"field": "spent", "eq": None}, ".eq", "`is_null: true` asks for it", id="equal to null"),
        pytest.param({"field": "spent", "eq": [1]}, ".eq", "is a list; it takes one value", id="equal to a list"),
        pytest.param({"field": "spent", "eq": float("inf")}, ".eq", "not a finite number", id="infinity"),
        pytest.param({"field": "spent", "in": 5}, ".in", "is a number; it takes a list", id="in no list"),
        pytest.param({"field": "spent", "in": []}, ".in", "at least one", id="in nothing"),
        pytest.param({"field": "spent", "in": [1, "2"]}, ".in[1]", "is text, but 'spent' is a number", id="second"),
        pytest.param({"field": "spent", "between": [1]}, ".between", "a list of two values", id="one end"),
        pytest.param({"field": "spent", "between": [9, 1]}, ".between", "larger value first", id="ends the wrong way"),
        pytest.param({"field": "plan", "contains": ""}, ".contains", "is empty; it takes some text", id="no text"),
        pytest.param({"field": "plan", "contains": 5}, ".contains", "is a number; it takes some text", id="5 in text"),
        pytest.param({"field": "tags", "contains": ["a"]}, ".contains", "is a list; it takes one", id="many elements"),
        pytest.param({"field": "plan", "is_null": "yes"}, ".is_null", "it takes true or false", id="null is yes"),
        pytest.param({"field": "born", "within": "3m"}, ".within", "12h, 90d, 2w", id="months"),
        pytest.param({"field": "born", "within": 90}, ".within", "is no duration", id="a bare number"),
        pytest.param({"field": "born", "before": "2026-01-31"}, ".before", "With a date, compare", id="before a day"),
        pytest.param({"field": "born", "within": "0d"}, ".within", "is no time", id="no time"),
        pytest.param({"field": "born", "within": "36501d"}, ".within", "more than 36500 days", id="a century"),
        pytest.param({"field": "born", "within": "12h"}, ".within", "is a date and has none", id="hours of a date"),
        pytest.param(deep(MAX_LEVELS + 1), ".not" * (MAX_LEVELS + 1), "deeper than", id="bottomless"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_refused_with_its_place(data: Any, place: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as caught:
        compiled(data)
    assert f"`audiences[0].where{place}`" in str(caught.value)


def test_as_deep_as_it_may_be() -> None:
    assert holds(deep(MAX_LEVELS), {"spent": 2}) is True


def test_a_text_column_may_be_said_to_hold_numbers() -> None:
    with pytest.raises(SettingsError, match=re.escape("fields: {plan: {type: decimal}}")):
        compiled({"field": "plan", "gte": "5"})


ITEMS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.decimals(allow_nan=True), st.dates(),
    st.datetimes(), st.datetimes(timezones=st.timezones()), st.sampled_from(["2026-06-01", "5", "a"]),
)  # fmt: skip
ANYTHING = st.recursive(ITEMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
RECORDS = st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, ANYTHING))
LEAVES = st.sampled_from(
    [
        {"field": "spent", "gt": 500}, {"field": "score", "between": [-1, 1]}, {"field": "orders", "in": [0, 1, 2]},
        {"field": "plan", "contains": "a"}, {"field": "active", "eq": True}, {"field": "born", "before": "90d"},
        {"field": "seen_at", "within": "12h"}, {"field": "seen_at", "lte": "2026-01-31"},
        {"field": "tags", "contains": 0}, {"field": "address", "is_null": True}, {"field": "loose", "eq": "a"},
        {"field": "loose", "gt": 0}, {"field": "loose", "within_next": "2w"},
    ]
)  # fmt: skip
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda one: {"not": one}, inner)
        | st.builds(lambda some: {"all": some}, st.lists(inner, min_size=1, max_size=4))
        | st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=4))
    ),
    max_leaves=8,
)


@given(CONDITIONS, RECORDS)
def test_any_record_has_an_answer(data: Any, record: dict[str, Any]) -> None:
    answer = holds(data, record)
    assert answer is True or answer is False or answer is UNDECIDED
    assert holds({"not": {"not": data}}, record) is answer
    assert (holds({"not": data}, record) is UNDECIDED) is (answer is UNDECIDED)


@given(st.lists(CONDITIONS, min_size=1, max_size=4), RECORDS)
def test_all_and_any_are_pythons_where_everything_is_decided(several: list[Any], record: dict[str, Any]) -> None:
    answers = [holds(one, record) for one in several]
    together, either = holds({"all": several}, record), holds({"any": several}, record)
    if UNDECIDED in answers:
        assert together is (False if any(answer is False for answer in answers) else UNDECIDED)
        assert either is (True if any(answer is True for answer in answers) else UNDECIDED)
    else:
        assert together is all(answers)
        assert either is any(answers)
    assert holds({"not": {"all": several}}, record) is holds({"any": [{"not": one} for one in several]}, record)


@given(ITEMS, st.sampled_from([("eq", "ne", 1), ("in", "not_in", ["a", "b"]), ("eq", "ne", True)]))
def test_ne_and_not_in_are_the_negations(value: Any, operators: tuple[str, str, Any]) -> None:
    positive, negative, operand = operators
    record = {"loose": value}
    negated = holds({"not": {"field": "loose", positive: operand}}, record)
    assert holds({"field": "loose", negative: operand}, record) is negated


@given(st.datetimes(timezones=st.timezones()))
def test_a_date_time_is_past_recent_or_to_come(moment: dt.datetime) -> None:
    record = {"seen_at": moment}
    found = [holds({"field": "seen_at", name: "90d"}, record) for name in ("within", "before")]
    is_later = moment > NOW + dt.timedelta(days=1)
    assert [*found, is_later].count(True) == 1


def test_the_settings_may_come_as_json() -> None:
    """Meltano hands nested settings on as JSON."""
    data = {"all": [{"field": "spent", "gt": 0.1}, {"field": "born", "lt": "2000-01-01"}]}
    assert holds(json.loads(json.dumps(data)), {"spent": 1, "born": "1999-01-01"}) is True
