"""Decode the records of any schema with fastavro, and make their values fit into JSON.

For what the compiled decoder cannot do. Braze's files have had none of it so far; here it must be right, not fast.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from tap_braze_currents.container import UnreadableFileError
from tap_braze_currents.events import event_class
from tap_braze_currents.floating import finite, shortest

if TYPE_CHECKING:
    from collections import Counter

    from tap_braze_currents.compiled_decoding import DecodeBlock
    from tap_braze_currents.events import Event

NAMED = frozenset({"record", "error", "enum", "fixed"})
# What Python has for the values of a branch, to find the branch of a union by the value that was read.
PYTHON_TYPES = {
    "null": type(None),
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "enum": str,
    "bytes": bytes,
    "fixed": bytes,
    "array": list,
    "map": dict,
    "record": dict,
    "error": dict,
}


def general_decoder(schema: dict[str, Any]) -> DecodeBlock:
    """Make a decoder for the blocks of a writer schema.

    Args:
        schema: The schema as a dict.

    Returns:
        A function as `compile_decoder` makes it. Bytes come out in base64, logical types as the values they are
        stored as.

    Raises:
        UnreadableFileError: The schema is not valid.
    """
    try:
        parsed = fastavro.parse_schema(_without_logical_types(schema))
        json_safe = _JsonSafe(parsed)
        new_event = event_class([field["name"] for field in schema["fields"]])
    except (SchemaParseException, UnknownType, KeyError, TypeError, AttributeError, ValueError):
        raise UnreadableFileError("a schema that is not Avro's") from None

    def decode_block(data: bytes, count: int, not_finite: Counter[str]) -> list[Event]:
        stream = io.BytesIO(data)
        events = []
        for _ in range(count):
            record = fastavro.schemaless_reader(stream, parsed, None)
            events.append(new_event(*json_safe.record(record, not_finite).values()))
        if stream.tell() != len(data):
            raise ValueError("events that do not end where their block does")
        return events

    return decode_block


def _without_logical_types(schema: Any) -> Any:
    """Return a schema whose values are read as they are stored: numbers, not dates."""
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    if isinstance(schema, dict):
        return {name: _without_logical_types(value) for name, value in schema.items() if name != "logicalType"}
    return schema


class _JsonSafe:
    """Turns values into what JSON has, guided by the schema."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.named: dict[str, Any] = {}
        self._remember_named(schema)

    def record(self, record: Any, not_finite: Counter[str]) -> dict[str, Any]:
        return {
            field["name"]: self._value(record[field["name"]], field["type"], field["name"], not_finite)
            for field in self.schema["fields"]
        }

    def _remember_named(self, schema: Any) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._remember_named(branch)
        elif isinstance(schema, dict):
            if schema.get("type") in NAMED:
                self.named[schema["name"]] = schema
            for part in ("type", "items", "values"):
                self._remember_named(schema.get(part))
            for field in schema.get("fields", ()):
                self._remember_named(field["type"])

    def _value(self, value: Any, schema: Any, field: str, not_finite: Counter[str]) -> Any:  # noqa: PLR0911 - one a type
        if isinstance(schema, list):
            schema = self._branch(value, schema)
        schema = self.named.get(schema, schema) if isinstance(schema, str) else schema
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):  # an object that merely wraps a type
            return self._value(value, kind, field, not_finite)
        if kind == "float":
            return shortest(value, field, not_finite)
        if kind == "double":
            return finite(value, field, not_finite)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if kind == "array":
            return [self._value(item, schema["items"], field, not_finite) for item in value]
        if kind == "map":
            return {name: self._value(item, schema["values"], field, not_finite) for name, item in value.items()}
        if kind in {"record", "error"}:
            return {
                part["name"]: self._value(value[part["name"]], part["type"], field, not_finite)
                for part in schema["fields"]
            }
        return value

    def _branch(self, value: Any, union: list[Any]) -> Any:
        """Return the branch of a union that a value was read from.

        If several are possible the last is taken: of a float and a double that changes nothing but the digits, and of
        two records the one whose fields are the value's is found first.
        """
        found: Any = "null"
        for branch in union:
            schema = self.named.get(branch, branch) if isinstance(branch, str) else branch
            kind = schema["type"] if isinstance(schema, dict) else schema
            while isinstance(kind, dict):
                kind = kind["type"]
            if not isinstance(value, PYTHON_TYPES[kind]):
                continue
            found = schema
            if (
                isinstance(value, dict)
                and kind != "map"
                and value.keys() == {part["name"] for part in schema["fields"]}
            ):
                break
        return found
