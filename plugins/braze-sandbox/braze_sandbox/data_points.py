"""What a written attribute costs. Pure.

Braze docs, "Data points", 2026-09: one per attribute, event and purchase, also when nothing changed by it, and a
quantity of X is X purchases ("Purchase object"); every key of a nested object counts; a whole array is one, single
additions are one each; some fields are free.
"""

from __future__ import annotations

from typing import Any

from braze_sandbox.custom_attributes import is_array_change, is_nested_time, is_object_array_change
from braze_sandbox.standard_fields import NORMALISERS

FREE = frozenset(
    {
        "external_id",
        "user_alias",
        "braze_id",
        "email_subscribe",
        "push_subscribe",
        "subscription_groups",
        "push_tokens",
    }
)

_NESTED = frozenset({dict, list})


def points_of(name: str, value: Any) -> int:
    """Return the data points of writing `value` to an attribute; a removal (`None`) is one."""
    if name in FREE:
        return 0
    return _points_of_value(value) if type(value) in _NESTED and name not in NORMALISERS else 1


def _points_of_value(value: Any) -> int:
    if isinstance(value, list):
        if not any(isinstance(inner, dict) for inner in value):
            return 1
        return max(1, sum(_keys(inner) for inner in value))
    if is_array_change(value):
        return max(1, sum(len(inner) for inner in value.values()))
    if is_object_array_change(value):
        added = sum(_keys(inner) for inner in value.get("$add", ()))
        updated = sum(_keys(rule.get("$new_object")) for rule in value.get("$update", ()) if isinstance(rule, dict))
        return max(1, added + updated + len(value.get("$remove", ())))
    return max(1, _keys(value))


def _keys(value: Any) -> int:
    if isinstance(value, list):
        return sum(_keys(inner) for inner in value)
    if not isinstance(value, dict) or is_nested_time(value):
        return 0
    return sum(1 + _keys(inner) for inner in value.values())
