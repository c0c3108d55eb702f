"""Packs updates into requests. Pure.

A request is closed before it would pass a limit, never after; it holds a run of updates in the order they were
taken, so that "everything before this point was delivered" is a statement about requests (`acknowledgement.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from target_braze.endpoints import TRACK, Endpoint
from target_braze.limits import MAX_OBJECTS_PER_REQUEST, MAX_REQUEST_BYTES
from target_braze.updates import Identity, Lesson, ObjectKind, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FRAME_BYTES: Final = len('{"attributes":[],"events":[],"purchases":[]}')


class Place(NamedTuple):
    """Where an object stands in a request: Braze names a bad one by array and by index in that array as sent."""

    array: str
    number: int


@dataclass(frozen=True, eq=False)
class Request:
    """One call of an endpoint, before or after some of its objects ended.

    Attributes:
        objects: What it holds, one at least and all for one endpoint, in the order it was taken.
    """

    objects: Sequence[Update]

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes."""
        return self.objects[0].endpoint

    @cached_property
    def identities(self) -> frozenset[Identity]:
        """Whom it is about."""
        if self.endpoint is TRACK:
            return frozenset(map(attrgetter("identity"), self.objects))
        return frozenset(person for update in self.objects for person in update.people)

    @property
    def forgets(self) -> list[Lesson]:
        """What the ledger forgets once Braze accepted it."""
        return [] if self.endpoint is TRACK else [lesson for update in self.objects for lesson in update.forgets]

    @cached_property
    def places(self) -> dict[Place, Update]:
        """Where each of its objects stands; of objects that become one, a place that no answer names."""
        endpoint = self.endpoint
        if endpoint is not TRACK:
            return {Place(endpoint.array, index): update for index, update in enumerate(self.objects)}
        arrays = self._arrays()
        return {Place(kind.value, index): update for kind, updates in arrays for index, update in enumerate(updates)}

    def __contains__(self, place: object) -> bool:
        """Whether one of its objects stands there."""
        return place in self.places

    @property
    def body(self) -> bytes:
        """It as JSON; an array it has nothing for is left out."""
        if self.endpoint is not TRACK:
            return self.endpoint.body(map(_body, self.objects))
        arrays = (
            b'"%b":[%b]' % (kind.value.encode(), b",".join(map(_body, updates))) for kind, updates in self._arrays()
        )
        return b"{%b}" % b",".join(arrays)

    def _arrays(self) -> Iterator[tuple[ObjectKind, Sequence[Update]]]:
        kinds = list(map(_kind, self.objects))
        if kinds.count(kinds[0]) == len(kinds):  # as good as always
            yield kinds[0], self.objects
            return
        for kind, updates in groupby(sorted(self.objects, key=_kind_order), key=_kind):
            yield kind, list(updates)

    def halves(self) -> tuple[Request, Request]:
        """The same objects in two requests, each with one object at least."""
        middle = len(self.objects) // 2
        return Request(self.objects[:middle]), Request(self.objects[middle:])


_body = attrgetter("body")
_kind = attrgetter("kind")
_KINDS: Final = list(ObjectKind)


def _kind_order(update: Update) -> int:
    return _KINDS.index(update.kind)


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
    _objects: list[Update] = field(default_factory=list)
    _counts: Counter[ObjectKind] = field(default_factory=Counter)
    _usual: int = 0

    def __post_init__(self) -> None:
        self._usual = self.max_objects

    _bytes: int = _FRAME_BYTES

    def add(self, update: Update) -> Request | None:
        """Take an update; return the request that had no room for it, now closed."""
        size = len(update.body) + 1  # and a comma
        count = self._counts[update.kind] if self.is_per_array else len(self._objects)
        full = count >= self.max_objects or self._bytes + size > self.max_bytes
        closed = self.close() if full else None
        self._objects.append(update)
        self._bytes += size
        self.position += 1
        if self.is_per_array:
            self._counts[update.kind] += 1
        return closed

    def turn_to(self, endpoint: Endpoint) -> None:
        """Fill requests for another endpoint from now on; the one that is open has been closed."""
        self.endpoint = endpoint
        self.max_objects = self._usual if endpoint is TRACK else endpoint.max_objects

    def excludes(self, body: bytes, people: Sequence[Identity]) -> bool:
        """Whether an object has to go into another request than the open one, though there is room for it."""
        endpoint = self.endpoint
        if endpoint.max_heads and len(self._objects) >= endpoint.max_heads:
            return endpoint.heads([*map(_body, self._objects), body]) > endpoint.max_heads
        return endpoint.is_exclusive and any(not set(people).isdisjoint(other.people) for other in self._objects)

    def has_room(self, size: int) -> bool:
        """Whether an object of so many bytes may take the place of a smaller one."""
        return self._bytes + size <= self.max_bytes

    def replace(self, packed: Update, update: Update | None) -> None:
        """Let an update take the place of one in the request that is open; None only takes that one out."""
        index = next(index for index, other in enumerate(self._objects) if other is packed)
        self._bytes -= len(packed.body) + 1
        self.position += 1
        if update is not None:
            self._objects[index] = update
            self._bytes += len(update.body) + 1
        else:
            del self._objects[index]
            if self.is_per_array:
                self._counts[packed.kind] -= 1

    def close(self) -> Request | None:
        """The request as it is, however full; None if there is nothing in it."""
        if not self._objects:
            return None
        request = Request(tuple(self._objects))
        self._objects.clear()
        self._counts.clear()
        self._bytes = _FRAME_BYTES
        return request
