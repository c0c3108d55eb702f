"""What writing an object costs in data points. Pure. Source: Braze docs, "Data points", 2026-03."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.limits import FREE_ATTRIBUTES
from target_braze.nested import is_operation
from target_braze.standard_fields import CONTROL_KEYS
from target_braze.updates import Identity, ObjectKind, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

_FREE: Final = FREE_ATTRIBUTES | CONTROL_KEYS
_MAX_SHAPES: Final = 10_000
"""Shapes that are kept to be shared; records whose nested values all differ in size would make more without end."""


class Costs:
    """The shapes of one stream's objects, each made once.

    Args:
        kind: What the stream's records become.
    """

    def __init__(self, kind: ObjectKind) -> None:
        self._of_object = None if kind is ObjectKind.ATTRIBUTES else Shape({kind.value: 1})
        self._shapes: dict[Any, Shape] = {}

    def shape_of(self, identity: Identity, fields: Mapping[str, Any]) -> Shape:
        """What the object with these fields costs."""
        if self._of_object is not None:
            return self._of_object
        nested = [data_points(value) for value in fields.values() if type(value) is dict]
        key = (identity.kind, *fields, *nested)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = Shape(
                {
                    name: data_points(value)
                    for name, value in fields.items()
                    if name != identity.kind and name not in _FREE
                }
            )
        return shape


def data_points(value: Any) -> int:
    """What writing one attribute costs: of an object every key counts, of single elements each."""
    if not isinstance(value, dict) or not value or "$time" in value:
        return 1
    if is_operation(value):
        return max(1, sum(len(part) if isinstance(part, list) else 1 for part in value.values()))
    return sum(data_points(part) for part in value.values())
