"""Events and purchases in the ledger: rule by rule, and as laws over any runs, however they end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.hashes import Hasher
from target_braze.mapping import Mapper
from target_braze.names import Names
from target_braze.occurrence_objects import known_by, parts_of
from target_braze.occurrences import SECONDS_A_DAY, Occurrences, decode
from target_braze.settings import read_settings
from target_braze.updates import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_braze.occurrences import Found
    from target_braze.updates import Mapped, Update

SCHEMA: dict[str, Any] = {
    "properties": {name: {} for name in ("id", "external_id", "product_id", "price", "quantity", "time", "size")}
}
KEY = bytes(32)


@dataclass
class FakeStore:
    """A ledger in memory: what is written survives the process, and after `sync` the machine, too."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    durable: dict[bytes, bytes] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)
    digests: set[bytes] = field(default_factory=set)
    syncs: int = 0

    @property
    def table(self) -> FakeStore:
        return self

    def add_all(self, digests: Sequence[bytes]) -> None:
        self.digests.update(digests)

    def discard(self, digest: bytes) -> None:
        self.digests.discard(digest)

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.entries.get(key) for key in keys]

    def put_occurrences(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in items:
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def occurrences(self) -> Iterator[tuple[bytes, bytes]]:
        yield from dict(self.entries).items()

    def sync(self) -> None:
        self.syncs += 1
        self.durable = dict(self.entries)

    def cut_power(self) -> None:
        self.entries = dict(self.durable)

    def restart(self) -> None:
        """What the next run finds: the table as the store has it."""
        self.digests = {digest for value in self.entries.values() if (digest := decode(value).digest)}


@dataclass
class Stream:
    """One stream of purchases in one run."""

    store: FakeStore
    in_doubt: str = "resend"
    day: int = 1000
    keys: tuple[str, ...] = ("id",)

    def __post_init__(self) -> None:
        settings = {"object": "purchases", "in_doubt": self.in_doubt, "defaults": {"currency": "EUR"}}
        config = {"instance": "sandbox", "streams": {"sold": settings}}
        self.mapper = Mapper("sold", SCHEMA, read_settings(config, {}).stream("sold"), self.keys)
        names = Names(self.store.meta.get, self.store.meta.__setitem__)
        self.number = names.stream("sold")
        self.known = Occurrences(self.store, names, Hasher(KEY), self.day * SECONDS_A_DAY)
        self.known.begin(self.mapper)

    def mapped(self, id_: Any, **fields: Any) -> Mapped:
        usual = {"id": id_, "external_id": "p", "product_id": "hat", "price": 2, "time": 0}
        mapped = self.mapper.map({**usual, **fields})
        assert mapped.update is not None, mapped.rejections
        return mapped

    def find(self, id_: Any, digest: bytes | None = None, **fields: Any) -> Found:
        return self.known.find(self.mapped(id_, **fields), digest)

    def deliver(self, updates: Sequence[Update]) -> None:
        self.known.leaving(updates)
        assert self.known.accepted(updates)


DAY, MOMENT = {"type": "string", "format": "date"}, {"type": ["null", "string"], "format": "date-time"}


@pytest.mark.parametrize(
    ("kind", "keys", "time", "is_warned"),
    [
        ("purchases", (), MOMENT, True),
        ("purchases", ("id",), DAY, False),
        ("events", (), DAY, True),
        ("events", (), {"type": "string"}, True),
        ("events", (), {}, True),
        ("events", (), MOMENT, False),
        ("events", (), {"type": "integer"}, False),
        ("events", ("id",), DAY, False),
        ("attributes", (), DAY, False),
    ],
)
def test_a_stream_whose_records_may_be_alike_is_told_what_to_set(
    kind: str, keys: tuple[str, ...], time: dict[str, Any], is_warned: bool
) -> None:
    schema = {"properties": {"external_id": {}, "name": {}, "time": time}}
    settings = read_settings({"instance": "sandbox", "streams": {"sold": {"object": kind}}}, {}).stream("sold")
    warnings = Mapper("sold", schema, settings, keys).warnings
    assert len(warnings) == is_warned
    for warning in warnings:
        assert "`metadata: {sold: {table-key-properties: [id]}}`" in warning
        assert "`stream_maps: {sold: {__key_properties__: [id]}}`" in warning


def test_what_was_accepted_is_not_sent_again() -> None:
    store = FakeStore()
    stream = Stream(store)
    found = stream.find(1)
    assert len(found.updates) == 1
    stream.deliver(found.updates)
    for later in (stream, Stream(store), Stream(store, "hold", day=2000)):
        assert later.find(1) == ((), (), 0)
        assert later.find("1").updates, "text is another key than a number"


def test_what_is_under_way_is_not_sent_beside_itself() -> None:
    stream = Stream(FakeStore())
    found = stream.find(1)
    assert stream.find(1) == ((), (), 0)
    stream.known.leaving(found.updates)
    assert stream.find(1) == ((), (), 0)
    stream.known.rejected(found.updates[0])
    stream.known.settle()
    assert len(stream.find(1).updates) == 1, "what was rejected is judged again"


@pytest.mark.parametrize("is_fetched", [False, True])
def test_a_heap_that_was_read_ahead_knows_what_ended_meanwhile(is_fetched: bool) -> None:
    stream = Stream(FakeStore())
    mapped = [stream.mapped(1), stream.mapped(2), stream.mapped(1)]
    if is_fetched:
        stream.known.fetch(mapped)
    first = stream.known.find(mapped[0], None)
    stream.deliver(first.updates)
    stream.known.find(mapped[1], None)
    stream.known.settle()
    assert stream.known.find(mapped[2], None).updates == ()


def test_in_doubt_from_leaving_until_an_answer() -> None:
    store = FakeStore()
    found = Stream(store).find(1)
    assert not store.entries, "what was never sent is not in doubt"
    stream = Stream(store)
    stream.known.leaving(found.updates)
    assert [decode(value).is_in_doubt for value in store.entries.values()] == [True]
    stream.known.returned(found.updates)
    assert not store.entries
    stream.known.leaving(found.updates)
    stream.known.accepted(found.updates)
    assert [decode(value).is_in_doubt for value in store.entries.values()] == [False]


@pytest.mark.parametrize(("in_doubt", "syncs"), [("resend", 0), ("hold", 1)])
def test_a_note_is_durable_where_it_must_be(in_doubt: str, syncs: int) -> None:
    store = FakeStore()
    stream = Stream(store, in_doubt)
    stream.known.leaving(stream.find(1).updates)
    assert store.syncs == syncs


def test_in_doubt_it_is_sent_again_or_held() -> None:
    store = FakeStore()
    crashed = Stream(store, day=990)
    crashed.known.leaving(crashed.find(1).updates)

    held = Stream(store, "hold").find(1)
    assert held.updates == ()
    assert [day for _, day in held.held] == [990]
    again = Stream(store).find(1)
    assert (len(again.updates), again.held, again.again) == (1, [], 1)


def test_what_was_in_doubt_before_stays_so_unless_accepted() -> None:
    """A 429 or a rejection of the second try says nothing of the first."""
    store = FakeStore()
    crashed = Stream(store)
    crashed.known.leaving(crashed.find(1).updates)
    stream = Stream(store)
    for end in (lambda update: stream.known.returned([update]), stream.known.rejected):
        [update] = Stream(store).find(1).updates
        stream.known.leaving([update])
        end(update)
        assert Stream(store, "hold").find(1).held


def test_a_digest_is_known_once_its_purchase_is() -> None:
    store = FakeStore()
    stream = Stream(store)
    stream.deliver(stream.find(1, b"a" * 16).updates)
    assert not store.digests
    stream.known.settle()
    stream.known.flush()
    assert store.digests == {b"a" * 16}


def test_a_record_that_looks_otherwise_is_known_by_that_from_now_on() -> None:
    store = FakeStore()
    stream = Stream(store)
    stream.deliver(stream.find(1, b"a" * 16).updates)
    for digest in (b"b" * 16, b"c" * 16):
        stream.find(1, digest, size="XL")
    stream.known.settle()
    stream.known.flush()
    assert store.digests == {b"c" * 16}
    assert [decode(value).digest for value in store.entries.values()] == [b"c" * 16]


def test_a_purchase_of_many_pieces() -> None:
    store = FakeStore()
    stream = Stream(store)
    found = stream.find(1, quantity=250)
    assert [update.records for update in found.updates] == [0, 0, 0]
    stream.deliver(found.updates[:1])
    assert len(Stream(store).find(1, quantity=250).updates) == 2, "the rest of it"
    assert len(Stream(store).find(1, quantity=100).updates) == 0, "what was sent before counts"
    stream.deliver(found.updates[1:])
    assert Stream(store).find(1, quantity=250).updates == ()
    assert Stream(store).find(1, quantity=999).updates == ()

    wholes = [update.occurrence.whole for update in found.updates if update.occurrence]
    assert wholes[0] is not None
    assert [whole.ended(Outcome.HELD) for whole in wholes if whole] == [None, None, Outcome.HELD]


def test_a_purchase_of_which_a_part_is_held() -> None:
    store = FakeStore()
    crashed = Stream(store, "hold")
    crashed.known.leaving(crashed.find(1, quantity=150).updates[:1])
    found = Stream(store, "hold").find(1, quantity=150)
    assert (len(found.updates), len(found.held)) == (1, 1)
    occurrence = found.updates[0].occurrence
    assert occurrence is not None
    assert occurrence.whole is not None
    assert occurrence.whole.ended(Outcome.DELIVERED) is Outcome.HELD


def test_old_ones_are_forgotten_but_not_those_in_doubt() -> None:
    store = FakeStore()
    old, young = Stream(store, day=1000), Stream(store, day=1005)
    old.deliver(old.find(1, b"a" * 16).updates)
    old.known.leaving(old.find(2).updates)
    young.deliver(young.find(3).updates)
    for stream in (old, young):
        stream.known.settle()
        stream.known.flush()

    later = Stream(store, day=1403)
    assert later.known.forget_old({}, 400) == 1
    assert not store.digests
    assert [len(later.find(id_).updates) for id_ in (1, 2, 3)] == [1, 1, 0]
    assert Stream(store, day=1016).known.forget_old({old.number: 10}, 400) == 1
    assert [decode(value).is_in_doubt for value in store.entries.values()] == [True]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"a": 1}, {"a": Decimal("1.0")}, True),
        ({"a": 1.50}, {"a": Decimal("1.5000")}, True),
        ({"a": -0.0}, {"a": 0}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1, "b": None}, {"a": 1}, True),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2.0, "x": 1}}, True),
        ({"a": [1, None]}, {"a": [1]}, False),
        ({"a": Decimal("1e999999")}, {"a": Decimal("2e999999")}, False),
        (
            {"a": Decimal("0.1234567890123456789012345678901")},
            {"a": Decimal("0.1234567890123456789012345678902")},
            False,
        ),
    ],
)
def test_what_is_the_same(one: dict[str, Any], other: dict[str, Any], is_same: bool) -> None:
    assert (known_by("events", "s", one) == known_by("events", "s", other)) is is_same


def test_streams_and_kinds_are_apart() -> None:
    assert len({known_by(kind, stream, {"a": 1}) for kind in ("events", "purchases") for stream in "st"}) == 4


def test_keys_that_are_null_do_not_make_all_records_one() -> None:
    stream = Stream(FakeStore())
    assert stream.mapped(None, size="S").known_by != stream.mapped(None, size="M").known_by


@given(st.integers(1, 7500), st.integers(1, 100))
def test_parts_add_up(quantity: int, most: int) -> None:
    parts = parts_of(quantity, most)
    assert sum(parts) == quantity
    assert all(1 <= part <= most for part in parts)
    assert len(parts) == -(-quantity // most)


# The law

FATES = ("accepted", "rejected", "limited", "lost", "lost after apply")
ENDS = ("well", "killed before it left", "killed after it left", "killed after apply", "killed", "power cut")


class Braze:
    """What really happened, and what was said of it."""

    def __init__(self) -> None:
        self.has: Counter[int] = Counter()
        self.rejected: set[int] = set()


def run(  # noqa: C901, PLR0917
    store: FakeStore, braze: Braze, in_doubt: str, plan: Sequence[tuple[int, str]], end: str, day: int
) -> bool:
    """One run: its records with what becomes of each, and how it ends after the last; whether a window was hit."""
    store.restart()
    stream = Stream(store, in_doubt, day)
    is_uncertain = False
    for index, (id_, fate) in enumerate(plan):
        is_last = index == len(plan) - 1
        for update in stream.find(id_).updates:
            if is_last and end == "killed before it left":
                return is_uncertain
            stream.known.leaving([update])
            if is_last and end.startswith("killed after"):
                braze.has[id_] += end == "killed after apply"
                return True
            if fate == "limited":
                stream.known.returned([update])
                stream.known.leaving([update])
            if fate.startswith("lost"):
                is_uncertain = True
                braze.has[id_] += fate == "lost after apply"
                if update.is_held_in_doubt:
                    stream.known.ended(update)
                    continue
                stream.known.leaving([update])  # it is sent again
            if fate == "rejected":
                stream.known.rejected(update)
                braze.rejected.add(id_)
                continue
            braze.has[id_] += 1
            stream.known.accepted([update])
    if end == "power cut":
        store.cut_power()
        return True
    if end == "well":
        stream.known.settle()
        stream.known.flush()
        store.sync()
    return is_uncertain


PLANS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(FATES)), max_size=12)
RUNS = st.lists(st.tuples(PLANS, st.sampled_from(ENDS)), max_size=6)


@given(RUNS)
def test_with_hold_nothing_is_ever_there_twice(runs: list[tuple[list[tuple[int, str]], str]]) -> None:
    store, braze = FakeStore(), Braze()
    is_uncertain = any([run(store, braze, "hold", plan, end, day) for day, (plan, end) in enumerate(runs)])  # noqa: C419 - all of them
    read = {id_ for plan, _ in runs for id_, _ in plan}
    run(store, braze, "hold", [(id_, "accepted") for id_ in read], "well", len(runs))
    has = +braze.has
    assert not has or max(has.values()) == 1
    missing = read - has.keys()
    final = Stream(store, "hold", len(runs) + 1)
    assert all(final.find(id_).held for id_ in missing), "what is missing is listed"
    assert is_uncertain or not missing


@given(RUNS)
def test_with_resend_nothing_is_ever_missing(runs: list[tuple[list[tuple[int, str]], str]]) -> None:
    store, braze = FakeStore(), Braze()
    is_uncertain = any([run(store, braze, "resend", plan, end, day) for day, (plan, end) in enumerate(runs)])  # noqa: C419 - all of them
    read = {id_ for plan, _ in runs for id_, _ in plan}
    run(store, braze, "resend", [(id_, "accepted") for id_ in read], "well", len(runs))
    assert +braze.has == braze.has
    assert {id_ for id_, count in braze.has.items() if count} == read
    assert is_uncertain or not braze.has or max(braze.has.values()) == 1
