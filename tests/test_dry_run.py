"""A dry run says what a run would send and cost, and `max_data_points` stops one before it costs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Sandbox, Target

SCHEMA = {"properties": {"external_id": {"type": "string"}, "tier": {"type": "string"}, "email": {"type": "string"}}}


ONLY_SAID_BEFOREHAND = {"dry_run", "seconds", "plan"}


def counts(summary: dict[str, Any]) -> dict[str, Any]:
    """What a plan and the run that follows it say alike."""
    return {name: value for name, value in summary.items() if name not in ONLY_SAID_BEFOREHAND}


def lines(records: int, *, golden: int | None = None) -> list[dict[str, Any]]:
    """People; with `golden`, only so many of them in the tier gold."""
    found: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": "people", "schema": SCHEMA, "key_properties": []}]
    for number in range(records):
        email = "none" if number == 5 else f"p{number}@mail.example"
        tier = "gold" if golden is None or number < golden else "silver"
        person = {"external_id": f"person-{number}", "tier": tier, "email": email}
        found.append({"type": "RECORD", "stream": "people", "record": person})
        found.append({"type": "STATE", "value": {"read": number + 1}})
    return found


def test_a_dry_run_is_the_run_without_the_sending(target: Target, sandbox: Sandbox) -> None:
    rehearsed = target.run({"dry_run": True}, lines(200))
    assert (rehearsed.exit, rehearsed.states) == (0, [])
    assert sandbox.stats()["requests"] == 0
    assert "Dry run: nothing was sent" in rehearsed.stderr

    real = target.run({}, lines(200))
    assert rehearsed.summary["dry_run"]
    assert counts(rehearsed.summary) == counts(real.summary)
    assert sandbox.stats()["data_points"]["total"] == real.summary["data_points"] == 399
    assert rehearsed.rejections == real.rejections
    assert real.rejections


def test_a_dry_run_compares_with_the_ledger_and_leaves_it_as_it_is(target: Target, sandbox: Sandbox) -> None:
    target.run({}, lines(200))
    points = sandbox.stats()["data_points"]["total"]

    first, second = (target.run({"dry_run": True}, lines(200, golden=150)).summary for _ in range(2))
    assert sandbox.stats()["data_points"]["total"] == points
    real = target.run({}, lines(200, golden=150)).summary

    assert counts(first) == counts(second) == counts(real)
    assert (real["delivered"], real["unchanged"], real["rejected"]) == (50, 150, 0)
    assert real["streams"]["people"]["attributes"] == {"tier": 50}
    assert first["plan"].keys() == {"minutes", "minutes_at_hourly_limit", "habits"}
    assert "plan" not in real


def test_a_dry_run_needs_neither_braze_nor_a_sandbox(target: Target) -> None:
    outcome = target.run({"dry_run": True, "base_url": None, "instance": "sandbox"}, lines(3))

    assert outcome.exit == 0, outcome.stderr
    assert outcome.summary["records"] == 3


def test_its_minutes_keep_the_limit_of_a_slow_endpoint(target: Target) -> None:
    """Braze allows 1,000 requests a minute there."""
    names = ("current_external_id", "new_external_id")
    schema = {"properties": {name: {"type": "string"} for name in names}}
    renamed: list[dict[str, Any]] = [
        {"type": "RECORD", "stream": "renamed", "record": {names[0]: f"old-{number}", names[1]: f"new-{number}"}}
        for number in range(5_000)
    ]
    messages = [{"type": "SCHEMA", "stream": "renamed", "schema": schema, "key_properties": []}, *renamed]
    settings = {"dry_run": True, "streams": {"renamed": {"object": "external_id_rename"}}}

    summary = target.run(settings, messages).summary

    assert (summary["requests"], summary["plan"]["minutes"]) == (100, 0.1)


def test_a_run_stops_before_the_request_that_would_cost_too_much(target: Target, sandbox: Sandbox) -> None:
    limits = {"max_data_points": 100, "max_objects_per_request": 10}

    outcome = target.run(limits, lines(200))

    assert outcome.exit == 1
    assert "would have passed `max_data_points`: 99 of 100 are used" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert sandbox.stats()["data_points"]["total"] == 99
    assert (outcome.summary["delivered"], outcome.summary["data_points"], outcome.summary["requests"]) == (50, 99, 5)
    assert outcome.states[-1] == {"read": 50}


def test_a_limit_that_is_just_enough(target: Target) -> None:
    outcome = target.run({"max_data_points": 399}, lines(200))

    assert outcome.exit == 0, outcome.stderr
    assert outcome.summary["data_points"] == 399


TIME = "2026-11-03T09:00:00Z"
QUANTITIES = (1, 3, 100, 250, None)
PIECES = sum(quantity or 1 for quantity in QUANTITIES)


def occurrences() -> list[dict[str, Any]]:
    """Purchases of so many pieces, two events, and one that Braze does not bill."""
    columns = ("external_id", "product_id", "price", "quantity", "time", "name", "source", "product_name", "variant_id")
    schema: dict[str, Any] = {"properties": {name: {} for name in columns}}
    hat = {"external_id": "p", "product_id": "hat", "price": 2, "time": TIME}
    viewed = {"name": "ecommerce.product_viewed", "source": "web", "product_name": "Hat", "variant_id": "red"}
    return [
        {"type": "SCHEMA", "stream": "bought", "schema": schema},
        *({"type": "RECORD", "stream": "bought", "record": {**hat, "quantity": each}} for each in QUANTITIES),
        {"type": "SCHEMA", "stream": "did", "schema": schema},
        *({"type": "RECORD", "stream": "did", "record": {"external_id": p, "name": "e", "time": TIME}} for p in "pq"),
        {"type": "RECORD", "stream": "did", "record": {**hat, **viewed}},
    ]


OCCURRENCES = {
    "streams": {
        "bought": {"object": "purchases", "defaults": {"currency": "EUR"}},
        "did": {"object": "events", "defaults": {"currency": "EUR"}},
    }
}


def test_events_and_purchases_cost_what_braze_counts(target: Target, sandbox: Sandbox) -> None:
    """A purchase of X pieces is X purchases, also in parts; an event is one; a recommended event is free."""
    rehearsed = target.run({**OCCURRENCES, "dry_run": True}, occurrences())
    real = target.run(OCCURRENCES, occurrences())

    assert (real.exit, real.rejections) == (0, []), real.stderr
    assert counts(rehearsed.summary) == counts(real.summary)
    streams = {name: stream["attributes"] for name, stream in real.summary["streams"].items()}
    assert streams == {"bought": {"purchases": PIECES}, "did": {"events": 2}}
    counted = sandbox.stats()["data_points"]
    assert (counted["purchases"], counted["events"]) == ({"hat": PIECES}, {"e": 2})
    assert counted["total"] == real.summary["data_points"]
    [person] = sandbox.profiles(external_id="p")
    assert [each["count"] for each in person["purchases"]] == [PIECES]


def test_a_limit_counts_pieces_before_they_are_sent(target: Target, sandbox: Sandbox) -> None:
    outcome = target.run({**OCCURRENCES, "max_data_points": PIECES - 1, "max_objects_per_request": 1}, occurrences())

    assert outcome.exit == 1
    assert "would have passed `max_data_points`" in outcome.stderr
    assert sandbox.stats()["data_points"]["total"] == outcome.summary["data_points"] <= PIECES - 1
