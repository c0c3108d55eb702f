"""The command line `target-braze-ledger`: what it prints, what it changes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from target_braze import entries, ledger_files
from target_braze.entries import Entry
from target_braze.hashes import Hasher
from target_braze.identities import Identities
from target_braze.ledger import Ledger
from target_braze.ledger_command import command, main
from target_braze.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

RECORD = bytes(range(16))
IDENTIFIERS = {
    "external_id": "cust-1",
    "braze_id": "b-1",
    "email": "jan@example.com",
    "phone": "+31201234567",
    "alias_name": "jan",
    "alias_label": "shop",
}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "instance": "EU-01",
        "api_key": "made-up-key",
        "ledger": str(tmp_path / "ledger"),
        "ledger_key": "words" * 13,
    }


@pytest.fixture
def called(config: dict[str, Any], tmp_path: Path, restored: None) -> Callable[..., Result]:  # noqa: ARG001
    """Call a command with the settings of `config`."""

    def call(*arguments: str) -> Result:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        return CliRunner().invoke(command, ["--config", str(path), *arguments])

    return call


def opened(config: dict[str, Any]) -> Ledger:
    settings = read_settings(config)
    return Ledger.open(
        settings.ledger,
        endpoint=settings.base_url or "sandbox",
        api_key=settings.api_key,
        ledger_key=settings.ledger_key,
    )


def key_of(ledger: Ledger, kind: str) -> bytes:
    """What stands for the person of a record, as a run finds it."""
    identity = Identities((kind,), {name: name for name in IDENTIFIERS}).identify(IDENTIFIERS)
    return Hasher(ledger.key).identity(identity)[0]


@pytest.fixture
def filled(config: dict[str, Any]) -> dict[str, Any]:
    """Settings whose ledger knows a person by each kind of identifier."""
    with opened(config) as ledger:
        value = entries.encode(Entry(1, b"", {1: RECORD}))
        kinds = ("external_id", "braze_id", "user_alias", "email", "phone")
        ledger.put_many([(key_of(ledger, kind), value) for kind in kinds])
        ledger.table.add_all([RECORD])
    return config


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["--external-id", "cust-1"], "external_id"),
        (["--braze-id", "b-1"], "braze_id"),
        (["--email", " Jan@Example.com"], "email"),
        (["--phone", "+31 20 123-4567"], "phone"),
        (["--alias-name", "jan", "--alias-label", "shop"], "user_alias"),
    ],
)
def test_forget(filled: dict[str, Any], called: Callable[..., Result], arguments: list[str], kind: str) -> None:
    first, second = called("forget", *arguments), called("forget", *arguments)
    assert (first.exit_code, first.output) == (0, f"{kind}: forgotten\n")
    assert (second.exit_code, second.output) == (0, f"{kind}: not known, nothing to forget\n")
    with opened(filled) as ledger:
        assert ledger.get(key_of(ledger, kind)) is None
        assert len(dict(ledger.items())) == 4
        assert RECORD not in ledger.table


def test_forget_by_all_that_names_a_person(filled: dict[str, Any], called: Callable[..., Result]) -> None:
    options = [part for name, value in IDENTIFIERS.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert called("forget", *options).output.count("forgotten") == 5
    with opened(filled) as ledger:
        assert dict(ledger.items()) == {}


def test_a_stranger_is_not_known(filled: dict[str, Any], called: Callable[..., Result]) -> None:
    result = called("forget", "--external-id", "cust-2")
    assert (result.exit_code, result.output) == (0, "external_id: not known, nothing to forget\n")
    with opened(filled) as ledger:
        assert RECORD in ledger.table


@pytest.mark.parametrize("arguments", [[], ["--alias-name", "jan"]])
def test_whom_to_forget_must_be_said(
    filled: dict[str, Any],  # noqa: ARG001
    called: Callable[..., Result],
    arguments: list[str],
) -> None:
    assert called("forget", *arguments).exit_code == 2


def test_stats(filled: dict[str, Any], called: Callable[..., Result]) -> None:
    shown = called("stats")
    assert shown.exit_code == 0
    assert "People:           5\n" in shown.output
    assert "Settled records:  1\n" in shown.output
    stats = json.loads(called("stats", "--json").stdout)
    assert stats.items() >= {"ledger": filled["ledger"], "identities": 5, "records": 1, "version": 1}.items()
    assert stats.keys() == {
        "ledger", "identities", "records", "bytes_on_disk", "version", "written_at", "occurrences", "in_doubt"
    }  # fmt: skip
    assert "Events:           0 and purchases; 0 in doubt\n" in shown.output


def test_looking_into_it_changes_nothing(filled: dict[str, Any], called: Callable[..., Result], tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in (tmp_path / "ledger").rglob("*") if path.is_file()}

    assert filled
    before = contents()
    for arguments in (["stats"], ["stats", "--json"], ["check"], ["check", "--json"]):
        assert called(*arguments).exit_code == 0
    assert contents() == before


def test_check(filled: dict[str, Any], called: Callable[..., Result]) -> None:
    shown = called("check")
    assert (shown.exit_code, shown.output) == (0, "5 people with 1 settled records.\nSound.\n")
    with opened(filled) as ledger:
        ledger.table.add_all([bytes(15) + b"x"])
        ledger.put_many([(bytes(16), b"no entry")])
    shown = called("check")
    assert shown.exit_code == 1
    assert f"Delete {filled['ledger']}/{ledger_files.TABLE}" in shown.output
    assert "1 people's entries cannot be read" in shown.output
    found = json.loads(called("check", "--json").stdout)
    assert (found["stray"], found["undecodable"], found["is_sound"]) == (1, 1, False)


def test_accept_api_key(filled: dict[str, Any], called: Callable[..., Result]) -> None:
    filled["api_key"] = "renewed-key"
    refused = called("stats")
    assert "accept-api-key" in str(refused.exception)
    accepted = called("accept-api-key")
    assert accepted.exit_code == 0
    assert "renewed-key" not in accepted.output
    assert called("stats").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["stats"], ["check"], ["accept-api-key"], ["forget", "--email", "a@example.com"]]
)
def test_the_ledger_of_a_sandbox_is_that_of_the_life_it_has(
    config: dict[str, Any],
    called: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
) -> None:
    config["instance"] = "sandbox"
    monkeypatch.setattr("target_braze.sandbox.found_sandbox", lambda: None)
    assert "No sandbox runs" in str(called(*arguments).exception)  # and none is started
    monkeypatch.setattr("target_braze.sandbox.found_sandbox", lambda: "http://127.0.0.1:1")
    monkeypatch.setattr("target_braze.sandbox.workspace", lambda _: "w1")
    opened({**config, "ledger": str(tmp_path / "ledger" / "w1")}).close()
    assert called(*arguments).exit_code == 0
    monkeypatch.setattr("target_braze.sandbox.workspace", lambda _: "w2")
    assert "There is no ledger in" in str(called(*arguments).exception)
    assert not (tmp_path / "ledger" / "w2").exists()


@pytest.mark.parametrize(
    "arguments", [["stats"], ["check"], ["accept-api-key"], ["forget", "--email", "a@example.com"]]
)
def test_without_a_ledger_none_is_made(called: Callable[..., Result], tmp_path: Path, arguments: list[str]) -> None:
    result = called(*arguments)
    assert "There is no ledger in" in str(result.exception)
    assert not (tmp_path / "ledger").exists()


class TestCommandLine:
    """As a process of its own."""

    def run(
        self, *arguments: str, environment: dict[str, str] | None = None, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "target_braze.ledger_command", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=cwd,
        )

    def test_settings_from_the_environment(self, filled: dict[str, Any], tmp_path: Path) -> None:
        # with a default of each kind besides, as Meltano sets them
        given = {**filled, "max_rejected": "5%", "full_resync": "false", "max_connections": "256", "streams": "{}"}
        environment = {f"TARGET_BRAZE_{name.upper()}": value for name, value in given.items()}
        done = self.run("--config=ENV", "stats", "--json", environment=environment, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["identities"] == 5

    @pytest.mark.parametrize(
        ("content", "code", "message"),
        [
            ('{"api_key": "made-up-key", "instance": "EU-01"}', 1, "Error: There is no ledger in "),
            ('{"instance": "EU-01"}', 1, "Error: Invalid credentials"),
            ('{"instance": 5}', 1, "Error: "),
            ("no JSON", 2, "The settings cannot be read"),
        ],
    )
    def test_an_error_is_told_without_a_traceback(self, tmp_path: Path, content: str, code: int, message: str) -> None:
        (tmp_path / "config.json").write_text(content)
        done = self.run("--config", "config.json", "stats", cwd=tmp_path)
        assert done.returncode == code
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    def test_an_identifier_is_not_repeated(self, filled: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps(filled))
        for value, code in (("jan@example.com", 0), ("jan-without-at", 1)):
            done = self.run("--config", "config.json", "forget", "--email", value, cwd=tmp_path)
            assert done.returncode == code
            assert "jan" not in done.stdout + done.stderr


def test_main_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["target-braze-ledger", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "accept-api-key" in capsys.readouterr().out
