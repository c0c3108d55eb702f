from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import __version__
from target_braze.client import Answer, Client, _proxy
from target_braze.responses import Action

if TYPE_CHECKING:
    from pathlib import Path

    from target_braze.packing import Request

KEY = "0123-the-secret-key"
BRAZE = "https://rest.iad-01.braze.com"


def post(endpoint: str, *requests: Request, timeout_seconds: float = 10.0) -> tuple[list[Answer], Client]:
    """Send requests one after the other."""

    async def send() -> list[Answer]:
        async with client:
            return [await client.post(request) for request in requests]

    client = Client(endpoint, KEY, connections=2, timeout_seconds=timeout_seconds)
    return asyncio.run(send()), client


def post_one(endpoint: str, request: Request, timeout_seconds: float = 10.0) -> Answer:
    (answer,), _ = post(endpoint, request, timeout_seconds=timeout_seconds)
    return answer


def serving_raw(answer: bytes) -> Any:
    """Post to a server that says these bytes and hangs up."""

    async def serve(request: Request) -> tuple[Answer, bool]:
        async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", KEY, 1, 10.0)
        async with server, client:
            return await client.post(request), client.was_reached

    return lambda request: asyncio.run(serve(request))


def test_request_as_braze_sees_it(braze: Any, request_of: Any) -> None:
    request = request_of("a", "b")
    answer = post_one(braze.url, request)
    assert answer.resolution.action is Action.ACCEPT
    assert answer.announced_seconds is None
    (call,) = braze.calls
    assert (call.method, call.path, call.body) == ("POST", "/users/track", request.body)
    assert call.headers["content-type"] == "application/json"
    assert re.fullmatch(r"partner-\w+-\w+/\d+\.\d+\.\d+", call.headers["user-agent"])
    assert call.headers["user-agent"].endswith(f"/{__version__}")


def test_key_is_in_one_header_and_nowhere_else(braze: Any, request_of: Any) -> None:
    post_one(braze.url, request_of("a"))
    (call,) = braze.calls
    assert [name for name, value in call.headers.items() if KEY in value] == ["authorization"]
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in call.path
    assert KEY.encode() not in call.body


def test_redirects_are_not_followed(braze: Any, request_of: Any) -> None:
    """Whoever is redirected to would be given the key."""
    braze.script = lambda _: braze.Reply(307, b"", {"Location": f"{braze.url}/elsewhere"})
    assert post_one(braze.url, request_of("a")).resolution.action is Action.STOP
    assert [call.path for call in braze.calls] == ["/users/track"]


def test_cookies_are_not_kept(braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", braze.url)  # aiohttp keeps none of an address without a name anyway
    braze.script = lambda _: braze.Reply(headers={"Set-Cookie": "session=1"})
    post("http://rest.example.invalid", request_of("a"), request_of("b"))
    assert len(braze.calls) == 2
    assert all("cookie" not in call.headers for call in braze.calls)


def test_a_connection_is_used_again(braze: Any, request_of: Any) -> None:
    """A handshake for each request would cost more than the request."""
    post(braze.url, *(request_of(str(number)) for number in range(3)))
    assert len({call.peer for call in braze.calls}) == 1


def test_no_answer_in_time(braze: Any, request_of: Any) -> None:
    braze.holds = lambda _: True
    answer = post_one(braze.url, request_of("a"), timeout_seconds=0.05)
    assert answer.resolution.action is Action.RETRY
    assert answer.resolution.reason == "no answer within 0.05 seconds (`request_timeout_seconds`)"


def test_connection_reset(braze: Any, request_of: Any) -> None:
    braze.script = lambda _: None
    (answer,), client = post(braze.url, request_of("a"))
    assert answer.resolution.action is Action.RETRY
    assert f"the connection to {braze.url} broke" in answer.resolution.reason
    assert not client.was_reached


def test_connection_refused(request_of: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it meanwhile
        (answer,), client = post(f"http://127.0.0.1:{unused.getsockname()[1]}", request_of("a"))
    assert answer.resolution.action is Action.RETRY
    assert "cannot be reached" in answer.resolution.reason
    assert "`instance`" in answer.resolution.reason
    assert not client.was_reached


def test_a_host_that_no_name_can_be(request_of: Any) -> None:
    answer = post_one(f"http://{'a' * 64}.localhost", request_of("a"))
    assert answer.resolution.action is Action.RETRY


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"message":', id="cut off"),
        pytest.param(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunk"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx", id="no gzip"),
    ],
)
def test_an_answer_that_is_none(raw: bytes, request_of: Any) -> None:
    answer, _ = serving_raw(raw)(request_of("a"))
    assert answer.resolution.action is Action.RETRY


@pytest.mark.parametrize("status", [201, 401, 503])
def test_any_answer_means_that_it_was_reached(braze: Any, request_of: Any, status: int) -> None:
    braze.script = lambda _: braze.Reply(status)
    _, client = post(braze.url, request_of("a"))
    assert client.was_reached


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-Ratelimit-Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Limit": "", "X-RateLimit-Remaining": "", "X-RateLimit-Reset": ""}, None),
    ],
)
def test_announced_wait_is_handed_on(braze: Any, request_of: Any, headers: dict[str, str], seconds: Any) -> None:
    braze.script = lambda _: braze.Reply(429, {"message": "Rate Limited"}, headers)
    answer = post_one(braze.url, request_of("a"))
    assert answer.resolution.is_limit
    assert answer.announced_seconds == seconds


@pytest.mark.parametrize("status", [201, 302, 401, 404, 500])
def test_reasons_hold_nothing_of_request_or_answer(braze: Any, request_of: Any, status: int) -> None:
    """Invariant 5."""
    braze.script = lambda _: braze.Reply(status, {"message": f"Invalid API key: {KEY} person-7"})
    resolution = post_one(braze.url, request_of("person-7")).resolution
    assert KEY not in resolution.reason
    assert "person-7" not in resolution.reason


@pytest.mark.parametrize(
    ("environment", "endpoint", "proxy"),
    [
        pytest.param({}, BRAZE, None, id="none"),
        pytest.param({"HTTPS_PROXY": "http://proxy:3128"}, BRAZE, "http://proxy:3128", id="for https"),
        pytest.param({"https_proxy": "http://u:p@proxy:3128"}, BRAZE, "http://u:p@proxy:3128", id="with a password"),
        pytest.param({"HTTP_PROXY": "http://proxy:3128"}, BRAZE, None, id="for http only"),
        pytest.param({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "braze.com"}, BRAZE, None, id="but not there"),
        pytest.param({"HTTP_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8977", None, id="not on this machine"),
        pytest.param({"HTTP_PROXY": "http://proxy:3128"}, "http://localhost:8977", None, id="not on localhost"),
    ],
)
def test_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], endpoint: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _proxy(endpoint) == proxy


def test_proxy_is_asked_for_the_world_outside(
    braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And `~/.netrc` has no say: aiohttp would refuse to send the key beside a password from there."""
    (tmp_path / "netrc").write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", braze.url)
    answer = post_one("http://rest.example.invalid", request_of("a"))
    assert answer.resolution.action is Action.ACCEPT
    (call,) = braze.calls
    assert call.headers["host"] == "rest.example.invalid"
    assert call.headers["authorization"] == f"Bearer {KEY}"
