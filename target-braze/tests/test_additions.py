"""What adds to what Braze has is done once: rule by rule, and as a law over any runs, however they end."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze import entries
from target_braze.additions import Additions, split
from target_braze.doubts import Doubt
from target_braze.hashes import Hasher
from target_braze.mapping import Mapper
from target_braze.names import Names
from target_braze.settings import read_settings
from target_braze.updates import Identity, Lesson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.updates import Attributes, Update

pytest.register_assert_rewrite("scripted_runs")
sys.path.append(str(Path(__file__).parent))
scripted = importlib.import_module("scripted_runs")

COLUMNS: dict[str, Any] = {
    "external_id": {"type": "string"},
    "visits": {"type": ["integer", "null"]},
    "name": {"type": ["string", "null"]},
    "items": {"type": ["array", "null"]},
}
FIELDS = {"visits": {"operation": "inc"}, "items": {"operation": "$add"}}
BOTH = pytest.mark.parametrize("in_doubt", ["resend", "hold"])


def of(in_doubt: str) -> dict[str, Any]:
    return {"streams": {"people": {"fields": FIELDS, "in_doubt": in_doubt}}, "max_objects_per_request": 1}


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return scripted.World(tmp_path, {"people": COLUMNS})


def p(person: str = "p", **fields: Any) -> bytes:
    return json.dumps({"external_id": person, **fields}).encode()


def heap(*records: bytes) -> tuple[str, list[bytes]]:
    return "people", list(records)


def held(world: Any) -> list[dict[str, Any]]:
    """What the last run listed."""
    path = world.folder / "reports" / "latest" / "held.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


# Without trouble


@BOTH
def test_each_is_done_once(world: Any, in_doubt: str) -> None:
    options = of(in_doubt)
    world.run([heap(p(visits=3, name="Ada", items=[{"sku": 1}]))], **options)
    assert world.run([heap(p(visits=3, name="Ada", items=[{"sku": 1}]))], **options).requests == []
    world.run([heap(p(visits=4, name="Ada", items=[{"sku": 2}]))], **options)
    assert world.run([heap(p(visits=3, name="Ada", items=[{"sku": 2}]))], **options).objects
    assert world.braze.profiles["p"] == {"visits": 10, "name": "Ada", "items": [{"sku": 1}, {"sku": 2}]}
    with world.ledger() as ledger:
        assert ledger.stats().in_doubt == 0


@BOTH
def test_two_of_a_person_in_one_request_are_both_done(world: Any, in_doubt: str) -> None:
    world.run([heap(p(visits=7), p(visits=3))], **{**of(in_doubt), "max_objects_per_request": 75})
    assert world.braze.profiles["p"] == {"visits": 10}


# A run that ended before the answer


@pytest.mark.parametrize("is_applied", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
def test_what_another_run_left_in_doubt_is_held(world: Any, *, is_applied: bool, is_known: bool) -> None:
    """And the rest of its record goes out, also of a person whom the ledger does not know."""
    options, before = of("hold"), 5 if is_known else 0
    if is_known:
        world.run([heap(p(visits=5, name="Ada"))], **options)
    record = heap(p(visits=3, name="Eve"))
    assert world.run([record, 1], scripted.Script((0,), 0, is_applied), **options).failure is not None

    for expected in ({"delivered": 1}, {"held": 1}, {"held": 1}):
        ended = world.run([record, 1], **options)
        assert (ended.counts, ended.states) == (expected, [1])
        assert [line["object"] for line in held(world)] == [{"external_id": "p", "visits": {"inc": 3}}]
        assert "in doubt since 2023-11-14" in held(world)[0]["reason"]
        assert ended.summary["streams"]["people"]["held_attributes"][0]["policy"] == "in_doubt"
        assert ended.summary["streams"]["people"]["in_doubt"] == ended.summary["held"]
    assert world.braze.profiles["p"] == (
        {"visits": before + 3 * is_applied, "name": "Eve"} if before or is_applied else {"name": "Eve"}
    )

    # released as the list says
    ended = world.run([record, 1], **of("resend"))
    assert ended.objects == [{"external_id": "p", "visits": {"inc": 3}}]
    assert ended.summary["streams"]["people"]["sent_again"] == 1
    assert world.run([record, 1], **options).counts == {"unchanged": 1}


def test_another_addition_is_not_in_doubt(world: Any) -> None:
    options = of("hold")
    world.run([heap(p(visits=3))], scripted.Script((0,), 0, is_applied=True), **options)
    assert world.run([heap(p(visits=4))], **options).counts == {"delivered": 1}
    assert world.run([heap(p(visits=3))], **options).counts == {"delivered": 1}, "a new one: the other is done with"
    assert world.braze.profiles["p"] == {"visits": 10}


@pytest.mark.parametrize("is_known", [False, True])
def test_what_is_in_doubt_of_a_person_is_forgotten_with_them(world: Any, *, is_known: bool) -> None:
    options = of("hold")
    if is_known:
        world.run([heap(p(visits=5))], **options)
    world.run([heap(p("q", visits=3))], scripted.Script((0,), 0), **options)
    world.run([heap(p(visits=3))], scripted.Script((0,), 0), **options)
    with world.ledger() as ledger:
        key, _ = Hasher(ledger.key).identity(Identity("external_id", "p"))
        assert ledger.stats().in_doubt == 2
        assert ledger.delete(key)
        assert ledger.stats().in_doubt == 1
        assert not ledger.delete(key)
        assert ledger.check().is_sound
    ended = world.run([heap(p(visits=3)), heap(p("q", visits=3))], **options)
    assert ended.counts == {"delivered": 1, "held": 1}


def test_whoever_is_deleted_in_braze_and_comes_back_has_nothing_in_doubt(world: Any) -> None:
    options = of("hold")
    world.run([heap(p(visits=3))], scripted.Script((0,), 0), **options)
    with world.ledger() as ledger:
        assert ledger.stats().in_doubt == 1
        ledger.delete_many([Hasher(ledger.key).identity(Identity("external_id", "p"))[0]])  # as when it is accepted
        assert ledger.stats().in_doubt == 0
    assert world.run([heap(p(visits=3))], **options).counts == {"delivered": 1}


@pytest.mark.parametrize("is_applied", [False, True])
def test_resent_none_is_missing(world: Any, *, is_applied: bool) -> None:
    world.run([heap(p(visits=5, name="Ada"))], **of("resend"))
    record = heap(p(visits=3, name="Ada"))
    world.run([record], scripted.Script((0,), 0, is_applied), **of("resend"))
    ended = world.run([record], **of("resend"))
    assert ended.summary["streams"]["people"]["sent_again"] == 1
    assert world.braze.profiles["p"]["visits"] == 8 + 3 * is_applied
    assert world.run([record], **of("resend")).requests == []


# No answer within a run


@pytest.mark.parametrize("lags", [(0,), (9,)])
@pytest.mark.parametrize("is_applied", [False, True])
@pytest.mark.parametrize("before", [0, 5])
def test_what_was_not_answered_is_held_and_the_rest_of_its_object_goes_again(
    world: Any, lags: tuple[int, ...], before: int, *, is_applied: bool
) -> None:
    if before:
        world.run([heap(p(visits=before, name="Eve"))], **of("hold"))
    script = scripted.Script(lags, None, is_applied, is_unanswered_at=0)
    ended = world.run([heap(p(visits=3, name="Ada")), heap(p("q", visits=1)), 2], script, **of("hold"))
    assert (ended.counts, ended.states) == ({"delivered": 2}, [2])
    assert [line["object"] for line in held(world)] == [{"external_id": "p", "visits": {"inc": 3}}]
    visits = before + 3 * is_applied
    assert world.braze.profiles["p"] == ({"visits": visits, "name": "Ada"} if visits else {"name": "Ada"})
    again = world.run([heap(p(visits=3, name="Ada")), heap(p("q", visits=1))], **of("hold"))
    assert (again.counts, again.requests) == ({"held": 1, "unchanged": 1}, [])


@pytest.mark.parametrize("lags", [(0,), (9,)])
def test_the_same_again_in_the_run_that_was_not_answered(world: Any, lags: tuple[int, ...]) -> None:
    script = scripted.Script(lags, is_unanswered_at=0)
    ended = world.run([heap(p(visits=3)), heap(p("q", visits=1)), heap(p(visits=3))], script, **of("hold"))
    assert ended.summary["held"] >= 1
    assert world.braze.profiles["p"] == {"visits": 3}


def test_once_the_rest_is_there_the_same_record_is_held(world: Any) -> None:
    script = scripted.Script((0,), is_unanswered_at=0)
    record = heap(p(visits=3, name="Ada"))
    ended = world.run([record, heap(p("q", visits=1)), heap(p("r", visits=1)), record], script, **of("hold"))
    assert ended.counts == {"delivered": 3, "held": 1}


def test_there_and_back_while_the_rest_goes_again(world: Any) -> None:
    """The rest of an object counts as under way until it is accepted: A → B → A sends A again."""
    world.run([heap(p(visits=1, name="A"))], **of("hold"))
    script = scripted.Script((9,), is_unanswered_at=0)
    world.run([heap(p(visits=2, name="B")), heap(p(visits=2, name="A"))], script, **of("hold"))
    assert world.braze.profiles["p"] == {"visits": 3, "name": "A"}
    assert world.run([heap(p(name="A"))], **of("hold")).requests == []


def test_what_adds_nothing_is_not_held(world: Any) -> None:
    """An array that is written as a whole may go again."""
    options = of("hold")
    script = scripted.Script((0,), None, is_unanswered_at=0)
    ended = world.run([heap(p(name="Ada", items=None)), heap(p("q", name="Eve"))], script, **options)
    assert (ended.counts, held(world)) == ({"delivered": 2}, [])
    options["streams"]["people"] = {"in_doubt": "hold", "merge_objects": True, "fields": {"items": {"type": "object"}}}
    ended = world.run([heap(p(items={"sku": 1}))], script, **options)
    assert (ended.counts, held(world)) == ({"delivered": 1}, [])


# Any runs

RECORDS = st.dictionaries(
    st.sampled_from("pqr"), st.fixed_dictionaries({"visits": st.integers(1, 3), "name": st.sampled_from("ab")})
)
ENDINGS = st.one_of(
    st.just(scripted.Script()),
    st.builds(scripted.Script, st.just((2, 0)), st.integers(0, 3), st.booleans()),
    st.builds(lambda at, applied: scripted.Script((1,), None, applied, at), st.integers(0, 3), st.booleans()),
)


@given(
    runs=st.lists(st.tuples(RECORDS, ENDINGS, st.booleans()), min_size=1, max_size=5),
    in_doubt=st.sampled_from(["resend", "hold"]),
)
@settings(max_examples=60, deadline=None)
def test_held_none_is_done_twice_and_resent_none_is_missing(
    tmp_path_factory: Any, runs: list[Any], in_doubt: str
) -> None:
    """Each run is read again until it ends well; what a person's record says next differs from what it said last."""
    world = scripted.World(tmp_path_factory.mktemp("law"), {"people": COLUMNS})
    expected: dict[str, int] = {}
    last: dict[str, int] = {}
    troubled: set[str] = set()
    for said, script, is_killed in runs:
        records, names = [], {}
        for person, fields in said.items():
            visits = fields["visits"] + 3 * (last.get(person, 0) < 4)  # now above 3, now not
            last[person], names[person] = visits, fields["name"]
            expected[person] = expected.get(person, 0) + visits
            records.append(p(person, visits=visits, name=fields["name"]))
        heaps: list[Any] = [heap(record) for record in records]
        ended = world.run([*heaps, *([scripted.Killed()] if is_killed else [])], script, **of(in_doubt))
        if ended.failure is not None or script.is_unanswered_at is not None:
            troubled |= said.keys()
        if ended.failure is not None:
            world.run(heaps, **of(in_doubt))
        listed = {line["identity"]["external_id"] for line in held(world)}
        for person in said:
            counted = world.braze.profiles[person].get("visits", 0)
            assert world.braze.profiles[person]["name"] == names[person]
            if in_doubt == "hold":
                assert counted <= expected[person]
                assert counted == expected[person] or person in troubled
            else:
                assert counted >= expected[person]
                assert counted == expected[person] or person in troubled
            if in_doubt == "hold" and person in listed:
                expected[person] = counted  # a person looks at it
        assert in_doubt == "hold" or not listed


# What the ledger keeps


class FakeStore:
    """A ledger in memory: what is written survives the process, and after `sync` the machine, too."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.syncs = 0

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.entries.get(key) for key in keys]

    def put_occurrences(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in items:
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def sync(self) -> None:
        self.syncs += 1


def attributes(**fields: Any) -> Attributes:
    config = {"instance": "sandbox", "streams": {"people": {"fields": FIELDS}}}
    mapped = Mapper("people", {"properties": COLUMNS}, read_settings(config, {}).stream("people")).map(
        {"external_id": "p", **fields}
    )
    assert mapped.attributes is not None
    return mapped.attributes


def found(additions: Additions, said: Attributes, *, is_held: bool) -> tuple[Any, Update]:
    count = len(said.values)
    hashes = b"".join(bytes([sum(value) % 256]) * 8 for value in said.values)
    found = additions.find(said, range(count), b"k" * 16, hashes, numbers=range(count), stream=1, is_held=is_held)
    lesson = Lesson(b"k" * 16, None, None, tuple(range(count)), False, found.additions, is_held)  # type: ignore[arg-type]
    return found, said.update(tuple(range(count)), 1, lesson)


@pytest.mark.parametrize("is_held", [False, True])
def test_it_is_durable_before_it_leaves_where_it_must_not_be_done_twice(*, is_held: bool) -> None:
    store = FakeStore()
    _, update = found(additions := Additions(store, Hasher(bytes(32)), 0), attributes(visits=3), is_held=is_held)
    assert additions.is_any
    assert update.is_held_in_doubt is is_held
    additions.leaving([update])
    assert len(store.entries) == 1
    assert store.syncs == is_held
    additions.accepted([update])
    assert store.entries == {}


def test_what_braze_certainly_did_not_do_is_as_it_was_before() -> None:
    store = FakeStore()
    _, first = found(Additions(store, Hasher(bytes(32)), 0), attributes(visits=3), is_held=True)
    one = Additions(store, Hasher(bytes(32)), 0)
    one.leaving([first])
    one.returned([first])
    assert store.entries == {}
    one.leaving([first])
    left = dict(store.entries)  # and the run ends

    other = Additions(store, Hasher(bytes(32)), 86_400)
    _, second = found(other, attributes(visits=4), is_held=True)
    for _ in range(2):  # it waits for a rate limit
        other.leaving([second])
        assert store.entries != left
        other.returned([second])
        assert store.entries == left
    assert found(other, attributes(visits=5), is_held=True)[0].doubtful == ()
    assert found(Additions(store, Hasher(bytes(32)), 0), attributes(visits=3), is_held=True)[0].doubtful == (0,)


def test_what_this_run_has_under_way_is_no_doubt() -> None:
    """3, then 4, then 3 while the first is still in flight: three additions."""
    additions = Additions(FakeStore(), Hasher(bytes(32)), 0)
    first, again = attributes(visits=3), attributes(visits=3)
    _, update = found(additions, first, is_held=True)
    additions.leaving([update])
    assert found(additions, again, is_held=True)[0].doubtful == ()
    additions.accepted([update])
    assert found(additions, again, is_held=True)[0].doubtful == ()


def test_what_was_recorded_before_a_crash_is_not_forgotten(world: Any) -> None:
    """The note of the request was left, but the ledger has learned the addition: Braze accepted it."""
    for in_doubt in ("hold", "resend"):
        world.run([heap(p(visits=3, name="Ada"))], **of(in_doubt))
        with world.ledger() as ledger:
            [(key, value)] = ledger.items()
            entry = entries.decode(value)
            numbers = Names(ledger.meta_get, ledger.meta_put).numbers(entry.layout)
            said = {number: entry.hashes[at * 8 : at * 8 + 8] for at, number in enumerate(numbers)}
            note = [Doubt(key, tuple(numbers), {numbers[0]: said[numbers[0]]})]
            ledger.meta_put("doubt:0", msgspec.msgpack.encode(note))
        again = world.run([heap(p(visits=3, name="Ada"))], **of(in_doubt))
        assert again.objects == [{"external_id": "p", "name": "Ada"}]


def test_nothing_else_is_looked_at() -> None:
    additions = Additions(FakeStore(), Hasher(bytes(32)), 0)
    assert found(additions, attributes(name="inc"), is_held=True)[0].additions == ()
    assert not additions.is_any


def test_an_object_is_split_into_what_adds_and_the_rest() -> None:
    said = attributes(visits=3, name="Ada", items=[{"sku": 1}, {"sku": 2}])
    _, update = found(Additions(FakeStore(), Hasher(bytes(32)), 0), said, is_held=True)
    held, rest = split(update)
    assert msgspec.json.decode(held.body) == {
        "external_id": "p", "visits": {"inc": 3}, "items": {"$add": [{"sku": 1}, {"sku": 2}]}
    }  # fmt: skip
    assert rest is not None
    assert msgspec.json.decode(rest.body) == {"external_id": "p", "name": "Ada"}
    assert (held.shape.data_points, rest.shape.data_points) == ({"visits": 1, "items": 2}, {"name": 1})
    assert (update.is_held_in_doubt, rest.is_held_in_doubt) == (True, False)
    only, nothing = split(found(Additions(FakeStore(), Hasher(bytes(32)), 0), attributes(visits=3), is_held=True)[1])
    assert msgspec.json.decode(only.body) == {"external_id": "p", "visits": {"inc": 3}}
    assert nothing is None
