"""Events and purchases: how they are summed up, and the strict schema of the e-commerce events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox import times

if TYPE_CHECKING:
    from braze_sandbox.testing import Client


def event(moment: str, name: str = "opened") -> dict[str, Any]:
    return {"external_id": "p", "name": name, "time": moment}


def purchase(moment: str, **changes: Any) -> dict[str, Any]:
    return {
        "external_id": "p",
        "product_id": "s",
        "currency": "EUR",
        "price": 9.99,
        "time": moment,
        **changes,
    }


def test_an_event_makes_a_profile_and_a_summary(braze: Client) -> None:
    braze.track(events=[event("2026-01-02T00:00:00Z"), event("2026-01-01T00:00:00Z"), event("2026-01-03T00:00:00Z")])
    assert braze.profile()["events"] == [
        {
            "name": "opened",
            "first": "2026-01-01T00:00:00.000Z",
            "last": "2026-01-03T00:00:00.000Z",
            "count": 3,
        }
    ]


def test_an_event_sent_twice_is_two_events(braze: Client) -> None:
    for _ in range(2):
        braze.track(events=[event("2026-01-01")])
    assert braze.profile()["events"][0]["count"] == 2


def test_event_names_are_case_sensitive(braze: Client) -> None:
    braze.track(events=[event("2026-01-01", "Opened"), event("2026-01-01", "opened")])
    assert [each["name"] for each in braze.profile()["events"]] == ["Opened", "opened"]


def test_the_future_is_now(braze: Client) -> None:
    before = time.time()
    braze.track(events=[event("2999-01-01T00:00:00Z")], purchases=[purchase("2999-01-01T00:00:00Z")])
    profile = braze.profile()
    for summary in (profile["events"][0], profile["purchases"][0]):
        moment = times.parse(summary["last"])
        assert moment is not None
        assert before - 1 < moment.timestamp() <= time.time()


def test_a_quantity_is_so_many_purchases_and_revenue(braze: Client) -> None:
    braze.track(
        purchases=[
            purchase("2026-01-01T00:00:00Z", quantity=3),
            purchase("2026-01-02T00:00:00Z"),
            purchase("2026-01-03T00:00:00Z", product_id="t", price=-5, currency="USD"),
        ]
    )
    profile = braze.profile()
    assert [(each["name"], each["count"]) for each in profile["purchases"]] == [("s", 4), ("t", 1)]
    assert profile["revenue"] == {"EUR": 39.96, "USD": -5}


def test_a_revenue_beyond_all_numbers_is_left_out(braze: Client) -> None:
    braze.track(purchases=[purchase("2026-01-01", price=1e308, quantity=100), purchase("2026-01-01")])
    assert braze.profile()["revenue"] == {"EUR": 9.99}


PRODUCT = {"product_id": "p1", "product_name": "Shoe", "variant_id": "v1", "quantity": 1, "price": 10.5}
COMMON = {"currency": "EUR", "source": "web"}
GOOD: dict[str, dict[str, Any]] = {
    "ecommerce.product_viewed": {"product_id": "p1", "product_name": "Shoe", "variant_id": "v1", "price": 10.5},
    "ecommerce.cart_updated": {"cart_id": "c1", "total_value": 10.5, "products": [PRODUCT]},
    "ecommerce.checkout_started": {"checkout_id": "c1", "total_value": 10.5, "products": [PRODUCT]},
    "ecommerce.order_placed": {"order_id": "o1", "total_value": 10.5, "products": [PRODUCT]},
    "ecommerce.order_refunded": {"order_id": "o1", "total_value": 10.5, "products": [PRODUCT]},
    "ecommerce.order_cancelled": {
        "order_id": "o1",
        "cancel_reason": "late",
        "total_value": 10.5,
        "products": [PRODUCT],
    },
}


def errors_of(braze: Client, name: str, properties: Any) -> list[str]:
    item = {"external_id": "p", "name": name, "time": "2026-01-01", "properties": properties}
    return [error["type"] for error in braze.track(events=[item]).json().get("errors", [])]


@pytest.mark.parametrize("name", GOOD)
def test_an_event_that_keeps_its_schema_is_accepted_and_free(braze: Client, name: str) -> None:
    assert errors_of(braze, name, {**COMMON, **GOOD[name], "metadata": {"any": "thing"}}) == []
    assert braze.profile()["events"][0]["name"] == name
    assert braze.stats()["data_points"]["total"] == 0


@pytest.mark.parametrize(
    ("name", "missing"), [(name, missing) for name, good in GOOD.items() for missing in {**COMMON, **good}]
)
def test_a_missing_property_discards_the_event(braze: Client, name: str, missing: str) -> None:
    properties = {key: value for key, value in {**COMMON, **GOOD[name]}.items() if key != missing}
    assert errors_of(braze, name, properties) == [
        f"The property '#/' did not contain a required property of '{missing}'"
    ]
    assert braze.profiles() == []


ORDER = {**COMMON, **GOOD["ecommerce.order_placed"]}
BROKEN = [
    (
        {"sku_abcd": 1},
        ["The property '#/' contains additional properties [\"sku_abcd\"] outside of the schema when none are allowed"],
    ),
    ({"total_value": "9"}, ["The property '#/total_value' of type string did not match the following type: number"]),
    ({"total_value": True}, ["The property '#/total_value' of type boolean did not match the following type: number"]),
    ({"total_value": -1}, ["The property '#/total_value' did not have a minimum value of 0, inclusively"]),
    ({"order_id": 7}, ["The property '#/order_id' of type integer did not match the following type: string"]),
    ({"order_id": None}, ["The property '#/order_id' of type null did not match the following type: string"]),
    ({"currency": "EURO"}, ["'currency' must be an ISO 4217 currency"]),
    ({"products": {}}, ["The property '#/products' of type object did not match the following type: array"]),
    ({"products": ["p1"]}, ["The property '#/products/0' of type string did not match the following type: object"]),
    (
        {"products": [{**PRODUCT, "quantity": 1.5}]},
        ["The property '#/products/0/quantity' of type number did not match the following type: integer"],
    ),
    (
        {"products": [{**PRODUCT, "colour": "red"}]},
        [
            (
                "The property '#/products/0/' contains additional properties [\"colour\"] "
                "outside of the schema when none are allowed"
            )
        ],
    ),
    (
        {"total_value": "9", "x": 1},
        [
            "The property '#/' contains additional properties [\"x\"] outside of the schema when none are allowed",
            "The property '#/total_value' of type string did not match the following type: number",
        ],
    ),
]


@pytest.mark.parametrize(("change", "errors"), BROKEN, ids=lambda value: str(value)[:50])
def test_a_broken_property_discards_the_event(braze: Client, change: dict[str, Any], errors: list[str]) -> None:
    assert errors_of(braze, "ecommerce.order_placed", {**ORDER, **change}) == errors
    assert braze.profiles() == []


def test_several_errors_share_one_index_and_the_others_go_through(braze: Client) -> None:
    bad = {"external_id": "p", "name": "ecommerce.order_placed", "time": "2026-01-01", "properties": {}}
    answer = braze.track(events=[bad, event("2026-01-01")])
    assert answer.status_code == 201
    assert answer.json()["events_processed"] == 1
    assert {error["index"] for error in answer.json()["errors"]} == {0}
    assert len(answer.json()["errors"]) == 5
    assert braze.stats()["rejected"]["events"] == 1


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"action": "add", "total_value": ...}, 0),
        ({"action": "remove", "total_value": ...}, 0),
        ({"action": "replace", "total_value": ...}, 1),
        ({"action": "empty"}, 1),
    ],
    ids=str,
)
def test_a_cart_says_its_total_unless_it_adds_or_removes(braze: Client, change: dict[str, Any], errors: int) -> None:
    merged = {**COMMON, **GOOD["ecommerce.cart_updated"], **change}
    properties = {key: value for key, value in merged.items() if value is not ...}
    assert len(errors_of(braze, "ecommerce.cart_updated", properties)) == errors


@pytest.mark.parametrize("name", ["ecommerce.Order_Placed", "ecommerce.order_shipped", "order_placed"])
def test_a_near_miss_of_a_name_is_an_ordinary_event(braze: Client, name: str) -> None:
    assert errors_of(braze, name, {"anything": 1}) == []
    assert braze.stats()["data_points"]["events"] == {name: 1}
