"""The sandbox: starts and stops the local Braze, by its own command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

USUAL_PORT = 8977  # the one in meltano.yml
DATABASE = Path(".meltano", "braze-sandbox", "sandbox.sqlite")  # where Meltano's plugins look for it too
PORT_VARIABLE, DATABASE_VARIABLE = "BRAZE_SANDBOX_PORT", "BRAZE_SANDBOX_DATABASE"


class SandboxError(Exception):
    """The sandbox does not start or stop; the message has what it said."""


def start(project: Path) -> str:
    """Start the sandbox unless it runs, on another port if the usual one is taken; return its address.

    Raises:
        SandboxError: it does not start.
    """
    (project / DATABASE).parent.mkdir(parents=True, exist_ok=True)
    done = _run(project, "start", USUAL_PORT)
    if done.returncode and "taken" in done.stderr:
        done = _run(project, "start", 0)
    if done.returncode:
        raise SandboxError(f"The Braze sandbox does not start. {done.stderr.strip()}")
    return done.stdout.splitlines()[-1]


def stop(project: Path) -> bool:
    """Stop the sandbox; return whether it was running.

    Raises:
        SandboxError: it does not stop.
    """
    done = _run(project, "stop")
    if done.returncode:
        raise SandboxError(done.stderr.strip())
    return "not running" not in done.stdout


def environment(address: str) -> dict[str, str]:
    """Return what tells target-braze where the sandbox is."""
    return {PORT_VARIABLE: str(urlsplit(address).port)}


def _run(project: Path, command: str, port: int = USUAL_PORT) -> subprocess.CompletedProcess[str]:
    variables = {PORT_VARIABLE: str(port), DATABASE_VARIABLE: str(project / DATABASE)}
    return subprocess.run(
        [str(Path(sys.executable).with_name("braze-sandbox")), command],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
