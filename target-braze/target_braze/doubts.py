"""Updates of which nobody knows whether Braze applied them: sent by a run that ended before it saw the answer. Pure.

To the ledger such a person still has the value A, to Braze perhaps B already. If the next record says A, it would look
unchanged and Braze would keep B. So requests that change what the ledger knows are noted before they are handed over,
and the next run forgets those values that were never settled: whatever is said of them next is sent.

A note survives its process, not always the machine: it is not synced, which would cost more than sending the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze import entries
from target_braze.entries import NEVER, PERHAPS, Entry
from target_braze.hashes import VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.changes import Store
    from target_braze.names import Get, Names, Put
    from target_braze.updates import Lesson, Update


class Doubt(msgspec.Struct, array_like=True, frozen=True):
    """What was to change of one person.

    Attributes:
        key: What stands for the person.
        numbers: The numbers of the attributes.
        said: Number of one that adds to what Braze has → the hash of its value: if the ledger knows that, Braze has
            accepted it, and to forget it would be to add it once more.
    """

    key: bytes
    numbers: tuple[int, ...]
    said: dict[int, bytes] = {}


_NOTE: Final = "doubt:{}"
_NONE: Final = msgspec.msgpack.encode([])
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Doubt]).decode


class Doubts:
    """Notes of the requests that are under way, as many as there are at once.

    Args:
        get: Reads what was kept under a name.
        put: Keeps something under a name, before anything that is put after it.

    Attributes:
        memberships: The numbers of what is known of memberships: noted also of people whom the ledger does not know,
            for who may have entered has to be told when they leave.
        has_additions: Whether there may be attributes that add to what Braze has.
    """

    def __init__(self, get: Get, put: Put) -> None:
        self.memberships: frozenset[int] = frozenset()
        self.has_additions = False
        self._get = get
        self._put = put
        self._places = 0
        self._free: list[int] = []
        self._taken: dict[int, int] = {}

    def left(self) -> list[Doubt]:
        """What the last run left; to be asked before anything is noted."""
        found: list[Doubt] = []
        while (note := self._get(_NOTE.format(self._places))) is not None:
            found += _decode(note)
            self._free.append(self._places)
            self._places += 1
        return found

    def clear(self) -> None:
        """Take all notes back that the last run left."""
        for place in self._free:
            self._put(_NOTE.format(place), _NONE)

    def note(self, position: int, objects: Iterable[Update], forgets: Iterable[Lesson] = ()) -> None:
        """Note a request, before it may leave.

        Args:
            position: What it is known by.
            objects: What is in it.
            forgets: What the ledger forgets when Braze accepts it.
        """
        lessons = [update.lesson for update in objects if update.lesson is not None]
        lessons += forgets
        doubts: list[Any] = [(lesson.key, lesson.numbers) for lesson in lessons if lesson.before is not None]
        if self.has_additions:
            doubts = [
                Doubt(lesson.key, lesson.numbers, {each.number: each.said for each in lesson.additions})
                for lesson in lessons
                if lesson.before is not None
            ]
        if self.memberships:
            doubts += [
                (lesson.key, numbers)
                for lesson in lessons
                if lesson.before is None and (numbers := tuple(self.memberships.intersection(lesson.numbers)))
            ]
        if not doubts:
            return  # of people whom the ledger does not know everything is sent in any case
        try:
            place = self._free.pop()
        except IndexError:
            place = self._places
            self._places += 1
        self._taken[position] = place
        self._put(_NOTE.format(place), _encode(doubts))

    def ended(self, position: int) -> None:
        """Take back the note of a request, once all that became of it is recorded; on the delivery's thread."""
        place = self._taken.pop(position, None)
        if place is not None:
            self._put(_NOTE.format(place), _NONE)
            self._free.append(place)


def forget(doubts: Iterable[Doubt], store: Store, names: Names) -> int:
    """Forget the values that are in doubt; whether somebody is in an audience becomes perhaps.

    Returns:
        Of how many people there was one.
    """
    entries_after: dict[bytes, bytes] = {}
    memberships = names.memberships
    for doubt in doubts:
        key, numbers = doubt.key, doubt.numbers
        value = entries_after.get(key) or store.get(key)
        perhaps = memberships.intersection(numbers)
        if value is None and not perhaps:
            continue
        entry = Entry(names.layout(()), b"") if value is None else entries.decode(value)
        if unheard := tuple(sorted(perhaps.difference(names.numbers(entry.layout)))):
            layout = names.layout((*names.numbers(entry.layout), *unheard))
            entry = Entry(layout, entry.hashes + NEVER * len(unheard), entry.records, entry.marks)
        for digest in entry.records.values():
            store.table.discard(digest)
        hashes = [entry.hashes[at : at + VALUE_BYTES] for at in range(0, len(entry.hashes), VALUE_BYTES)]
        marks = dict(entry.marks)
        for index, number in enumerate(names.numbers(entry.layout)):
            if number in numbers and hashes[index] != doubt.said.get(number):
                hashes[index] = PERHAPS if number in memberships else NEVER
                marks.pop(number, None)
        entries_after[key] = entries.encode(Entry(entry.layout, b"".join(hashes), {}, marks))
    if entries_after:
        store.put_many(list(entries_after.items()))
    return len(entries_after)
