from __future__ import annotations

import json
import logging
import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from target_braze import delivery as module
from target_braze.delivery import MAX_ANNOUNCED_SECONDS, Delivery, Limits
from target_braze.errors import DeliveryError
from target_braze.occurrences import Known, Occurrence
from target_braze.pace import Pace
from target_braze.packing import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_braze.updates import Update

KEY = "0123-the-secret-key"
PATIENCE_SECONDS = 20.0


@pytest.fixture
def deliver(braze: Any, outcomes: Any) -> Iterator[Callable[..., Delivery]]:
    """Start a delivery; it is closed at the end."""
    started: list[Delivery] = []

    def start(
        connections: int = 8,
        *,
        per_second: float = 100_000.0,
        timeout_seconds: float = 10.0,
        retry_seconds: float = 60.0,
        endpoint: str = "",
        told: Any = None,
        on_failure: Callable[[], None] = lambda: None,
        was_reached: bool = False,
    ) -> Delivery:
        limits = Limits(per_second, connections, timeout_seconds, retry_seconds)
        delivery = Delivery(endpoint or braze.url, KEY, limits, told or outcomes, on_failure)
        delivery._client.was_reached = was_reached
        started.append(delivery)
        delivery.start()
        return delivery

    yield start
    braze.release()
    for delivery in started:
        assert delivery.close()


def submit_all(delivery: Delivery, requests: list[Request], first: int = 1) -> None:
    for number, request in enumerate(requests, first):
        delivery.submit(number, request)


def backs_off(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> list[int]:
    """The waits before a retry that nobody announced, as they come: after how many attempts each."""
    waits: list[int] = []

    def backoff_seconds(attempts: int, _: Callable[[], float]) -> float:
        waits.append(attempts)
        return seconds

    monkeypatch.setattr(module, "backoff_seconds", backoff_seconds)
    return waits


def stop(delivery: Delivery) -> None:
    """Let it learn that it is to stop, and return when it has."""
    has_stopped = threading.Event()
    delivery.call(delivery._stop)
    delivery.call(has_stopped.set)
    assert has_stopped.wait(PATIENCE_SECONDS)


def named(name: str) -> Callable[[Any], bool]:
    return lambda call: name in call.names


# Delivered


def test_all_is_delivered_and_said(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    delivery = deliver()
    submit_all(delivery, [request_of("a", "b"), request_of("c")])
    delivery.finish()
    assert sorted(outcomes.of("accepted")) == ["a", "b", "c"]
    assert sorted(outcomes.of("ended")) == [1, 2]
    assert sorted(outcomes.of("sent")) == [(("a", "b"), False), (("c",), False)]
    assert sorted(braze.names) == ["a", "b", "c"]
    assert delivery.failure is None


def test_a_request_ends_after_its_objects(deliver: Any, outcomes: Any, request_of: Any) -> None:
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert [entry[0] for entry in outcomes.told] == ["sent", "accepted", "accepted", "ended"]


def test_requests_start_in_the_order_they_came(deliver: Any, outcomes: Any, request_of: Any) -> None:
    """Invariant 6."""
    delivery = deliver(connections=16)
    submit_all(delivery, [request_of(f"{number:02}") for number in range(60)])
    delivery.finish()
    assert [names for names, _ in outcomes.of("sent")] == [(f"{number:02}",) for number in range(60)]


def test_many_are_in_flight_and_the_next_ones_wait(deliver: Any, braze: Any, request_of: Any) -> None:
    """Back-pressure: so is the memory bounded."""
    is_waiting = threading.Event()

    class NoticedCondition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            is_waiting.set()
            return super().wait(timeout)

    braze.holds = lambda _: True
    delivery = deliver(connections=4, was_reached=True)
    delivery._changed = NoticedCondition()
    submitted: list[int] = []

    def submit() -> None:
        for number in range(1, 21):
            delivery.submit(number, request_of(str(number)))
            submitted.append(number)

    thread = threading.Thread(target=submit)
    thread.start()
    assert is_waiting.wait(PATIENCE_SECONDS)
    braze.wait_for(lambda: len(braze.calls) == 4)
    assert len(submitted) == 8
    braze.release()
    thread.join(PATIENCE_SECONDS)
    delivery.finish()
    assert len(submitted) == 20
    assert len(braze.calls) == 20
    assert braze.most_at_once == 4


def test_pace_is_kept(deliver: Any, braze: Any, request_of: Any) -> None:
    delivery = deliver(connections=16, per_second=50)
    submit_all(delivery, [request_of(str(number)) for number in range(16)])
    delivery.finish()
    assert braze.calls[-1].at - braze.calls[0].at >= 15 / 50 * 0.9


def test_functions_run_on_its_thread_in_order(deliver: Any, request_of: Any) -> None:
    delivery = deliver()
    ran: list[Any] = []
    delivery.call(lambda: ran.append(threading.current_thread().name))
    delivery.submit(1, request_of("a"))
    delivery.call(lambda: ran.append("later"))
    delivery.finish()
    delivery.close()  # the request may have ended before the function was handed over
    assert ran == ["delivery", "later"]


# Invariant 4: identities


@pytest.mark.usefixtures("short_waits")
def test_nobody_is_in_two_requests_in_flight(deliver: Any, outcomes: Any, braze: Any, update: Any) -> None:
    """Though many records are about few people, answers come in any order, and some have to be asked for twice."""
    chance = random.Random(7)
    requests = []
    for number in range(120):
        names = chance.sample("abcdefghij", chance.randint(1, 3))
        requests.append(Request([update(name, number=number) for name in names]))
    failing = chance.sample(range(120), 30)
    braze.latency = lambda _: chance.random() * 0.004
    braze.script = lambda _: braze.Reply(503 if len(braze.calls) in failing else 201)
    braze.holds = lambda _: True
    delivery = deliver(connections=6, was_reached=True)
    submit_all(delivery, requests[:8])
    braze.wait_for(lambda: braze.most_at_once > 1)  # or answers might come before the next request is submitted
    braze.release()
    submit_all(delivery, requests[8:], first=9)
    delivery.finish()
    assert braze.overlaps == set()
    assert sorted(outcomes.of("accepted")) == sorted(
        found.identity.value for request in requests for found in request.objects
    )


@pytest.mark.usefixtures("short_waits")
def test_the_order_of_one_identity_is_kept(deliver: Any, braze: Any, update: Any) -> None:
    answered: list[bytes] = []

    def script(call: Any) -> Any:
        if len(braze.calls) % 3 == 0:
            return braze.Reply(503)
        answered.append(call.body)
        return braze.Reply()

    braze.script = script
    requests = [Request([update("ab"[number % 2], number=number)]) for number in range(30)]
    delivery = deliver()
    submit_all(delivery, requests)
    delivery.finish()
    for name in "ab":
        mine = [request.body for request in requests if request.objects[0].identity.value == name]
        assert [body for body in answered if f'"{name}"'.encode() in body] == mine


def test_none_overtakes_one_that_waits_for_its_person(deliver: Any, braze: Any, request_of: Any) -> None:
    """Which requests leave in which order must not depend on how fast answers come (invariant 6)."""
    braze.holds = lambda _: len(braze.calls) == 1
    delivery = deliver()
    submit_all(delivery, [request_of("a"), request_of("a"), request_of("b")])
    braze.wait_for(lambda: braze.calls)
    handed_over = threading.Event()
    delivery.call(handed_over.set)
    assert handed_over.wait(PATIENCE_SECONDS)
    braze.release()
    delivery.finish()
    assert braze.names == ["a", "a", "b"]


# Invariant 4: retries and parts


@pytest.mark.parametrize("failure", [503, 429, 201, None], ids=["503", "429", "201 that says nothing", "reset"])
@pytest.mark.usefixtures("short_waits")
def test_a_retry_holds_the_same_objects(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any, failure: int | None
) -> None:
    def script(_: Any) -> Any:
        if len(braze.calls) > 2:
            return braze.Reply()
        return None if failure is None else braze.Reply(failure, b"")

    braze.script = script
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert len({call.body for call in braze.calls}) == 1
    assert outcomes.of("sent") == [(("a", "b"), False), (("a", "b"), True), (("a", "b"), True)]
    assert outcomes.of("accepted") == ["a", "b"]


def test_siblings_of_a_rejected_object_are_delivered(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    errors = [{"type": "BAD", "input_array": "attributes", "index": 1}]
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": errors})
    delivery = deliver()
    delivery.submit(1, request_of("a", "b", "c"))
    delivery.finish()
    assert outcomes.of("rejected") == [("b", "BAD")]
    assert outcomes.of("accepted") == ["a", "c"]
    assert len(braze.calls) == 1
    assert [entry[0] for entry in outcomes.told][-1] == "ended"


def test_an_error_is_about_the_object_at_that_place_of_its_array(
    deliver: Any, outcomes: Any, braze: Any, update: Any
) -> None:
    """Objects of mixed kinds stand elsewhere in the request than they were taken."""
    errors = [{"type": "BAD", "input_array": "events", "index": 1}]
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": errors})
    delivery = deliver()
    delivery.submit(1, Request([update("e0", "events"), update("a0"), update("e1", "events"), update("a1")]))
    delivery.finish()
    assert outcomes.of("rejected") == [("e1", "BAD")]
    assert sorted(outcomes.of("accepted")) == ["a0", "a1", "e0"]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (413, {}, "object too large for a request (413)"),
        (400, {"error": "Error while parsing request body."}, "Error while parsing request body."),
        (400, {"message": "Max Input Length Exceeded"}, "Max Input Length Exceeded"),
        (201, {"message": "success", "errors": ["who knows"]}, "who knows"),
    ],
    ids=["413", "400", "too many", "error without a place"],
)
def test_splitting_isolates_one_bad_object(
    *, deliver: Any, outcomes: Any, braze: Any, request_of: Any, status: int, body: Any, reason: str
) -> None:
    braze.script = lambda call: braze.Reply(status, body) if "bad" in call.names else braze.Reply()
    delivery = deliver()
    good = [str(number) for number in range(9)]
    delivery.submit(1, request_of(*good[:6], "bad", *good[6:]))
    delivery.finish()
    assert outcomes.of("rejected") == [("bad", reason)]
    assert outcomes.of("accepted") == good
    assert outcomes.of("ended") == [1]
    assert len(braze.calls) <= 9  # two for each halving of ten
    assert [is_retry for _, is_retry in outcomes.of("sent")] == [False] + [True] * (len(braze.calls) - 1)


def test_parts_go_one_after_the_other(deliver: Any, braze: Any, update: Any) -> None:
    """Two of one request may be about one person."""
    braze.script = lambda call: braze.Reply(413) if len(call.names) > 1 else braze.Reply()
    delivery = deliver()
    delivery.submit(1, Request([update("a", number=number) for number in range(8)]))
    delivery.finish()
    assert braze.overlaps == set()
    alone = [call.body for call in braze.calls if len(call.names) == 1]
    assert alone == [Request([update("a", number=number)]).body for number in range(8)]


def test_what_is_left_beside_a_named_and_an_unnamed_error_is_sent_alone(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any
) -> None:
    """An object is rejected only if it was named, or was alone when an answer named nobody."""
    errors = [{"type": "BAD", "input_array": "attributes", "index": 0}, {"type": "WORSE"}]
    braze.script = lambda call: braze.Reply(
        201, {"message": "success", **({"errors": errors} if len(call.names) > 1 else {})}
    )
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert outcomes.of("rejected") == [("a", "BAD")]
    assert outcomes.of("accepted") == ["b"]
    assert [call.names for call in braze.calls] == [["a", "b"], ["b"]]


@pytest.mark.usefixtures("short_waits")
def test_a_retry_after_a_split_holds_that_part(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    replies = iter([braze.Reply(413), braze.Reply(), braze.Reply(503), braze.Reply()])
    braze.script = lambda _: next(replies)
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert [call.names for call in braze.calls] == [["a", "b"], ["a"], ["b"], ["b"]]
    assert outcomes.of("accepted") == ["a", "b"]


def test_none_valid_rejects_all_with_their_own_reasons(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any
) -> None:
    message = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
    errors = [{"type": "OWN", "input_array": "attributes", "index": 1}]
    braze.script = lambda _: braze.Reply(400, {"message": message, "errors": errors})
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert sorted(outcomes.of("rejected")) == [("a", message), ("b", "OWN")]
    assert outcomes.of("accepted") == []
    assert outcomes.of("ended") == [1]
    assert len(braze.calls) == 1


# Pace that Braze asks for


def test_429_pauses_everybody(deliver: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    has_paused = threading.Event()
    usual = Pace.pause

    def pause(self: Any, now: float, seconds: float) -> None:
        usual(self, now, seconds)
        paused.append(now + seconds)
        has_paused.set()

    monkeypatch.setattr(Pace, "pause", pause)
    braze.script = lambda _: (
        braze.Reply(429, b"", {"X-Ratelimit-Retry-After": "0.3"}) if len(braze.calls) == 1 else braze.Reply()
    )
    delivery = deliver()
    delivery.submit(1, request_of("a"))
    assert has_paused.wait(PATIENCE_SECONDS)
    submit_all(delivery, [request_of("b"), request_of("c")])
    delivery.finish()
    assert sorted(braze.names) == ["a", "a", "b", "c"]
    assert all(call.at >= paused[0] for call in braze.calls[1:])


def test_a_success_that_leaves_none_of_the_limit_pauses_too(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any
) -> None:
    braze.script = lambda _: braze.Reply(headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0.2"})
    delivery = deliver(connections=1)
    submit_all(delivery, [request_of("a"), request_of("b")])
    delivery.finish()
    assert braze.calls[1].at - braze.calls[0].at >= 0.2
    assert outcomes.of("accepted") == ["a", "b"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1500000000"},
        {"Retry-After": "0"},
        {"X-RateLimit-Remaining": "17", "X-RateLimit-Reset": "40"},
        {},
    ],
    ids=["reset is past, by a clock that is ahead", "after none", "the burst", "unannounced"],
)
def test_a_429_that_says_not_to_wait_backs_off(
    *, deliver: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Else all attempts would be used up in an instant."""
    waits = backs_off(monkeypatch)
    braze.script = lambda _: braze.Reply(429, b"", headers) if len(braze.calls) <= 3 else braze.Reply()
    delivery = deliver()
    delivery.submit(1, request_of("a"))
    delivery.finish()
    assert waits == [1, 2, 3]


def test_waits_that_braze_asks_for_do_not_use_up_patience(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any
) -> None:
    """Its longest is an hour, and patience ten minutes."""
    braze.script = lambda _: braze.Reply(429, b"", {"Retry-After": "0.6"}) if len(braze.calls) == 1 else braze.Reply()
    delivery = deliver(retry_seconds=0.5)
    delivery.submit(1, request_of("a"))
    delivery.finish()
    assert outcomes.of("accepted") == ["a"]


def test_a_wait_beyond_an_hour_is_not_believed(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    braze.script = lambda _: braze.Reply(429, b"", {"Retry-After": str(MAX_ANNOUNCED_SECONDS + 1)})
    delivery = deliver()
    delivery.submit(1, request_of("a"))
    with pytest.raises(DeliveryError, match="clock"):
        delivery.finish()
    assert outcomes.of("ended") == []


def test_such_a_wait_does_not_spoil_a_success(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    """What Braze accepted is accepted."""
    braze.script = lambda _: braze.Reply(
        headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(MAX_ANNOUNCED_SECONDS + 1)}
    )
    delivery = deliver(connections=1)
    submit_all(delivery, [request_of("a"), request_of("b")])
    delivery.finish()
    assert sorted(outcomes.of("accepted")) == ["a", "b"]


# Patience


@pytest.mark.usefixtures("short_waits")
def test_attempts_are_bounded(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 3)
    braze.script = lambda _: braze.Reply(503)
    delivery = deliver()
    delivery.submit(1, request_of("a"))
    with pytest.raises(DeliveryError, match=r"Gave up after 3 attempts: Braze answered 503.*run again"):
        delivery.finish()
    assert len(braze.calls) == 3
    assert outcomes.of("ended") == outcomes.of("accepted") == outcomes.of("rejected") == []


def test_attempts_after_announced_waits_are_bounded(
    deliver: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 3)
    braze.script = lambda _: braze.Reply(429, b"", {"Retry-After": "0.01"})
    delivery = deliver()
    delivery.submit(1, request_of("a"))
    with pytest.raises(DeliveryError, match="Gave up after 3 attempts"):
        delivery.finish()


def test_patience_is_bounded(deliver: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = backs_off(monkeypatch, 61.0)
    braze.script = lambda _: braze.Reply(503)
    delivery = deliver(retry_seconds=60)
    delivery.submit(1, request_of("a"))
    with pytest.raises(DeliveryError, match="Gave up after 1 attempts"):
        delivery.finish()
    assert waits == [1]


def test_patience_is_shorter_while_nothing_has_ever_answered(
    deliver: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the settings are the likelier cause than Braze."""
    backs_off(monkeypatch, module.UNREACHED_SECONDS + 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        delivery = deliver(retry_seconds=600, endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
        delivery.submit(1, request_of("a"))
        with pytest.raises(DeliveryError, match="cannot be reached"):
            delivery.finish()


# Ends


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 415])
def test_what_no_retry_can_mend_stops_all(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any, status: int
) -> None:
    failed: list[int] = []
    braze.script = lambda _: braze.Reply(status, {"message": f"Invalid API key: {KEY}"})
    delivery = deliver(on_failure=lambda: failed.append(1))
    delivery.submit(1, request_of("a"))
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        delivery.finish()
    assert KEY not in str(caught.value)
    delivery.close()
    assert failed == [1]
    assert delivery.failure is caught.value
    assert len(braze.calls) == 1
    assert outcomes.of("ended") == []
    with pytest.raises(DeliveryError):
        delivery.submit(2, request_of("b"))
    with pytest.raises(DeliveryError):
        delivery.call(lambda: None)


def test_the_first_request_goes_alone(deliver: Any, outcomes: Any, request_of: Any) -> None:
    """Until something has answered: what is told of it comes before anything that is told of another."""
    delivery = deliver(connections=4)
    submit_all(delivery, [request_of(str(number)) for number in range(1, 5)])
    delivery.finish()
    assert outcomes.told[:3] == [("sent", ("1",), False), ("accepted", "1"), ("ended", 1)]
    assert len(outcomes.of("ended")) == 4


def test_a_wrong_key_costs_one_request(deliver: Any, braze: Any, request_of: Any) -> None:
    braze.script = lambda _: braze.Reply(401)
    delivery = deliver(connections=8)
    with pytest.raises(DeliveryError, match="401"):  # noqa: PT012 - the answer may be there before all are submitted
        submit_all(delivery, [request_of(str(number)) for number in range(16)])
        delivery.finish()
    delivery.close()
    assert len(braze.calls) == 1


def test_failure_is_told_once_though_many_fail(deliver: Any, braze: Any, request_of: Any) -> None:
    failed: list[int] = []
    braze.holds = lambda _: True
    braze.script = lambda _: braze.Reply(401)
    delivery = deliver(connections=4, was_reached=True, on_failure=lambda: failed.append(1))
    submit_all(delivery, [request_of(str(number)) for number in range(4)])
    braze.wait_for(lambda: len(braze.calls) == 4)
    braze.release()
    with pytest.raises(DeliveryError):
        delivery.finish()
    delivery.close()
    assert failed == [1]


def test_those_in_flight_beside_a_failure_still_count(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    braze.holds = named("good")
    braze.script = lambda call: braze.Reply(401 if "bad" in call.names else 201)
    delivery = deliver(was_reached=True)
    delivery.submit(1, request_of("good"))
    braze.wait_for(lambda: braze.calls)
    delivery.submit(2, request_of("bad"))
    with pytest.raises(DeliveryError):
        delivery.finish()
    braze.release()
    assert delivery.close()
    assert outcomes.of("accepted") == ["good"]
    assert outcomes.of("ended") == [1]


def test_one_who_waits_to_submit_learns_of_a_failure(deliver: Any, braze: Any, request_of: Any) -> None:
    braze.holds = lambda _: True
    braze.script = lambda _: braze.Reply(401)
    delivery = deliver(connections=1)
    raised: list[BaseException] = []

    def submit() -> None:
        try:
            submit_all(delivery, [request_of(str(number)) for number in range(10)])
        except DeliveryError as error:
            raised.append(error)

    thread = threading.Thread(target=submit)
    thread.start()
    braze.wait_for(lambda: braze.calls)
    braze.release()
    thread.join(PATIENCE_SECONDS)
    assert raised == [delivery.failure]


@pytest.mark.parametrize("callback", ["sent", "accepted", "rejected", "ended"])
def test_a_failure_of_whoever_is_told_stops_all(
    *, deliver: Any, outcomes: Any, braze: Any, request_of: Any, caplog: pytest.LogCaptureFixture, callback: str
) -> None:
    """A rejection that cannot be kept must not pass for one that was (invariant 3)."""
    errors = [{"type": "BAD", "input_array": "attributes", "index": 1}]
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": errors})
    outcomes.fails_at = callback
    delivery = deliver(connections=1)
    with pytest.raises(RuntimeError, match="told to fail"):  # noqa: PT012 - it may come at any of them
        submit_all(delivery, [request_of("a", "b"), request_of("c", "d")])
        delivery.finish()
    assert delivery.close()
    assert outcomes.of("ended") == ([1] if callback == "ended" else [])
    assert len(braze.calls) == (0 if callback == "sent" else 1)
    assert "Delivery failed unexpectedly (RuntimeError)" in caplog.text


def test_a_function_that_raises_stops_all(deliver: Any, request_of: Any) -> None:
    def fail() -> None:
        raise DeliveryError("STATE cannot be passed on")

    delivery = deliver()
    delivery.call(fail)
    with pytest.raises(DeliveryError, match="STATE cannot be passed on"):  # noqa: PT012 - the loop is to be ended by it
        while True:
            delivery.submit(1, request_of("a"))
            delivery.finish()


def test_closing_lets_those_in_flight_finish_and_starts_none(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any
) -> None:
    braze.holds = lambda _: True
    delivery = deliver(connections=2, was_reached=True)
    submit_all(delivery, [request_of(str(number)) for number in range(1, 5)])
    braze.wait_for(lambda: len(braze.calls) == 2)
    stop(delivery)
    braze.release()
    assert delivery.close()
    assert sorted(braze.names) == ["1", "2"]
    assert sorted(outcomes.of("ended")) == [1, 2]
    assert sorted(outcomes.of("accepted")) == ["1", "2"]


def test_closing_starts_no_further_part_of_a_request(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    """And a request of which a part is missing has not ended."""
    braze.holds = lambda call: call.names == ["a"]
    braze.script = lambda call: braze.Reply(413) if len(call.names) > 1 else braze.Reply()
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    braze.wait_for(lambda: len(braze.calls) == 2)
    stop(delivery)
    braze.release()
    assert delivery.close()
    assert outcomes.of("accepted") == ["a"]
    assert outcomes.of("ended") == []
    assert len(braze.calls) == 2


def test_closing_does_not_wait_for_a_retry(
    deliver: Any, outcomes: Any, braze: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = backs_off(monkeypatch, 50.0)
    braze.script = lambda _: braze.Reply(503)
    delivery = deliver(connections=1)
    submit_all(delivery, [request_of("a"), request_of("b")])
    outcomes.wait_for(lambda: outcomes.told)
    started = time.monotonic()
    assert delivery.close()
    assert time.monotonic() - started < 5
    assert waits in ([1], [])
    assert len(braze.calls) <= 1
    assert outcomes.of("ended") == []


def test_closing_does_not_wait_for_the_pace(deliver: Any, outcomes: Any, braze: Any, request_of: Any) -> None:
    delivery = deliver(per_second=0.01)
    submit_all(delivery, [request_of("a"), request_of("b")])
    outcomes.wait_for(lambda: outcomes.of("ended") == [1])
    assert delivery.close()
    assert braze.names == ["a"]
    assert outcomes.of("ended") == [1]


def test_closing_twice_is_closing_once(deliver: Any) -> None:
    delivery = deliver()
    assert delivery.close()
    assert delivery.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_starting_does_not_wait_for_ever(deliver: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("no session")

    monkeypatch.setattr("target_braze.client.Client.__aenter__", fail)
    delivery = deliver()
    delivery._thread.join(PATIENCE_SECONDS)
    with pytest.raises(RuntimeError):
        delivery.submit(1, request_of("a"))


# Logs


@pytest.mark.usefixtures("short_waits")
def test_the_same_trouble_is_said_once(
    deliver: Any, braze: Any, request_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: set[str] = set()

    def script(call: Any) -> Any:
        is_new = call.names[0] not in seen
        seen.update(call.names)
        return braze.Reply(503 if is_new else 201)

    braze.script = script
    delivery = deliver()
    submit_all(delivery, [request_of(str(number)) for number in range(10)])
    delivery.finish()
    assert [record.message for record in caplog.records] == [
        "A request failed and is tried again: Braze answered 503, a failure on its side."
    ]


def test_a_pause_is_said_once(
    deliver: Any, braze: Any, request_of: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by each of the requests in flight, of which there may be hundreds."""
    caplog.set_level(logging.INFO)
    braze.holds = lambda _: True
    braze.script = lambda _: braze.Reply(429, b"", {"Retry-After": "30"})
    delivery = deliver(connections=4, was_reached=True)
    paused = threading.Semaphore(0)
    usual = delivery._pause

    def pause(*given: Any) -> None:
        usual(*given)
        paused.release()

    monkeypatch.setattr(delivery, "_pause", pause)
    submit_all(delivery, [request_of(str(number)) for number in range(4)])
    braze.wait_for(lambda: len(braze.calls) == 4)
    braze.release()
    assert all(paused.acquire(timeout=PATIENCE_SECONDS) for _ in range(4))
    delivery.close()
    assert [record.message for record in caplog.records if "no request starts" in record.message] == [
        "Braze's rate limit was met (429); no request starts for 30 seconds."
    ]


def test_a_split_is_said_without_values(
    deliver: Any, braze: Any, request_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    braze.script = lambda call: (
        braze.Reply(400, {"message": 'the name "Ada" is bad'}) if len(call.names) > 1 else braze.Reply()
    )
    delivery = deliver()
    delivery.submit(1, request_of("a", "b"))
    delivery.finish()
    assert 'the name "…" is bad' in caplog.text
    assert "max_objects_per_request" in caplog.text
    assert "Ada" not in caplog.text


# Objects that must not be there twice


@pytest.fixture
def careful(update: Any) -> Callable[[str], Update]:
    """Makes an event that is held when nobody knows whether Braze has it."""

    def make(name: str) -> Update:
        occurrence = Occurrence(name.encode(), Known(0, 1), is_held_in_doubt=True)
        event: Update = update(name, "events")
        return msgspec.structs.replace(event, occurrence=occurrence)

    return make


@pytest.fixture
def mixed(update: Any, careful: Any) -> Request:
    return Request([update("a"), careful("x"), update("b"), careful("y")])


def names(call: Any) -> list[str]:
    return [fields["external_id"] for array in json.loads(call.body).values() for fields in array]


@pytest.mark.parametrize("failure", [503, 408, 201, None], ids=["503", "408", "201 that says nothing", "reset"])
@pytest.mark.usefixtures("short_waits")
def test_what_must_not_be_there_twice_is_not_tried_again(
    deliver: Any, outcomes: Any, mixed: Request, braze: Any, failure: int | None
) -> None:
    def script(_: Any) -> Any:
        if len(braze.calls) > 1:
            return braze.Reply()
        return None if failure is None else braze.Reply(failure, b"")

    braze.script = script
    delivery = deliver()
    delivery.submit(1, mixed)
    delivery.finish()
    assert [names(call) for call in braze.calls] == [["a", "b", "x", "y"], ["a", "b"]]
    assert [name for name, _ in outcomes.of("in doubt")] == ["x", "y"]
    assert outcomes.of("accepted") == ["a", "b"]
    assert outcomes.of("returned") == []
    assert outcomes.of("ended") == [1]


@pytest.mark.usefixtures("short_waits")
def test_the_rest_of_what_must_not_be_there_twice_goes_again(
    deliver: Any, outcomes: Any, careful: Any, braze: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    sure = msgspec.structs.replace(careful("x"), occurrence=None)

    def in_doubt(objects: Any, _: str) -> list[Any]:
        held.extend(each.identity.value for each in objects)
        return [sure]

    monkeypatch.setattr(outcomes, "in_doubt", in_doubt)
    braze.script = lambda _: braze.Reply() if len(braze.calls) > 1 else braze.Reply(503, b"")
    delivery = deliver()
    delivery.submit(1, Request([careful("x"), msgspec.structs.replace(careful("a"), occurrence=None)]))
    delivery.finish()
    assert held == ["x"]
    assert [names(call) for call in braze.calls] == [["x", "a"], ["a", "x"]]
    assert outcomes.of("accepted") == ["a", "x"]
    assert outcomes.of("ended") == [1]


@pytest.mark.parametrize("status", [429, 400])
@pytest.mark.usefixtures("short_waits")
def test_what_braze_certainly_did_not_take_is_tried_again(
    deliver: Any, outcomes: Any, mixed: Request, braze: Any, status: int
) -> None:
    braze.script = lambda _: braze.Reply() if len(braze.calls) > 1 else braze.Reply(status, {"message": "no"})
    delivery = deliver()
    delivery.submit(1, mixed)
    delivery.finish()
    assert outcomes.of("returned") == ["a", "x", "b", "y"]
    assert outcomes.of("in doubt") == []
    assert sorted(outcomes.of("accepted")) == ["a", "b", "x", "y"]


@pytest.mark.usefixtures("short_waits")
def test_an_error_that_names_none_leaves_the_others_in_doubt(
    deliver: Any, outcomes: Any, mixed: Request, braze: Any
) -> None:
    errors = [{"type": "BAD"}, {"type": "WORSE", "input_array": "events", "index": 1}]
    braze.script = lambda _: (
        braze.Reply() if len(braze.calls) > 1 else braze.Reply(201, {"message": "success", "errors": errors})
    )
    delivery = deliver()
    delivery.submit(1, mixed)
    delivery.finish()
    assert outcomes.of("rejected") == [("y", "WORSE")]
    assert outcomes.of("in doubt") == [("x", "BAD")]
    assert outcomes.of("accepted") == ["a", "b"]


def test_an_error_about_the_only_object_is_about_that(deliver: Any, outcomes: Any, braze: Any, careful: Any) -> None:
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": [{"type": "BAD"}]})
    delivery = deliver()
    delivery.submit(1, Request([careful("x")]))
    delivery.finish()
    assert outcomes.of("rejected") == [("x", "BAD")]
    assert outcomes.of("in doubt") == []


@pytest.mark.usefixtures("short_waits")
def test_a_certain_answer_does_not_settle_an_uncertain_one_before_it(
    deliver: Any, outcomes: Any, braze: Any, update: Any
) -> None:
    """What may have been applied by a first attempt may have been applied, whatever a second one is answered."""
    answers = iter([503, 429])
    braze.script = lambda _: braze.Reply(status, b"") if (status := next(answers, None)) else braze.Reply()
    delivery = deliver()
    delivery.submit(1, Request([update("a", "events")]))
    delivery.finish()
    assert outcomes.of("returned") == []
    assert outcomes.of("accepted") == ["a"]


def test_where_nothing_answers_nothing_is_in_doubt(deliver: Any, outcomes: Any, mixed: Request) -> None:
    delivery = deliver(endpoint="http://127.0.0.1:1", retry_seconds=0.0)
    delivery.submit(1, mixed)
    with pytest.raises(DeliveryError, match="cannot be reached"):
        delivery.finish()
    assert outcomes.of("returned") == ["a", "x", "b", "y"]
    assert outcomes.of("in doubt") == []
