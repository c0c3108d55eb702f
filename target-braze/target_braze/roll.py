"""Who may be a member of a stream's audiences: the one place where the ledger keeps whom it is about, sealed. Pure.

To tell Braze that somebody left whose record does not come any more takes their identifier, of which the rest of the
ledger has only a hash. A person is on the roll from before Braze is first told that they entered until it is known
that they left, so that whoever may be in is on it; whether they are in, their flags say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from target_braze.hashes import KEY_BYTES
from target_braze.updates import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_braze.sealing import Sealer

_STREAM: Final = struct.Struct(">I")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[str, str | tuple[str, str]]).decode


class Store(Protocol):
    """Where the roll is kept."""

    def members(self) -> Iterator[tuple[bytes, bytes]]:
        """All that was put, in the order of its keys."""

    def put_members(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep something."""

    def delete_members(self, keys: Sequence[bytes]) -> None:
        """Forget something."""


class Roll:
    """The roll of one stream.

    Args:
        store: Where it is kept.
        sealer: Seals what is kept.
        stream: The stream's number in the ledger.
    """

    def __init__(self, store: Store, sealer: Sealer, stream: int) -> None:
        self._store = store
        self._sealer = sealer
        self._stream = _STREAM.pack(stream)
        self._new: dict[bytes, Identity] = {}

    def enter(self, key: bytes, identity: Identity) -> None:
        """Put a person on the roll; it is written by `write`.

        Args:
            key: What stands for the person in the ledger.
            identity: Whom.
        """
        self._new[key] = identity

    def write(self) -> None:
        """Write who was put on it: before Braze is told that they entered."""
        if self._new:
            entered = [(key + self._stream, identity) for key, identity in self._new.items()]
            self._store.put_members([(place, self._sealer.seal(_encode(whom), place)) for place, whom in entered])
            self._new.clear()

    def strike(self, keys: Iterable[bytes]) -> None:
        """Take people off it."""
        self._store.delete_members([key + self._stream for key in keys])

    def people(self) -> Iterator[tuple[bytes, Identity]]:
        """All who are on it, with what stands for each in the ledger, in that order."""
        for place, sealed in self._store.members():
            if place[KEY_BYTES:] == self._stream and (opened := self._sealer.open(sealed, place)) is not None:
                yield place[:KEY_BYTES], Identity(*_decode(opened))
