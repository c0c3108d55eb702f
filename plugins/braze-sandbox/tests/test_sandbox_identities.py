"""Whom an object is about, and when a profile is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

ALIAS = {"alias_name": "n", "alias_label": "l"}


@pytest.mark.parametrize("flag", [{}, {"_update_existing_only": False}], ids=str)
def test_an_unknown_external_id_makes_a_profile(braze: Client, flag: dict[str, Any]) -> None:
    braze.attributes({"external_id": "p", "a": 1, **flag})
    assert braze.values() == {"a": 1}


def test_a_known_external_id_finds_its_profile(braze: Client) -> None:
    braze.attributes({"external_id": "p", "a": 1})
    braze.attributes({"external_id": "p", "b": 2}, {"external_id": "p", "a": 3})
    assert braze.values() == {"a": 3, "b": 2}
    assert len(braze.profiles()) == 1


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a\x00b", "ü", " a ", "a,b", "%", "[1]"], ids=repr)
def test_an_external_id_may_be_any_string(braze: Client, name: str) -> None:
    for n in range(2):
        braze.attributes({"external_id": name, "n": n})
    assert [(profile["external_id"], profile["attributes"]) for profile in braze.profiles()] == [(name, {"n": 1})]


def test_external_ids_are_case_sensitive_strings(braze: Client) -> None:
    braze.attributes({"external_id": "a"}, {"external_id": "A"}, {"external_id": 1}, {"external_id": "1"})
    assert [profile["external_id"] for profile in braze.profiles()] == ["a", "A", "1"]


@pytest.mark.parametrize(
    "identity",
    [
        {"external_id": "p"},
        {"user_alias": ALIAS},
        {"braze_id": "b"},
        {"email": "a@example.com"},
        {"phone": "+4930123456"},
    ],
    ids=str,
)
def test_update_existing_only_makes_nobody_and_reports_success(braze: Client, identity: dict[str, Any]) -> None:
    answer = braze.attributes({**identity, "a": 1, "_update_existing_only": True})
    assert (answer.status_code, answer.json()) == (201, {"message": "success", "attributes_processed": 1})
    assert braze.profiles() == []
    assert braze.stats()["missed"] == 1
    assert braze.stats()["data_points"]["total"] == 0


def test_update_existing_only_updates_who_is_there(braze: Client) -> None:
    braze.attributes({"external_id": "p", "a": 1})
    braze.attributes({"external_id": "p", "a": 2, "_update_existing_only": True})
    assert braze.values() == {"a": 2}


@pytest.mark.parametrize(
    ("flag", "profiles"),
    [({}, 0), ({"_update_existing_only": True}, 0), ({"_update_existing_only": False}, 1)],
    ids=str,
)
def test_an_alias_makes_a_profile_only_if_told(braze: Client, flag: dict[str, Any], profiles: int) -> None:
    assert braze.attributes({"user_alias": ALIAS, "a": 1, **flag}).status_code == 201
    assert len(braze.profiles()) == profiles


def test_an_alias_finds_its_profile_by_label_and_name(braze: Client) -> None:
    braze.attributes({"user_alias": ALIAS, "a": 1, "_update_existing_only": False})
    braze.attributes({"user_alias": ALIAS, "a": 2}, {"user_alias": {**ALIAS, "alias_name": "N"}, "a": 3})
    (profile,) = braze.profiles()
    assert profile["attributes"] == {"a": 2}
    assert profile["user_aliases"] == [ALIAS]
    assert braze.profiles(**ALIAS) == [profile]


def test_a_braze_id_finds_and_never_makes(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    braze_id = braze.profile()["braze_id"]
    braze.attributes({"braze_id": braze_id, "a": 1}, {"braze_id": "f" * 24, "a": 2, "_update_existing_only": False})
    assert braze.values() == {"a": 1}
    assert len(braze.profiles()) == 1


def test_an_unknown_email_makes_an_email_only_profile(braze: Client) -> None:
    braze.attributes({"email": "Ada@Example.com", "a": 1})
    braze.attributes({"email": "ada@example.COM", "b": 2})
    (profile,) = braze.profiles()
    assert profile["external_id"] is None
    assert profile["user_aliases"] == []
    assert profile["attributes"] == {"email": "ada@example.com", "a": 1, "b": 2}


def test_email_goes_before_phone_which_becomes_an_attribute(braze: Client) -> None:
    braze.attributes({"external_id": "by phone", "phone": "+4930123456"})
    braze.attributes({"email": "a@example.com", "phone": "+49 30 123456", "a": 1})
    assert braze.values("by phone") == {"phone": "+4930123456"}
    (other,) = braze.profiles(email="a@example.com")
    assert other["attributes"] == {"email": "a@example.com", "phone": "+4930123456", "a": 1}


def test_a_phone_finds_its_profile(braze: Client) -> None:
    braze.attributes({"external_id": "p", "phone": "+1 (202) 555-0100"})
    braze.attributes({"phone": "202 555 0100", "a": 1})
    assert braze.values() == {"phone": "+12025550100", "a": 1}


def test_an_email_prefers_who_has_an_external_id_then_who_was_updated_last(braze: Client) -> None:
    email = "a@example.com"
    braze.attributes({"email": email, "who": "email only"})
    braze.attributes({"external_id": "old", "email": email})
    braze.attributes({"external_id": "new", "email": email})
    braze.attributes({"email": email, "hit": 1})
    assert "hit" in braze.values("new")
    braze.attributes({"external_id": "old", "touched": True})
    braze.attributes({"email": email, "hit": 2})
    assert braze.values("old")["hit"] == 2
    assert braze.values("new")["hit"] == 1


def test_a_new_external_id_with_a_known_email_makes_a_second_profile(braze: Client) -> None:
    braze.attributes({"email": "a@example.com"})
    braze.attributes({"external_id": "p", "email": "a@example.com"})
    assert len(braze.profiles(email="a@example.com")) == 2


def test_an_external_id_beside_an_email_is_the_one_that_counts(braze: Client) -> None:
    braze.attributes({"external_id": "p", "email": "a@example.com"})
    braze.attributes({"external_id": "p", "email": "b@example.com"})
    assert braze.values() == {"email": "b@example.com"}
    assert braze.profiles(email="a@example.com") == []


def test_identifiers_are_no_attributes_and_null_takes_none_away(braze: Client) -> None:
    braze.attributes({"user_alias": ALIAS, "external_id": None, "a": 1, "_update_existing_only": False})
    (profile,) = braze.profiles()
    assert profile["attributes"] == {"a": 1}


def test_who_is_made_by_one_object_is_found_by_the_next_of_the_request(braze: Client) -> None:
    braze.track(
        attributes=[{"email": "a@example.com"}, {"email": "a@example.com", "a": 1}],
        events=[{"email": "a@example.com", "name": "e", "time": "2026-01-01"}],
    )
    (profile,) = braze.profiles()
    assert (profile["attributes"]["a"], profile["events"][0]["count"]) == (1, 1)


def test_a_subscription_state_is_given_to_everyone_with_the_address(braze: Client) -> None:
    email = "a@example.com"
    braze.attributes({"external_id": "p", "email": email}, {"external_id": "q", "email": email})
    braze.attributes({"external_id": "p", "email_subscribe": "unsubscribed"})
    assert braze.values("q")["email_subscribe"] == "unsubscribed"
