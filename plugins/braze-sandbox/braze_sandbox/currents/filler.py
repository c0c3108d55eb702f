"""Fills any schema with values that are of the right type, never null, and no two alike. Pure.

Where a test must see that no field is lost, cut or mixed up with another.
"""

from __future__ import annotations

import json
import struct
import uuid
from typing import Any

FIRST_SECOND = 1_767_225_600  # 2026-01-01T00:00:00Z
JSON_FIELDS = frozenset(
    {
        "properties",
        "conversion_behavior",
        "message_extras",
        "custom_attributes",
        "flow_response_json",
        "tool_arguments",
    }
)
"""Strings that hold JSON, in every event type that has them."""

_SPACE = uuid.UUID("5c2f4c0e-6c57-4a5b-8a0a-0d6e3b7f1a11")


def record(schema: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """Return a record of a schema; the same for the same number, with other values for another.

    Only booleans are alike: they alternate from field to field and number to number.
    """
    return {
        field["name"]: _value(field["type"], field["name"], f"{schema['name']}.{field['name']}", position, number)
        for position, field in enumerate(schema["fields"])
    }


def identifier(*parts: object) -> str:
    """Return a UUID that the parts alone decide."""
    return str(uuid.uuid5(_SPACE, "/".join(map(str, parts))))


def _value(avro_type: Any, name: str, where: str, position: int, number: int) -> Any:
    if isinstance(avro_type, list):
        return _value(avro_type[-1], name, where, position, number)
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        item = _value(avro_type["items"], name, where, position, number)
        return [item, None, f"{item}, again"] if isinstance(avro_type["items"], list) else [item, f"{item}, again"]
    if isinstance(avro_type, dict):  # as Kafka Connect wraps it
        return _value(avro_type["type"], name, where, position, number)
    return _text(name, where, number) if avro_type == "string" else _number(avro_type, name, position, number)


def _number(avro_type: str, name: str, position: int, number: int) -> float:
    if avro_type == "boolean":
        return (position + number) % 2 == 0
    if avro_type in {"float", "double"}:
        # As read back: the nearest that 32 bits can hold to a number that they cannot.
        return float(struct.unpack("f", struct.pack("f", position + 0.34 + number * 100))[0])
    if name == "time_ms":
        return (FIRST_SECOND + number) * 1000 + position
    return FIRST_SECOND + number if name == "time" else number * 1000 + position


def _text(name: str, where: str, number: int) -> str:
    if name == "id" or name.endswith("_id"):
        return identifier(where, number)
    if name in JSON_FIELDS:
        return json.dumps({"of": where, "number": number, "share": 0.1, "list": [1, None, "ä"], "no": False})
    if name == "timezone":
        return "Pacific/Honolulu" if number % 2 else "Europe/Berlin"
    if name.endswith("email_address"):
        return f"person{number}@example.com"
    return f'{name} {number}: ü, \N{SNOWMAN} and "quotes"'
