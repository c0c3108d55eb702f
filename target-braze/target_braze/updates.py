"""What a record asks of Braze, after mapping: whom it is about, and what of that person. Pure.

Mapping makes `Attributes` of a record about a profile; what of them differs from the ledger becomes an `Update`, the
object that is sent. Events and purchases are updates at once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_braze.endpoints import TRACK, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.additions import Addition
    from target_braze.entries import Entry
    from target_braze.mapped_ahead import MappedAhead
    from target_braze.occurrences import Occurrence
    from target_braze.rejections import Rejection

_MAX_SHAPES = 10_000
"""Shapes that are kept to be shared; attributes that all change in other combinations would make more without end."""


class ObjectKind(str, enum.Enum):
    """What records become; of the first three, the array of a `/users/track` request that an object goes into."""

    ATTRIBUTES = "attributes"
    EVENTS = "events"
    PURCHASES = "purchases"
    DELETE_USERS = "delete_users"
    USER_ALIASES = "user_aliases"
    IDENTIFY = "identify"
    MERGE = "merge"
    EXTERNAL_ID_RENAME = "external_id_rename"
    EXTERNAL_ID_REMOVE = "external_id_remove"
    SUBSCRIPTION_GROUPS = "subscription_groups"
    CATALOG_ITEMS = "catalog_items"
    COHORTS = "cohorts"


TRACKED: Final = (ObjectKind.ATTRIBUTES, ObjectKind.EVENTS, ObjectKind.PURCHASES)
"""What goes to `/users/track`."""


class Identity(NamedTuple):
    """Whom an update is about: which identifier, and its value (of an alias: label and name).

    Equal for the same person named by the same identifier, for the value is in the form Braze stores.
    """

    kind: str
    value: str | tuple[str, str]

    def as_fields(self) -> dict[str, Any]:
        """The identifier as an object holds it."""
        if isinstance(self.value, str):
            return {self.kind: self.value}
        label, name = self.value
        return {self.kind: {"alias_name": name, "alias_label": label}}


class Shape:
    """What writing an object costs, shared by objects with the same attributes.

    Equal only to itself, so that it is quick to count.

    Attributes:
        data_points: Attribute name → data points that writing it costs.
    """

    __slots__ = ("data_points",)

    def __init__(self, data_points: dict[str, int]) -> None:
        self.data_points = data_points


FREE: Final = Shape({})
"""What costs nothing."""


class Lesson(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What the ledger learns when Braze accepts an update (invariant 2).

    Attributes:
        key: What stands for the person.
        before: What the ledger would know before it, the updates that have not ended taken as accepted.
        after: What it knows then.
        numbers: Numbers of the attributes that change.
        is_after_another: Whether an earlier update of the person had not ended: it may yet be rejected, and then
            `after` is not true.
        additions: Which of the attributes add to what Braze has.
        is_held_in_doubt: Whether those are not sent again when nobody knows if Braze has done them.
        replaces: The lesson of an update of which this one's is what may be sent again.
    """

    key: bytes
    before: Entry | None
    after: Entry
    numbers: tuple[int, ...]
    is_after_another: bool
    additions: tuple[Addition, ...] = ()
    is_held_in_doubt: bool = False
    replaces: Lesson | None = None


class Outcome(enum.IntEnum):
    """What becomes of an object that was sent, the worst last."""

    DELIVERED = 0
    HELD = 1
    REJECTED = 2


class Update(msgspec.Struct, frozen=True, gc=False):
    """One object, ready to be packed.

    Attributes:
        stream: The stream its record came from.
        kind: The array it goes into.
        identity: Whom it is about.
        body: The object as JSON.
        shape: What it costs.
        records: How many records it is the outcome of.
        lesson: What the ledger learns of it; None if nothing.
        endpoint: Where it goes.
        people: Whom else it touches, for an endpoint other than `/users/track`; no request about one of them is under
            way meanwhile.
        forgets: What the ledger forgets when Braze accepts it.
        occurrence: What the ledger learns of it, if it is an event or purchase.
    """

    stream: str
    kind: ObjectKind
    identity: Identity
    body: bytes
    shape: Shape
    records: int = 1
    lesson: Lesson | None = None
    endpoint: Endpoint = TRACK
    people: tuple[Identity, ...] = ()
    forgets: tuple[Lesson, ...] = ()
    occurrence: Occurrence | None = None

    @property
    def is_held_in_doubt(self) -> bool:
        """Whether it is not sent again when nobody knows if Braze has it."""
        known = self.occurrence or self.lesson
        return known is not None and known.is_held_in_doubt


class Form:
    """The attributes that a record gives, by name; shared by the records that give the same.

    Equal only to itself, so that it is quick to look up.

    Attributes:
        names: Their names in Braze.
        points: Data points that each costs, unless it is nested.
        size: Bytes of an object with all of them, without values and identifier.
    """

    __slots__ = ("_flags", "_prefixes", "_shapes", "_template", "_whole", "names", "points", "size")

    def __init__(self, names: tuple[str, ...], points: tuple[int, ...], flags: Mapping[str, bool]) -> None:
        self.names = names
        self.points = points
        self._prefixes = [b",%b:" % msgspec.json.encode(name) for name in names]
        self._flags = b"".join(
            b",%b:%b" % (msgspec.json.encode(name), b"true" if on else b"false") for name, on in flags.items()
        )
        self._shapes: dict[Any, Shape] = {}
        self._whole = Shape({name: point for name, point in zip(names, points, strict=True) if point})
        parts = b"".join(prefix.replace(b"%", b"%%") + b"%b" for prefix in self._prefixes)
        self._template = b"{%b" + parts + self._flags.replace(b"%", b"%%") + b"}"
        self.size = sum(map(len, self._prefixes)) + len(self._flags) + len("{}")

    def body(self, named: bytes, values: Sequence[bytes], chosen: Sequence[int]) -> bytes:
        """An object with some of the attributes.

        Args:
            named: The identifier as the object holds it, without braces.
            values: The JSON of each value.
            chosen: Indexes of the attributes.
        """
        if len(chosen) == len(values):
            return self._template % (named, *values)
        parts = [part for index in chosen for part in (self._prefixes[index], values[index])]
        return b"".join((b"{", named, *parts, self._flags, b"}"))

    def shape(self, chosen: tuple[int, ...], points: tuple[int, ...] | None) -> Shape:
        """What an object with some of the attributes costs."""
        if points is None and len(chosen) == len(self.names):
            return self._whole  # as good as always, for people who are new
        key = (chosen, points)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            each = points or self.points
            shape = Shape({self.names[index]: each[index] for index in chosen if each[index]})
            self._shapes[key] = shape
        return shape


class Attributes(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a record says of a person, in the form Braze keeps.

    Attributes:
        stream: The stream the record came from.
        identity: Whom it is about.
        named: The identifier as an object holds it, in JSON without braces.
        form: Which attributes.
        values: The JSON of each.
        points: Data points that each costs; None if what the form says holds.
        is_mergeable: Whether a later value replaces an earlier one; not so if one changes parts of what Braze has.
        ahead: What was found out about them before, if anything was.
    """

    stream: str
    identity: Identity
    named: bytes
    form: Form
    values: Sequence[bytes]
    points: tuple[int, ...] | None = None
    is_mergeable: bool = True
    ahead: MappedAhead | None = None

    @property
    def attributes(self) -> Attributes:
        """Itself: what the mapping of a record comes to if nothing was turned down, as `Mapped` has it."""
        return self

    @property
    def size(self) -> int:
        """Bytes of the object that would hold all of them."""
        return self.form.size + len(self.named) + sum(map(len, self.values))

    def update(self, chosen: tuple[int, ...], records: int = 1, lesson: Lesson | None = None) -> Update:
        """The object that changes some of them in Braze."""
        if self.ahead is not None and len(chosen) == len(self.form.names):
            body = self.ahead.body
        else:
            body = self.form.body(self.named, self.values, chosen)
        shape = self.form.shape(chosen, self.points)
        return Update(self.stream, ObjectKind.ATTRIBUTES, self.identity, body, shape, records, lesson)

    def whole(self) -> Update:
        """The object that writes all of them."""
        return self.update(tuple(range(len(self.values))))


class Statement(Attributes, frozen=True, gc=False, eq=False):
    """What a record asks of an endpoint other than `/users/track`.

    To the ledger it is an attribute like any other: something of a name that has a value, sent when that changes.

    Attributes:
        kind: What the record is.
        body: The object as JSON, which says more than the value: whom.
        shape: What it costs.
        endpoint: Where it goes.
        people: Whom it touches.
        forgets: Of whom the ledger knows nothing any more once Braze accepts it.
        preamble: What has to be said before, once.
        counts: Whether a record is behind it.
    """

    kind: ObjectKind = ObjectKind.ATTRIBUTES
    body: bytes = b""
    shape: Shape = FREE
    endpoint: Endpoint = TRACK
    people: tuple[Identity, ...] = ()
    forgets: tuple[Identity, ...] = ()
    preamble: Statement | None = None
    counts: bool = True

    def update(self, chosen: tuple[int, ...], records: int = 1, lesson: Lesson | None = None) -> Update:
        """The object that asks it."""
        return Update(
            self.stream,
            self.kind,
            self.identity,
            self.body,
            self.shape,
            records if self.counts else 0,
            lesson,
            self.endpoint,
            self.people,
        )


@dataclass(frozen=True)
class Mapped:
    """What mapping made of one record.

    Attributes:
        update: An event or purchase, or what else is not a matter of a profile's attributes.
        attributes: What it says of a profile.
        rejections: What was turned down: the record (then there is neither) or single attributes of it.
        left_out: Attribute → how many parts inside its nested value were left out.
        others: More purchases, where one would hold more pieces than Braze takes.
        known_by: What an event or purchase is known by.
    """

    update: Update | None = None
    attributes: Attributes | None = None
    rejections: tuple[Rejection, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    others: tuple[Update, ...] = ()
    known_by: bytes | None = None

    @property
    def objects(self) -> tuple[Update, ...]:
        """All its events or purchases."""
        return self.others if self.update is None else (self.update, *self.others)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could be sent."""
        return self.update is None and self.attributes is None

    @property
    def is_rejected(self) -> bool:
        """Whether nothing of the record could be sent, for something in it was turned down."""
        return self.is_empty and bool(self.rejections)
