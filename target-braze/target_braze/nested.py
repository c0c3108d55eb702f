"""Objects and arrays inside an attribute. Pure.

One null, one bad `$time` or one over-long string anywhere inside makes Braze drop the whole attribute, silently and with `success`
(Braze docs, "User track", questions; "Nested custom attributes", 2025-11). So those parts are left out here, and how many is returned to be counted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from target_braze import values
from target_braze.limits import MAX_STRING_CHARACTERS
from target_braze.rejections import RefusalError

OPERATIONS: Final = frozenset({"$add", "$remove", "$update"})
"""What changes single elements of an array of objects. Braze docs, "Array of objects", 2025-11."""
_OPERATION_KEYS: Final = frozenset({"$identifier_key", "$identifier_value", "$new_object"})
_TIME_KEY: Final = "$time"
_ABSENT: Final = object()


class NestedValue:
    """Converts one array or object and counts what it had to leave out.

    Attributes:
        left_out: How many nulls, keys and values inside were left out.
    """

    def __init__(self) -> None:
        self.left_out = 0

    def convert(self, value: Any, schema: dict[str, Any]) -> Any:
        """The array or object as Braze takes it.

        Args:
            value: What the record holds.
            schema: Its JSON Schema, `{}` if there is none; only `format: date-time` and `date` inside it matter.

        Raises:
            RefusalError: If it is neither an array nor an object.
        """
        if isinstance(value, list):
            return self._array(value, schema)
        if isinstance(value, dict):
            return self._object(value, schema, top=True)
        raise RefusalError("not an array or object")

    def _array(self, items: list[Any], schema: dict[str, Any]) -> list[Any]:
        inner = schema.get("items")
        item_schema = inner if isinstance(inner, dict) else {}
        converted = (self._part(item, item_schema, timed=False) for item in items)
        return [item for item in converted if item is not _ABSENT]

    def _object(self, members: dict[str, Any], schema: dict[str, Any], *, top: bool = False) -> Any:
        if _TIME_KEY in members:
            return self._time(members[_TIME_KEY]) if len(members) == 1 else self._leave_out()
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        result: dict[str, Any] = {}
        for key, member in members.items():
            if not _is_usable_key(key, top=top):
                self._leave_out()
                continue
            member_schema = known.get(key)
            part = self._part(member, member_schema if isinstance(member_schema, dict) else {}, timed=True)
            if part is not _ABSENT:
                result[key] = part
        return result

    def _part(self, value: Any, schema: dict[str, Any], *, timed: bool) -> Any:
        if value is None:
            return self._leave_out()
        if isinstance(value, dict):
            return self._object(value, schema)
        if isinstance(value, list):
            return self._array(value, schema)
        if timed and schema.get("format") in {"date-time", "date"}:
            return self._time(value)
        try:
            return scalar(value)
        except RefusalError:
            return self._leave_out()

    def _time(self, value: Any) -> Any:
        try:
            return {_TIME_KEY: values.to_datetime(value)}
        except RefusalError:
            return self._leave_out()

    def _leave_out(self) -> Any:
        self.left_out += 1
        return _ABSENT


def scalar(value: Any) -> Any:
    """A value whose type nobody declared, by what it is."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return values.to_string(value)
    if isinstance(value, int):
        return values.to_integer(value)
    if isinstance(value, Decimal):
        return values.to_decimal(value)
    if isinstance(value, float):
        return values.to_float(value)
    return values.to_string(value)


def _is_usable_key(key: str, *, top: bool) -> bool:
    if key in _OPERATION_KEYS or (top and key in OPERATIONS):
        return True
    return 0 < len(key) <= MAX_STRING_CHARACTERS and not any(sign in key for sign in " .$")
