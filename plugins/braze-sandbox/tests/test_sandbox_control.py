"""The control API: what it records, counts, lists, changes and forgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client


def test_health(braze: Client) -> None:
    health = braze.session.get(f"{braze.address}/health", timeout=20).json()
    assert health["service"] == "braze-sandbox"
    assert health["version"]


def test_what_was_forgotten_was_another_workspace(braze: Client) -> None:
    before = braze.workspace()
    braze.attributes({"external_id": "p", "a": 1})
    assert braze.workspace() == before
    braze.reset()
    after = braze.workspace()
    assert after != before
    assert braze.workspace() == after


def test_a_request_is_recorded_without_its_key(braze: Client) -> None:
    before = time.time()
    body = {"attributes": [{"external_id": "p", "a": 1}, {"external_id": "q", "email": ""}]}
    answer = braze.post("/users/track", body, headers={"User-Agent": "partner-Someone-Something/1.0"})
    listed = braze.get("/sandbox/requests")
    assert "a-key-of-the-tests" not in listed.text
    (recorded,) = listed.json()["requests"]
    assert before <= recorded["arrived"] <= recorded["answered"] <= time.time()
    assert recorded["headers"]["authorization"] == "[redacted]"
    assert recorded["headers"]["user-agent"] == "partner-Someone-Something/1.0"
    assert recorded["headers"]["content-type"] == "application/json"
    expected = {
        "number": 1,
        "method": "POST",
        "path": "/users/track",
        "status": 201,
        "answer": answer.json(),
        "fault": None,
        "objects": {"attributes": 2},
        "body": body,
        "text": None,
    }
    assert {name: recorded[name] for name in expected} == expected
    assert recorded["outcome"]["created"] == 1
    assert recorded["outcome"]["changed"] == {"a": 1}


def test_requests_of_every_route_are_recorded(braze: Client) -> None:
    braze.track(attributes=[{"external_id": "p"}])
    braze.get("/custom_attributes")
    braze.post("/users/export/ids", {"external_ids": ["p"]})
    braze.post("/users/track/", {})
    assert [(each["path"], each["status"]) for each in braze.requests()] == [
        ("/users/track", 201),
        ("/custom_attributes", 200),
        ("/users/export/ids", 201),
        ("/users/track/", 404),
    ]


def test_a_body_that_is_no_json_is_recorded_as_text(braze: Client) -> None:
    braze.session.post(
        f"{braze.address}/users/track",
        data=b"{oops",
        headers={"Authorization": "Bearer k", "Content-Type": "application/json"},
        timeout=20,
    )
    (recorded,) = braze.requests()
    assert (recorded["body"], recorded["text"], recorded["status"]) == (None, "{oops", 400)


def test_requests_can_be_paged_and_come_without_bodies(braze: Client) -> None:
    for n in range(5):
        braze.attributes({"external_id": str(n)})
    page = braze.get("/sandbox/requests", limit=2, offset=2, bodies="false").json()
    assert page["total"] == 5
    assert [(each["number"], each["body"]) for each in page["requests"]] == [(3, None), (4, None)]


def test_old_bodies_and_old_requests_go(braze: Client) -> None:
    braze.settings(keep_requests=300, keep_bodies=100)
    for n in range(512):
        braze.attributes({"external_id": "p", "n": n})
    page = braze.get("/sandbox/requests").json()
    assert page["total"] == 300
    assert [each["number"] for each in page["requests"]] == list(range(213, 513))
    assert [each["number"] for each in page["requests"] if each["body"]] == list(range(413, 513))


def test_profiles_can_be_paged_and_found(braze: Client) -> None:
    braze.attributes(*({"external_id": str(n), "email": f"{n}@example.com"} for n in range(5)))
    page = braze.get("/sandbox/profiles", limit=2, offset=3).json()
    assert page["total"] == 5
    assert [profile["external_id"] for profile in page["profiles"]] == ["3", "4"]
    assert [profile["external_id"] for profile in braze.profiles(email="2@example.com")] == ["2"]
    assert braze.profiles(external_id="9") == []


def test_counts(braze: Client) -> None:
    braze.track(
        attributes=[{"external_id": "p", "a": 1}, {"external_id": "q", "email": ""}, {"braze_id": "f" * 24}],
        events=[{"external_id": "p", "name": "e", "time": "2026-01-01"}],
    )
    braze.track()
    stats = braze.stats()
    assert stats.pop("most_requests_in_one_second") in {1, 2}
    assert stats == {
        "requests": 2,
        "statuses": {"201": 1, "400": 1},
        "objects": {"attributes": 3, "events": 1, "purchases": 0},
        "accepted": {"attributes": 2, "events": 1, "purchases": 0},
        "rejected": {"attributes": 1, "events": 0, "purchases": 0},
        "missed": 1,
        "profiles": 1,
        "data_points": {"total": 2, "attributes": {"a": 1}, "events": {"e": 1}, "purchases": {}, "cohorts": {}},
        "unchanged_values": 0,
        "dropped": {},
        "identities_in_flight_twice": 0,
    }


def test_one_after_the_other_is_not_at_once(braze: Client) -> None:
    for _ in range(3):
        braze.attributes({"external_id": "p"}, {"external_id": "p"})
    assert braze.stats()["identities_in_flight_twice"] == 0


def test_settings_change_in_part(braze: Client) -> None:
    defaults = braze.get("/sandbox/settings").json()
    braze.settings(max_objects_per_request=50, scopes=["users.track"])
    assert braze.get("/sandbox/settings").json() == {
        **defaults,
        "max_objects_per_request": 50,
        "scopes": ["users.track"],
    }


@pytest.mark.parametrize(
    "part",
    [{"no_such": 1}, {"max_objects_per_request": "many"}, {"reset_style": "other"}, {"forced_types": {"a": "x"}}, []],
    ids=str,
)
def test_bad_settings_are_refused(braze: Client, part: Any) -> None:
    before = braze.get("/sandbox/settings").json()
    answer = braze.session.put(f"{braze.address}/sandbox/settings", json=part, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert braze.get("/sandbox/settings").json() == before


def test_a_reset_forgets_everything(braze: Client) -> None:
    defaults = braze.get("/sandbox/settings").json()
    braze.settings(forced_types={"a": "number"}, error_style="sentence")
    braze.attributes({"external_id": "p", "b": 1})
    braze.faults({"kind": "reset"})
    braze.reset()
    assert braze.profiles() == []
    assert braze.requests() == []
    assert braze.get("/sandbox/settings").json() == defaults
    assert braze.get("/sandbox/faults").json() == {"faults": []}
    assert braze.get("/custom_attributes").json()["attributes"] == []
    assert braze.stats()["requests"] == 0
    braze.attributes({"external_id": "p", "b": "text"})
    assert braze.values() == {"b": "text"}
