"""What a second process finds out about records before their turn comes, and the frames in which it says so. Pure.

It is what `compiled.py`, `hashes.py` and `updates.py` make of the same record in this process, or nothing: a record
that needs judgement is left to the process that reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from target_braze.hashes import KEY_BYTES, value_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_braze.compiled import CompiledMapper
    from target_braze.hashes import Hasher
    from target_braze.stream_settings import StreamSettings

FRAME: Final = struct.Struct("<III")
"""What stands before each frame: how many bytes follow, the number of a way of mapping, and that of the heap.

The reading process numbers heaps from 1 on and ways as it likes, and its heaps are records with a line end between
them. Heap 0 is no heap: the first such frame is the ledger's key, each later one is a `Way`. The other process answers
each heap, in order, with a frame of the same numbers, and says with a heap 0 that it is ready.
"""
NO_HEAP: Final = 0
BETWEEN: Final = b"\n"
"""Stands between records, which are lines, and between values, which are JSON as `msgspec` writes it."""


@dataclass(frozen=True, eq=False)
class Way:
    """A way of mapping: what `Mapper` and `CompiledMapper` are made of."""

    stream: str
    schema: dict[str, Any]
    settings: StreamSettings
    key_properties: Sequence[str]


class Lines(Sequence[bytes]):
    """Values with a line end between them, taken apart when they are asked for: of new people, as good as never."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __len__(self) -> int:
        return self._text.count(BETWEEN) + 1

    def __getitem__(self, index: Any) -> Any:
        return self._text.split(BETWEEN)[index]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._text.split(BETWEEN))


class MappedAhead(msgspec.Struct, array_like=True, frozen=True, gc=False, eq=False):
    """What a record says of a person; see `Attributes`.

    Attributes:
        name: The identifier's value.
        named: The identifier as an object holds it.
        values: The JSON of each value, with a line end between them.
        points: Data points that each costs; None if what the form says holds.
        is_mergeable: Whether a later value replaces an earlier one.
        person: What stands for the person in the ledger, and the seed for the hashes of their values.
        hashes: Those hashes, one behind the other.
        body: The object with all of them.
    """

    name: str
    named: bytes
    values: bytes
    points: tuple[int, ...] | None
    is_mergeable: bool
    person: tuple[Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)], int]
    hashes: bytes
    body: bytes


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(list[MappedAhead | None]).decode


def map_ahead(records: Sequence[bytes], mapper: CompiledMapper, hasher: Hasher) -> list[MappedAhead | None]:
    """What each record says; None for one that needs judgement."""
    return [_map(record, mapper, hasher) for record in records]


def _map(record: bytes, mapper: CompiledMapper, hasher: Hasher) -> MappedAhead | None:
    attributes = mapper.map(record)
    if attributes is None:
        return None
    person = hasher.identity(attributes.identity)
    values, named = attributes.values, attributes.named
    return MappedAhead(
        str(attributes.identity.value),
        named,
        BETWEEN.join(values),
        attributes.points,
        attributes.is_mergeable,
        person,
        value_hashes(values, person[1]),
        attributes.form.body(named, values, range(len(values))),
    )
