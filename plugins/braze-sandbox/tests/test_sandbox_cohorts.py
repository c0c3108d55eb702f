"""Cohorts that a partner imports: keys in the body, who joins and leaves, and what must not be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

NAME, USERS = "/partners/acme/cohorts", "/partners/acme/cohorts/users"
KEYS = {"partner_api_key": "the-partner-key", "client_secret": "the-client-secret"}
COHORT = {**KEYS, "cohort_id": "c", "name": "Big spenders", "created_at": "2026-01-21T19:20:30+05:00"}
ALIAS = {"alias_name": "n", "alias_label": "l"}


def change(braze: Client, *changes: dict[str, Any], status: int = 201, **more: Any) -> dict[str, Any]:
    answer = braze.post(USERS, {**KEYS, "cohort_id": "c", "cohort_changes": list(changes), **more})
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def members(braze: Client) -> list[str | None]:
    return braze.cohort_members("acme", "c")


def test_people_join_and_leave(braze: Client) -> None:
    braze.attributes(*({"external_id": name} for name in "pqr"))
    answer = braze.post(NAME, COHORT)
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    assert change(braze, {"user_ids": ["p", "q", "nobody"]}) == {"message": "success"}
    assert members(braze) == ["p", "q"]
    change(braze, {"user_ids": ["r"]}, {"user_ids": ["p", "nobody"], "should_remove": True})
    assert members(braze) == ["q", "r"]
    assert braze.profile("q")["cohorts"] == ["acme/c"]
    assert braze.profile("p")["cohorts"] == []
    assert braze.cohorts() == [
        {
            "partner": "acme",
            "cohort_id": "c",
            "name": "Big spenders",
            "created_at": "2026-01-21T19:20:30+05:00",
            "members": 2,
        }
    ]


def test_the_last_change_of_a_request_counts(braze: Client) -> None:
    braze.attributes({"external_id": "p"}, {"external_id": "q"})
    change(braze, {"user_ids": ["p", "q"]}, {"user_ids": ["p"], "should_remove": True}, {"user_ids": ["p"]})
    change(braze, {"user_ids": ["q"], "should_remove": True})
    assert members(braze) == ["p"]


def test_people_are_found_by_device_and_alias_too(braze: Client) -> None:
    device = {"app_id": "app", "token": "t", "device_id": "a-device-id"}
    braze.attributes({"external_id": "p", "push_tokens": [device]}, {"external_id": "q"}, {"external_id": "r"})
    braze.post("/users/alias/new", {"user_aliases": [{"external_id": "q", **ALIAS}]})
    change(braze, {"device_ids": ["a-device-id", "unknown-device"]}, {"aliases": ALIAS}, {"aliases": [ALIAS]})
    assert members(braze) == ["p", "q"]


def test_a_cohort_without_a_name_has_its_id(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    change(braze, {"user_ids": ["p"]})
    assert [(each["name"], each["members"]) for each in braze.cohorts()] == [("c", 1)]
    braze.post(NAME, COHORT)
    braze.post(NAME, {**COHORT, "name": "Renamed"})
    assert [(each["name"], each["members"]) for each in braze.cohorts()] == [("Renamed", 1)]


def test_cohorts_of_partners_are_apart(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    change(braze, {"user_ids": ["p"]})
    braze.post("/partners/other/cohorts", COHORT)
    assert (members(braze), braze.cohort_members("other", "c")) == (["p"], [])


def test_an_assignment_is_a_data_point_and_a_removal_none(braze: Client) -> None:
    braze.attributes({"external_id": "p"}, {"external_id": "q"})
    braze.post(NAME, COHORT)
    for _ in range(2):
        change(braze, {"user_ids": ["p", "nobody"]}, {"user_ids": ["q"], "should_remove": True})
    points = braze.stats()["data_points"]
    assert (points["total"], points["cohorts"]) == (2, {"Big spenders": 2})


def test_a_deleted_or_merged_profile_is_in_no_cohort(braze: Client) -> None:
    braze.attributes({"external_id": "p"}, {"external_id": "q"}, {"external_id": "kept"})
    change(braze, {"user_ids": ["p", "q"]})
    braze.post("/users/delete", {"external_ids": ["p"]})
    update = {"identifier_to_merge": {"external_id": "q"}, "identifier_to_keep": {"external_id": "kept"}}
    braze.post("/users/merge", {"merge_updates": [update]})
    assert members(braze) == []


@pytest.mark.parametrize("path", [NAME, USERS])
@pytest.mark.parametrize(
    ("settings", "keys", "message"),
    [
        pytest.param({}, {"partner_api_key": ""}, "Invalid Partner API key", id="no key"),
        pytest.param({}, {"partner_api_key": 1}, "Invalid Partner API key", id="number for a key"),
        pytest.param({"partner_api_keys": ["k"]}, {}, "Invalid Partner API key", id="wrong key"),
        pytest.param({}, {"client_secret": None}, "Invalid client secret", id="no secret"),
        pytest.param({"client_secrets": ["s"]}, {}, "Invalid client secret", id="wrong secret"),
        pytest.param(
            {"partners": ["other"]},
            {},
            "Partner not enabled for client with client secret: the-client-secret",
            id="another partner",
        ),
    ],
)
def test_keys_are_in_the_body(
    braze: Client, *, path: str, settings: dict[str, Any], keys: dict[str, Any], message: str
) -> None:
    braze.settings(api_keys=[], scopes=[], **settings)  # a bearer has nothing to do with it
    changes = {"cohort_changes": [{"user_ids": ["p"]}]}
    answer = braze.post(path, {**COHORT, **changes, **keys}, headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (401, {"message": message})
    assert braze.cohorts() == []
    good = {"partner_api_keys": ["the-partner-key"], "client_secrets": ["the-client-secret"], "partners": ["acme"]}
    braze.settings(**good)
    assert braze.post(path, {**COHORT, **changes}, headers={"Authorization": ""}).status_code == 201


@pytest.mark.parametrize(
    "body",
    [{**COHORT, "cohort_changes": []}, [KEYS], "the-partner-key the-client-secret"],
    ids=["good", "list", "text"],
)
def test_keys_are_not_recorded(braze: Client, body: Any) -> None:
    braze.settings(partners=[])
    braze.post(NAME, body)
    braze.post(USERS, body)
    recorded = braze.get("/sandbox/requests").text + braze.session.get(f"{braze.address}/requests/1", timeout=20).text
    assert "[redacted]" in recorded
    assert "the-partner-key" not in recorded
    assert "the-client-secret" not in recorded


CHANGES = "`cohort_changes` must be an array of objects each with key `user_ids` and/or `device_ids`"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"cohort_id": ""}, "`cohort_id` must be a valid string", id="no cohort"),
        pytest.param({"cohort_id": 1}, "`cohort_id` must be a valid string", id="number for a cohort"),
        pytest.param({"cohort_changes": "[]"}, CHANGES, id="text"),
        pytest.param({"cohort_changes": []}, CHANGES, id="no changes"),
        pytest.param({"cohort_changes": ["p"]}, CHANGES, id="no objects"),
        pytest.param({"cohort_changes": [{"should_remove": True}]}, CHANGES, id="nobody"),
        pytest.param({"cohort_changes": [{"user_ids": "p"}]}, CHANGES, id="user_ids as a text"),
        pytest.param({"cohort_changes": [{"user_ids": [1]}]}, CHANGES, id="numbers"),
        pytest.param({"cohort_changes": [{"aliases": ["n"]}]}, CHANGES, id="aliases as texts"),
        pytest.param({"cohort_changes": [{"user_ids": ["p"], "should_remove": "yes"}]}, CHANGES, id="should_remove"),
        pytest.param(
            {"cohort_changes": [{"user_ids": ["p"] * 600}, {"user_ids": ["p"] * 401}]},
            "Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request",
            id="1,001",
        ),
    ],
)
def test_changes_are_refused(braze: Client, body: dict[str, Any], message: str) -> None:
    braze.attributes({"external_id": "p"})
    said = change(braze, status=400, **{"cohort_changes": [{"user_ids": ["p"]}], **body})
    assert said["message"].startswith(message)
    assert braze.cohorts() == []


def test_a_thousand_are_not_too_many(braze: Client) -> None:
    change(braze, {"user_ids": [str(n) for n in range(1000)]})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        pytest.param({"cohort_id": None}, "`cohort_id` must be a valid string", id="no cohort"),
        pytest.param({"name": " "}, "`name` must be a non-empty string", id="blank name"),
        pytest.param({"name": 1}, "`name` must be a non-empty string", id="number for a name"),
        pytest.param({"created_at": "today"}, "`created_at` must be a valid time", id="no time"),
        pytest.param({"created_at": 5}, "`created_at` must be a valid time", id="number for a time"),
    ],
)
def test_a_name_is_refused(braze: Client, part: dict[str, Any], message: str) -> None:
    answer = braze.post(NAME, {**COHORT, **part})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)
