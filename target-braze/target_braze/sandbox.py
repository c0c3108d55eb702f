"""Finds the local sandbox, and starts it when none runs. Owns its start, not its life: it outlives the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import requests

from target_braze.errors import SettingsError

SERVICE: Final = "braze-sandbox"
USUAL_PORT: Final = 8977
API_KEY: Final = "sandbox"
"""The sandbox takes any key; one has to be sent all the same."""
_ADDRESS: Final = "http://127.0.0.1:"
_PORT_VARIABLE: Final = "BRAZE_SANDBOX_PORT"
_ANSWER_SECONDS: Final = 5
_START_SECONDS: Final = 60


def running_sandbox() -> str:
    """The address of the sandbox, started if need be.

    Raises:
        SettingsError: If it cannot be started.
    """
    address = f"{_ADDRESS}{os.environ.get(_PORT_VARIABLE) or USUAL_PORT}"
    if not _answers(address):
        address = _start() or address  # one that runs already may do so on another port
        if not _answers(address):
            raise SettingsError(
                f"The sandbox was started but does not answer at {address}. Try `braze-sandbox status`."
            )
    return address


def _answers(address: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy to this machine
            return bool(session.get(f"{address}/health", timeout=_ANSWER_SECONDS).json().get("service") == SERVICE)
    except (requests.RequestException, ValueError, AttributeError):
        return False


def _start() -> str | None:
    """Start it; return the address it says, which is the last thing it says."""
    beside = Path(sys.executable).with_name(SERVICE)
    program = str(beside) if beside.exists() else shutil.which(SERVICE)
    if program is None:
        raise SettingsError(
            "`instance: sandbox` needs braze-sandbox, which is not installed here. Install it (its folder is "
            "plugins/braze-sandbox; in meltano.yml it goes beside target-braze in `pip_url`), start one elsewhere, "
            "or set another `instance`."
        )
    try:
        done = subprocess.run(
            [program, "start"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"The sandbox does not start ({type(error).__name__}). Try `{program} start`.") from None
    if done.returncode:
        raise SettingsError(f"The sandbox does not start: {(done.stderr or done.stdout).strip()}")
    last = (done.stdout.splitlines() or [""])[-1].strip()
    return last if last.startswith(_ADDRESS) else None
