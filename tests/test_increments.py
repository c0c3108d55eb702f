"""What is added to a number is added once, wherever the process dies and whatever Braze answers.

With `in_doubt: hold` nothing is ever added twice, with `resend` nothing is ever missing; and but for what was under way
at that moment, all is exact. Shown through the real command line, by the numbers that the sandbox has afterwards.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Client

sys.path.append(str(Path(__file__).parent))
test_events = importlib.import_module("test_events")
DYING, OBJECTS_PER_REQUEST, UNDER_WAY = test_events.DYING, test_events.OBJECTS_PER_REQUEST, test_events.UNDER_WAY

PEOPLE = 400
PEOPLE_PER_STATE = 50
BLOCKED = {number for number in range(PEOPLE) if number % 40 == 7}
"""People whom Braze rejects, for the dead letter of the delivery."""
WANTED = [number for number in range(PEOPLE) if number not in BLOCKED]
SCHEMA = {
    "properties": {
        "external_id": {"type": "string"},
        "visits": {"type": "integer"},
        "name": {"type": "string"},
    }
}


def visits(number: int, generation: int) -> int:
    """What a person's record adds; another number in each generation."""
    return number % 5 + 1 + generation


@dataclass
class Pipeline(test_events.Pipeline):  # type: ignore[misc, name-defined]
    """A tap of people, one record each, the target, and what Meltano would remember between runs."""

    generation: int = 0

    def command(self, *launcher: str) -> list[str]:
        self.stream = {"object": "attributes", "fields": {"visits": {"operation": "inc"}}}
        command: list[str] = super().command(*launcher)
        return command

    def messages(self) -> Iterator[str]:
        yield json.dumps({"type": "SCHEMA", "stream": "orders", "schema": SCHEMA, "key_properties": ["external_id"]})
        for number in range(self.states[-1] if self.states else 0, PEOPLE):
            record = {
                "external_id": f"p{number}",
                "visits": visits(number, self.generation),
                "name": f"in {self.generation}",
            }
            yield json.dumps({"type": "RECORD", "stream": "orders", "record": record})
            if (number + 1) % PEOPLE_PER_STATE == 0:
                yield json.dumps({"type": "STATE", "value": {"read": number + 1}})

    def people(self) -> set[int]:
        """Those of whom the last run held something."""
        return {int(line["object"]["external_id"][1:]) for line in self.lines("held.jsonl", latest=True)}

    def surplus(self) -> dict[int, int]:
        """By how much a number is more than what was asked, where it is another."""
        profiles = {each["external_id"]: each["attributes"] for each in self.braze.profiles(limit=1000)}
        assert {attributes["name"] for attributes in profiles.values()} == {f"in {self.generation}"}
        found = {number: profiles[f"p{number}"]["visits"] - self.expected(number) for number in WANTED}
        return {number: more for number, more in found.items() if more}

    def expected(self, number: int) -> int:
        """What was asked of a person in all."""
        return sum(visits(number, generation) for generation in range(self.generation + 1))


@pytest.fixture
def braze(sandbox: Client) -> Client:
    sandbox.settings(blacklisted_external_ids=[f"p{number}" for number in BLOCKED])
    return sandbox


@pytest.fixture
def pipeline(braze: Client, tmp_path: Path) -> Pipeline:
    """People whom the ledger knows, and who are read again with something more to add."""
    pipeline = Pipeline(tmp_path, braze)
    pipeline.finish()
    pipeline.states.clear()
    pipeline.generation = 1
    return pipeline


CRASHES = {
    "handed over and not sent": ("target_braze.delivery:Delivery.submit", "after", 20),
    "about to be noted": ("target_braze.additions:Additions.leaving", "before", 12),
    "noted and not sent": ("target_braze.additions:Additions.leaving", "after", 12),
    "answered and not looked at": ("target_braze.client:resolve", "before", 12),
    "accepted and not recorded": ("target_braze.changes:Changes.accepted", "before", 12),
    "recorded and still noted": ("target_braze.additions:Additions.accepted", "before", 12),
    "recorded and not counted": ("target_braze.additions:Additions.accepted", "after", 12),
    "recorded and not acknowledged": ("target_braze.recording:Recorder.ended", "before", 12),
    "rejected and not kept": ("target_braze.recording:Recorder.rejected", "before", 2),
    "rejected and noted no more": ("target_braze.recording:Recorder.rejected", "after", 2),
    "lists durable, ledger not": ("target_braze.reports:Report.sync", "after", 2),
    "STATE about to go out": ("target_braze.target:TargetBraze._write_state_message", "before", 2),
    "last STATE out, ledger open": ("target_braze.ledger:Ledger.close", "before", 1),
}
IN_THE_WINDOW = {"noted and not sent", "answered and not looked at", "accepted and not recorded"}


@pytest.mark.parametrize(
    "crash",
    [
        pytest.param(crash, id=name, marks=() if name in IN_THE_WINDOW or "recorded" in name else pytest.mark.soak)
        for name, crash in CRASHES.items()
    ],
)
def test_killed_with_resend_nothing_is_missing(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    assert pipeline.finish()["held"] == 0
    surplus = pipeline.surplus()
    assert all(more == visits(number, 1) for number, more in surplus.items())
    assert len(surplus) <= UNDER_WAY
    assert pipeline.again()["unchanged"] == len(WANTED)
    assert pipeline.surplus() == surplus


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_killed_with_hold_nothing_is_added_twice(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    pipeline.in_doubt = "hold"
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    pipeline.finish()
    held, surplus = pipeline.people(), pipeline.surplus()
    assert all(more == -visits(number, 1) for number, more in surplus.items())
    assert surplus.keys() <= held
    assert len(held) <= UNDER_WAY
    again = pipeline.again()
    assert (again["unchanged"], again["held"]) == (len(set(WANTED) - held), len(held - BLOCKED))
    assert pipeline.people() == held
    assert pipeline.surplus() == surplus

    pipeline.in_doubt = "resend"  # as the list says
    assert pipeline.again()["delivered"] == len(held - BLOCKED)
    assert pipeline.again()["unchanged"] == len(WANTED)


EXACT = {
    name: crash
    for name, crash in CRASHES.items()
    if name not in IN_THE_WINDOW and crash[0].split(":")[1].split(".")[0] != "Delivery"
}


@pytest.mark.parametrize("crash", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("in_doubt", [pytest.param("resend", marks=pytest.mark.soak), "hold"])
def test_killed_outside_the_window_it_is_exact(pipeline: Pipeline, crash: tuple[str, str, int], in_doubt: str) -> None:
    """With one connection nothing else is under way while the process dies at a place of the delivery's thread."""
    pipeline.in_doubt, pipeline.config["max_connections"] = in_doubt, 1
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    pipeline.finish()
    held, surplus = pipeline.people(), pipeline.surplus()
    if "rejected" in place:  # of a request that was answered with a rejection, the others were not recorded yet
        assert len(held | surplus.keys()) <= OBJECTS_PER_REQUEST
    else:
        assert (held, surplus) == (set(), {})


@pytest.mark.parametrize("faults", test_events.UNCERTAIN.values(), ids=test_events.UNCERTAIN)
def test_where_nobody_knows_hold_adds_nothing_twice(pipeline: Pipeline, faults: list[dict[str, Any]]) -> None:
    """And the rest of each object is there all the same."""
    pipeline.in_doubt, pipeline.config["request_timeout_seconds"] = "hold", 1
    pipeline.braze.faults(*faults)
    assert pipeline.run() == 0, pipeline.stderr()
    summary, held, surplus = pipeline.summary(), pipeline.people(), pipeline.surplus()
    assert all(more == -visits(number, 1) for number, more in surplus.items())
    assert surplus.keys() <= held
    assert 0 < len(held) <= OBJECTS_PER_REQUEST * sum(rule["times"] for rule in faults)
    assert summary["delivered"] == len(WANTED), "for the name went out"
    assert summary["streams"]["orders"]["held_attributes"][0]["changes"] == len(held)
    assert "in_doubt: resend" in pipeline.lines("held.jsonl")[0]["reason"]
    assert pipeline.again()["unchanged"] == len(WANTED) - len(held - BLOCKED)


@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
def test_a_signal_leaves_nothing_in_doubt(pipeline: Pipeline, in_doubt: str) -> None:
    pipeline.in_doubt = in_doubt
    pipeline.braze.faults(
        {"kind": "status", "status": 429, "after": 12, "times": -1, "headers": {"X-Ratelimit-Retry-After": "30"}}
    )
    with pipeline.running() as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(test_events.SECONDS) == 128 + signal.SIGTERM, pipeline.stderr()
    pipeline.remember(first + rest)

    assert pipeline.finish()["held"] == 0
    assert pipeline.surplus() == {}
