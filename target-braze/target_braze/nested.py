"""Objects and arrays inside an attribute or an event's properties. Pure.

One null, one bad `$time` or one over-long string anywhere inside makes Braze drop the whole attribute, silently and
with `success` (Braze docs, "User track", questions; "Nested custom attributes", 2025-11). So those parts are left out
here, and how many is returned to be counted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from target_braze import values
from target_braze.limits import MAX_DEPTH, MAX_OBJECT_BYTES, MAX_STRING_CHARACTERS
from target_braze.rejections import RefusalError
from target_braze.schema import Kind, Schema

OPERATIONS: Final = frozenset({"$add", "$remove", "$update"})
"""What changes single elements of an array of objects. Braze docs, "Array of objects", 2025-11."""
_NEEDED_BY_OPERATION: Final = {
    "$remove": {"$identifier_key", "$identifier_value"},
    "$update": {"$identifier_key", "$identifier_value", "$new_object"},
}
_TIME_KEY: Final = "$time"
_ABSENT: Final = msgspec.UNSET

encode: Final = msgspec.json.Encoder().encode
encode_lines: Final = msgspec.json.Encoder(order="deterministic").encode_lines
"""Each value as JSON and an end of line, which JSON written by msgspec never holds; keys inside a value in order, so
that the same value is the same bytes (invariant 7)."""


def encode_each(values: list[Any]) -> list[bytes]:
    """Each value as JSON."""
    return encode_lines(values).split(b"\n")[:-1]


def encode_sorted(value: Any) -> bytes:
    """A value as JSON that is the same for equal values: keys and sets in order."""
    return msgspec.json.encode(value, order="sorted", enc_hook=str)


def to_nested(value: Any, kind: Kind, schema: Schema, *, is_property: bool = False) -> tuple[Any, int]:
    """A nested value, or one whose type only the value tells, in Braze's form.

    Args:
        value: What the record holds; warehouses hand out semi-structured columns as JSON text.
        kind: The column's type: array, object or any.
        schema: Its JSON Schema, `{}` if there is none; only `format: date-time` and `date` inside it matter.
        is_property: Whether it stands among an event's or purchase's properties, where times are plain text.

    Returns:
        The value, `UNSET` if nothing of it is left to send, and how many parts inside it were left out.

    Raises:
        RefusalError: If it is of another type, or too large.
    """
    if isinstance(value, str) and kind is not Kind.ANY:
        value = parsed(value)
    if kind is Kind.ANY and not isinstance(value, list | dict):
        return undeclared(value), 0
    expected = {Kind.ARRAY: list, Kind.OBJECT: list | dict, Kind.ANY: list | dict}[kind]
    # an array column may hold the operations that change an array: {"add": [...]}, {"$update": [...]}
    if not isinstance(value, expected) and not (isinstance(value, dict) and is_operation(value)):
        raise RefusalError(f"not {'an array' if kind is Kind.ARRAY else 'an object'}")
    nested = NestedValue(is_property=is_property)
    result = nested.convert(value, schema)
    if value and not result:
        return _ABSENT, nested.left_out  # an empty one would erase what Braze has
    if len(encode(result)) > MAX_OBJECT_BYTES:
        raise RefusalError(f"nested value larger than {MAX_OBJECT_BYTES} bytes")
    return result, nested.left_out


def parsed(text: str) -> Any:
    """The array or object that a text holds as JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise RefusalError("not an array or object, nor JSON text of one") from None


def is_operation(value: dict[str, Any]) -> bool:
    """Whether an object changes single elements of an array that Braze has."""
    return bool(value) and (not value.keys().isdisjoint(OPERATIONS) or value.keys() <= {"add", "remove"})


def is_partial(value: dict[str, Any]) -> bool:
    """Whether an object changes a part of what Braze has, so that of two the later does not say what both do."""
    return is_operation(value) or value.keys() == {"inc"}


class NestedValue:
    """Converts one array or object and counts what it had to leave out.

    Attributes:
        left_out: How many nulls, keys and values inside were left out.
    """

    def __init__(self, *, is_property: bool = False) -> None:
        self.left_out = 0
        self._is_property = is_property

    def convert(self, value: Any, schema: Schema) -> Any:
        """The array or object as Braze takes it; empty if nothing of it can be sent.

        Raises:
            RefusalError: If it is nested beyond measure, or a `$time` that is none.
        """
        if isinstance(value, list):
            return self._array(value, schema, 0)
        if _TIME_KEY in value:  # not inside anything: there a time is plain text
            return values.to_datetime(value[_TIME_KEY])
        if not self._is_property and not value.keys().isdisjoint(OPERATIONS):
            return self._operations(value, schema)
        return self._object(value, schema, 0)

    def properties(self, members: dict[str, Any], schema: Schema, reserved: frozenset[str]) -> dict[str, Any]:
        """An event's or purchase's properties, whose names may hold what nested keys may not."""
        known = _known(schema)
        result = {}
        for name, member in members.items():
            is_usable = 0 < len(name) <= MAX_STRING_CHARACTERS and not name.startswith("$")
            if name in reserved or not is_usable or not values.is_unicode(name):
                self._leave_out()
            elif (part := self._part(member, known.get(name, {}), 1)) is not _ABSENT:
                result[name] = part
        return result

    def _array(self, items: list[Any], schema: Schema, depth: int) -> list[Any]:
        inner = schema.get("items")
        item_schema = inner if isinstance(inner, dict) else {}
        if "format" in item_schema:  # Braze has no times inside arrays; they stay the text they are
            item_schema = {}
        converted = (self._part(item, item_schema, depth + 1) for item in items)
        return [item for item in converted if item is not _ABSENT]

    def _object(self, members: dict[str, Any], schema: Schema, depth: int) -> dict[str, Any]:
        known = _known(schema)
        result = {}
        for key, member in members.items():
            if not _is_usable_key(key):
                self._leave_out()
            elif (part := self._part(member, known.get(key, {}), depth + 1)) is not _ABSENT:
                result[key] = part
        return result

    def _operations(self, members: dict[str, Any], schema: Schema) -> dict[str, Any]:
        """The operations of an object that has some; one that lacks what it needs would void all the others."""
        result = {}
        for name, items in members.items():
            if name not in OPERATIONS or not isinstance(items, list):
                self._leave_out()
                continue
            usable = []
            for item in items:
                if not isinstance(item, dict):
                    self._leave_out()
                    continue
                needed = _NEEDED_BY_OPERATION.get(name)
                operation = self._operation(item, needed) if needed else self._object(item, schema, 1)
                if operation:
                    usable.append(operation)
            if usable:
                result[name] = usable
        return result

    def _operation(self, item: dict[str, Any], needed: set[str]) -> dict[str, Any] | None:
        parts = {key: self._part(member, {}, 2) for key, member in item.items() if key in needed}
        if needed - {key for key, part in parts.items() if part is not _ABSENT and part != {}}:
            self._leave_out()
            return None
        return parts

    def _part(self, value: Any, schema: Schema, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise RefusalError(f"nested deeper than {MAX_DEPTH} levels")
        if value is None:
            return self._leave_out()
        if isinstance(value, dict):
            return self._time_object(value) if _TIME_KEY in value else self._object(value, schema, depth)
        if isinstance(value, list):
            return self._array(value, schema, depth)
        if schema.get("format") in ("date-time", "date"):
            return self._time(value)
        try:
            return scalar(value)
        except RefusalError:
            return self._leave_out()

    def _time_object(self, members: dict[str, Any]) -> Any:
        return self._time(members[_TIME_KEY]) if len(members) == 1 else self._leave_out()

    def _time(self, value: Any) -> Any:
        try:
            text = values.to_datetime(value)
        except RefusalError:
            return self._leave_out()
        return text if self._is_property else {_TIME_KEY: text}

    def _leave_out(self) -> Any:
        self.left_out += 1
        return _ABSENT


def undeclared(value: Any) -> Any:
    """A scalar of a column whose type nobody declared, by what it is."""
    return values.to_number(value) if isinstance(value, Decimal) else scalar(value)


def scalar(value: Any) -> Any:
    """A scalar inside a nested value, by what it is: a number there is a double, as JSON has it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return values.to_integer(value)
    if isinstance(value, float | Decimal):
        return values.to_float(value)
    return values.to_string(value)


def _known(schema: Schema) -> dict[str, Schema]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _is_usable_key(key: str) -> bool:
    """Whether Braze takes a key inside a nested value. Source: Braze docs, "Nested custom attributes", 2025-11."""
    return (
        0 < len(key) <= MAX_STRING_CHARACTERS
        and " " not in key
        and "." not in key
        and "$" not in key
        and (key.isascii() or values.is_unicode(key))
    )
