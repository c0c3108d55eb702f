"""A dry run says what a run would send and cost, and `max_data_points` stops one before it costs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Sandbox, Target

SCHEMA = {"properties": {"external_id": {"type": "string"}, "tier": {"type": "string"}, "email": {"type": "string"}}}


def lines(records: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": "people", "schema": SCHEMA, "key_properties": []}]
    for number in range(records):
        email = "none" if number == 5 else f"p{number}@mail.example"
        person = {"external_id": f"person-{number}", "tier": "gold", "email": email}
        found.append({"type": "RECORD", "stream": "people", "record": person})
        found.append({"type": "STATE", "value": {"read": number + 1}})
    return found


def test_a_dry_run_is_the_run_without_the_sending(target: Target, sandbox: Sandbox) -> None:
    rehearsed = target.run({"dry_run": True}, lines(200))
    assert (rehearsed.exit, rehearsed.states) == (0, [])
    assert sandbox.stats()["requests"] == 0
    assert "Dry run: nothing was sent" in rehearsed.stderr

    real = target.run({}, lines(200))
    differing = {"dry_run", "seconds"}
    assert rehearsed.summary["dry_run"]
    assert {name: rehearsed.summary[name] for name in rehearsed.summary if name not in differing} == {
        name: real.summary[name] for name in real.summary if name not in differing
    }
    assert sandbox.stats()["data_points"]["total"] == real.summary["data_points"] == 399
    assert rehearsed.rejections == real.rejections
    assert real.rejections


def test_a_dry_run_needs_neither_braze_nor_a_sandbox(target: Target) -> None:
    outcome = target.run({"dry_run": True, "base_url": None, "instance": "sandbox"}, lines(3))

    assert outcome.exit == 0, outcome.stderr
    assert outcome.summary["records"] == 3


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
