"""The forms of the three kinds of objects."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from target_braze.layouts import LAYOUTS
from target_braze.rejections import RefusalError
from target_braze.standard_fields import STANDARD_FIELDS
from target_braze.updates import TRACKED, ObjectKind

EVENTS, PURCHASES = LAYOUTS[ObjectKind.EVENTS], LAYOUTS[ObjectKind.PURCHASES]


def test_every_kind_has_a_layout() -> None:
    assert LAYOUTS.keys() == set(TRACKED)
    assert LAYOUTS[ObjectKind.ATTRIBUTES].fields == STANDARD_FIELDS


@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_required_fields_are_fields(layout: Any) -> None:
    assert set(layout.required) <= layout.fields.keys()
    assert layout.never_unset <= layout.fields.keys()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("product_id", 42, "42"),
        ("currency", " eur", "EUR"),
        ("price", Decimal("9.99"), 9.99),
        ("price", "0", 0.0),
        ("quantity", "100", 100),
        ("quantity", 1, 1),
        ("time", "2026-01-31", "2026-01-31T00:00:00Z"),
    ],
)
def test_fields_of_purchases(field: str, value: Any, expected: Any) -> None:
    convert = PURCHASES.fields[field]
    assert convert is not None
    assert convert(value) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_id", ""),
        ("product_id", "x" * 256),
        ("currency", "XX"),
        ("price", "free"),
        ("price", float("nan")),
        ("quantity", 0),
        ("quantity", 7501),
        ("quantity", 1.5),
        ("time", "now"),
    ],
)
def test_fields_that_braze_would_refuse(field: str, value: Any) -> None:
    convert = PURCHASES.fields[field]
    assert convert is not None
    with pytest.raises(RefusalError):
        convert(value)


def test_names_of_events() -> None:
    convert = EVENTS.fields["name"]
    assert convert is not None
    assert convert("Signed up") == "Signed up"
    with pytest.raises(RefusalError, match="blank"):
        convert("  ")


def test_reserved_names() -> None:
    """Braze docs, "Event object" and "Purchase object", 2025-11."""
    assert EVENTS.reserved == {"time", "event_name"}
    assert PURCHASES.reserved == {"time", "product_id", "quantity", "event_name", "price", "currency"}
