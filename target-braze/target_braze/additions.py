"""Operations that add to what Braze has, so that twice is not the same as once: `inc`, and `$add`. Pure.

To the ledger an operation is a value like any other, of which it knows the last that Braze accepted. Besides, before a
request with one may leave, the operation is noted there as in doubt, as events and purchases are (`occurrences.py`);
the note goes once Braze accepted it, or has certainly done nothing. One that is left tells a later run that nobody
knows: the same operation is sent again then, so that none is missing, or held, so that none is done twice.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from target_braze.hashes import VALUE_BYTES
from target_braze.occurrences import SECONDS_A_DAY, Known
from target_braze.updates import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.hashes import Hasher
    from target_braze.updates import Attributes, Update

IN_DOUBT: Final = "in_doubt"
"""What holds them, as the settings and the summary call it."""
_BEGINNINGS: Final = (b'{"$add":', b'{"inc":')
"""How their values begin in JSON with keys in order; what else begins so is in doubt as well, which does no harm."""
_NAME: Final = b"addition:%b:%b"


class Addition(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An operation that adds to what Braze has, so that twice is not the same as once.

    Attributes:
        name: The attribute.
        number: Its number in the ledger.
        key: What stands for it there: for the person, so that it is forgotten with them, and the attribute.
        said: The hash of its value.
        note: What is kept of it while nobody knows whether Braze has done it.
    """

    name: str
    number: int
    key: bytes
    said: bytes
    note: bytes


class Note(Known, array_like=True, frozen=True, gc=False):
    """What the ledger keeps of one that is in doubt.

    Attributes:
        said: The hash of its value.
    """

    said: bytes = b""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Note).decode


class Found(NamedTuple):
    """What of the attributes of a record adds to what Braze has.

    Attributes:
        additions: What is to be sent of it.
        doubtful: The indexes of those that are held, for nobody knows whether Braze has done them already.
        since: Since when that is so of the first of them; days since 1970.
    """

    additions: tuple[Addition, ...] = ()
    doubtful: tuple[int, ...] = ()
    since: int = 0


_NOTHING: Final = Found()


class Store(Protocol):
    """Where notes are kept."""

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is kept of some."""

    def put_occurrences(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Replace what is kept of some; None takes it out."""

    def sync(self) -> None:
        """Make durable what was put."""


class Additions:
    """Knows which additions are in doubt: one at most of each attribute of a person, as one at most is under way.

    Attributes:
        is_any: Whether this run has met any.
        again: Stream → how many were sent though they may have been done already.

    Args:
        store: The ledger.
        hasher: Makes its hashes.
        now: When the run began, in Unix seconds.
    """

    def __init__(self, store: Store, hasher: Hasher, now: int) -> None:
        self.is_any = False
        self.again: Counter[str] = Counter()
        self._store = store
        self._hasher = hasher
        self._today = now // SECONDS_A_DAY
        self._under_way: dict[bytes, Addition] = {}
        self._ended: deque[Addition] = deque()
        self._before: dict[bytes, bytes | None] = {}

    # On the thread that reads

    def find(
        self,
        attributes: Attributes,
        chosen: Iterable[int],
        person: bytes,
        hashes: bytes,
        *,
        numbers: Sequence[int],
        stream: int,
        is_held: bool,
    ) -> Found:
        """What of the attributes to be sent adds to what Braze has, and what of that is in doubt.

        Args:
            attributes: What the record says.
            chosen: The indexes of those to be sent.
            person: What stands for the person.
            hashes: The hash of each value, one behind the other.
            numbers: The number of each attribute.
            stream: The number of the stream.
            is_held: Whether what is in doubt is held.
        """
        adding = [index for index in chosen if attributes.values[index].startswith(_BEGINNINGS)]
        if not adding:
            return _NOTHING
        self.is_any = True
        while self._ended:
            ended = self._ended.popleft()
            if self._under_way.get(ended.key) is ended:
                del self._under_way[ended.key]
        additions, doubtful, since = [], [], 0
        for index in adding:
            name, said = attributes.form.names[index], hashes[index * VALUE_BYTES : (index + 1) * VALUE_BYTES]
            key = person + self._hasher.occurrence(_NAME % (person, name.encode()))
            note = None
            if key not in self._under_way:  # what this run has sent is no doubt that another left
                [note] = self._store.get_occurrences([key])
            if note is not None and (left := _decode(note)).said == said:
                if is_held:
                    doubtful.append(index)
                    since = since or left.day
                    continue
                self.again[attributes.stream] += 1
            left_behind = _encode(Note(self._today, stream, 1, True, None, said))
            addition = Addition(name, numbers[index], key, said, left_behind)
            self._under_way[key] = addition
            additions.append(addition)
        return Found(tuple(additions), tuple(doubtful), since)

    # On the delivery's thread

    def leaving(self, objects: Iterable[Update]) -> None:
        """Note what adds as in doubt, before it may leave: durably, where nothing must be done twice."""
        leaving = list(_of(objects))
        new = [each.key for each in leaving if each.key not in self._before]  # the others are tried again
        self._before.update(zip(new, self._store.get_occurrences(new), strict=True))
        self._store.put_occurrences([(each.key, each.note) for each in leaving])
        if any(update.is_held_in_doubt for update in objects if update.lesson is not None and update.lesson.additions):
            self._store.sync()  # or a power cut could take the note back, and not what Braze has done

    def returned(self, objects: Iterable[Update]) -> None:
        """Take the notes back of what Braze has certainly not done this time; what was in doubt before stays so."""
        self._store.put_occurrences([(each.key, self._before.get(each.key)) for each in _of(objects)])

    def accepted(self, objects: Iterable[Update]) -> None:
        """Take the notes back of what Braze has done, after the ledger has learned it (invariant 2)."""
        self._store.put_occurrences([(each.key, None) for each in _of(objects)])
        self.ended(objects)

    def ended(self, objects: Iterable[Update]) -> None:
        """Take it that these objects are under way no more; what is noted stays."""
        for each in _of(objects):
            self._before.pop(each.key, None)
            self._ended.append(each)


def split(update: Update) -> tuple[Update, Update | None]:
    """An object that must not be sent again as what of it adds, which is held, and the rest, which may go again.

    Returns:
        Both; None for the rest if there is none.
    """
    assert update.lesson is not None
    lesson = update.lesson
    names = {each.name for each in lesson.additions}
    fields = msgspec.json.decode(update.body, type=dict[str, msgspec.Raw])
    points = update.shape.data_points
    added = {name: raw for name, raw in fields.items() if name in names or name == update.identity.kind}
    held = msgspec.structs.replace(
        update,
        body=msgspec.json.encode(added),
        shape=Shape({name: each for name, each in points.items() if name in names}),
        lesson=None,
    )
    numbers = tuple(set(lesson.numbers).difference(each.number for each in lesson.additions))
    if not numbers:
        return held, None
    rest = msgspec.structs.replace(
        update,
        body=msgspec.json.encode({name: raw for name, raw in fields.items() if name not in names}),
        shape=Shape({name: each for name, each in points.items() if name not in names}),
        # with nothing before it, only these numbers are taken from what comes after
        lesson=msgspec.structs.replace(
            lesson,
            before=None,
            numbers=numbers,
            is_after_another=True,
            additions=(),
            is_held_in_doubt=False,
            replaces=lesson,
        ),
    )
    return held, rest


def _of(objects: Iterable[Update]) -> Iterable[Addition]:
    return (each for update in objects if update.lesson is not None for each in update.lesson.additions)
