"""Records: Braze's fields as they are, when it happened, where it stood; both ways of emitting agree."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from braze_sandbox.currents import schemas as braze
from braze_sandbox.currents.filler import JSON_FIELDS, record
from braze_sandbox.currents.writing import avro_file
from hypothesis import given
from tap_braze_currents.decoding import decode
from tap_braze_currents.files import File
from tap_braze_currents.keys import parse
from tap_braze_currents.records import LINEAGE_SCHEMA, RecordMaker, milliseconds_at, seconds_at
from tap_braze_currents.schemas import StreamSchema

if TYPE_CHECKING:
    from collections.abc import Collection

TOPIC = "dataexport.prod-01.S3.integration.69cadaaed2d51b7c75b1a3e5"
FOLDER = "event_type=users.messages.email.Click/date=2026-04-01-17/version=6/us-01"
KEY = f"currents/{TOPIC}/{FOLDER}/{TOPIC}+2+0000123456.avro"
OLD_KEY = KEY.replace("version=6/us-01", "315/prod-03")
MODIFIED = datetime(2026, 4, 1, 19, 5, 7, tzinfo=timezone(timedelta(hours=2)))
EXTRACTED = datetime(2026, 4, 2, tzinfo=timezone.utc)


def file_of(key: str = KEY) -> File:
    """Return a file as the listing has it."""
    place = parse(key)
    assert place
    return File(key, 1, "", MODIFIED, place)


def schema_of(**types: Any) -> dict[str, Any]:
    """Return an Avro schema with an id and these fields."""
    types = {"id": "string"} | types
    return {"type": "record", "name": "E", "fields": [{"name": name, "type": types[name]} for name in types]}


def made(
    schema: dict[str, Any],
    events: list[dict[str, Any]],
    *,
    key: str = KEY,
    expand_json: Collection[str] = (),
    other_schemas: Collection[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return the records of a file with these events, made in both ways."""
    columns = StreamSchema()
    for each in (*other_schemas, schema):
        columns.merge(each)
    content = avro_file(schema, events)
    ways = [RecordMaker("stream", columns, file_of(key), expand_json, EXTRACTED) for _ in range(2)]
    records = [each for block in decode(content).blocks() for each in ways[0].records(block)]
    lines = b"".join(ways[1].lines(block) for block in decode(content).blocks())
    assert lines.endswith(b"\n")
    messages = [json.loads(line) for line in lines.split(b"\n")[:-1]]
    assert messages == [
        {"type": "RECORD", "stream": "stream", "record": each, "time_extracted": "2026-04-02T00:00:00.000000Z"}
        for each in records
    ]
    assert [list(message["record"]) for message in messages] == [list(each) for each in records]
    return records


@pytest.mark.parametrize("event_type", braze.event_types())
def test_every_field_arrives_and_every_value_fits_its_column(event_type: str) -> None:
    for schema in (braze.avro_schema(event_type), braze.connect_schema(event_type)):
        events = [record(schema, number) for number in range(3)]
        records = made(schema, events)
        for each, event in zip(records, events, strict=True):
            for name, value in event.items():
                assert each[name] == (pytest.approx(value) if isinstance(value, float) else value)
            assert each.keys() == event.keys() | LINEAGE_SCHEMA.keys()


def test_lineage_says_where_an_event_stood() -> None:
    (_, second) = made(schema_of(time="int"), [{"id": "a", "time": 1}, {"id": "b", "time": 1_775_062_800}])
    assert second == {
        "id": "b",
        "time": 1_775_062_800,
        "time_at": "2026-04-01T17:00:00Z",
        "_sdc_source_row": 1,
        "_sdc_source_key": KEY,
        "_sdc_source_modified": "2026-04-01T17:05:07.000000Z",
        "_braze_event_type": "users.messages.email.Click",
        "_braze_hour": "2026-04-01-17",
        "_braze_version": 6,
        "_braze_schema_id": None,
        "_braze_zone": "us-01",
        "_braze_partition": 2,
        "_braze_offset": 123456,
        "_braze_integration": "69cadaaed2d51b7c75b1a3e5",
    }


def test_lineage_of_an_old_key() -> None:
    (only,) = made(schema_of(time="int"), [{"id": "a", "time": 1}], key=OLD_KEY)
    assert (only["_braze_version"], only["_braze_schema_id"], only["_braze_zone"]) == (None, 315, "prod-03")


def test_lineage_columns_have_what_their_schema_says() -> None:
    (only,) = made(schema_of(time="int"), [{"id": "a", "time": 1}])
    kinds: dict[str, type] = {"string": str, "integer": int}
    for name, schema in LINEAGE_SCHEMA.items():
        assert only[name] is None or type(only[name]) is kinds[schema["type"][0]]


def test_rows_are_counted_through_all_blocks() -> None:
    events = [{"id": f"{number}{'x' * 100}", "time": number} for number in range(1_000)]
    content = avro_file(schema_of(time="int"), events)
    assert len(list(decode(content).blocks())) > 3
    assert [each["_sdc_source_row"] for each in made(schema_of(time="int"), events)] == list(range(1_000))


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=20))
def test_any_text_survives_in_both_ways(texts: list[str]) -> None:
    records = made(schema_of(a="string"), [{"id": "1", "a": text} for text in [*texts, "\n", '}\n{"', "\u2028"]])
    assert [each["a"] for each in records][: len(texts)] == texts


def test_no_events_are_no_lines() -> None:
    maker = RecordMaker("stream", StreamSchema(), file_of())
    assert maker.lines([]) == b""
    assert maker.records([]) == []


# When it happened


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_a_time_is_the_second_that_it_says(moment: datetime) -> None:
    seconds = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(seconds=1)
    text = seconds_at(seconds)
    assert text is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert datetime.fromisoformat(text.replace("Z", "+00:00")) == moment.replace(microsecond=0)
    exact = milliseconds_at(seconds * 1000 + moment.microsecond // 1000)
    assert exact == f"{text[:-1]}.{moment.microsecond // 1000:03}Z"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (2**31, "2038-01-19T03:14:08Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (1_775_062_800_123, "2026-04-01T17:00:00.123Z"),  # milliseconds by mistake
        (2**63 - 1, None),
        (-(2**63), None),
        (True, None),
        (1.5, None),
        ("1775062800", None),
        (None, None),
    ],
)
def test_odd_times(seconds: Any, expected: str | None) -> None:
    assert seconds_at(seconds) == expected


def test_milliseconds_are_preferred_where_there_are_any() -> None:
    schema = schema_of(time="long", time_ms=["null", "long"])
    events = [
        {"id": "a", "time": 1_775_062_800, "time_ms": 1_775_062_800_500},
        {"id": "b", "time": 1_775_062_801, "time_ms": None},
        {"id": "c", "time": 1_775_062_802, "time_ms": 2**62},
    ]
    assert [each["time_at"] for each in made(schema, events)] == [
        "2026-04-01T17:00:00.500Z",
        "2026-04-01T17:00:01Z",
        "2026-04-01T17:00:02Z",
    ]


@pytest.mark.parametrize(
    "avro_type", ["string", "boolean", {"type": "array", "items": "int"}, ["null", "int"], "float"]
)
def test_a_time_that_is_none_is_null(avro_type: Any) -> None:
    values = {"string": "now", "boolean": True, "float": 0.5}
    value = values.get(avro_type) if isinstance(avro_type, str) else [1] if isinstance(avro_type, dict) else None
    (only,) = made(schema_of(time=avro_type), [{"id": "a", "time": value}])
    assert only["time"] == value
    assert only["time_at"] is None


def test_an_event_without_a_time_has_none() -> None:
    (only,) = made(schema_of(a="int"), [{"id": "a", "a": 1}])
    assert only["time_at"] is None


# What is not as usual


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": {"b": [1, null, "ü"]}}', {"a": {"b": [1, None, "ü"]}}),
        ("{}", {}),
        ("[REDACTED]", None),
        ("", None),
        ("[1]", None),
        ('"text"', None),
        ('{"a": NaN}', None),
        ('{"a": "\\ud800"}', None),
        ('{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        ('{"a":' * 100_000, None),
        ("5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", None),
        (None, None),
    ],
)
def test_json_in_a_text_comes_beside_it_as_an_object(text: str | None, expected: Any) -> None:
    schema = schema_of(properties=["null", "string"], time="int")
    (only,) = made(schema, [{"id": "a", "properties": text, "time": 1}], expand_json=frozenset({"properties", "gone"}))
    assert only["properties"] == text
    assert only["properties_object"] == expected
    assert only.keys() == {"id", "properties", "properties_object", "time"} | LINEAGE_SCHEMA.keys()


def test_the_schema_of_expanded_fields() -> None:
    columns: dict[str, Any] = {"id": {}, "properties": {}}
    assert RecordMaker.expanded_schema(columns, ["properties", "gone"]) == {
        "properties_object": {"type": ["object", "null"]}
    }
    assert RecordMaker.expanded_schema(columns, []) == {}


def test_brazes_own_json_can_be_expanded() -> None:
    for event_type in braze.event_types():
        schema = braze.avro_schema(event_type)
        names = JSON_FIELDS & {field.name for field in braze.fields_of(event_type)}
        for each in made(schema, [record(schema)], expand_json=JSON_FIELDS):
            assert {name for name in each if name.endswith("_object")} == {f"{name}_object" for name in names}
            for name in names:
                assert each[f"{name}_object"] == json.loads(each[name])


def test_values_become_text_where_files_do_not_agree_on_their_type() -> None:
    values = {
        "int": (7, "7"),
        "boolean": (True, "true"),
        "double": (0.5, "0.5"),
        "string": ("as it is", "as it is"),
    }
    for avro_type, (value, text) in values.items():
        other = "boolean" if avro_type == "string" else "string"
        (one, none) = made(
            schema_of(a=["null", avro_type]),
            [{"id": "1", "a": value}, {"id": "2", "a": None}],
            other_schemas=[schema_of(a=other)],
        )
        assert (one["a"], none["a"]) == (text, None)


def test_items_and_whole_arrays_become_text_likewise() -> None:
    numbers, texts = {"type": "array", "items": ["null", "int"]}, {"type": "array", "items": "string"}
    events = [{"id": "1", "a": [1, None]}]
    assert made(schema_of(a=numbers), events, other_schemas=[schema_of(a=texts)])[0]["a"] == ["1", None]
    assert made(schema_of(a=numbers), events, other_schemas=[schema_of(a="string")])[0]["a"] == "[1,null]"


def test_several_types_in_one_file_become_text() -> None:
    events: list[dict[str, Any]] = [{"id": "1", "a": 7}, {"id": "2", "a": "7"}, {"id": "3", "a": None}]
    for others in ([], [schema_of(a="string")], [schema_of(a="int")]):
        records = made(schema_of(a=["null", "int", "string"]), events, other_schemas=others)
        assert [each["a"] for each in records] == ["7", "7", None]


def test_a_field_with_a_name_of_ours_gives_way_and_is_kept() -> None:
    schema = schema_of(time_at="string", time="int")
    (only,) = made(schema, [{"id": "a", "time_at": "theirs", "time": 0}])
    assert (only["time_at"], only["time_at_of_braze"]) == ("1970-01-01T00:00:00Z", "theirs")
