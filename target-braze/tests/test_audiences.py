"""Audiences as the settings describe them, and every way in which they can be wrong."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.audiences import MAX_ARRAY_ELEMENTS, Audience, Audiences, Encoding, Phase, read_audiences
from target_braze.errors import SettingsError
from target_braze.leaving import LeavingLimit, read_leaving_limit

UTC = dt.timezone.utc
VIP = {"name": "vip", "stream": "people", "where": {"field": "spent", "gt": 500}}


def audience(**entry: Any) -> Audience:
    return read_audiences([{**VIP, **entry}])[0]


def test_what_an_entry_says() -> None:
    found = audience(
        attributes={
            "offer": "WINTER",
            "member_since": {"field": "created_at"},
            "level": 3,
            "from": dt.date(2026, 1, 1),
        },
        treatments={"email": 45, "control": 5},
        start="2026-01-01",
        end="2026-12-31",
        full_table=True,
        max_leaving="5%",
    )
    assert found.where == VIP["where"]
    assert found.encode is Encoding.BOOLEAN
    assert found.constants == {"offer": "WINTER", "level": 3, "from": "2026-01-01"}
    assert found.copies == {"member_since": "created_at"}
    assert found.attributes == ("vip", "vip_treatment", "offer", "level", "from", "member_since")
    assert found.full_table
    assert found.max_leaving == LeavingLimit(share=0.05)
    assert not found.is_retired


def test_what_goes_without_saying() -> None:
    """Meltano hands on an empty setting as null, which means its default."""
    bare = read_audiences([{"name": "vip", "stream": "people"}])
    assert bare == read_audiences([{"name": "vip", "stream": "people", **dict.fromkeys(("where", "end", "encode"))}])
    assert bare[0].where is None
    assert bare[0].attributes == ("vip",)
    assert bare[0].max_leaving == LeavingLimit(share=0.2)
    assert bare[0].phase(dt.datetime.now(UTC)) is Phase.RUNNING
    assert read_audiences([]) == ()


def test_an_array_takes_names_that_are_no_attributes() -> None:
    found = audience(name="country", encode="array")
    assert found.attributes == ("audiences",)
    assert found.own_attributes == ()
    assert audience(encode="array", array_attribute="groups").attributes == ("groups",)


@pytest.mark.parametrize(
    ("entry", "now", "phase"),
    [
        ({"start": "2026-01-02"}, "2026-01-01T23:59:59", Phase.UPCOMING),
        ({"start": "2026-01-02"}, "2026-01-02T00:00:00", Phase.RUNNING),
        pytest.param({"end": "2026-01-02"}, "2026-01-02T23:59:59", Phase.RUNNING, id="through the last day"),
        ({"end": "2026-01-02"}, "2026-01-03T00:00:00", Phase.OVER),
        pytest.param({"end": "2026-01-02T12:00:00"}, "2026-01-02T12:00:00", Phase.OVER, id="a moment is not in it"),
        ({"end": "2026-01-02T12:00:00+09:00"}, "2026-01-02T02:59:59", Phase.RUNNING),
        ({"start": "2026-01-02", "end": "2026-01-02"}, "2026-01-02T12:00:00", Phase.RUNNING),
        ({"start": dt.date(2026, 1, 2)}, "2026-01-01T12:00:00", Phase.UPCOMING),
        pytest.param({"start": "2027-01-01", "retired": True}, "2026-01-01T00:00:00", Phase.OVER, id="retired early"),
        ({"retired": False}, "2026-01-01T00:00:00", Phase.RUNNING),
    ],
)
def test_the_time_of_an_audience(entry: dict[str, Any], now: str, phase: Phase) -> None:
    assert audience(**entry).phase(dt.datetime.fromisoformat(now).replace(tzinfo=UTC)) is phase


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        pytest.param({"named": "x"}, "", "has 'named', which is none of name, stream, where", id="unknown key"),
        pytest.param({"name": None}, ".name", "is missing", id="no name"),
        pytest.param({"name": " vip"}, ".name", "with none around it", id="a blank around the name"),
        pytest.param({"name": 5}, ".name", "is a number", id="a number for a name"),
        pytest.param({"name": "$vip"}, ".name", "cannot begin with $", id="a name that Braze refuses"),
        pytest.param({"name": "x" * 256}, ".name", "at most 255", id="a long name"),
        pytest.param({"name": "x" * 256, "encode": "array"}, ".name", "at most 255", id="a long element"),
        pytest.param({"name": "country"}, ".name", "one of Braze's own fields", id="a standard field"),
        pytest.param({"name": "external_id"}, ".name", "one of Braze's own fields", id="an identifier (vector C64)"),
        pytest.param({"stream": None}, ".stream", "is missing", id="no stream"),
        pytest.param({"stream": ["a"]}, ".stream", "is a list", id="two streams"),
        pytest.param({"where": "spent > 500"}, ".where", "is text", id="SQL"),
        pytest.param({"where": {"all": [{"field": "a", "gt": "5"}]}}, ".where.all[0].gt", "no order", id="inside"),
        pytest.param({"encode": "csv"}, ".encode", "'csv', which is none of boolean, array", id="encoding"),
        pytest.param({"array_attribute": "groups"}, ".array_attribute", "is for `encode: array`", id="no array"),
        pytest.param(
            {"encode": "array", "array_attribute": "email"}, ".array_attribute", "Braze's own", id="array of a field"
        ),
        pytest.param({"attributes": ["a"]}, ".attributes", "is a list; it takes {attribute", id="a list of attributes"),
        pytest.param({"attributes": {"a": None}}, ".attributes.a", "is null; it takes one value", id="null"),
        pytest.param({"attributes": {"a": [1]}}, ".attributes.a", "is a list", id="a list"),
        pytest.param({"attributes": {"a": {"column": "b"}}}, ".attributes.a", "{field: column}", id="no field"),
        pytest.param({"attributes": {"a": {"field": "b", "x": 1}}}, ".attributes.a", "{field: column}", id="more"),
        pytest.param({"attributes": {"a": "x" * 256}}, ".attributes.a", "longer than 255", id="a long text"),
        pytest.param({"attributes": {"a": 2**53}}, ".attributes.a", "beyond 2^53-1", id="a large number"),
        pytest.param({"attributes": {"email": "x"}}, ".attributes.email", "would lose", id="a field as attribute"),
        pytest.param({"attributes": {"vip": 1}}, ".attributes.vip", "`audiences[0].attributes.vip`", id="itself"),
        pytest.param({"treatments": {}}, ".treatments", "at least one", id="no treatment"),
        pytest.param({"treatments": {"a": 0}}, ".treatments.a", "no weight", id="weight 0"),
        pytest.param({"name": "x" * 250, "treatments": {"a": 1}}, ".treatments", "at most 255", id="_treatment"),
        pytest.param(
            {"treatments": {"a": 1}, "attributes": {"vip_treatment": 1}}, ".attributes.vip_treatment", "Rename",
            id="the treatment's attribute",
        ),
        pytest.param({"start": "soon"}, ".start", "is no time; write a day", id="no time"),
        pytest.param({"start": 20260101}, ".start", "is no time", id="digits"),
        pytest.param({"end": "9999-12-31"}, ".end", "the last day there is; leave it out", id="the end of time"),
        pytest.param({"start": "2026-02-01", "end": "2026-01-01"}, ".end", "not after `audiences[0]", id="order"),
        pytest.param({"start": "2026-02-01", "end": "2026-02-01T00:00:00Z"}, ".end", "not after", id="no time between"),
        pytest.param({"retired": "yes"}, ".retired", "is text; it takes true or false", id="retired"),
        pytest.param({"full_table": 1}, ".full_table", "is a number; it takes true or false", id="full_table"),
        pytest.param({"max_leaving": "a few"}, ".max_leaving", "neither a number of people", id="max_leaving"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_place(entry: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as caught:
        audience(**entry)
    assert f"`audiences[0]{place}`" in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param("vip", "`audiences` is text; it takes a list", id="no list"),
        pytest.param([5], "`audiences[0]` is a number; an audience is", id="no audience"),
        pytest.param(
            [VIP, {**VIP, "stream": "b"}], "`audiences[1].name` is 'vip', as `audiences[0].name` is", id="same name"
        ),
        pytest.param(
            [VIP, {"name": "b", "stream": "people", "attributes": {"vip": 1}}],
            "`audiences[1].attributes.vip` writes the attribute 'vip', and so does `audiences[0].name`",
            id="an attribute that is another's name",
        ),
        pytest.param(
            [{**VIP, "attributes": {"x": 1}}, {"name": "b", "stream": "c", "attributes": {"x": 1}}],
            "`audiences[1].attributes.x` writes the attribute 'x', and so does `audiences[0].attributes.x`",
            id="an attribute of two",
        ),
        pytest.param(
            [{**VIP, "name": "audiences"}, {"name": "b", "stream": "people", "encode": "array"}],
            "`audiences[0].name` writes the attribute 'audiences', and so does `audiences[1].array_attribute`",
            id="an array that is another's name",
        ),
        pytest.param(
            [{**VIP, "encode": "array"}, {"name": "b", "stream": "c", "encode": "array"}],
            "Add to one: `array_attribute: audiences_of_b`, or `encode: boolean`",
            id="an array of two streams",
        ),
        pytest.param(
            [{**VIP, "name": f"a{at}", "encode": "array"} for at in range(MAX_ARRAY_ELEMENTS + 1)],
            "More than 500 audiences",
            id="an array that overflows",
        ),
    ],
)
def test_entries_that_do_not_go_together(entries: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_audiences(entries)


def test_as_many_as_an_array_holds() -> None:
    assert (
        len(read_audiences([{**VIP, "name": f"a{at}", "encode": "array"} for at in range(MAX_ARRAY_ELEMENTS)])) == 500
    )


def test_arrays_of_two_streams_by_two_names() -> None:
    other = {"name": "b", "stream": "c", "encode": "array", "array_attribute": "groups"}
    assert len(read_audiences([{**VIP, "encode": "array"}, other])) == 2


def test_the_stream_of_an_audience() -> None:
    audiences = Audiences(read_audiences([VIP, {"name": "b", "stream": "*-people"}]))
    assert [found.name for found in audiences.of_stream("people")] == ["vip"]
    assert [found.name for found in audiences.of_stream("public-people")] == ["b"]
    assert [found.name for found in audiences.of_stream("public-people")] == ["b"], "a second SCHEMA changes nothing"
    assert audiences.of_stream("orders") == ()
    with pytest.raises(SettingsError, match=re.escape("`audiences[1].stream` is '*-people', which is both 'public")):
        audiences.of_stream("old-people")


@pytest.mark.parametrize(
    ("value", "leaving", "people", "is_passed"),
    [
        ("20%", 20, 100, False), ("20%", 21, 100, True), ("0%", 1, 10**6, True), ("100%", 5, 5, False),
        ("12.5 %", 1, 8, False), (500, 500, 600, False), ("500", 501, 10**6, True), (0, 1, 100, True),
    ],
)  # fmt: skip
def test_how_many_may_leave(value: Any, leaving: int, people: int, is_passed: bool) -> None:
    assert read_leaving_limit(value, "max_leaving").is_passed(leaving, people) is is_passed


@pytest.mark.parametrize("value", ["101%", "-1", True, 1.5, [], "%"])
def test_no_limit(value: Any) -> None:
    with pytest.raises(SettingsError, match="`x` is neither a number of people such as 500 nor a share"):
        read_leaving_limit(value, "x")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["field", "all"]), inner)
)), st.sampled_from(["name", "stream", "where", "attributes", "encode", "array_attribute", "treatments", "start", "end",
                     "retired", "full_table", "max_leaving"]))  # fmt: skip
def test_whatever_is_in_the_settings_is_read_or_refused(value: Any, key: str) -> None:
    try:
        read_audiences([{**VIP, key: value}])
    except SettingsError as error:
        assert str(error).startswith("`audiences[0]")  # noqa: PT017 - nothing else may come out
