"""Maps the records of a stream with audiences: what mapping makes of one, and what its person's memberships add. Pure.

Who is in which audience is known to the ledger as one attribute more for each, a flag, under a name that Braze takes
from nobody: true for who is in, false for who left, none for who never was in. It is learned with the object that its
record asks for, as the attributes in that are, and is never sent itself. So what is true of attributes is true of
memberships: a later record of a person meets what is under way, and nothing is learned of what Braze rejects.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from xxhash import xxh3_64_digest

from target_braze.costs import nested_points, plain_points
from target_braze.entries import NEVER
from target_braze.errors import SettingsError
from target_braze.hashes import VALUE_BYTES
from target_braze.leaving import LeavingLimit
from target_braze.limits import MAX_OBJECT_BYTES, TOO_LARGE
from target_braze.mapping import Mapper
from target_braze.memberships import Memberships, check_kind
from target_braze.names import MEMBERSHIP
from target_braze.nested import encode, encode_each, encode_sorted
from target_braze.rejections import RefusalError, Rejection
from target_braze.standard_fields import DELETED_AT
from target_braze.updates import Attributes, Form, Identity, Mapped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from target_braze.audiences import Audience
    from target_braze.entries import Entry
    from target_braze.memberships import Contribution
    from target_braze.names import Names
    from target_braze.schema import Schema
    from target_braze.stream_settings import StreamSettings
    from target_braze.updates import Lesson, Shape, Update

FLAG: Final = MEMBERSHIP
"""What the name of a flag begins with; no attribute's name begins with $."""
_OUT: Final = b"false"


def flag_of(audience: str) -> str:
    """The flag of an audience."""
    return FLAG + audience


class MemberForm(Form):
    """A form with flags among its attributes, which are never sent.

    Args:
        names: The names of attributes and flags.
        flags: What steers Braze.
        written: The attributes that audiences write.
    """

    __slots__ = ("_sent", "_written")

    def __init__(self, names: tuple[str, ...], flags: Mapping[str, bool], written: Collection[str]) -> None:
        super().__init__(names, plain_points(names), flags)
        self._sent = frozenset(index for index, name in enumerate(names) if not name.startswith(FLAG))
        self._written = tuple(index for index, name in enumerate(names) if name in written)

    def body(self, named: bytes, values: Sequence[bytes], chosen: Sequence[int]) -> bytes:
        """An object with some of the attributes; see `Form.body`."""
        return super().body(named, values, self._sent_of(chosen))

    def shape(self, chosen: tuple[int, ...], points: tuple[int, ...] | None) -> Shape:
        """What an object with some of the attributes costs."""
        return super().shape(self._sent_of(chosen), points)

    def _sent_of(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """What is sent for what differs.

        Where nothing but a flag differs (an audience has come to write what a column wrote before), what audiences
        write goes again: only an object that Braze accepts lets the ledger learn.
        """
        return tuple(index for index in chosen if index in self._sent) or self._written


class Leave(Attributes, frozen=True, gc=False, eq=False):
    """What is said of a person who leaves without a record."""

    def update(self, chosen: tuple[int, ...], records: int = 1, lesson: Lesson | None = None) -> Update:
        """The object that says it; no record is behind it."""
        del records
        return super().update(chosen, 0, lesson)


class AudienceMapper(Mapper):
    """Maps the records of one stream that has audiences.

    Attributes:
        memberships: Who belongs to them.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema as the tap sent it.
        settings: What the settings say about the stream.
        audiences: Its audiences.
        now: The time of the run.

    Raises:
        SettingsError: If settings and schema do not fit together; the message names the line to change.
        InvalidJSONSchema: If the schema is not one.
    """

    def __init__(
        self, stream: str, schema: Schema, settings: StreamSettings, audiences: Sequence[Audience], now: dt.datetime
    ) -> None:
        check_kind(audiences, stream, settings)
        super().__init__(stream, schema, settings)
        self.memberships = Memberships(audiences, stream, schema, settings, super().names)
        self._now = now
        self._written = tuple(dict.fromkeys(name for audience in audiences for name in audience.attributes))
        self._flags_by_name = {audience.name: flag_of(audience.name) for audience in audiences}
        self._leaving: dict[tuple[str, tuple[str, ...]], MemberForm] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that records may give, those that audiences write, and the flags."""
        return (*super().names, *self._written, *self._flags_by_name.values())

    def is_dropped(self, name: str) -> bool:
        """Whether an attribute is not sent any more; memberships stay known when an audience is not in the settings."""
        return not name.startswith(FLAG) and super().is_dropped(name)

    def form(self, identified_by: str, names: tuple[str, ...]) -> Form:
        """The form of attributes and flags with these names."""
        key = identified_by, names
        if key not in self._forms and any(name.startswith(FLAG) for name in names):
            self._forms[key] = MemberForm(names, self.flags[identified_by], self._written)
        return super().form(identified_by, names)

    def fingerprint(self, numbers: Mapping[str, int]) -> bytes:
        """All that shapes what becomes of a record: also what the audiences are, and where each is in its time."""
        entries = [
            replace(audience, place="", full_table=False, max_leaving=LeavingLimit())
            for audience in self.memberships.audiences
        ]
        phases = [audience.phase(self._now) for audience in entries]
        is_by_day = self.memberships.is_time_dependent and self.memberships.is_by_day
        day = self._now.astimezone(dt.timezone.utc).date() if is_by_day else None
        return encode_sorted([super().fingerprint(numbers), entries, phases, day])

    @property
    def has_digests(self) -> bool:
        """Whether a record that has not changed need not be looked at.

        Where the answer may be another any moment, every record is judged in every run. Where it may be another each
        day, the first run of a day judges every record.
        """
        return self.memberships.is_by_day

    def identity(self, record: Mapping[str, Any]) -> Identity | None:
        """Whom a record is about; None if nobody or somebody whose name is unusable."""
        try:
            return self._identities.identify(record)
        except RefusalError:
            return None

    def is_deleted(self, record: Mapping[str, Any]) -> bool:
        """Whether a record says that its person is gone."""
        return self.settings.on_delete != "ignore" and record.get(DELETED_AT) is not None

    def contribution(self, record: Mapping[str, Any], identity: Identity, was_in: Collection[str]) -> Contribution:
        """What the audiences have to say about the person of a record."""
        return self.memberships.contribution(record, self._now, treatment_key(identity), was_in)

    def joined(self, mapped: Mapped, identity: Identity, contribution: Contribution) -> Mapped:
        """What mapping made of a record, with what the audiences have to say about its person."""
        flags = self._flags_by_name
        said = {
            **contribution.attributes,
            **dict.fromkeys((flags[name] for name in contribution.is_in), True),
            **dict.fromkeys((flags[name] for name in contribution.left), False),
        }
        rejections = (
            *mapped.rejections,
            *(self._rejection(identity, reason, name, value) for name, reason, value in contribution.refused),
        )
        attributes = self._with(mapped.attributes, identity, said)
        if attributes is not None and attributes.size > MAX_OBJECT_BYTES:
            whole = Rejection(self.stream, identity.as_fields(), TOO_LARGE, None, contribution.attributes)
            return Mapped(rejections=(*rejections, whole))
        return Mapped(None, attributes, rejections, (*mapped.left_out, *contribution.left_out))

    def _with(self, base: Attributes | None, identity: Identity, said: Mapping[str, Any]) -> Attributes | None:
        if not said:
            return base
        names = tuple(said) if base is None else (*base.form.names, *said)
        form = self.form(identity.kind, names)
        own = nested_points(form.points[len(names) - len(said) :], said.values())
        points = None
        if own is not None or (base is not None and base.points is not None):
            own = own or form.points[len(names) - len(said) :]
            points = own if base is None else (*(base.points or base.form.points), *own)
        return Attributes(
            self.stream,
            identity,
            encode(identity.as_fields())[1:-1] if base is None else base.named,
            form,
            [*([] if base is None else base.values), *encode_each(list(said.values()))],
            points,
            (base is None or base.is_mergeable) and self.are_mergeable(said.values()),
        )

    def leave(self, identity: Identity, names: Collection[str], was_in: Collection[str]) -> Leave:
        """What to say of a person who leaves audiences without a record.

        Args:
            identity: Whom.
            names: The audiences to leave.
            was_in: All audiences that the person was in.
        """
        said = self.memberships.leaving(names, was_in)
        said |= {self._flags_by_name[name]: False for name in names}
        key = identity.kind, tuple(said)
        form = self._leaving.get(key)
        if form is None:
            flags = {**self._flags_of(identity.kind), "_update_existing_only": True}  # nobody is made to leave
            form = self._leaving[key] = MemberForm(key[1], flags, self._written)
        return Leave(self.stream, identity, encode(identity.as_fields())[1:-1], form, encode_each(list(said.values())))

    def _add_unannounced(self, record: Mapping[str, Any]) -> None:
        super()._add_unannounced(record)
        if taken := [name for name in super().names if name in self._written]:
            raise SettingsError(
                f"A column of stream {self.stream!r} that its schema does not announce is to become the attribute "
                f"{taken[0]!r}, which an audience writes. Leave the column out, or give the audience another name."
            )


class Flags:
    """Reads flags out of what the ledger knows of a person.

    Args:
        names: The numbers of names in the ledger.
        stream: The number of the stream.
        audiences: The names of its audiences.
    """

    def __init__(self, names: Names, stream: int, audiences: Iterable[str]) -> None:
        self._names = names
        by_flag = {flag_of(audience): audience for audience in audiences}
        numbers = names.attributes(stream, by_flag, afresh=False)
        self._by_number = {numbers[flag]: audience for flag, audience in by_flag.items()}
        self._places: dict[int, tuple[tuple[int, str], ...]] = {}

    def moved(self, lesson: Lesson) -> list[str]:
        """The audiences whose flag an update changes."""
        by_number = self._by_number
        return [by_number[number] for number in lesson.numbers if number in by_number]

    def is_in(self, entry: Entry | None, seed: int) -> tuple[str, ...]:
        """The audiences that a person is in, or may be in.

        Where nobody knows what became of an update the flag is `PERHAPS`: whoever may be in has to be told to leave.
        """
        if entry is None:
            return ()
        places = self._places.get(entry.layout)
        if places is None:
            numbers = self._names.numbers(entry.layout)
            places = tuple((at, self._by_number[each]) for at, each in enumerate(numbers) if each in self._by_number)
            self._places[entry.layout] = places
        if not places:
            return ()
        out = NEVER, xxh3_64_digest(_OUT, seed)
        return tuple(name for at, name in places if _at(entry, at) not in out)

    def may_be_in(self, entry: Entry | None, seed: int) -> bool:
        """Whether a person may be in any audience, also one that is not in the settings any more."""
        if entry is None:
            return False
        out, flags = (NEVER, xxh3_64_digest(_OUT, seed)), self._names.memberships
        numbers = self._names.numbers(entry.layout)
        return any(number in flags and _at(entry, at) not in out for at, number in enumerate(numbers))


def _at(entry: Entry, index: int) -> bytes:
    return entry.hashes[index * VALUE_BYTES : (index + 1) * VALUE_BYTES]


def treatment_key(identity: Identity) -> bytes:
    """What stands for a person in the draw of treatments: the same in every run, with every ledger."""
    value = identity.value
    return f"{identity.kind}:{value}".encode() if isinstance(value, str) else encode([identity.kind, *value])
