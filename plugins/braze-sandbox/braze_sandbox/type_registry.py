"""Which type each custom attribute has: by the first value ever received, or because someone forced it. Pure.

Braze docs, "Managing custom data", 2026-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import dropping, times
from braze_sandbox.custom_attributes import (
    is_array_change,
    is_increment,
    is_nested_time,
    is_object_array_change,
)
from braze_sandbox.dropping import Dropped

if TYPE_CHECKING:
    from collections.abc import Mapping

# As `GET /custom_attributes` names them.
LABELS = {
    "string": "String",
    "number": "Number",
    "boolean": "Boolean",
    "time": "Date",
    "array": "Array",
    "object": "Object",
    "object_array": "Object Array",
}
# Braze docs, "Managing custom data", 2026-09: what a forced boolean is made of, upper or lower case.
_TRUE = frozenset({"1", "true", "t"})
_FALSE = frozenset({"0", "false", "f"})
_SCALARS = (str, bool, int, float)
# Types of values that are what they seem; a string may be a time, which only matters until a type is known.
PLAIN_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "number", float: "number"}


def type_of(value: Any) -> str:  # noqa: PLR0911
    """Return the type that Braze detects in a value that is not null."""
    if isinstance(value, str):
        return "time" if times.is_time(value) else "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)) or is_increment(value):
        return "number"
    if isinstance(value, list):
        return "object_array" if any(isinstance(inner, dict) for inner in value) else "array"
    if is_array_change(value):
        return "array"
    if is_object_array_change(value):
        return "object_array"
    return "time" if is_nested_time(value) else "object"


class TypeRegistry:
    """The types detected so far, and the decision whether a value may be written."""

    def __init__(self, detected: dict[str, str]) -> None:
        self.detected = detected
        self.has_news = False

    def admitted(self, name: str, value: Any, forced: Mapping[str, str], *, lock: bool) -> Any:
        """Return the value to write, turned into the forced type if there is one, or `Dropped`."""
        wanted = forced.get(name)
        if wanted is not None:
            return coerced(value, wanted)
        known = self.detected.get(name)
        if known is None:
            return value  # it is learned once it was written
        if lock and not _fits(value, known):
            return Dropped(dropping.WRONG_TYPE)
        return value

    def learn(self, name: str, value: Any) -> None:
        """Keep the type of the first value of an attribute."""
        if name not in self.detected:
            self.detected[name] = type_of(value)
            self.has_news = True


def _fits(value: Any, known: str) -> bool:
    if isinstance(value, str):  # first, since most values are strings; a date is a string, too
        return known == "string" or (known == "time" and (value == "" or times.is_time(value)))
    found = PLAIN_TYPES.get(type(value)) or type_of(value)
    return found == known or (value == [] and known == "object_array")


def coerced(value: Any, wanted: str) -> Any:
    """Return a value in the type an administrator forced, or `Dropped` if it cannot be."""
    if wanted == "boolean":
        return _boolean(value)
    if wanted == "number":
        return _number(value)
    if wanted == "string":
        return _string(value)
    return value if _fits(value, wanted) else Dropped(dropping.FORCED_TYPE)


def _boolean(value: Any) -> Any:
    text = str(value).lower() if isinstance(value, _SCALARS) else ""
    if text in _TRUE:
        return True
    return False if text in _FALSE else Dropped(dropping.FORCED_TYPE)


def _number(value: Any) -> Any:
    if is_increment(value) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        number = None
    if number is None or number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124
        return Dropped(dropping.FORCED_TYPE)
    return int(value) if value.strip().lstrip("+-").isdecimal() else number


def _string(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, _SCALARS) else Dropped(dropping.FORCED_TYPE)
