from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import sandbox
from target_braze.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the only programs there are; Python stands beside nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return tmp_path


def use_port_of(braze: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", braze.url.rpartition(":")[2])
    return str(braze.url)


def is_sandbox(braze: Any, *, service: Any = "braze-sandbox") -> None:
    braze.script = lambda _: braze.Reply(200, {"service": service})


def program(folder: Path, text: str) -> Path:
    path = folder / "braze-sandbox"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_one_that_runs_is_used(braze: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = use_port_of(braze, monkeypatch)
    is_sandbox(braze)
    assert sandbox.running_sandbox() == url
    assert [(call.method, call.path) for call in braze.calls] == [("GET", "/health")]


def test_one_that_runs_is_found(braze: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = use_port_of(braze, monkeypatch)
    is_sandbox(braze)
    assert sandbox.found_sandbox() == url


def test_one_that_runs_elsewhere_is_found(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", "1")
    asked = programs / "asked"
    program(programs, f"echo $* > {asked}; echo it runs; echo {braze.url}")
    is_sandbox(braze)
    assert sandbox.found_sandbox() == braze.url
    assert asked.read_text() == "status\n"


@pytest.mark.parametrize("text", [None, "echo it does not run; exit 1", "echo http://127.0.0.1:1", "echo"])
def test_none_is_started_to_be_found(programs: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", "1")
    if text is not None:
        program(programs, text)
    assert sandbox.found_sandbox() is None


def test_one_that_cannot_be_asked_is_not_found(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", "1")
    (programs / "braze-sandbox").write_text("no program")
    assert sandbox.found_sandbox() is None


def test_workspace(braze: Any) -> None:
    braze.script = lambda _: braze.Reply(200, {"service": "braze-sandbox", "workspace": "4f2a"})
    assert sandbox.workspace(braze.url) == "4f2a"


@pytest.mark.parametrize("told", [{}, {"workspace": ""}, {"workspace": ".."}, {"workspace": "a/b"}, []])
def test_one_that_does_not_tell_its_workspace(braze: Any, told: Any) -> None:
    """Its ledger would be believed after a reset; and a name that leads elsewhere is none."""
    braze.script = lambda _: braze.Reply(200, told)
    with pytest.raises(SettingsError, match=r"older one.*`braze-sandbox stop`"):
        sandbox.workspace(braze.url)


def test_usual_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_answers", lambda address: address == "http://127.0.0.1:8977")
    assert sandbox.running_sandbox() == "http://127.0.0.1:8977"


@pytest.mark.parametrize("where", ["path", "beside python"])
def test_none_that_runs_is_started(
    *, braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    url = use_port_of(braze, monkeypatch)
    folder = programs if where == "path" else tmp_path / "beside"
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    started = tmp_path / "started"
    program(folder, f'echo "$BRAZE_SANDBOX_PORT $*" > {started}')
    braze.script = lambda _: braze.Reply(200, {"service": "braze-sandbox"} if started.exists() else {})
    assert sandbox.running_sandbox() == url
    assert started.read_text() == f"{url.rpartition(':')[2]} start\n"


def test_one_that_runs_elsewhere_says_so(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", "1")
    program(programs, f"echo already runs; echo {braze.url}")
    is_sandbox(braze)
    assert sandbox.running_sandbox() == braze.url


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("answer", [{"service": "something else"}, {}, [], "braze-sandbox", b"<html>", b""])
def test_something_else_on_its_port_is_not_taken_for_it(
    braze: Any, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    """Customer data must not go to whoever listens there."""
    use_port_of(braze, monkeypatch)
    braze.script = lambda _: braze.Reply(200, answer)
    with pytest.raises(SettingsError, match="not installed"):
        sandbox.running_sandbox()


@pytest.mark.usefixtures("programs")
def test_not_installed(braze: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use_port_of(braze, monkeypatch)
    braze.script = lambda _: None
    with pytest.raises(SettingsError, match=r"braze-sandbox, which is not installed here.*plugins/braze-sandbox"):
        sandbox.running_sandbox()


def test_one_that_does_not_start_says_why(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_port_of(braze, monkeypatch)
    is_sandbox(braze, service="something else")
    program(programs, "echo the port is taken >&2; exit 3")
    with pytest.raises(SettingsError, match=r"does not start: the port is taken$"):
        sandbox.running_sandbox()


def test_one_that_does_not_start_in_time(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_port_of(braze, monkeypatch)
    is_sandbox(braze, service="something else")
    path = program(programs, "exec /bin/sleep 60")
    monkeypatch.setattr(sandbox, "_START_SECONDS", 0.05)
    with pytest.raises(SettingsError, match=rf"does not start \(TimeoutExpired\). Try `{path} start`"):
        sandbox.running_sandbox()


def test_one_that_cannot_be_run(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_port_of(braze, monkeypatch)
    is_sandbox(braze, service="something else")
    (programs / "braze-sandbox").write_text("no program")
    with pytest.raises(SettingsError, match=r"does not start \(PermissionError\)"):
        sandbox.running_sandbox()


def test_one_that_starts_and_does_not_answer(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_port_of(braze, monkeypatch)
    is_sandbox(braze, service="something else")
    program(programs, "exit 0")
    with pytest.raises(SettingsError, match="started but does not answer"):
        sandbox.running_sandbox()


def test_it_is_asked_without_a_proxy(braze: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = use_port_of(braze, monkeypatch)
    is_sandbox(braze)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert sandbox.running_sandbox() == url


def test_it_is_started_without_our_input(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It outlives the run, and must not hold the tap's pipe open."""
    use_port_of(braze, monkeypatch)
    is_sandbox(braze, service="something else")
    program(programs, "exit 0")
    given: dict[str, Any] = {}
    usual = subprocess.run

    def run(*arguments: Any, **options: Any) -> Any:
        given.update(options)
        return usual(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SettingsError):
        sandbox.running_sandbox()
    assert given["stdin"] is subprocess.DEVNULL
    assert given["capture_output"]


def test_one_that_runs_on_another_port_is_used_there(
    braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAZE_SANDBOX_PORT", "1")
    is_sandbox(braze)
    program(programs, f"echo It runs already at; echo {braze.url}")
    assert sandbox.running_sandbox() == braze.url


def test_an_address_elsewhere_is_not_believed(braze: Any, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox is on this machine, and customer data stays here."""
    url = use_port_of(braze, monkeypatch)
    started = programs / "started"
    braze.script = lambda _: braze.Reply(200, {"service": "braze-sandbox"} if started.exists() else {})
    program(programs, f"echo > {started}; echo http://sandbox.example.com:8977")
    assert sandbox.running_sandbox() == url
