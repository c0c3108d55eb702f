"""What a second process finds out about records before their turn comes, and the frames in which it says so. Pure.

It is what `compiled.py`, `hashes.py` and `updates.py` make of the same record in this process, or nothing: a record
that needs judgement is left to the process that reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from target_braze import entries
from target_braze.hashes import KEY_BYTES, value_hashes

if TYPE_CHECKING:
    from target_braze.compiled import CompiledMapper
    from target_braze.hashes import Hasher
    from target_braze.sealing import Cover
    from target_braze.stream_settings import StreamSettings

FRAME: Final = struct.Struct("<III")
"""What stands before each frame: how many bytes follow, the number of a way of mapping, and that of the heap.

The reading process numbers heaps from 1 on and ways as it likes, and what follows is a `Heap`. Heap 0 is no heap: the
first such frame is the ledger's key, each later one is a `Way`. The other process answers each heap, in order, with a
frame of the same numbers and a `MappedHeap`, and says with a heap 0 that it is ready.
"""
NO_HEAP: Final = 0
NOBODY: Final = b""
"""In the place of what stands for a person."""
BETWEEN: Final = b"\n"
"""Stands between records, which are lines."""


@dataclass(frozen=True, eq=False)
class Way:
    """A way of mapping: what `Mapper` and `CompiledMapper` are made of.

    Attributes:
        layout: The numbers in the ledger of the list of its attributes and of the stream; None if of new people not all
            is learned that their records say.
    """

    stream: str
    schema: dict[str, Any]
    settings: StreamSettings
    key_properties: Sequence[str]
    layout: tuple[int, int] | None = None


class Values(Sequence[bytes]):
    """The values in an object, found when one is asked for: of new people, as good as never.

    Args:
        body: The object as JSON.
        names: The attributes.
    """

    __slots__ = ("_body", "_found", "_names")

    def __init__(self, body: bytes, names: Sequence[str]) -> None:
        self._body = body
        self._names = names
        self._found: list[bytes] = []

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        if not self._found:
            fields = _decode_fields(self._body)
            self._found = [bytes(fields[name]) for name in self._names]
        return self._found[index]


class Heap(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Records to be mapped ahead.

    Attributes:
        records: Each as JSON, with a line end between them: that is one copy, of pieces of a block.
        digests: What stands for each in the ledger; None for one that needs judgement.
    """

    records: bytes
    digests: list[bytes | None]


class Details(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a record says of a person, but for what `MappedHeap` has; see `Attributes`.

    Attributes:
        points: Data points that each costs; None if what the form says holds.
        is_mergeable: Whether a later value replaces an earlier one.
        key: What stands for the person in the ledger.
        seed: The seed for the hashes of their values.
        hashes: Those hashes, one behind the other.
    """

    points: tuple[int, ...] | None
    is_mergeable: bool
    key: Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
    seed: int
    hashes: bytes


class MappedAhead(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a record says of a person.

    Attributes:
        name: The identifier's value.
        body: The object with all that it says.
        details: All else.
    """

    name: str
    body: bytes
    details: Details

    @property
    def person(self) -> tuple[bytes, int]:
        """What stands for the person, and the seed."""
        return self.details.key, self.details.seed


class MappedHeap(msgspec.Struct, array_like=True, frozen=True, gc=False, eq=False):
    """What the records of a heap say, in columns; what is seldom asked for is decoded when it is.

    Attributes:
        names: The identifier's value.
        keys: What stands for the person; `NOBODY` if the record needs judgement, or costs or merges otherwise than its
            form says.
        ends: Where its object ends in `bodies`, comma included.
        bodies: The objects with all that each says, with a comma behind each; nothing of one that needs judgement.
        learned: What the ledger is to keep, covered, if it knew nothing of the person; nothing if that cannot be told.
        details: All else, as MessagePack: of each record `Details`, None if it needs judgement.
    """

    names: list[str]
    keys: list[bytes]
    ends: list[int]
    bodies: bytes
    learned: list[bytes]
    details: bytes

    def __len__(self) -> int:
        return len(self.names)

    def objects(self, start: int, stop: int) -> bytes:
        """The objects of some of them, with a comma between."""
        return self.bodies[self.ends[start - 1] if start else 0 : self.ends[stop - 1] - 1]

    def mapped(self) -> list[MappedAhead | None]:
        """What each says, record by record.

        Raises:
            msgspec.MsgspecError: If the details are not what they should be.
        """
        return [
            None if details is None else MappedAhead(self.names[index], self.objects(index, index + 1), details)
            for index, details in enumerate(_decode_details(self.details))
        ]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.keys) == len(self.ends) or len(self.learned) not in {0, len(self.names)}:
            raise ValueError("columns differ in length")


encode: Final = msgspec.msgpack.Encoder().encode
decode_heap: Final = msgspec.msgpack.Decoder(Heap).decode
decode: Final = msgspec.msgpack.Decoder(MappedHeap).decode
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_details: Final = msgspec.msgpack.Decoder(list[Details | None]).decode
NOTHING: Final = MappedHeap([], [], [], b"", [], encode([]))


class MapperAhead:
    """Maps records that are plain.

    Args:
        mapper: Maps one.
        hasher: Makes the ledger's hashes.
        cover: Covers what the ledger keeps.
        layout: As in `Way`.
    """

    def __init__(self, mapper: CompiledMapper, hasher: Hasher, cover: Cover, layout: tuple[int, int] | None) -> None:
        self._map = mapper.map_lines
        self._identity = hasher.identity
        self._cover = cover.cover
        self._layout = layout

    def map(self, heap: Heap) -> MappedHeap:
        """What each record of a heap says."""
        count = len(heap.digests)
        names, keys, bodies, hashes = [""] * count, [NOBODY] * count, [b""] * count, [b""] * count
        details: list[Details | None] = [None] * count
        for index, said in enumerate(self._map(heap.records)):
            if said is None or heap.digests[index] is None:
                continue
            key, seed = self._identity(said.identity)
            values = said.values
            names[index] = str(said.identity.value)
            bodies[index] = said.form.body(said.named, values, range(len(values)))
            hashes[index] = value_hashes(values, seed)
            if said.points is None and said.is_mergeable:
                keys[index] = key
            details[index] = Details(said.points, said.is_mergeable, key, seed, hashes[index])
        ends = list(accumulate(len(body) + 1 if body else 0 for body in bodies))
        joined = b"".join([body + b"," if body else b"" for body in bodies])
        return MappedHeap(names, keys, ends, joined, self._learned(hashes, heap.digests), encode(details))

    def _learned(self, hashes: Sequence[bytes], digests: Sequence[bytes | None]) -> list[bytes]:
        """What the ledger is to keep of each; of one that needs judgement, something that nobody asks for."""
        size = max(map(len, hashes))
        if self._layout is None or not size:
            return []
        head, middle, tail = entries.frame(*self._layout, size)
        both = zip(hashes, digests, strict=True)
        return self._cover([b"".join((head, each, middle, digest or b"", tail)) for each, digest in both])
