"""Which objects are refused, one by one, and how that is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

GROUP = "12345678-1234-1234-1234-123456789abc"
REQUIRED = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
ONE_ONLY = "only one of 'external_id', 'braze_id' or 'user_alias' may be provided"
BAD_ALIAS = "'user_alias' must have an 'alias_name' and an 'alias_label'"
ALIAS = {"alias_name": "n", "alias_label": "l"}
NOTHING_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("not an object", "must be an object"),
        (None, "must be an object"),
        ({"a": 1}, REQUIRED),
        ({"external_id": None, "a": 1}, REQUIRED),
        ({"external_id": "", "a": 1}, REQUIRED),
        ({"external_id": True}, REQUIRED),
        ({"external_id": ["p"]}, REQUIRED),
        ({"email": None, "a": 1}, REQUIRED),
        ({"external_id": "p", "braze_id": "b"}, ONE_ONLY),
        ({"external_id": "p", "user_alias": ALIAS}, ONE_ONLY),
        ({"braze_id": "b", "user_alias": ALIAS}, ONE_ONLY),
        ({"user_alias": "n"}, BAD_ALIAS),
        ({"user_alias": {"alias_name": "n"}}, BAD_ALIAS),
        ({"user_alias": {"alias_name": "", "alias_label": "l"}}, BAD_ALIAS),
        ({"external_id": "x" * 988}, "EXTERNAL_USER_ID_TOO_LARGE"),
        ({"external_id": "ü" * 494}, "EXTERNAL_USER_ID_TOO_LARGE"),
        ({"external_id": "the dummy"}, "BLACKLISTED_EXTERNAL_USER_ID"),
        ({"external_id": "p", "email": ""}, "EMAIL_BAD_FORMAT"),
        ({"external_id": "p", "email": "no address"}, "EMAIL_BAD_FORMAT"),
        ({"external_id": "p", "email": "a@b"}, "EMAIL_BAD_FORMAT"),
        ({"external_id": "p", "email": "a@@b.com"}, "EMAIL_BAD_FORMAT"),
        ({"external_id": "p", "email": 5}, "EMAIL_BAD_FORMAT"),
        ({"email": "no address"}, "EMAIL_BAD_FORMAT"),
        ({"phone": "12"}, "The value provided for the 'phone' field is not a valid phone number."),
        ({"external_id": "p", "email_subscribe": "yes"}, "BAD_EMAIL_SUBSCRIPTION_STATE"),
        ({"external_id": "p", "push_subscribe": True}, "BAD_PUSH_SUBSCRIPTION_STATE"),
        ({"external_id": "p", "subscription_groups": {}}, "BAD_SUBSCRIPTION_GROUP_ARRAY"),
        ({"external_id": "p", "subscription_groups": ["g"]}, "BAD_SUBSCRIPTION_GROUP_HASH"),
        ({"external_id": "p", "subscription_groups": [{"subscription_group_id": "g"}]}, "BAD_SUBSCRIPTION_GROUP_ID"),
        (
            {
                "external_id": "p",
                "subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": "opted_in"}],
            },
            "BAD_SUBSCRIPTION_GROUP_STATE",
        ),
        ({"external_id": "p", "email_subscription_info": {}}, "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO"),
        ({"external_id": "p", "current_location": "Berlin"}, "BAD_LOCATION_UPDATE"),
        ({"external_id": "p", "current_location": {"longitude": 13.4}}, "BAD_LOCATION_UPDATE"),
        ({"external_id": "p", "current_location": {"longitude": "13", "latitude": "52"}}, "BAD_LOCATION_UPDATE"),
        ({"external_id": "p", "current_location": {"longitude": 13, "latitude": 91}}, "BAD_LOCATION_UPDATE"),
        ({"external_id": "p", "push_tokens": "t"}, "BAD_PUSH_TOKEN_VALUE"),
        ({"external_id": "p", "push_tokens": ["t"]}, "BAD_PUSH_TOKEN_VALUE"),
        ({"external_id": "p", "push_tokens": [{"app_id": "a"}]}, "BAD_PUSH_TOKEN_STRING"),
        ({"external_id": "p", "push_tokens": [{"token": "t"}]}, "BAD_PUSH_TOKEN_APP_ID"),
        (
            {"external_id": "p", "push_tokens": [{"token": "t", "app_id": "a", "device_id": "short"}]},
            "BAD_DEVICE_ID",
        ),
        (
            {"external_id": "p", "push_token_import": True, "push_tokens": [{"token": "t", "app_id": "a"}]},
            "BAD_PUSH_TOKEN_IMPORT",
        ),
    ],
    ids=str,
)
def test_a_bad_attributes_object_is_refused(braze: Client, item: Any, error: str) -> None:
    braze.settings(blacklisted_external_ids=["the dummy"])
    answer = braze.track(attributes=[{"external_id": "good"}, item])
    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "attributes_processed": 1,
        "errors": [{"type": error, "input_array": "attributes", "index": 1}],
    }
    assert [profile["external_id"] for profile in braze.profiles()] == ["good"]


@pytest.mark.parametrize(
    "item",
    [
        {"external_id": "x" * 987},
        {"external_id": 1},
        {"external_id": "p", "email": None},
        {"external_id": "p", "email": "A.b+c@example.co.uk"},
        {"external_id": "p", "current_location": {"longitude": 13.4, "latitude": 52.5}},
        {"external_id": "p", "current_location": None},
        {"external_id": "p", "email_subscribe": "opted_in", "push_subscribe": "unsubscribed"},
        {
            "external_id": "p",
            "subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": "subscribed"}],
        },
        {"external_id": "p", "push_tokens": [{"token": "t", "app_id": "a", "device_id": "long enough"}]},
        {"push_token_import": True, "push_tokens": [{"token": "t", "app_id": "a"}]},
        {"email": "a@example.com"},
        {"phone": "+49 30 123456"},
        {"phone": "(202) 555-0100"},
    ],
    ids=str,
)
def test_a_good_attributes_object_is_accepted(braze: Client, item: dict[str, Any]) -> None:
    assert braze.attributes(item).json() == {"message": "success", "attributes_processed": 1}
    assert len(braze.profiles()) == 1


def event(**changes: Any) -> dict[str, Any]:
    item = {"external_id": "p", "name": "opened", "time": "2026-01-02T03:04:05Z", **changes}
    return {name: value for name, value in item.items() if value is not ...}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (event(external_id=...), REQUIRED),
        (event(name=...), "'name' is required"),
        (event(name=""), "'name' is required"),
        (event(name=5), "'name' is required"),
        (event(name="x" * 256), "'name' is required"),
        (event(time=...), "'time' is required"),
        (event(time=""), "'time' is required"),
        (event(time="yesterday"), "'time' is not valid"),
        (event(time=1700000000), "'time' is not valid"),
        (event(properties=[]), "Invalid 'properties' field"),
        (event(properties={"time": 1}), "Invalid 'properties' field"),
        (event(properties={"event_name": 1}), "Invalid 'properties' field"),
        (event(properties={"$a": 1}), "Invalid 'properties' field"),
        (event(properties={"": 1}), "Invalid 'properties' field"),
        (event(properties={"x" * 256: 1}), "Invalid 'properties' field"),
        (event(properties={"a": "x" * 102_400}), "Invalid 'properties' field"),
    ],
    ids=lambda value: str(value)[:80],
)
def test_a_bad_event_is_refused(braze: Client, item: dict[str, Any], error: str) -> None:
    answer = braze.track(events=[item, event()])
    assert answer.json()["events_processed"] == 1
    assert answer.json()["errors"] == [{"type": error, "input_array": "events", "index": 0}]


@pytest.mark.parametrize(
    "item",
    [
        event(time="2026-01-02"),
        event(time="2019-02-15 00:00:00 -0500"),
        event(properties=None),
        event(properties={"price": 1, "product_id": "x", "nested": {"a": [1]}}),
        event(app_id="an app"),
    ],
    ids=str,
)
def test_a_good_event_is_accepted(braze: Client, item: dict[str, Any]) -> None:
    assert braze.track(events=[item]).json() == {"message": "success", "events_processed": 1}


def purchase(**changes: Any) -> dict[str, Any]:
    item = {"external_id": "p", "product_id": "s", "currency": "EUR", "price": 9.5, "time": "2026-01-02", **changes}
    return {name: value for name, value in item.items() if value is not ...}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (purchase(external_id=...), REQUIRED),
        (purchase(product_id=...), "'product_id' is required"),
        (purchase(product_id=7), "'product_id' is not valid"),
        (purchase(product_id="x" * 256), "'product_id' is not valid"),
        (purchase(price=...), "'price' is required"),
        (purchase(price="9.5"), "'price' is not valid"),
        (purchase(price=True), "'price' is not valid"),
        (purchase(currency=...), "'currency' must be an ISO 4217 currency"),
        (purchase(currency="EURO"), "'currency' must be an ISO 4217 currency"),
        (purchase(currency="ZZZ"), "'currency' must be an ISO 4217 currency"),
        (purchase(quantity=0), "'quantity' is not valid"),
        (purchase(quantity=101), "'quantity' is not valid"),
        (purchase(quantity=1.5), "'quantity' is not valid"),
        (purchase(quantity="2"), "'quantity' is not valid"),
        (purchase(time=...), "'time' is required"),
        (purchase(time="never"), "'time' is not valid"),
        *[
            (purchase(properties={name: 1}), "Invalid 'properties' field")
            for name in ("time", "product_id", "quantity", "event_name", "price", "currency")
        ],
    ],
    ids=lambda value: str(value)[:80],
)
def test_a_bad_purchase_is_refused(braze: Client, item: dict[str, Any], error: str) -> None:
    answer = braze.track(purchases=[purchase(), item])
    assert answer.json()["purchases_processed"] == 1
    assert answer.json()["errors"] == [{"type": error, "input_array": "purchases", "index": 1}]


def test_a_refund_and_a_hundred_pieces_are_fine(braze: Client) -> None:
    answer = braze.track(purchases=[purchase(price=-3), purchase(quantity=100), purchase(quantity=1)])
    assert answer.json() == {"message": "success", "purchases_processed": 3}


def test_a_counter_is_there_only_for_arrays_with_something_valid(braze: Client) -> None:
    answer = braze.track(events=[event(), event(name=...)], purchases=[purchase(quantity=0)])
    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "events_processed": 1,
        "errors": [
            {"type": "'name' is required", "input_array": "events", "index": 1},
            {"type": "'quantity' is not valid", "input_array": "purchases", "index": 0},
        ],
    }


def test_nothing_valid_is_400_with_all_errors(braze: Client) -> None:
    answer = braze.track(attributes=[{"external_id": "p", "email": ""}], events=[event(name=...)])
    assert answer.status_code == 400
    assert answer.json() == {
        "message": NOTHING_VALID,
        "errors": [
            {"type": "EMAIL_BAD_FORMAT", "input_array": "attributes", "index": 0},
            {"type": "'name' is required", "input_array": "events", "index": 0},
        ],
    }
    assert braze.profiles() == []


@pytest.mark.parametrize("body", [{}, {"attributes": []}, {"partner": "x"}], ids=str)
def test_nothing_at_all_is_400(braze: Client, body: dict[str, Any]) -> None:
    answer = braze.track(**body)
    assert (answer.status_code, answer.json()) == (400, {"message": NOTHING_VALID})


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"external_id": "p", "email": ""}, "The value provided for the 'email' field is not a valid email."),
        ({"external_id": "x" * 988}, "'external_id' must be fewer than 988 bytes"),
        ({"external_id": "dummy"}, "provided external_id is blacklisted and disallowed"),
        ({"external_id": "p", "push_subscribe": 1}, "BAD_PUSH_SUBSCRIPTION_STATE"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_errors_can_be_sentences(braze: Client, item: dict[str, Any], sentence: str) -> None:
    braze.settings(error_style="sentence", blacklisted_external_ids=["dummy"])
    assert [error["type"] for error in braze.attributes(item).json()["errors"]] == [sentence]
