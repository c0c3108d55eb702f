"""The tap as Meltano sees it: its command line, its catalog, its exit codes, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from braze_sandbox.currents import filler, schemas
from braze_sandbox.currents.writing import NEW_LAYOUT, avro_file
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_braze_currents.__main__ import main
from tap_braze_currents.settings import CONFIG
from tap_braze_currents.tap import TapBrazeCurrents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FolderBucket

PATIENCE_SECONDS = 60.0
CLICK, PURCHASE = "users.messages.email.Click", "users.behaviors.Purchase"
SEVERAL = [CLICK, PURCHASE, "users.behaviors.app.SessionEnd", "users.profile.Update", "agentconsole.ToolInvocation"]
RUN = [sys.executable, "-m", "tap_braze_currents"]
# As the command line, with STATE after each file instead of each second.
RUN_WITH_ALL_STATES = "from tap_braze_currents import __main__, streams; streams.STATE_SECONDS = 0.0; __main__.main()"


def write(root: Path, event_type: str, number: int, records: int, bad: bytes = b"") -> list[str]:
    """Write a file, the number being its offset and the order of its reading; return the ids in it."""
    schema = schemas.avro_schema(event_type)
    events = [filler.record(schema, number * 100_000 + row) for row in range(records)]
    path = root / NEW_LAYOUT.key(event_type, "2026-01-01-11", "us-01", 0, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bad or avro_file(schema, events))
    os.utime(path, (filler.FIRST_SECOND + number,) * 2)
    return [event["id"] for event in events]


def config_file(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The SDK takes the signals over for each tap."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# The SDK's own tests. It wants the files when it makes the class.

SUITE_FOLDER = tempfile.TemporaryDirectory(prefix="tap-braze-currents-suite")
for several in SEVERAL:
    for number in range(3):
        write(Path(SUITE_FOLDER.name), several, number, 80)


class TestSuite(
    get_tap_test_class(  # type: ignore[misc]
        TapBrazeCurrents,
        config={"path": SUITE_FOLDER.name, "expand_json": ["properties"]},
        suite_config=SuiteConfig(max_records_limit=150),
        parse_env_config=False,
    )
):
    pass


# What it says of itself


def test_about_describes_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    TapBrazeCurrents.invoke(about=True, about_format="json")
    about = json.loads(capsys.readouterr().out)
    assert about["name"] == "tap-braze-currents"
    properties = about["settings"]["properties"]
    assert properties.keys() >= CONFIG["properties"].keys() >= {"path", "start_date", "on_unreadable_file"}
    for name, setting in properties.items():
        assert setting.get("title"), name
        assert setting.get("description"), name
    assert {"state", "catalog", "discover", "stream-maps"} <= set(about["capabilities"])
    assert "batch" not in about["capabilities"]
    secrets = {name for name, setting in CONFIG["properties"].items() if setting.get("secret")}
    assert secrets == {"aws_secret_access_key", "aws_session_token"}


def test_about_in_markdown_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    TapBrazeCurrents.invoke(about=True, about_format="markdown")
    text = capsys.readouterr().out
    for name in CONFIG["properties"]:
        assert f"| {name} " in text


def test_the_catalog_marks_what_is_personal(tmp_path: Path) -> None:
    for event_type in SEVERAL:
        write(tmp_path, event_type, 1, 1)
    catalog = json.loads(TapBrazeCurrents(config={"path": str(tmp_path)}).catalog_json_text)
    for event_type, entry in zip(sorted(SEVERAL, key=str.lower), catalog["streams"], strict=True):
        assert entry["tap_stream_id"] == event_type.lower().replace(".", "_")
        assert entry["key_properties"] == ["id"]
        assert (entry["replication_method"], entry["replication_key"]) == ("INCREMENTAL", "_sdc_source_modified")
        marked = {
            part["breadcrumb"][1]: part["metadata"].get("pii") for part in entry["metadata"] if part["breadcrumb"]
        }
        assert marked == {
            name: True if name in {field.name for field in schemas.fields_of(event_type) if field.is_personal} else None
            for name in entry["schema"]["properties"]
        }
    assert any(field.is_personal for event_type in SEVERAL for field in schemas.fields_of(event_type))


# How it ends


class Ended(NamedTuple):
    """The exit code of a run and what it printed."""

    code: int
    out: str
    log: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def ended(tmp_path: Path, *arguments: str) -> Ended:
    """Run the command line, as a process of its own, to its end."""
    done = subprocess.run(
        [*RUN, "--config", "config.json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Callable[..., Ended]:
    """Run the command line in this process, which is much quicker; an exception that gets out fails the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the SDK puts in its own

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tap-braze-currents", "--config", "config.json", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return Ended(int(caught.value.code or 0), capsys.readouterr().out, caplog.text)

    return run


def test_it_ends_well(tmp_path: Path, command: Callable[..., Ended]) -> None:
    ids = write(tmp_path / "bucket", PURCHASE, 1, 3)
    config_file(tmp_path, {"path": str(tmp_path / "bucket")})
    first = ended(tmp_path)
    assert first.code == 0
    assert [message["record"]["id"] for message in first.messages if message["type"] == "RECORD"] == ids
    (tmp_path / "state.json").write_text(json.dumps(first.messages[-1]["value"]))
    second = command("--state", "state.json")
    assert second.code == 0
    assert '"RECORD"' not in second.out
    assert "0 files to read" in second.log


def test_it_discovers_and_tests_well(tmp_path: Path, command: Callable[..., Ended]) -> None:
    write(tmp_path / "bucket", PURCHASE, 1, 3)
    config_file(tmp_path, {"path": str(tmp_path / "bucket")})
    discovery = command("--discover")
    assert discovery.code == 0
    assert [entry["tap_stream_id"] for entry in json.loads(discovery.out)["streams"]] == ["users_behaviors_purchase"]
    (tmp_path / "catalog.json").write_text(discovery.out)
    run = command("--catalog", "catalog.json")
    assert (run.code, run.out.count('"RECORD"')) == (0, 3)
    test = command("--test")
    assert (test.code, test.out.count('"RECORD"')) == (0, 1)
    schema = command("--test=schema")
    assert (schema.code, [message["type"] for message in schema.messages]) == (0, ["SCHEMA"])


@pytest.mark.parametrize("arguments", [[], ["--discover"], ["--test"]])
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "'path' is a required property"),
        ({"path": "empty"}, "Nothing that Currents wrote is below empty"),
        ({"path": "bucket", "event_types": ["users.mesages.*"]}, "There are: users.behaviors.Purchase."),
        ({"path": "bucket", "start_date": "soon"}, "`start_date`: 'soon' is no date"),
    ],
)
def test_settings_that_make_no_sense(
    tmp_path: Path, command: Callable[..., Ended], arguments: list[str], config: dict[str, Any], said: str
) -> None:
    write(tmp_path / "bucket", PURCHASE, 1, 3)
    config_file(tmp_path, config)
    done = command(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.log.count(said) == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("", "The file given with --state (state.json) holds no JSON object"),
        ("{", "The file given with --state (state.json) holds no JSON object"),
        ("[]", "The file given with --state (state.json) holds no JSON object"),
        ('{"bookmarks": {"users_behaviors_purchase": {"version": 2, "folders": {}}}}', "has version 2"),
        ('{"bookmarks": {"users_behaviors_purchase": {"version": 1, "folders": {"a": []}}}}', "is damaged"),
    ],
)
def test_a_state_that_cannot_be_read(tmp_path: Path, command: Callable[..., Ended], state: str, said: str) -> None:
    write(tmp_path / "bucket", PURCHASE, 1, 3)
    config_file(tmp_path, {"path": str(tmp_path / "bucket")})
    (tmp_path / "state.json").write_text(state)
    done = command("--state", "state.json")
    assert done.code == 1
    assert "RECORD" not in done.out
    assert said in done.log


def test_a_catalog_that_cannot_be_read(tmp_path: Path, command: Callable[..., Ended]) -> None:
    config_file(tmp_path, {"path": "bucket"})
    (tmp_path / "catalog.json").write_text("[")
    assert (
        "The file given with --catalog (catalog.json) holds no JSON object" in command("--catalog", "catalog.json").log
    )


def test_a_file_that_cannot_be_read(tmp_path: Path, command: Callable[..., Ended]) -> None:
    ids = write(tmp_path / "bucket", CLICK, 1, 2)
    write(tmp_path / "bucket", PURCHASE, 1, 1, bad=b"not Avro")
    config_file(tmp_path, {"path": str(tmp_path / "bucket")})
    run = ended(tmp_path)
    assert (run.code, run.out.count('"RECORD"')) == (1, len(ids))
    assert "1 streams were not read to their end: users_behaviors_purchase" in run.log
    test = command("--test")
    assert test.code == 1
    assert "not an Avro file" in test.log


def test_a_store_that_refuses_is_quoted_without_a_secret(tmp_path: Path, bucket: FolderBucket) -> None:
    config_file(tmp_path, bucket.settings | {"aws_secret_access_key": "wrong-and-private"})
    run = ended(tmp_path)
    assert (run.code, run.out) == (1, "")
    assert "cannot be listed (SignatureDoesNotMatch)" in run.log
    assert "wrong-and-private" not in run.log


# Interrupted


class Process:
    """A run whose output is read only as far as a test wants, so that it stands still in the middle of something."""

    def __init__(self, tmp_path: Path, state: dict[str, Any] | None) -> None:
        (tmp_path / "state.json").write_text(json.dumps(state or {}))
        arguments = ["--config", str(tmp_path / "config.json"), "--state", str(tmp_path / "state.json")]
        self._run = subprocess.Popen(
            [sys.executable, "-c", RUN_WITH_ALL_STATES, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.lines: list[bytes] = []

    def read(self, count: int) -> bool:
        """Read so many lines; return whether there were as many."""
        assert self._run.stdout is not None
        for _ in range(count):
            line = self._run.stdout.readline()
            if not line:
                return False
            self.lines.append(line)
        return True

    def signal(self, number: int) -> None:
        self._run.send_signal(number)

    def wait_for_log(self, text: bytes) -> None:
        assert self._run.stderr is not None
        assert any(text in line for line in iter(self._run.stderr.readline, b""))

    def close_output(self) -> None:
        assert self._run.stdout is not None
        self._run.stdout.close()

    def end(self, *, read: bool = True) -> tuple[int, str]:
        """Read to the end if so wanted; return the exit code and what is left of the log."""
        assert self._run.stdout is not None
        assert self._run.stderr is not None
        if read:
            self.lines += self._run.stdout.readlines()
        code = self._run.wait(PATIENCE_SECONDS)
        log = self._run.stderr.read().decode()
        self._run.stdout.close()
        self._run.stderr.close()
        return code, log

    def kill(self) -> None:
        self._run.kill()
        self._run.wait()

    def durable(self) -> tuple[list[str], dict[str, Any] | None]:
        """What a target would have for certain: the ids before the last STATE, and that STATE."""
        ids: list[str] = []
        kept: list[str] = []
        state = None
        for line in self.lines:
            if not line.endswith(b"\n"):
                break  # the process was killed in the middle of it
            message = json.loads(line)
            if message["type"] == "RECORD":
                ids.append(message["record"]["id"])
            elif message["type"] == "STATE":
                kept, state = list(ids), message["value"]
        return kept, state


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []
    config_file(tmp_path, {"path": str(tmp_path / "bucket")})

    def begin(state: dict[str, Any] | None = None) -> Process:
        started.append(Process(tmp_path, state))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def wanted(tmp_path: Path) -> list[str]:
    """Two streams of files that are larger than a pipe; all their ids."""
    files = [(event_type, number) for event_type in (PURCHASE, CLICK) for number in range(4)]
    return [name for event_type, number in files for name in write(tmp_path / "bucket", event_type, number, 400)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_mid_file_ends_with_whole_lines_and_a_state_that_is_true(
    start: Callable[..., Process], wanted: list[str], number: int, code: int
) -> None:
    process = start()
    assert process.read(600)  # in the second file
    process.signal(number)
    process.wait_for_log(b"Ending")  # it stands in a write that nobody reads
    ended_with, log = process.end()
    assert ended_with == code
    assert "Traceback" not in log
    assert process.lines[-1].endswith(b"\n")
    ids, state = process.durable()
    assert 400 <= len(ids) < len(wanted) // 2
    again = start(state)
    assert again.end()[0] == 0
    assert ids + again.durable()[0] == wanted


def test_a_second_signal_ends_what_is_stuck(start: Callable[..., Process], wanted: list[str]) -> None:
    process = start()
    assert process.read(600)
    process.signal(signal.SIGTERM)
    process.wait_for_log(b"Ending")
    process.signal(signal.SIGTERM)
    code, log = process.end(read=False)
    assert code == 143
    assert "Traceback" not in log
    ids, state = process.durable()
    again = start(state)
    assert again.end()[0] == 0
    assert ids + again.durable()[0] == wanted


def test_a_target_that_goes_away_ends_the_run(start: Callable[..., Process], wanted: list[str]) -> None:
    process = start()
    assert process.read(min(600, len(wanted)))
    process.close_output()
    code, log = process.end(read=False)
    assert code == 1
    assert "Traceback" not in log
    assert "BrokenPipeError" not in log


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_and_again_no_event_is_missing(
    start: Callable[..., Process], wanted: list[str], seed: int
) -> None:
    dice = random.Random(seed)
    ids: list[str] = []
    state: dict[str, Any] | None = None
    for _ in range(3):
        process = start(state)
        process.read(dice.randrange(1, 1_500))
        process.signal(signal.SIGKILL)
        process.end()
        more, later = process.durable()
        ids += more
        state = later or state
    last = start(state)
    assert last.end()[0] == 0
    # STATE follows each file, so that what it covers comes once, in order.
    assert ids + last.durable()[0] == wanted
