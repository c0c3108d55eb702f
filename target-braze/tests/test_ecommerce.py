"""The recommended events: what Braze would discard is refused here, by name."""

from __future__ import annotations

from typing import Any

import pytest
from braze_sandbox import ecommerce as brazes
from target_braze import ecommerce
from target_braze.rejections import RefusalError

PRODUCT = {"product_id": "1", "product_name": "Hat", "variant_id": "1-s", "quantity": 2, "price": 10.5}
USUAL: dict[str, Any] = {
    "cart_id": "c",
    "checkout_id": "k",
    "order_id": "o",
    "cancel_reason": "late",
    "total_value": 21,
    "products": [PRODUCT],
    "product_id": "1",
    "product_name": "Hat",
    "variant_id": "1-s",
    "price": 10.5,
    "currency": "EUR",
    "source": "shop",
}
NAMES = sorted(brazes.SCHEMAS)


def valid(name: str) -> dict[str, Any]:
    return {field: USUAL[field] for field in brazes.SCHEMAS[name].required}


CHANGES: list[dict[str, Any]] = [
    {},
    {"currency": "XYZ"},
    {"source": 1},
    {"total_value": "21"},
    {"total_value": -1},
    {"price": -0.5},
    {"price": True},
    {"products": "none"},
    {"products": [1]},
    {"products": [{**PRODUCT, "quantity": 1.5}]},
    {"products": [{**PRODUCT, "quantity": -1}]},
    {"products": [{**PRODUCT, "price": "1"}]},
    {"products": [{**PRODUCT, "colour": "red"}]},
    {"products": [{"product_id": "1"}]},
    {"products": []},
    {"metadata": {"any": 1}},
    {"metadata": "any"},
    {"type": ["price_drop"]},
    {"action": "add"},
    {"action": "steal"},
    {"subtotal_value": 1},
    {"discounts": [{"code": "x", "amount": 1}], "total_discounts": 1},
    {"colour": "red"},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_braze_discards_is_refused_and_nothing_else(name: str, change: dict[str, Any]) -> None:
    properties = {**valid(name), **change}
    is_discarded = bool(brazes.violations(name, properties))
    if is_discarded:
        with pytest.raises(RefusalError):
            ecommerce.checked(name, properties, {})
    else:
        assert ecommerce.checked(name, properties, {}) == properties


@pytest.mark.parametrize("name", NAMES)
def test_each_missing_property_is_named(name: str) -> None:
    for missing in valid(name):
        properties = {field: value for field, value in valid(name).items() if field != missing}
        assert brazes.violations(name, properties)
        with pytest.raises(RefusalError, match=rf"^{missing}: missing"):
            ecommerce.checked(name, properties, {})


def test_a_cart_that_changes_needs_no_total() -> None:
    cart = valid("ecommerce.cart_updated")
    assert "total_value" not in cart
    for action in ("add", "remove"):
        assert ecommerce.checked("ecommerce.cart_updated", {**cart, "action": action}, {})
    for change in ({}, {"action": "replace"}):
        with pytest.raises(RefusalError, match=r"^total_value: missing"):
            ecommerce.checked("ecommerce.cart_updated", {**cart, **change}, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total_value": "1"}, "total_value: not a number"),
        ({"products": [PRODUCT, {**PRODUCT, "price": None}]}, r"products\[1\].price: not a number"),
        ({"products": [PRODUCT, {**PRODUCT, "variant_id": 5}]}, r"products\[1\].variant_id: not text"),
        ({"hat": 1}, "hat: not in the schema"),
        ({"currency": "EURO"}, "currency: not an ISO 4217"),
    ],
)
def test_a_refusal_names_the_property(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusalError, match=f"^{reason}"):
        ecommerce.checked("ecommerce.order_placed", {**valid("ecommerce.order_placed"), **change}, {})


def test_why_a_property_was_turned_down_before_is_said() -> None:
    properties = valid("ecommerce.order_placed")
    del properties["total_value"]
    with pytest.raises(RefusalError, match=r"^total_value: not a decimal$"):
        ecommerce.checked("ecommerce.order_placed", properties, {"total_value": "not a decimal"})


def test_what_only_looks_wrong_is_mended() -> None:
    """JSON of some databases has whole numbers as 2.0, and currencies in small letters."""
    properties = {**valid("ecommerce.order_placed"), "currency": " eur", "products": [{**PRODUCT, "quantity": 2.0}]}
    found = ecommerce.checked("ecommerce.order_placed", properties, {})
    assert found["currency"] == "EUR"
    assert repr(found["products"][0]["quantity"]) == "2"
    assert not brazes.violations("ecommerce.order_placed", found)


def test_a_cart_may_be_empty_but_not_without_products() -> None:
    cart = {**valid("ecommerce.cart_updated"), "total_value": 0, "products": []}
    assert ecommerce.checked("ecommerce.cart_updated", cart, {})["products"] == []
    del cart["products"]
    with pytest.raises(RefusalError, match=r"^products: missing"):
        ecommerce.checked("ecommerce.cart_updated", cart, {})


@pytest.mark.parametrize("name", ["ecommerce.order_place", "Ecommerce.order_placed", "order_placed"])
def test_other_names_are_ordinary(name: str) -> None:
    assert not ecommerce.is_recommended(name)
