"""`/users/track/bulk` and `/users/track/sync`: where they differ from `/users/track`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

BULK, SYNC = "/users/track/bulk", "/users/track/sync"
TIME = "2026-01-02T00:00:00Z"


def people(count: int, of: int = 100_000) -> list[dict[str, Any]]:
    return [{"external_id": str(n % of), "n": n, "name": "e", "time": TIME} for n in range(count)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"attributes": people(1000)}, 201, id="1,000"),
        pytest.param({"attributes": people(1001)}, 400, id="1,001"),
        pytest.param({"attributes": people(600), "events": people(401)}, 400, id="1,001 over two arrays"),
        pytest.param({"attributes": people(100, of=1)}, 201, id="100 about one"),
        pytest.param({"attributes": people(101, of=1)}, 400, id="101 about one"),
        pytest.param({"attributes": people(60, of=1), "events": people(41, of=1)}, 400, id="101 over two arrays"),
    ],
)
def test_bulk_takes_a_thousand_and_a_hundred_of_one(braze: Client, body: dict[str, Any], status: int) -> None:
    answer = braze.post(BULK, body)
    assert answer.status_code == status
    assert answer.headers["X-RateLimit-Limit"] == "50"
    if status == 400:
        assert answer.json() == {"message": "Max Input Length Exceeded"}
        assert braze.profiles() == []
    else:
        assert answer.json() == {"message": "success", "attributes_processed": len(body["attributes"])}


@pytest.mark.parametrize(("size", "status"), [(2_000_000, 201), (2_000_001, 400)])
def test_bulk_takes_two_megabytes(braze: Client, size: int, status: int) -> None:
    start, end = b'{"attributes":[{"external_id":"p"}],"x":"', b'"}'
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    data = start + b"x" * (size - len(start) - len(end)) + end
    assert braze.session.post(braze.address + BULK, data=data, headers=headers, timeout=20).status_code == status


def test_bulk_says_which_objects_were_refused(braze: Client) -> None:
    said = braze.post(BULK, {"attributes": [{"external_id": "p"}, {"a": 1}]}).json()
    assert said["attributes_processed"] == 1
    assert [(each["input_array"], each["index"]) for each in said["errors"]] == [("attributes", 1)]


@pytest.mark.parametrize(("path", "scope"), [(BULK, "users.track.bulk"), (SYNC, "users.track.sync")])
def test_each_has_a_scope_and_a_limit_of_its_own(braze: Client, path: str, scope: str) -> None:
    braze.settings(scopes=["users.track"])
    assert braze.post(path, {"attributes": people(1)}).status_code == 403
    braze.settings(scopes=[scope], hourly_limit=0)
    assert braze.post(path, {"attributes": people(1)}).status_code == 201
    braze.settings(route_limits={scope.removeprefix("users."): 0})
    assert braze.post(path, {"attributes": people(1)}).status_code == 429


SYNCED: list[Any] = [
    pytest.param(
        {"attributes": [{"external_id": "p", "n": {"inc": 2}, "long": "x" * 256, "email": "a@example.com"}]},
        {"external_id": "p", "custom_attributes": {"n": 3}},
        id="attributes as they became",
    ),
    pytest.param(
        {"events": [{"email": "p@example.com", "name": "e", "time": TIME}]},
        {"email": "p@example.com", "custom_events": [{"name": "e", "first": "2026-01-01", "last": "2026", "count": 2}]},
        id="event by e-mail",
    ),
    pytest.param(
        {"purchases": [{"external_id": "p", "product_id": "s", "currency": "EUR", "price": 1, "time": TIME}]},
        {"external_id": "p", "purchase_events": [{"product_id": "s", "first": "2026", "last": "2026", "count": 1}]},
        id="purchase",
    ),
]


@pytest.mark.parametrize(("body", "user"), SYNCED)
def test_sync_answers_with_what_became_of_it(braze: Client, body: dict[str, Any], user: dict[str, Any]) -> None:
    braze.track(
        attributes=[{"external_id": "p", "n": 1, "other": 1, "email": "p@example.com"}],
        events=[{"external_id": "p", "name": "e", "time": "2026-01-01T00:00:00Z"}],
    )
    answer = braze.post(SYNC, body)
    assert answer.status_code == 201
    (found,) = answer.json()["users"]
    for summaries in (found.get("custom_events", []), found.get("purchase_events", [])):
        for summary in summaries:
            wanted = (user.get("custom_events") or user["purchase_events"])[0]
            assert summary["first"].startswith(wanted["first"])
            summary.update(first=wanted["first"], last=wanted["last"])
    assert found == user
    assert answer.json()["message"] == "success"


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"external_id": "nobody", "a": 1, "_update_existing_only": True}, id="update only"),
        pytest.param({"user_alias": {"alias_label": "l", "alias_name": "n"}, "a": 1}, id="unknown alias"),
    ],
)
def test_sync_names_nobody_if_nobody_was_found(braze: Client, item: dict[str, Any]) -> None:
    answer = braze.post(SYNC, {"attributes": [item]})
    assert (answer.status_code, answer.json()) == (201, {"users": [], "message": "success"})


@pytest.mark.parametrize(
    ("body", "message", "errors"),
    [
        pytest.param({"attributes": people(2)}, "Max Input Length Exceeded", 0, id="two"),
        pytest.param({"attributes": people(1), "events": people(1)}, "Max Input Length Exceeded", 0, id="two arrays"),
        pytest.param({}, "Valid data must be provided in the", 0, id="none"),
        pytest.param({"attributes": [{"a": 1}]}, "Valid data must be provided in the", 1, id="bad"),
    ],
)
def test_sync_takes_one_good_object(braze: Client, body: dict[str, Any], message: str, errors: int) -> None:
    answer = braze.post(SYNC, body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)
    assert len(answer.json().get("errors", [])) == errors
    assert braze.profiles() == []


def test_variants_meet_faults_of_their_own(braze: Client) -> None:
    braze.faults({"kind": "timeout_after_apply", "seconds": 0.01, "path": SYNC}, {"kind": "status", "path": BULK})
    assert braze.track(attributes=people(1)).status_code == 201
    assert braze.post(BULK, {"attributes": people(1)}).status_code == 503
    with pytest.raises(OSError, match="Connection"):
        braze.post(SYNC, {"attributes": [{"external_id": "synced"}]})
    assert braze.exists("synced")
