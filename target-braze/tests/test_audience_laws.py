"""Laws of audiences: whatever happened before, a complete table puts Braze right; and by a broken one nobody leaves."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze.errors import DeliveryError

from .scripted_runs import Killed, Script, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_braze.target import TargetBraze

SHARED = Path("/dev/shm")
SCALE = int(os.environ.get("LAWS", "1"))
NAMES = [f"p{number}" for number in range(6)]
SCHEMAS: dict[str, dict[str, Any]] = {
    "people": {"external_id": {"type": "string"}, "spent": {"type": ["null", "number"]}, "plan": {"type": "string"}},
    "others": {"external_id": {"type": "string"}, "visits": {"type": "integer"}},
}
UNDECIDED = "a lot"
SPENT = [0, 1000, UNDECIDED]
PLANS = ["gold", "none"]
AUDIENCES: list[dict[str, Any]] = [
    {"name": "big", "stream": "people", "where": {"field": "spent", "gt": 500}, "attributes": {"offer": "X"}},
    {"name": "gold", "stream": "people", "encode": "array", "where": {"field": "plan", "eq": "gold"}},
    {"name": "all", "stream": "people", "encode": "array"},
]
HOLDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "big": lambda record: record["spent"] == SPENT[1],
    "gold": lambda record: record["plan"] == "gold",
    "all": lambda _: True,
}


@dataclass(frozen=True)
class Activation:
    """An ACTIVATE_VERSION."""

    version: int


@dataclass(frozen=True)
class Table:
    """One run.

    Attributes:
        records: Person → what their record says.
        others: Of whom another stream brings something new in the same run.
        is_other_first: Whether that stream comes first.
        ending: How the table ends.
        script: What becomes of requests.
    """

    records: dict[str, dict[str, Any]]
    others: list[str]
    is_other_first: bool
    ending: str
    script: Script


class AudienceWorld(World):
    """A world that takes ACTIVATE_VERSION, too."""

    def _feed(self, target: TargetBraze, heaps: Iterable[Any]) -> None:
        super()._feed(target, ())
        for heap in heaps:
            if isinstance(heap, Activation):
                target.get_sink("people").activate_version(heap.version)
            else:
                super()._feed(target, [heap])


records = st.fixed_dictionaries({"spent": st.sampled_from(SPENT), "plan": st.sampled_from(PLANS)})
scripts = st.builds(
    Script,
    lags=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    fails_at=st.none() | st.none() | st.integers(0, 3),
    is_applied=st.booleans(),
)
tables = st.builds(
    Table,
    st.dictionaries(st.sampled_from(NAMES), records),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    st.booleans(),
    st.sampled_from(["whole", "whole", "whole", "no end", "killed", "failed"]),
    scripts,
)


def heaps(table: Table, number: int, *, has_versions: bool) -> Iterator[Any]:
    people = [json.dumps({"external_id": name, **record}).encode() for name, record in table.records.items()]
    others = [json.dumps({"external_id": name, "visits": number}).encode() for name in table.others]
    others_heap = [("others", others)] if others else []
    middle = len(people) // 2
    if table.is_other_first:
        yield from others_heap
    if has_versions:
        yield Activation(number)
    for part in (people[:middle], people[middle:]):
        if part:
            yield "people", part
    if table.ending == "killed":
        yield Killed()
    if table.ending == "failed":
        yield DeliveryError("broke off")
    if table.ending == "whole":
        yield number
    if not table.is_other_first:
        yield from others_heap


def membership(profile: dict[str, Any]) -> set[str]:
    return {*(["big"] if profile.get("big") else []), *(profile.get("audiences") or [])}


def assert_it_is_right(world: World, last: Table) -> None:
    """Braze holds what the last table says, but for who is undecided, and nothing else of audiences."""
    for name, profile in world.braze.profiles.items():
        is_in, record = membership(profile), last.records.get(name)
        for audience, holds in HOLDS.items():
            if record is None or record["spent"] != UNDECIDED or audience != "big":
                assert (audience in is_in) == (record is not None and holds(record)), (name, audience)
        assert (profile.get("offer") == "X") == ("big" in is_in)
    assert {name for name in last.records if last.records[name]} <= world.braze.profiles.keys()


def assert_the_count_is_right(world: World, table: Table, counted: dict[str, dict[str, int]]) -> None:
    """Who may have entered, in a run that broke off, counts as one who did until a record decides it."""
    people = [membership(profile) for profile in world.braze.profiles.values()]
    undecided = sum(record["spent"] == UNDECIDED for record in table.records.values())
    for name, counts in counted.items():
        more = counts["members"] - sum(name in is_in for is_in in people)
        assert more >= 0
        assert more <= (undecided if name == "big" else 0) or table.ending != "whole"


@pytest.mark.parametrize("has_versions", [False, True])
@given(history=st.lists(tables, max_size=4), last=tables)
@settings(max_examples=60 * SCALE, deadline=None)
def test_a_whole_table_puts_braze_right_and_nobody_leaves_by_a_broken_one(
    *, has_versions: bool, history: list[Table], last: Table
) -> None:
    audiences = [{**audience, "full_table": not has_versions, "max_leaving": "100%"} for audience in AUDIENCES]
    last = Table(last.records, last.others, last.is_other_first, "whole", Script())
    own: dict[str, Any] = {"audiences": audiences, "max_objects_per_request": 2}
    with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as folder:
        world = AudienceWorld(Path(folder), SCHEMAS)
        for number, table in enumerate([*history, last], 1):
            before = {name: membership(profile) for name, profile in world.braze.profiles.items()}
            ended = world.run(heaps(table, number, has_versions=has_versions), table.script, **own)
            if table.ending != "whole":
                for name, was_in in before.items():
                    assert name in table.records or membership(world.braze.profiles[name]) == was_in
            if ended.summary and ended.failure is None:
                assert_the_count_is_right(world, table, ended.summary["streams"]["people"]["audiences"])
        assert_it_is_right(world, last)
        assert not [name for _, name in world.untrue() if not name.startswith("$")]
        again = world.run(heaps(last, len(history) + 2, has_versions=has_versions), **own)
        assert not [each for each in again.objects if each.keys() != {"external_id", "visits"}]
