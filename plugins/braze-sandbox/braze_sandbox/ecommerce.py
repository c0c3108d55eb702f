"""The strict schema of the `ecommerce.*` events. Pure.

Braze docs, "Recommended events", 2026-09: an event with exactly such a name that does not keep the schema is
discarded whole and reported as an item error; any other name is an ordinary custom event.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from braze_sandbox import messages
from braze_sandbox.codes import is_currency
from braze_sandbox.messages import ItemError


class Kind(NamedTuple):
    """A kind of value: what it is called in an error, and which Python types it may have."""

    name: str
    types: tuple[type, ...]
    not_negative: bool = False


STRING = Kind("string", (str,))
MONEY = Kind("number", (int, float), not_negative=True)
COUNT = Kind("integer", (int,), not_negative=True)
ARRAY = Kind("array", (list,))
OBJECT = Kind("object", (dict,))


class Schema(NamedTuple):
    """Which properties an event, or a product in it, must and may have."""

    required: dict[str, Kind]
    optional: dict[str, Kind]


def _schema(required: str, optional: str) -> Schema:
    return Schema(
        {n: _KINDS.get(n, STRING) for n in required.split()}, {n: _KINDS.get(n, STRING) for n in optional.split()}
    )


_KINDS = {
    **dict.fromkeys(("price", "total_value", "subtotal_value", "tax", "shipping", "total_discounts"), MONEY),
    **dict.fromkeys(("products", "discounts", "type"), ARRAY),
    "quantity": COUNT,
    "metadata": OBJECT,
}
_ALL = "currency source "
_TOTALS = "subtotal_value tax shipping metadata "
_DISCOUNTS = "total_discounts discounts metadata "
SCHEMAS = {
    "ecommerce.product_viewed": _schema(
        _ALL + "product_id product_name variant_id price", "image_url product_url type metadata"
    ),
    "ecommerce.cart_updated": _schema(_ALL + "cart_id products", "total_value action " + _TOTALS),
    "ecommerce.checkout_started": _schema(_ALL + "checkout_id total_value products", "cart_id " + _TOTALS),
    "ecommerce.order_placed": _schema(_ALL + "order_id total_value products", "cart_id " + _TOTALS + _DISCOUNTS),
    "ecommerce.order_refunded": _schema(_ALL + "order_id total_value products", _DISCOUNTS),
    "ecommerce.order_cancelled": _schema(_ALL + "order_id cancel_reason total_value products", _TOTALS + _DISCOUNTS),
}
PRODUCT = _schema("product_id product_name variant_id quantity price", "image_url product_url metadata")
CART_ACTIONS = ("add", "remove", "replace")


def violations(name: str, properties: Any) -> list[ItemError]:
    """Return what an event of this name breaks of its schema; nothing for other names."""
    schema = SCHEMAS.get(name)
    if schema is None:
        return []
    if not isinstance(properties, dict):
        properties = {}
    found = _against(schema, properties, "#/")
    currency = properties.get("currency")
    if isinstance(currency, str) and not is_currency(currency):
        found.append(messages.BAD_CURRENCY)
    if name == "ecommerce.cart_updated":
        found.extend(_cart(properties))
    products = properties.get("products")
    if isinstance(products, list):
        for index, product in enumerate(products):
            path = f"#/products/{index}"
            if isinstance(product, dict):
                found.extend(_against(PRODUCT, product, path + "/"))
            else:
                found.append(_wrong_type(path, product, OBJECT))
    return found


def _cart(properties: dict[str, Any]) -> list[ItemError]:
    action = properties.get("action")
    if action is not None and action not in CART_ACTIONS:
        return [
            _said(
                f"The property '#/action' value {action!r} did not match one of the following values: "
                + ", ".join(CART_ACTIONS)
            )
        ]
    if action not in {"add", "remove"} and "total_value" not in properties:
        return [_missing("#/", "total_value")]
    return []


def _against(schema: Schema, values: dict[str, Any], path: str) -> list[ItemError]:
    known = {**schema.required, **schema.optional}
    found = [_missing(path, name) for name in schema.required if name not in values]
    unknown = [name for name in values if name not in known]
    if unknown:
        listed = ", ".join(f'"{name}"' for name in unknown)
        found.append(
            _said(
                f"The property '{path}' contains additional properties [{listed}] "
                "outside of the schema when none are allowed"
            )
        )
    for name, value in values.items():
        kind = known.get(name)
        if kind is None:
            continue
        if not isinstance(value, kind.types) or isinstance(value, bool):
            found.append(_wrong_type(path + name, value, kind))
        elif kind.not_negative and isinstance(value, (int, float)) and value < 0:
            found.append(_said(f"The property '{path}{name}' did not have a minimum value of 0, inclusively"))
    return found


def _missing(path: str, name: str) -> ItemError:
    return _said(f"The property '{path}' did not contain a required property of '{name}'")


def _wrong_type(path: str, value: Any, kind: Kind) -> ItemError:
    return _said(f"The property '{path}' of type {_type(value)} did not match the following type: {kind.name}")


def _said(sentence: str) -> ItemError:
    return ItemError(None, sentence)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]
