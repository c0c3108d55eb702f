"""Faults on request: what a client sees, and whether the request took effect."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

ONE = {"attributes": [{"external_id": "p", "n": {"inc": 1}}]}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_a_status_with_nothing_applied(braze: Client, status: int) -> None:
    braze.faults({"kind": "status", "status": status, "headers": {"X-Ratelimit-Retry-After": "1"}})
    answer = braze.track(**ONE)
    assert answer.status_code == status
    assert answer.headers["X-Ratelimit-Retry-After"] == "1"
    assert "X-RateLimit-Limit" not in answer.headers
    assert answer.json()["message"]
    assert braze.profiles() == []
    assert braze.track(**ONE).status_code == 201


@pytest.mark.parametrize(
    ("body", "text"), [({"message": "no"}, '{"message":"no"}'), ("<html>", "<html>"), ("", ""), ([], "[]")], ids=repr
)
def test_a_status_with_a_body_of_ones_own(braze: Client, body: Any, text: str) -> None:
    braze.faults({"kind": "status", "body": body})
    answer = braze.track(**ONE)
    assert (answer.status_code, answer.text) == (503, text)


def test_a_504_after_applying(braze: Client) -> None:
    braze.faults({"kind": "status", "status": 504, "apply": True})
    assert braze.track(**ONE).status_code == 504
    assert braze.track(**ONE).status_code == 201
    assert braze.values() == {"n": 2}


@pytest.mark.parametrize(("kind", "applied"), [("timeout", False), ("timeout_after_apply", True)])
def test_no_answer_until_the_client_gives_up(braze: Client, kind: str, applied: bool) -> None:
    braze.faults({"kind": kind})
    with pytest.raises(requests.Timeout):
        braze.post("/users/track", ONE, timeout=1)
    assert len(braze.profiles()) == applied
    (recorded,) = braze.requests()
    assert (recorded["status"], recorded["answered"], recorded["fault"]) == (None, None, kind)
    assert braze.stats()["statuses"] == {"none": 1}


@pytest.mark.parametrize(
    ("rule", "applied"),
    [
        ({"kind": "reset"}, False),
        ({"kind": "reset_after_apply"}, True),
        ({"kind": "timeout", "seconds": 0.01}, False),
        ({"kind": "timeout_after_apply", "seconds": 0.01}, True),
    ],
    ids=str,
)
def test_a_connection_that_is_cut(braze: Client, rule: dict[str, Any], applied: bool) -> None:
    braze.faults(rule)
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{braze.address}/users/track", json=ONE, headers={"Authorization": "Bearer k"}, timeout=20)
    assert len(braze.profiles()) == applied
    assert braze.stats()["statuses"] == {"none": 1}


def test_a_success_that_says_otherwise(braze: Client) -> None:
    braze.faults({"kind": "not_success"})
    answer = braze.track(**ONE)
    assert answer.status_code == 201
    assert answer.json()["message"] != "success"
    assert braze.profiles() == []


def test_a_success_that_cannot_be_read(braze: Client) -> None:
    braze.faults({"kind": "unparseable"})
    answer = braze.track(**ONE)
    assert answer.status_code == 201
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert braze.values() == {"n": 1}


def test_errors_that_do_not_say_where(braze: Client) -> None:
    braze.faults({"kind": "errors_without_index"})
    answer = braze.track(**ONE)
    assert answer.status_code == 201
    assert answer.json() == {"message": "success", "attributes_processed": 1, "errors": [{"type": "UNKNOWN_ERROR"}]}


def test_a_delay(braze: Client) -> None:
    braze.faults({"kind": "delay", "seconds": 0.05})
    assert braze.track(**ONE).status_code == 201
    (recorded,) = braze.requests()
    assert recorded["answered"] - recorded["arrived"] >= 0.05


def test_every_answer_can_take_its_time(braze: Client) -> None:
    braze.settings(delay_ms=30)
    assert braze.track(**ONE).status_code == 201
    (recorded,) = braze.requests()
    assert recorded["answered"] - recorded["arrived"] >= 0.03


def test_a_lost_update(braze: Client) -> None:
    braze.attributes({"external_id": "p", "a": 0, "b": 0})
    braze.faults({"kind": "lost_update", "seconds": 20})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(braze.attributes, {"external_id": "p", "a": 1})
        await_objects(braze, 2)
        assert braze.attributes({"external_id": "p", "b": 1}).status_code == 201
        assert slow.result().status_code == 201
    assert braze.values() == {"a": 1, "b": 0}


def test_a_lost_update_of_someone_new(braze: Client) -> None:
    braze.faults({"kind": "lost_update", "seconds": 20})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(braze.attributes, {"external_id": "p", "a": 1})
        await_objects(braze, 1)
        assert braze.attributes({"external_id": "p", "b": 1}).status_code == 201
        assert slow.result().status_code == 201
    assert braze.values() == {"a": 1}
    assert len(braze.profiles()) == 1


def test_two_objects_of_one_identity_in_flight_at_once_are_counted(braze: Client) -> None:
    braze.faults({"kind": "lost_update", "seconds": 20})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(braze.attributes, {"external_id": "p"}, {"external_id": "q"})
        await_objects(braze, 2)
        braze.attributes({"external_id": "p"}, {"external_id": "other"})
        assert slow.result().status_code == 201
    braze.attributes({"external_id": "p"})
    assert braze.stats()["identities_in_flight_twice"] == 1
    first, second, _ = braze.requests()
    assert first["arrived"] < second["arrived"] < second["answered"] < first["answered"]


def await_objects(braze: Client, count: int) -> None:
    """Return once so many objects were read from bodies: from there to its snapshot a lost update does not wait."""
    while braze.stats()["objects"]["attributes"] < count:
        threading.Event().wait(0.001)


def test_rules_are_met_in_order(braze: Client) -> None:
    braze.faults(
        {"kind": "status", "status": 503, "times": 2},
        {"kind": "status", "status": 500, "after": 1},
        {"kind": "status", "status": 502, "times": 0},
        {"kind": "status", "status": 429},
    )
    assert [braze.track(**ONE).status_code for _ in range(6)] == [503, 503, 201, 500, 429, 201]


def test_minus_one_is_always_and_delete_ends_it(braze: Client) -> None:
    braze.faults({"kind": "status", "status": 503, "times": -1})
    assert {braze.track(**ONE).status_code for _ in range(5)} == {503}
    assert braze.session.delete(f"{braze.address}/sandbox/faults", timeout=20).json() == {"faults": []}
    assert braze.track(**ONE).status_code == 201


@pytest.mark.parametrize(
    "rule", [{}, {"kind": "flood"}, {"kind": "status", "statuss": 1}, {"kind": "status", "times": "2"}, 5], ids=str
)
def test_a_rule_that_is_none_is_refused(braze: Client, rule: Any) -> None:
    answer = braze.session.post(f"{braze.address}/sandbox/faults", json=[{"kind": "reset"}, rule], timeout=20)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert braze.get("/sandbox/faults").json() == {"faults": []}


def test_other_routes_meet_no_faults(braze: Client) -> None:
    braze.faults({"kind": "status"})
    assert braze.post("/users/export/ids", {"external_ids": ["p"]}).status_code == 201
    assert braze.track(**ONE).status_code == 503
