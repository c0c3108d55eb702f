"""What a stream's JSON Schema says about each column, read as taps really write it. Pure.

Taps write `anyOf`, lists of types, no type at all, draft-4 keywords (`exclusiveMaximum: true`), recursive `$ref`,
decimals as numbers or as strings. None of that is an error here: a column whose type cannot be told is taken by the
type of each value.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from target_braze.errors import InputError

Schema = dict[str, Any]


class Kind(str, enum.Enum):
    """The type of a column, in the README's words; `ANY` when the schema does not settle it."""

    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    DECIMAL = "decimal"
    FLOAT = "float"
    INTEGER = "integer"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"
    ANY = "any"


_JSON_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
_SIMPLE_KINDS: Final = {
    "boolean": Kind.BOOLEAN,
    "integer": Kind.INTEGER,
    "array": Kind.ARRAY,
    "object": Kind.OBJECT,
}
_TIME_KINDS: Final = {"date": Kind.DATE, "date-time": Kind.DATETIME}
_DECIMAL_FORMATS: Final = frozenset({"singer.decimal", "x-singer.decimal"})
_TELLING_FORMATS: Final = _DECIMAL_FORMATS | _TIME_KINDS.keys()
_MAX_DEPTH: Final = 8
"""Levels of references and nesting that are followed; what is deeper is taken by the type of its values."""


def columns(schema: Schema) -> dict[str, Schema]:
    """The schema of each column, resolved.

    Raises:
        InputError: If `properties` is missing, or a type in it is none of JSON Schema's.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        raise InputError("A SCHEMA message has no `properties`; the tap has to say what columns its records have.")
    return {name: resolved(column, schema) for name, column in properties.items()}


def resolved(column: Any, root: Schema, depth: int = 0) -> Schema:
    """A column's schema with `$ref` followed and the branches of `anyOf`, `oneOf` and `allOf` brought together.

    Args:
        column: The schema as the tap wrote it; anything but an object says nothing.
        root: The stream's schema, which `$ref` points into.
        depth: How many references and levels lead here; a recursive schema ends at the limit.
    """
    if not isinstance(column, dict) or depth > _MAX_DEPTH:
        return {}
    target = column.get("$ref")
    if isinstance(target, str):
        beside = {key: value for key, value in column.items() if key != "$ref"}
        return resolved({**_follow(target, root), **beside}, root, depth + 1)
    merged = _one_of_branches(column, root, depth)
    if isinstance(properties := merged.get("properties"), dict):
        merged = {
            **merged,
            "properties": {name: resolved(part, root, depth + 1) for name, part in properties.items()},
        }
    if isinstance(items := merged.get("items"), dict):
        merged = {**merged, "items": resolved(items, root, depth + 1)}
    return merged


def _follow(target: str, root: Schema) -> Schema:
    found: Any = root
    for part in target.lstrip("#").strip("/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _one_of_branches(column: Schema, root: Schema, depth: int) -> Schema:
    """The column as the one branch that is meant, or with all the types its branches allow."""
    branches = [
        resolved(branch, root, depth + 1)
        for keyword in ("anyOf", "oneOf", "allOf")
        if isinstance(column.get(keyword), list)
        for branch in column[keyword]
    ]
    branches = [branch for branch in branches if json_types(branch) != {"null"}]
    if "type" in column or not branches:
        return column
    # `anyOf: [date-time, string]` is how many taps say "a date-time": the branch that says more is meant. Not so beside
    # a branch of another type, whose values would be refused.
    telling = [branch for branch in branches if str(branch.get("format")) in _TELLING_FORMATS]
    types = set().union(*(json_types(branch) for branch in branches)) - {"null"}
    takes = {"string", "number", "integer"} if telling and kind_of(telling[0]) is Kind.DECIMAL else {"string"}
    if len(telling) == 1 and types <= takes:
        return {**column, **telling[0]}
    if not all(json_types(branch) for branch in branches):
        return {}  # a branch that says nothing allows anything
    return {**column, **branches[0]} if len(branches) == 1 else {"type": sorted(types)}


def json_types(column: Schema) -> set[str]:
    """The JSON types a column may have, empty if it does not say.

    Raises:
        InputError: If one of them is not a type of JSON Schema.
    """
    declared = column.get("type")
    listed = declared if isinstance(declared, list) else [] if declared is None else [declared]
    types = {str(name) for name in listed}
    if unknown := types - _JSON_TYPES:
        raise InputError(f"A SCHEMA message has the type {min(unknown)!r}, which JSON Schema does not know.")
    return types


def kind_of(column: Schema) -> Kind:
    """The type of a column from its resolved schema."""
    types = json_types(column) - {"null"}
    form = str(column.get("format"))
    if form in _DECIMAL_FORMATS and types <= {"string", "number", "integer"}:
        return Kind.DECIMAL
    if types == {"string"} or (not types and form in _TIME_KINDS):
        return _TIME_KINDS.get(form, Kind.STRING)
    if types in ({"number"}, {"number", "integer"}):
        return Kind.DECIMAL if "multipleOf" in column else Kind.FLOAT
    return _SIMPLE_KINDS[types.pop()] if len(types) == 1 else Kind.ANY
