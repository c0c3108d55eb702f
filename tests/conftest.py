"""What the end-to-end tests share: a real sandbox for the session, and the real command line of the target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Client, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

TARGET = Path(sys.executable).with_name("target-braze")
API_KEY = "0f1e2d-the-key-of-the-tests"
PAGE = 1000
RUN_SECONDS = 90.0
"""How long a run of the target may take; only a failing one takes so long."""


class Sandbox(Client):
    """A sandbox process: what `Client` has, and all recorded requests, however many.

    `settings(name=value, …)`, `faults(rule, …)`, `track(attributes=[…])`, `profiles(external_id=…)`, `stats()` and
    `reset()` are `Client`'s.
    """

    def requests(self, *, with_bodies: bool = True) -> list[dict[str, Any]]:
        """Return the requests to `/users/track` in the order they arrived."""
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            query = {"limit": PAGE, "offset": len(found), "bodies": str(with_bodies).lower()}
            page = self.get("/sandbox/requests", **query).json()
            total = page["total"]
            if not page["requests"]:
                break
            found += page["requests"]
        return found


@dataclass
class Outcome:
    """How a run of the target ended.

    Attributes:
        exit: Its exit code.
        states: What it wrote to standard output, line by line, decoded.
        stderr: What it logged.
        summary: What its `summary.json` holds, empty if there is none.
        rejections: The lines of its `rejected.jsonl`, decoded.
        folder: Where its report is; its parent has those of earlier runs in the same test.
    """

    exit: int
    states: list[Any]
    stderr: str
    summary: dict[str, Any] = field(default_factory=dict)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    folder: Path = Path()


class Target:
    """The target's command line, in a folder of its own and against one sandbox.

    Args:
        folder: Where configs and reports go; it is the working directory too.
        base_url: Where it delivers unless a config says otherwise.
    """

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.reports = folder / "reports"
        self._base_url = base_url
        self._configs = 0

    def config(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings over those every run needs; one that is None is left out."""
        usual = {"base_url": self._base_url, "api_key": API_KEY, "report_path": str(self.reports)}
        return {name: value for name, value in {**usual, **settings}.items() if value is not None}

    def start(self, settings: Mapping[str, Any], **options: Any) -> subprocess.Popen[bytes]:
        """Start it, with pipes for input, output and log unless `options` (of `subprocess.Popen`) say otherwise."""
        self._configs += 1
        path = self.folder / f"config-{self._configs}.json"
        path.write_text(json.dumps(self.config(settings)), encoding="utf-8")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        options = {"env": clean_environment(), "cwd": self.folder, **pipes, **options}
        process: subprocess.Popen[bytes] = subprocess.Popen([TARGET, "--config", path], **options)
        return process

    def run(self, settings: Mapping[str, Any], lines: Iterable[Any]) -> Outcome:
        """Run it to its end.

        Args:
            settings: Its settings.
            lines: Its input: messages, or bytes as they are.
        """
        with self.start(settings) as process:
            try:
                stdout, stderr = process.communicate(encoded(lines), RUN_SECONDS)
            except BaseException:
                process.kill()
                raise
        return self.outcome(process.returncode, stdout, stderr)

    def outcome(self, exit_code: int, stdout: bytes, stderr: bytes) -> Outcome:
        """What a run that ended left behind; its report is the newest."""
        states = [json.loads(line) for line in stdout.splitlines()]
        result = Outcome(exit_code, states, stderr.decode())
        latest = self.reports / "latest"
        if latest.exists():
            result.folder = latest.resolve()
            if (summary := latest / "summary.json").exists():
                result.summary = json.loads(summary.read_bytes())
            if (dead_letter := latest / "rejected.jsonl").exists():
                result.rejections = [json.loads(line) for line in dead_letter.read_bytes().splitlines()]
        return result


def encoded(lines: Iterable[Any]) -> bytes:
    """Messages as a tap writes them."""
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def clean_environment() -> dict[str, str]:
    """The environment without anything that could decide what a run does."""
    foreign = ("TARGET_BRAZE_", "MELTANO_", "BRAZE_SANDBOX_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }


@pytest.fixture
def api_key() -> str:
    """The key that runs of the target have unless their settings say otherwise."""
    return API_KEY


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox process for the session; `sandbox` is what a test wants."""
    with serving(tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite") as address:
        yield Sandbox(address)


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Sandbox:
    """A sandbox that knows nothing yet and has its usual settings."""
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture
def target(sandbox: Sandbox, tmp_path: Path) -> Target:
    """The target's command line against the sandbox: to run it, or to start it and do something to it."""
    return Target(tmp_path, sandbox.address)


@pytest.fixture
def run_target(target: Target) -> Callable[[Mapping[str, Any], Iterable[Any]], Outcome]:
    """Runs the target to its end: settings and lines in, `Outcome` out."""
    return target.run


@pytest.fixture(scope="session")
def make_target(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sandbox], Target]:
    """Makes a target in a new folder, for tests with a sandbox of their own."""
    return lambda sandbox: Target(tmp_path_factory.mktemp("target"), sandbox.address)


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sandbox]]:
    """Two sandbox processes of a module's own, for tests that run side by side."""
    folder = tmp_path_factory.mktemp("sandboxes")
    with serving(folder / "one.sqlite") as one, serving(folder / "other.sqlite") as other:
        yield [Sandbox(one), Sandbox(other)]
