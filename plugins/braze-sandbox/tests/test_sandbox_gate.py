"""What a request must pass before any of its objects is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

ONE = {"attributes": [{"external_id": "p", "a": 1}]}
HEADERS = {"Authorization": "Bearer key", "Content-Type": "application/json"}


def send(braze: Client, data: bytes, **headers: str | None) -> requests.Response:
    kept = {name: value for name, value in {**HEADERS, **headers}.items() if value is not None}
    return requests.post(f"{braze.address}/users/track", data=data, headers=kept, timeout=20)


def test_success_is_201_with_a_counter_for_each_array(braze: Client) -> None:
    answer = braze.track(
        attributes=[{"external_id": "p", "a": 1}, {"external_id": "q", "a": 1}],
        events=[{"external_id": "p", "name": "e", "time": "2026-01-01"}],
        purchases=[{"external_id": "p", "product_id": "s", "currency": "EUR", "price": 1, "time": "2026-01-01"}],
    )
    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "attributes_processed": 2,
        "events_processed": 1,
        "purchases_processed": 1,
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]


def test_an_array_that_is_absent_has_no_counter(braze: Client) -> None:
    assert braze.track(**ONE).json() == {"message": "success", "attributes_processed": 1}


@pytest.mark.parametrize("extra", [{"partner": "Someone"}, {"events": None}, {"purchases": []}], ids=str)
def test_what_else_is_in_the_body_does_no_harm(braze: Client, extra: dict[str, Any]) -> None:
    assert braze.track(**ONE, **extra).json() == {"message": "success", "attributes_processed": 1}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/users/track/"),
        ("POST", "/users/tracks"),
        ("POST", "//users/track"),
        ("GET", "/users/track"),
        ("PUT", "/users/track"),
        ("GET", "/nothing"),
        ("GET", "/custom_attributes/"),
    ],
)
def test_another_address_is_404(braze: Client, method: str, path: str) -> None:
    answer = requests.request(method, braze.address + path, json=ONE, headers=HEADERS, timeout=20)
    assert (answer.status_code, answer.json()) == (404, {"message": "Invalid URL"})
    assert braze.profiles() == []


@pytest.mark.parametrize("header", [None, "", "key", "Basic key", "Bearer", "Bearer "], ids=repr)
def test_no_key_is_401_with_empty_limit_headers(braze: Client, header: str | None) -> None:
    answer = send(braze, b"{}", Authorization=header)
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid API key: "})
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    assert [answer.headers[name] for name in names] == ["", "", ""]


def test_a_wrong_key_is_401_and_echoed_but_not_recorded(braze: Client) -> None:
    braze.settings(api_keys=["the right one"])
    answer = send(braze, b"{}", Authorization="Bearer the-wrong-one")
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid API key: the-wrong-one"})
    assert "the-wrong-one" not in braze.get("/sandbox/requests").text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(braze: Client, scheme: str) -> None:
    braze.settings(api_keys=["Key"])
    body = b'{"attributes":[{"external_id":"p"}]}'
    assert send(braze, body, Authorization=f"{scheme} Key").status_code == 201
    assert send(braze, body, Authorization=f"{scheme} key").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "status"), [(None, 201), (["users.track"], 201), (["users.export.ids"], 403), ([], 403)], ids=str
)
def test_a_missing_scope_is_403(braze: Client, scopes: list[str] | None, status: int) -> None:
    braze.settings(scopes=scopes)
    answer = braze.track(**ONE)
    assert answer.status_code == status
    if status == 403:
        assert answer.json() == {"message": "Access Denied"}


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"], ids=repr)
def test_another_content_type_is_415(braze: Client, content_type: str | None) -> None:
    answer = send(braze, b'{"attributes":[{"external_id":"p"}]}', **{"Content-Type": content_type})
    assert answer.status_code == 415
    assert braze.profiles() == []


def test_a_charset_is_fine(braze: Client) -> None:
    body = b'{"attributes":[{"external_id":"p"}]}'
    assert send(braze, body, **{"Content-Type": "application/json; charset=utf-8"}).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"attributes":[{"external_id":"p"},]}',
        b"{'attributes':[]}",
        b'{"attributes":[]} // why',
        b'{{"attributes":[]}}',
        b'{"attributes":[{"external_id":"p","a":NaN}]}',
        b'{"attributes":[{"external_id":"\xff"}]}',
        b"[]",
        b'"text"',
    ],
    ids=repr,
)
def test_what_is_no_json_object_is_400_with_the_text_in_error(braze: Client, body: bytes) -> None:
    answer = send(braze, body)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Error while parsing request body. Please check your syntax."}


@pytest.mark.parametrize("array", ["attributes", "events", "purchases"])
def test_an_array_that_is_none_is_400(braze: Client, array: str) -> None:
    answer = braze.track(**{array: {"external_id": "p"}})
    assert (answer.status_code, answer.json()) == (400, {"message": f"'{array}' must be an array of objects"})


def test_a_body_of_more_than_four_megabytes_is_413(braze: Client) -> None:
    start, end = b'{"attributes":[{"external_id":"p"}],"x":"', b'"}'
    for size, status in ((4_000_000, 201), (4_000_001, 413)):
        body = start + b"x" * (size - len(start) - len(end)) + end
        assert len(body) == size
        assert send(braze, body).status_code == status


def people(count: int) -> list[dict[str, Any]]:
    return [{"external_id": str(n), "name": "e", "time": "2026-01-01"} for n in range(count)]


@pytest.mark.parametrize(
    ("settings", "attributes", "events", "status"),
    [
        ({}, 75, 0, 201),
        ({}, 76, 0, 400),
        ({}, 40, 35, 201),
        ({}, 40, 36, 400),
        ({"max_objects_per_request": 50}, 50, 0, 201),
        ({"max_objects_per_request": 50}, 26, 25, 400),
        ({"object_limit": "per_array"}, 75, 75, 201),
        ({"object_limit": "per_array"}, 75, 76, 400),
    ],
    ids=str,
)
def test_too_many_objects_are_400(
    braze: Client, settings: dict[str, Any], attributes: int, events: int, status: int
) -> None:
    braze.settings(**settings)
    answer = braze.track(attributes=people(attributes), events=people(events))
    assert answer.status_code == status
    if status == 400:
        assert answer.json() == {"message": "Max Input Length Exceeded"}
        assert braze.profiles() == []


def test_a_page_of_another_site_cannot_reach_the_sandbox(braze: Client) -> None:
    reset = f"{braze.address}/sandbox/reset"
    assert requests.post(reset, headers={"Origin": "https://example.com"}, timeout=20).status_code == 403
    assert requests.post(reset, headers={"Host": "example.com"}, timeout=20).status_code == 403
    assert requests.post(reset, headers={"Origin": braze.address}, timeout=20).status_code == 200
