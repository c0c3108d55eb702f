"""Compares what a record says of a person with what the ledger knows: what differs, and what it knows then. Pure.

Values are compared by their hashes. What differs and a policy keeps back is held.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from xxhash import xxh3_64_digest

from target_braze import entries
from target_braze.entries import NEVER, Entry, Mark
from target_braze.hashes import VALUE_BYTES
from target_braze.policies import UNSUBSCRIBED, Last, number_in
from target_braze.updates import Attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze.mapping import Mapper, Source
    from target_braze.names import Names
    from target_braze.policies import Policy
    from target_braze.sealing import Sealer
    from target_braze.statements import StatementMapper
    from target_braze.updates import Form, Lesson

NO_LAYOUT: Final = -1
"""In the place of the number of a list of attributes: there are too many for one of its own."""
_NULL: Final = b"null"
_UNMARKED: Final = Mark()
_NUMBER: Final = struct.Struct("<d")
_NOWHERE: Final = 2
_MAX_PLANS: Final = 10_000


class Held(NamedTuple):
    """A change that a policy keeps back for now.

    Attributes:
        name: The attribute.
        policy: The policy's name in the settings.
        data_points: What it would have cost.
    """

    name: str
    policy: str
    data_points: int


@dataclass(frozen=True, eq=False)
class Plan:
    """How attributes of one form are compared.

    Attributes:
        stream: The number of their stream.
        numbers: The number of each.
        layout: The number of the list of them; `NO_LAYOUT` if there are too many lists to make one of its own.
        all: The indexes of all.
        policies: Index of an attribute → its policy.
        hashes: Takes the hashes of all apart, each as a number.
    """

    stream: int
    numbers: tuple[int, ...]
    layout: int
    all: tuple[int, ...]
    policies: Mapping[int, Policy]
    hashes: struct.Struct

    def differing(self, said: bytes, known: bytes) -> tuple[int, ...]:
        """The indexes of the attributes of which another hash is said than is known."""
        unpack = self.hashes.unpack
        return tuple(compress(self.all, map(ne, unpack(said), unpack(known))))


class Said(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a record says, ready to be compared.

    Attributes:
        attributes: What mapping made of it.
        plan: How they are compared.
        hashes: The hash of each value, one behind the other.
        key: What stands for the person.
        seed: The seed of those hashes.
    """

    attributes: Attributes
    plan: Plan
    hashes: bytes
    key: bytes
    seed: int


class Piece(NamedTuple):
    """Hashes that stand side by side.

    Attributes:
        source: Where they are: 0 in what is known, 1 in what the record says, 2 nowhere.
        start: Where they begin there, in bytes.
        stop: Where they end.
    """

    source: int
    start: int
    stop: int


class Move(NamedTuple):
    """How what is known by one list of attributes is compared with what a record says by another.

    Worked out once for both lists: an attribute that is new is missing in what is known of everybody.

    Attributes:
        known: Where the hashes of the record's attributes are in what is known.
        after: Where those that are known afterwards are, in what is known and in what the record says.
        layout: The number of the list of the latter.
    """

    known: tuple[Piece, ...]
    after: tuple[Piece, ...]
    layout: int


class Differences:
    """Compares records of all streams with what the ledger knows.

    Args:
        names: The numbers of names in the ledger.
        sealer: Seals the numbers it keeps for policies.
        now: When the run began, in Unix seconds.
        is_resync: Whether to forget what the ledger knows of the attributes that this run sends.
    """

    def __init__(self, names: Names, sealer: Sealer, now: int, *, is_resync: bool) -> None:
        self._names = names
        self._sealer = sealer
        self._now = now
        self._is_resync = is_resync
        self._mappers: dict[str, tuple[int, Mapper | StatementMapper]] = {}
        self._plans: dict[Form, Plan] = {}
        self._moves: dict[tuple[int, Plan], Move] = {}
        self._live = names.live

    def begin(self, mapper: Mapper | StatementMapper) -> bytes:
        """Begin, or go on, with a stream's records under a schema.

        Returns:
            What stands for the way of mapping them.
        """
        number = self._names.stream(mapper.stream)
        self._mappers[mapper.stream] = number, mapper
        self._plans.clear()
        numbers = self._names.attributes(number, mapper.names, mapper.is_dropped, afresh=self._is_resync)
        self._take_live()
        return mapper.fingerprint(numbers)

    def source(self, stream: str, attribute: str) -> Source:
        """Where an attribute of a stream comes from."""
        _, mapper = self._mappers[stream]
        return mapper.source(attribute)

    def is_held_in_doubt(self, stream: str) -> bool:
        """Whether what must not be done twice is held when it is in doubt."""
        return self._mappers[stream][1].settings.in_doubt == "hold"

    def plan(self, stream: str, form: Form) -> Plan:
        """How attributes of a form are compared."""
        return self._plans.get(form) or self._planned(stream, form)

    def _take_live(self) -> None:
        self._live = self._names.live
        self._moves.clear()

    def _planned(self, name: str, form: Form) -> Plan:
        stream, mapper = self._mappers[name]
        known = self._names.attributes(stream, form.names, afresh=self._is_resync)
        if self._names.live != self._live:
            self._take_live()
        numbers = tuple(known[name] for name in form.names)
        policies = {index: mapper.policies[name] for index, name in enumerate(form.names) if name in mapper.policies}
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        is_listed = self._names.listed(numbers, self._live) == numbers
        layout = self._names.layout(numbers) if is_listed else NO_LAYOUT
        hashes = struct.Struct(f"<{len(numbers)}Q")
        plan = Plan(stream, numbers, layout, tuple(range(len(numbers))), policies, hashes)
        self._plans[form] = plan
        return plan

    def differing(self, said: Said, before: Entry) -> tuple[tuple[int, ...], tuple[Held, ...]]:
        """The indexes of the attributes to send, and those held."""
        attributes, plan, hashes = said.attributes, said.plan, said.hashes
        if before.layout == plan.layout:
            if before.hashes == hashes:
                return (), ()
            if not plan.policies:
                return plan.differing(hashes, before.hashes), ()
        elif not plan.policies:
            return plan.differing(hashes, _gathered(self._move(before.layout, plan).known, before.hashes)), ()
        known = self._hashes(before)
        differing = [
            index for index, number in enumerate(plan.numbers) if _at(hashes, index) != known.get(number, NEVER)
        ]
        chosen, held = [], []
        for index in differing:
            policy = plan.policies.get(index)
            last = policy and self._last(said, before, index, known)
            reason = policy and last and policy.held_by(attributes.values[index], last, self._now)
            if reason:
                points = (attributes.points or attributes.form.points)[index]
                held.append(Held(attributes.form.names[index], reason, points))
            else:
                chosen.append(index)
        return tuple(chosen), tuple(held)

    def changed(self, said: Said, before: Entry | None, chosen: tuple[int, ...]) -> tuple[str, ...]:
        """The attributes to be sent of which the ledger knows another value."""
        known = {} if before is None else self._hashes(before)
        names, numbers = said.attributes.form.names, said.plan.numbers
        return tuple(names[index] for index in chosen if known.get(numbers[index], NEVER) != NEVER)

    def _move(self, layout: int, plan: Plan) -> Move:
        """How what is known by another list is compared."""
        move = self._moves.get((layout, plan))
        if move is None:
            places = {number: place for place, number in enumerate(self._names.numbers(layout)) if number in self._live}
            said = {number: place for place, number in enumerate(plan.numbers)}
            together = plan.numbers if places.keys() <= said.keys() else tuple(sorted({*places, *said}))
            together = self._names.listed(together, self._live)
            move = Move(
                _pieces((0, places.get(number)) for number in plan.numbers),
                _pieces((1, said[number]) if number in said else (0, places.get(number)) for number in together),
                self._names.layout(together),
            )
            if len(self._moves) >= _MAX_PLANS:
                self._moves.clear()
            self._moves[layout, plan] = move
        return move

    def _hashes(self, entry: Entry) -> dict[int, bytes]:
        """The hash of each attribute that the ledger knows of a person, by number."""
        numbers = self._names.numbers(entry.layout)
        return {number: _at(entry.hashes, index) for index, number in enumerate(numbers) if number in self._live}

    def after(
        self, said: Said, before: Entry | None, chosen: tuple[int, ...], digests: dict[int, bytes], *, is_all: bool
    ) -> Entry:
        """What the ledger knows when the chosen attributes, which may be all that differ, are accepted.

        The digests of other streams' records go: they may have said something else of the same attributes.
        """
        plan, hashes = said.plan, said.hashes
        marks = {} if before is None else before.marks
        if plan.policies:
            marks = {**marks, **self._marks(said, chosen)}
        layout = plan.layout if before is None else before.layout
        if is_all and layout == plan.layout != NO_LAYOUT:  # what was not chosen is as it was
            return Entry(plan.layout, hashes, digests, marks)
        if is_all and before is not None and not plan.policies:
            move = self._move(layout, plan)
            return Entry(move.layout, _gathered(move.after, before.hashes, hashes), digests, marks)
        known = {} if before is None else self._hashes(before)
        known.update((plan.numbers[index], _at(hashes, index)) for index in chosen)
        numbers = plan.numbers if known.keys() <= set(plan.numbers) else tuple(sorted(known))
        numbers = self._names.listed(numbers, self._live)
        return Entry(
            self._names.layout(numbers), b"".join(known.get(number, NEVER) for number in numbers), digests, marks
        )

    # What policies remember

    def _marks(self, said: Said, chosen: tuple[int, ...]) -> dict[int, Mark]:
        marks = {}
        for index in chosen:
            policy = said.plan.policies.get(index)
            if policy is None:
                continue
            number = number_in(said.attributes.values[index]) if policy.needs_number else None
            place = said.key + _at(said.hashes, index)
            sealed = None if number is None else self._sealer.seal(_NUMBER.pack(number), place)
            marks[said.plan.numbers[index]] = Mark(sealed, self._now if policy.needs_time else None)
        return marks

    def _last(self, said: Said, before: Entry, index: int, known: Mapping[int, bytes]) -> Last:
        number = said.plan.numbers[index]
        hashed = known.get(number, NEVER)
        if hashed == NEVER:
            return Last(is_known=False, is_null=False, number=None, accepted_at=None)
        mark = before.marks.get(number, _UNMARKED)
        opened = None if mark.number is None else self._sealer.open(mark.number, said.key + hashed)
        delivered = None if opened is None else _NUMBER.unpack(opened)[0]
        is_null = hashed == xxh3_64_digest(_NULL, said.seed)
        is_unsubscribed = hashed == xxh3_64_digest(UNSUBSCRIBED, said.seed)
        return Last(True, is_null, delivered, mark.accepted_at, is_unsubscribed)

    def merged(self, first: Attributes, second: Attributes) -> Attributes:
        """What two records of a person say together: the later wins for each attribute."""
        if first.form is second.form:
            return second
        values: dict[str, bytes] = {}
        points: dict[str, int] = {}
        for attributes in (first, second):
            values.update(zip(attributes.form.names, attributes.values, strict=True))
            points.update(zip(attributes.form.names, attributes.points or attributes.form.points, strict=True))
        _, mapper = self._mappers[second.stream]
        form = mapper.form(second.identity.kind, tuple(values))
        return Attributes(
            second.stream, second.identity, second.named, form, list(values.values()), tuple(points.values())
        )

    # After an answer

    def reconciled(self, lesson: Lesson, value: bytes | None) -> Entry:
        """What the ledger knows after an update whose predecessor may have been rejected.

        Args:
            lesson: What it learns of the update.
            value: What it knows of the person until then, as it keeps it.
        """
        if value is not None and lesson.before is not None and value == entries.encode(lesson.before):
            return lesson.after
        known = {} if value is None else self._hashes(before := entries.decode(value))
        marks = {} if value is None else dict(before.marks)
        new = self._hashes(lesson.after)
        for number in lesson.numbers:
            known[number] = new.get(number, NEVER)
            if number in lesson.after.marks:
                marks[number] = lesson.after.marks[number]
        numbers = self._names.listed(tuple(sorted(known)), self._live)
        return Entry(self._names.layout(numbers), b"".join(known.get(number, NEVER) for number in numbers), {}, marks)


def _pieces(places: Iterable[tuple[int, int | None]]) -> tuple[Piece, ...]:
    """Hashes from many places in as few pieces as may be.

    Args:
        places: Of each its source and its place there; None for one that is nowhere.
    """
    pieces: list[Piece] = []
    for source, place in places:
        start = 0 if place is None else place * VALUE_BYTES
        piece = Piece(_NOWHERE if place is None else source, start, start + VALUE_BYTES)
        if pieces and pieces[-1].source == piece.source != _NOWHERE and pieces[-1].stop == start:
            pieces[-1] = pieces[-1]._replace(stop=piece.stop)
        else:
            pieces.append(piece)
    return tuple(pieces)


def _gathered(pieces: Iterable[Piece], known: bytes, said: bytes = b"") -> bytes:
    sources = known, said, NEVER
    return b"".join([sources[source][start:stop] for source, start, stop in pieces])


def _at(hashes: bytes, index: int) -> bytes:
    return hashes[index * VALUE_BYTES : (index + 1) * VALUE_BYTES]
