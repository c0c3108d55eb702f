"""Schemas as taps really write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.errors import InputError
from target_braze.schema import Kind, Schema, columns, kind_of

DATE_TIME = {"type": "string", "format": "date-time"}


def kind(column: Schema, **root: Any) -> Kind:
    return kind_of(columns({"properties": {"column": column}, **root})["column"])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param({"type": "boolean"}, Kind.BOOLEAN, id="boolean"),
        pytest.param({"type": ["null", "integer"]}, Kind.INTEGER, id="list of types"),
        pytest.param({"type": ["string", "null"]}, Kind.STRING, id="string"),
        pytest.param({"type": "string", "maxLength": 20}, Kind.STRING, id="varchar"),
        pytest.param({"type": "string", "format": "uuid"}, Kind.STRING, id="uuid"),
        pytest.param({"type": "string", "format": "time"}, Kind.STRING, id="time of day"),
        pytest.param({"type": ["null", "string"], "format": "date"}, Kind.DATE, id="date"),
        pytest.param(DATE_TIME, Kind.DATETIME, id="date-time"),
        pytest.param({"format": "date-time"}, Kind.DATETIME, id="date-time without a type"),
        pytest.param({"type": "number"}, Kind.FLOAT, id="number"),
        pytest.param({"type": ["integer", "number", "null"]}, Kind.FLOAT, id="integer or number"),
        pytest.param({"type": "number", "multipleOf": Decimal("0.01")}, Kind.DECIMAL, id="multipleOf"),
        pytest.param(
            {
                "type": ["null", "number"],
                "exclusiveMaximum": True,
                "maximum": 1e36,
                "multipleOf": 1e-38,
                "exclusiveMinimum": True,
                "minimum": -1e36,
            },
            Kind.DECIMAL,
            id="numeric column with draft-4 keywords",
        ),
        pytest.param({"type": "string", "format": "singer.decimal"}, Kind.DECIMAL, id="singer.decimal"),
        pytest.param({"type": ["string", "null"], "format": "x-singer.decimal"}, Kind.DECIMAL, id="x-singer.decimal"),
        pytest.param({"type": "array", "items": {"type": "string"}}, Kind.ARRAY, id="array"),
        pytest.param({"type": ["null", "object"]}, Kind.OBJECT, id="object"),
        pytest.param({}, Kind.ANY, id="no type"),
        pytest.param(True, Kind.ANY, id="schema that is a boolean"),
        pytest.param({"type": ["string", "integer"]}, Kind.ANY, id="two types"),
        pytest.param({"type": "null"}, Kind.ANY, id="nothing but null"),
        pytest.param({"anyOf": [DATE_TIME, {"type": "null"}]}, Kind.DATETIME, id="anyOf with null"),
        pytest.param({"anyOf": [DATE_TIME, {"type": ["string", "null"]}]}, Kind.DATETIME, id="anyOf with string"),
        pytest.param({"anyOf": [DATE_TIME, {"type": "integer"}]}, Kind.ANY, id="date-time or integer"),
        pytest.param(
            {"anyOf": [{"type": "string", "format": "singer.decimal"}, {"type": "number"}, {"type": "null"}]},
            Kind.DECIMAL,
            id="decimal as text or number",
        ),
        pytest.param({"oneOf": [{"type": "integer"}, {"type": "null"}]}, Kind.INTEGER, id="oneOf"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "number"}]}, Kind.FLOAT, id="anyOf numbers"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "object"}]}, Kind.ANY, id="anyOf string and object"),
        pytest.param({"anyOf": [{}, {"type": "integer"}]}, Kind.ANY, id="anyOf anything"),
        pytest.param({"anyOf": [{"format": "date"}, {"type": "null"}]}, Kind.DATE, id="anyOf a format alone"),
        pytest.param({"type": "string", "anyOf": [{"type": "integer"}]}, Kind.STRING, id="type beside anyOf"),
        pytest.param(
            {"type": ["string", "number", "integer"], "format": "singer.decimal"},
            Kind.DECIMAL,
            id="decimal of any form",
        ),
        pytest.param({"type": ["string", "boolean"], "format": "singer.decimal"}, Kind.ANY, id="decimal or boolean"),
        pytest.param({"anyOf": [{}, {}]}, Kind.ANY, id="anyOf nothing"),
        pytest.param({"anyOf": [{"format": ["date"]}]}, Kind.ANY, id="format that is a list"),
        pytest.param({"anyOf": "odd"}, Kind.ANY, id="anyOf that is no list"),
        pytest.param({"$ref": "#/definitions/Moment"}, Kind.DATETIME, id="$ref"),
        pytest.param({"anyOf": [{"$ref": "#/definitions/Moment"}, {"type": "null"}]}, Kind.DATETIME, id="anyOf $ref"),
        pytest.param({"$ref": "#/definitions/a~1b"}, Kind.INTEGER, id="$ref with an escaped slash"),
        pytest.param({"$ref": "#/definitions/Missing"}, Kind.ANY, id="$ref to nothing"),
        pytest.param({"$ref": "#/definitions/Loop"}, Kind.ANY, id="$ref to itself"),
        pytest.param({"$ref": "#/definitions/Tree"}, Kind.ARRAY, id="recursive array"),
        pytest.param({"$ref": "#/definitions/Either"}, Kind.ANY, id="recursive anyOf"),
    ],
)
def test_kinds(column: Schema, expected: Kind) -> None:
    definitions = {
        "Moment": DATE_TIME,
        "a/b": {"type": "integer"},
        "Loop": {"$ref": "#/definitions/Loop"},
        "Tree": {"type": ["null", "array"], "items": {"$ref": "#/definitions/Tree"}},
        "Either": {"anyOf": [{"$ref": "#/definitions/Either"}, {"type": "string"}]},
    }
    assert kind(column, definitions=definitions) is expected


def test_references_inside_nested_schemas_are_followed() -> None:
    schema = {
        "$defs": {"Moment": DATE_TIME},
        "properties": {
            "visit": {
                "type": "object",
                "properties": {"at": {"anyOf": [{"$ref": "#/$defs/Moment"}, {"type": "null"}]}},
            },
            "visits": {"type": "array", "items": {"properties": {"at": {"$ref": "#/$defs/Moment"}}}},
        },
    }
    resolved = columns(schema)
    assert resolved["visit"]["properties"]["at"]["format"] == "date-time"
    assert resolved["visits"]["items"]["properties"]["at"]["format"] == "date-time"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param({}, "no `properties`", id="no properties"),
        pytest.param({"properties": []}, "no `properties`", id="properties that are a list"),
    ],
)
def test_what_is_no_schema_of_a_stream(schema: Schema, message: str) -> None:
    with pytest.raises(InputError, match=message):
        columns(schema)


@pytest.mark.parametrize("declared", ["str", ["null", "int"], 7, {"a": 1}])
def test_types_that_json_schema_does_not_know(declared: Any) -> None:
    with pytest.raises(InputError, match="which JSON Schema does not know"):
        kind({"type": declared})


keywords = st.sampled_from(["type", "anyOf", "oneOf", "allOf", "items", "properties", "format", "$ref", "multipleOf"])
schemas = st.recursive(
    st.sampled_from(["string", "number", "null", "date-time", "#", "#/properties/a", True, None, 0.01]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=3),
    max_leaves=12,
)


@hypothesis.settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), schemas))
def test_any_schema_is_read_or_named_invalid(properties: Schema) -> None:
    try:
        found = {name: kind_of(column) for name, column in columns({"properties": properties}).items()}
    except InputError:
        return
    assert found.keys() == properties.keys()
