"""One request to Braze over HTTP, from its arrival to its answer or to the fault it meets.

Responsible for the order: record the arrival, pass the gate, wait, apply and record in one transaction, answer. An
answer never leaves before what it says is in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import struct
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from braze_sandbox import gate, messages, track, validation
from braze_sandbox.braze import Braze, now
from braze_sandbox.gate import Answer, Pass
from braze_sandbox.journal import REDACTED, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from braze_sandbox.faults import Fault
    from braze_sandbox.identities import Identity
    from braze_sandbox.journal import Record
    from braze_sandbox.store import WorkingSet
    from braze_sandbox.validation import Checked

TRACK = "/users/track"
BRAZE = web.AppKey("braze", Braze)
STOPPING = web.AppKey("stopping", asyncio.Event)
HARD_LIMIT_BYTES = 64 * 1024 * 1024  # what is read at all, whatever the settings say
HOLD_SECONDS = 86_400.0  # longer than any client waits
LOST_UPDATE_SECONDS = 5.0
LOST_UPDATE_TURN_SECONDS = 0.005


def response(answer: Answer) -> web.Response:
    """Return an answer as aiohttp wants it; a string is sent as it is, anything else as JSON."""
    body = answer.body.encode() if isinstance(answer.body, str) else msgspec.json.encode(answer.body)
    headers = {"X-Request-Id": str(uuid.uuid4()), **answer.headers}
    headers.setdefault("Content-Type", "application/json")
    return web.Response(body=body, status=answer.status, headers=headers)


async def pause(request: web.Request, seconds: float) -> None:
    """Wait, but no longer than this server runs."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(request.app[STOPPING].wait(), seconds)


async def body_of(request: web.Request) -> bytes | None:
    """Return the body, or `None` if it is larger than anything Braze would look at."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None


def opened(request: web.Request) -> Record:
    """Return the record of a request that just came."""
    return request.app[BRAZE].journal.opened(request.method, request.path_qs, redacted(dict(request.headers)), now())


def close(braze: Braze, record: Record, answer: Answer | None, body: bytes, authorization: str) -> None:
    """Write a record, within a transaction."""
    record.answered, record.status = (now(), answer.status) if answer else (None, None)
    record.answer = _without_key(answer.body, gate.bearer(authorization)) if answer else None
    braze.record(record, body)


def _without_key(body: Any, key: str) -> Any:
    if key and isinstance(body, dict) and isinstance(body.get("message"), str):
        return {**body, "message": body["message"].replace(key, REDACTED)}
    return body


async def simple(
    request: web.Request, scope: str, work: Callable[[Braze, web.Request, dict[str, Any]], Answer]
) -> web.Response:
    """Answer a request to any route but `/users/track`."""
    braze, record = request.app[BRAZE], opened(request)
    authorization = request.headers.get("Authorization", "")
    body = await body_of(request) or b""
    entry = gate.enter(braze, request.path, scope, authorization, record.arrived)
    if isinstance(entry, Answer):
        answer = entry
    else:
        parsed = {} if request.method == "GET" else gate.read(braze, request.headers, body)
        answer = parsed if isinstance(parsed, Answer) else work(braze, request, parsed)
        answer = answer._replace(headers={**entry.headers, **answer.headers})
    with braze.transaction():
        close(braze, record, answer, body, authorization)
    return response(answer)


async def track_users(request: web.Request) -> web.StreamResponse:
    """Answer `POST /users/track`, or meet a fault."""
    return await TrackExchange(request).run()


class TrackExchange:
    """One request to `/users/track`."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._braze = request.app[BRAZE]
        self._record = opened(request)
        self._authorization = request.headers.get("Authorization", "")
        self._fault: Fault | None = self._braze.faults.next()
        self._record.fault = self._fault.kind if self._fault else None
        self._body = b""
        self._is_recorded = False
        self._braze.counters.count_arrival(self._record.arrived)

    async def run(self) -> web.StreamResponse:
        """Do all of it; return the response, which is without effect if the connection was cut."""
        try:
            answer = await self._answered()
        except asyncio.CancelledError:  # the client has gone
            if not self._is_recorded:
                with self._braze.transaction():
                    self._write(None)
            raise
        if self._fault and self._fault.cuts:
            _cut(self._request)
        return response(answer)

    async def _answered(self) -> Answer:
        """Return what to answer, after it was applied and recorded."""
        braze, fault = self._braze, self._fault
        body = await body_of(self._request)
        self._body = body or b""
        entry = gate.enter(braze, TRACK, track.SCOPE, self._authorization, self._record.arrived)
        refusal, checked = self._examined(entry, body)
        with self._in_flight(track.identities(checked) if checked else ()):
            working_set = await self._delayed(checked)
            answer = refusal if checked is None else track.answer(braze, checked)
            assert answer is not None  # refused or checked
            if isinstance(entry, Pass):
                answer = answer._replace(headers={**entry.headers, **answer.headers})
            if fault:
                answer = spoiled(answer, fault)
            with braze.transaction():
                if checked and checked.valid and (fault is None or fault.is_applied):
                    working_set = working_set or track.people(braze, checked)
                    track.applied(braze, checked, working_set, self._record, now())
                self._write(None if fault and fault.cuts else answer)
            if fault and fault.holds:
                # Under way for as long as the client waits for it.
                await pause(self._request, fault.seconds or HOLD_SECONDS)
        return answer

    async def _delayed(self, checked: Checked | None) -> WorkingSet | None:
        """Wait as settings and fault say; return people as they were before, if that is the fault."""
        fault, working_set = self._fault, None
        if fault and fault.kind == "lost_update" and checked:
            working_set = track.people(self._braze, checked)
            await self._await_another(fault.seconds or LOST_UPDATE_SECONDS)
        delay = self._braze.settings.delay_ms / 1000
        if fault and fault.kind == "delay":
            delay += 1 if fault.seconds is None else fault.seconds
        if delay:
            await pause(self._request, delay)
        return working_set

    def _examined(self, entry: Answer | Pass, body: bytes | None) -> tuple[Answer | None, Checked | None]:
        """Return either the refusal of the whole request or its objects, checked."""
        braze = self._braze
        if isinstance(entry, Answer):
            return entry, None
        if body is None:
            return Answer(413, {"message": messages.TOO_LARGE}, {}), None
        parsed = gate.read(braze, self._request.headers, body)
        if isinstance(parsed, Answer):
            return parsed, None
        self._record.objects = track.objects_in(parsed)
        braze.counters.count_objects(self._record.objects)
        refusal = track.refused_whole(braze, parsed)
        if refusal:
            return refusal, None
        return None, validation.check(parsed, frozenset(braze.settings.blacklisted_external_ids))

    @contextlib.contextmanager
    def _in_flight(self, identities: Iterable[Identity | None]) -> Any:
        """Note whom this request is about for as long as it is under way."""
        mine = {identity for identity in identities if identity}
        in_flight = self._braze.in_flight
        self._braze.counters.identities_in_flight_twice += sum(identity in in_flight for identity in mine)
        in_flight.update(mine)
        try:
            yield
        finally:
            for identity in mine:
                in_flight[identity] -= 1
                if not in_flight[identity]:
                    del in_flight[identity]

    async def _await_another(self, seconds: float) -> None:
        """Wait until another request was applied, so that this one overwrites what it did."""
        before, until = self._braze.applied, now() + seconds
        while self._braze.applied == before and now() < until:
            await pause(self._request, LOST_UPDATE_TURN_SECONDS)

    def _write(self, answer: Answer | None) -> None:
        self._braze.counters.count_answer(answer.status if answer else None)
        close(self._braze, self._record, answer, self._body, self._authorization)
        self._is_recorded = True


def spoiled(answer: Answer, fault: Fault) -> Answer:
    """Return what a fault makes of an answer."""
    headers = {**answer.headers, **fault.headers}
    status = fault.status or answer.status
    if fault.kind == "status":
        status = fault.status or 503
        reason = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Error"
        return Answer(status, {"message": reason} if fault.body is None else fault.body, fault.headers)
    if fault.kind == "not_success":
        return Answer(fault.status or 201, fault.body or {"message": "Internal failure"}, headers)
    if fault.kind == "unparseable":
        return Answer(fault.status or 201, fault.body or "<html><body>Bad gateway</body></html>", headers)
    if fault.kind == "errors_without_index" and isinstance(answer.body, dict):
        errors = [*answer.body.get("errors", ()), {"type": "UNKNOWN_ERROR"}]
        return Answer(status, fault.body or {**answer.body, "errors": errors}, headers)
    return Answer(status, answer.body if fault.body is None else fault.body, headers)


def _cut(request: web.Request) -> None:
    """Reset the connection."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Lingering for zero seconds makes the system send a reset in place of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
