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
from braze_sandbox.calls import Call
from braze_sandbox.gate import Answer, Pass
from braze_sandbox.journal import REDACTED, redacted, secrets_in, without_secrets
from braze_sandbox.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from braze_sandbox.calls import Route
    from braze_sandbox.faults import Fault
    from braze_sandbox.identities import Identity
    from braze_sandbox.journal import Record
    from braze_sandbox.store import WorkingSet
    from braze_sandbox.track import Variant
    from braze_sandbox.validation import Checked

BRAZE = web.AppKey("braze", Braze)
STOPPING = web.AppKey("stopping", asyncio.Event)
REFUSED = 400  # this status and those above
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


def close(braze: Braze, record: Record, answer: Answer | None, body: bytes, keys: Iterable[str]) -> None:
    """Write a record, within a transaction."""
    record.answered, record.status = (now(), answer.status) if answer else (None, None)
    record.answer = _without_keys(answer.body, keys) if answer else None
    braze.record(record, body)


def _without_keys(body: Any, keys: Iterable[str]) -> Any:
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        for key in filter(None, keys):
            body = {**body, "message": body["message"].replace(key, REDACTED)}
    return body


async def answered(request: web.Request, route: Route) -> web.StreamResponse:
    """Answer a request to any route but `/users/track`, or meet a fault."""
    return await Exchange(request, route).run()


async def tracked(request: web.Request, variant: Variant) -> web.StreamResponse:
    """Answer `POST /users/track` or a variant of it, or meet a fault."""
    return await TrackExchange(request, variant).run()


class Exchange:
    """One request to a route."""

    def __init__(self, request: web.Request, route: Route | None) -> None:
        self._request = request
        self._route = route
        self._braze = request.app[BRAZE]
        self._record = opened(request)
        self._authorization = request.headers.get("Authorization", "")
        self._fault: Fault | None = self._braze.faults.next(request.path)
        self._record.fault = self._fault.kind if self._fault else None
        self._body = b""
        self._is_recorded = False

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
        assert self._route is not None
        braze, route, fault = self._braze, self._route, self._fault
        body = await body_of(self._request)
        self._body = body or b""
        entry = gate.enter(braze, route.limit, route.scope, self._authorization, self._record.arrived)
        parsed = self._read(entry, body, has_body=route.has_body)
        await self._delayed()
        with braze.transaction():
            answer = parsed if isinstance(parsed, Answer) else self._worked(route, parsed)
            if isinstance(entry, Pass):
                answer = answer._replace(headers={**entry.headers, **answer.headers})
            if fault:
                answer = spoiled(answer, fault)
            self._write(None if fault and fault.cuts else answer)
        await self._held()
        return answer

    def _worked(self, route: Route, parsed: dict[str, Any]) -> Answer:
        """Let the route do its work; take it back if the fault says so."""
        braze, record = self._braze, self._record
        query: dict[str, list[str]] = {}
        for name, value in self._request.query.items():
            query.setdefault(name.removesuffix("[]"), []).append(value)
        record.objects = {name: len(value) for name, value in parsed.items() if isinstance(value, list)}
        address = str(self._request.url.origin())
        call = Call(parsed, self._request.match_info, query, address, Outcome(), now())
        if self._fault and not self._fault.is_applied:
            with braze.undone():
                return _worked(braze, route, call)
        answer = _worked(braze, route, call)
        if route.writes and answer.status < REFUSED:
            braze.counters.count_cohorts(call.outcome)
            braze.applied += 1
            record.outcome = call.outcome
        return answer

    async def _delayed(self) -> None:
        """Wait as settings and fault say."""
        fault = self._fault
        delay = self._braze.settings.delay_ms / 1000
        if fault and fault.kind == "delay":
            delay += 1 if fault.seconds is None else fault.seconds
        if delay:
            await pause(self._request, delay)

    async def _held(self) -> None:
        """Let the client wait in vain, if that is the fault."""
        if self._fault and self._fault.holds:
            await pause(self._request, self._fault.seconds or HOLD_SECONDS)

    def _read(
        self, entry: Answer | Pass, body: bytes | None, *, has_body: bool = True, max_body_bytes: int | None = None
    ) -> Answer | dict[str, Any]:
        """Return either the refusal of the whole request or its body."""
        if isinstance(entry, Answer):
            return entry
        if body is None:
            return Answer(413, {"message": messages.TOO_LARGE}, {})
        return gate.read(self._braze, self._request.headers, body, max_body_bytes) if has_body else {}

    def _write(self, answer: Answer | None) -> None:
        body = self._body
        if self._route and self._route.secrets:
            body = without_secrets(body, self._route.secrets)
        close(self._braze, self._record, answer, body, self._keys())
        self._is_recorded = True

    def _keys(self) -> list[str]:
        """Return what an answer may echo and nobody may record."""
        keys = [gate.bearer(self._authorization)]
        if self._route and self._route.secrets:
            keys += secrets_in(self._body, self._route.secrets)
        return keys


class TrackExchange(Exchange):
    """One request to `/users/track` or a variant of it."""

    def __init__(self, request: web.Request, variant: Variant) -> None:
        super().__init__(request, None)
        self._variant = variant
        self._braze.counters.count_arrival(self._record.arrived)

    async def _answered(self) -> Answer:
        """Return what to answer, after it was applied and recorded."""
        braze, fault, variant = self._braze, self._fault, self._variant
        body = await body_of(self._request)
        self._body = body or b""
        entry = gate.enter(braze, variant.limit, variant.scope, self._authorization, self._record.arrived)
        refusal, checked = self._examined(entry, body)
        with self._in_flight(track.identities(checked) if checked else ()):
            working_set = await self._snapshot(checked)
            await self._delayed()
            answer = refusal if checked is None else track.answer(braze, checked)
            assert answer is not None  # refused or checked
            with braze.transaction():
                if checked and checked.valid:
                    if fault is None or fault.is_applied:
                        working_set = working_set or track.people(braze, checked)
                        track.applied(braze, checked, working_set, self._record, now())
                    if variant.is_sync:
                        answer = track.answer_with_results(checked, working_set)
                if isinstance(entry, Pass):
                    answer = answer._replace(headers={**entry.headers, **answer.headers})
                if fault:
                    answer = spoiled(answer, fault)
                self._write(None if fault and fault.cuts else answer)
            await self._held()  # under way for as long as the client waits for it
        return answer

    async def _snapshot(self, checked: Checked | None) -> WorkingSet | None:
        """Return people as they are before another request is applied, if that is the fault."""
        if not (self._fault and self._fault.kind == "lost_update" and checked):
            return None
        working_set = track.people(self._braze, checked)
        await self._await_another(self._fault.seconds or LOST_UPDATE_SECONDS)
        return working_set

    def _examined(self, entry: Answer | Pass, body: bytes | None) -> tuple[Answer | None, Checked | None]:
        """Return either the refusal of the whole request or its objects, checked."""
        braze, variant = self._braze, self._variant
        parsed = self._read(entry, body, max_body_bytes=variant.max_body_bytes)
        if isinstance(parsed, Answer):
            return parsed, None
        self._record.objects = track.objects_in(parsed)
        braze.counters.count_objects(self._record.objects)
        refusal = track.refused_whole(braze, parsed, variant)
        if refusal:
            return refusal, None
        settings = braze.settings
        blacklist = frozenset(settings.blacklisted_external_ids)
        checked = validation.check(parsed, blacklist, settings.subscription_groups)
        refusal = track.refused_per_profile(checked, variant)
        return refusal, None if refusal else checked

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
        super()._write(answer)


def _worked(braze: Braze, route: Route, call: Call) -> Answer:
    try:
        return route.work(braze, call)
    except messages.RefusedError as error:
        return gate.refused(str(error))


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
