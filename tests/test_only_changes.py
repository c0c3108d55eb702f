"""End to end, only what changed is sent: what the second run does, and what becomes of it without its ledger."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from rocksdict import Options, Rdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.conftest import Outcome, Sandbox, Target

COLUMNS = {
    "external_id": {"type": "string"},
    "tier": {"type": ["null", "string"]},
    "visits": {"type": "integer"},
    "country": {"type": ["null", "string"]},
    "read_at": {"type": "string", "format": "date-time"},
}
PEOPLE = 200
SETTINGS = {"streams": {"people": {"fields": {"read_at": None}}}}


def person(number: int, **changed: Any) -> dict[str, Any]:
    usual = {"external_id": f"person-{number}", "tier": "gold", "visits": number, "country": "DE"}
    return {**usual, "read_at": "2026-01-01T00:00:00Z", **changed}


def lines(people: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    schema = {"type": "SCHEMA", "stream": "people", "schema": {"properties": COLUMNS}, "key_properties": []}
    records = [{"type": "RECORD", "stream": "people", "record": each} for each in people]
    return [schema, *records, {"type": "STATE", "value": {"read": len(records)}}]


EVERYBODY = [person(number) for number in range(PEOPLE)]


def objects(sandbox: Sandbox, since: int) -> list[dict[str, Any]]:
    """The objects of the requests after so many."""
    return [each for request in sandbox.requests()[since:] for each in request["body"]["attributes"]]


def ledger(target: Target) -> Path:
    (found,) = (target.folder / ".target-braze" / "ledger").iterdir()
    return found


@pytest.fixture
def filled(target: Target) -> Target:
    """A target that has delivered everybody."""
    outcome = target.run(SETTINGS, lines(EVERYBODY))
    assert outcome.exit == 0, outcome.stderr
    assert (outcome.summary["delivered"], outcome.summary["data_points"]) == (PEOPLE, 3 * PEOPLE)
    return target


def assert_nothing_is_sent(outcome: Outcome, sandbox: Sandbox, requests: int) -> None:
    assert outcome.exit == 0, outcome.stderr
    assert (outcome.summary["unchanged"], outcome.summary["requests"]) == (PEOPLE, 0)
    assert outcome.states == [{"read": PEOPLE}]
    assert sandbox.stats()["requests"] == requests


def test_the_second_run_sends_nothing(filled: Target, sandbox: Sandbox) -> None:
    requests = sandbox.stats()["requests"]
    assert_nothing_is_sent(filled.run(SETTINGS, lines(EVERYBODY)), sandbox, requests)


def test_what_differs_in_form_alone_is_not_sent(filled: Target, sandbox: Sandbox) -> None:
    requests = sandbox.stats()["requests"]
    other = [
        dict(reversed(person(number, country="germany", read_at="2026-02-02T00:00:00Z").items()))
        for number in range(PEOPLE)
    ]
    assert_nothing_is_sent(filled.run(SETTINGS, lines(other)), sandbox, requests)


def test_of_three_changes_three_attributes_are_sent(filled: Target, sandbox: Sandbox) -> None:
    requests = sandbox.stats()["requests"]
    changed = list(EVERYBODY)
    changed[7] = person(7, tier="silver")
    changed[77] = person(77, tier=None)
    changed[177] = person(177, visits=1000)

    outcome = filled.run(SETTINGS, lines(changed))

    assert objects(sandbox, requests) == [
        {"external_id": "person-7", "tier": "silver"},
        {"external_id": "person-77", "tier": None},
        {"external_id": "person-177", "visits": 1000},
    ]
    assert (outcome.summary["unchanged"], outcome.summary["data_points"]) == (PEOPLE - 3, 3)


def test_what_changes_back_is_sent_again(filled: Target, sandbox: Sandbox) -> None:
    filled.run(SETTINGS, lines([person(7, tier="silver"), *EVERYBODY[8:]]))
    requests = sandbox.stats()["requests"]
    filled.run(SETTINGS, lines(EVERYBODY))
    assert objects(sandbox, requests) == [{"external_id": "person-7", "tier": "gold"}]


def test_a_full_resync_sends_everything_once(filled: Target, sandbox: Sandbox) -> None:
    outcome = filled.run({**SETTINGS, "full_resync": True}, lines(EVERYBODY))
    assert outcome.summary["data_points"] == 3 * PEOPLE
    requests = sandbox.stats()["requests"]
    assert_nothing_is_sent(filled.run(SETTINGS, lines(EVERYBODY)), sandbox, requests)


def test_a_dry_run_tells_of_changes_and_learns_nothing(filled: Target) -> None:
    changed = [person(7, tier="silver"), *EVERYBODY[8:]]
    for _ in range(2):
        outcome = filled.run({**SETTINGS, "dry_run": True}, lines(changed))
        assert (outcome.exit, outcome.summary["delivered"], outcome.summary["data_points"]) == (0, 1, 1)
    assert filled.run(SETTINGS, lines(changed)).summary["data_points"] == 1


def test_without_the_table_nothing_is_sent_either(filled: Target, sandbox: Sandbox) -> None:
    """It is made again of the store."""
    requests = sandbox.stats()["requests"]
    table = ledger(filled) / "records.table"
    table.unlink()

    assert_nothing_is_sent(filled.run(SETTINGS, lines(EVERYBODY)), sandbox, requests)
    assert table.exists()


def test_with_a_table_of_an_earlier_run_changes_are_sent(filled: Target, sandbox: Sandbox) -> None:
    """As a backup that was put back in part: its stamp tells."""
    table = ledger(filled) / "records.table"
    old = table.read_bytes()
    filled.run(SETTINGS, lines([person(7, tier="silver")]))
    table.write_bytes(old)
    requests = sandbox.stats()["requests"]

    filled.run(SETTINGS, lines(EVERYBODY))

    assert objects(sandbox, requests) == [{"external_id": "person-7", "tier": "gold"}]


def test_without_the_ledger_everything_is_sent_once(filled: Target, sandbox: Sandbox) -> None:
    shutil.rmtree(ledger(filled))
    assert filled.run(SETTINGS, lines(EVERYBODY)).summary["data_points"] == 3 * PEOPLE
    requests = sandbox.stats()["requests"]
    assert_nothing_is_sent(filled.run(SETTINGS, lines(EVERYBODY)), sandbox, requests)


def assert_refused(outcome: Outcome, *words: str) -> None:
    """It says what is wrong and what to do, and nothing was read or sent."""
    assert outcome.exit == 1
    assert outcome.states == []
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr, outcome.stderr


def test_one_run_at_a_time(filled: Target, sandbox: Sandbox) -> None:
    requests = sandbox.stats()["requests"]
    with filled.start(SETTINGS) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(b'{"type": "STATE", "value": {"read": 0}}\n')
        first.stdin.flush()
        assert first.stdout.readline()  # it has begun
        second = filled.run(SETTINGS, lines(EVERYBODY))
        first.stdin.close()
        assert first.wait(60) == 0
    assert_refused(second, f"is in use by process {first.pid}", "wait until it has ended")
    assert sandbox.stats()["requests"] == requests
    assert_nothing_is_sent(filled.run(SETTINGS, lines(EVERYBODY)), sandbox, requests)


def test_another_api_key(filled: Target) -> None:
    outcome = filled.run({**SETTINGS, "api_key": "of-another-workspace"}, lines(EVERYBODY))
    assert_refused(outcome, "was filled with another API key", "accept-api-key")
    assert "of-another-workspace" not in outcome.stderr


def test_another_endpoint(filled: Target) -> None:
    settings = {**SETTINGS, "ledger": str(ledger(filled)), "base_url": "http://127.0.0.1:1"}
    assert_refused(filled.run(settings, lines(EVERYBODY)), "and this run delivers to http://127.0.0.1:1")


def test_without_its_key(filled: Target) -> None:
    (ledger(filled) / "ledger.key").unlink()
    assert_refused(filled.run(SETTINGS, lines(EVERYBODY)), "its key is not", "put the file back")


def test_a_ledger_of_a_newer_version(filled: Target) -> None:
    store = Rdict(str(ledger(filled) / "store"), Options(raw_mode=True))
    store[b"aversion"] = b"99"
    store.close()
    assert_refused(filled.run(SETTINGS, lines(EVERYBODY)), "has format 99", "written by a newer one")


def test_nobody_can_be_read_in_the_ledger(filled: Target) -> None:
    """Invariant 5, and more: neither people nor values are in any of its files."""
    for path in ledger(filled).rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (b"person-7", b"gold", b"0f1e2d-the-key"):
            assert secret not in content, path
