"""What a stream's JSON Schema says about each column, read as taps really write it. Pure.

Taps write `anyOf`, lists of types, no type at all, draft-4 keywords (`exclusiveMaximum: true`), recursive `$ref`, decimals as numbers or as
strings. None of that is an error here: a column whose type cannot be told is taken by the type of each value.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from singer_sdk.exceptions import InvalidJSONSchema

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
_DECIMAL_FORMATS: Final = frozenset({"singer.decimal", "x-singer.decimal"})
_TELLING_FORMATS: Final = _DECIMAL_FORMATS | {"date", "date-time"}
_MAX_REFERENCES: Final = 20


def columns(schema: Schema) -> dict[str, Schema]:
    """The schema of each column.

    Raises:
        InvalidJSONSchema: If `properties` is missing, or a type in it is none of JSON Schema's.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        raise InvalidJSONSchema(
            "A SCHEMA message has no `properties`; the tap has to say what columns its records have."
        )
    return {
        name: resolved(column if isinstance(column, dict) else {}, schema)
        for name, column in properties.items()
    }


def resolved(column: Schema, root: Schema) -> Schema:
    """A column's schema with `$ref` followed and the branches of `anyOf`, `oneOf` and `allOf` that are not null brought together."""
    for _ in range(_MAX_REFERENCES):
        target = column.get("$ref")
        if not isinstance(target, str):
            break
        found = _follow(target, root)
        if found is None or found is column:
            return {}
        column = {**found, **{key: value for key, value in column.items() if key != "$ref"}}
    else:
        return {}  # a $ref that leads back to itself
    branches = [
        resolved(branch, root)
        for keyword in ("anyOf", "oneOf", "allOf")
        for branch in column.get(keyword) or ()
        if isinstance(branch, dict) and branch is not column and "$ref" not in branch
    ]
    branches = [branch for branch in branches if json_types(branch) != {"null"}]
    if "type" in column or not branches:
        return column
    # `anyOf: [date-time, string]` is how many taps say "a date-time": the branch that says more is meant
    telling = [branch for branch in branches if branch.get("format") in _TELLING_FORMATS] or branches
    if len(telling) == 1:
        return {**column, **telling[0]}
    return {"type": sorted(set().union(*(json_types(branch) for branch in branches)))}


def _follow(target: str, root: Schema) -> Schema | None:
    found: Any = root
    for part in target.lstrip("#").strip("/").split("/"):
        if not isinstance(found, dict):
            return None
        found = found.get(part.replace("~1", "/").replace("~0", "~"))
    return found if isinstance(found, dict) else None


def json_types(column: Schema) -> set[str]:
    """The JSON types a column may have, empty if it does not say.

    Raises:
        InvalidJSONSchema: If one of them is not a type of JSON Schema.
    """
    declared = column.get("type") or ()
    types = {declared} if isinstance(declared, str) else {str(name) for name in declared}
    if unknown := types - _JSON_TYPES:
        raise InvalidJSONSchema(
            f"A SCHEMA message has the type {sorted(unknown)[0]!r}, which JSON Schema does not know."
        )
    return types


def kind_of(column: Schema) -> Kind:
    """The type of a column from its resolved schema."""
    types = json_types(column) - {"null"}
    form = column.get("format")
    if form in _DECIMAL_FORMATS and types <= {"string", "number", "integer"}:
        return Kind.DECIMAL
    if types == {"string"}:
        return {"date": Kind.DATE, "date-time": Kind.DATETIME}.get(str(form), Kind.STRING)
    if types in ({"number"}, {"number", "integer"}):
        return Kind.DECIMAL if "multipleOf" in column else Kind.FLOAT
    if len(types) == 1:
        return _SIMPLE_KINDS[types.pop()]
    return Kind.ANY
