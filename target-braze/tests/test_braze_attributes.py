"""What columns send against what Braze has: which pairs lose values, which names look alike, what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from target_braze.braze_attributes import (
    BrazeAttribute,
    BrazeType,
    read_attributes,
    sent_types,
    type_conflicts,
)
from target_braze.comparison import MappedStream, compared
from target_braze.findings import Level
from target_braze.mapped_streams import mapped
from target_braze.stream_settings import FIELD_TYPES, FieldSettings, StreamSettings
from target_braze.updates import ObjectKind

if TYPE_CHECKING:
    from target_braze.columns import Column

STRING = {"type": ["null", "string"]}
NUMBER = {"type": "number"}


def attributes(**types: str) -> dict[str, BrazeAttribute]:
    return {name: BrazeAttribute(name, data_type) for name, data_type in types.items()}


def stream(name: str = "people", settings: StreamSettings | None = None, /, **columns: Any) -> MappedStream:
    schema = {"properties": {"external_id": {"type": "string"}, **columns}}
    result, errors = mapped(name, schema, settings or StreamSettings(lookalikes="send"))
    assert errors == []
    return result


def conflicts(known: str, **columns: Any) -> list[Any]:
    [name] = columns
    return type_conflicts(stream(**columns).columns, attributes(**{name: known}), stream="people")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("String", BrazeType.STRING),
        ("String (Automatically Detected)", BrazeType.STRING),
        ("Number", BrazeType.NUMBER),
        ("Boolean", BrazeType.BOOLEAN),
        ("Date (Automatically Detected)", BrazeType.TIME),
        ("Time", BrazeType.TIME),
        ("Array", BrazeType.ARRAY),
        ("Object", BrazeType.OBJECT),
        ("Object Array", BrazeType.OBJECT_ARRAY),
        ("object_array", BrazeType.OBJECT_ARRAY),
        ("Array of objects", BrazeType.OBJECT_ARRAY),
        ("Hologram", None),
        ("", None),
    ],
)
def test_a_type_in_brazes_words(words: str, kind: BrazeType | None) -> None:
    assert BrazeAttribute("x", words).type is kind


@pytest.mark.parametrize(
    ("column", "sent"),
    [
        ({"type": "array", "items": {"type": "string"}}, {BrazeType.ARRAY}),
        ({"type": "array", "items": {"type": "object"}}, {BrazeType.OBJECT_ARRAY}),
        ({"type": "array"}, {BrazeType.ARRAY, BrazeType.OBJECT_ARRAY}),
        ({"type": "object", "properties": {"shop": STRING}}, {BrazeType.OBJECT}),
        ({"type": "object"}, {BrazeType.OBJECT, BrazeType.OBJECT_ARRAY}),
        ({"type": "object", "properties": {"inc": NUMBER}}, set()),
        ({"type": "object", "properties": {"add": {"type": "array"}}}, set()),
        ({"type": ["string", "integer"]}, set()),
        ({}, set()),
        ({"type": "string", "format": "date"}, {BrazeType.TIME}),
        ({"type": "number", "multipleOf": 0.01}, {BrazeType.NUMBER}),
    ],
)
def test_what_a_column_is_sent_as(column: dict[str, Any], sent: set[BrazeType]) -> None:
    [found] = [each for each in stream(x=column).columns if each is not None and each.name == "x"]
    assert sent_types(found) == sent


@pytest.mark.parametrize(
    ("column", "known", "level"),
    [
        (STRING, "Number", Level.ERROR),
        (NUMBER, "String", Level.ERROR),
        ({"type": "boolean"}, "Number", Level.ERROR),
        ({"type": "integer"}, "Date", Level.ERROR),
        ({"type": "object"}, "Array", Level.ERROR),
        (STRING, "Date", Level.WARNING),
        ({"type": "string", "format": "date-time"}, "String", Level.WARNING),
        (STRING, "String", None),
        (NUMBER, "Number (Automatically Detected)", None),
        ({}, "Number", None),
        (STRING, "Hologram", None),
    ],
)
def test_a_pair_of_types(column: dict[str, Any], known: str, level: Level | None) -> None:
    found = conflicts(known, plan=column)
    assert [finding.level for finding in found] == ([] if level is None else [level])


@pytest.mark.parametrize(
    ("column", "known", "line"),
    [
        (STRING, "Number", "streams: {people: {fields: {plan: {type: float}}}}"),
        (NUMBER, "String", "streams: {people: {fields: {plan: {type: string}}}}"),
        (STRING, "Date", "streams: {people: {fields: {plan: {type: datetime}}}}"),
        (STRING, "Array", "streams: {people: {fields: {plan: {type: array}}}}"),
        ({"type": "array"}, "Number", "streams: {people: {fields: {plan: another_name}}}"),
    ],
)
def test_the_line_to_add_mends_it(column: dict[str, Any], known: str, line: str) -> None:
    """It is a line of the settings, and with it there is no conflict."""
    [found] = conflicts(known, plan=column)
    assert line in (found.advice or "")
    given = line.partition("plan: ")[2].rstrip("}")
    field = (
        FieldSettings(kind=FIELD_TYPES[given.partition("type: ")[2]])
        if "type" in given
        else FieldSettings(name="another_name")
    )
    mended = stream("people", StreamSettings(fields={"plan": field}), plan=column)
    assert type_conflicts(mended.columns, attributes(plan=known), stream="people") == []


def test_the_line_keeps_the_name_that_a_column_was_given() -> None:
    settings = StreamSettings(fields={"PLAN": FieldSettings(name="my plan")})
    columns = stream("people", settings, PLAN=STRING).columns
    [found] = type_conflicts(columns, attributes(**{"my plan": "Number"}), stream="people")
    assert '{PLAN: {name: "my plan", type: float}}' in (found.advice or "")


def test_a_blocklisted_name_is_an_error_whatever_its_type() -> None:
    known = {"plan": BrazeAttribute("plan", "Number", is_blocklisted=True)}
    [found] = type_conflicts(stream(plan=STRING).columns, known, stream="people")
    assert (found.level, found.topic, found.attribute) == (Level.ERROR, "blocklist", "plan")


def test_standard_fields_identifiers_and_events_are_no_custom_attributes() -> None:
    known = {
        name: BrazeAttribute(name, "Number", is_blocklisted=True) for name in ("external_id", "email", "name", "plan")
    }
    assert type_conflicts(stream(email=STRING).columns, known, stream="people") == []
    events = stream("people", StreamSettings(object_kind=ObjectKind.EVENTS), name=STRING, time=STRING, plan=STRING)
    assert type_conflicts(events.columns, known, stream="events") == []
    assert list(compared([events], known)) == []


def found_in(*streams: MappedStream, **known: str) -> list[tuple[str, str, str]]:
    return [(each.level.value, each.topic, each.text) for each in compared(streams, attributes(**known))]


def test_look_alikes_in_braze() -> None:
    [(level, topic, text), _] = found_in(stream(**{"loyalty tier": STRING}), Loyalty_Tier="String", loyalty="String")
    assert (level, topic) == ("warning", "look-alike")
    assert "'Loyalty_Tier'" in text
    assert "second attribute" in text


def test_look_alikes_of_our_own_also_of_two_streams_and_without_braze() -> None:
    [found] = compared([stream("a", Plan=STRING), stream("b", plan=STRING)], None)
    assert (found.level, found.topic) == (Level.WARNING, "look-alike")
    assert "'Plan' (stream 'a') and 'plan' (stream 'b')" in found.text


def test_one_name_for_two_types_of_our_own() -> None:
    [found] = compared([stream("a", plan=STRING), stream("b", plan=NUMBER)], None)
    assert (found.level, found.topic, found.stream) == (Level.ERROR, "type", "b")
    assert list(compared([stream("a", plan=STRING), stream("b", plan={})], None)) == []


def test_a_custom_attribute_beside_a_standard_field_that_is_filled() -> None:
    filled = stream(dob={"type": "string", "format": "date"})
    [(level, topic, text)] = found_in(filled, birthdate="Date", dob="String", city="String")
    assert (level, topic) == ("warning", "standard field")
    assert "'birthdate', 'dob'" in text
    assert "city" not in text, "nothing that concerns home_city is sent"


def test_what_is_known_new_and_not_comparable() -> None:
    found = found_in(stream(a=STRING, b=NUMBER, c={}, d=STRING), a="String", b="Number", c="String")
    assert [(level, topic) for level, topic, _ in found] == [("ok", "types"), ("note", "types"), ("note", "new")]
    assert found[0][2].startswith("2 ")
    assert "'c'" in found[1][2]
    assert "'d'" in found[2][2]


def test_with_a_part_of_the_pages_nothing_is_called_new() -> None:
    [found] = compared([stream(a=STRING)], {}, is_complete=False)
    assert "could be read" in found.text


def test_many_names_are_counted() -> None:
    [(_, _, text)] = found_in(stream(**{f"column_{number:02}": STRING for number in range(25)}))
    assert "'column_19' and 5 more" in text


@pytest.mark.parametrize("answer", [None, [], {}, {"attributes": {}}, "attributes"])
def test_what_is_no_page(answer: Any) -> None:
    assert read_attributes(answer) is None


def test_a_page_with_odd_entries() -> None:
    listed: list[Any] = [{"name": "a"}, {"name": "b", "data_type": None, "status": "BLOCKLISTED"}, {"name": 1}, None]
    page = {"attributes": listed}
    assert read_attributes(page) == [BrazeAttribute("a"), BrazeAttribute("b", "", is_blocklisted=True)]


def test_columns_that_are_left_out() -> None:
    columns: list[Column | None] = [None]
    assert type_conflicts(columns, attributes(plan="Number"), stream="people") == []
