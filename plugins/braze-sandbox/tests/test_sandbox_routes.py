"""What holds for every route: keys, scopes, limits, content type, faults, the record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from braze_sandbox.limits import LIMITS
from braze_sandbox.routes import ROUTES

if TYPE_CHECKING:
    from braze_sandbox.calls import Route
    from braze_sandbox.testing import Client

GROUP = "3f2a0000-0000-4000-8000-000000000001"
ALIAS = {"alias_name": "n", "alias_label": "l"}
FIELDS = [{"name": "id", "type": "string"}, {"name": "n", "type": "number"}]
ITEM = {"items": [{"id": "r1"}]}
KEYS = {"partner_api_key": "k", "client_secret": "s", "cohort_id": "c"}
# A request to each route that does something to what `world` makes.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/users/delete"): {"external_ids": ["p"]},
    ("POST", "/users/alias/new"): {"user_aliases": [{"external_id": "p", **ALIAS}]},
    ("POST", "/users/alias/update"): {
        "alias_updates": [{"alias_label": "had", "old_alias_name": "n", "new_alias_name": "m"}]
    },
    ("POST", "/users/identify"): {
        "aliases_to_identify": [{"external_id": "new", "user_alias": {"alias_label": "anonymous", "alias_name": "n"}}]
    },
    ("POST", "/users/merge"): {
        "merge_updates": [{"identifier_to_merge": {"external_id": "p"}, "identifier_to_keep": {"external_id": "q"}}]
    },
    ("POST", "/users/external_ids/rename"): {
        "external_id_renames": [{"current_external_id": "p", "new_external_id": "r"}]
    },
    ("POST", "/users/external_ids/remove"): {"external_ids": ["deprecated"]},
    ("POST", "/subscription/status/set"): {
        "subscription_group_id": GROUP,
        "subscription_state": "subscribed",
        "external_id": ["p"],
    },
    ("POST", "/v2/subscription/status/set"): {
        "subscription_groups": [
            {"subscription_group_id": GROUP, "subscription_state": "subscribed", "external_ids": ["p"]}
        ]
    },
    ("POST", "/catalogs"): {
        "catalogs": [{"name": "b", "description": "", "fields": [{"name": "id", "type": "string"}]}]
    },
    ("DELETE", "/catalogs/{catalog_name}"): None,
    ("POST", "/catalogs/{catalog_name}/items"): {"items": [{"id": "r2"}]},
    ("PUT", "/catalogs/{catalog_name}/items"): {"items": [{"id": "r2"}]},
    ("PATCH", "/catalogs/{catalog_name}/items"): {"items": [{"id": "r1", "n": 2}]},
    ("DELETE", "/catalogs/{catalog_name}/items"): ITEM,
    ("POST", "/partners/{partner}/cohorts"): {**KEYS, "name": "Name", "created_at": "2026-01-01"},
    ("POST", "/partners/{partner}/cohorts/users"): {**KEYS, "cohort_changes": [{"user_ids": ["p"]}]},
    ("POST", "/users/export/ids"): {"external_ids": ["p"]},
}
QUERIES = {"/subscription/status/get": f"?subscription_group_id={GROUP}&external_id=p"} | {
    "/subscription/user/status": "?external_id=p"
}
STATUSES = {"/users/merge": 202, "/catalogs/{catalog_name}/items": 202}
ALL = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
WRITING = pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.writes], ids=lambda route: f"{route.method} {route.path}"
)
WITH_BODY = pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.has_body], ids=lambda route: f"{route.method} {route.path}"
)


def path_of(route: Route) -> str:
    return route.path.format(catalog_name="a", partner="acme") + QUERIES.get(route.path, "")


def send(braze: Client, route: Route, timeout: float = 20) -> requests.Response:
    return braze.send(route.method, path_of(route), BODIES.get((route.method, route.path)), timeout)


@pytest.fixture
def world(braze: Client) -> Client:
    """Something for each route to change."""
    braze.attributes({"external_id": "deprecated"}, {"external_id": "p", "a": 1}, {"external_id": "q"})
    renames = [{"current_external_id": "deprecated", "new_external_id": "current"}]
    aliases = [
        {"external_id": "p", "alias_label": "had", "alias_name": "n"},
        {"alias_label": "anonymous", "alias_name": "n"},
    ]
    braze.post("/users/external_ids/rename", {"external_id_renames": renames})
    braze.post("/users/alias/new", {"user_aliases": aliases})
    braze.post("/catalogs", {"catalogs": [{"name": "a", "description": "", "fields": FIELDS}]})
    braze.send("PUT", "/catalogs/a/items", ITEM)
    return braze


def state(braze: Client) -> Any:
    """Everything that a route may change, without the moments."""
    catalogs = {name: (catalog["fields"], braze.catalog_items(name)) for name, catalog in braze.catalogs().items()}
    profiles = [{**profile, "updated_at": None, "notes": None} for profile in braze.profiles()]
    return profiles, catalogs, braze.cohorts(), braze.stats()["data_points"]


@ALL
def test_a_route_answers_and_is_recorded(world: Client, route: Route) -> None:
    answer = send(world, route)
    expected = STATUSES.get(route.path, 201 if route.method == "POST" else 200) if route.method != "GET" else 200
    assert (answer.status_code, answer.json()["message"]) == (expected, "success")
    recorded = world.requests()[-1]
    assert (recorded["method"], recorded["path"], recorded["status"]) == (route.method, path_of(route), expected)
    assert (recorded["outcome"] is not None) == route.writes


@WRITING
def test_a_writing_route_changes_something(world: Client, route: Route) -> None:
    before = state(world)
    send(world, route)
    assert state(world) != before


@ALL
def test_another_key_is_401_and_a_missing_scope_403(world: Client, route: Route) -> None:
    before = state(world)
    world.settings(api_keys=["another"])
    refused = send(world, route)
    world.settings(api_keys=None, scopes=["users.track"])
    denied = send(world, route)
    if route.scope is None:
        assert refused.status_code == denied.status_code == 201
        return
    assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (401, "")
    assert (denied.status_code, denied.json()) == (403, {"message": "Access Denied"})
    assert state(world) == before
    world.settings(scopes=[route.scope])
    assert send(world, route).ok


@ALL
def test_a_route_has_the_limit_of_its_group(world: Client, route: Route) -> None:
    answer = send(world, route)
    most, seconds = LIMITS[route.limit]
    assert int(answer.headers["X-RateLimit-Limit"]) == most
    assert int(answer.headers["X-RateLimit-Remaining"]) < most
    assert int(answer.headers["X-RateLimit-Reset"]) % seconds == 0
    world.settings(route_limits={route.limit: 0})
    refused = send(world, route)
    assert (refused.status_code, refused.json()) == (429, {"message": "Rate Limited"})
    assert int(refused.headers["X-Ratelimit-Retry-After"]) >= 1


def test_routes_of_a_group_share_its_limit(world: Client) -> None:
    world.settings(route_limits={"users": 100})
    before = world.post("/users/delete", {}).headers["X-RateLimit-Remaining"]
    after = world.post("/users/merge", {}).headers["X-RateLimit-Remaining"]
    assert int(before) - int(after) == 1
    assert world.post("/users/external_ids/rename", {}).headers["X-RateLimit-Limit"] == "1000"
    answer = world.session.put(f"{world.address}/sandbox/settings", json={"route_limits": {"all": 1}}, timeout=20)
    assert answer.status_code == 400


@ALL
def test_a_trailing_slash_is_404(braze: Client, route: Route) -> None:
    path = route.path.format(catalog_name="a", partner="acme") + "/"
    assert braze.send(route.method, path, {}).json() == {"message": "Invalid URL"}


@WITH_BODY
@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        pytest.param(b"{}", "text/plain", 415, id="content type"),
        pytest.param(b"{,}", "application/json", 400, id="no JSON"),
        pytest.param(b"[]", "application/json", 400, id="no object"),
        pytest.param(b'{"x":"' + b"x" * 4_000_000 + b'"}', "application/json", 413, id="over 4 MB"),
    ],
)
def test_a_body_that_cannot_be(braze: Client, route: Route, data: bytes, content_type: str, status: int) -> None:
    headers = {"Authorization": "Bearer k", "Content-Type": content_type}
    answer = requests.request(route.method, braze.address + path_of(route), data=data, headers=headers, timeout=20)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status == 400)


@WITH_BODY
@pytest.mark.parametrize("value", [None, True, 1, "text", [], [None], [[]], [{}], {}, {"a": [1]}], ids=str)
def test_any_value_in_a_body_is_answered(world: Client, route: Route, value: Any) -> None:
    names = BODIES[route.method, route.path]
    for name in names:
        answer = world.send(route.method, path_of(route), {**names, name: value})
        assert answer.status_code in {200, 201, 202, 400, 401}, answer.text
        if isinstance(names[name], list) and isinstance(names[name][0], dict):
            for inner in names[name][0]:
                body = {**names, name: [{**names[name][0], inner: value}]}
                assert world.send(route.method, path_of(route), body).status_code in {200, 201, 202, 400, 401}


@WRITING
@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [
        pytest.param({"kind": "status"}, 503, False, id="503"),
        pytest.param({"kind": "status", "status": 504, "apply": True}, 504, True, id="504 after applying"),
        pytest.param({"kind": "not_success"}, 201, False, id="no success"),
        pytest.param({"kind": "delay", "seconds": 0.01}, None, True, id="delay"),
        pytest.param({"kind": "delay", "seconds": 0.01, "apply": False}, None, False, id="the answer alone"),
    ],
)
def test_a_fault_at_any_route(
    world: Client, *, route: Route, fault: dict[str, Any], status: int | None, applied: bool
) -> None:
    before = state(world)
    path = path_of(route)
    world.faults({**fault, "path": path})
    answer = send(world, route)
    assert answer.status_code == status if status else answer.ok
    assert (state(world) != before) == applied
    recorded = world.requests()[-1]
    assert (recorded["fault"], recorded["outcome"] is not None) == (fault["kind"], applied)
    if not applied:
        assert send(world, route).ok
        assert state(world) != before


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
def test_a_deletion_without_an_answer(world: Client, rule: dict[str, Any], applied: bool) -> None:
    world.faults({**rule, "path": "/users/*"})
    with pytest.raises(requests.ConnectionError):
        requests.post(
            f"{world.address}/users/delete",
            json={"external_ids": ["p"]},
            headers={"Authorization": "Bearer k"},
            timeout=20,
        )
    assert world.exists("p") == (not applied)
    assert world.requests()[-1]["status"] is None


def test_each_path_has_its_own_line_of_faults(world: Client) -> None:
    world.faults(
        {"kind": "status", "status": 500, "path": "/users/merge", "after": 1},
        {"kind": "status", "status": 502, "path": "/users/*"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504, "path": "*"},
    )
    statuses = [
        world.post(path, {}).status_code
        for path in ("/users/merge", "/users/delete", "/users/merge", "/users/track", "/users/track", "/users/delete")
    ]
    # Whatever a rule lets pass is not for the next one.
    assert statuses == [400, 502, 500, 503, 504, 400]
    assert world.get("/sandbox/faults").json() == {"faults": []}


def test_a_lost_update_is_for_track_alone(braze: Client) -> None:
    rule = {"kind": "lost_update", "path": "/users/delete"}
    answer = braze.session.post(f"{braze.address}/sandbox/faults", json=rule, timeout=20)
    assert (answer.status_code, answer.json()) == (400, {"message": "lost_update is for /users/track alone."})


def test_every_route_can_take_its_time(world: Client) -> None:
    world.settings(delay_ms=30)
    assert world.post("/users/delete", {"external_ids": ["p"]}).status_code == 201
    recorded = world.requests()[-1]
    assert recorded["answered"] - recorded["arrived"] >= 0.03


def test_a_reset_forgets_identifiers_catalogs_and_cohorts(world: Client) -> None:
    send(world, next(route for route in ROUTES if route.path == "/users/external_ids/rename"))
    world.reset()
    assert state(world) == ([], {}, [], {"total": 0, "attributes": {}, "events": {}, "purchases": {}, "cohorts": {}})
    world.attributes({"external_id": "deprecated"}, {"external_id": "p"})
    assert [profile["external_id"] for profile in world.profiles()] == ["deprecated", "p"]
