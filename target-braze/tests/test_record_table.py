"""The table of settled records is a set, whatever comes, goes and collides in it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from target_braze import record_table
from target_braze.record_table import WORD, RecordTable, as_words

if TYPE_CHECKING:
    from collections.abc import Iterable


def digest(first: int, second: int = 0) -> bytes:
    return first.to_bytes(8, "little") + second.to_bytes(8, "little")


def digests(count: int, seed: int = 1) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(16) for _ in range(count)]


def probed(table: RecordTable, wanted: Iterable[bytes]) -> list[bool]:
    return list(table.probe(as_words([*wanted])))


# few home lines and few second words: all collide, and some share one of their words
COLLIDING = st.builds(digest, st.integers(2, 40) | st.integers(2**64 - 4, 2**64 - 1), st.integers(0, 2))


class TableIsASet(RuleBasedStateMachine):
    """Adds, discards, growth and reloading leave a table equal to a set."""

    @initialize(slots=st.sampled_from([4, 8, 64, 1024]))
    def start(self, slots: int) -> None:
        self.table = RecordTable(np.zeros((slots, 2), dtype=WORD))
        self.model: set[bytes] = set()

    @rule(new=st.lists(COLLIDING, max_size=60))
    def add(self, new: list[bytes]) -> None:
        self.table.add_all(new)
        self.model |= set(new)

    @rule(old=COLLIDING)
    def discard(self, old: bytes) -> None:
        self.table.discard(old)
        self.model.discard(old)

    @rule(wanted=st.lists(COLLIDING, max_size=60))
    def probe(self, wanted: list[bytes]) -> None:
        assert probed(self.table, wanted) == [one in self.model for one in wanted]

    @rule()
    def reload(self) -> None:
        self.table = RecordTable(self.table.words.copy(), len(self.table), self.table.removed)
        assert not self.table.is_changed

    @invariant()
    def all_are_there(self) -> None:
        assert len(self.table) == len(self.model)
        assert all(probed(self.table, self.model))
        held = self.table.words[:, 0]
        assert np.count_nonzero(held >= 2) == len(self.model)
        assert np.count_nonzero(held == 1) == self.table.removed
        assert len(self.table) + self.table.removed <= 0.7 * len(held)


TestTableIsASet = TableIsASet.TestCase
TestTableIsASet.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(st.lists(st.builds(digest, st.integers(0, 2), st.integers(0, 3)), max_size=20))
def test_a_digest_that_would_mean_an_empty_slot_is_kept(reserved: list[bytes]) -> None:
    table = RecordTable()
    table.add_all(reserved)
    assert all(probed(table, reserved))
    for one in reserved:
        table.discard(one)
        assert one not in table
    assert len(table) == 0


def test_a_table_of_many_holds_exactly_those() -> None:
    kept, others = digests(50_000), digests(50_000, seed=2)
    table = RecordTable()
    table.add_all(kept[:100])
    table.add_all(kept)
    assert len(table) == 50_000
    assert all(probed(table, kept))
    assert not any(probed(table, others))
    for one in kept[::2]:
        table.discard(one)
    assert probed(table, kept) == [False, True] * 25_000


def test_coming_and_going_needs_no_more_room() -> None:
    table = RecordTable()
    for seed in range(200):
        new = digests(100, seed)
        table.add_all(new)
        for one in new:
            table.discard(one)
    assert len(table) == 0
    assert len(table.words) == record_table.LEAST_SLOTS


def test_it_is_changed_only_by_what_changes_it() -> None:
    one, other = digests(2)
    table = RecordTable()
    table.discard(one)
    table.add_all([])
    assert not table.is_changed
    table.add_all([one])
    assert table.is_changed
    reloaded = RecordTable(table.words, len(table), table.removed)
    reloaded.add_all([one, one])
    reloaded.discard(other)
    assert not reloaded.is_changed
    reloaded.discard(one)
    assert reloaded.is_changed


@pytest.mark.parametrize("count", [0, 1, 10_000, 11_468, 11_469])  # up to 0.7 of 16,384, and one more
def test_room_that_is_asked_for_is_enough(count: int) -> None:
    table = RecordTable.for_count(count)
    slots = len(table.words)
    table.add_all(digests(count))
    assert len(table.words) == slots
    assert count <= 0.7 * slots


def test_only_digests_go_in() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        RecordTable().add_all([b"short"])
    assert "text" not in RecordTable()
