"""Packs updates into requests. Pure.

A request is closed before it would pass a limit, never after; it holds a run of updates in the order they were
taken, so that "everything before this point was delivered" is a statement about requests (`acknowledgement.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from target_braze.endpoints import TRACK, Endpoint
from target_braze.limits import MAX_OBJECTS_PER_REQUEST, MAX_REQUEST_BYTES
from target_braze.newcomers import Newcomers
from target_braze.updates import Identity, Lesson, ObjectKind, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FRAME_BYTES: Final = len('{"attributes":[],"events":[],"purchases":[]}')


P = TypeVar("P", bound="Update | Newcomers")
Piece: TypeAlias = "Update | Newcomers"
"""What a request is made of: an object, or several at once."""


class Place(NamedTuple):
    """Where an object stands in a request: Braze names a bad one by array and by index in that array as sent."""

    array: str
    number: int


@dataclass(frozen=True, eq=False)
class Request:
    """One call of an endpoint, before or after some of its objects ended.

    Attributes:
        pieces: What it holds, one at least and all for one endpoint, in the order it was taken.
    """

    pieces: Sequence[Piece]

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes."""
        return self.pieces[0].endpoint

    @cached_property
    def newcomers(self) -> Sequence[Newcomers]:
        """Those of its pieces that are several objects."""
        return [piece for piece in self.pieces if isinstance(piece, Newcomers)]

    @cached_property
    def singles(self) -> Sequence[Update]:
        """Those of its pieces that are one object."""
        if not self.newcomers:
            return self.pieces  # type: ignore[return-value]  # there are no others
        return [piece for piece in self.pieces if not isinstance(piece, Newcomers)]

    @cached_property
    def objects(self) -> Sequence[Update]:
        """All of them, one by one; with newcomers that costs as much as packing them one by one."""
        if not self.newcomers:
            return self.singles
        return [
            update for piece in self.pieces for update in (piece.updates if isinstance(piece, Newcomers) else (piece,))
        ]

    @cached_property
    def identities(self) -> frozenset[Identity]:
        """Whom it is about."""
        if self.endpoint is not TRACK:
            return frozenset(person for update in self.singles for person in update.people)
        several = [each.identities for each in self.newcomers]
        return frozenset(chain(map(attrgetter("identity"), self.singles), *several))

    @property
    def data_points(self) -> int:
        """What it costs."""
        several = sum(len(each) * sum(each.shape.data_points.values()) for each in self.newcomers)
        return several + sum(sum(update.shape.data_points.values()) for update in self.singles)

    @property
    def forgets(self) -> list[Lesson]:
        """What the ledger forgets once Braze accepted it."""
        return [] if self.endpoint is TRACK else [lesson for update in self.singles for lesson in update.forgets]

    @cached_property
    def places(self) -> dict[Place, Update]:
        """Where each of its objects stands; of objects that become one, a place that no answer names."""
        endpoint = self.endpoint
        if endpoint is not TRACK:
            return {Place(endpoint.array, index): update for index, update in enumerate(self.objects)}
        arrays = _by_kind(self.objects)
        return {Place(kind.value, index): update for kind, updates in arrays for index, update in enumerate(updates)}

    def __contains__(self, place: object) -> bool:
        """Whether one of its objects stands there."""
        return place in self.places

    @property
    def body(self) -> bytes:
        """It as JSON; an array it has nothing for is left out."""
        if self.endpoint is not TRACK:
            return self.endpoint.body(map(_body, self.pieces))
        arrays = (
            b'"%b":[%b]' % (kind.value.encode(), b",".join(map(_body, pieces)))
            for kind, pieces in _by_kind(self.pieces)
        )
        return b"{%b}" % b",".join(arrays)

    def halves(self) -> tuple[Request, Request]:
        """The same objects, of which there are two at least, in two requests."""
        middle = len(self.objects) // 2
        return Request(self.objects[:middle]), Request(self.objects[middle:])


_body = attrgetter("body")
_kind = attrgetter("kind")
_KINDS: Final = list(ObjectKind)


def _by_kind(pieces: Sequence[P]) -> Iterator[tuple[ObjectKind, Sequence[P]]]:
    """Pieces for one array after another; in each array they keep their order."""
    kinds = list(map(_kind, pieces))
    if kinds.count(kinds[0]) == len(kinds):  # as good as always
        yield kinds[0], pieces
        return
    for kind, of_kind in groupby(sorted(pieces, key=_kind_order), key=_kind):
        yield kind, list(of_kind)


def _kind_order(piece: Piece) -> int:
    return _KINDS.index(piece.kind)


@dataclass
class Packer:
    """Fills one request at a time.

    Attributes:
        max_objects: Most objects in a request: over its arrays together or in each of them.
        is_per_array: Whether each array has that limit to itself, as in legacy contracts.
        max_bytes: Most bytes of a request's body.
        position: How many updates were taken so far, those included that took another's place.
        endpoint: Where the request goes that is being filled.
    """

    max_objects: int = MAX_OBJECTS_PER_REQUEST
    is_per_array: bool = False
    max_bytes: int = MAX_REQUEST_BYTES
    position: int = 0
    endpoint: Endpoint = TRACK
    _pieces: list[Piece] = field(default_factory=list)
    _count: int = 0
    _counts: Counter[ObjectKind] = field(default_factory=Counter)
    _usual: int = 0

    def __post_init__(self) -> None:
        self._usual = self.max_objects

    _bytes: int = _FRAME_BYTES

    def add(self, update: Update) -> Request | None:
        """Take an update; return the request that had no room for it, now closed."""
        size = len(update.body) + 1  # and a comma
        count = self._counts[update.kind] if self.is_per_array else self._count
        full = count >= self.max_objects or self._bytes + size > self.max_bytes
        closed = self.close() if full else None
        self._pieces.append(update)
        self._count += 1
        self._bytes += size
        self.position += 1
        if self.is_per_array:
            self._counts[update.kind] += 1
        return closed

    def room_for(self, kind: ObjectKind) -> int:
        """How many more objects of a kind may go into the request that is open."""
        return self.max_objects - (self._counts[kind] if self.is_per_array else self._count)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the request that is open."""
        return not self._pieces

    def add_newcomers(self, newcomers: Newcomers) -> None:
        """Take the updates of several people, for which there is room."""
        self._pieces.append(newcomers)
        self._count += len(newcomers)
        self._bytes += len(newcomers.body) + 1
        self.position += len(newcomers)
        if self.is_per_array:
            self._counts[newcomers.kind] += len(newcomers)

    def take_apart(self, newcomers: Newcomers) -> None:
        """Let the updates of several people take their place in the request that is open."""
        at = next(index for index, piece in enumerate(self._pieces) if piece is newcomers)
        self._pieces[at : at + 1] = newcomers.updates

    def turn_to(self, endpoint: Endpoint) -> None:
        """Fill requests for another endpoint from now on; the one that is open has been closed."""
        self.endpoint = endpoint
        self.max_objects = self._usual if endpoint is TRACK else endpoint.max_objects

    def excludes(self, body: bytes, people: Sequence[Identity]) -> bool:
        """Whether an object has to go into another request than the open one, though there is room for it."""
        endpoint = self.endpoint
        if endpoint.max_heads and self._count >= endpoint.max_heads:
            return endpoint.heads([*map(_body, self._pieces), body]) > endpoint.max_heads
        others = (piece for piece in self._pieces if not isinstance(piece, Newcomers))
        return endpoint.is_exclusive and any(not set(people).isdisjoint(other.people) for other in others)

    def has_room(self, size: int) -> bool:
        """Whether an object of so many bytes may take the place of a smaller one."""
        return self._bytes + size <= self.max_bytes

    def replace(self, packed: Update, update: Update | None) -> None:
        """Let an update take the place of one in the request that is open; None only takes that one out."""
        index = next(index for index, other in enumerate(self._pieces) if other is packed)
        self._bytes -= len(packed.body) + 1
        self.position += 1
        if update is not None:
            self._pieces[index] = update
            self._bytes += len(update.body) + 1
        else:
            del self._pieces[index]
            self._count -= 1
            if self.is_per_array:
                self._counts[packed.kind] -= 1

    def close(self) -> Request | None:
        """The request as it is, however full; None if there is nothing in it."""
        if not self._pieces:
            return None
        request = Request(tuple(self._pieces))
        self._pieces.clear()
        self._count = 0
        self._counts.clear()
        self._bytes = _FRAME_BYTES
        return request
