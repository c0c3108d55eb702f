"""Entering, staying and leaving, and what is written for it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.audiences import read_audiences
from target_braze.errors import SettingsError
from target_braze.memberships import Contribution, Membership, Memberships
from target_braze.schema import Kind
from target_braze.stream_settings import FieldSettings, StreamSettings
from target_braze.updates import ObjectKind

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.timezone.utc)
SCHEMA: dict[str, Any] = {
    "properties": {
        "external_id": {"type": "string"},
        "spent": {"type": ["null", "number"], "multipleOf": 0.01},
        "plan": {"type": ["null", "string"]},
        "created_at": {"type": "string", "format": "date-time"},
        "last_order": {"type": ["string", "null"]},
        "places": {"type": "array", "items": {"type": "string"}},
    }
}
VIP: dict[str, Any] = {"name": "vip", "where": {"field": "spent", "gt": 500}}
GOLD: dict[str, Any] = {"name": "gold", "where": {"field": "plan", "eq": "gold"}}
IN_ARRAY = {"encode": "array"}
KEY = b"external_id\0a"


def memberships(
    *entries: dict[str, Any], schema: dict[str, Any] = SCHEMA, names: tuple[str, ...] = (), **settings: Any
) -> Memberships:
    audiences = read_audiences([{"stream": "people", **entry} for entry in entries])
    return Memberships(audiences, "people", schema, StreamSettings(**settings), names)


def contribution(
    entries: list[dict[str, Any]], record: dict[str, Any], *was_in: str, now: dt.datetime = NOW
) -> Contribution:
    return memberships(*entries).contribution(record, now, KEY, was_in)


@pytest.mark.parametrize(
    ("record", "was_in", "attributes"),
    [
        pytest.param({"spent": 600}, [], {"vip": True}, id="enters"),
        pytest.param({"spent": 600}, ["vip"], {"vip": True}, id="stays"),
        pytest.param({"spent": 100}, ["vip"], {"vip": False}, id="leaves"),
        pytest.param({"spent": None}, ["vip"], {"vip": False}, id="leaves by a null"),
        pytest.param({"spent": 100}, [], {}, id="was never in: no data point for that"),
        pytest.param({"spent": "a lot"}, ["vip"], {}, id="a broken value changes nothing for a member"),
        pytest.param({"spent": "a lot"}, [], {}, id="a broken value lets nobody in"),
        pytest.param({}, ["vip"], {}, id="an absent value says nothing"),
    ],
)
def test_boolean(record: dict[str, Any], was_in: list[str], attributes: dict[str, Any]) -> None:
    assert contribution([VIP], record, *was_in).attributes == attributes


@pytest.mark.parametrize(
    ("record", "was_in", "attributes"),
    [
        pytest.param({"spent": 600, "plan": "gold"}, [], {"audiences": ["gold", "vip"]}, id="enters both, sorted"),
        pytest.param({"spent": 600, "plan": None}, ["gold"], {"audiences": ["vip"]}, id="enters one, leaves the other"),
        pytest.param({"spent": 1, "plan": ""}, ["gold"], {"audiences": None}, id="leaves the last"),
        pytest.param({"spent": 1, "plan": ""}, [], {}, id="was never in"),
        pytest.param({"spent": "?", "plan": "gold"}, ["vip"], {"audiences": ["gold", "vip"]}, id="undecided stays"),
        pytest.param({"spent": "?", "plan": "gold"}, [], {"audiences": ["gold"]}, id="undecided does not enter"),
        pytest.param(
            {"spent": "?", "plan": ""}, ["vip", "gold"], {"audiences": ["vip"]}, id="undecided is not emptied"
        ),
    ],
)
def test_array(record: dict[str, Any], was_in: list[str], attributes: dict[str, Any]) -> None:
    assert contribution([{**VIP, **IN_ARRAY}, {**GOLD, **IN_ARRAY}], record, *was_in).attributes == attributes


def test_who_enters_stays_leaves() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "enters"},
        {"name": "stays"},
        {"name": "leaves", "where": {"field": "spent", "gt": 1}},
        {"name": "never", "where": {"field": "spent", "gt": 1}},
        {"name": "unknown", "where": {"field": "plan", "eq": "gold"}},
    ]
    found = contribution(entries, {"spent": 0}, "stays", "leaves", "unknown", "an audience of another stream")
    assert (found.entered, found.stayed, found.left) == (("enters",), ("stays",), ("leaves",))
    assert found.undecided == ("unknown",)
    assert found.is_in == ("enters", "stays")


EXTRAS = {
    **VIP,
    "attributes": {"offer": "WINTER", "since": {"field": "created_at"}, "worth": {"field": "spent"}},
    "treatments": {"control": 1},
}


def test_extra_attributes_come_and_go_with_membership() -> None:
    record = {"spent": Decimal("600.10"), "created_at": "2026-01-31T12:00:00+09:00"}
    assert contribution([EXTRAS], record).attributes == {
        "vip": True,
        "offer": "WINTER",
        "since": "2026-01-31T03:00:00Z",
        "worth": 600.1,
        "vip_treatment": "control",
    }
    gone = {"vip": False, **dict.fromkeys(("offer", "since", "worth", "vip_treatment"))}
    assert contribution([EXTRAS], {"spent": 1}, "vip").attributes == gone
    assert contribution([EXTRAS], {"spent": 1}).attributes == {}
    assert contribution([EXTRAS], {"spent": "?"}, "vip").attributes == {}


def test_an_element_and_an_attribute_may_have_one_name() -> None:
    entry = {**VIP, **IN_ARRAY, "attributes": {"vip": "since May"}}
    assert contribution([entry], {"spent": 600}).attributes == {"vip": "since May", "audiences": ["vip"]}
    assert contribution([entry], {"spent": 1}, "vip").attributes == {"vip": None, "audiences": None}


def test_a_copied_value_is_turned_down_alone() -> None:
    found = contribution([EXTRAS], {"spent": 600, "created_at": "soon"})
    assert found.attributes == {"vip": True, "offer": "WINTER", "worth": 600.0, "vip_treatment": "control"}
    assert [(attribute, value) for attribute, _, value in found.refused] == [("since", "soon")]
    assert found.entered == ("vip",)


def test_copied_values_of_every_form() -> None:
    entry = {"name": "all", "attributes": {"a": {"field": "places"}, "b": {"field": "plan"}, "c": {"field": "spent"}}}
    found = contribution([entry], {"places": ["x", None], "plan": None})
    assert found.attributes == {"all": True, "a": ["x"], "b": None}
    assert found.left_out == (("a", 1),)


def test_a_left_out_column_can_be_asked_and_copied_with_its_settings() -> None:
    """What is not sent of everybody is just what members may be given; `type` and `too_long` hold for the copy."""
    fields = {"last_order": FieldSettings(kind=Kind.DATE), "plan": FieldSettings(name="x", is_truncated=True)}
    entry = {
        "name": "recent",
        "where": {"field": "last_order", "within": "90d"},
        "attributes": {"ordered": {"field": "last_order"}, "my_plan": {"field": "plan"}},
    }
    found = memberships(entry, fields=fields, only=frozenset({"external_id"}))
    assert found.fields == {"last_order", "plan"}
    assert found.is_time_dependent
    record = {"last_order": "06/01/2026", "plan": "y" * 256}
    attributes = {"recent": True, "ordered": "2026-06-01", "my_plan": "y" * 255}
    assert found.contribution(record, NOW, KEY, ()).attributes == attributes


@pytest.mark.parametrize(
    "entry",
    [
        {"retired": True},
        {"end": "2026-06-14"},
        {"start": "2026-06-16"},
        pytest.param({"retired": True, "where": {"field": "gone", "gt": 1}}, id="retired with its column"),
        pytest.param({"retired": True, "attributes": {"x": {"field": "gone"}}}, id="retired with what it copied"),
    ],
)
def test_an_audience_that_does_not_run_lets_people_go(entry: dict[str, Any]) -> None:
    found = memberships({**VIP, **entry})
    record = {"spent": 600}
    assert found.membership(found.audiences[0], record, NOW) is Membership.OUT
    assert found.contribution(record, NOW, KEY, ()).attributes == {}
    assert found.contribution(record, NOW, KEY, ("vip",)).attributes["vip"] is False


def test_leaving_without_a_record() -> None:
    array = [{**VIP, **IN_ARRAY, "attributes": {"x": 1}}, {**GOLD, **IN_ARRAY}]
    found = memberships(*array, {"name": "plain"}, {"name": "other", "encode": "array", "array_attribute": "others"})
    assert found.leaving(["vip"], ["vip", "gold", "other"]) == {"x": None, "audiences": ["gold"]}
    assert found.leaving(["vip", "gold"], ["vip", "gold", "plain"]) == {"x": None, "audiences": None}
    assert found.leaving(["vip", "gold", "plain", "other"], ["plain"]) == {"plain": False}
    assert found.leaving(["plain"], ["vip"]) == {}


@pytest.mark.parametrize(
    ("entry", "arguments", "message"),
    [
        pytest.param(
            {"where": {"field": "spend", "gt": 1}}, {}, "`audiences[0].where.field` is 'spend', but", id="column"
        ),
        pytest.param({"where": {"field": "plan", "in": [1]}}, {}, "`audiences[0].where.in[0]` is a number", id="type"),
        pytest.param({"where": {"field": "plan", "within": "9d"}}, {}, "type is string", id="text is no date"),
        pytest.param(
            {"attributes": {"x": {"field": "gone"}}}, {}, "`audiences[0].attributes.x.field` is 'gone', but", id="copy"
        ),
        pytest.param(
            {}, {"names": ("vip",)}, "attribute 'vip', which a column of stream 'people'", id="a column's name"
        ),
        pytest.param(IN_ARRAY, {"names": ("audiences",)}, "'audiences', which a column", id="a column's name, array"),
        pytest.param({}, {"object_kind": ObjectKind.EVENTS}, "are events; an audience needs", id="events"),
    ],
)
def test_an_audience_that_does_not_fit_its_stream(
    entry: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        memberships({**VIP, **entry}, **arguments)


def test_an_open_schema_may_have_more_columns() -> None:
    entry = {"name": "more", "where": {"field": "gone", "gt": 1}, "attributes": {"x": {"field": "gone"}}}
    found = memberships(entry, schema={**SCHEMA, "additionalProperties": True})
    assert found.contribution({"gone": 2}, NOW, KEY, ()).attributes == {"more": True, "x": 2}


ENTRIES = [
    VIP,
    {**GOLD, **IN_ARRAY},
    {"name": "early", "where": {"not": {"field": "created_at", "within": "90d"}}, **IN_ARRAY},
    {"name": "all", "attributes": {"offer": "A"}, "treatments": {"a": 1, "b": 1}},
    {"name": "old", "retired": True, **IN_ARRAY},
]
NAMES = [entry["name"] for entry in ENTRIES]
RECORDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "spent": st.sampled_from([None, 1, 600, "?"]),
        "plan": st.sampled_from([None, "gold", "x", {}]),
        "created_at": st.sampled_from(["2026-06-01T00:00:00Z", "2020-01-01T00:00:00Z", "?", None]),
    },
)


@given(RECORDS, st.sets(st.sampled_from(NAMES)))
def test_every_audience_is_counted_once(record: dict[str, Any], was_in: set[str]) -> None:
    found = contribution(ENTRIES, record, *was_in)
    counted = Counter([*found.entered, *found.stayed, *found.left, *found.undecided])
    assert set(counted.values()) <= {1}
    assert set(NAMES) - set(counted) <= set(NAMES) - was_in, "who is not counted was not in"


@given(RECORDS, st.sets(st.sampled_from(NAMES)))
def test_what_is_written_is_what_holds(record: dict[str, Any], was_in: set[str]) -> None:
    """In Braze as in the ledger: whatever was there before, afterwards it is as the contribution says."""
    found = contribution(ENTRIES, record, *was_in)
    is_in = {*found.is_in, *(set(found.undecided) & was_in)}
    braze: dict[str, Any] = {name: True for name in ("vip", "all") if name in was_in}
    if elements := sorted({"gold", "early", "old"} & was_in):
        braze["audiences"] = elements
    braze.update(found.attributes)
    assert {name for name in ("vip", "all") if braze.get(name)} == {"vip", "all"} & is_in
    assert (braze.get("audiences") or []) == sorted({"gold", "early", "old"} & is_in)
    again = contribution(ENTRIES, record, *is_in)
    assert not again.entered
    assert not again.left
    assert {name: braze.get(name) for name in again.attributes} == again.attributes


@given(RECORDS, st.sets(st.sampled_from(NAMES)))
def test_leaving_leaves_nothing_behind(record: dict[str, Any], was_in: set[str]) -> None:
    found = contribution(ENTRIES, record, *was_in)
    is_in = {*found.is_in, *(set(found.undecided) & was_in)}
    after = {**found.attributes, **memberships(*ENTRIES).leaving(is_in, is_in)}
    assert not [value for value in after.values() if value]
