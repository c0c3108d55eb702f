"""People of whom the ledger knows nothing and of whom nothing is under way, up to a request full at once. Pure.

In a first run that is everybody. Of somebody the ledger knows nothing of, everything is sent and everything is learned:
there is nothing to compare and nothing to choose, so that what is done elsewhere for one update after another is done
here for all of them together. The updates themselves are made when somebody asks for one: because a later record is
about one of these people, or because Braze rejected one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, ClassVar, Final

from target_braze.endpoints import TRACK, Endpoint
from target_braze.entries import Entry
from target_braze.updates import Lesson, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_braze.mapped_ahead import MappedAhead, MappedHeap
    from target_braze.updates import Attributes, Form, Identity, Shape, Update

FEWEST: Final = 8
"""Fewer are taken one by one: what is done for all of them together costs as much as for some."""


@dataclass(frozen=True, eq=False)
class Terms:
    """What the records of a stream have in common that give the same attributes.

    Attributes:
        stream: The stream.
        number: Its number in the ledger.
        identified_by: By which identifier.
        form: The attributes.
        layout: The number of the list of them in the ledger.
        numbers: The number of each.
        attributes: Makes of one record what mapping would make of it.
    """

    stream: str
    number: int
    identified_by: str
    form: Form
    layout: int
    numbers: tuple[int, ...]
    attributes: Callable[[MappedAhead], Attributes]


class Newcomers:
    """The updates of several people, one record of each; in the place of as many updates.

    Args:
        terms: What their records have in common.
        heap: What records say; those that are meant are of another person each.
        digests: What stands for each record of the heap in the ledger.
        start: The first of them.
        stop: The first behind them.

    Attributes:
        keys: What stands for each person in the ledger.
        digests: What stands for each record there.
        learned: What it is to keep of each when Braze accepts all, covered.
        body: The objects as JSON, with a comma between them.
    """

    endpoint: ClassVar[Endpoint] = TRACK
    kind: ClassVar[ObjectKind] = ObjectKind.ATTRIBUTES
    __slots__ = ("_heap", "_lock", "_names", "_place", "_updates", "body", "digests", "keys", "learned", "terms")

    def __init__(self, terms: Terms, heap: MappedHeap, digests: Sequence[bytes], start: int, stop: int) -> None:
        self.terms = terms
        self.keys = heap.keys[start:stop]
        self.digests = digests[start:stop]
        self.learned = heap.learned[start:stop]
        self.body = heap.objects(start, stop)
        self._names = heap.names[start:stop]
        self._heap = heap
        self._place = slice(start, stop)
        self._updates: tuple[Update, ...] = ()
        self._lock = threading.Lock()
        """Both threads may ask, and are to be given the same."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def stream(self) -> str:
        """The stream their records came from."""
        return self.terms.stream

    @property
    def identities(self) -> Iterable[Identity]:
        """Whom they are about."""
        return zip(repeat(self.terms.identified_by), self._names)  # type: ignore[return-value]  # equal

    @property
    def shape(self) -> Shape:
        """What each of them costs."""
        return self.terms.form.shape(tuple(range(len(self.terms.form.names))), None)

    @property
    def attributes(self) -> list[Attributes]:
        """What each record says."""
        return [self.terms.attributes(each) for each in self._heap.mapped()[self._place] if each is not None]

    @property
    def is_made(self) -> bool:
        """Whether the updates were made."""
        return bool(self._updates)

    @property
    def updates(self) -> tuple[Update, ...]:
        """They one by one; the same each time."""
        with self._lock:
            if not self._updates:
                self._updates = tuple(map(self._update, self.attributes, self.keys, self.digests))
            return self._updates

    @property
    def lessons(self) -> list[Lesson]:
        """What the ledger learns of each."""
        return [update.lesson for update in self.updates if update.lesson is not None]

    def _update(self, attributes: Attributes, key: bytes, digest: bytes) -> Update:
        terms = self.terms
        hashes = b"" if attributes.ahead is None else attributes.ahead.details.hashes
        after = Entry(terms.layout, hashes, {terms.number: digest})
        lesson = Lesson(key, None, after, terms.numbers, is_after_another=False)
        return attributes.update(tuple(range(len(terms.numbers))), 1, lesson)
