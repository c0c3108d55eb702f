"""Finds what of a record Braze does not have yet: the difference from the ledger, per attribute. No I/O of its own.

What the ledger knows is what Braze accepted. Between that and a record stand the updates that were packed or sent
and have not ended: a record is compared with what the ledger will know when they are accepted, so that A → B → A sends
A again. If one of them is rejected after all, the ledger has not learned it, and the next run finds it again.

All of it is for the thread that reads, but for what has to do with answers, at its end, which the thread that delivers
calls.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from target_braze import entries
from target_braze.additions import IN_DOUBT, Additions
from target_braze.differences import NO_LAYOUT, Differences, Held, Said
from target_braze.entries import Entry
from target_braze.hashes import value_hashes
from target_braze.limits import MAX_OBJECT_BYTES
from target_braze.mapped_ahead import NOBODY
from target_braze.newcomers import Newcomers, Terms
from target_braze.updates import Attributes, Identity, Lesson, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from target_braze.additions import Addition
    from target_braze.hashes import Hasher
    from target_braze.mapped_ahead import MappedAhead
    from target_braze.mapping import Mapper, Source
    from target_braze.names import Names
    from target_braze.sealing import Sealer
    from target_braze.statements import StatementMapper
    from target_braze.updates import Form

Person = tuple[bytes, int]
"""What stands for a person in the ledger, and the seed for the hashes of their values."""

SAID: Final = "$"
"""What the names begin with of what is said of somebody elsewhere than in attributes, whose names cannot."""
_UNFETCHED: Final = b""
_LEARNED_AT_ONCE: Final = 16_384
"""Digests are added to the table in such heaps; until then a record is compared with the ledger instead."""


class Table(Protocol):
    """Digests of the records of which everything is settled."""

    def add_all(self, digests: Sequence[bytes]) -> None:
        """Add digests."""

    def discard(self, digest: bytes) -> None:
        """Take one out, if it is in."""


class Store(Protocol):
    """What is known of each person."""

    @property
    def table(self) -> Table:
        """Digests of settled records."""

    def get(self, key: bytes) -> bytes | None:
        """What is known of one person."""

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """What is known of some."""

    def put_many(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Replace what is known of some."""

    def put_covered(self, keys: Iterable[bytes], values: Iterable[bytes]) -> None:
        """Replace what is known of some by what is covered already."""

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Forget some."""

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is kept of what must not be done twice."""

    def put_occurrences(self, items: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Replace what is kept of some; None takes it out."""

    def sync(self) -> None:
        """Make durable what was put."""


class Change(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What of a record Braze does not have.

    Attributes:
        update: What to send; None if nothing.
        replaces: An update of the same person, not sent yet, that `update` takes the place of.
        held: What is kept back.
        is_known: Whether the ledger knew the person.
        changed: Attributes to be sent of which the ledger knew another value; told only if somebody watches.
        doubtful: What is held since Braze may have done it, and since when: days since 1970.
    """

    update: Update | None = None
    replaces: Update | None = None
    held: tuple[Held, ...] = ()
    is_known: bool = False
    changed: tuple[str, ...] = ()
    doubtful: tuple[Update, int] | None = None


_NOTHING: Final = Change(is_known=True)


class _Added(NamedTuple):
    """What of a record adds to what Braze has, of one that may.

    Attributes:
        chosen: The indexes of all attributes to send.
        held: All that is held.
        additions: What of the former adds.
        is_held: Whether that is held when it is in doubt.
        doubtful: What is in doubt of the latter, and since when.
    """

    chosen: tuple[int, ...]
    held: tuple[Held, ...]
    additions: tuple[Addition, ...]
    is_held: bool
    doubtful: tuple[Update, int] | None = None


class _Open(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An update in the request that is being packed: a later record of the same person may still go into it.

    Attributes:
        update: The update.
        attributes: All that the records behind it say.
        before: What the ledger would know without it.
        earlier: The update of the person before this one, while it has not ended.
        is_after_another: Whether there was one; it may have been rejected since.
    """

    update: Update
    attributes: Attributes
    before: Entry | None
    earlier: Lesson | None
    is_after_another: bool


class Changes:
    """Compares records with the ledger, in the order they were read.

    Attributes:
        additions: What is known of operations that must not be done twice.
        is_watched: Whether a `Change` is to tell more than a run needs.
        discarded: Digests that were taken out of the table since whoever watches it last emptied it.
        on_change: Told what stands for a person when digests of their records, by number of stream, no longer do.

    Args:
        store: The ledger.
        names: The numbers of names in it.
        hasher: Makes its hashes.
        sealer: Seals the numbers it keeps for policies.
        now: When the run began, in Unix seconds.
        is_resync: Whether to forget what the ledger knows of the attributes that this run sends.
    """

    def __init__(
        self, store: Store, names: Names, hasher: Hasher, sealer: Sealer, now: int, *, is_resync: bool = False
    ) -> None:
        self._store = store
        self._names = names
        self._hasher = hasher
        self._differences = Differences(names, sealer, now, is_resync=is_resync)
        self._fetched: dict[bytes, bytes | None] = {}
        self._pending: dict[bytes, Lesson | Newcomers] = {}
        self._open: dict[bytes, _Open] = {}
        self._open_newcomers: list[Newcomers] = []
        self._ended: deque[tuple[Lesson | Newcomers, bool]] = deque()
        self._learned: dict[bytes, None] = {}
        self._arrived: list[bytes] = []
        self._refreshed: dict[bytes, bytes] = {}
        self.additions = Additions(store, hasher, now)
        self.is_watched = False
        self.discarded: list[bytes] = []
        self.on_change: Callable[[bytes, Mapping[int, bytes]], None] | None = None

    def begin(self, mapper: Mapper | StatementMapper) -> int:
        """Begin, or go on, with a stream's records under a schema.

        Returns:
            The seed for the digests of its records: another one for each way of mapping them.
        """
        return self._hasher.record_seed(self._differences.begin(mapper))

    def source(self, stream: str, attribute: str) -> Source:
        """Where an attribute of a stream comes from."""
        return self._differences.source(stream, attribute)

    # Before a heap of records

    def fetch(self, records: Iterable[Attributes]) -> list[Person]:
        """Read what the ledger knows of the people whom records are about, at once."""
        people = [self.person(each) for each in records]
        self.fetch_people(dict(people))
        return people

    def fetch_people(self, keys: Iterable[bytes]) -> None:
        """Read what the ledger knows of the people for whom these keys stand, at once."""
        self._fetched = {}
        self.settle()
        pending = self._pending
        unsettled = list(keys)
        if NOBODY in unsettled or not pending.keys().isdisjoint(unsettled):
            unsettled = [key for key in unsettled if key not in pending and key != NOBODY]
        self._fetched = dict(zip(unsettled, self._store.get_many(unsettled), strict=True))

    def settle(self) -> None:
        """Take in what became of updates since it was last asked."""
        ended = self._ended
        while ended:
            lesson, is_learned = ended.popleft()
            if not isinstance(lesson, Newcomers):
                self._settle(lesson, is_learned=is_learned)
            elif lesson.is_made:
                for each in lesson.lessons:
                    self._settle(each, is_learned=is_learned)
            else:  # as good as always: then nobody has said more of one of them meanwhile
                deque(map(self._pending.__delitem__, lesson.keys), maxlen=0)
                self._forget_fetched(lesson.keys)
                self._arrived += lesson.digests
        if self._refreshed:
            self._store.put_many(list(self._refreshed.items()))
            self._forget_fetched(self._refreshed)
            self._refreshed.clear()
        if len(self._learned) + len(self._arrived) >= _LEARNED_AT_ONCE:
            self.flush()

    def _settle(self, lesson: Lesson, *, is_learned: bool) -> None:
        """Take in what became of one update."""
        pending = self._pending.get(lesson.key)
        if pending is lesson or isinstance(pending, Newcomers):  # of which it is one, or it would not be pending
            del self._pending[lesson.key]
            if is_learned:
                for digest in lesson.after.records.values():
                    self._learned[digest] = None
        elif (open_ := self._open.get(lesson.key)) is not None and open_.earlier is lesson:
            self._open[lesson.key] = msgspec.structs.replace(open_, earlier=None)
        self._forget_fetched((lesson.key,))

    def _forget_fetched(self, keys: Iterable[bytes]) -> None:
        """The ledger may know better by now."""
        if self._fetched:
            for key in keys:
                self._fetched.pop(key, None)

    def flush(self) -> None:
        """Add to the table what has been waiting for company."""
        self._store.table.add_all([*self._learned, *self._arrived])
        self._learned.clear()
        self._arrived.clear()

    # One record

    def person(self, attributes: Attributes) -> Person:
        """Whom a record is about."""
        ahead = attributes.ahead
        return self._hasher.identity(attributes.identity) if ahead is None else ahead.person

    def expected(self, person: Person) -> Entry | None:
        """What the ledger will know of somebody once all that is under way is accepted."""
        earlier = self._under_way(person[0])
        return self._known(person[0]) if earlier is None else earlier.after

    def is_open(self, person: Person) -> bool:
        """Whether an update of the person is in the request that is being packed."""
        return person[0] in self._open

    def is_mergeable(self, attributes: Attributes, person: Person) -> bool:
        """Whether the update of that person can say what this record says as well."""
        other = self._open[person[0]].attributes
        return (
            other.stream == attributes.stream
            and other.is_mergeable
            and attributes.is_mergeable
            and other.size + attributes.size < MAX_OBJECT_BYTES
        )

    def find(self, attributes: Attributes, person: Person, digest: bytes | None) -> Change:
        """What of a record is new to Braze.

        Args:
            attributes: What the record says.
            person: Whom it is about.
            digest: Stands for the record; None if it must be looked at again in the next run in any case.
        """
        key, seed = person
        open_ = self._open.get(key)
        if open_ is not None:
            before, earlier, records = open_.before, open_.earlier, open_.update.records + 1
            is_after_another = open_.is_after_another
            attributes = self._differences.merged(open_.attributes, attributes)
        else:
            earlier, records = self._under_way(key), 1
            is_after_another = earlier is not None
            before = self._known(key) if earlier is None else earlier.after
        plan = self._differences.plan(attributes.stream, attributes.form)
        ahead = attributes.ahead
        hashes = value_hashes(attributes.values, seed) if ahead is None else ahead.details.hashes
        said = Said(attributes, plan, hashes, key, seed)
        chosen, held = (plan.all, ()) if before is None else self._differences.differing(said, before)
        added = None
        if not attributes.is_mergeable:
            added = self._added(said, chosen, held)
            chosen, held = added.chosen, added.held
            if held and before is None:
                before = Entry(self._names.layout(()), b"")  # not all of them are learned
        if held:
            digest = None  # it is to be looked at again: what is held goes out when its time has come
        if not chosen:
            change = self._unchanged(said, before, digest, held, open_)
            return change if added is None else msgspec.structs.replace(change, doubtful=added.doubtful)
        digests = {} if digest is None else {plan.stream: digest}
        if before is None and not plan.policies and plan.layout != NO_LAYOUT:  # as good as always in a first run
            after, numbers = Entry(plan.layout, hashes, digests), plan.numbers
        else:
            after = self._differences.after(said, before, chosen, digests, is_all=not held)
            numbers = tuple(plan.numbers[index] for index in chosen)
        lesson = Lesson(key, before, after, numbers, is_after_another)
        if added is not None:
            lesson = msgspec.structs.replace(lesson, additions=added.additions, is_held_in_doubt=added.is_held)
        update = attributes.update(chosen, records, lesson)
        if before is not None:
            self._discard(before.records.values())
            if self.on_change is not None:
                self.on_change(key, before.records)
            self._refreshed.pop(key, None)  # or it would be written over what is learned of this update
        self._pending[key] = lesson
        self._open[key] = _Open(update, attributes, before, earlier, is_after_another)
        changed = self._differences.changed(said, before, chosen) if self.is_watched else ()
        change = Change(update, open_.update if open_ is not None else None, held, before is not None, changed)
        return change if added is None else msgspec.structs.replace(change, doubtful=added.doubtful)

    def forget(self, identity: Identity, but: bytes | None = None) -> list[Lesson]:
        """Take it that the ledger will know nothing of somebody any more, nor what was said of them elsewhere.

        Args:
            identity: Whom.
            but: What stands for something said of them that stays, since it is being said.

        Returns:
            What the ledger forgets once Braze accepted what makes it forget.
        """
        self.settle()
        about = [identity, *(said_of(identity, name) for name in self._names.beginning_with(SAID))]
        lessons = []
        for key, _ in map(self._hasher.identity, about):
            earlier = self._under_way(key)
            before = self._known(key) if earlier is None else earlier.after
            if before is None or key == but:
                continue
            self._discard(before.records.values())
            nothing = Entry(self._names.layout(()), b"")
            lesson = Lesson(key, before, nothing, tuple(self._names.numbers(before.layout)), earlier is not None)
            self._pending[key] = lesson
            lessons.append(lesson)
        return lessons

    def packed(self, last: Update | None = None) -> None:
        """A request is closed: no record goes into it any more; all but `last` were in it."""
        kept = None if last is None or last.lesson is None else self._open.get(last.lesson.key)
        self._open.clear()
        self._open_newcomers.clear()
        if kept is not None and last is not None and last.lesson is not None:
            self._open[last.lesson.key] = kept

    # Many records at once

    def terms(
        self, stream: str, identified_by: str, form: Form, attributes: Callable[[MappedAhead], Attributes]
    ) -> Terms | None:
        """What records have in common of which many can be taken at once, if they can.

        Args:
            stream: Their stream.
            identified_by: By which identifier.
            form: Their attributes.
            attributes: Makes of one of them what mapping would make of it.
        """
        plan = self._differences.plan(stream, form)
        if plan.policies or plan.layout == NO_LAYOUT or self.is_watched or self.on_change is not None:
            return None
        return Terms(stream, plan.stream, identified_by, form, plan.layout, plan.numbers, attributes)

    def are_new(self, keys: Sequence[bytes]) -> list[bool]:
        """For which of some people, of whom was fetched what is known, that is nothing, and nothing is under way.

        Of a person who is there more than once, the first may be new. `NOBODY` is not.
        """
        fetched, pending = self._fetched, self._pending
        known = list(map(fetched.get, keys, repeat(_UNFETCHED)))
        if known.count(None) == len(keys) == len(set(keys)) and pending.keys().isdisjoint(keys):
            return [True] * len(keys)
        seen: set[bytes] = set()
        are_new = []
        for key, value in zip(keys, known, strict=True):
            are_new.append(value is None and key not in pending and key not in seen)
            seen.add(key)
        return are_new

    def enter(self, newcomers: Newcomers) -> None:
        """Take it that all is said of people of whom nothing was known; it goes into the request that is open."""
        self._pending.update(dict.fromkeys(newcomers.keys, newcomers))
        self._open_newcomers.append(newcomers)

    @property
    def has_open_newcomers(self) -> bool:
        """Whether there are newcomers in the request that is being packed."""
        return bool(self._open_newcomers)

    def take_apart(self, person: Person) -> Newcomers | None:
        """Let a later record of somebody go into the same update, if that person is among newcomers in this request.

        Returns:
            Whose updates are to be packed one by one instead.
        """
        found = self._pending.get(person[0])
        if not isinstance(found, Newcomers) or found not in self._open_newcomers:
            return None
        self._under_way(person[0])
        self._open_newcomers.remove(found)
        for key, update, attributes in zip(found.keys, found.updates, found.attributes, strict=True):
            self._open[key] = _Open(update, attributes, None, None, is_after_another=False)
        return found

    def _under_way(self, key: bytes) -> Lesson | None:
        """What is on its way to the ledger about somebody."""
        found = self._pending.get(key)
        if not isinstance(found, Newcomers):
            return found
        for lesson in found.lessons:
            if self._pending.get(lesson.key) is found:
                self._pending[lesson.key] = lesson
        return self._pending.get(key)  # type: ignore[return-value]  # which is a lesson now

    def _known(self, key: bytes) -> Entry | None:
        value = self._refreshed.get(key)
        if value is None:
            value = self._fetched[key] if key in self._fetched else self._store.get(key)
        return None if value is None else entries.decode(value)

    def _added(self, said: Said, chosen: tuple[int, ...], held: tuple[Held, ...]) -> _Added:
        """What of the attributes to be sent adds to what Braze has; what of that is in doubt may be held."""
        attributes, plan = said.attributes, said.plan
        is_held = self._differences.is_held_in_doubt(attributes.stream)
        found = self.additions.find(
            attributes, chosen, said.key, said.hashes, numbers=plan.numbers, stream=plan.stream, is_held=is_held
        )
        is_held = is_held and bool(found.additions)
        if not found.doubtful:
            return _Added(chosen, held, found.additions, is_held)
        names, points = attributes.form.names, attributes.points or attributes.form.points
        held += tuple(Held(names[index], IN_DOUBT, points[index]) for index in found.doubtful)
        chosen = tuple(index for index in chosen if index not in found.doubtful)
        doubtful = attributes.update(found.doubtful), found.since
        return _Added(chosen, held, found.additions, is_held, doubtful)

    def _unchanged(
        self, said: Said, before: Entry | None, digest: bytes | None, held: tuple[Held, ...], open_: _Open | None
    ) -> Change:
        key, plan = said.key, said.plan
        if open_ is not None:
            # The later record took back what the earlier one asked; neither leaves.
            del self._open[key]
            if open_.earlier is not None:
                self._pending[key] = open_.earlier
            else:
                del self._pending[key]
            return Change(None, open_.update, held, is_known=True)
        if digest is not None and before is not None and key not in self._pending:
            known = before.records.get(plan.stream)
            if known != digest:
                if known is not None:
                    self._discard([known])
                entry = Entry(before.layout, before.hashes, {**before.records, plan.stream: digest}, before.marks)
                self._refreshed[key] = entries.encode(entry)
            self._learned[digest] = None
        return Change(held=held, is_known=True) if held else _NOTHING

    def _discard(self, digests: Collection[bytes]) -> None:
        """Let nothing pass as unchanged by these digests any more, from the very next record on."""
        if self._arrived:
            self.flush()
        for digest in digests:
            self._learned.pop(digest, None)
            self._store.table.discard(digest)
            self.discarded.append(digest)

    # On the delivery's thread

    def arrived(self, newcomers: Iterable[Newcomers]) -> None:
        """Learn all that was said of people of whom nothing was known (invariant 2)."""
        for each in newcomers:
            self._store.put_covered(each.keys, each.learned)
            self._ended.append((each, True))

    def accepted(self, lessons: Sequence[Lesson]) -> None:
        """Learn what Braze accepted (invariant 2)."""
        learned = [(lesson, lesson.after) for lesson in lessons if not lesson.is_after_another]
        self._store.put_many([(lesson.key, entries.encode(after)) for lesson, after in learned])
        self._ended.extend([(lesson, True) for lesson, _ in learned])
        if len(learned) == len(lessons):  # as good as always
            return
        for lesson in lessons:
            if lesson.is_after_another:  # the other may be among those above
                after = self._differences.reconciled(lesson, self._store.get(lesson.key))
                self._store.put_many([(lesson.key, entries.encode(after))])
                self._ended.append((lesson.replaces or lesson, after is lesson.after))

    def forgotten(self, lessons: Sequence[Lesson]) -> None:
        """Forget what Braze no longer has, or has otherwise (invariant 2)."""
        self._store.delete_many([lesson.key for lesson in lessons])
        self._ended.extend((lesson, True) for lesson in lessons)

    def rejected(self, lesson: Lesson) -> None:
        """Note that an update has ended of which nothing is learned."""
        self._ended.append((lesson.replaces or lesson, False))


def said_of(identity: Identity, name: str) -> Identity:
    """What is known by a name of somebody, such as the state in a subscription group, as the ledger knows it."""
    return Identity(name, identity)  # type: ignore[arg-type]  # another tuple of text
