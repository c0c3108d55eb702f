"""The benchmark itself: it runs, its table is whole, both targets send the same objects. No times."""

from __future__ import annotations

import json
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


def test_a_small_run_fills_the_whole_table() -> None:
    command = [
        sys.executable,
        "benchmarks/run.py",
        "--records",
        "3000",
        "--plain-records",
        "750",
        "--rounds",
        "1",
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)

    assert run.returncode == 0, run.stderr
    rows = [line.split("|")[1].strip() for line in run.stdout.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row] == [
        "decode only",
        "target-braze",
        "target-braze, at most 300 requests/s",
        "plain SDK target",
        "plain SDK target, `validate_records: false`",
        "target-braze, 3 x the input",
        "goal",
        "at least 800 requests/s of 75 objects, sustained",
        "less than 300 MB of memory",
        "less than 300 MB of memory, whatever the input's size: 3 x the input",
        "never more than 300 requests in any second",
        "at least 95% of that limit used",
        "at least 30 x the plain SDK target",
        "(no goal) x the plain SDK target without validation",
    ]
    assert "nan" not in run.stdout


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


def test_both_targets_send_the_same_objects(recorder: _Recorder, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"base_url": f"http://127.0.0.1:{recorder.server_port}", "api_key": "benchmark"}))
    sent = []
    for command in (
        [str(Path(sys.executable).with_name("target-braze"))],
        [sys.executable, str(ROOT / "benchmarks/plain_target.py")],
    ):
        with lines.prepare(300).open("rb") as source:
            subprocess.run([*command, "--config", str(config)], stdin=source, cwd=tmp_path, check=True, timeout=60)
        sent.append(sorted(recorder.objects, key=lambda found: str(found["external_id"])))
        recorder.objects = []

    assert len(sent[0]) == 300
    assert sent[0] == sent[1]
