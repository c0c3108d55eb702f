"""Who enters, stays in and leaves the audiences of a stream, and what is written to Braze for it. Pure.

What this needs to know of the past is in which audiences a person was; who remembers it is not said here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from target_braze.audiences import Audience, Encoding, Phase
from target_braze.columns import Column, Columns, convert_nested
from target_braze.conditions import EVERYBODY, UNDECIDED, Condition, compile_condition
from target_braze.errors import SettingsError
from target_braze.layouts import LAYOUTS
from target_braze.rejections import RefusalError
from target_braze.schema import Kind, Schema, columns, kind_of
from target_braze.stream_settings import FieldSettings, StreamSettings
from target_braze.updates import ObjectKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping, Sequence


class Membership(str, enum.Enum):
    """Whether a person belongs to an audience."""

    IN = "in"
    OUT = "out"
    UNDECIDED = "undecided"
    """The record does not say enough: the person stays as they are."""


@dataclass(frozen=True)
class Contribution:
    """What the audiences of a stream have to say about one person.

    Attributes:
        attributes: Attribute → value to write, null to remove it; an attribute that is not here is left alone.
        entered: Audiences the person is in now and was not.
        stayed: Audiences the person is in, as before.
        left: Audiences the person was in.
        undecided: Audiences whose condition the record does not decide.
        refused: Attribute, why its value cannot be sent, and the value, for the dead letter.
        left_out: Attribute and how many parts inside its value were left out.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    entered: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    refused: tuple[tuple[str, str, Any], ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def is_in(self) -> tuple[str, ...]:
        """Audiences the person is in by this record; an undecided one is in neither this nor `left`."""
        return (*self.entered, *self.stayed)


class Memberships:
    """The audiences of one stream under one schema.

    Attributes:
        audiences: The audiences.
        fields: The columns that they ask about or copy.
        is_time_dependent: Whether people may enter or leave by the passing of time, their record unchanged.
        is_by_day: Whether they do so only when a day begins in UTC.

    Args:
        audiences: The stream's audiences.
        stream: The stream's name.
        schema: Its JSON Schema as the tap sent it.
        settings: What the settings say about the stream.
        names: What its columns are called in Braze.

    Raises:
        SettingsError: If an audience does not fit the stream; the message names the place.
        InputError: If the schema is not one.
    """

    def __init__(
        self,
        audiences: Sequence[Audience],
        stream: str,
        schema: Schema,
        settings: StreamSettings,
        names: Collection[str],
    ) -> None:
        check_kind(audiences, stream, settings)
        self.audiences = tuple(audiences)
        known = columns(schema)
        overrides = {source: settings.fields.get(source) or FieldSettings() for source in known}
        kinds = {source: overrides[source].kind or kind_of(column) for source, column in known.items()}
        is_closed = bool(known) and not schema.get("additionalProperties")
        self._conditions: dict[str, Condition] = {}
        self._copies: dict[str, list[Column]] = {}
        for audience in self.audiences:
            _check(audience, stream, names)
            self._conditions[audience.name] = _condition(audience, kinds, is_closed=is_closed)
            self._copies[audience.name] = [
                _copy(audience, attribute, source, known, overrides, is_closed=is_closed)
                for attribute, source in audience.copies.items()
                if not audience.is_retired
            ]
        asked = [condition.fields for condition in self._conditions.values()]
        copied = [{column.source for column in copies} for copies in self._copies.values()]
        self.fields = frozenset().union(*asked, *copied)
        self.is_time_dependent = any(condition.is_time_dependent for condition in self._conditions.values())
        self.is_by_day = all(condition.is_by_day for condition in self._conditions.values())
        self._gifts: dict[str, dict[str, Any]] = {}
        self._withdrawals: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, set[str]] = {}
        for audience in self.audiences:
            flag = [audience.name] if audience.encode is Encoding.BOOLEAN else []
            self._gifts[audience.name] = {**dict.fromkeys(flag, True), **audience.constants}
            self._withdrawals[audience.name] = {**dict.fromkeys(audience.own_attributes), **dict.fromkeys(flag, False)}
            if audience.array_attribute is not None:
                self._arrays.setdefault(audience.array_attribute, set()).add(audience.name)

    def membership(self, audience: Audience, record: Mapping[str, Any], now: dt.datetime) -> Membership:
        """Whether the person of a record belongs to one of the audiences."""
        if audience.phase(now) is not Phase.RUNNING:
            return Membership.OUT
        answer = self._conditions[audience.name].holds(record, now)
        if answer is UNDECIDED:
            return Membership.UNDECIDED
        return Membership.IN if answer else Membership.OUT

    def contribution(
        self, record: Mapping[str, Any], now: dt.datetime, identity_key: bytes, was_in: Collection[str]
    ) -> Contribution:
        """What the audiences have to say about the person of a record.

        Args:
            record: Column → value, as the tap sent it.
            now: The time of the run.
            identity_key: What stands for the person in every run; see `Treatments.of`.
            was_in: The names of the audiences that the person was in. Of others than these, nothing is written when
                the person is not in: there is nothing to take back.
        """
        attributes: dict[str, Any] = {}
        entered: list[str] = []
        stayed: list[str] = []
        left: list[str] = []
        undecided: list[str] = []
        refused: list[tuple[str, str, Any]] = []
        left_out: list[tuple[str, int]] = []
        for audience in self.audiences:
            name = audience.name
            membership = self.membership(audience, record, now)
            if membership is Membership.UNDECIDED:
                undecided.append(name)
            elif membership is Membership.IN:
                (stayed if name in was_in else entered).append(name)
                attributes.update(self._gifts[name])
                if audience.treatments is not None:
                    attributes[audience.treatment_attribute] = audience.treatments.of(identity_key)
                for column in self._copies[name]:
                    if column.source in record:
                        _add_copy(column, record[column.source], attributes, refused, left_out)
            elif name in was_in:
                left.append(name)
                attributes.update(self._withdrawals[name])
        if self._arrays:
            stays = [name for name in undecided if name in was_in]
            attributes.update(self._arrays_of({*entered, *stayed, *stays}, was_in))
        return Contribution(
            attributes, tuple(entered), tuple(stayed), tuple(left), tuple(undecided), tuple(refused), tuple(left_out)
        )

    def leaving(self, names: Collection[str], was_in: Collection[str]) -> dict[str, Any]:
        """What to write for a person who leaves without a record: absent, or by an audience that is over.

        Args:
            names: The audiences to leave.
            was_in: All audiences that the person was in.
        """
        left = [audience.name for audience in self.audiences if audience.name in names and audience.name in was_in]
        result = {attribute: value for name in left for attribute, value in self._withdrawals[name].items()}
        result.update(self._arrays_of({*was_in} - {*left}, was_in, changed=left))
        return result

    def _arrays_of(
        self, is_in: Collection[str], was_in: Collection[str], changed: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Every array with all that belongs into it; null for one that is empty and was not.

        Args:
            is_in: The audiences that the person is in.
            was_in: Those that the person was in.
            changed: Leave out the arrays of none of these; None for all arrays.
        """
        result: dict[str, Any] = {}
        for attribute, names in self._arrays.items():
            if changed is not None and names.isdisjoint(changed):
                continue
            if elements := sorted(names.intersection(is_in)):
                result[attribute] = elements
            elif not names.isdisjoint(was_in):
                result[attribute] = None
        return result


def check_kind(audiences: Sequence[Audience], stream: str, settings: StreamSettings) -> None:
    """Make sure that a stream with audiences is one of people.

    Raises:
        SettingsError: If it is not.
    """
    if audiences and settings.object_kind is not ObjectKind.ATTRIBUTES:
        raise SettingsError(
            f"`{audiences[0].place}.stream`: the records of {stream!r} are {settings.object_kind.value}; an audience "
            "needs a stream of people, `object: attributes`."
        )


def _check(audience: Audience, stream: str, names: Collection[str]) -> None:
    for attribute in audience.attributes:
        if attribute in names:
            raise SettingsError(
                f"`{audience.place}` writes the attribute {attribute!r}, which a column of stream {stream!r} is to "
                "become as well. Rename one, or leave the column out."
            )


def _condition(audience: Audience, kinds: Mapping[str, Kind], *, is_closed: bool) -> Condition:
    if audience.where is None or audience.is_retired:  # its columns may be gone already
        return EVERYBODY
    return compile_condition(audience.where, f"{audience.place}.where", kinds, is_closed=is_closed)


def _copy(
    audience: Audience,
    attribute: str,
    source: str,
    known: Mapping[str, Schema],
    overrides: Mapping[str, FieldSettings],
    *,
    is_closed: bool,
) -> Column:
    """The column once more, under the attribute's name."""
    if is_closed and source not in known:
        raise SettingsError(
            f"`{audience.place}.attributes.{attribute}.field` is {source!r}, but the stream has no such column."
        )
    own = replace(overrides.get(source, FieldSettings()), name=attribute)
    plan = Columns(audience.stream, StreamSettings(fields={source: own}), LAYOUTS[ObjectKind.ATTRIBUTES])
    plan.add(source, known.get(source, {}))
    column = plan.by_source[source]
    assert column is not None  # for its settings name it
    return column


def _add_copy(
    column: Column,
    value: Any,
    attributes: dict[str, Any],
    refused: list[tuple[str, str, Any]],
    left_out: list[tuple[str, int]],
) -> None:
    """Add a member's value of a column, in the form that Braze keeps."""
    part, parts_left_out = value, 0
    if value is not None:
        try:
            if column.convert is not None:
                part = column.convert(value)
            else:
                part, parts_left_out = convert_nested(column, value)
        except RefusalError as refusal:
            refused.append((column.name, str(refusal), value))
            return
    if part is not UNSET:
        attributes[column.name] = part
    if parts_left_out:
        left_out.append((column.name, parts_left_out))
