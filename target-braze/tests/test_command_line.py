"""The real command line, as a process of its own: what it prints, how it ends, what a signal does to it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import __version__
from target_braze.__main__ import main
from target_braze.settings import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "0123-the-secret-key"
PATIENCE_SECONDS = 30.0
SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["external_id"],
    "schema": {"type": "object", "properties": {"external_id": {"type": "string"}, "plan": {"type": "string"}}},
}


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": {"external_id": name, "plan": "gold", **fields}}


def state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "value": number}


def lines(*messages: Any) -> bytes:
    return b"".join(
        (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n" for message in messages
    )


class Process:
    """One run of the command line; what it prints is read as it comes."""

    def __init__(self, *arguments: str, stdout: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "target_braze", *arguments],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        self._changed = threading.Condition()
        self._printed = {"stderr": ""} if self.process.stdout is None else {"stdout": "", "stderr": ""}
        self._threads = [threading.Thread(target=self._follow, args=(name,)) for name in self._printed]
        for thread in self._threads:
            thread.start()

    @property
    def out(self) -> str:
        return self._printed["stdout"]

    @property
    def log(self) -> str:
        return self._printed["stderr"]

    @property
    def states(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def write(self, *messages: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(lines(*messages))
        self.process.stdin.flush()

    def wait_for(self, condition: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_SECONDS), self.log

    def end(self, *, close: bool = True) -> int:
        """Its exit code, after the end of its input unless it has to end without."""
        assert self.process.stdin is not None
        if close:
            self.process.stdin.close()
        code = self.process.wait(PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        return code

    def _follow(self, name: str) -> None:
        stream = getattr(self.process, name)
        for line in iter(stream.readline, b""):
            with self._changed:
                self._printed[name] += line.decode()
                self._changed.notify_all()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def config(braze: Any, tmp_path: Path) -> Callable[..., str]:
    """Write the settings to a file; None leaves one out."""

    def write(**settings: Any) -> str:
        given = {"base_url": braze.url, "api_key": KEY, "report_path": str(tmp_path / "reports"), **settings}
        path = tmp_path / "config.json"
        path.write_text(json.dumps({name: value for name, value in given.items() if value is not None}))
        return str(path)

    return write


@pytest.fixture
def start(braze: Any, config: Callable[..., str]) -> Iterator[Callable[..., Process]]:
    """Start a process of its own, with an input that goes on."""
    started: list[Process] = []

    def start(*messages: Any, stdout: int = subprocess.PIPE, **settings: Any) -> Process:
        started.append(Process("--config", config(**settings), stdout=stdout))
        started[-1].write(*messages)
        return started[-1]

    yield start
    braze.release()
    for process in started:
        process.kill()


@pytest.fixture
def ended(
    restored: None,  # noqa: ARG001
    config: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process, to the end of its input; return exit code and log."""

    def run_to_its_end(*messages: Any, **settings: Any) -> tuple[int, str]:
        caplog.clear()
        monkeypatch.setattr(sys, "argv", ["target-braze", "--config", config(**settings)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(*messages))))
        with pytest.raises(SystemExit) as ending:
            main()
        assert not any(entry.exc_info for entry in caplog.records), "a traceback"
        assert KEY not in caplog.text
        return int(ending.value.code or 0), caplog.text

    return run_to_its_end


@pytest.fixture
def printed(
    restored: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run the command line in this process; return what it prints."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["target-braze", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        assert not ending.value.code
        return capsys.readouterr().out

    return run


def assert_ends_with_a_message(process: Process, code: int, *words: str, close: bool = True) -> None:
    assert process.end(close=close) == code, process.log
    assert "Traceback" not in process.log
    assert_has(process.log, *words)


def assert_has(log: str, *words: str) -> None:
    for word in words:
        assert word in log
    assert KEY not in log  # invariant 5


# What it says about itself


def test_version_by_the_script() -> None:
    """The script of the package itself, as Meltano calls it."""
    script = Path(sysconfig.get_path("scripts")) / "target-braze"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert done.stdout.startswith(f"target-braze v{__version__}")


def test_help(printed: Any) -> None:
    assert_has(printed("--help"), "--config", "--about", "--version", "--input")


def test_about_as_json_explains_every_setting(printed: Any) -> None:
    about = json.loads(printed("--about", "--format=json"))
    assert about["name"] == "target-braze"
    properties = about["settings"]["properties"]
    assert properties.keys() >= CONFIG["properties"].keys()
    for name, declared in properties.items():
        assert declared.get("title"), name
        assert declared.get("description"), name
    assert properties["api_key"]["secret"]
    assert not properties.keys() & {"add_record_metadata", "load_method", "batch_size_rows", "validate_records"}


@pytest.mark.parametrize("arguments", [[], ["--format=markdown"]], ids=["text", "markdown"])
def test_about_for_people_names_every_setting(printed: Any, arguments: list[str]) -> None:
    assert_has(printed("--about", *arguments), *CONFIG["properties"])


# How it ends, to the end of its input


def test_a_run_that_ends_well(ended: Any, braze: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, log = ended(SCHEMA, record("a"), record("b"), state(2))
    assert code == 0, log
    assert capsys.readouterr().out == "2\n"
    assert braze.names == ["a", "b"]
    assert "2 records read: 2 delivered." in log
    assert "gold" not in log  # invariant 5
    summary = json.loads((tmp_path / "reports" / "latest" / "summary.json").read_text())
    assert summary["delivered"] == 2


def test_no_input_at_all(ended: Any, braze: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, log = ended()
    assert code == 0, log
    assert capsys.readouterr().out == ""
    assert braze.calls == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"api_key": None}, ["api_key", "TARGET_BRAZE_API_KEY"], id="no key"),
        pytest.param({"base_url": "http://rest.example.com"}, ["base_url"], id="no https"),
        pytest.param({"base_url": None}, ["instance"], id="no endpoint"),
        pytest.param({"max_connections": "many"}, ["max_connections"], id="another type"),
        pytest.param({"report_path": "/dev/null/reports"}, ["report_path"], id="no report"),
    ],
)
def test_settings_that_make_no_sense(ended: Any, braze: Any, settings: dict[str, Any], words: list[str]) -> None:
    code, log = ended(**settings)
    assert code == 1
    assert_has(log, *words)
    assert braze.calls == []


def test_a_lookalike_names_the_line_to_add(ended: Any, braze: Any) -> None:
    schema = {**SCHEMA, "schema": {"properties": {"external_id": {"type": "string"}, "Email": {"type": "string"}}}}
    code, log = ended(schema)
    assert code == 1
    assert_has(log, "Email", "email", "fields")
    assert braze.calls == []


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        pytest.param([b"customer-7"], ["Line 1", "is not a Singer message"], id="no JSON"),
        pytest.param([record("customer-7")], ["people"], id="a record before its schema"),
        pytest.param([SCHEMA, {**record("a"), "record": {"plan": "customer-7"}}], ["external_id"], id="no key"),
        pytest.param([{"type": "SCHEMA", "stream": "people", "schema": {}}], ["properties"], id="no properties"),
        pytest.param([{"type": "SCHEMA", "stream": "people"}], ["schema"], id="no schema"),
        pytest.param([{"type": "SCHEMA", "stream": "people", "schema": None}], ["schema"], id="schema is null"),
        pytest.param([{"type": "BATCH", "stream": "people", "encoding": {}, "manifest": []}], ["people"], id="batch"),
        pytest.param([{"type": "BATCH", "stream": "people"}], ["encoding, manifest"], id="batch of nothing"),
        pytest.param([{"type": "ACTIVATE_VERSION", "stream": "people", "version": 1}], ["people"], id="version"),
        pytest.param([{"type": "RECORD", "stream": "people", "record": None}], ["people"], id="no record"),
    ],
)  # fmt: skip
def test_input_that_makes_no_sense(ended: Any, messages: list[Any], words: list[str]) -> None:
    code, log = ended(*messages)
    assert code == 1
    assert_has(log, *words)
    assert "customer-7" not in log


def test_401_at_the_end_of_the_input(ended: Any, braze: Any, capsys: pytest.CaptureFixture[str]) -> None:
    braze.script = lambda _: braze.Reply(401, {"message": f"Invalid API key: {KEY}"})
    code, log = ended(SCHEMA, record("a"), state(1))
    assert code == 1
    assert_has(log, "Invalid credentials (401)", "`api_key`", "`instance`", "1 unfinished")
    assert capsys.readouterr().out == ""


def test_an_endpoint_that_cannot_be_reached(ended: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        code, log = ended(SCHEMA, record("a"), state(1), base_url=endpoint, max_retry_seconds=0)
    assert code == 1
    assert_has(log, "cannot be reached", "`instance`")
    assert capsys.readouterr().out == ""


def test_too_many_rejections(ended: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, log = ended(SCHEMA, record(""), state(1), max_rejected="0")
    assert code == 1
    assert_has(log, "`max_rejected`", "rejected.jsonl")
    assert (tmp_path / "reports" / "latest" / "rejected.jsonl").exists()
    assert capsys.readouterr().out == ""


# How it ends, as a process of its own


def test_401_ends_a_process_that_waits_for_its_tap(start: Any, braze: Any) -> None:
    """The tap may have nothing to say for hours."""
    braze.script = lambda _: braze.Reply(401, {"message": f"Invalid API key: {KEY}"})
    process = start(SCHEMA, record("a"), state(1), record("b"), state(2), max_objects_per_request=1)
    assert_ends_with_a_message(process, 1, "Invalid credentials (401)", "2 unfinished", close=False)
    assert process.states == []


def test_standard_output_that_is_gone(start: Any) -> None:
    """Nobody acknowledges what nobody can be told of."""
    reading, writing = os.pipe()
    os.close(reading)
    process = start(SCHEMA, state(1), stdout=writing)
    os.close(writing)
    assert process.end(close=False) != 0
    assert "STATE cannot be passed on" in process.log


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_while_a_request_is_in_flight(
    start: Any, braze: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """It finishes, its STATE leaves, and none that covers more."""
    braze.holds = lambda call: call.names == ["b"]
    process = start(max_objects_per_request=1)
    process.write(SCHEMA, record("a"), state(1), record("b"), state(2), record("c"), state(3))
    braze.wait_for(lambda: len(braze.calls) == 2)
    process.process.send_signal(number)
    process.wait_for(lambda: "requests in flight are finished first" in process.log)
    braze.release()
    assert_ends_with_a_message(process, code, f"signal {int(number)}", "1 unfinished", close=False)
    assert process.states[-1] == 2
    assert braze.names == ["a", "b"]
    summary = json.loads((tmp_path / "reports" / "latest" / "summary.json").read_text())
    assert (summary["delivered"], summary["unfinished"]) == (2, 1)


def test_a_second_signal_does_not_wait(start: Any, braze: Any) -> None:
    braze.holds = lambda _: True
    process = start(SCHEMA, record("a"), state(1), record("b"), max_objects_per_request=1)
    braze.wait_for(lambda: braze.calls)
    process.process.send_signal(signal.SIGTERM)
    process.wait_for(lambda: "requests in flight are finished first" in process.log)
    process.process.send_signal(signal.SIGTERM)
    assert process.end(close=False) == 143
    assert process.states == []


def test_a_signal_before_anything_was_read(start: Any, braze: Any) -> None:
    process = start(SCHEMA, state(0))
    process.wait_for(lambda: process.out)
    process.process.send_signal(signal.SIGTERM)
    assert_ends_with_a_message(process, 143, close=False)
    assert process.states == [0]
    assert braze.calls == []


def test_the_metric_counts_every_record(braze: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"base_url": braze.url, "api_key": "key", "report_path": str(tmp_path / "reports")}))
    schema = {"properties": {"external_id": {"type": "string"}, "plan": {"type": "string"}}}
    messages: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": "people", "schema": schema, "key_properties": []}]
    messages += [
        {"type": "RECORD", "stream": "people", "record": {"external_id": str(number), "plan": "day"}}
        for number in range(7)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "target_braze", "--config", str(config)],
        input="\n".join(map(json.dumps, messages)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert '"metric":"record_count","value":7,' in done.stderr
