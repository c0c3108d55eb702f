"""A ledger must not believe that the sandbox has what it has forgotten: each of its lives has a ledger of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Outcome, Sandbox, Target

PEOPLE = 200
SCHEMA = {"properties": {"external_id": {"type": "string"}, "tier": {"type": "string"}}}
LEDGER_COMMAND = Path(sys.executable).with_name("target-braze-ledger")


def lines() -> bytes:
    messages: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": "people", "schema": SCHEMA, "key_properties": []}]
    people = [{"external_id": f"p{number}", "tier": "gold"} for number in range(PEOPLE)]
    messages += [{"type": "RECORD", "stream": "people", "record": person} for person in people]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which the sandbox is looked for where nothing listens, and none has run in its place."""
    return {
        "PATH": str(Path(sys.executable).parent),
        "BRAZE_SANDBOX_PORT": "1",
        "BRAZE_SANDBOX_DATABASE": str(tmp_path / "none.sqlite"),
    }


@pytest.fixture
def run(target: Target, environment: dict[str, str]) -> Callable[..., Outcome]:
    def run(sandbox: Sandbox | None, **settings: Any) -> Outcome:
        if sandbox is not None:
            environment["BRAZE_SANDBOX_PORT"] = sandbox.address.rpartition(":")[2]
        settings |= {"instance": "sandbox", "base_url": None, "api_key": None}
        with target.start(settings, env=environment) as process:
            stdout, stderr = process.communicate(lines(), 90)
        outcome = target.outcome(process.returncode, stdout, stderr)
        assert outcome.exit == 0, outcome.stderr
        return outcome

    return run


def ended(outcome: Outcome) -> tuple[int, int]:
    return outcome.summary["delivered"], outcome.summary["unchanged"]


def test_what_a_reset_has_forgotten_is_sent_again(sandbox: Sandbox, run: Callable[..., Outcome]) -> None:
    assert ended(run(sandbox)) == (PEOPLE, 0)
    assert ended(run(sandbox)) == (0, PEOPLE)

    sandbox.reset()

    assert ended(run(sandbox, dry_run=True)) == (PEOPLE, 0)
    assert sandbox.stats()["profiles"] == 0
    assert ended(run(sandbox)) == (PEOPLE, 0)
    assert sandbox.stats()["profiles"] == PEOPLE
    assert ended(run(sandbox)) == ended(run(sandbox, dry_run=True)) == (0, PEOPLE)


def test_a_dry_run_where_no_sandbox_runs_is_one_of_a_new_sandbox(
    sandbox: Sandbox, run: Callable[..., Outcome], environment: dict[str, str], target: Target
) -> None:
    assert ended(run(sandbox)) == (PEOPLE, 0)
    environment["BRAZE_SANDBOX_PORT"] = "1"
    assert ended(run(None, dry_run=True)) == (PEOPLE, 0)
    assert not (target.folder / "none.sqlite").exists(), "it starts none"


def test_the_ledger_command_looks_into_that_of_the_life_it_has(
    sandbox: Sandbox, run: Callable[..., Outcome], environment: dict[str, str], target: Target
) -> None:
    run(sandbox)
    (target.folder / "settings.json").write_text('{"instance": "sandbox"}')

    def stats() -> subprocess.CompletedProcess[str]:
        command = [str(LEDGER_COMMAND), "--config", "settings.json", "stats", "--json"]
        return subprocess.run(
            command, cwd=target.folder, env=environment, capture_output=True, text=True, check=False, timeout=90
        )

    known = stats()
    assert known.returncode == 0, known.stderr
    assert json.loads(known.stdout)["identities"] == PEOPLE
    sandbox.reset()
    assert "There is no ledger in" in stats().stderr
