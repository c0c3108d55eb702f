"""What writing costs in data points. Pure. Source: Braze docs, "Data points", 2026-03."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.limits import FREE_ATTRIBUTES, MAX_QUANTITY
from target_braze.nested import is_operation
from target_braze.updates import ObjectKind, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

EVENT: Final = Shape({ObjectKind.EVENTS.value: 1})
"""What an event costs: one, whatever its properties."""
_PURCHASES: Final = tuple(Shape({ObjectKind.PURCHASES.value: pieces}) for pieces in range(MAX_QUANTITY + 1))


def purchase(pieces: int) -> Shape:
    """What a purchase costs: one for each piece, whatever its properties.

    A purchase is a data point, and a quantity of X is X purchases: Braze docs, "Data points", 2026-03, and "Purchase
    object", 2025-11. No page says it in one sentence; the higher of two readings stops a run before it costs too much.
    """
    return _PURCHASES[pieces]


def plain_points(names: Iterable[str]) -> tuple[int, ...]:
    """What writing each of these attributes costs, unless its value is nested."""
    return tuple(0 if name in FREE_ATTRIBUTES else 1 for name in names)


def data_points(value: Any) -> int:
    """What writing one attribute costs: of an object every key counts, of single elements each."""
    if not isinstance(value, dict) or not value or "$time" in value:
        return 1
    if is_operation(value):
        return max(1, sum(len(part) if isinstance(part, list) else 1 for part in value.values()))
    return sum(data_points(part) for part in value.values())


def nested_points(points: tuple[int, ...], values: Iterable[Any]) -> tuple[int, ...] | None:
    """What each attribute costs when some values are nested; None if none is.

    Args:
        points: What each costs otherwise.
        values: The values, not encoded yet.
    """
    values = list(values)
    if dict not in map(type, values):
        return None
    return tuple(
        plain and data_points(value) if type(value) is dict else plain
        for plain, value in zip(points, values, strict=True)
    )
