"""The table of routes: bodies, and what answers of each mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target_braze import endpoints
from target_braze.endpoints import TRACK, Endpoint, Naming, fixed
from target_braze.packing import Packer, Place, Request
from target_braze.responses import Action, resolve
from target_braze.updates import FREE, Identity, ObjectKind, Update

SUBSCRIPTIONS = endpoints.SUBSCRIPTION_STATES["external_id"]
KEYS = b'"partner_api_key":"p","client_secret":"c"'
COHORT = endpoints.cohort_members("acme", KEYS, "big")
ITEMS = endpoints.catalog_items("products", "upsert")


def object_for(endpoint: Endpoint, body: Any, *people: str) -> Update:
    who = tuple(Identity("external_id", name) for name in people)
    text = json.dumps(body, separators=(",", ":")).encode()
    return Update("s", ObjectKind.MERGE, Identity("x", "x"), text, FREE, endpoint=endpoint, people=who)


@pytest.mark.parametrize("endpoint", fixed(), ids=lambda endpoint: f"{endpoint.path} {endpoint.array}")
def test_each_route_is_whole(endpoint: Endpoint) -> None:
    assert endpoint.path.startswith("/")
    assert not endpoint.path.endswith("/")
    assert endpoint.permission
    assert endpoint.max_objects == (75 if endpoint is TRACK else 50)
    assert (endpoint.rate is None) == (endpoint is TRACK)
    assert (endpoint.errors != "errors") == (endpoint.naming is Naming.BY_INDEX)


def test_identities_share_one_rate_limit() -> None:
    """Braze docs, "API limits": 20,000 a minute for all of them."""
    shared = [*endpoints.DELETIONS.values(), endpoints.NEW_ALIASES, endpoints.ALIAS_UPDATES, endpoints.MERGES]
    shared += endpoints.IDENTIFICATIONS.values()
    assert {endpoint.rate for endpoint in shared} == {endpoints.USERS}
    assert endpoints.USERS.per_second == pytest.approx(333.3, abs=0.1)


STATE = {"subscription_group_id": "g", "subscription_state": "subscribed"}
BODIES: dict[str, tuple[Endpoint, list[Any], Any]] = {
    "an array": (endpoints.MERGES, [{"a": 1}, {"b": 2}], {"merge_updates": [{"a": 1}, {"b": 2}]}),
    "bare values": (endpoints.DELETIONS["external_id"], ["a", "b"], {"external_ids": ["a", "b"]}),
    "equal heads are one (C68)": (
        SUBSCRIPTIONS,
        [
            {**STATE, "external_id": "a"},
            {**STATE, "external_id": "b"},
            {**STATE, "subscription_state": "unsubscribed", "external_id": "a"},
            {**STATE, "external_id": "a"},
        ],
        {
            "subscription_groups": [
                {**STATE, "external_ids": ["a", "b"]},
                {**STATE, "subscription_state": "unsubscribed", "external_ids": ["a"]},
            ]
        },
    ),
    "people of a cohort, by all their names": (
        COHORT,
        [
            {"external_id": "a"},
            {"device_id": "d"},
            {"user_alias": {"alias_name": "n", "alias_label": "l"}},
            {"external_id": "b", "should_remove": True},
        ],
        {
            "partner_api_key": "p",
            "client_secret": "c",
            "cohort_id": "big",
            "cohort_changes": [
                {"user_ids": ["a"], "device_ids": ["d"], "aliases": [{"alias_name": "n", "alias_label": "l"}]},
                {"should_remove": True, "user_ids": ["b"]},
            ],
        },
    ),
    "one object alone": (
        endpoints.cohort("acme", KEYS),
        [{"cohort_id": "big", "name": "Big"}],
        {"partner_api_key": "p", "client_secret": "c", "cohort_id": "big", "name": "Big"},
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies(case: str) -> None:
    endpoint, objects, expected = BODIES[case]
    request = Request([object_for(endpoint, body, "a") for body in objects])
    assert json.loads(request.body) == expected


def test_keys_are_not_shown() -> None:
    assert "client_secret" not in repr(COHORT)


ANSWERS: dict[str, tuple[Endpoint, int, Any, Action, dict[int, str], str]] = {
    "a renaming by its index": (
        endpoints.RENAMINGS,
        201,
        {"message": "success", "rename_errors": [[1, "in use"]]},
        Action.ACCEPT,
        {1: "in use"},
        "",
    ),
    "an alias by array and index": (
        endpoints.NEW_ALIASES,
        201,
        {"message": "success", "errors": [{"type": "bad", "input_array": "user_aliases", "index": 0}]},
        Action.ACCEPT,
        {0: "bad"},
        "",
    ),
    "a merge is 202": (endpoints.MERGES, 202, {"message": "success"}, Action.ACCEPT, {}, ""),
    "a deletion that is refused names nobody": (
        endpoints.DELETIONS["email"],
        400,
        {"message": "no", "errors": ["bad address"]},
        Action.SPLIT,
        {},
        "no: bad address",
    ),
    "an item says which rule, not which item": (
        ITEMS,
        400,
        {"message": "Invalid Request", "errors": [{"id": "invalid-ids", "message": "bad ids", "index": 0}]},
        Action.SPLIT,
        {},
        "Invalid Request: bad ids",
    ),
    "no such catalog": (ITEMS, 404, {"message": "Invalid Request"}, Action.STOP, {}, "no catalog 'products'"),
    "no permission": (ITEMS, 403, {}, Action.STOP, {}, "`catalogs.replace_items`"),
    "wrong keys in the body": (COHORT, 401, {"message": "c is wrong"}, Action.STOP, {}, "`cohort_partner_key`"),
    "a cohort says what it likes": (COHORT, 201, {}, Action.ACCEPT, {}, ""),
    "others say success": (endpoints.MERGES, 202, {}, Action.RETRY, {}, "does not say `success`"),
    "an index that is none": (
        endpoints.RENAMINGS,
        201,
        {"message": "success", "rename_errors": [[7, "in use"]]},
        Action.SPLIT,
        {},
        "in use",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers(case: str) -> None:
    endpoint, status, body, action, rejected, reason = ANSWERS[case]
    request = Request([object_for(endpoint, {"external_id": name}, name) for name in "ab"])
    resolution = resolve(status, json.dumps(body).encode(), request, endpoint)
    assert resolution.action is action
    assert resolution.rejected == {Place(endpoint.array, index): text for index, text in rejected.items()}
    assert reason in resolution.reason


# Packing


def test_a_request_has_as_many_objects_as_its_endpoint_takes() -> None:
    packer = Packer(max_objects=7)
    packer.turn_to(endpoints.MERGES)
    closed = [packer.add(object_for(endpoints.MERGES, {}, str(number))) for number in range(51)]
    [full] = [request for request in closed if request is not None]
    assert len(full.objects) == 50
    packer.close()
    packer.turn_to(TRACK)
    assert packer.max_objects == 7


def test_a_person_is_once_in_a_request_that_changes_who_somebody_is() -> None:
    packer = Packer()
    packer.turn_to(endpoints.MERGES)
    first = object_for(endpoints.MERGES, {}, "a", "b")
    packer.add(first)
    assert packer.excludes(b"{}", (Identity("external_id", "b"), Identity("external_id", "c")))
    assert not packer.excludes(b"{}", (Identity("external_id", "c"),))
    assert packer.close() is not None
    assert not packer.excludes(b"{}", first.people)


def test_no_more_groups_and_states_in_a_request_than_25() -> None:
    packer = Packer()
    packer.turn_to(SUBSCRIPTIONS)
    for number in range(25):
        packer.add(object_for(SUBSCRIPTIONS, {"subscription_group_id": str(number), "external_id": "a"}, "a"))
    assert not packer.excludes(b'{"subscription_group_id":"24","external_id":"b"}', ())
    assert packer.excludes(b'{"subscription_group_id":"25","external_id":"b"}', ())


def test_a_request_is_about_everybody_it_touches() -> None:
    request = Request([object_for(endpoints.MERGES, {}, "a", "b"), object_for(endpoints.MERGES, {}, "c", "d")])
    assert {identity.value for identity in request.identities} == {"a", "b", "c", "d"}
