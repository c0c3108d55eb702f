"""The process dies, or Braze does not answer as it should: nothing is lost, whatever happens where.

A tap reads from where the last STATE on standard output says, as Meltano would keep it; so each run goes on where the
one before was stopped. At the end every record is in the sandbox with its last value, or in a dead letter. The
ledger knows it, so that a further run sends nothing; and a crash repeats what was under way, however far back the next
run reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_sandbox.testing import Client

TARGET = str(Path(sys.executable).with_name("target-braze"))
DYING = str(Path(__file__).with_name("dying_target.py"))
SECONDS = 60
RECORDS = 1200
RECORDS_PER_STATE = 50
OBJECTS_PER_REQUEST = 10
CONNECTIONS = 8
UNDER_WAY = 2 * CONNECTIONS + 1
"""Requests that may be under way at once: for each connection one in flight and one ready, and one handed over."""
BLOCKED = tuple(f"person-{number:05d}" for number in range(7, RECORDS, 211))
"""People Braze rejects, for the dead letter of the delivery."""

SCHEMA = {
    "properties": {
        "external_id": {"type": ["null", "string"]},
        "visits": {"type": "integer"},
        "email": {"type": ["null", "string"]},
    }
}


def record(number: int, generation: int = 0) -> dict[str, Any]:
    """One record; every 97th names nobody and every 89th has an email that is none, for the mapping to reject."""
    return {
        "external_id": None if number % 97 == 3 else f"person-{number:05d}",
        "visits": number * 7 + generation,
        "email": "none" if number % 89 == 5 else f"p{number}@mail.example",
    }


def messages(first: int, last: int, generation: int = 0, records_per_state: int = RECORDS_PER_STATE) -> Iterator[str]:
    """What the tap says that starts at record `first`."""
    yield json.dumps({"type": "SCHEMA", "stream": "people", "schema": SCHEMA, "key_properties": []})
    for number in range(first, last):
        yield json.dumps({"type": "RECORD", "stream": "people", "record": record(number, generation)})
        if (number + 1) % records_per_state == 0 or number + 1 == last:
            yield json.dumps({"type": "STATE", "value": {"read": number + 1}})


@dataclass
class Pipeline:
    """A tap, the target, and what Meltano would remember between runs."""

    folder: Path
    braze: Client
    records: int = RECORDS
    records_per_state: int = RECORDS_PER_STATE
    generation: int = 0
    padding: int = 0
    """Characters to add to each record that names nobody."""
    config: dict[str, Any] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)

    @property
    def bookmark(self) -> int:
        """How many records the tap need not read again."""
        return self.states[-1] if self.states else 0

    def command(self, *launcher: str) -> list[str]:
        settings = {
            "base_url": self.braze.address,
            "api_key": "made-up",
            "report_path": str(self.folder / "reports"),
            "max_objects_per_request": OBJECTS_PER_REQUEST,
            "max_connections": CONNECTIONS,
            "max_rejected": 1000,
            **self.config,
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(settings))
        return [*(launcher or (TARGET,)), "--config", str(path)]

    @contextlib.contextmanager
    def running(self, *launcher: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The target with all input in its pipe, from a file: the tap is never what a run waits for."""
        source = self.folder / "input.jsonl"
        lines = "\n".join(messages(self.bookmark, self.records, self.generation, self.records_per_state)) + "\n"
        source.write_text(lines.replace('"external_id": null', f'"external_id": null, "note": "{"x" * self.padding}"'))
        with (
            source.open("rb") as stdin,
            (self.folder / "stderr").open("ab") as stderr,
            subprocess.Popen(
                self.command(*launcher), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, cwd=self.folder, **options
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def remember(self, output: bytes) -> None:
        self.states += [json.loads(line)["read"] for line in output.splitlines(keepends=True) if line.endswith(b"\n")]

    def run(self, *launcher: str, **options: Any) -> int:
        """Run to the end, whatever that is; return the exit code."""
        with self.running(*launcher, **options) as process:
            output, _ = process.communicate(timeout=SECONDS)
        self.remember(output)
        return process.returncode

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.folder / "reports" / "latest" / "summary.json").read_bytes())
        return summary

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def rejections(self) -> list[dict[str, Any]]:
        """All that any run put into its dead letter, but for a line that a kill cut off."""
        lines = [
            line
            for path in sorted((self.folder / "reports").glob("2*/rejected.jsonl"))
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        return [json.loads(line) for line in lines]

    def assert_none_lost_before(self, count: int) -> None:
        """Every one of the first `count` records is with Braze, or in a dead letter."""
        profiles: dict[str, Any] = {}
        while page := self.braze.profiles(limit=1000, offset=len(profiles)):
            profiles |= {profile["external_id"]: profile["attributes"] for profile in page}
        rejected = self.rejections()
        attributes = {entry["identity"]["external_id"] for entry in rejected if entry["attribute"] == "email"}
        objects = {entry["object"]["external_id"] for entry in rejected if entry["attribute"] is None}
        nobodies = {entry["object"]["visits"] for entry in rejected if entry["identity"] is None}
        for number in range(count):
            expected = record(number, self.generation)
            name = expected["external_id"]
            if name is None:
                assert expected["visits"] in nobodies, number
                continue
            if expected["email"] == "none":
                assert name in attributes, number
                del expected["email"]
            if name in BLOCKED:
                assert name in objects, number
                continue
            assert name in profiles, number
            assert profiles[name] | expected | {"external_id": name} == profiles[name] | {"external_id": name}, number

    def assert_finishes(self) -> None:
        """What was acknowledged is there; one more run, undisturbed, sends the rest."""
        self.assert_none_lost_before(self.bookmark)
        self.braze.session.delete(self.braze.address + "/sandbox/faults", timeout=SECONDS).raise_for_status()
        first = self.bookmark
        assert self.run() == 0, self.stderr()
        assert self.bookmark == self.records
        self.assert_none_lost_before(self.records)
        summary = self.summary()
        assert summary["records"] == self.records - first
        assert summary["delivered"] + summary["unchanged"] + summary["rejected"] == summary["records"]
        assert summary["unfinished"] == 0
        self.assert_sends_nothing_more()

    def assert_sends_nothing_more(self) -> None:
        """A run over all records again sends none but those that Braze rejects."""
        before = self.braze.stats()
        self.states.clear()
        assert self.run() == 0, self.stderr()
        summary, after = self.summary(), self.braze.stats()
        assert (summary["delivered"], summary["objects"]) == (0, 0)
        assert summary["unchanged"] + summary["rejected"] == summary["records"] == self.records
        assert after["accepted"] == before["accepted"]
        assert after["requests"] - before["requests"] <= len(BLOCKED)


@pytest.fixture
def braze(sandbox: Client) -> Client:
    sandbox.settings(blacklisted_external_ids=list(BLOCKED))
    return sandbox


@pytest.fixture
def pipeline(braze: Client, tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path, braze)


CRASHES = {
    "nothing packed yet": ("target_braze.packing:Packer.add", "before", 1),
    "packed and not handed over": ("target_braze.delivery:Delivery.submit", "before", 30),
    "handed over and not sent": ("target_braze.delivery:Delivery.submit", "after", 30),
    "about to be sent": ("target_braze.recording:Recorder.sent", "before", 25),
    "answered and not looked at": ("target_braze.client:resolve", "before", 25),
    "accepted and not recorded": ("target_braze.recording:Recorder.accepted", "before", 25),
    "about to be written to the ledger": ("target_braze.ledger:Ledger.put_many", "before", 25),
    "in the ledger and not counted": ("target_braze.changes:Changes.accepted", "after", 25),
    "recorded and not acknowledged": ("target_braze.recording:Recorder.accepted", "after", 25),
    "ended and not acknowledged": ("target_braze.recording:Recorder.ended", "before", 25),
    "rejected by Braze and not kept": ("target_braze.recording:Recorder.rejected", "before", 2),
    "rejected by Braze and kept in memory": ("target_braze.recording:Recorder.rejected", "after", 2),
    "rejected in mapping and not kept": ("target_braze.reports:DeadLetter.add", "before", 3),
    "rejected in mapping and kept in memory": ("target_braze.reports:DeadLetter.add", "after", 3),
    "dead letter not yet durable": ("target_braze.reports:DeadLetter.sync", "before", 2),
    "dead letter durable, STATE not out": ("target_braze.reports:DeadLetter.sync", "after", 2),
    "ledger not yet durable": ("target_braze.ledger:Ledger.sync", "before", 2),
    "ledger durable, STATE not out": ("target_braze.ledger:Ledger.sync", "after", 2),
    "STATE about to go out": ("target_braze.target:TargetBraze._write_state_message", "before", 2),
    "STATE out": ("target_braze.target:TargetBraze._write_state_message", "after", 2),
    "all delivered, last STATE not out": ("target_braze.delivery:Delivery.close", "before", 1),
    "last STATE out, ledger open": ("target_braze.ledger:Ledger.close", "before", 1),
    "ledger durable, its table as it was": ("target_braze.ledger_files:write_table", "before", 1),
    "its new table written, not in its place": ("pathlib:Path.replace", "before", 3),
    "its new table in its place": ("target_braze.ledger_files:write_table", "after", 1),
    "ledger closed": ("target_braze.ledger:Ledger.close", "after", 1),
    "last STATE out, no summary": ("target_braze.reports:Report.write_summary", "before", 1),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_killed_at_a_place_in_the_code(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    place, when, count = crash

    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL
    is_between = place == "pathlib:Path.replace"
    assert is_between == any(pipeline.folder.rglob(".records.table.new"))

    pipeline.assert_finishes()
    repeated = pipeline.braze.stats()["accepted"]["attributes"] - len(pipeline.braze.profiles(limit=2 * RECORDS))
    assert repeated <= UNDER_WAY * OBJECTS_PER_REQUEST


NEW_PEOPLE = {
    "packed": ("target_braze.intake:Intake.take_new", "after", 40),
    "accepted and not recorded": ("target_braze.recording:Recorder.accepted", "before", 60),
    "about to be written to the ledger": ("target_braze.ledger:Ledger.put_covered", "before", 60),
    "in the ledger and not settled": ("target_braze.ledger:Ledger.put_covered", "after", 60),
    "settled and not acknowledged": ("target_braze.changes:Changes.settle", "after", 5),
    "ledger durable, STATE not out": ("target_braze.ledger:Ledger.sync", "after", 2),
    "all delivered, last STATE not out": ("target_braze.delivery:Delivery.close", "before", 1),
}


@pytest.mark.parametrize("crash", NEW_PEOPLE.values(), ids=NEW_PEOPLE)
def test_killed_while_new_people_are_taken_many_at_once(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    place, when, count = crash
    pipeline.records, pipeline.records_per_state = 12_000, 4_000
    pipeline.config["max_objects_per_request"] = 75
    environment = {**os.environ, "MAPS_AHEAD": "yes"}

    dying = pipeline.run(sys.executable, DYING, place, when, str(count), env=environment)
    assert dying == -signal.SIGKILL, pipeline.stderr()

    pipeline.assert_finishes()
    repeated = pipeline.braze.stats()["accepted"]["attributes"] - len(pipeline.braze.profiles(limit=20_000))
    assert repeated <= UNDER_WAY * 75


WHILE_IT_CHANGES = {
    "noted and not handed over": ("target_braze.doubts:Doubts.note", "after", 25),
    "about to be sent": ("target_braze.recording:Recorder.sent", "before", 25),
    "answered and not looked at": ("target_braze.client:resolve", "before", 25),
    "accepted and not recorded": ("target_braze.changes:Changes.accepted", "before", 25),
    "recorded and still noted": ("target_braze.doubts:Doubts.ended", "before", 25),
    "nothing noted any more": ("target_braze.doubts:Doubts.ended", "after", 25),
    "all done": ("target_braze.reports:Report.write_summary", "before", 1),
}


@pytest.mark.parametrize("crash", WHILE_IT_CHANGES.values(), ids=WHILE_IT_CHANGES)
def test_killed_while_it_changes_what_then_changes_back(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    """A, then B with a kill, then A: where Braze may have B, A is sent, though it is what the ledger had."""
    place, when, count = crash
    assert pipeline.run() == 0, pipeline.stderr()
    pipeline.states.clear()
    pipeline.generation = 1
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL
    pipeline.states.clear()
    pipeline.generation = 0

    pipeline.assert_finishes()


def hang_after(braze: Client, requests: int) -> None:
    """Let Braze apply so many requests and more, but answer no more than those."""
    braze.faults({"kind": "timeout_after_apply", "after": requests, "times": -1})


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=["SIGKILL", "SIGTERM", "SIGINT"],
)
def test_a_signal_during_delivery(pipeline: Pipeline, number: signal.Signals, code: int) -> None:
    pipeline.config["request_timeout_seconds"] = 3
    hang_after(pipeline.braze, 40)
    with pipeline.running() as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # something is delivered, and something else hangs
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == code, pipeline.stderr()
    pipeline.remember(first + rest)

    assert pipeline.bookmark < RECORDS
    if number is not signal.SIGKILL:
        summary = pipeline.summary()
        assert summary["unfinished"] > 0
        outcomes = sum(summary[name] for name in ("delivered", "unchanged", "held", "rejected", "unfinished"))
        assert outcomes == summary["records"]
    pipeline.assert_finishes()


def test_what_is_in_flight_at_a_signal_finishes_and_counts(pipeline: Pipeline) -> None:
    """The requests in flight are answered after the signal; their records are delivered, and acknowledged."""
    pipeline.config["max_connections"] = 1
    pipeline.braze.faults({"kind": "delay", "after": 10, "times": -1, "seconds": 2})
    with pipeline.running() as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 143, pipeline.stderr()
    pipeline.remember(first + rest)

    summary, stats = pipeline.summary(), pipeline.braze.stats()
    assert summary["requests"] == stats["requests"]
    assert summary["delivered"] == stats["accepted"]["attributes"]
    pipeline.assert_finishes()


DISTURBANCES: dict[str, list[dict[str, Any]]] = {
    "429 in bursts, with a wait": [
        {"kind": "status", "status": 429, "after": 5, "times": 12, "headers": {"X-Ratelimit-Retry-After": "1"}},
        {"kind": "status", "status": 429, "after": 20, "times": 6, "headers": {"X-Ratelimit-Retry-After": "1"}},
    ],
    "429 without a word": [{"kind": "status", "status": 429, "after": 5, "times": 8}],
    "5xx in bursts": [
        {"kind": "status", "status": status, "after": 6, "times": 3} for status in (500, 502, 503, 504, 503)
    ],
    "resets": [{"kind": "reset", "after": 4, "times": 3}, {"kind": "reset_after_apply", "after": 9, "times": 4}],
    "applied and never answered": [{"kind": "timeout_after_apply", "after": 7, "times": 4}],
    "answers that are not JSON": [{"kind": "unparseable", "after": 3, "times": 2}],
    "2xx that is no success": [{"kind": "not_success", "after": 3, "times": 2}],
    "errors without an index": [{"kind": "errors_without_index", "after": 3, "times": 1}],
}


@pytest.mark.parametrize("faults", DISTURBANCES.values(), ids=DISTURBANCES)
def test_a_run_survives(pipeline: Pipeline, faults: list[dict[str, Any]]) -> None:
    pipeline.config["request_timeout_seconds"] = 1
    pipeline.braze.faults(*faults)

    assert pipeline.run() == 0, pipeline.stderr()

    summary = pipeline.summary()
    assert summary["retries"] >= 1
    assert summary["records"] == RECORDS
    assert summary["delivered"] + summary["rejected"] == RECORDS
    assert pipeline.bookmark == RECORDS
    pipeline.assert_none_lost_before(RECORDS)


def test_an_outage_that_lasts_stops_the_run_and_loses_nothing(pipeline: Pipeline) -> None:
    pipeline.config["max_retry_seconds"] = 1
    pipeline.braze.faults({"kind": "status", "status": 503, "after": 60, "times": -1})

    assert pipeline.run() == 1

    assert "Gave up after" in pipeline.stderr()
    assert "Traceback" not in pipeline.stderr()
    assert 0 < pipeline.bookmark < RECORDS
    pipeline.assert_finishes()


def limited_files(size: int) -> Callable[[], None]:
    """A disk that is full: the system refuses to let a file of this process grow beyond so many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_dead_letter_that_cannot_be_kept_stops_the_run(pipeline: Pipeline) -> None:
    pipeline.padding = 100_000

    assert pipeline.run(preexec_fn=limited_files(500_000)) == 1

    assert "A rejected record could not be kept" in pipeline.stderr()
    assert "Traceback" not in pipeline.stderr()
    assert pipeline.bookmark < RECORDS
    pipeline.assert_finishes()


def test_a_ledger_that_cannot_be_kept_stops_the_run(pipeline: Pipeline) -> None:
    assert pipeline.run(preexec_fn=limited_files(30_000)) == 1

    assert "ledger" in pipeline.stderr()
    assert "cannot be read or written" in pipeline.stderr()
    assert "Traceback" not in pipeline.stderr()
    assert pipeline.bookmark < RECORDS
    pipeline.assert_finishes()


def test_too_much_rejected_stops_the_run(pipeline: Pipeline) -> None:
    pipeline.config["max_rejected"] = 5

    assert pipeline.run() == 1

    assert "more than `max_rejected` allows" in pipeline.stderr()
    assert pipeline.bookmark < RECORDS
    pipeline.config["max_rejected"] = 1000
    pipeline.assert_finishes()


def test_one_person_is_never_in_two_requests_in_flight(pipeline: Pipeline) -> None:
    """Twenty people come again and again, while answers take their time; the last value of each wins."""
    lines = [json.dumps({"type": "SCHEMA", "stream": "people", "schema": SCHEMA, "key_properties": []})]
    for number in range(800):
        visit = {"external_id": f"person-{number * number % 61:05d}", "visits": number, "email": None}
        lines.append(json.dumps({"type": "RECORD", "stream": "people", "record": visit}))
    pipeline.braze.settings(delay_ms=15, blacklisted_external_ids=[])

    done = subprocess.run(
        pipeline.command(), input="\n".join(lines), capture_output=True, text=True, timeout=SECONDS, check=False
    )

    assert done.returncode == 0, done.stderr
    assert pipeline.braze.stats()["identities_in_flight_twice"] == 0
    last = {f"person-{number * number % 61:05d}": number for number in range(800)}
    found = {entry["external_id"]: entry["attributes"]["visits"] for entry in pipeline.braze.profiles(limit=1000)}
    assert found == last


def test_the_table_of_crashes_in_the_docs_is_what_is_tested() -> None:
    text = (Path(__file__).parent.parent / "docs" / "delivery.md").read_text()
    table = text.partition("| it dies when it is…")[2].partition("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert rows == list(CRASHES)


def test_no_customer_data_and_no_key_is_in_the_log(pipeline: Pipeline) -> None:
    pipeline.braze.faults(
        {"kind": "status", "status": 503, "after": 5, "times": 2},
        {"kind": "status", "status": 401, "after": 5, "body": {"message": "Invalid API key: made-up"}},
    )

    assert pipeline.run() == 1

    log = pipeline.stderr()
    assert "Invalid credentials (401)" in log
    for secret in ("made-up", "mail.example", "person-0"):
        assert secret not in log, secret


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
def test_killed_at_any_moment_again_and_again(pipeline: Pipeline, seed: int) -> None:
    """SIGKILL after a time of its own in each of a chain of runs, until one gets through."""
    pipeline.records = 6000
    pipeline.braze.settings(delay_ms=20)
    deaths = 0
    while deaths < 6:
        with pipeline.running() as process:
            try:
                output, _ = process.communicate(timeout=0.7 + (seed * 37 + deaths * 11) % 50 / 50)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
        pipeline.remember(output)
        pipeline.assert_none_lost_before(pipeline.bookmark)
        deaths += 1
    pipeline.assert_finishes()
