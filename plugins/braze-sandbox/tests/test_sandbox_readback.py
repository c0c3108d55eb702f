"""`POST /users/export/ids` and `GET /custom_attributes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.testing import Client

ALIAS = {"alias_name": "n", "alias_label": "l"}


def export(braze: Client, **body: Any) -> dict[str, Any]:
    answer = braze.post("/users/export/ids", body)
    assert answer.status_code == 201, answer.text
    exported: dict[str, Any] = answer.json()
    return exported


@pytest.fixture
def person(braze: Client) -> Client:
    braze.track(
        attributes=[
            {
                "user_alias": ALIAS,
                "email": "A@example.com",
                "phone": "+4930123456",
                "tier": "gold",
                "old": 1,
                "_update_existing_only": False,
            },
            {"user_alias": ALIAS, "old": None},
        ],
        events=[{"user_alias": ALIAS, "name": "e", "time": "2026-01-01T00:00:00Z"}],
        purchases=[
            {
                "user_alias": ALIAS,
                "product_id": "s",
                "currency": "EUR",
                "price": 2.5,
                "quantity": 2,
                "time": "2026-01-02T00:00:00Z",
            }
        ],
    )
    return braze


def test_an_export_has_all_that_has_a_value(person: Client) -> None:
    (user,) = export(person, user_aliases=[ALIAS])["users"]
    assert user.pop("braze_id")
    assert user.pop("created_at").endswith("Z")
    assert user == {
        "user_aliases": [ALIAS],
        "email": "a@example.com",
        "phone": "+4930123456",
        "custom_attributes": {"tier": "gold"},
        "custom_events": [
            {"name": "e", "first": "2026-01-01T00:00:00.000Z", "last": "2026-01-01T00:00:00.000Z", "count": 1}
        ],
        "purchases": [
            {"name": "s", "first": "2026-01-02T00:00:00.000Z", "last": "2026-01-02T00:00:00.000Z", "count": 2}
        ],
        "total_revenue": 5,
    }


@pytest.mark.parametrize(
    "query",
    [
        lambda profile: {"user_aliases": [ALIAS]},  # noqa: ARG005
        lambda profile: {"email_address": "a@EXAMPLE.com"},  # noqa: ARG005
        lambda profile: {"phone": "+49 30 123456"},  # noqa: ARG005
        lambda profile: {"braze_id": profile["braze_id"]},
    ],
    ids=["user_aliases", "email_address", "phone", "braze_id"],
)
def test_people_are_found_by_any_identifier(person: Client, query: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    (profile,) = person.profiles()
    assert [user["braze_id"] for user in export(person, **query(profile))["users"]] == [profile["braze_id"]]


def test_unknown_ids_are_named(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    answer = export(braze, external_ids=["p", "q"], user_aliases=[ALIAS])
    assert answer["message"] == "success"
    assert [user["external_id"] for user in answer["users"]] == ["p"]
    assert answer["invalid_user_ids"] == ["q", ALIAS]
    assert "invalid_user_ids" not in export(braze, external_ids=["p"])


def test_only_the_fields_asked_for(person: Client) -> None:
    (user,) = export(person, user_aliases=[ALIAS], fields_to_export=["email", "first_name", "custom_attributes"])[
        "users"
    ]
    assert user == {"email": "a@example.com", "custom_attributes": {"tier": "gold"}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'external_ids', 'user_aliases', 'braze_id', 'email_address' or 'phone' is required"),
        ({"external_ids": "p"}, "'external_ids' and 'user_aliases' must be arrays of identifiers"),
        ({"user_aliases": ["n"]}, "'external_ids' and 'user_aliases' must be arrays of identifiers"),
        ({"external_ids": ["p"], "fields_to_export": "email"}, "'fields_to_export' must be an array of strings"),
        ({"external_ids": [str(n) for n in range(51)]}, "a single request may not contain more than 50 ids"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_export_is_400(braze: Client, body: dict[str, Any], message: str) -> None:
    answer = braze.post("/users/export/ids", body)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_fields_to_export_can_be_required(braze: Client) -> None:
    braze.settings(require_fields_to_export=True)
    assert braze.post("/users/export/ids", {"external_ids": ["p"]}).status_code == 400
    assert export(braze, external_ids=["p"], fields_to_export=["email"])["invalid_user_ids"] == ["p"]


@pytest.mark.parametrize("scopes", [["users.track"], []], ids=str)
def test_read_back_needs_its_scopes(braze: Client, scopes: list[str]) -> None:
    braze.settings(scopes=scopes)
    assert braze.post("/users/export/ids", {"external_ids": ["p"]}).status_code == 403
    assert braze.get("/custom_attributes").status_code == 403


def test_attributes_come_fifty_at_a_time_by_name(braze: Client) -> None:
    names = [f"attribute_{n:03d}" for n in range(120)]
    braze.attributes({"external_id": "p", **dict.fromkeys(reversed(names), 1)})
    pages, address = [], f"{braze.address}/custom_attributes"
    while address:
        answer = braze.get(address.removeprefix(braze.address))
        pages.append([attribute["name"] for attribute in answer.json()["attributes"]])
        address = answer.links.get("next", {}).get("url", "")
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [name for page in pages for name in page] == names


def test_forced_and_blocklisted_attributes_are_listed_as_such(braze: Client) -> None:
    braze.settings(forced_types={"a": "boolean"}, blocklist=["b"])
    braze.attributes({"external_id": "p", "a": "t", "c": "x"})
    listed = braze.get("/custom_attributes").json()["attributes"]
    assert [(each["name"], each["data_type"], each["status"]) for each in listed] == [
        ("a", "Boolean", "Active"),
        ("b", "String", "Blocklisted"),
        ("c", "String", "Active"),
    ]


def test_standard_fields_are_no_custom_attributes(braze: Client) -> None:
    braze.attributes({"external_id": "p", "first_name": "Ada"})
    assert braze.get("/custom_attributes").json() == {"message": "success", "attributes": []}


@pytest.mark.parametrize("cursor", ["x", "c2tpcA==", "____"])
def test_a_bad_cursor_is_400(braze: Client, cursor: str) -> None:
    assert braze.get("/custom_attributes", cursor=cursor).status_code == 400
