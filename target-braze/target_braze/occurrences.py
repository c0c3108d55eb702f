"""Events and purchases, which happen once: finds those that Braze has not been sent yet. No I/O of its own. Pure.

An occurrence is known in the ledger by a keyed hash of its stream's key properties. Before a request with it may leave,
it is noted there as in doubt; when Braze has accepted it, as sent; when Braze certainly did nothing of it, not at all.
So whatever ends a run, the next one knows which were sent, which were not, and which nobody knows of. Those in doubt
are sent again, so that none is missing, or held, so that none is there twice.

All of it is for the thread that reads, but for what says otherwise.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from target_braze.updates import Outcome, Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_braze.changes import Table
    from target_braze.hashes import Hasher
    from target_braze.names import Names
    from target_braze.stream_settings import StreamSettings
    from target_braze.updates import Mapped

SECONDS_A_DAY: Final = 24 * 60 * 60
_LEARNED_AT_ONCE: Final = 4_096
"""Digests are added to the table in such heaps; until then an occurrence is looked up in the ledger instead."""
_FORGOTTEN_AT_ONCE: Final = 10_000


class Whole:
    """A record that became several objects: it has ended when all of them have, as the worst of them did.

    Args:
        left: How many objects there are.
        outcome: What became of others of its objects before.
    """

    __slots__ = ("_left", "_outcome")

    def __init__(self, left: int, outcome: Outcome = Outcome.DELIVERED) -> None:
        self._left = left
        self._outcome = outcome

    def ended(self, outcome: Outcome) -> Outcome | None:
        """Note that an object ended; return what becomes of the record, if it was the last."""
        self._outcome = max(self._outcome, outcome)
        self._left -= 1
        return None if self._left else self._outcome


class Known(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the ledger keeps of one object.

    Attributes:
        day: When Braze accepted it, or when it was first in doubt; days since 1970.
        stream: The number of its stream.
        of: How many objects its record became.
        is_in_doubt: Whether nobody knows if Braze has it.
        digest: Stands for its record, if nothing in that is left to be looked at; of a record's first object alone.
    """

    day: int
    stream: int
    of: int = 1
    is_in_doubt: bool = False
    digest: bytes | None = None


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Known).decode


class Occurrence(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What the ledger learns of an object that is an event or a purchase.

    Attributes:
        key: What stands for it.
        known: What is kept once Braze has accepted it.
        is_held_in_doubt: Whether it is not sent again when nobody knows if Braze has it.
        was_in_doubt: Whether nobody knew so before it was sent this time.
        whole: What becomes of its record, if that has other objects to it.
    """

    key: bytes
    known: Known
    is_held_in_doubt: bool = False
    was_in_doubt: bool = False
    whole: Whole | None = None


class Found(NamedTuple):
    """What of a record is still to be sent.

    Attributes:
        updates: Its objects to send.
        held: Those of which nobody knows whether Braze has them, and since when: days since 1970.
        again: How many of `updates` may be there already.
    """

    updates: Sequence[Update] = ()
    held: Sequence[tuple[Update, int]] = ()
    again: int = 0


_NOTHING: Final = Found()


class Store(Protocol):
    """What is known of each occurrence."""

    @property
    def table(self) -> Table:
        """Digests of settled records."""

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is known of some."""

    def put_occurrences(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Replace what is known of some; None forgets one."""

    def occurrences(self) -> Iterator[tuple[bytes, bytes]]:
        """All, with what is known of each."""

    def sync(self) -> None:
        """Make durable what was put."""


class StreamMapping(Protocol):
    """How a stream's records are mapped."""

    stream: str
    settings: StreamSettings

    def fingerprint(self, numbers: dict[str, int]) -> bytes:
        """All that shapes what becomes of a record."""


class Occurrences:
    """Knows which events and purchases were sent.

    Args:
        store: The ledger.
        names: The numbers of streams in it.
        hasher: Makes its hashes.
        now: When the run began, in Unix seconds.
    """

    def __init__(self, store: Store, names: Names, hasher: Hasher, now: int) -> None:
        self._store = store
        self._names = names
        self._hasher = hasher
        self._today = now // SECONDS_A_DAY
        self._streams: dict[str, tuple[int, bool]] = {}
        self._fetched: dict[bytes, bytes | None] = {}
        self._pending: set[bytes] = set()
        self._refreshed: dict[bytes, Known] = {}
        self._learned: dict[bytes, None] = {}
        self._ended: deque[tuple[Occurrence, bool]] = deque()

    def begin(self, mapper: StreamMapping) -> int:
        """Begin, or go on, with a stream's records under a schema; return the seed for their digests."""
        number = self._names.stream(mapper.stream)
        self._streams[mapper.stream] = number, mapper.settings.in_doubt == "hold"
        return self._hasher.record_seed(mapper.fingerprint({}))

    # Before a heap of records

    def fetch(self, records: Iterable[Mapped]) -> None:
        """Read what the ledger knows of records, at once."""
        self.settle()
        asked = {key for mapped in records if mapped.known_by is not None for key in self._keys(mapped)}
        keys = [key for key in asked if key not in self._pending and key not in self._refreshed]
        self._fetched = dict(zip(keys, self._store.get_occurrences(keys), strict=True))

    def settle(self) -> None:
        """Take in what became of objects since it was last asked."""
        while self._ended:
            occurrence, is_learned = self._ended.popleft()
            self._pending.discard(occurrence.key)
            self._fetched.pop(occurrence.key, None)  # the ledger knows better since
            if is_learned and occurrence.known.digest is not None:
                self._learned[occurrence.known.digest] = None
        if self._refreshed:
            self._store.put_occurrences([(key, encode(known)) for key, known in self._refreshed.items()])
            self._fetched = {key: value for key, value in self._fetched.items() if key not in self._refreshed}
            self._refreshed.clear()
        if len(self._learned) >= _LEARNED_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Add to the table what has been waiting for company."""
        self._store.table.add_all(list(self._learned))
        self._learned.clear()

    # One record

    def find(self, mapped: Mapped, digest: bytes | None) -> Found:
        """What of a record Braze was not sent.

        Args:
            mapped: What mapping made of it: one object at least.
            digest: Stands for the record; None if it must be looked at again in the next run in any case.
        """
        keys = self._keys(mapped)
        if not all(key in self._fetched or key in self._refreshed for key in keys):
            self.settle()
        if not self._pending.isdisjoint(keys):
            return _NOTHING  # it is under way; a STATE behind it waits for that
        updates = mapped.objects
        number, is_held = self._streams[updates[0].stream]
        known = self._known(keys)
        # what was sent before counts, also of a record that says another quantity now
        of = next((each.of for each in known if each is not None), len(keys))
        doubtful = [(updates[index], each.day) for index, each in enumerate(known) if each and each.is_in_doubt]
        held = doubtful if is_held else []
        chosen = [index for index, each in enumerate(known[:of]) if each is None or (each.is_in_doubt and not is_held)]
        if not chosen:
            if not held:
                self._unchanged(keys[0], known[0], digest)
            return Found(held=held) if held else _NOTHING
        is_one = len(chosen) == 1 and of == 1
        whole = None if is_one else Whole(len(chosen), Outcome.HELD if held else Outcome.DELIVERED)
        found = []
        for index in chosen:
            occurrence = Occurrence(
                keys[index],
                Known(self._today, number, of, digest=digest if is_one else None),
                is_held,
                known[index] is not None,
                whole,
            )
            update = updates[index]
            found.append(msgspec.structs.replace(update, records=int(is_one), occurrence=occurrence))
            self._pending.add(keys[index])
        return Found(found, held, len(doubtful) - len(held))

    def _keys(self, mapped: Mapped) -> list[bytes]:
        """What stands for each object of a record."""
        key = self._hasher.occurrence(mapped.known_by or b"")
        return [key, *(self._hasher.occurrence(b"%b%d" % (key, part)) for part in range(1, 1 + len(mapped.others)))]

    def _known(self, keys: Sequence[bytes]) -> list[Known | None]:
        missing = [key for key in keys if key not in self._fetched and key not in self._refreshed]
        read = dict(zip(missing, self._store.get_occurrences(missing), strict=True)) if missing else {}
        found: list[Known | None] = []
        for key in keys:
            value = None if key in self._refreshed else self._fetched.get(key) or read.get(key)
            found.append(self._refreshed.get(key) if value is None else decode(value))
        return found

    def _unchanged(self, key: bytes, known: Known | None, digest: bytes | None) -> None:
        """Remember by which digest the record is known from now on."""
        if digest is None or known is None:
            return
        if known.digest != digest:
            if known.digest is not None:
                self._learned.pop(known.digest, None)
                self._store.table.discard(known.digest)
            self._refreshed[key] = msgspec.structs.replace(known, digest=digest)
        self._learned[digest] = None

    # At the end of a run

    def forget_old(self, remember_days: Mapping[int, int], default_days: int) -> int:
        """Forget what was accepted too long ago.

        What is in doubt stays: it would otherwise be sent unasked.

        Args:
            remember_days: Number of a stream → how many days its occurrences are remembered.
            default_days: How many those of other streams are.

        Returns:
            How many were forgotten.
        """
        forgotten = 0
        old: list[tuple[bytes, None]] = []
        for key, value in self._store.occurrences():
            known = decode(value)
            if known.is_in_doubt or known.day + remember_days.get(known.stream, default_days) >= self._today:
                continue
            if known.digest is not None:
                self._store.table.discard(known.digest)
            old.append((key, None))
            if len(old) >= _FORGOTTEN_AT_ONCE:
                self._store.put_occurrences(old)
                forgotten += len(old)
                old = []
        self._store.put_occurrences(old)
        return forgotten + len(old)

    # On the delivery's thread

    def leaving(self, objects: Iterable[Update]) -> None:
        """Note objects as in doubt, before they may leave: durably, where one must not be there twice."""
        leaving = [update.occurrence for update in objects if update.occurrence is not None]
        if not leaving:
            return
        self._store.put_occurrences(
            [(each.key, encode(msgspec.structs.replace(each.known, is_in_doubt=True, digest=None))) for each in leaving]
        )
        if any(each.is_held_in_doubt for each in leaving):
            self._store.sync()  # or a power cut could take the note back, and not what Braze has done

    def returned(self, objects: Iterable[Update]) -> None:
        """Take the notes back of objects of which Braze has certainly done nothing this time."""
        self._store.put_occurrences(
            [
                (update.occurrence.key, None)
                for update in objects
                if update.occurrence is not None and not update.occurrence.was_in_doubt
            ]
        )

    def accepted(self, objects: Iterable[Update]) -> bool:
        """Learn what Braze accepted (invariant 2); return whether there was anything to learn."""
        ended = [update.occurrence for update in objects if update.occurrence is not None]
        if ended:
            self._store.put_occurrences([(each.key, encode(each.known)) for each in ended])
            self._ended.extend((each, True) for each in ended)
        return bool(ended)

    def rejected(self, update: Update) -> None:
        """Take the note back of an object that Braze rejected."""
        self.returned([update])
        self.ended(update)

    def ended(self, update: Update) -> None:
        """Note that an object has ended of which nothing is learned: if it was in doubt, it stays so."""
        if update.occurrence is not None:
            self._ended.append((update.occurrence, False))
