"""End to end: people enter audiences, stay in them and leave, and Braze holds just that."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import TARGET, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import Outcome, Sandbox, Target

COLUMNS = {
    "external_id": {"type": "string"},
    "plan": {"type": ["null", "string"]},
    "spent": {"type": ["null", "number"]},
    "joined_on": {"type": ["null", "string"], "format": "date"},
}
SCHEMA = {"type": "SCHEMA", "stream": "people", "schema": {"properties": COLUMNS}, "key_properties": []}
BIG = {"name": "big", "stream": "people", "where": {"field": "spent", "gt": 500}, "max_leaving": "100%"}
FULL = {**BIG, "full_table": True}
PEOPLE = 10


def person(number: int, **changed: Any) -> dict[str, Any]:
    usual = {"external_id": f"person-{number}", "plan": "gold", "spent": 100 * number, "joined_on": "2020-01-01"}
    return {**usual, **changed}


EVERYBODY = [person(number) for number in range(PEOPLE)]
BIG_ONES = {f"person-{number}" for number in range(6, PEOPLE)}


def table(people: Iterable[dict[str, Any]], *, version: int | None = None, is_broken: bool = False) -> list[Any]:
    """A table as the SDK's taps send it."""
    records = [{"type": "RECORD", "stream": "people", "record": each} for each in people]
    activation = [] if version is None else [{"type": "ACTIVATE_VERSION", "stream": "people", "version": version}]
    end = [] if is_broken else [{"type": "STATE", "value": {"read": len(records)}}]
    return [SCHEMA, *activation, *records, *end]


def settings(*audiences: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"audiences": list(audiences), **others}


def counts(outcome: Outcome, audience: str = "big") -> dict[str, int]:
    assert outcome.exit == 0, outcome.stderr
    return {name: count for name, count in outcome.summary["streams"]["people"]["audiences"][audience].items() if count}


def custom(sandbox: Sandbox, number: int) -> dict[str, Any]:
    return sandbox.values(f"person-{number}")


def members(sandbox: Sandbox, attribute: str = "big") -> set[str]:
    return {profile["external_id"] for profile in sandbox.profiles() if profile["attributes"].get(attribute) is True}


def test_people_enter_by_a_condition(target: Target, sandbox: Sandbox) -> None:
    outcome = target.run(settings(BIG), table(EVERYBODY))
    assert counts(outcome) == {"entered": 4, "members": 4}
    assert members(sandbox) == BIG_ONES
    assert "big" not in custom(sandbox, 1)  # who never was in costs nothing
    assert outcome.summary["data_points"] == 3 * PEOPLE + len(BIG_ONES)


def test_who_stays_costs_nothing(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(BIG), table(EVERYBODY))
    requests = sandbox.stats()["requests"]
    outcome = target.run(settings(BIG), table(EVERYBODY))
    assert counts(outcome) == {"stayed": 4, "members": 4}
    assert (outcome.summary["unchanged"], sandbox.stats()["requests"]) == (PEOPLE, requests)


def test_people_leave_by_a_condition(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(BIG), table(EVERYBODY))
    outcome = target.run(settings(BIG), table([person(9, spent=0), person(1, spent=1000)]))
    assert counts(outcome) == {"entered": 1, "left": 1, "stayed": 3, "members": 4}
    assert members(sandbox) == (BIG_ONES - {"person-9"}) | {"person-1"}
    assert custom(sandbox, 9)["big"] is False


def test_a_value_that_is_broken_changes_nothing(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(BIG), table(EVERYBODY))
    outcome = target.run(settings(BIG, max_rejected=1000), table([person(9, spent="a lot"), person(1, spent="few")]))
    assert counts(outcome) == {"stayed": 4, "members": 4, "undecided": 2}
    assert members(sandbox) == BIG_ONES


def test_arrays_hold_all_audiences_of_a_person(target: Target, sandbox: Sandbox) -> None:
    arrays = [
        {**BIG, "encode": "array"},
        {"name": "gold", "stream": "people", "encode": "array", "where": {"field": "plan", "eq": "gold"}},
    ]
    target.run(settings(*arrays), table(EVERYBODY))
    assert custom(sandbox, 9)["audiences"] == ["big", "gold"]
    outcome = target.run(settings(*arrays), table([person(9, plan="none"), person(8, spent=1), person(1, plan=None)]))
    assert counts(outcome, "gold") == {"left": 2, "stayed": 8, "members": 8}
    assert custom(sandbox, 9)["audiences"] == ["big"]
    assert custom(sandbox, 8)["audiences"] == ["gold"]
    assert "audiences" not in custom(sandbox, 1)


def test_a_stream_may_be_about_nothing_but_memberships(target: Target, sandbox: Sandbox) -> None:
    only: dict[str, Any] = {"streams": {"people": {"only": []}}}
    target.run(settings(BIG, **only), table(EVERYBODY))
    assert {profile["external_id"] for profile in sandbox.profiles()} == BIG_ONES
    assert custom(sandbox, 9) == {"big": True}
    outcome = target.run(settings(BIG, **only), table([person(9, spent=0)]))
    assert counts(outcome) == {"left": 1, "stayed": 3, "members": 3}
    assert custom(sandbox, 9) == {"big": False}


# Leaving without a record


@pytest.mark.parametrize("version", [None, 1], ids=["full_table", "ACTIVATE_VERSION"])
def test_people_leave_who_are_absent_from_a_full_table(target: Target, sandbox: Sandbox, version: int | None) -> None:
    audience = FULL if version is None else BIG
    target.run(settings(audience), table(EVERYBODY, version=version))
    left = target.run(settings(audience), table(EVERYBODY[:8], version=version and version + 1))
    assert counts(left) == {"left": 2, "stayed": 2, "members": 2}
    assert left.summary["unchanged"] == 8
    assert members(sandbox) == {"person-6", "person-7"}
    back = target.run(settings(audience), table(EVERYBODY, version=version and version + 2))
    assert counts(back) == {"entered": 2, "stayed": 2, "members": 4}
    assert members(sandbox) == BIG_ONES


def test_nobody_leaves_by_a_table_that_brings_changes(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(BIG), table(EVERYBODY))
    assert counts(target.run(settings(BIG), table([person(9, plan="none")]))) == {"stayed": 4, "members": 4}
    assert members(sandbox) == BIG_ONES


def test_nobody_leaves_by_a_version_that_came_before(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(BIG), table(EVERYBODY, version=1))
    assert counts(target.run(settings(BIG), table(EVERYBODY[:2], version=1))) == {"stayed": 4, "members": 4}
    assert members(sandbox) == BIG_ONES


@pytest.mark.parametrize("version", [None, 1], ids=["full_table", "ACTIVATE_VERSION"])
def test_nobody_leaves_by_a_table_that_broke_off(target: Target, sandbox: Sandbox, version: int | None) -> None:
    audience = FULL if version is None else BIG
    target.run(settings(audience), table(EVERYBODY, version=version))
    broken = target.run(settings(audience), table(EVERYBODY[:7], version=version and version + 1, is_broken=True))
    assert counts(broken) == {"stayed": 4, "members": 4}
    assert members(sandbox) == BIG_ONES


def test_nobody_leaves_by_the_second_half_of_a_table(target: Target, sandbox: Sandbox) -> None:
    """The tap dies in the middle, which the target cannot see, and goes on there in the next run."""
    activation = {"type": "ACTIVATE_VERSION", "stream": "people", "version": 2}
    target.run(settings(BIG), table(EVERYBODY, version=1))
    target.run(settings(BIG), table(EVERYBODY[:8], is_broken=True))
    outcome = target.run(settings(BIG), [*table(EVERYBODY[8:], is_broken=True), activation])
    assert counts(outcome) == {"stayed": 4, "members": 4}
    outcome = target.run(settings(BIG), [*table(EVERYBODY[:9], is_broken=True), {**activation, "version": 3}])
    assert counts(outcome) == {"left": 1, "stayed": 3, "members": 3}
    assert members(sandbox) == BIG_ONES - {"person-9"}


def test_a_record_that_was_deleted_at_its_source_is_no_member(target: Target, sandbox: Sandbox) -> None:
    columns = {**COLUMNS, "_sdc_deleted_at": {"type": ["null", "string"], "format": "date-time"}}
    schema = {**SCHEMA, "schema": {"properties": columns}}
    clear = settings(BIG, streams={"people": {"on_delete": "clear"}})
    target.run(clear, [schema, *table(EVERYBODY)[1:]])
    deleted = table([person(9, _sdc_deleted_at="2026-11-25T00:00:00Z")])[1:]
    outcome = target.run(clear, [schema, *deleted])
    assert counts(outcome) == {"left": 1, "stayed": 3, "members": 3}
    assert custom(sandbox, 9) == {"big": False}


def test_too_many_who_leave_are_a_question(target: Target, sandbox: Sandbox) -> None:
    audience = {**FULL, "max_leaving": "20%"}
    target.run(settings(audience), table(EVERYBODY))
    asked = target.run(settings(audience), table([person(1, spent=5000), *EVERYBODY[2:8]]))
    assert asked.exit == 1
    assert "2 of 4 people in the audience 'big'" in asked.stderr
    assert "audiences[0].max_leaving: 2" in asked.stderr
    assert members(sandbox) == BIG_ONES | {"person-1"}
    assert asked.states == [{"read": 7}]
    allowed = target.run(settings({**audience, "max_leaving": 2}), table([person(1, spent=5000), *EVERYBODY[2:8]]))
    assert counts(allowed) == {"left": 2, "stayed": 3, "members": 3}
    assert members(sandbox) == {"person-1", "person-6", "person-7"}


@pytest.mark.parametrize("over", [{"retired": True}, {"end": "2020-12-31"}])
def test_who_is_in_an_audience_that_is_over_leaves(target: Target, sandbox: Sandbox, over: dict[str, Any]) -> None:
    audience = {**BIG, "attributes": {"offer": "SPRING"}, "treatments": {"email": 1, "control": 1}}
    target.run(settings(audience), table(EVERYBODY))
    assert {"offer", "big_treatment"} <= custom(sandbox, 9).keys()
    outcome = target.run(settings({**audience, **over}), table([person(9)]))
    assert counts(outcome) == {"left": 4}
    assert [custom(sandbox, number) for number in (6, 9)] == [
        {"plan": "gold", "spent": spent, "joined_on": "2020-01-01", "big": False} for spent in (600, 900)
    ]
    requests = sandbox.stats()["requests"]
    assert counts(target.run(settings({**audience, **over}), table(EVERYBODY))) == {}
    assert sandbox.stats()["requests"] == requests


def test_treatments_stay_whatever_happens_to_the_ledger(target: Target, sandbox: Sandbox) -> None:
    audience = {**FULL, "treatments": {"email": 45, "push": 45, "control": 10}}
    target.run(settings(audience), table(EVERYBODY))
    first = {number: custom(sandbox, number)["big_treatment"] for number in range(6, 10)}
    target.run(settings(audience), table([]))
    target.run(settings(audience, ledger_key="another-key", ledger=str(target.folder / "other")), table(EVERYBODY))
    assert {number: custom(sandbox, number)["big_treatment"] for number in range(6, 10)} == first


def test_a_full_resync_does_not_forget_who_is_in(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(FULL), table(EVERYBODY))
    outcome = target.run(settings(FULL, full_resync=True), table([person(9, spent=1), *EVERYBODY[:8]]))
    assert counts(outcome) == {"left": 2, "stayed": 2, "members": 2}
    assert members(sandbox) == {"person-6", "person-7"}
    assert custom(sandbox, 9)["big"] is False


# The process dies

DYING = str(Path(__file__).with_name("dying_target.py"))
PLACES = [
    ("target_braze.recording:Recorder.accepted", "before", 2),  # Braze has entered people whom the ledger does not know
    ("target_braze.recording:Recorder.accepted", "after", 2),
    ("target_braze.roll:Roll.write", "after", 2),
    ("target_braze.enrolments:Enrolments.leave", "before", 1),
    ("target_braze.enrolments:Enrolments.leave", "after", 1),
    ("target_braze.enrolments:Enrolments.close", "before", 1),
    ("target_braze.enrolments:Enrolments.close", "after", 1),
]


@pytest.mark.parametrize("place", PLACES, ids=["-".join(map(str, place)) for place in PLACES])
@pytest.mark.parametrize("is_first", [True, False], ids=["entering", "leaving"])
def test_who_may_have_entered_leaves_wherever_the_run_before_died(
    target: Target, sandbox: Sandbox, place: tuple[str, str, int], *, is_first: bool
) -> None:
    small = settings(FULL, max_objects_per_request=2, max_connections=1)
    if not is_first:
        assert target.run(small, table(EVERYBODY)).exit == 0
    dying = table(EVERYBODY if is_first else EVERYBODY[:7])
    config = target.folder / "dying.json"
    config.write_text(json.dumps(target.config(small)), encoding="utf-8")
    command = [sys.executable, DYING, place[0], place[1], str(place[2]), "--config", str(config)]
    died = subprocess.run(command, input=encoded(dying), cwd=target.folder, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    now = [person(number, spent=1000 if number == 2 else 0) for number in range(4)]
    outcome = target.run(small, table(now))
    assert counts(outcome)["members"] == 1
    assert members(sandbox) == {"person-2"}
    requests = sandbox.stats()["requests"]
    assert counts(target.run(small, table(now))) == {"stayed": 1, "members": 1}
    assert sandbox.stats()["requests"] == requests


def test_a_person_who_is_forgotten_is_on_no_roll(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(FULL), table(EVERYBODY))
    command = [str(TARGET.with_name("target-braze-ledger")), "--config", str(target.folder / "config-1.json")]
    subprocess.run([*command, "forget", "--external-id", "person-9"], check=True, cwd=target.folder)
    outcome = target.run(settings(FULL), table(EVERYBODY[:9]))
    assert counts(outcome) == {"stayed": 3, "members": 3}
    assert custom(sandbox, 9)["big"] is True


def test_a_dry_run_says_who_would_move(target: Target, sandbox: Sandbox) -> None:
    target.run(settings(FULL), table(EVERYBODY))
    outcome = target.run(settings(FULL, dry_run=True), table([person(1, spent=5000), *EVERYBODY[2:8]]))
    assert counts(outcome) == {"entered": 1, "left": 2, "stayed": 2, "members": 3}
    assert "big: 1 entered, 2 stayed, 2 left, 3 are in it" in outcome.stderr
    assert members(sandbox) == BIG_ONES


def test_an_identifier_is_in_no_file_of_the_ledger(target: Target) -> None:
    target.run(settings(FULL), table(EVERYBODY))
    files = [path.read_bytes() for path in (target.folder / ".target-braze").rglob("*") if path.is_file()]
    assert files
    assert not [content for content in files if b"person-9" in content]


def test_another_stream_does_not_make_the_unchanged_look_absent(target: Target, sandbox: Sandbox) -> None:
    visits = {"type": "SCHEMA", "stream": "visits", "key_properties": [], "schema": {"properties": {
        "external_id": {"type": "string"}, "visits": {"type": "integer"}}}}  # fmt: skip
    target.run(settings(FULL), table(EVERYBODY))
    others = [{"type": "RECORD", "stream": "visits", "record": {"external_id": "person-9", "visits": 1}}]
    outcome = target.run(settings(FULL), [*table(EVERYBODY), visits, *others, {"type": "STATE", "value": {}}])
    assert counts(outcome) == {"stayed": 4, "members": 4}
    assert members(sandbox) == BIG_ONES


def test_nothing_is_guessed_of_a_column_that_is_not_there(target: Target, sandbox: Sandbox) -> None:
    outcome = target.run(settings({**BIG, "where": {"field": "spend", "gt": 5}}), table(EVERYBODY))
    assert outcome.exit == 1
    assert "`audiences[0].where.field` is 'spend'" in outcome.stderr
    assert sandbox.stats()["requests"] == 0
