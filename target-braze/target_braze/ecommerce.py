"""The recommended `ecommerce.*` events, held against their schema before they are sent. Pure.

An event of exactly such a name that does not keep the schema is discarded by Braze as a whole. Source: Braze docs,
"eCommerce recommended events", 2026-09. They ask for an array of `products` and not that something is in it: a cart
that was emptied has none, and an order of which nobody knows what was in it still has a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pycountry

from target_braze.rejections import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Schema(NamedTuple):
    required: frozenset[str]
    known: frozenset[str]


_MONEY: Final = frozenset({"price", "total_value", "subtotal_value", "tax", "shipping", "total_discounts"})
_ARRAYS: Final = frozenset({"products", "discounts", "type"})
_COUNTS: Final = frozenset({"quantity"})
_OBJECTS: Final = frozenset({"metadata"})
_TEXT: Final[tuple[tuple[type, ...], str]] = ((str,), "not text (set the field's type to string)")
_TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    **dict.fromkeys(_MONEY, ((int, float), "not a number (set the field's type to decimal)")),
    **dict.fromkeys(_COUNTS, ((int,), "not a whole number")),
    **dict.fromkeys(_ARRAYS, ((list,), "not an array (set the field's type to array)")),
    **dict.fromkeys(_OBJECTS, ((dict,), "not an object (set the field's type to object)")),
}
"""Property → its type, and what to say of another one; all others are text."""
_CART_ACTIONS: Final = ("add", "remove", "replace")
_CHANGES_OF_CARTS: Final = ("add", "remove")
_CART: Final = "ecommerce.cart_updated"


def _schema(required: str, optional: str) -> _Schema:
    return _Schema(frozenset(required.split()), frozenset(f"{required} {optional}".split()))


_ALL: Final = "currency source"
_TOTALS: Final = "subtotal_value tax shipping metadata"
_DISCOUNTS: Final = "total_discounts discounts metadata"
_SCHEMAS: Final = {
    "ecommerce.product_viewed": _schema(
        f"{_ALL} product_id product_name variant_id price", "image_url product_url type metadata"
    ),
    _CART: _schema(f"{_ALL} cart_id products", f"total_value action {_TOTALS}"),
    "ecommerce.checkout_started": _schema(f"{_ALL} checkout_id total_value products", f"cart_id {_TOTALS}"),
    "ecommerce.order_placed": _schema(f"{_ALL} order_id total_value products", f"cart_id {_TOTALS} {_DISCOUNTS}"),
    "ecommerce.order_refunded": _schema(f"{_ALL} order_id total_value products", _DISCOUNTS),
    "ecommerce.order_cancelled": _schema(
        f"{_ALL} order_id cancel_reason total_value products", f"{_TOTALS} {_DISCOUNTS}"
    ),
}
_PRODUCT: Final = _schema("product_id product_name variant_id quantity price", "image_url product_url metadata")


def is_recommended(name: str) -> bool:
    """Whether Braze holds events of this name against a schema; another name is an ordinary custom event."""
    return name in _SCHEMAS


def checked(name: str, properties: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """The properties of a recommended event, as Braze takes them.

    Args:
        name: The event's name, one that is recommended.
        properties: Its properties.
        refused: Property → why it was turned down before.

    Raises:
        RefusalError: If Braze would discard the event; it names the property.
    """
    found = _against(_SCHEMAS[name], properties, "", refused)
    found["currency"] = _currency(found["currency"])
    if name == _CART:
        _check_cart(found)
    if "products" in found:
        found["products"] = [_product(product, f"products[{index}]") for index, product in enumerate(found["products"])]
    return found


def _check_cart(properties: Mapping[str, Any]) -> None:
    action = properties.get("action")
    if action is not None and action not in _CART_ACTIONS:
        raise RefusalError(f"action: not one of {', '.join(_CART_ACTIONS)}")
    if action not in _CHANGES_OF_CARTS and "total_value" not in properties:
        raise RefusalError(
            "total_value: missing, and Braze discards the event without it, unless action is add or remove"
        )


def _product(product: Any, place: str) -> dict[str, Any]:
    if not isinstance(product, dict):
        raise RefusalError(f"{place}: not an object")
    return _against(_PRODUCT, product, f"{place}.", {})


def _against(schema: _Schema, properties: Mapping[str, Any], place: str, refused: Mapping[str, str]) -> dict[str, Any]:
    for name in sorted(schema.required - properties.keys()):
        reason = refused.get(name, "missing, and Braze discards the event without it")
        raise RefusalError(f"{place}{name}: {reason}")
    for name in sorted(properties.keys() - schema.known):
        raise RefusalError(f"{place}{name}: not in the schema of the event, and Braze discards an event that has it")
    return {name: _typed(name, value, f"{place}{name}") for name, value in properties.items()}


def _typed(name: str, value: Any, place: str) -> Any:
    """A property's value, of the type that Braze asks for."""
    if name in _COUNTS and isinstance(value, float) and value.is_integer():
        value = int(value)
    types, otherwise = _TYPES.get(name, _TEXT)
    is_right = isinstance(value, types) and not isinstance(value, bool)
    if not is_right:
        raise RefusalError(f"{place}: {otherwise}")
    if name in _MONEY | _COUNTS and value < 0:
        raise RefusalError(f"{place}: below 0")
    return value


def _currency(value: str) -> str:
    code = value.strip().upper()
    if pycountry.currencies.get(alpha_3=code) is None:
        raise RefusalError("currency: not an ISO 4217 currency (e.g. USD)")
    return code
