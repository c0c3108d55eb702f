"""The command line: serve, start, stop, status, and what outlives a restart."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from braze_sandbox import background
from braze_sandbox.testing import Client, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Commands:
    """Runs commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "sandbox.sqlite"
        outside = {name: value for name, value in os.environ.items() if "SANDBOX" not in name and "MELTANO" not in name}
        self.environment = {**outside, "BRAZE_SANDBOX_PORT": "0", "BRAZE_SANDBOX_DATABASE": str(self.database)}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        return subprocess.run(
            [sys.executable, "-m", "braze_sandbox", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Return commands; what they started is stopped at the end."""
    commands = Commands(tmp_path)
    yield commands
    for note in tmp_path.rglob("*.json"):
        background.stop(note.with_suffix(".sqlite"))


def servers_of(database: Path) -> int:
    """Return how many processes serve a database, or are about to."""
    wanted = {"serve", str(database)}
    return sum(wanted <= set(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_start_stop_status(commands: Commands) -> None:
    before = commands.run("status")
    assert (before.returncode, before.stdout) == (1, "braze-sandbox is not running\n")
    started = commands.run("start")
    address = last_line(started)
    assert "started" in started.stdout
    assert Client(address).attributes({"external_id": "p"}).status_code == 201
    assert last_line(commands.run("status")) == address
    assert "stopped" in commands.run("stop").stdout
    assert commands.run("status").returncode == 1
    assert background.at(address) is None
    again = commands.run("stop")
    assert (again.returncode, again.stdout) == (0, "braze-sandbox was not running\n")


def test_without_a_command_it_starts(commands: Commands) -> None:
    """So does `meltano invoke braze-sandbox`."""
    done = commands.run()
    assert done.returncode == 0, done.stderr
    assert commands.run("status").returncode == 0
    assert last_line(done) == last_line(commands.run("start"))


def test_start_twice_is_start_once(commands: Commands) -> None:
    address = last_line(commands.run("start"))
    second = commands.run("start")
    assert "already runs" in second.stdout
    assert last_line(second) == address


def test_starts_at_once_are_one(commands: Commands) -> None:
    all_of_them = [
        subprocess.Popen(
            [sys.executable, "-m", "braze_sandbox", "start"],
            env=commands.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60) for process in all_of_them]
    assert [process.returncode for process in all_of_them] == [0, 0, 0], outputs
    assert len({out.splitlines()[-1] for out, _ in outputs}) == 1
    assert sum("started" in out for out, _ in outputs) == 1
    assert sum("already runs" in out for out, _ in outputs) == 2
    assert servers_of(commands.database) == 1
    commands.run("stop")
    until = time.monotonic() + 10  # the last that a server does is to end
    while servers_of(commands.database) and time.monotonic() < until:
        pass
    assert servers_of(commands.database) == 0


def test_a_restart_keeps_profiles_types_counts_and_settings(commands: Commands) -> None:
    first = Client(last_line(commands.run("start")))
    first.settings(error_style="sentence")
    first.attributes({"external_id": "p", "a": 1})
    workspace = first.workspace()
    commands.run("stop")
    second = Client(last_line(commands.run("start")))
    assert second.workspace() == workspace
    second.attributes({"external_id": "p", "b": 2, "a": "another type"})
    second.attributes({"external_id": "q"})
    assert second.values() == {"a": 1, "b": 2}
    assert len(second.profiles()) == 2
    assert second.stats()["requests"] == 3
    assert [each["number"] for each in second.requests()] == [1, 2, 3]
    assert second.get("/sandbox/settings").json()["error_style"] == "sentence"


def test_a_new_database_is_another_workspace(commands: Commands) -> None:
    workspace = Client(last_line(commands.run("start"))).workspace()
    commands.run("stop")
    for path in commands.database.parent.glob("*.sqlite*"):
        path.unlink()
    assert Client(last_line(commands.run("start"))).workspace() != workspace


def test_a_kill_loses_nothing_that_was_answered(commands: Commands) -> None:
    client = Client(last_line(commands.run("start")))
    found = background.running(commands.database)
    assert found is not None
    for n in range(20):
        assert client.attributes({"external_id": str(n), "n": n}).status_code == 201
    os.kill(found.pid, signal.SIGKILL)
    while background.at(client.address):
        pass
    after = Client(last_line(commands.run("start")))
    assert [profile["attributes"] for profile in after.profiles()] == [{"n": n} for n in range(20)]


@pytest.mark.parametrize("command", ["start", "serve"])
def test_a_port_that_another_program_has(commands: Commands, command: str) -> None:
    with taken_port() as port:
        done = commands.run(command, "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: Port {port} is taken by another program. Set BRAZE_SANDBOX_PORT (or --port) to a free one.\n"
    )
    assert not background.note_of(commands.database).exists()


def test_a_port_that_another_sandbox_has(commands: Commands, served: Client) -> None:
    done = commands.run("start", "--port", served.address.rpartition(":")[2])
    assert done.returncode == 1
    assert "is taken by the braze-sandbox of " in done.stderr


def test_two_servers_cannot_share_a_database(commands: Commands) -> None:
    commands.run("start")
    done = commands.run("serve")
    assert (done.returncode, done.stderr) == (
        75,
        f"Error: {commands.database} is in use by another braze-sandbox.\n",
    )
    assert commands.run("status").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_serve_prints_its_address_and_ends_cleanly(commands: Commands, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "braze_sandbox", "serve"],
        env=commands.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    client = Client(process.stdout.readline().strip())
    client.faults({"kind": "timeout"})
    with pytest.raises(OSError, match="timed out"):
        client.post("/users/track", {"attributes": [{"external_id": "p"}]}, timeout=0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert not background.note_of(commands.database).exists()


def test_a_note_of_a_server_that_is_gone_does_no_harm(commands: Commands) -> None:
    background.note_of(commands.database).write_text('{"address": "http://127.0.0.1:1", "pid": 1}')
    assert commands.run("status").returncode == 1
    assert "was not running" in commands.run("stop").stdout
    assert "started" in commands.run("start").stdout


@pytest.mark.parametrize("port", ["many", "-1", "65536"])
def test_a_bad_port(commands: Commands, port: str) -> None:
    done = commands.run("start", BRAZE_SANDBOX_PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"Error: BRAZE_SANDBOX_PORT is not a port: '{port}'\n"


def test_the_database_is_where_meltano_says(commands: Commands, tmp_path: Path) -> None:
    environment = {"BRAZE_SANDBOX_DATABASE": "", "MELTANO_SYS_DIR_ROOT": str(tmp_path / ".meltano")}
    last_line(commands.run("start", **environment))
    assert (tmp_path / ".meltano" / "braze-sandbox" / "sandbox.sqlite").exists()


def test_the_database_is_here_if_nobody_says(commands: Commands, tmp_path: Path) -> None:
    last_line(commands.run("start", BRAZE_SANDBOX_DATABASE=""))
    assert (tmp_path / ".braze-sandbox" / "sandbox.sqlite").exists()


def test_serving_for_tests_of_others(tmp_path: Path) -> None:
    with serving(tmp_path / "sandbox.sqlite") as address:
        assert Client(address).attributes({"external_id": "p"}).status_code == 201
    assert background.at(address) is None
