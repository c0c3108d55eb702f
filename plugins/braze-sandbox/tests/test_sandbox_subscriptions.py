"""Subscription groups: set in two versions and inside attributes, shared by address, waiting, and read back."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.braze import Braze
from braze_sandbox.outcome import Outcome
from braze_sandbox.store import WorkingSet
from braze_sandbox.subscriptions import WAITING, WAITING_SECONDS, inherit

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Client

GROUP, OTHER = (f"3f2a0000-0000-4000-8000-00000000000{n}" for n in (1, 2))
V1, V2 = "/subscription/status/set", "/v2/subscription/status/set"
EMAIL = "a@example.com"
PHONE = "+4930123456"


def group(state: str = "subscribed", **people: Any) -> dict[str, Any]:
    return {"subscription_group_id": GROUP, "subscription_state": state, **people}


def posted(braze: Client, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
    answer = braze.post(path, body)
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


@pytest.mark.parametrize(
    ("people", "kind"),
    [
        pytest.param("p", "external_id", id="external id"),
        pytest.param(["p"], "external_id", id="external ids"),
        pytest.param("A@Example.com", "email", id="e-mail"),
        pytest.param([EMAIL], "email", id="e-mails"),
        pytest.param(PHONE, "phone", id="phone"),
        pytest.param([PHONE], "phone", id="phones"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_state_is_set_by_any_identifier(braze: Client, people: Any, kind: str, version: int) -> None:
    braze.attributes({"external_id": "p", "email": EMAIL, "phone": PHONE}, {"external_id": "q"})
    for state in ("subscribed", "unsubscribed"):
        if version == 1:
            said = posted(braze, V1, group(state, **{kind: people}))
        else:
            said = posted(braze, V2, {"subscription_groups": [group(state, **{f"{kind}s": people})]})
        assert said == {"message": "success"}
        assert braze.subscriptions() == {GROUP: state}
    assert braze.subscriptions("q") == {}


REFUSED = [
    pytest.param({"external_id": "p"}, "Invalid subscription group ID", id="no group"),
    pytest.param(
        {"subscription_group_id": "non-existing", "subscription_state": "subscribed", "external_id": "p"},
        "Invalid subscription group ID",
        id="no such group",
    ),
    pytest.param(group("opted_in", external_id="p"), "'subscription_state' must be", id="no such state"),
    pytest.param(group(), "'external_id', 'email' or 'phone' is required", id="nobody"),
    pytest.param(group(external_id=[]), "'external_id', 'email' or 'phone' is required", id="empty"),
    pytest.param(
        group(email=EMAIL, phone=PHONE),
        "Either an email address or a phone number should be provided, but not both.",
        id="e-mail and phone",
    ),
    pytest.param(group(external_id=1), "'external_id' must be an array of strings", id="a number"),
    pytest.param(group(external_id=[1]), "'external_id' must be an array of strings", id="numbers"),
    pytest.param(group(external_id=[str(n) for n in range(51)]), "not contain more than 50 'external_id'", id="51"),
    pytest.param(group(email=["a"]), "Invalid email address", id="no e-mail"),
    pytest.param(group(phone=["030 123456"]), "Phone numbers must be in E.164 format", id="not E.164"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_version_1_refuses(braze: Client, body: dict[str, Any], message: str) -> None:
    braze.attributes({"external_id": "p"})
    assert message in posted(braze, V1, body, 400)["message"]
    assert braze.subscriptions() == {}


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_version_2_refuses_all_if_one_is_bad(braze: Client, body: dict[str, Any], message: str) -> None:
    braze.attributes({"external_id": "p"})
    bad = {f"{name}s" if name in {"external_id", "email", "phone"} else name: each for name, each in body.items()}
    message = re.sub(r"'(external_id|email|phone)'", r"'\1s'", message)
    said = posted(braze, V2, {"subscription_groups": [group(external_ids=["p"]), bad]}, 400)
    assert message in said["message"]
    assert braze.subscriptions() == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({}, "'subscription_groups' must be an array of objects", id="none"),
        pytest.param({"subscription_groups": []}, "'subscription_groups' must be an array of objects", id="empty"),
        pytest.param({"subscription_groups": ["g"]}, "'subscription_groups' must be an array of objects", id="texts"),
        pytest.param(
            {"subscription_groups": [group(emails=[EMAIL]), group(phones=[PHONE])]},
            "Either an email address or a phone number should be provided, but not both.",
            id="e-mails and phones in different objects",
        ),
    ],
)
def test_version_2_refuses_a_body(braze: Client, body: dict[str, Any], message: str) -> None:
    assert posted(braze, V2, body, 400) == {"message": message}


def test_only_groups_that_there_are(braze: Client) -> None:
    braze.settings(subscription_groups={GROUP: "email", "newsletter": "sms"})
    braze.attributes({"external_id": "p"})
    posted(braze, V1, {**group(external_id="p"), "subscription_group_id": OTHER}, 400)
    posted(braze, V1, {**group(external_id="p"), "subscription_group_id": "newsletter"})
    other = {"subscription_group_id": OTHER, "subscription_state": "subscribed"}
    answer = braze.attributes({"external_id": "q", "subscription_groups": [other]})
    assert answer.json()["errors"][0]["type"] == "BAD_SUBSCRIPTION_GROUP_ID"
    assert braze.attributes({"external_id": "q", "subscription_groups": [group()]}).status_code == 201


@pytest.mark.parametrize(
    ("channel", "reached"),
    [("email", {"p", "same e-mail"}), ("sms", {"p", "same phone"}), ("whatsapp", {"p", "same phone"})],
)
@pytest.mark.parametrize("way", ["external_id", "attributes"])
def test_people_who_share_an_address_share_the_state(braze: Client, channel: str, reached: set[str], way: str) -> None:
    braze.settings(subscription_groups={GROUP: channel})
    braze.attributes(
        {"external_id": "p", "email": EMAIL, "phone": PHONE},
        {"external_id": "same e-mail", "email": EMAIL},
        {"external_id": "same phone", "phone": PHONE},
        {"external_id": "other"},
    )
    if way == "attributes":
        braze.attributes({"external_id": "p", "subscription_groups": [group("unsubscribed")]})
    else:
        posted(braze, V1, group("unsubscribed", external_id="p"))
    found = {each["external_id"] for each in braze.profiles() if each["subscription_groups"] == {GROUP: "unsubscribed"}}
    assert found == reached


def test_attributes_change_the_groups_they_name_and_no_others(braze: Client) -> None:
    braze.attributes(
        {"external_id": "p", "a": 1, "subscription_groups": [group(), {**group(), "subscription_group_id": OTHER}]}
    )
    braze.attributes({"external_id": "p", "subscription_groups": [group("unsubscribed")]})
    assert braze.subscriptions() == {GROUP: "unsubscribed", OTHER: "subscribed"}
    assert braze.values() == {"a": 1}


def test_who_gets_an_address_in_the_same_object_shares_its_state(braze: Client) -> None:
    braze.attributes({"external_id": "p", "email": EMAIL})
    braze.attributes({"external_id": "q", "subscription_groups": [group()], "email": EMAIL})
    assert braze.subscriptions() == {GROUP: "subscribed"}


@pytest.mark.parametrize(("kind", "value"), [("email", EMAIL), ("phone", PHONE)])
def test_a_state_waits_for_somebody_with_the_address(braze: Client, kind: str, value: str) -> None:
    posted(braze, V2, {"subscription_groups": [group("unsubscribed", **{f"{kind}s": [value]})]})
    assert braze.profiles() == []
    braze.attributes({"external_id": "p", kind: value}, {"external_id": "q"})
    assert braze.subscriptions() == {GROUP: "unsubscribed"}
    assert braze.subscriptions("q") == {}
    braze.attributes({"external_id": "later", kind: value})
    assert braze.subscriptions("later") == {}


def test_what_somebody_says_at_once_counts_more_than_what_waited(braze: Client) -> None:
    posted(braze, V1, group("unsubscribed", email=EMAIL))
    braze.attributes({"external_id": "p", "email": EMAIL, "subscription_groups": [group("subscribed")]})
    assert braze.subscriptions() == {GROUP: "subscribed"}


def test_a_state_does_not_reach_who_was_there_before(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    posted(braze, V1, group(email=EMAIL))
    braze.attributes({"external_id": "p", "email": EMAIL})
    assert braze.subscriptions() == {}


@pytest.mark.parametrize(("age", "states"), [(WAITING_SECONDS, 1), (WAITING_SECONDS + 1, 0)])
def test_a_state_waits_thirty_days(tmp_path: Path, age: float, states: int) -> None:
    braze = Braze(tmp_path / "sandbox.sqlite")
    with braze.transaction():
        braze.shelves.put(WAITING, f"email:{EMAIL}", {GROUP: ("subscribed", 1000.0)})
        people = WorkingSet(braze.store)
        profile = people.made(None, 1000.0 + age)
        profile.standard["email"] = EMAIL
        inherit(braze, people, Outcome(), 1000.0 + age)
        people.write()
    assert len(profile.groups) == states
    braze.close()
    assert sqlite3.connect(tmp_path / "sandbox.sqlite").execute("SELECT COUNT(*) FROM shelves").fetchone() == (0,)


def test_an_external_id_that_nobody_has_is_left_out(braze: Client) -> None:
    posted(braze, V1, group(external_id=["nobody"]))
    braze.attributes({"external_id": "nobody"})
    assert braze.subscriptions("nobody") == {}


def test_states_are_read_back_as_recorded_answers_have_them(braze: Client) -> None:
    braze.attributes(*({"external_id": name, "email": f"{name}@example.com"} for name in ("p", "q", "r")))
    posted(braze, V1, group(external_id=["p"]))
    posted(braze, V1, group("unsubscribed", external_id=["q"]))
    ids = {"external_id[]": ["p", "q", "r", "nobody"]}
    assert braze.get("/subscription/status/get", subscription_group_id=GROUP, **ids).json() == {
        "status": {"p": "Subscribed", "q": "Unsubscribed", "r": "unknown", "nobody": "unknown"},
        "message": "success",
    }
    said = braze.get("/subscription/user/status", **ids).json()
    assert (said["total_count"], said["message"]) == (3, "success")
    assert said["users"][0] == {
        "email": "p@example.com",
        "phone": None,
        "external_id": "p",
        "subscription_groups": [{"id": GROUP, "name": GROUP, "channel": "email", "status": "Subscribed"}],
    }
    assert said["users"][2]["subscription_groups"] == []
    one = braze.get("/subscription/status/get", subscription_group_id=GROUP, email="Q@example.com")
    assert one.json()["status"] == {"q@example.com": "Unsubscribed"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param({"external_id": "p"}, "Invalid subscription group ID", id="no group"),
        pytest.param({"subscription_group_id": GROUP}, "is required", id="nobody"),
        pytest.param({"subscription_group_id": GROUP, "email": EMAIL, "phone": PHONE}, "Either an email", id="both"),
        pytest.param({"subscription_group_id": GROUP, "external_id[]": ["p"] * 51}, "more than 50", id="51"),
        pytest.param({"subscription_group_id": GROUP, "phone": "1"}, "E.164", id="no phone"),
    ],
)
def test_a_question_is_refused(braze: Client, query: dict[str, Any], message: str) -> None:
    answer = braze.get("/subscription/status/get", **query)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


# Push tokens, which attributes carry like groups.


def token(name: str, **more: Any) -> dict[str, Any]:
    return {"app_id": "app", "token": name, **more}


def test_push_tokens_are_added_and_replaced_by_app_and_token(braze: Client) -> None:
    braze.attributes({"external_id": "p", "push_tokens": [token("t"), token("u")]})
    braze.attributes({"external_id": "p", "push_tokens": [token("t", device_id="a-device-id"), token("v")]})
    assert braze.values()["push_tokens"] == [token("t", device_id="a-device-id"), token("u"), token("v")]


def test_an_import_of_known_tokens_is_ignored_and_of_new_ones_makes_somebody(braze: Client) -> None:
    braze.attributes({"external_id": "p", "push_tokens": [token("t")]})
    imported = [{"push_token_import": True, "push_tokens": [token(name)]} for name in ("t", "new", "new")]
    assert braze.attributes(*imported).json()["attributes_processed"] == 3
    assert [each["external_id"] for each in braze.profiles()] == ["p", None]
    assert braze.stats()["dropped"] == {"push token that somebody has": 2}
