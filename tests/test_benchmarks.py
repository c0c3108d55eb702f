"""The benchmark itself: it runs, its tables are whole, both targets send the same objects. No times."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # benchmarks are not installed, and pytest may run from anywhere

from benchmarks import lines, stub  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


SIZES = {
    "--records": 3_000,
    "--plain-records": 750,
    "--discarded-records": 900,
    "--identities": 9_000,
    "--delay": 5,
}


def rows_of(cache: Path, *arguments: str) -> list[str]:
    """The first cells of all tables of a small run, in a cache of its own, since tests may run at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # the second round of changes is the way back
    sizes = (str(word) for pair in (SIZES | {"--rounds": 1 + ("changed" in arguments)}).items() for word in pair)
    command = [sys.executable, "benchmarks/run.py", "--port", str(port), *sizes, *arguments]
    environment = os.environ | {"BENCHMARKS_CACHE": str(cache)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    assert "nan" not in run.stdout
    return [line.split("|")[1].strip() for line in run.stdout.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "new",
            [
                "everything new",
                "decode only",
                "target-braze",
                "target-braze, at most 300 requests/s",
                "plain SDK target",
                "plain SDK target, `validate_records: false`",
                "target-braze, 3 x the input",
                "goal",
                "everything new: at least 900 requests/s of 75, sustained",
                "never more than 300 requests in any second",
                "at least 95% of that limit used",
                "everything new: at least 30 x the plain SDK target",
                "(no goal) everything new: x the plain SDK target without validation",
            ],
        ),
        (
            "unchanged",
            [
                "nothing changed",
                "decode only",
                "target-braze",
                "plain SDK target, discarding",
                "plain SDK target, discarding, `validate_records: false`",
                "one record",
                "plain SDK target, discarding: start and end",
                "plain SDK target, discarding, `validate_records: false`: start and end",
                "goal",
                "nothing changed: at least 1.2 x decode only",
                "nothing changed: at least 80 x the plain SDK target that discards",
                "nothing changed: at least 12 x the plain SDK target that discards without validation",
            ],
        ),
        (
            "unsent",
            [
                "nothing changed but a column that is not sent",
                "decode only",
                "target-braze",
                "goal",
                "nothing changed but a column that is not sent: at least 0.6 x decode only",
            ],
        ),
        (
            "changed",
            [
                "5 % of the records changed, in one attribute or two",
                "decode only",
                "target-braze",
                "the changed records whole, by target-braze without its ledger",
                "everything, by target-braze without its ledger",
                "sent at 5 % changed",
                "what changed, as target-braze sends it",
                "the changed records whole (row-level sending)",
                "everything",
                "goal",
                "5 % of the records changed, in one attribute or two: at least 0.5 x decode only",
                "5 % changed: exactly the changed attributes are sent, each way in turn",
            ],
        ),
        (
            "memory",
            [
                "nothing changed",
                "decode only",
                "a large ledger",
                "nothing changed",
                "nothing changed, 3 x the input",
                "5 % changed",
                "5 % changed, 3 x the input",
                "one record",
                "ledger of 3,000: start and end",
                "ledger of 9,000: start and end",
                "ledger of 9,000: start and end after a kill",
                "goal",
                "9,000 people in the ledger, nothing changed: less than 400 MB",
                "9,000 people in the ledger, nothing changed: not growing with 3 x the input",
                "9,000 people in the ledger, 5 % changed: less than 400 MB",
                "9,000 people in the ledger, 5 % changed: not growing with 3 x the input",
                "(no goal) start and end with 9,000 people in the ledger",
                "(no goal) start and end with 9,000 people in the ledger, after a kill",
            ],
        ),
        (
            "meltano",
            [
                "nothing changed",
                "decode only",
                "target-braze",
                "nothing changed, through Meltano",
                "`meltano run`",
                "goal",
                "nothing changed: at least 1.2 x decode only",
                "(no goal) nothing changed, through `meltano run`: x target-braze without it",
            ],
        ),
    ],
)
def test_a_small_run_of_each_case_is_valid_and_fills_its_tables(case: str, expected: list[str], tmp_path: Path) -> None:
    assert rows_of(tmp_path, "--only", case) == expected


@pytest.mark.parametrize("kind", [lines.CHANGED, lines.CHANGED_ALONE, lines.UNSENT])
def test_lines_differ_from_the_first_where_they_say(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FOLDER", tmp_path)
    first, other = lines.prepare(2_000), lines.prepare(2_000, kind)
    before = {record["external_id"]: record for record in records_in(first)}
    differing = {
        record["external_id"]: {name for name in record if record[name] != before[record["external_id"]][name]}
        for record in records_in(other)
    }

    assert len(differing) == other.records
    assert states_in(first) == states_in(other) == [lines.last_state(2_000)]
    if kind == lines.UNSENT:
        assert all(names == {lines.UNSENT_COLUMN} for names in differing.values())
    else:
        assert {len(names) for names in differing.values() if names} == {1, 2}
        assert sum(map(bool, differing.values())) == other.changed_records
        assert sum(map(len, differing.values())) == other.changed_attributes
        assert 60 < other.changed_records < 140


def messages_in(given: lines.Input) -> list[dict[str, Any]]:
    return [json.loads(line) for line in given.path.read_text(encoding="utf-8").splitlines()]


def records_in(given: lines.Input) -> list[dict[str, Any]]:
    return [message["record"] for message in messages_in(given) if message["type"] == "RECORD"]


def states_in(given: lines.Input) -> list[Any]:
    return [message["value"] for message in messages_in(given) if message["type"] == "STATE"]


@pytest.mark.parametrize(
    ("arrivals", "most"),
    [([], 0), ([5.0], 1), ([0.0, 0.5, 1.0], 2), ([0.0, 0.999, 0.1], 3), ([0.0, 0.9, 1.1, 1.8, 1.85], 4)],
)
def test_the_fullest_second_is_found_wherever_it_begins(arrivals: list[float], most: int) -> None:
    counters = stub.Counters()
    counters.arrivals.extend(arrivals)

    assert counters.stats()["most_in_one_second"] == most


class _Recorder(ThreadingHTTPServer):
    """Keeps every object it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Recorder

    def do_POST(self) -> None:
        objects = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["attributes"]
        self.server.objects += objects
        answer = json.dumps({"message": "success", "attributes_processed": len(objects)}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[_Recorder]:
    server = _Recorder()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_both_targets_send_the_same_objects(
    recorder: _Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "FOLDER", tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"base_url": f"http://127.0.0.1:{recorder.server_port}", "api_key": "benchmark"}))
    sent = []
    for command in (
        [str(Path(sys.executable).with_name("target-braze"))],
        [sys.executable, str(ROOT / "benchmarks/plain_target.py")],
    ):
        with lines.prepare(300).path.open("rb") as source:
            subprocess.run([*command, "--config", str(config)], stdin=source, cwd=tmp_path, check=True, timeout=60)
        sent.append(sorted(recorder.objects, key=lambda found: str(found["external_id"])))
        recorder.objects = []

    assert len(sent[0]) == 300
    assert sent[0] == sent[1]
