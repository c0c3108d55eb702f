"""What the tests share: updates, a Braze that answers by script, and somebody who is told what became of requests."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from target_braze import backoff
from target_braze.packing import Request
from target_braze.target import TargetBraze
from target_braze.updates import Identity, ObjectKind, Shape, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 20.0
"""How long a test waits for what is bound to happen; only a failing one waits so long."""
SHAPE = Shape({"plan": 1})


def make_update(
    name: str = "a", kind: str = "attributes", *, stream: str = "people", size: int | None = None, **fields: Any
) -> Update:
    """An update; with `size`, its body has so many bytes."""
    body = json.dumps({"external_id": name, **fields}, separators=(",", ":"))
    if size is not None:
        body = body[:-1] + ',"pad":"' + "x" * (size - len(body) - len(',"pad":""')) + '"}'
        assert len(body) == size
    return Update(stream, ObjectKind(kind), Identity("external_id", name), body.encode(), SHAPE)


def make_request(*names: str) -> Request:
    """A request with an attributes object for each name."""
    return Request([make_update(name) for name in names])


@dataclass(frozen=True)
class Call:
    """One request as Braze saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: Any
    at: float

    @property
    def names(self) -> list[str]:
        """The external_id of every object, array by array."""
        return [entry["external_id"] for array in json.loads(self.body or b"{}").values() for entry in array]


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int = 201
    body: Any = field(default_factory=lambda: {"message": "success"})
    headers: dict[str, str] = field(default_factory=dict)


class ScriptedBraze:
    """A server on a free port of this machine, on a thread of its own, that answers by script.

    Attributes:
        script: The answer to a call, None to break the connection instead; called on the server's thread.
        holds: Which calls are not answered until `release`.
        latency: How many seconds an answer takes.
        calls: All calls, in the order they came.
        overlaps: People who were in two calls at once.
        most_at_once: The most calls there were at once.
    """

    Reply = Reply

    def __init__(self) -> None:
        self.script: Callable[[Call], Reply | None] = lambda _: Reply()
        self.holds: Callable[[Call], bool] = lambda _: False
        self.latency: Callable[[Call], float] = lambda _: 0.0
        self.calls: list[Call] = []
        self.overlaps: set[str] = set()
        self.most_at_once = 0
        self.url = ""
        self._open: list[str] = []
        self._open_calls = 0
        self._changed = threading.Condition()
        self._is_ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._is_ready.wait(PATIENCE_SECONDS)

    @property
    def names(self) -> list[str]:
        """The external_id of every object of every call."""
        return [name for call in list(self.calls) for name in call.names]

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition on the calls is met."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_SECONDS), f"calls: {self.names}"

    def release(self) -> None:
        """Answer what was held, and hold nothing more."""
        self.holds = lambda _: False
        self._loop.call_soon_threadsafe(self._gate.set)

    def close(self) -> None:
        """Stop it."""
        self.release()
        self._loop.call_soon_threadsafe(self._is_closed.set)
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._gate = asyncio.Event()
        self._is_closed = asyncio.Event()
        app = web.Application(client_max_size=10**8)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._is_ready.set()
        await self._is_closed.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        peer = request.transport and request.transport.get_extra_info("peername")
        call = Call(request.method, request.path, headers, body, peer, time.monotonic())
        names = sorted(set(call.names))
        with self._changed:
            self.overlaps |= set(names) & set(self._open)
            self._open += names
            self._open_calls += 1
            self.most_at_once = max(self.most_at_once, self._open_calls)
            self.calls.append(call)
            self._changed.notify_all()
        try:
            if self.holds(call):
                await self._gate.wait()
            await asyncio.sleep(self.latency(call))
            reply = self.script(call)
        finally:
            with self._changed:
                self._open_calls -= 1
                for name in names:
                    self._open.remove(name)
        if reply is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return web.Response(status=reply.status, body=body, headers=reply.headers)


class RecordedOutcomes:
    """Somebody who is told what became of requests, and remembers it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.submitted_positions: list[int] = []
        self.fails_at: str | None = None
        self._changed = threading.Condition()

    def submitted(self, position: int) -> None:
        self.submitted_positions.append(position)

    def sent(self, request: Request, *, is_retry: bool) -> None:
        self._note("sent", tuple(update.identity.value for update in request.objects), is_retry)

    def returned(self, objects: Any) -> None:
        for update in objects:
            self._note("returned", update.identity.value)

    def in_doubt(self, objects: Any, reason: str) -> list[Any]:
        for update in objects:
            self._note("in doubt", update.identity.value, reason)
        return []

    def accepted(self, accepted: Any) -> None:
        for update in accepted.objects:
            self._note("accepted", update.identity.value)

    def rejected(self, update: Update, reason: str) -> None:
        self._note("rejected", update.identity.value, reason)

    def ended(self, position: int) -> None:
        self._note("ended", position)

    def of(self, kind: str) -> list[Any]:
        """What was told of one kind: the rest of its tuple, or the one thing in it."""
        found = [entry[1:] for entry in list(self.told) if entry[0] == kind]
        return [entry[0] if len(entry) == 1 else entry for entry in found]

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition on what was told is met."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_SECONDS), self.told

    def _note(self, *entry: Any) -> None:
        with self._changed:
            self.told.append(entry)
            self._changed.notify_all()
        if entry[0] == self.fails_at:
            raise RuntimeError("told to fail")


@pytest.fixture
def update() -> Callable[..., Update]:
    return make_update


@pytest.fixture
def request_of() -> Callable[..., Request]:
    return make_request


@pytest.fixture
def braze() -> Iterator[ScriptedBraze]:
    server = ScriptedBraze()
    yield server
    server.close()


@pytest.fixture
def outcomes() -> RecordedOutcomes:
    return RecordedOutcomes()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr(backoff, "MAX_SECONDS", 0.002)


@pytest.fixture
def restored() -> Iterator[None]:
    """Take away again what the SDK sets for the whole process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loggers = [logging.getLogger(name) for name in (None, "target-braze", "singer_sdk")]
    logged_by = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    hook = sys.excepthook
    with warnings.catch_warnings():
        yield
    for logger, level, handlers_before in logged_by:
        logger.setLevel(level)
        logger.handlers[:] = handlers_before
    logging.captureWarnings(capture=False)
    sys.excepthook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def new_target(
    braze: ScriptedBraze,
    tmp_path: Path,
    restored: None,  # noqa: ARG001
) -> Iterator[Callable[..., TargetBraze]]:
    """Make a target that delivers to the scripted Braze."""
    made: list[TargetBraze] = []

    def make(**settings: Any) -> TargetBraze:
        config = {"base_url": braze.url, "api_key": "key", "report_path": str(tmp_path / "reports"), **settings}
        made.append(TargetBraze(config=config))
        return made[-1]

    yield make
    braze.release()
    for target in made:
        target._interrupted()


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests decides what they see, nor the ledger of another test.

    Reports and ledger are by default in the working directory.
    """
    import os

    monkeypatch.chdir(tmp_path)

    for name in list(os.environ):
        if name.startswith(("TARGET_BRAZE_", "MELTANO_", "BRAZE_SANDBOX_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
