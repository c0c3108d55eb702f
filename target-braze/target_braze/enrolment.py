"""One stream's audiences in one run: who enters and leaves with each record, and who leaves when it has ended.

A stream with audiences takes its own way, from a record's digest to the run: what mapping makes of a record is joined
with what its person's memberships add (`audience_mapping.py`), and who was seen is remembered (`presence.py`). When all
of the run is delivered, those leave who were not seen in a full table and those whose audience is over; whom that is,
the roll knows (`roll.py`).
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_braze import entries
from target_braze.audience_mapping import Flags
from target_braze.audiences import Phase
from target_braze.digests import Digests
from target_braze.presence import Book, Presence
from target_braze.roll import Roll
from target_braze.tally import AudienceTally

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_braze.audience_mapping import AudienceMapper
    from target_braze.audiences import Audience
    from target_braze.changes import Person
    from target_braze.hashes import Hasher
    from target_braze.ledger import Ledger
    from target_braze.names import Names
    from target_braze.run import Run
    from target_braze.sealing import Sealer
    from target_braze.updates import Identity, Mapped, Update

_BOOK: Final = "audiences of stream {}"
_CHUNK: Final = 4096


class Member(NamedTuple):
    """Somebody on the roll.

    Attributes:
        person: What stands for them in the ledger.
        identity: Whom.
        was_in: The audiences they are in, or may be in.
        is_absent: Whether they were not seen in this run.
    """

    person: Person
    identity: Identity
    was_in: tuple[str, ...]
    is_absent: bool


class Remembering(NamedTuple):
    """What it takes to know people from run to run.

    Attributes:
        ledger: The ledger.
        names: The numbers of names in it.
        hasher: Makes its hashes.
        sealer: Seals whom rolls are about.
    """

    ledger: Ledger
    names: Names
    hasher: Hasher
    sealer: Sealer


class Enrolment:
    """The audiences of one stream in one run.

    Attributes:
        mapper: How its records are mapped; another one with each schema.

    Args:
        run: The run.
        remembering: What it takes to know people again.
        mapper: How its records are mapped.
    """

    def __init__(self, run: Run, remembering: Remembering, mapper: AudienceMapper) -> None:
        ledger, names, self._hasher, sealer = remembering
        self._run = run
        self._ledger = ledger
        self._stream = mapper.stream
        self._number = names.stream(mapper.stream)
        self._audiences = mapper.memberships.audiences
        self._flags = Flags(names, self._number, [audience.name for audience in self._audiences])
        self._roll = Roll(ledger, sealer, self._number)
        kept = ledger.meta_get(_BOOK.format(self._number))
        self._book = Book() if kept is None else msgspec.msgpack.decode(kept, type=Book)
        self._was_open = self._book.is_open
        self.presence = Presence(self._number, self._book)
        self._left: dict[bytes, int] = {}
        self._before: dict[str, int] = {}
        self._gone: set[bytes] = set()
        self._tally = run.tally.streams[mapper.stream]
        self._tally.audiences = {audience.name: AudienceTally() for audience in self._audiences}
        self.renew(mapper)

    def renew(self, mapper: AudienceMapper) -> None:
        """Go on under another schema."""
        self.mapper = mapper
        seed = self._run.begin(mapper)
        self._digests = Digests(mapper, seed, sorted(mapper.memberships.fields)) if mapper.has_digests else None

    # Records

    def take(self, records: Sequence[bytes], decode: Callable[[bytes], dict[str, Any]]) -> None:
        """Take a heap of records as JSON, in their order.

        Raises:
            TargetBrazeError: If the run cannot go on.
        """
        self._begin()
        read_before = self._tally.records
        digests: Sequence[bytes | None] = [None] * len(records)
        unknown = [*range(len(records))]
        if self._digests is not None:
            digests = self._digests.of(records)
            unknown = self._run.unknown(digests)
            known = set(range(len(records))).difference(unknown)
            self.presence.see([digest for index in known if (digest := digests[index]) is not None])
        self._tally.unchanged += len(records) - len(unknown)
        try:
            if unknown:
                self._examine(records, decode, digests, unknown, read_before)
        finally:
            self._tally.records = read_before + len(records)

    def take_one(self, record: dict[str, Any]) -> None:
        """Take a record that is decoded already."""
        self._begin()
        self._tally.records += 1
        self._run.changes.settle()
        self._take(record, self.mapper.map(record), self.mapper.identity(record), None, None)
        self._run.changes.discarded.clear()  # there is no heap in which one of them could come again

    def _examine(
        self,
        records: Sequence[bytes],
        decode: Callable[[bytes], dict[str, Any]],
        digests: Sequence[bytes | None],
        unknown: Sequence[int],
        read_before: int,
    ) -> None:
        """Take those records of a heap that are not known to be unchanged."""
        changes, mapper, tally = self._run.changes, self.mapper, self._tally
        decoded = {index: decode(records[index]) for index in unknown}
        mapped = {index: mapper.map(record) for index, record in decoded.items()}
        identities = {index: mapper.identity(record) for index, record in decoded.items()}
        named = {index: identity for index, identity in identities.items() if identity is not None}
        people = dict(zip(named, changes.fetch(mapper.attributes(each, {}) for each in named.values()), strict=True))
        changes.discarded.clear()
        queue, queued, places = [*unknown], set(unknown), dict[bytes, list[int]]()
        while queue:
            index = heapq.heappop(queue)
            if index not in decoded:  # it was unchanged, and what it says is not what came before it any more
                tally.unchanged -= 1
                decoded[index] = decode(records[index])
                mapped[index] = mapper.map(decoded[index])
                identities[index] = mapper.identity(decoded[index])
            tally.records = read_before + index + 1  # what is rejected is judged by the share of those read so far
            self._take(decoded[index], mapped[index], identities[index], people.get(index), digests[index])
            if changes.discarded:
                places = places or _places(digests)
                for digest in changes.discarded:
                    for again in places.get(digest, ()):
                        if again > index and again not in queued:
                            queued.add(again)
                            heapq.heappush(queue, again)
                changes.discarded.clear()
        self.presence.see([person[0] for person in people.values()])

    def _take(
        self,
        record: Mapping[str, Any],
        mapped: Mapped,
        identity: Identity | None,
        person: Person | None,
        digest: bytes | None,
    ) -> None:
        if identity is None:
            self._run.intake.take(mapped, self._stream, None, digest)
            return
        if person is None:
            person = self._hasher.identity(identity)
            self.presence.see([person[0]])
        if self.mapper.is_deleted(record):
            self._gone.add(person[0])
        elif all(rejection.attribute is not None for rejection in mapped.rejections):
            self._gone.discard(person[0])
            was_in = self._flags.is_in(self._run.changes.expected(person), person[1])
            contribution = self.mapper.contribution(record, identity, was_in)
            if contribution.entered:
                self._roll.enter(person[0], identity)
            for name in contribution.undecided:
                self._tally.audiences[name].undecided += 1
            mapped = self.mapper.joined(mapped, identity, contribution)
        self._run.intake.take(mapped, self._stream, person, digest)

    def _begin(self) -> None:
        """Note, before anything of it is sent, that a table has begun whose end is not there yet."""
        self.presence.begin()
        if not self._book.is_open or self._book.open_version != self.presence.version:
            self._book.is_open, self._book.open_version = True, self.presence.version
            self._keep()

    def write(self) -> None:
        """Keep who enters: before the request leaves that says so."""
        self._roll.write()

    def _keep(self) -> None:
        self._ledger.meta_put(_BOOK.format(self._number), msgspec.msgpack.encode(self._book))

    # On the delivery's thread

    def accepted(self, update: Update) -> None:
        """Count who entered and left by an object that Braze accepted."""
        lesson = update.lesson
        if lesson is None or not (moved := self._flags.moved(lesson)):
            return
        _, seed = self._hasher.identity(update.identity)
        was_in, is_in = self._flags.is_in(lesson.before, seed), self._flags.is_in(lesson.after, seed)
        for name in moved:
            if name in is_in and name not in was_in:
                self._tally.audiences[name].entered += 1
            elif name in was_in and name not in is_in:
                self._tally.audiences[name].left += 1
        if not is_in:
            self._left[lesson.key] = seed

    # When all is delivered

    def leave(self, now: dt.datetime) -> str | None:
        """Let those leave who are not in any more, without a record that says so.

        Returns:
            What a person has to decide before some of them leave; None if nothing.
        """
        self._run.changes.settle()
        over = [audience.name for audience in self._audiences if audience.phase(now) is Phase.OVER]
        counting = self._counting()
        if not self._must_look(over, counting):
            self._before = {audience.name: self._book.members[audience.name] for audience in self._audiences}
            return None
        people = dict.fromkeys(self._tally.audiences, 0)
        absent = dict.fromkeys(self._tally.audiences, 0)
        for member in self._members():
            for name in member.was_in:
                people[name] += 1
                absent[name] += member.is_absent
            if not member.was_in:
                self._left[member.person[0]] = member.person[1]
        for name, tally in self._tally.audiences.items():
            self._before[name] = max(0, people[name] - tally.entered + tally.left)
        question = self._question(counting, absent)
        leaving = [] if question else [name for name in counting if absent[name]]
        if leaving or self._gone or any(people[name] for name in over):
            self._let_leave(over, leaving)
        return question

    def _counting(self) -> list[str]:
        """The audiences that those leave who were not seen."""
        if not self.presence.is_read:
            return []
        is_new = self.presence.is_new_version
        return [audience.name for audience in self._audiences if audience.full_table or is_new]

    def _must_look(self, over: Collection[str], counting: Collection[str]) -> bool:
        """Whether the roll has to be gone through."""
        known = self._book.members
        return bool(
            self._was_open
            or counting
            or self._gone
            or any(known.get(name) for name in over)
            or any(audience.name not in known for audience in self._audiences)
        )

    def _members(self) -> Iterator[Member]:
        """All on the roll, and whether each was seen."""
        people = self._roll.people()
        while chunk := list(islice(people, _CHUNK)):
            keys = [key for key, _ in chunk]
            known = [None if value is None else entries.decode(value) for value in self._ledger.get_many(keys)]
            digests = [None if entry is None else entry.records.get(self._number) for entry in known]
            absent = self.presence.absent(keys, digests)
            for (_, identity), entry, is_absent in zip(chunk, known, absent, strict=True):
                person = self._hasher.identity(identity)
                yield Member(person, identity, self._flags.is_in(entry, person[1]), is_absent)

    def _question(self, counting: Iterable[str], absent: Mapping[str, int]) -> str | None:
        by_name = {audience.name: audience for audience in self._audiences}
        asked = []
        for name in counting:
            were = max(self._before[name], absent[name])
            if by_name[name].max_leaving.is_passed(absent[name], were):
                asked.append(self._asked(by_name[name], absent[name], were))
        return " ".join(asked) or None

    def _asked(self, audience: Audience, absent: int, were: int) -> str:
        return (
            f"{absent:,} of {were:,} people in the audience {audience.name!r} are not in stream {self._stream!r} any "
            f"more, and `{audience.place}.max_leaving` allows fewer to leave at once. Nobody left who was absent from "
            "it; all else of this run was delivered and kept. If they are to leave, set "
            f"`{audience.place}.max_leaving: {absent}` and run again with the whole table; if not, mend what the tap "
            "reads."
        )

    def _let_leave(self, over: Collection[str], counting: Collection[str]) -> None:
        members = self._members()
        while chunk := list(islice(members, _CHUNK)):
            leavers = []
            for member in chunk:
                names = {*over, *(counting if member.is_absent else ())}
                if member.person[0] in self._gone:
                    names.update(member.was_in)
                if names := names.intersection(member.was_in):
                    leavers.append((member.person, self.mapper.leave(member.identity, names, member.was_in)))
            self._run.changes.fetch(leave for _, leave in leavers)
            for person, leave in leavers:
                self._run.intake.leave(leave, person)
            self._run.changes.discarded.clear()

    def close(self) -> None:
        """Keep what the next run has to know, once all is delivered that this one had to say."""
        for name, tally in self._tally.audiences.items():
            tally.stayed = max(0, self._before[name] - tally.left)
            tally.members = self._book.members[name] = max(0, self._before[name] + tally.entered - tally.left)
        left = list(self._left.items())
        values = self._ledger.get_many([key for key, _ in left])
        known = [None if value is None else entries.decode(value) for value in values]
        out = [key for (key, seed), entry in zip(left, known, strict=True) if not self._flags.may_be_in(entry, seed)]
        self._roll.strike(out)
        if self.presence.is_whole:
            self._book.is_open, self._book.open_version = False, None
        if self.presence.version is not None:
            self._book.version = self.presence.version
        self._keep()


def _places(digests: Sequence[bytes | None]) -> dict[bytes, list[int]]:
    """Where in a heap each digest is."""
    places: dict[bytes, list[int]] = {}
    for index, digest in enumerate(digests):
        if digest is not None:
            places.setdefault(digest, []).append(index)
    return places
