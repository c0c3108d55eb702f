"""Finds the local sandbox, and starts it when none runs. Owns its start, not its life: it outlives the run.

A sandbox forgets all when it is reset, and knows nothing when it is new. So what it was told goes by its `workspace`,
and each life of a sandbox has a ledger of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import requests

from target_braze.errors import SettingsError

SERVICE: Final = "braze-sandbox"
USUAL_PORT: Final = 8977
API_KEY: Final = "sandbox"
"""The sandbox takes any key; one has to be sent all the same."""
NONE: Final = "none"
"""In the place of a workspace where there is no sandbox."""
_ADDRESS: Final = "http://127.0.0.1:"
_PORT_VARIABLE: Final = "BRAZE_SANDBOX_PORT"
_ANSWER_SECONDS: Final = 5
_START_SECONDS: Final = 60


def running_sandbox() -> str:
    """The address of the sandbox, started if need be.

    Raises:
        SettingsError: If it cannot be started.
    """
    address = _usual_address()
    if not _answers(address):
        address = _start() or address  # one that runs already may do so on another port
        if not _answers(address):
            raise SettingsError(
                f"The sandbox was started but does not answer at {address}. Try `braze-sandbox status`."
            )
    return address


def found_sandbox() -> str | None:
    """The address of the sandbox, None if none runs; it is not started."""
    address = _usual_address()
    if _answers(address):
        return address
    program = _program()
    if program is None:
        return None
    try:
        elsewhere = _address_in(_said(program, "status").stdout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return elsewhere if elsewhere is not None and _answers(elsewhere) else None


def workspace(address: str) -> str:
    """What stands for all that a sandbox was told so far, and has not forgotten.

    Raises:
        SettingsError: If it does not say.
    """
    told = str(_about(address).get("workspace", ""))
    if not re.fullmatch(r"\w+", told):  # it becomes the name of a folder
        raise SettingsError(
            f"The sandbox at {address} is an older one, which does not tell whether it was reset. Stop it "
            "(`braze-sandbox stop`) and run again."
        )
    return told


def _usual_address() -> str:
    return f"{_ADDRESS}{os.environ.get(_PORT_VARIABLE) or USUAL_PORT}"


def _answers(address: str) -> bool:
    return bool(_about(address).get("service") == SERVICE)


def _about(address: str) -> dict[str, Any]:
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy to this machine
            about = session.get(f"{address}/health", timeout=_ANSWER_SECONDS).json()
    except (requests.RequestException, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _program() -> str | None:
    beside = Path(sys.executable).with_name(SERVICE)
    return str(beside) if beside.exists() else shutil.which(SERVICE)


def _start() -> str | None:
    """Start it; return the address it says, which is the last thing it says."""
    program = _program()
    if program is None:
        raise SettingsError(
            "`instance: sandbox` needs braze-sandbox, which is not installed here. Install it (its folder is "
            "plugins/braze-sandbox; in meltano.yml it goes beside target-braze in `pip_url`), start one elsewhere, "
            "or set another `instance`."
        )
    try:
        done = _said(program, "start")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"The sandbox does not start ({type(error).__name__}). Try `{program} start`.") from None
    if done.returncode:
        raise SettingsError(f"The sandbox does not start: {(done.stderr or done.stdout).strip()}")
    return _address_in(done.stdout)


def _said(program: str, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )


def _address_in(output: str) -> str | None:
    """The address that is the last thing it says."""
    last = (output.splitlines() or [""])[-1].strip()
    return last if last.startswith(_ADDRESS) else None
