"""Events and purchases are sent once, wherever the process dies and whatever Braze answers.

With `in_doubt: hold` none is ever there twice, with `resend` none is ever missing; and but for what was under way at
that moment, each is there exactly once. Shown through the real command line, by what the sandbox has afterwards.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_sandbox.testing import Client

TARGET = str(Path(sys.executable).with_name("target-braze"))
DYING = str(Path(__file__).with_name("dying_target.py"))
SECONDS = 60
RECORDS = 600
RECORDS_PER_STATE = 50
OBJECTS_PER_REQUEST = 10
CONNECTIONS = 8
UNDER_WAY = CONNECTIONS * OBJECTS_PER_REQUEST
"""Objects that may be in flight at once."""
PEOPLE = 40
BLOCKED = "person-0007"
"""Somebody whom Braze rejects, for the dead letter of the delivery."""

SCHEMA = {
    "properties": {
        "id": {"type": "integer"},
        "person": {"type": "string"},
        "name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "amount": {"type": "number"},
        "_sdc_extracted_at": {"type": "string"},
    }
}
FIELDS = {"person": "external_id", "at": "time", "id": None}
"""The key is not sent: it tells events apart all the same."""


def person_of(number: int) -> str:
    return f"person-{number % PEOPLE:04d}"


def record(number: int, day: int = 1) -> dict[str, Any]:
    return {
        "id": number,
        "person": person_of(number),
        "name": f"bought {number:04d}",
        "at": "2026-01-31T12:00:00+01:00",
        "amount": number / 4,
        "_sdc_extracted_at": f"2026-02-{day:02d}",
    }


@dataclass
class Pipeline:
    """A tap of events, the target, and what Meltano would remember between runs."""

    folder: Path
    braze: Client
    in_doubt: str = "resend"
    keys: tuple[str, ...] = ("id",)
    stream: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    runs: int = 0

    def command(self, *launcher: str) -> list[str]:
        stream = {"object": "events", "fields": FIELDS, "in_doubt": self.in_doubt, **self.stream}
        settings = {
            "base_url": self.braze.address,
            "api_key": "made-up",
            "ledger": str(self.folder / "ledger"),
            "report_path": str(self.folder / "reports"),
            "max_objects_per_request": OBJECTS_PER_REQUEST,
            "max_connections": CONNECTIONS,
            "max_rejected": 1000,
            "streams": {"orders": stream},
            **self.config,
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(settings))
        return [*(launcher or (TARGET,)), "--config", str(path)]

    def messages(self) -> Iterator[str]:
        yield json.dumps({"type": "SCHEMA", "stream": "orders", "schema": SCHEMA, "key_properties": self.keys})
        for number in range(self.states[-1] if self.states else 0, RECORDS):
            yield json.dumps({"type": "RECORD", "stream": "orders", "record": record(number, self.runs)})
            if (number + 1) % RECORDS_PER_STATE == 0:
                yield json.dumps({"type": "STATE", "value": {"read": number + 1}})

    @contextlib.contextmanager
    def running(self, *launcher: str) -> Iterator[subprocess.Popen[bytes]]:
        self.runs += 1
        source = self.folder / "input.jsonl"
        source.write_text("\n".join(self.messages()) + "\n")
        with (
            source.open("rb") as stdin,
            (self.folder / "stderr").open("ab") as stderr,
            subprocess.Popen(
                self.command(*launcher), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, cwd=self.folder
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def remember(self, output: bytes) -> None:
        self.states += [json.loads(line)["read"] for line in output.splitlines(keepends=True) if line.endswith(b"\n")]

    def run(self, *launcher: str) -> int:
        with self.running(*launcher) as process:
            output, _ = process.communicate(timeout=SECONDS)
        self.remember(output)
        return process.returncode

    def finish(self) -> dict[str, Any]:
        """Run undisturbed to the end of the input; return the summary."""
        self.braze.session.delete(self.braze.address + "/sandbox/faults", timeout=SECONDS).raise_for_status()
        assert self.run() == 0, self.stderr()
        return self.summary()

    def again(self) -> dict[str, Any]:
        """Run over all records again."""
        self.states.clear()
        return self.finish()

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.folder / "reports" / "latest" / "summary.json").read_bytes())
        assert sum(summary[name] for name in OUTCOMES) == summary["records"]
        return summary

    def lines(self, name: str, *, latest: bool = False) -> list[dict[str, Any]]:
        """All that any run listed in a file, but for a line that a kill cut off."""
        return [
            json.loads(line)
            for path in sorted((self.folder / "reports").glob(f"{'latest' if latest else '2*'}/{name}"))
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]

    def held(self) -> set[int]:
        """The events that the last run listed as held."""
        return {number_in(line["object"]["name"]) for line in self.lines("held.jsonl", latest=True)}

    def counts(self) -> Counter[int]:
        """How often Braze has each event."""
        profiles = self.braze.profiles(limit=1000)
        return Counter(
            {number_in(event["name"]): event["count"] for profile in profiles for event in profile["events"]}
        )


OUTCOMES = ("delivered", "unchanged", "held", "rejected", "unfinished")
WANTED = frozenset(number for number in range(RECORDS) if person_of(number) != BLOCKED)


def number_in(name: str) -> int:
    return int(name.removeprefix("bought "))


@pytest.fixture
def braze(sandbox: Client) -> Client:
    sandbox.settings(blacklisted_external_ids=[BLOCKED])
    return sandbox


@pytest.fixture
def pipeline(braze: Client, tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path, braze)


def test_read_again_an_event_is_unchanged(pipeline: Pipeline) -> None:
    first = pipeline.finish()
    blocked = RECORDS - len(WANTED)
    assert (first["delivered"], first["rejected"]) == (len(WANTED), blocked)

    for _ in range(2):
        again = pipeline.again()
        assert (again["unchanged"], again["rejected"]) == (len(WANTED), blocked)
        assert again["data_points"] == 0
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)


def test_without_keys_an_event_is_known_by_all_that_is_sent(pipeline: Pipeline) -> None:
    """Not by what is left out: `_sdc_extracted_at` is another in each run, and `id` is not sent."""
    pipeline.keys = ()
    pipeline.finish()
    assert pipeline.again()["unchanged"] == len(WANTED)
    pipeline.stream["fields"] = {**FIELDS, "amount": "total"}  # renamed: the same event
    assert pipeline.again()["unchanged"] == len(WANTED)
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)


def test_a_full_resync_sends_no_event_again(pipeline: Pipeline) -> None:
    pipeline.finish()
    pipeline.config["full_resync"] = True
    assert pipeline.again()["unchanged"] == len(WANTED)
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)


def test_a_dry_run_counts_the_same_and_remembers_nothing(pipeline: Pipeline) -> None:
    pipeline.in_doubt = "hold"
    pipeline.config["dry_run"] = True
    for _ in range(2):
        assert pipeline.finish()["delivered"] == RECORDS  # it cannot know whom Braze rejects
    pipeline.config["dry_run"] = False
    pipeline.finish()
    pipeline.config["dry_run"] = True
    assert pipeline.again()["unchanged"] == len(WANTED)


def test_one_event_read_twice_in_a_run_is_sent_once(pipeline: Pipeline, tmp_path: Path) -> None:
    lines = [*pipeline.messages()]
    doubled = [line for line in lines for _ in range(1 + ("RECORD" in line))]
    done = subprocess.run(
        pipeline.command(), input="\n".join(doubled), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)
    assert pipeline.summary()["records"] == 2 * RECORDS
    assert not (tmp_path / "reports" / "latest" / "held.jsonl").exists()


# Kills

CRASHES = {
    "packed and not handed over": ("target_braze.delivery:Delivery.submit", "before", 30),
    "handed over and not sent": ("target_braze.delivery:Delivery.submit", "after", 30),
    "about to be noted": ("target_braze.occurrences:Occurrences.leaving", "before", 20),
    "noted and not sent": ("target_braze.occurrences:Occurrences.leaving", "after", 20),
    "answered and not looked at": ("target_braze.client:resolve", "before", 20),
    "accepted and not recorded": ("target_braze.occurrences:Occurrences.accepted", "before", 20),
    "recorded and not counted": ("target_braze.occurrences:Occurrences.accepted", "after", 20),
    "recorded and not acknowledged": ("target_braze.recording:Recorder.ended", "before", 20),
    "rejected and not kept": ("target_braze.recording:Recorder.rejected", "before", 2),
    "rejected, kept and still noted": ("target_braze.occurrences:Occurrences.rejected", "before", 2),
    "rejected and noted no more": ("target_braze.occurrences:Occurrences.rejected", "after", 2),
    "lists not yet durable": ("target_braze.reports:Report.sync", "before", 2),
    "lists durable, ledger not": ("target_braze.reports:Report.sync", "after", 2),
    "STATE about to go out": ("target_braze.target:TargetBraze._write_state_message", "before", 2),
    "STATE out": ("target_braze.target:TargetBraze._write_state_message", "after", 2),
    "old ones about to be forgotten": ("target_braze.occurrences:Occurrences.forget_old", "before", 1),
    "last STATE out, ledger open": ("target_braze.ledger:Ledger.close", "before", 1),
    "last STATE out, no summary": ("target_braze.reports:Report.write_summary", "before", 1),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_killed_with_resend_no_event_is_missing(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    assert pipeline.finish()["held"] == 0
    counts = pipeline.counts()
    assert counts.keys() == WANTED
    assert counts.total() - len(WANTED) <= UNDER_WAY
    assert pipeline.again()["unchanged"] == len(WANTED)
    assert pipeline.counts() == counts


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_killed_with_hold_no_event_is_there_twice(pipeline: Pipeline, crash: tuple[str, str, int]) -> None:
    pipeline.in_doubt = "hold"
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    summary, counts = pipeline.finish(), pipeline.counts()
    assert set(counts.values()) == {1}
    held = pipeline.held()
    assert summary["held"] == len(held) <= UNDER_WAY
    assert WANTED - counts.keys() <= held
    again = pipeline.again()
    assert (again["unchanged"], again["held"]) == (len(WANTED - held), len(held))
    assert pipeline.held() == held
    assert pipeline.counts() == counts


def test_what_is_held_is_released_as_the_list_says(pipeline: Pipeline) -> None:
    pipeline.in_doubt = "hold"
    place, when, count = CRASHES["answered and not looked at"]
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL
    pipeline.finish()
    held = pipeline.held()
    assert held
    assert "`in_doubt: resend`" in pipeline.lines("held.jsonl")[0]["reason"]

    pipeline.in_doubt = "resend"
    released = pipeline.again()
    assert released["delivered"] == len(held & WANTED)
    assert released["streams"]["orders"]["sent_again"] == len(held)
    assert pipeline.counts().keys() == WANTED
    assert pipeline.again()["unchanged"] == len(WANTED)


IN_THE_WINDOW = {"noted and not sent", "answered and not looked at", "accepted and not recorded"}
EXACT = {
    name: crash
    for name, crash in CRASHES.items()
    if name not in IN_THE_WINDOW and crash[0].split(":")[1].split(".")[0] not in ("Delivery", "client")
}


@pytest.mark.parametrize("crash", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("in_doubt", [pytest.param("resend", marks=pytest.mark.soak), "hold"])
def test_killed_outside_the_window_each_event_is_there_once(
    pipeline: Pipeline, crash: tuple[str, str, int], in_doubt: str
) -> None:
    """With one connection nothing else is under way while the process dies at a place of the delivery's thread."""
    pipeline.in_doubt, pipeline.config["max_connections"] = in_doubt, 1
    place, when, count = crash
    assert pipeline.run(sys.executable, DYING, place, when, str(count)) == -signal.SIGKILL

    summary = pipeline.finish()
    counts = pipeline.counts()
    # of a request that was answered with a rejection, the others were not recorded yet
    slack = OBJECTS_PER_REQUEST if "rejected" in place else 0
    if in_doubt == "hold":
        assert summary["held"] <= slack
        assert counts == dict.fromkeys(counts, 1)
        assert WANTED - counts.keys() <= pipeline.held()
    else:
        assert summary["held"] == 0
        assert counts.keys() == WANTED
        assert counts.total() - len(WANTED) <= slack


# Signals and answers


@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
def test_a_signal_leaves_nothing_in_doubt(pipeline: Pipeline, in_doubt: str) -> None:
    """Also of requests that wait for a rate limit when it comes: Braze has certainly done nothing of those."""
    pipeline.in_doubt = in_doubt
    pipeline.braze.faults(
        {"kind": "status", "status": 429, "after": 20, "times": -1, "headers": {"X-Ratelimit-Retry-After": "30"}}
    )
    with pipeline.running() as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 128 + signal.SIGTERM, pipeline.stderr()
    pipeline.remember(first + rest)
    assert 0 < pipeline.states[-1] < RECORDS

    assert pipeline.finish()["held"] == 0
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)


CERTAIN: dict[str, list[dict[str, Any]]] = {
    "429 in bursts": [
        {"kind": "status", "status": 429, "after": 5, "times": 8, "headers": {"X-Ratelimit-Retry-After": "1"}}
    ],
    "400 as a whole": [{"kind": "status", "status": 400, "after": 5, "times": 1, "body": {"message": "too many"}}],
}


@pytest.mark.parametrize("faults", CERTAIN.values(), ids=CERTAIN)
@pytest.mark.parametrize("in_doubt", [pytest.param("resend", marks=pytest.mark.soak), "hold"])
def test_where_braze_certainly_did_nothing_each_event_is_there_once(
    pipeline: Pipeline, faults: list[dict[str, Any]], in_doubt: str
) -> None:
    pipeline.in_doubt = in_doubt
    pipeline.braze.faults(*faults)
    assert pipeline.run() == 0, pipeline.stderr()
    assert pipeline.summary()["held"] == 0
    assert pipeline.summary()["retries"] > 0
    assert pipeline.counts() == dict.fromkeys(WANTED, 1)


UNCERTAIN: dict[str, list[dict[str, Any]]] = {
    "applied and never answered": [{"kind": "timeout_after_apply", "after": 7, "times": 4}],
    "neither applied nor answered": [{"kind": "timeout", "after": 7, "times": 4}],
    "resets": [{"kind": "reset", "after": 4, "times": 3}, {"kind": "reset_after_apply", "after": 9, "times": 4}],
    "5xx": [{"kind": "status", "status": 503, "after": 6, "times": 3}],
    "5xx, applied": [{"kind": "status", "status": 504, "after": 6, "times": 3, "apply": True}],
    "answers that are not JSON": [{"kind": "unparseable", "after": 3, "times": 2}],
    "2xx that is no success": [{"kind": "not_success", "after": 3, "times": 2}],
    "errors without an index": [{"kind": "errors_without_index", "after": 3, "times": 1}],
}


@pytest.mark.parametrize("faults", UNCERTAIN.values(), ids=UNCERTAIN)
def test_where_nobody_knows_hold_sends_nothing_twice(pipeline: Pipeline, faults: list[dict[str, Any]]) -> None:
    pipeline.in_doubt, pipeline.config["request_timeout_seconds"] = "hold", 1
    pipeline.braze.faults(*faults)
    assert pipeline.run() == 0, pipeline.stderr()
    summary, counts, held = pipeline.summary(), pipeline.counts(), pipeline.held()
    assert set(counts.values()) == {1}
    assert WANTED - counts.keys() <= held
    assert 0 < summary["held"] == len(held) <= OBJECTS_PER_REQUEST * sum(rule["times"] for rule in faults)
    assert "in_doubt: resend" in pipeline.lines("held.jsonl")[0]["reason"]


@pytest.mark.parametrize("faults", UNCERTAIN.values(), ids=UNCERTAIN)
def test_where_nobody_knows_resend_misses_nothing(pipeline: Pipeline, faults: list[dict[str, Any]]) -> None:
    pipeline.config["request_timeout_seconds"] = 1
    pipeline.braze.faults(*faults)
    assert pipeline.run() == 0, pipeline.stderr()
    assert pipeline.summary()["held"] == 0
    assert pipeline.counts().keys() == WANTED
    assert pipeline.counts().total() - len(WANTED) <= OBJECTS_PER_REQUEST * sum(rule["times"] for rule in faults)


def test_an_outage_stops_the_run_before_everything_is_held(pipeline: Pipeline) -> None:
    pipeline.in_doubt, pipeline.config["max_rejected"] = "hold", 30
    pipeline.braze.faults({"kind": "status", "status": 503, "after": 20, "times": -1})
    assert pipeline.run() == 1
    assert "Nobody knows whether Braze has" in pipeline.stderr()
    held = pipeline.held()
    assert len(held) <= 30 + UNDER_WAY + OBJECTS_PER_REQUEST
    pipeline.finish()
    assert set(pipeline.counts().values()) == {1}
    assert WANTED - pipeline.counts().keys() <= held


def test_purchases_of_many_pieces_are_one_record(pipeline: Pipeline) -> None:
    """Vector C83; and a crash between the objects of one record repeats none of those that were accepted."""
    names = ("id", "external_id", "product_id", "price", "quantity", "time")
    schema = {"properties": {name: {"type": ["integer", "string"]} for name in names}}
    sold = [{"id": n, "external_id": f"p{n}", "product_id": "hat", "price": 2, "quantity": 250, "time": 1767225600}
            for n in range(30)]  # fmt: skip
    lines = [
        json.dumps({"type": "SCHEMA", "stream": "orders", "schema": schema, "key_properties": ["id"]}),
        *(json.dumps({"type": "RECORD", "stream": "orders", "record": each}) for each in sold),
    ]
    pipeline.stream = {"object": "purchases", "defaults": {"currency": "USD"}, "fields": {"id": None}}

    def run(in_doubt: str, *launcher: str) -> int:
        pipeline.in_doubt = in_doubt
        command = pipeline.command(*launcher)
        return subprocess.run(
            command, input="\n".join(lines), capture_output=True, text=True, timeout=SECONDS, check=False
        ).returncode

    def pieces() -> list[int]:
        profiles = pipeline.braze.profiles(limit=1000)
        return [sum(each["count"] for each in profile["purchases"]) for profile in profiles]

    place, when, _ = CRASHES["accepted and not recorded"]
    assert run("hold", sys.executable, DYING, place, when, "4") == -signal.SIGKILL
    assert run("hold") == 0
    assert max(pieces()) <= 250
    assert pipeline.summary()["held"] > 0
    assert run("resend") == 0
    assert pipeline.summary()["held"] == 0
    assert len(pieces()) == len(sold)
    assert min(pieces()) >= 250
    assert run("resend") == 0
    assert pipeline.summary()["unchanged"] == len(sold)
