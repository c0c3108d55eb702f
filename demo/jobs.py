"""Meltano: installs the plugins and runs the jobs, with its output in a log."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from demo import s3, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from demo import screen

PROJECT = Path(__file__).resolve().parent.parent
WORK = PROJECT / ".demo"
LOG = WORK / "meltano.log"
REPORT = PROJECT / ".meltano" / "target-braze" / "reports" / "latest"
PLUGINS = {
    "tap-postgres": "extractor",
    "tap-braze-currents": "extractor",
    "target-postgres": "loader",
    "target-braze": "loader",
}
MELTANO = Path(sys.executable).with_name("meltano")
TAIL_LINES = 25
STOP_SECONDS = 15


class RunFailedError(Exception):
    """Meltano ended with an error; the message has the end of its log."""


def environment(warehouse_url: str, sandbox_url: str, bucket_url: str) -> dict[str, str]:
    """Return the environment for Meltano.

    Nothing of the caller's in it can lead a run to a real Braze, bucket or warehouse.
    """
    ours = ("MELTANO_", "TARGET_", "TAP_", "AWS_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        # Said here although meltano.yml says so too, since a variable wins over what a `.env` file may have.
        "TARGET_BRAZE_INSTANCE": "sandbox",
        "TARGET_BRAZE_BASE_URL": "",
        # A sandbox on this machine that fails for so long does not recover, and somebody is watching.
        "TARGET_BRAZE_MAX_RETRY_SECONDS": "20",
        "TAP_POSTGRES_SQLALCHEMY_URL": warehouse_url,
        "TARGET_POSTGRES_SQLALCHEMY_URL": warehouse_url,
        **s3.tap_environment(bucket_url),
        **sandbox.environment(sandbox_url),
    }


def install(variables: Mapping[str, str], step: screen.Step) -> None:
    """Install the plugins, unless what they are made of was installed before.

    Meltano compares only the names of what to install: it would not see a dependency added to one of ours.
    """
    sources = [
        PROJECT / "meltano.yml",
        PROJECT / "target-braze" / "pyproject.toml",
        PROJECT / "tap-braze-currents" / "pyproject.toml",
        PROJECT / "plugins" / "braze-sandbox" / "pyproject.toml",
    ]
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = PROJECT / ".meltano" / "demo-plugins"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != fingerprint:
        for name, kind in PLUGINS.items():
            meltano(["install", kind, name], variables, step, f"installing {name}")
        stamp.write_text(fingerprint, encoding="utf-8")
    step.result = f"{len(PLUGINS)}, each in an environment of its own"


def run(job: str, variables: Mapping[str, str], step: screen.Step) -> None:
    """Run a job of meltano.yml.

    Raises:
        RunFailedError: it ends with an error.
    """
    meltano(["run", job], variables, step, job)


def report() -> tuple[Path, dict[str, Any]]:
    """Return where the newest report of target-braze is, and its summary."""
    folder = REPORT.resolve()
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return folder, summary


def meltano(arguments: Sequence[str], variables: Mapping[str, str], step: screen.Step, note: str) -> None:
    """Run one Meltano command with its output in the log.

    Raises:
        RunFailedError: it ends with an error.
    """
    command = [str(MELTANO), "--environment=sandbox", *arguments]
    with LOG.open("a", encoding="utf-8") as log:
        process = psutil.Popen(
            command,
            cwd=PROJECT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        with ended_with_this(process):
            while process.poll() is None:
                step.show(note)
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout=0.5)
    if process.returncode:
        tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
        raise RunFailedError(f"{tail}\n\n`meltano {' '.join(arguments)}` failed; the whole log is in {LOG}")


@contextlib.contextmanager
def ended_with_this(process: psutil.Popen) -> Iterator[None]:
    """End the process and those it started when this block is left early, e.g. by Ctrl-C.

    A terminal sends the interrupt to all of them; they get some time to end by themselves, so that what was
    delivered is recorded.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            for member in psutil.wait_procs(family, timeout=STOP_SECONDS)[1]:
                member.kill()
        raise
