"""What a custom attribute's value becomes when it is written. Pure.

Braze docs, "Data types", "Nested custom attributes" and "Array of objects", 2026-09.
"""

from __future__ import annotations

from typing import Any

import msgspec

from braze_sandbox import dropping, times
from braze_sandbox.dropping import Dropped

MAX_STRING_LENGTH = 255
MAX_BYTES = 100 * 1024
MAX_LEVELS = 50  # assumed; Braze docs, "Catalogs", 2026-09, name this number for objects there
NUMBERS = frozenset({bool, int, float})
ARRAY_KEYS = frozenset({"add", "remove"})
OBJECT_ARRAY_KEYS = frozenset({"$add", "$remove", "$update"})


def is_increment(value: Any) -> bool:
    """Return whether a value is `{"inc": n}`."""
    return isinstance(value, dict) and value.keys() == {"inc"}


def is_array_change(value: Any) -> bool:
    """Return whether a value adds to or removes from an array of scalars."""
    return _has_lists_only(value, ARRAY_KEYS)


def is_object_array_change(value: Any) -> bool:
    """Return whether a value changes an array of objects."""
    return _has_lists_only(value, OBJECT_ARRAY_KEYS)


def is_nested_time(value: Any) -> bool:
    """Return whether a value is `{"$time": …}`, good or not."""
    return isinstance(value, dict) and value.keys() == {"$time"}


def written(current: Any, value: Any, *, merge: bool, max_elements: int) -> Any:
    """Return what an attribute holds once `value` is written over `current`.

    Args:
        current: What it holds, or `None`.
        value: What the request says; never `None`, which removes.
        merge: The object's `_merge_objects`.
        max_elements: Older elements leave an array that grows beyond this.

    Returns:
        The new value, or `Dropped` if Braze would not write it at all.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= MAX_STRING_LENGTH else Dropped(dropping.TOO_LONG)
    if kind in NUMBERS:
        return value
    new = (
        _written_array(current, value, merge, max_elements)
        if _is_array(value)
        else _written_object(current, value, merge)
    )
    if not isinstance(new, (Dropped, int)) and len(msgspec.json.encode(new)) > MAX_BYTES:
        return Dropped(dropping.TOO_LARGE)
    return new


def _is_array(value: Any) -> bool:
    return isinstance(value, list) or is_array_change(value) or is_object_array_change(value)


def _written_object(current: Any, value: dict[str, Any], merge: bool) -> Any:
    if is_increment(value):
        return _incremented(current, value["inc"])
    if is_nested_time(value):
        return value["$time"] if times.is_time(value["$time"]) else Dropped(dropping.BAD_NESTED)
    if not is_valid_nested(value):
        return Dropped(dropping.BAD_NESTED)
    return merged(current, value) if merge and isinstance(current, dict) else value


def _incremented(current: Any, step: Any) -> Any:
    if current is None:
        current = 0
    if any(not isinstance(n, int) or isinstance(n, bool) for n in (current, step)):
        return Dropped(dropping.BAD_INCREMENT)
    return current + step


def _written_array(current: Any, value: Any, merge: bool, max_elements: int) -> Any:
    had = current if isinstance(current, list) else []
    if isinstance(value, list):
        if any(isinstance(element, dict) for element in value):
            return value if is_valid_nested(value) else Dropped(dropping.BAD_NESTED)
        return _scalars([], value, (), max_elements)
    if is_array_change(value):
        return _scalars(had, value.get("add", ()), value.get("remove", ()), max_elements)
    return _objects(had, value, merge)


def _scalars(had: Any, add: Any, remove: Any, max_elements: int) -> Any:
    """Return an array as the set that Braze keeps: an element that comes again moves to the end."""
    elements: dict[tuple[bool, Any], Any] = {}
    for element in [*had, *add]:
        if not isinstance(element, (str, int, float)):
            return Dropped(dropping.BAD_NESTED)
        if isinstance(element, str) and len(element) > MAX_STRING_LENGTH:
            return Dropped(dropping.TOO_LONG)
        key = (isinstance(element, bool), element)  # or else 1 and true would be one element
        elements.pop(key, None)
        elements[key] = element
    for element in remove:
        if isinstance(element, (str, int, float)):
            elements.pop((isinstance(element, bool), element), None)
    return list(elements.values())[-max_elements:] if max_elements else []


def _objects(had: list[Any], change: dict[str, Any], merge: bool) -> Any:
    """Return an array of objects after `$add`, `$remove` and `$update`, which Braze does in that order."""
    if not is_valid_nested(change.get("$add", [])):
        return Dropped(dropping.BAD_NESTED)
    items = [*had, *change.get("$add", [])]
    for rule in change.get("$remove", []):
        if not isinstance(rule, dict):
            return Dropped(dropping.BAD_NESTED)
        items = [item for item in items if not _is_meant(item, rule)]
    for rule in change.get("$update", []):
        new = rule.get("$new_object") if isinstance(rule, dict) else None
        if not isinstance(new, dict) or not is_valid_nested(new):
            return Dropped(dropping.BAD_NESTED)
        items = [(merged(item, new) if merge else new) if _is_meant(item, rule) else item for item in items]
    return items


def _is_meant(item: Any, rule: dict[str, Any]) -> bool:
    key, wanted = rule.get("$identifier_key"), rule.get("$identifier_value")
    return isinstance(item, dict) and key in item and item[key] == wanted


def merged(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return `current` with `value` merged in, level by level."""
    both = dict(current)
    for key, new in value.items():
        old = both.get(key)
        both[key] = merged(old, new) if isinstance(old, dict) and isinstance(new, dict) else new
    return both


def is_valid_nested(value: Any, levels: int = MAX_LEVELS) -> bool:
    """Return whether nothing inside is invalid: one null or bad `$time` anywhere spoils the whole attribute."""
    if levels == 0:
        return False
    if isinstance(value, dict):
        if is_nested_time(value):
            return times.is_time(value["$time"])
        return all(_is_key(key) and is_valid_nested(inner, levels - 1) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_valid_nested(inner, levels - 1) for inner in value)
    if isinstance(value, str):
        return len(value) <= MAX_STRING_LENGTH
    return value is not None


def _is_key(key: str) -> bool:
    return 0 < len(key) <= MAX_STRING_LENGTH and not any(mark in key for mark in " .$")


def _has_lists_only(value: Any, keys: frozenset[str]) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= keys
        and all(isinstance(inner, list) for inner in value.values())
    )
