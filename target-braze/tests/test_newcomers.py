"""People of whom nothing is known, many at once: the same as one by one, and the updates only where somebody asks.

That whole runs are the same is a law of `test_mapping_ahead.py`; here is what no run shows.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from target_braze import entries
from target_braze.changes import Changes
from target_braze.compiled import CompiledMapper
from target_braze.hashes import Hasher
from target_braze.mapped_ahead import BETWEEN, Heap, MapperAhead
from target_braze.mapping import Mapper
from target_braze.names import Names
from target_braze.newcomers import Newcomers
from target_braze.packing import Packer, Request
from target_braze.record_table import RecordTable
from target_braze.sealing import Cover, Sealer
from target_braze.stream_settings import StreamSettings

KEY = b"k" * 32
SCHEMA = {"properties": {"external_id": {"type": "string"}, "plan": {"type": ["string", "null"]}}}


class FakeLedger:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.table = RecordTable()
        self.known: dict[bytes, bytes] = {}
        self.meta: dict[str, bytes] = {}
        self._cover = Cover(KEY)

    def get(self, key: bytes) -> bytes | None:
        return self.known.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.known.get(key) for key in keys]

    def put_many(self, items: Any) -> None:
        self.known.update(items)

    def put_covered(self, keys: Any, values: Any) -> None:
        self.known.update(zip(keys, self._cover.uncover(list(values)), strict=True))

    def delete_many(self, keys: Any) -> None:
        raise AssertionError("nobody is forgotten here")


class World:
    """What is needed to take heaps of records about new people."""

    def __init__(self) -> None:
        self.ledger = FakeLedger()
        names = Names(self.ledger.meta.get, self.ledger.meta.__setitem__)
        hasher = Hasher(KEY)
        self.changes = Changes(self.ledger, names, hasher, Sealer(KEY), 0)  # type: ignore[arg-type]
        mapper = Mapper("people", SCHEMA, StreamSettings())
        self.changes.begin(mapper)
        self.compiled = CompiledMapper(mapper, ())
        terms = self.changes.terms("people", "external_id", self.compiled.form, self.compiled.attributes)
        assert terms is not None
        self.terms = terms
        self._ahead = MapperAhead(self.compiled, hasher, Cover(KEY), (terms.layout, terms.number))

    def newcomers(self, *names: str) -> Newcomers:
        records = [json.dumps({"external_id": name, "plan": name.upper()}).encode() for name in names]
        digests = [name.encode().ljust(16, b".") for name in names]
        heap = self._ahead.map(Heap(BETWEEN.join(records), list(digests)))
        self.changes.fetch_people(heap.keys)
        assert all(self.changes.are_new(heap.keys))
        return Newcomers(self.terms, heap, digests, 0, len(names))

    def is_known(self, newcomers: Newcomers) -> list[bool]:
        return [key in self.ledger.known for key in newcomers.keys]


@pytest.fixture
def world() -> World:
    return World()


def test_they_hold_what_their_updates_would(world: World) -> None:
    newcomers = world.newcomers("a", "b", "c")
    assert not newcomers.is_made
    body, identities = newcomers.body, list(newcomers.identities)
    updates = newcomers.updates
    assert newcomers.is_made
    assert body == b",".join(update.body for update in updates)
    assert identities == [update.identity for update in updates]
    assert {update.shape for update in updates} == {newcomers.shape}
    assert [update.lesson.key for update in updates if update.lesson] == newcomers.keys
    learned = Cover(KEY).uncover(list(newcomers.learned))
    assert learned == [entries.encode(update.lesson.after) for update in updates if update.lesson]


def test_both_threads_are_given_the_same_updates(world: World) -> None:
    newcomers = world.newcomers(*(f"p{number}" for number in range(75)))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(newcomers.updates)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(updates) for updates in found}) == 1


def test_nothing_of_them_is_pending_once_they_are_settled(world: World) -> None:
    changes, newcomers = world.changes, world.newcomers("a", "b", "c")
    changes.enter(newcomers)
    assert not any(changes.are_new(newcomers.keys))
    changes.packed()
    assert world.is_known(newcomers) == [False] * 3
    changes.arrived([newcomers])
    assert world.is_known(newcomers) == [True] * 3
    changes.settle()
    assert not changes._pending
    assert not changes._fetched
    changes.flush()
    assert all(digest in world.ledger.table for digest in newcomers.digests)
    assert not newcomers.is_made


@pytest.mark.parametrize("made_by", ["a later record", "an answer"])
def test_they_are_settled_one_by_one_when_somebody_asked(world: World, made_by: str) -> None:
    changes, newcomers = world.changes, world.newcomers("a", "b", "c")
    changes.enter(newcomers)
    changes.packed()
    if made_by == "a later record":
        person = (newcomers.keys[1], 0)
        expected = changes.expected(person)
        assert expected is not None
        assert expected.records == {world.terms.number: newcomers.digests[1]}
    lessons = newcomers.lessons
    changes.accepted(lessons[:2])
    changes.rejected(lessons[2])
    changes.settle()
    assert not changes._pending
    assert world.is_known(newcomers) == [True, True, False]
    changes.flush()
    assert [digest in world.ledger.table for digest in newcomers.digests] == [True, True, False]


def test_of_people_in_the_open_request_more_can_be_said_in_the_same_object(world: World) -> None:
    changes, packer, newcomers = world.changes, Packer(), world.newcomers("a", "b")
    changes.enter(newcomers)
    packer.add_newcomers(newcomers)
    person = (newcomers.keys[0], 0)
    assert not changes.is_open(person)
    assert changes.take_apart(person) is newcomers
    packer.take_apart(newcomers)
    assert changes.is_open(person)
    assert not changes.has_open_newcomers
    assert changes.take_apart(person) is None
    request = packer.close()
    assert request is not None
    assert list(request.pieces) == list(newcomers.updates)


def test_a_request_with_them_is_the_same_as_one_with_their_updates(world: World) -> None:
    newcomers, others = world.newcomers("a", "b", "c"), world.newcomers("d", "e")
    packer = Packer(max_objects=6)
    packer.add_newcomers(newcomers)
    assert packer.room_for(Newcomers.kind) == 3
    assert packer.add(others.updates[0]) is None
    assert packer.position == 4
    request = packer.close()
    assert request is not None
    assert packer.room_for(Newcomers.kind) == 6
    assert not newcomers.is_made
    body, identities, points = request.body, request.identities, request.data_points
    alone = Request([*newcomers.updates, others.updates[0]])
    assert (body, identities, points) == (alone.body, alone.identities, alone.data_points)
    assert list(request.objects) == list(alone.objects)
    assert request.places == alone.places
    assert [len(half.objects) for half in request.halves()] == [2, 2]


def test_objects_too_many_bytes_for_a_request_have_no_room(world: World) -> None:
    newcomers = world.newcomers("a", "b", "c")
    packer = Packer(max_bytes=len(newcomers.body) + 40)
    assert not packer.has_room(len(newcomers.body) + 1)
    packer = Packer(max_bytes=len(newcomers.body) + 60)
    assert packer.has_room(len(newcomers.body) + 1)
    packer.add_newcomers(newcomers)
    assert not packer.has_room(len(newcomers.body) + 1)
