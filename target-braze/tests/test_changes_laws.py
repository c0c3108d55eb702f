"""Laws of sending only what changed, for any records, in any runs, however they end.

A run here is the real one with its real ledger (`scripted_runs.py`); what Braze has at the end is compared with what it
would have if every record had been sent.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("scripted_runs")
sys.path.append(str(Path(__file__).parent))
scripted = importlib.import_module("scripted_runs")

SCHEMAS: dict[str, dict[str, Any]] = {
    "people": {
        "external_id": {"type": "string"},
        "a": {"type": ["number", "null"]},
        "b": {"type": ["string", "null"]},
        "read_at": {"type": "string"},
    },
    "orders": {
        "external_id": {"type": "string"},
        "a": {"type": ["number", "null"]},
        "c": {"type": ["string", "null"]},
    },
}
ATTRIBUTES = {"people": ("a", "b"), "orders": ("a", "c")}
PEOPLE = ("p", "q")
BY_ITSELF = 6
"""A spelling of records that the SDK hands over one by one."""
SPELLINGS = {None: ("null",), 1: ("1", "1.0", "1e0"), 2: ("2", "2.00", "20e-1")}


@dataclass(frozen=True)
class Record:
    """What a record says, and how it is written.

    Attributes:
        stream: Its stream.
        person: Whom it is about.
        said: Attribute → value; what is absent is not there.
        spelling: Chooses among ways to write the same.
    """

    stream: str
    person: str
    said: dict[str, Any] = field(hash=False)
    spelling: int

    @property
    def text(self) -> bytes:
        parts = [("external_id", json.dumps(self.person))]
        for name, value in self.said.items():
            ways = SPELLINGS.get(value, (json.dumps(value),))
            parts.append((name, ways[self.spelling % len(ways)]))
        if self.stream == "people":
            parts.append(("read_at", str(self.spelling)))
        if self.spelling % 2:
            parts.reverse()
        text = "{" + ",".join(f'"{name}":{value}' for name, value in parts) + "}"
        return (scripted.ITS_OWN_WAY if self.is_by_itself else b"") + text.encode()

    @property
    def is_by_itself(self) -> bool:
        return self.spelling == BY_ITSELF


def records(values: dict[str, tuple[Any, ...]], *, is_whole: bool = False) -> st.SearchStrategy[Record]:
    def of(stream: str) -> st.SearchStrategy[Record]:
        each = {name: st.sampled_from(values[name]) for name in ATTRIBUTES[stream]}
        said = st.fixed_dictionaries(each) if is_whole else st.fixed_dictionaries({}, optional=each)
        return st.builds(Record, st.just(stream), st.sampled_from(PEOPLE), said, st.integers(0, BY_ITSELF))

    return st.sampled_from(list(SCHEMAS)).flatmap(of)


PLAIN = {"a": (1, 2, None), "b": ("x", "y", None), "c": ("x", None)}
REFUSABLE = {"a": (1, 2), "b": ("x", scripted.REFUSED), "c": ("x", scripted.REFUSED)}
LAGS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
SIZES = st.integers(1, 3)


def heaps(said: list[Record], cuts: set[int], *, states: bool = True) -> Iterator[Any]:
    """Records in heaps, cut before some and wherever the stream changes, with a STATE after each heap."""
    heap: list[bytes] = []
    for at, record in enumerate(said):
        heap.append(record.text)
        last = at + 1 == len(said)
        if (
            last
            or at + 1 in cuts
            or (said[at + 1].stream, said[at + 1].is_by_itself) != (record.stream, record.is_by_itself)
        ):
            yield record.stream, heap
            heap = []
            if states:
                yield at + 1


def everything(said: list[Record], profiles: dict[str, dict[str, Any]], without: str = "") -> None:
    """Send every record to profiles."""
    for record in said:
        known = {name: value for name, value in record.said.items() if name not in without}
        if known:
            profiles.setdefault(record.person, {}).update(known)


def last_said(said: list[Record]) -> dict[tuple[str, str], Any]:
    return {(record.person, name): value for record in said for name, value in record.said.items()}


def conflicts(said: list[Record]) -> bool:
    """Whether records say different things of one attribute."""
    values: dict[tuple[str, str], set[Any]] = {}
    for record in said:
        for name, value in record.said.items():
            values.setdefault((record.person, name), set()).add(value)
    return any(len(each) > 1 for each in values.values())


@pytest.fixture(scope="module")
def folders() -> Iterator[Any]:
    """New folders, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as root:
        yield (Path(root) / str(number) for number in itertools.count())


def new_world(folders: Any, max_lists: int = 1000) -> Any:
    world = scripted.World(next(folders), SCHEMAS)
    world.max_lists = max_lists
    return world


SCALE = int(os.environ.get("LAWS", "1"))
USUAL = {"streams": {"people": {"fields": {"read_at": None}}}}


def only(without: str) -> dict[str, Any]:
    """Settings that leave some attributes out."""
    fields = dict.fromkeys(without)
    return {"streams": {"people": {"fields": {"read_at": None, **fields}}, "orders": {"fields": fields}}}


def assert_complete(summary: dict[str, Any], said: list[Record]) -> None:
    assert summary["records"] == len(said)
    assert sum(scripted.outcomes(summary).values()) == len(said)
    assert summary["unfinished"] == 0


# What is drawn for one run
RUNS = st.tuples(st.lists(records(PLAIN), max_size=8), st.sets(st.integers(0, 8)), LAGS, SIZES)


@given(runs=st.lists(RUNS, min_size=1, max_size=4), max_lists=st.sampled_from([1, 1000]))
@settings(max_examples=100 * SCALE)
def test_what_braze_has_is_what_it_would_have_of_everything(folders: Any, runs: list[Any], max_lists: int) -> None:
    """And nothing is sent twice, every record has its outcome, every STATE leaves, the ledger tells the truth."""
    world = new_world(folders, max_lists)
    expected: dict[str, dict[str, Any]] = {}
    for said, cuts, lags, size in runs:
        ended = world.run(heaps(said, cuts), scripted.Script(lags), max_objects_per_request=size, **USUAL)
        everything(said, expected)
        assert world.braze.profiles == expected
        assert world.braze.repeats == []
        assert_complete(ended.summary, said)
        assert not said or ended.states[-1] == len(said)
        assert world.untrue() == []
        if not conflicts(said):
            again = world.run(heaps(said, cuts), scripted.Script(lags), max_objects_per_request=size, **USUAL)
            assert again.requests == []
            assert again.counts == ({"unchanged": len(said)} if said else {})


@given(runs=st.lists(RUNS, min_size=1, max_size=3), other_cuts=st.sets(st.integers(0, 8)))
@settings(max_examples=40 * SCALE)
def test_requests_are_the_same_whatever_comes_at_once(folders: Any, runs: list[Any], other_cuts: set[int]) -> None:
    """Invariant 6: neither heaps nor how late answers come decide what is sent."""
    worlds = [new_world(folders) for _ in range(3)]
    for said, cuts, lags, size in runs:
        options = {"max_objects_per_request": size, **USUAL}
        one = worlds[0].run(heaps(said, cuts), scripted.Script(lags), **options)
        other = worlds[1].run(heaps(said, other_cuts, states=False), scripted.Script((3, 1)), **options)
        single = worlds[2].run(heaps(said, set(range(9))), scripted.Script((0,)), **options)
        assert one.requests == other.requests == single.requests
        assert one.counts == other.counts == single.counts


@given(runs=st.lists(st.tuples(RUNS, st.sampled_from(["", "", "b", "ac"]), st.booleans()), min_size=2, max_size=4))
@settings(max_examples=50 * SCALE)
def test_settings_that_change_lose_nothing(folders: Any, runs: list[Any]) -> None:
    """Attributes left out and taken in again, and everything sent again: what is forgotten is sent once more."""
    world = new_world(folders)
    expected: dict[str, dict[str, Any]] = {}
    forgotten: set[tuple[str, str]] = set()
    for (said, cuts, lags, size), without, is_full in runs:
        world.braze.repeats.clear()
        forgotten |= {
            (person, name) for person, known in expected.items() for name in known if is_full or name in without
        }
        options = {"max_objects_per_request": size, "full_resync": is_full, **only(without)}
        ended = world.run(heaps(said, cuts), scripted.Script(lags), **options)
        everything(said, expected, without)
        assert world.braze.profiles == expected
        assert len(world.braze.repeats) == len(set(world.braze.repeats))
        assert set(world.braze.repeats) <= forgotten
        assert_complete(ended.summary, said)
        assert world.untrue() == []
        written = {(each["external_id"], name) for each in ended.objects for name in each}
        asked = {key for key in last_said(said) if key[1] not in without}
        assert written >= asked & forgotten
        forgotten -= written


ENDINGS = st.one_of(
    st.builds(lambda at: ("exception", at), st.integers(0, 12)),
    st.builds(lambda at: ("kill", at), st.integers(0, 12)),
    st.builds(lambda at, applied: ("failure", at, applied), st.integers(0, 4), st.booleans()),
)


@given(
    runs=st.lists(st.tuples(RUNS, ENDINGS, st.lists(records(PLAIN, is_whole=True), max_size=6)), min_size=1, max_size=3)
)
@settings(max_examples=120 * SCALE)
def test_a_run_that_breaks_off_loses_nothing(folders: Any, runs: list[Any]) -> None:
    """The tap goes on after the last STATE; of people whom that is about it may say something else by now."""
    world = new_world(folders)
    expected: dict[str, dict[str, Any]] = {}
    for (said, cuts, lags, size), ending, fresh in runs:
        options = {"max_objects_per_request": size, **USUAL}
        messages = list(heaps(said, cuts))
        script = scripted.Script(lags)
        if ending[0] == "failure":
            script = scripted.Script(lags, ending[1], ending[2])
        else:
            error = RuntimeError("a signal") if ending[0] == "exception" else scripted.Killed()
            messages.insert(min(ending[1], len(messages)), error)

        def on_state(state: int, said: list[Record] = said) -> None:
            for (person, name), value in last_said(said[:state]).items():
                later = {each.said[name] for each in said[state:] if each.person == person and name in each.said}
                assert world.braze.profiles[person][name] in {value, *later}

        ended = world.run(messages, script, on_state, **options)
        if ended.summary:
            assert min(ended.summary[name] for name in (*scripted.OUTCOMES, "unfinished")) >= 0
        settled = len(said) if ended.failure is None else max(ended.states, default=0)
        everything(said[:settled], expected)
        rest = {(each.stream, each.person): each for each in said[settled:]}
        now = {(each.stream, each.person): each for each in fresh}
        gone = {key: Record(*key, dict.fromkeys(ATTRIBUTES[key[0]]), 0) for key in rest}
        following = [now.pop(key, each) for key, each in gone.items()] + list(now.values())
        world.run(heaps(following, cuts), scripted.Script(lags), **options)
        everything(following, expected)
        assert world.braze.profiles == expected
        assert world.untrue() == []


REFUSING_RUNS = st.tuples(st.lists(records(REFUSABLE), max_size=8), st.sets(st.integers(0, 8)), LAGS, SIZES)


@given(runs=st.lists(REFUSING_RUNS, min_size=1, max_size=4))
@settings(max_examples=100 * SCALE)
def test_what_is_not_rejected_arrives(folders: Any, runs: list[Any]) -> None:
    world = new_world(folders, max_lists=len(runs))
    for said, cuts, lags, size in runs:
        world.braze.rejected.clear()
        before = {name: dict(profile) for name, profile in world.braze.profiles.items()}
        ended = world.run(heaps(said, cuts), scripted.Script(lags), max_objects_per_request=size, **USUAL)
        assert_complete(ended.summary, said)
        assert world.untrue() == []
        asked = last_said(said)
        rejected = {(each["external_id"], *item) for each in world.braze.rejected for item in each.items()}
        for (person, name), value in asked.items():
            profile = world.braze.profiles.get(person, {})
            assert profile.get(name, "never") == value or (person, name, value) in rejected
        for person, profile in before.items():
            for name, value in profile.items():
                assert (person, name) in asked or world.braze.profiles[person][name] == value


HOLDING = {"people": {"fields": {"read_at": None, "a": {"tolerance": 1}, "b": {"at_most_every": "1h"}}}}


@given(runs=st.lists(st.tuples(RUNS, st.sampled_from([0, 3600])), min_size=1, max_size=4))
@settings(max_examples=60 * SCALE)
def test_what_is_held_goes_out_when_nothing_holds_it(folders: Any, runs: list[Any]) -> None:
    """Its records did not change, and all that held them was time."""
    world = new_world(folders)
    expected: dict[str, dict[str, Any]] = {}
    for (said, cuts, lags, size), seconds in runs:
        world.now += seconds
        options = {"max_objects_per_request": size, "streams": HOLDING}
        ended = world.run(heaps(said, cuts), scripted.Script(lags), **options)
        assert_complete(ended.summary, said)
        assert world.untrue() == []
        assert world.braze.repeats == []
        everything(said, expected)
        if not conflicts(said):
            again = world.run(heaps(said, cuts), scripted.Script(lags), **options)
            assert again.requests == []
            world.now += 3600
            world.run(heaps(said, cuts), scripted.Script(lags), **options)
            for (person, name), value in last_said(said).items():
                assert name == "a" or world.braze.profiles[person][name] == value


@given(runs=st.lists(RUNS, min_size=1, max_size=2), rehearsed=RUNS)
@settings(max_examples=30 * SCALE)
def test_a_rehearsal_says_what_the_run_will_do(folders: Any, runs: list[Any], rehearsed: Any) -> None:
    world = new_world(folders)
    for said, cuts, lags, size in runs:
        world.run(heaps(said, cuts), scripted.Script(lags), max_objects_per_request=size, **USUAL)
    before = world.contents()
    said, cuts, lags, size = rehearsed
    options = {"max_objects_per_request": size, **USUAL}
    plan = world.run(heaps(said, cuts), dry_run=True, **options)
    assert world.contents() == before
    assert plan.requests == plan.states == []
    real = world.run(heaps(said, cuts), scripted.Script(lags), **options)
    differing = {"seconds", "dry_run", "plan"}
    assert {name: plan.summary[name] for name in plan.summary.keys() - differing} == {
        name: real.summary[name] for name in real.summary.keys() - differing
    }
