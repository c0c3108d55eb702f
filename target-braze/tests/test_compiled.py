"""The compiled mapping: whatever it maps, it maps as `Mapper.map` does; whatever needs a judgement it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_braze.compiled import CompiledMapper
from target_braze.mapping import Mapper
from target_braze.policies import Buckets
from target_braze.stream_settings import FieldSettings, StreamSettings
from target_braze.updates import Mapped

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {"type": ["string", "integer"]},
        "email": {"type": ["null", "string"]},
        "dob": {"type": ["null", "string"], "format": "date"},
        "country": {"type": ["null", "string"]},
        "is_vip": {"type": ["null", "boolean"]},
        "orders": {"type": ["null", "integer"]},
        "score": {"type": ["null", "number"]},
        "revenue": {"type": ["null", "number"], "multipleOf": 0.01},
        "last_order_at": {"type": ["null", "string"], "format": "date-time"},
        "tier": {"type": ["null", "string"], "maxLength": 20},
        "note": {"type": ["null", "string"]},
        "tags": {"type": ["null", "array"], "items": {"type": "string"}},
        "address": {"type": ["null", "object"], "properties": {"since": {"type": "string", "format": "date"}}},
        "anything": {},
        "email_subscribe": {"type": ["null", "string"]},
        "subscription_groups": {"type": ["null", "array"]},
        "spent": {"type": ["null", "number"], "multipleOf": 0.0001},
        "margin": {"type": ["null", "number"]},
        "points": {"type": ["null", "integer"]},
        "visits": {"type": ["null", "integer"]},
        "secret": {"type": "string"},
    }
}
SETTINGS = StreamSettings(
    fields={
        "id": FieldSettings(name="external_id"),
        "tier": FieldSettings(name="value_tier"),
        "note": FieldSettings(is_truncated=True),
        "spent": FieldSettings(decimals=0),
        "margin": FieldSettings(decimals=2),
        "points": FieldSettings(decimals=-2),
        "visits": FieldSettings(buckets=Buckets((Decimal(7), Decimal(30)), ("few", "some", "many"))),
        "secret": None,
        "email_subscribe": FieldSettings(),
        "subscription_groups": FieldSettings(),
    },
    lookalikes="send",
    update_existing_only=True,
)
PLAIN: dict[str, Any] = {
    "id": "cust-1",
    "email": "Ada@Example.com",
    "dob": "1980-02-29",
    "country": "KR",
    "is_vip": True,
    "orders": 12,
    "score": 0.25,
    "revenue": 68.4,
    "last_order_at": "2026-01-31T12:00:00+09:00",
    "tier": "gold",
    "note": "likes tea",
    "tags": ["a", "b"],
    "address": {"city": "Seoul", "since": "2020-05-01"},
    "anything": 5,
    "email_subscribe": "opted_in",
    "subscription_groups": [
        {"subscription_group_id": "5f0c2b2e-7a1d-4c55-9d2b-0d1f2e3a4b5c", "subscription_state": "subscribed"}
    ],
    "spent": 68.4103,
    "margin": 0.125,
    "points": 1250,
    "visits": 7,
    "secret": "not sent",
}

decode = msgspec.json.Decoder(float_hook=Decimal).decode


def mappers(settings: StreamSettings = SETTINGS) -> tuple[Mapper, CompiledMapper]:
    mapper = Mapper("customers", SCHEMA, settings)
    return mapper, CompiledMapper(mapper, ["id"])


def assert_same(record: bytes, settings: StreamSettings = SETTINGS) -> bool:
    """Both map the record alike, or the compiled one leaves it; return whether it mapped it."""
    mapper, compiled = mappers(settings)
    assert compiled.is_usable
    quick = compiled.map(record)
    if quick is None:
        return False
    mapped = mapper.map(decode(record))
    assert mapped.attributes is not None
    assert (mapped.rejections, mapped.left_out) == ((), ())
    one, other = quick.whole(), mapped.attributes.whole()
    assert json.loads(one.body) == json.loads(other.body)
    assert [type(value) for value in json.loads(one.body).values()] == [
        type(json.loads(other.body)[name]) for name in json.loads(one.body)
    ]
    assert (one.identity, one.kind, one.stream) == (other.identity, other.kind, other.stream)
    assert one.shape.data_points == other.shape.data_points
    assert dict(zip(quick.form.names, quick.values, strict=True)) == dict(
        zip(mapped.attributes.form.names, mapped.attributes.values, strict=True)
    )
    assert quick.is_mergeable == mapped.attributes.is_mergeable
    return True


numbers = st.one_of(st.integers(), st.floats(), st.decimals(allow_nan=False, allow_infinity=False).map(float))
texts = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["", " ", "x" * 255, "x" * 256, "2020-01-01", "2020-13-01", "3001-01-01", "F", "Korea", "a@b.co"]),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(changes=st.dictionaries(st.sampled_from([*PLAIN, "unannounced"]), anything, max_size=4))
@example(changes={"revenue": 12345678901234567})
@example(changes={"revenue": 0.1000000000000000055})
@example(changes={"score": 9007199254740993})
@example(changes={"revenue": 5})
@example(changes={"revenue": True})
@example(changes={"id": 17})
@example(changes={"id": True})
@example(changes={"id": " "})
@example(changes={"last_order_at": "3001-01-01T00:00:00Z"})
@example(changes={"last_order_at": "2026-01-31T12:00:00.123456Z"})
@example(changes={"last_order_at": "2026-01-31 12:00:00"})
@example(changes={"address": {"since": None}})
@example(changes={"tags": [None]})
@example(changes={"tags": []})
@example(changes={"anything": {"$time": "2020-01-01"}})
def test_what_it_maps_it_maps_as_the_mapper_does(changes: dict[str, Any]) -> None:
    assert_same(json.dumps(PLAIN | changes).encode())


@pytest.mark.parametrize("column", ["revenue", "score", "spent", "margin", "points", "visits", "note", "anything"])
@pytest.mark.parametrize(
    "literal",
    [
        "68.410", "6841e-2", "1E3", "0.10", "-0.0", "1.00000000000000001", "12345678901234.5", "0.125", "-0.005",
        "0.12499999999999999999", "1.005", "1.0049999999999999999", "29.999999999999999999999", "9007199254740993",
        "9007199254740993.0", "9e15", "1e22", "1e300", "1e400", "1e-400", "1e999999", "1250.0",
    ],
)  # fmt: skip
def test_a_number_is_exact_however_it_is_written(column: str, literal: str) -> None:
    record = json.dumps(PLAIN | {column: "HERE"}).replace('"HERE"', literal).encode()
    assert_same(record)


@pytest.mark.parametrize("literal", ["1e9999999999999999999999", "1e-9999999999999999999999"])
def test_a_number_beyond_any_measure_is_left_to_the_mapper(literal: str) -> None:
    assert mappers()[1].map(json.dumps(PLAIN).replace("68.4103", literal).encode()) is None


NULLABLE = ["email", "tier", "tags", "revenue", "address"]


@given(
    nulls=st.sets(st.sampled_from(NULLABLE)),
    skipped=st.sets(st.sampled_from(NULLABLE)),
    cleared=st.sets(st.sampled_from(NULLABLE)),
    of_stream=st.sampled_from(["clear", "skip"]),
)
@example(nulls={"email", "tags"}, skipped={"email"}, cleared=set(), of_stream="clear")
@example(nulls=set(NULLABLE), skipped=set(), cleared={"tags"}, of_stream="skip")
def test_nulls_that_are_skipped_are_as_good_as_absent(
    nulls: set[str], skipped: set[str], cleared: set[str], of_stream: str
) -> None:
    """Both mappers leave them out, and give what they would of a record without them."""
    fields = {name: SETTINGS.fields.get(name) or FieldSettings() for name in skipped | cleared}
    fields = {name: replace(field, nulls="clear" if name in cleared else "skip") for name, field in fields.items()}
    settings = replace(SETTINGS, nulls=of_stream, fields={**SETTINGS.fields, **fields})
    record = PLAIN | dict.fromkeys(nulls)
    assert assert_same(json.dumps(record).encode(), settings)
    is_skipped = {name: fields[name].nulls == "skip" if name in fields else of_stream == "skip" for name in nulls}
    without = {name: value for name, value in record.items() if not is_skipped.get(name)}
    mapper, compiled = mappers(settings)
    assert compiled.has_one_form == (of_stream == "clear" and skipped <= cleared)
    said, expected = mapper.map(record).attributes, mapper.map(without).attributes
    assert said is not None
    assert expected is not None
    assert json.loads(said.whole().body) == json.loads(expected.whole().body)


def test_a_record_of_nothing_but_nulls_that_are_skipped_says_nothing() -> None:
    settings = replace(SETTINGS, nulls="skip", only=frozenset(["email"]))
    record = json.dumps(PLAIN | {"email": None}).encode()
    mapper, compiled = mappers(settings)
    assert mapper.map(decode(record)) == Mapped()
    assert compiled.map(record) is None


NEVER_NULL = {"id", "secret", "email_subscribe", "subscription_groups"}
PLAIN_CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "nulls": dict.fromkeys([name for name in PLAIN if name not in NEVER_NULL]),
    "whole decimal": {"revenue": 68},
    "number as identifier": {"id": 17},
    "UTC": {"last_order_at": "2026-01-31T12:00:00Z"},
    "digits to round away": {"spent": 0.12345678901234567, "margin": 0.8333333333333334},
    "a rounded number in text": {"spent": "68.41"},
}


@pytest.mark.parametrize("changes", PLAIN_CHANGES.values(), ids=PLAIN_CHANGES)
def test_plain_records_are_mapped_by_it(changes: dict[str, Any]) -> None:
    assert assert_same(json.dumps(PLAIN | changes).encode())


ODD_CHANGES: dict[str, dict[str, Any]] = {
    "too long": {"tier": "x" * 256},
    "rejected email": {"email": "nobody"},
    "inexact decimal": {"revenue": 0.12345678901234567},
    "integer too large": {"orders": 2**53},
    "text for a number": {"orders": "12"},
    "unannounced column": {"new": 1},
    "a consent that is null": {"email_subscribe": None},
    "a list that says nothing": {"subscription_groups": []},
    "blank identifier": {"id": "  "},
    "long identifier": {"id": "가" * 400},
    "year beyond": {"dob": "3001-01-01"},
    "left out inside": {"address": {"city": None}},
    "larger than an object may be": {"tags": ["x" * 250] * 500},
}


@pytest.mark.parametrize("changes", ODD_CHANGES.values(), ids=ODD_CHANGES)
def test_what_needs_a_judgement_is_left_to_the_mapper(changes: dict[str, Any]) -> None:
    assert not assert_same(json.dumps(PLAIN | changes).encode())


@pytest.mark.parametrize("name", ['with "quotes"', "back\\slash", "a\tb"])
def test_columns_whose_names_cannot_be_compiled(name: str) -> None:
    schema = {"properties": {"external_id": {"type": "string"}, name: {"type": "string"}}}
    assert not CompiledMapper(Mapper("customers", schema, StreamSettings()), ["external_id"]).is_usable


def test_a_missing_column_is_left_to_the_mapper() -> None:
    assert not assert_same(json.dumps({name: PLAIN[name] for name in PLAIN if name != "tier"}).encode())


@pytest.mark.parametrize(
    ("settings", "required"),
    [
        (StreamSettings(fields={"id": FieldSettings(name="external_id")}, lookalikes="send"), ["elsewhere"]),
        (StreamSettings(identify_by=("email",), lookalikes="send"), ["id"]),
        (StreamSettings(fields={"id": FieldSettings(name="external_id")}, only=frozenset(), lookalikes="send"), ["id"]),
    ],
    ids=["a key property the schema lacks", "identified by email", "nothing to send"],
)
def test_a_stream_that_cannot_be_compiled(settings: StreamSettings, required: list[str]) -> None:
    assert not CompiledMapper(Mapper("customers", SCHEMA, settings), required).is_usable
