"""Who may be a member, sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_braze.roll import Roll
from target_braze.sealing import Sealer
from target_braze.updates import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADA, BOB = Identity("external_id", "ada"), Identity("user_alias", ("label", "bob"))
KEYS = {ADA: b"a" * 16, BOB: b"b" * 16}


class Store:
    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def members(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(self.kept.items()))

    def put_members(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        self.kept.update(items)

    def delete_members(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self.kept.pop(key, None)


def roll(store: Store, key: bytes = b"k" * 32, stream: int = 1) -> Roll:
    return Roll(store, Sealer(key), stream)


def filled() -> Store:
    store = Store()
    first = roll(store)
    for identity, key in KEYS.items():
        first.enter(key, identity)
    assert not store.kept
    first.write()
    return store


def test_people_are_on_it_by_their_identifier() -> None:
    assert list(roll(filled()).people()) == [(KEYS[ADA], ADA), (KEYS[BOB], BOB)]


def test_nothing_of_them_is_to_be_seen() -> None:
    kept = b"".join(key + value for key, value in filled().kept.items())
    assert b"ada" not in kept
    assert b"bob" not in kept


def test_it_opens_with_its_key_alone_and_in_its_place_alone() -> None:
    store = filled()
    assert not list(roll(store, b"x" * 32).people())
    ada, bob = sorted(store.kept)
    store.kept[ada], store.kept[bob] = store.kept[bob], store.kept[ada]
    assert not list(roll(store).people())


def test_each_stream_has_its_own() -> None:
    store = filled()
    assert not list(roll(store, stream=2).people())
    roll(store, stream=2).strike([KEYS[ADA]])
    roll(store).strike([KEYS[BOB]])
    assert list(roll(store).people()) == [(KEYS[ADA], ADA)]
