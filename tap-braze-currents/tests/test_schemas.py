"""Columns: what each schema brings, how schemas are merged, what is personal."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from braze_sandbox.currents import schemas as braze
from hypothesis import given
from tap_braze_currents.lineage import LINEAGE_SCHEMA
from tap_braze_currents.schemas import StreamSchema

TYPES = {
    "string": "string",
    "int": "integer",
    "long": "integer",
    "boolean": "boolean",
    "float": "number",
    "double": "number",
}


def schema_of(**types: Any) -> dict[str, Any]:
    """Return an Avro schema with these fields."""
    return {"type": "record", "name": "E", "fields": [{"name": name, "type": types[name]} for name in types]}


def merged(*schemas: dict[str, Any]) -> StreamSchema:
    """Return the columns of all these."""
    columns = StreamSchema()
    for schema in schemas:
        columns.merge(schema)
    return columns


def property_of(*types: Any) -> dict[str, Any]:
    """Return the JSON Schema of a field that is of these types in one file each."""
    found: dict[str, Any] = merged(*(schema_of(a=avro_type) for avro_type in types)).json_schema["properties"]["a"]
    return found


@pytest.mark.parametrize("event_type", braze.event_types())
def test_all_fields_of_an_event_type_become_columns_of_their_type(event_type: str) -> None:
    columns = merged(braze.avro_schema(event_type))
    properties = columns.json_schema["properties"]
    fields = braze.fields_of(event_type)

    assert properties.pop("id") == {"type": ["string"]}
    assert columns.json_schema["required"] == ["id"]
    assert list(properties) == [field.name for field in fields if field.name != "id"]
    for field in fields:
        if field.name == "id":
            continue
        if field.type.startswith("array"):
            assert properties[field.name] == {"type": ["array", "null"], "items": {"type": ["string", "null"]}}
        else:
            assert properties[field.name] == {"type": [TYPES[field.type], "null"]}
    assert columns.pii == {field.name for field in fields if field.is_personal}
    assert columns.new_warnings() == []


@pytest.mark.parametrize("event_type", braze.event_types())
def test_schemas_of_all_times_merge_without_a_warning_or_a_loss(event_type: str) -> None:
    schemas = [*braze.old_schemas(event_type).values(), braze.connect_schema(event_type), braze.avro_schema(event_type)]
    columns = merged(*schemas)
    assert columns.new_warnings() == []
    assert columns.json_schema["properties"].keys() == {
        field["name"] for schema in schemas for field in schema["fields"]
    }
    # What is personal is known from the wrapped types too.
    assert columns.pii >= merged(braze.avro_schema(event_type)).pii
    assert merged(braze.connect_schema(event_type)).pii >= merged(braze.avro_schema(event_type)).pii
    assert not any(columns.merge(schema) for schema in schemas)


@pytest.mark.parametrize(
    ("avro_type", "expected"),
    [
        *((avro_type, {"type": [kind, "null"]}) for avro_type, kind in TYPES.items()),
        (["null", "int"], {"type": ["integer", "null"]}),
        (["int", "null"], {"type": ["integer", "null"]}),
        (["null", "int", "double"], {"type": ["number", "null"]}),
        (["null", "int", "string"], {"type": ["string", "null"]}),
        ({"type": "string", "connect.doc": "a text"}, {"type": ["string", "null"]}),
        (["null", {"type": "int", "connect.doc": "a number"}], {"type": ["integer", "null"]}),
        ({"type": {"type": "int"}}, {"type": ["integer", "null"]}),
        ("null", {"type": ["string", "null"]}),
        ("bytes", {"type": ["string", "null"]}),
        ({"type": "enum", "name": "K", "symbols": ["A"]}, {"type": ["string", "null"]}),
        ({"type": "map", "values": "int"}, {"type": ["object", "null"]}),
        (schema_of(x="int"), {"type": ["object", "null"]}),
        (
            {"type": "array", "items": ["null", "int"]},
            {"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
        ),
        (
            ["null", {"type": "array", "items": {"type": "double"}}],
            {"type": ["array", "null"], "items": {"type": ["number", "null"]}},
        ),
        ("NamedElsewhere", {"type": ["string", "null"]}),
    ],
)
def test_a_type_of_avro_is_one_of_json(avro_type: Any, expected: dict[str, Any]) -> None:
    assert property_of(avro_type) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("int", "long"), "integer"),
        (("int", "double"), "number"),
        (("float", ["null", "long"]), "number"),
        (("null", "boolean"), "boolean"),
        (("string", ["null", "string"]), "string"),
        (("string", "bytes"), "string"),
    ],
)
def test_types_that_one_type_holds_are_merged(types: tuple[Any, ...], expected: str) -> None:
    for order in (types, types[::-1]):
        assert property_of(*order) == {"type": [expected, "null"]}
    assert not merged(*(schema_of(a=avro_type) for avro_type in types)).new_warnings()


@pytest.mark.parametrize(
    "types", [("int", "string"), ("boolean", "int"), ("string", {"type": "array", "items": "int"})]
)
def test_other_types_become_text_with_one_warning(types: tuple[Any, ...]) -> None:
    for order in (types, types[::-1]):
        columns = merged(*(schema_of(a=avro_type) for avro_type in (*order, *order)))
        assert columns.json_schema["properties"]["a"] == {"type": ["string", "null"]}
        (warning,) = columns.new_warnings()
        assert "'a'" in warning
        assert "written as text" in warning
        assert columns.new_warnings() == []


def test_items_of_arrays_are_merged_as_columns_are() -> None:
    integers, texts = {"type": "array", "items": "int"}, {"type": "array", "items": ["null", "string"]}
    columns = merged(schema_of(a=integers), schema_of(a=["null", texts]))
    assert columns.json_schema["properties"]["a"] == {"type": ["array", "null"], "items": {"type": ["string", "null"]}}
    assert len(columns.new_warnings()) == 1


def test_merge_tells_whether_anything_changed() -> None:
    columns = StreamSchema()
    assert columns.merge(schema_of(id="string", a="int"))
    assert not columns.merge(schema_of(id="string", a="long"))
    assert not columns.merge(schema_of(id="string"))
    assert columns.merge(schema_of(id="string", a="float"))
    assert columns.merge(schema_of(b="int"))
    assert columns.merge({"type": "record", "name": "E", "fields": [{"name": "a", "type": "int", "pii": True}]})


def test_a_field_that_vanished_stays_and_names_keep_their_order() -> None:
    columns = merged(schema_of(id="string", a="int", b="int"), schema_of(id="string", c="int", b="int"))
    assert list(columns.json_schema["properties"]) == ["id", "a", "b", "c"]


def test_id_is_a_required_text_whatever_a_file_says() -> None:
    for avro_type in ("string", ["null", "string"]):
        schema = merged(schema_of(id=avro_type)).json_schema
        assert schema["properties"]["id"] == {"type": ["string"]}
        assert schema["required"] == ["id"]
    assert merged(schema_of(a="int")).json_schema["properties"]["id"] == {"type": ["string"]}


@pytest.mark.parametrize(
    "attributes",
    [{"pii": True}, {"doc": "[PII] who"}, {"type": {"type": "string", "connect.doc": "who [PII]"}}],
)
def test_what_braze_marks_as_personal_is(attributes: dict[str, Any]) -> None:
    field = {"name": "a", "type": "string"} | attributes
    columns = merged(
        {"type": "record", "name": "E", "fields": [field, {"name": "b", "type": "int", "doc": "who", "pii": False}]}
    )
    assert columns.pii == {"a"}
    columns.merge(schema_of(a="string"))
    assert columns.pii == {"a"}  # a mark that vanished stays too


def test_a_field_of_brazes_with_a_name_of_ours_gives_way() -> None:
    columns = merged(schema_of(id="string", time_at="int", _braze_hour="string"))
    assert list(columns.json_schema["properties"]) == ["id", "time_at_of_braze", "_braze_hour_of_braze"]
    assert not columns.json_schema["properties"].keys() & LINEAGE_SCHEMA.keys()


avro_types = st.recursive(
    st.sampled_from(["null", *TYPES, "bytes", {"type": "map", "values": "int"}]),
    lambda inner: inner.map(lambda items: {"type": "array", "items": items}) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=4,
)


@given(st.lists(avro_types, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(types: list[Any], order: Any) -> None:
    shuffled = order.sample(types, len(types))
    assert property_of(*types) == property_of(*shuffled)
    assert property_of(*types, *shuffled) == property_of(*types)
