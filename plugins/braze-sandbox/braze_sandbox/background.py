"""A server that outlives the command that started it: where it is noted, how it is started, found and stopped.

The note lies beside the database. The server writes it once it answers and takes it away as the last thing it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

from braze_sandbox import SERVICE
from braze_sandbox.settings import HOST

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 30.0
STOP_SECONDS = 15.0
IN_USE = 75  # exit code of a server whose database another one has, as sysexits.h calls a passing failure
TURN_SECONDS = 0.02
ANSWER_SECONDS = 2.0


class BackgroundError(Exception):
    """The server does not start or stop; the message says why and what to do."""


class Running(NamedTuple):
    """A sandbox that answers."""

    address: str
    pid: int
    database: str


def note_of(database: Path) -> Path:
    """Return where a server notes its address."""
    return database.with_suffix(".json")


def log_of(database: Path) -> Path:
    """Return where a server in the background writes."""
    return database.with_suffix(".log")


def write_note(database: Path, address: str) -> None:
    """Note that this process serves at an address."""
    temporary = database.with_suffix(".json.new")
    temporary.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n")
    temporary.replace(note_of(database))


def remove_note(database: Path) -> None:
    """Take away this process's note."""
    with contextlib.suppress(FileNotFoundError):
        note_of(database).unlink()


def at(address: str) -> Running | None:
    """Return the sandbox at an address, or `None` if there is none."""
    # Not by way of a proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=ANSWER_SECONDS) as answer:
            about = json.load(answer)
        if about["service"] != SERVICE:
            return None
        return Running(address, int(about["pid"]), str(about["database"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(database: Path) -> Running | None:
    """Return the sandbox that serves a database, or `None`."""
    try:
        note = json.loads(note_of(database).read_text())
        found = at(str(note["address"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found and found.database == str(database) else None


def start(database: Path, port: int) -> tuple[Running, bool]:
    """Start a server in the background unless one runs already.

    Returns:
        The server, and whether it was started now.

    Raises:
        BackgroundError: If none can be started.
    """
    found = running(database)
    if found:
        return found, False
    if port and _is_taken(port):
        raise BackgroundError(port_taken(port))
    database.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "braze_sandbox", "serve", "--port", str(port), "--database", str(database)]
    with log_of(database).open("wb") as log:
        process = subprocess.Popen(  # this very program
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        found = running(database)
        if found:
            if found.pid != process.pid:
                # Another was faster. Ours must not come up later, when that one may have been stopped.
                process.terminate()
                process.wait(STOP_SECONDS)
                return found, False
            process.returncode = 0  # it is to outlive this program, which would else complain that it still runs
            return found, True
        # A database that is in use belongs to a server that was started at the same time and is about to answer.
        if process.poll() not in {None, IN_USE}:
            said = log_of(database).read_text(errors="replace").strip()
            raise BackgroundError(f"The sandbox ended at once: {said}")
        time.sleep(TURN_SECONDS)
    process.terminate()
    raise BackgroundError(f"The sandbox did not answer within {START_SECONDS:.0f} s; see {log_of(database)}")


def stop(database: Path) -> Running | None:
    """Stop the server of a database; return what ran, or `None` if nothing did.

    Raises:
        BackgroundError: If it does not end.
    """
    found = running(database)
    if not found:
        return None
    os.kill(found.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        if not note_of(database).exists():
            return found
        time.sleep(TURN_SECONDS)
    raise BackgroundError(f"The sandbox (process {found.pid}) did not end within {STOP_SECONDS:.0f} s.")


def port_taken(port: int) -> str:
    """Return what to say of a port that cannot be had: who has it, and what to do."""
    other = at(f"http://{HOST}:{port}")
    owner = f"the braze-sandbox of {other.database}" if other else "another program"
    return f"Port {port} is taken by {owner}. Set BRAZE_SANDBOX_PORT (or --port) to a free one."


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what just ended does not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
