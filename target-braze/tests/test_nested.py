"""Objects and arrays inside an attribute: what Braze would drop the whole attribute for is left out and counted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.nested import NestedValue, parsed, to_nested
from target_braze.rejections import RefusalError
from target_braze.schema import Kind

VISIT = {"type": "object", "properties": {"at": {"format": "date-time"}, "day": {"format": "date"}}}
MOMENT = {"$time": "2026-01-31T03:00:00Z"}


@pytest.mark.parametrize(
    ("value", "expected", "left_out"),
    [
        pytest.param({"a": 1, "b": "x", "c": True}, {"a": 1, "b": "x", "c": True}, 0, id="scalars"),
        pytest.param({"a": None, "b": 1}, {"b": 1}, 1, id="null in an object"),
        pytest.param([1, None, 2], [1, 2], 1, id="null in an array"),
        pytest.param({"a": {"b": [None, {"c": None}]}}, {"a": {"b": [{}]}}, 2, id="nulls deep inside"),
        pytest.param({"a": "x" * 256, "b": 1}, {"b": 1}, 1, id="long text"),
        pytest.param({"a": 2**53, "b": 1}, {"b": 1}, 1, id="large integer"),
        pytest.param({"a b": 1, "a.b": 1, "$a": 1, "": 1, "k" * 256: 1, "ok": 1}, {"ok": 1}, 5, id="keys"),
        pytest.param({"\ud800": 1, "ok": "\ud800", "b": 1}, {"b": 1}, 2, id="half characters"),
        pytest.param({"a": Decimal("33.333333333333333333")}, {"a": 33.333333333333336}, 0, id="number in JSON"),
        pytest.param({"at": "2026-01-31T12:00:00+09:00"}, {"at": MOMENT}, 0, id="date-time of the schema"),
        pytest.param({"day": "2026-01-31"}, {"day": {"$time": "2026-01-31T00:00:00Z"}}, 0, id="date of the schema"),
        pytest.param({"at": "soon", "b": 1}, {"b": 1}, 1, id="bad date-time"),
        pytest.param({"x": {"$time": "2026-01-31 12:00:00+09"}}, {"x": MOMENT}, 0, id="$time as it should be"),
        pytest.param({"x": {"$time": None}, "b": 1}, {"b": 1}, 1, id="$time of null"),
        pytest.param({"x": {"$time": "2026-01-31", "y": 1}, "b": 1}, {"b": 1}, 1, id="$time beside another key"),
        pytest.param({}, {}, 0, id="empty object"),
        pytest.param([], [], 0, id="empty array"),
        pytest.param({"a": None}, msgspec.UNSET, 1, id="nothing left: an empty object would erase"),
        pytest.param([None], msgspec.UNSET, 1, id="nothing left: an empty array would erase"),
        pytest.param({"a": dt.date(2026, 1, 31)}, {"a": "2026-01-31"}, 0, id="date of Python"),
        pytest.param('{"a": null, "b": [1]}', {"b": [1]}, 1, id="JSON text"),
        pytest.param('[{"a": 1}]', [{"a": 1}], 0, id="JSON text of an array"),
    ],
)
def test_objects(value: Any, expected: Any, left_out: int) -> None:
    assert to_nested(value, Kind.OBJECT, VISIT) == (expected, left_out)


def test_times_in_an_array_of_objects() -> None:
    schema = {"type": "array", "items": VISIT}
    assert to_nested([{"at": "2026-01-31T03:00:00Z"}], Kind.ARRAY, schema) == ([{"at": MOMENT}], 0)


def test_times_in_an_array_stay_text() -> None:
    """Braze has no time as an element of an array ("Data types", 2026-09)."""
    schema = {"type": "array", "items": {"type": "string", "format": "date-time"}}
    assert to_nested(["2026-01-31T03:00:00Z"], Kind.ARRAY, schema) == (["2026-01-31T03:00:00Z"], 0)


UPDATE = {"$identifier_key": "id", "$identifier_value": 4, "$new_object": {"size": "L"}}
REMOVE = {"$identifier_key": "id", "$identifier_value": 5}


@pytest.mark.parametrize(
    ("value", "expected", "left_out"),
    [
        pytest.param({"$add": [{"id": 4}]}, {"$add": [{"id": 4}]}, 0, id="add"),
        pytest.param({"$update": [UPDATE]}, {"$update": [UPDATE]}, 0, id="update"),
        pytest.param({"$remove": [REMOVE]}, {"$remove": [REMOVE]}, 0, id="remove"),
        pytest.param(
            {"$add": [{"id": 4, "x": None}, None], "$remove": [REMOVE]},
            {"$add": [{"id": 4}], "$remove": [REMOVE]},
            2,
            id="nulls among the added",
        ),
        pytest.param(
            {"$update": [{**UPDATE, "$identifier_value": None}, UPDATE]},
            {"$update": [UPDATE]},
            2,
            id="an update that names no element would void the others",
        ),
        pytest.param(
            {"$remove": [{"id": 5}], "$add": [{"id": 1}]}, {"$add": [{"id": 1}]}, 1, id="remove without a key"
        ),
        pytest.param({"$add": [{"id": 1}], "note": 1}, {"$add": [{"id": 1}]}, 1, id="operation beside another key"),
        pytest.param({"$add": {"id": 1}, "$remove": [REMOVE]}, {"$remove": [REMOVE]}, 1, id="operation without a list"),
        pytest.param({"add": ["a"], "remove": ["b", None]}, {"add": ["a"], "remove": ["b"]}, 1, id="of a plain array"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.ARRAY, Kind.OBJECT, Kind.ANY])
def test_operations_on_arrays(kind: Kind, value: Any, expected: Any, left_out: int) -> None:
    """Vector C21."""
    assert to_nested(value, kind, {}) == (expected, left_out)


def test_operations_are_only_at_the_top() -> None:
    assert to_nested({"a": {"$add": [{"id": 1}]}, "b": 1}, Kind.OBJECT, {}) == ({"a": {}, "b": 1}, 1)


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        pytest.param(5, Kind.OBJECT, "not an object", id="number as object"),
        pytest.param({"a": 1}, Kind.ARRAY, "not an array", id="object as array"),
        pytest.param("{a,b}", Kind.ARRAY, "nor JSON text", id="PostgreSQL's array literal"),
        pytest.param("[" * 5000, Kind.ARRAY, "nor JSON text", id="JSON text without end"),
        pytest.param("\ud800", Kind.OBJECT, "nor JSON text", id="half a character"),
        pytest.param({"a": ["x" * 255] * 500}, Kind.ANY, "larger than 102400 bytes", id="over 100 KB (C40)"),
        pytest.param({"$time": "soon"}, Kind.OBJECT, "not a date-time", id="nothing but a bad time"),
    ],
)
def test_turns_down(value: Any, kind: Kind, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        to_nested(value, kind, {})


def test_turns_down_what_is_nested_beyond_measure() -> None:
    value: Any = 1
    for _ in range(900):
        value = {"a": [value]}
    with pytest.raises(RefusalError, match="deeper than 100"):
        to_nested(value, Kind.OBJECT, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("[1]", "[1]", id="text stays text"),
        pytest.param(1, 1, id="integer"),
        pytest.param(Decimal("0.8333333333333334"), 0.8333333333333334, id="double as a decimal"),
        pytest.param({"$time": "2026-01-31T12:00:00+09:00"}, "2026-01-31T03:00:00Z", id="time outside of anything"),
    ],
)
def test_types_known_by_value_only(value: Any, expected: Any) -> None:
    assert to_nested(value, Kind.ANY, {}) == (expected, 0)


def test_properties_of_an_event() -> None:
    """Vector C09; names may hold blanks and dots there, and times are plain text ("Event object", 2025-11)."""
    nested = NestedValue(is_property=True)
    members = {
        "a b.c": 1,
        "at": "2026-01-31T12:00:00+09:00",
        "time": 1,
        "event_name": 1,
        "$x": 1,
        "": 1,
        "\ud800": 1,
        "nil": None,
        "in": {"$time": "2026-01-31"},
    }
    result = nested.properties(members, VISIT, frozenset({"time", "event_name"}))
    assert result == {"a b.c": 1, "at": "2026-01-31T03:00:00Z", "in": "2026-01-31T00:00:00Z"}
    assert nested.left_out == 6


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.decimals() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "$time", "$add", "$update", "b c", "at"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=20,
)
structures = st.lists(json_values) | st.dictionaries(st.text(), json_values)


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_null(part) for part in value.values())
    return any(holds_null(part) for part in value) if isinstance(value, list) else value is None


@hypothesis.settings(deadline=None)
@given(value=structures, is_property=st.booleans())
def test_no_null_is_ever_left_inside_and_twice_is_once(value: Any, is_property: bool) -> None:
    try:
        result, left_out = to_nested(value, Kind.ANY, VISIT, is_property=is_property)
    except RefusalError:
        return
    assert left_out or not holds_null(value)
    if result is not msgspec.UNSET:
        assert not holds_null(result)
        sent = msgspec.json.encode(result)
        assert to_nested(parsed(sent.decode()), Kind.ANY, VISIT, is_property=is_property)[0] == result or is_property
