"""What the objects of each kind look like: which fields have a form of their own, and where the rest goes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pycountry

from target_braze import values
from target_braze.limits import MAX_PURCHASE_PROPERTIES_BYTES, MAX_PURCHASE_QUANTITY
from target_braze.moments import to_moment
from target_braze.rejections import RefusalError
from target_braze.standard_fields import NEVER_UNSET_FIELDS, STANDARD_FIELDS
from target_braze.updates import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from target_braze.standard_fields import Normalise


@dataclass(frozen=True)
class Layout:
    """The form of one kind of object.

    Attributes:
        fields: Field → what brings its value into Braze's form; None for any nested object.
        required: Fields without which Braze refuses the object.
        never_unset: Fields that a null leaves alone.
        properties: The field that holds all other columns as an object; None if they stand beside the fields.
        reserved: Names that Braze refuses among the properties.
        max_properties_bytes: How large the properties may be; None if no smaller than the object.
    """

    fields: Mapping[str, Normalise | None]
    required: tuple[str, ...] = ()
    never_unset: frozenset[str] = frozenset()
    properties: str | None = None
    reserved: frozenset[str] = frozenset()
    max_properties_bytes: int | None = None


def _name(value: Any) -> str:
    text = values.to_string(value)
    if not text.strip():
        raise RefusalError("blank")
    return text


def _currency(value: Any) -> str:
    code = values.to_string(value).strip().upper()
    if pycountry.currencies.get(alpha_3=code) is None:
        raise RefusalError("not an ISO 4217 currency (e.g. USD)")
    return code


def _quantity(value: Any) -> int:
    quantity = values.to_integer(value)
    if not 1 <= quantity <= MAX_PURCHASE_QUANTITY:
        raise RefusalError(f"quantity is not between 1 and {MAX_PURCHASE_QUANTITY}")
    return quantity


LAYOUTS: Final[dict[ObjectKind, Layout]] = {
    ObjectKind.ATTRIBUTES: Layout(fields=STANDARD_FIELDS, never_unset=NEVER_UNSET_FIELDS),
    # Braze docs, "Event object", 2025-11
    ObjectKind.EVENTS: Layout(
        fields={"name": _name, "time": to_moment, "app_id": _name},
        required=("name", "time"),
        properties="properties",
        reserved=frozenset({"time", "event_name"}),
    ),
    # Braze docs, "Purchase object", 2025-11
    ObjectKind.PURCHASES: Layout(
        fields={
            "product_id": _name,
            "currency": _currency,
            "price": values.to_float,  # Braze multiplies it as a double; 0 and refunds (negative) are prices
            "time": to_moment,
            "quantity": _quantity,
            "app_id": _name,
        },
        required=("product_id", "currency", "price", "time"),
        properties="properties",
        reserved=frozenset({"time", "product_id", "quantity", "event_name", "price", "currency"}),
        max_properties_bytes=MAX_PURCHASE_PROPERTIES_BYTES,
    ),
}


def layout_of(kind: ObjectKind, zone: ZoneInfo | None) -> Layout:
    """The form of a kind of object, in a stream whose times without an offset are in a zone."""
    layout = LAYOUTS[kind]
    if zone is None or "time" not in layout.fields:
        return layout
    return replace(layout, fields={**layout.fields, "time": partial(to_moment, zone=zone)})
