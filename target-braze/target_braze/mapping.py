"""From a record to what it asks of Braze: whom it is about, and the values in the form Braze keeps. Pure.

One `Mapper` for each stream and schema. A value that Braze would refuse or silently drop is turned down here, by name
and reason, and the rest of its record goes on; a record that names nobody is turned down as a whole. Nothing here
reads or writes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import UNSET

from target_braze.columns import Column, Columns, convert_nested
from target_braze.costs import nested_points, plain_points
from target_braze.endpoints import DELETIONS
from target_braze.errors import SettingsError
from target_braze.findings import settings_line
from target_braze.identities import Identities
from target_braze.layouts import layout_of
from target_braze.limits import MAX_OBJECT_BYTES, TOO_LARGE
from target_braze.nested import NestedValue, encode, encode_each, encode_sorted, is_partial, parsed
from target_braze.occurrence_objects import OccurrenceObjects
from target_braze.rejections import RefusalError, Rejection
from target_braze.schema import Schema, columns
from target_braze.standard_fields import DELETED_AT, SECONDARY_IDENTIFIERS
from target_braze.updates import FREE, Attributes, Form, Identity, Mapped, ObjectKind, Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_braze.policies import Policy
    from target_braze.stream_settings import StreamSettings

EMAIL_BESIDE_PHONE: Final = (
    "an object named by phone cannot hold an email, by which Braze would look the person up instead "
    "(put email before phone in identify_by, or leave the column out)"
)
MAPPING_VERSION: Final = 1
"""To be raised with each change of what mapping makes of a value: records that look the same are then mapped again."""
_MAX_FORMS: Final = 10_000
"""Forms that are kept to be shared; records that all lack other columns would make more without end."""


def named(identity: Identity, settings: StreamSettings) -> dict[str, Any]:
    """A person as objects name them that change who somebody is: an address comes with how to choose."""
    fields = identity.as_fields()
    return {**fields, "prioritization": settings.prioritization} if identity.kind in SECONDARY_IDENTIFIERS else fields


def deletion(stream: str, identity: Identity, settings: StreamSettings) -> Update:
    """The object that deletes a person."""
    told = named(identity, settings)
    body = encode(told if len(told) > 1 else told[identity.kind])
    endpoint = DELETIONS[identity.kind]
    return Update(stream, ObjectKind.DELETE_USERS, identity, body, FREE, endpoint=endpoint, people=(identity,))


def check_prioritization(stream: str, settings: StreamSettings, identifiers: Iterable[str]) -> None:
    """Make sure that it is settled who is meant by an address that several have.

    Raises:
        SettingsError: If it is not.
    """
    address = next((kind for kind in identifiers if kind in SECONDARY_IDENTIFIERS), None)
    if address is not None and not settings.prioritization:
        raise SettingsError(
            f"Stream {stream!r} names people by {address}, which several may share. Say whom to take: "
            f"`streams.{stream}.prioritization: [identified, most_recently_updated]` (or unidentified; Braze does "
            "nothing where that leaves several)."
        )


class Source(NamedTuple):
    """Where an attribute comes from.

    Attributes:
        column: The column's name in the record.
        policies: Which policies its settings have, as they call them.
    """

    column: str
    policies: tuple[str, ...]


@dataclass
class _Findings:
    """What came up while one record was mapped."""

    rejections: list[Rejection] = field(default_factory=list)
    left_out: list[tuple[str, int]] = field(default_factory=list)


class Mapper:
    """Maps the records of one stream under one schema.

    Attributes:
        stream: The stream's name.
        settings: What the settings say about the stream.
        layout: The form of its objects.
        columns: Name in the record → column, None if it is left out; grows by columns the schema did not announce.
        flags: Kind of identifier → what steers Braze in objects of people named by it.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema as the tap sent it.
        settings: What the settings say about the stream.
        key_properties: What tells its records from each other, as the tap says.

    Raises:
        SettingsError: If settings and schema do not fit together; the message names the line to change.
        InputError: If the schema is not one.
    """

    def __init__(
        self, stream: str, schema: Schema, settings: StreamSettings, key_properties: Sequence[str] = ()
    ) -> None:
        self.stream = stream
        self.settings = settings
        self.layout = layout_of(settings.object_kind, settings.zone)
        self._plan = Columns(stream, settings, self.layout)
        for source, column_schema in columns(schema).items():
            self._plan.add(source, column_schema)
        self._plan.check_identifiers(schema)
        self.columns = self._plan.by_source
        self._occurrences = (
            OccurrenceObjects(stream, settings, self.layout, key_properties) if self.layout.properties else None
        )
        self._identities = Identities(settings.identify_by, self._plan.sources)
        self.flags = {kind: self._flags_of(kind) for kind in settings.identify_by}
        self._forms: dict[tuple[str, tuple[str, ...]], Form] = {}
        self._cleared: dict[tuple[str, tuple[str, ...]], Form] = {}
        if settings.on_delete == "delete_user":
            check_prioritization(stream, settings, settings.identify_by)

    def map(self, record: Mapping[str, Any]) -> Mapped:
        """What one record asks, or why nothing.

        Args:
            record: Column → value, as the tap sent it; numbers with a fraction as `Decimal` where their digits matter.

        Returns:
            What it asks and what was turned down of it. With neither, the record names a person and asks nothing.

        Raises:
            SettingsError: If the record has a column that the schema did not announce and the settings forbid.
        """
        if not record.keys() <= self.columns.keys():
            self._add_unannounced(record)
        try:
            identity = self._identities.identify(record)
        except RefusalError as refusal:
            return self._rejected(None, str(refusal), record)
        is_deleted = self.settings.on_delete != "ignore" and record.get(DELETED_AT) is not None
        return self._deleted(identity) if is_deleted else self._asked(record, identity)

    def _asked(self, record: Mapping[str, Any], identity: Identity) -> Mapped:
        """What a record asks of the person it is about."""
        findings = _Findings()
        parts = self._parts(record, identity, findings)
        if self._occurrences is not None:
            return self._occurred(self._occurrences, record, identity, parts, findings)
        if identity.kind == "phone" and parts.pop("email", None) is not None:
            email = record[self._plan.sources["email"]]
            findings.rejections.append(self._rejection(identity, EMAIL_BESIDE_PHONE, "email", email))
        attributes = self.attributes(identity, parts) if parts else None
        if attributes is not None and attributes.size > MAX_OBJECT_BYTES:
            return self._rejected(identity, TOO_LARGE, record)
        return Mapped(None, attributes, tuple(findings.rejections), tuple(findings.left_out))

    def attributes(self, identity: Identity, parts: Mapping[str, Any]) -> Attributes:
        """What a record says of a person.

        Args:
            identity: Whom.
            parts: Attribute → its value, converted and not encoded.
        """
        form = self.form(identity.kind, tuple(parts))
        return Attributes(
            self.stream,
            identity,
            encode(identity.as_fields())[1:-1],
            form,
            encode_each(list(parts.values())),
            nested_points(form.points, parts.values()),
            self.are_mergeable(parts.values()),
        )

    def form(self, identified_by: str, names: tuple[str, ...]) -> Form:
        """The form of attributes with these names."""
        form = self._forms.get((identified_by, names))
        if form is None:
            if len(self._forms) >= _MAX_FORMS:
                self._forms.clear()
            form = Form(names, plain_points(names), self.flags[identified_by])
            self._forms[identified_by, names] = form
        return form

    def are_mergeable(self, values: Iterable[Any]) -> bool:
        """Whether each of these values replaces what Braze has, so that of two only the later needs to be sent."""
        nested = [value for value in values if type(value) is dict]
        return not nested or not (self.settings.merge_objects or any(map(is_partial, nested)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say before the first record."""
        own = () if self._occurrences is None else self._occurrences.warnings(self.columns)
        return own + tuple(
            f"Stream {self.stream!r}: the column {source!r} is consent and is not sent, since the settings do not name "
            f"it. To send it all the same: `{settings_line(self.stream, source, name)}`."
            for source, name in self._plan.withheld.items()
        )

    @property
    def is_of_occurrences(self) -> bool:
        """Whether its records are events or purchases, which happen and do not change."""
        return self._occurrences is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that records may give, by their names in Braze."""
        return tuple(column.name for column in self.columns.values() if column and not column.is_identifier)

    @property
    def policies(self) -> dict[str, Policy]:
        """Attribute → its policy, of those that have one."""
        return {column.name: column.policy for column in self.columns.values() if column and column.policy}

    def source(self, name: str) -> Source:
        """Where an attribute comes from."""
        sources = (source for source, column in self.columns.items() if column and column.name == name)
        column = next(sources, name)
        field = self.settings.fields.get(column)
        return Source(column, field.policies if field else ())

    def is_dropped(self, name: str) -> bool:
        """Whether the settings keep an attribute from being sent, whatever columns records have."""
        return self.settings.excludes(name)

    def fingerprint(self, numbers: Mapping[str, int]) -> bytes:
        """All that shapes what becomes of a record.

        Args:
            numbers: The numbers that stand for its attributes in the ledger.
        """
        schemas = {source: column and column.schema for source, column in self.columns.items()}
        return encode_sorted([MAPPING_VERSION, self.stream, schemas, self.settings, numbers])

    def _deleted(self, identity: Identity) -> Mapped:
        """What is asked of a person whose record was deleted at its source."""
        if self.settings.on_delete == "delete_user":
            return Mapped(deletion(self.stream, identity, self.settings))
        names = tuple(
            column.name
            for column in self.columns.values()
            if column and not column.is_identifier and column.is_removable and column.name != identity.kind
        )
        if not names:
            return Mapped()
        form = self._cleared.get((identity.kind, names))
        if form is None:
            flags = {**self.flags[identity.kind], "_update_existing_only": True}  # nobody is made to be cleared
            form = self._cleared[identity.kind, names] = Form(names, plain_points(names), flags)
        named_by = encode(identity.as_fields())[1:-1]
        values = [b"null"] * len(names)
        return Mapped(attributes=Attributes(self.stream, identity, named_by, form, values, is_mergeable=False))

    def _add_unannounced(self, record: Mapping[str, Any]) -> None:
        for source in record:
            if source not in self.columns:
                self._plan.add(source, {})

    def _parts(self, record: Mapping[str, Any], identity: Identity, findings: _Findings) -> dict[str, Any]:
        """All values that can be sent, by their names in Braze; not the one that names the person."""
        parts: dict[str, Any] = {}
        known = self.columns
        for source, value in record.items():
            column = known[source]
            if column is None or column.is_identifier or column.name == identity.kind:
                continue
            if value is not None:
                part = self._part(column, value, identity, findings)
                if part is not UNSET:
                    parts[column.name] = part
            elif column.is_removable and not column.is_null_skipped:
                parts[column.name] = None
        return parts

    def _part(self, column: Column, value: Any, identity: Identity, findings: _Findings) -> Any:
        """A value's form in the object; `UNSET` if it has none, which the findings explain."""
        try:
            if column.convert is not None:
                return column.convert(value)
            if column.name == self.layout.properties:
                part, left_out = self._properties(column, value)
            else:
                part, left_out = convert_nested(column, value)
        except RefusalError as refusal:
            findings.rejections.append(self._rejection(identity, str(refusal), column.name, value))
            return UNSET
        if left_out:
            findings.left_out.append((column.name, left_out))
        return part

    def _properties(self, column: Column, value: Any) -> tuple[Any, int]:
        members = parsed(value) if isinstance(value, str) else value
        if not isinstance(members, dict):
            raise RefusalError("not an object")
        nested = NestedValue(is_property=True)
        return nested.properties(members, column.schema, self.layout.reserved), nested.left_out

    def _occurred(
        self,
        objects: OccurrenceObjects,
        record: Mapping[str, Any],
        identity: Identity,
        parts: dict[str, Any],
        findings: _Findings,
    ) -> Mapped:
        """The event or purchase that a record says has happened."""
        refused = {str(found.attribute): found.reason for found in findings.rejections}
        try:
            updates = objects.updates(identity, parts, refused, self.flags[identity.kind])
        except RefusalError as refusal:
            return self._rejected(identity, str(refusal), record)
        rejections, left_out = tuple(findings.rejections), tuple(findings.left_out)
        return Mapped(updates[0], None, rejections, left_out, updates[1:], objects.known_by(record, self.columns))

    def _flags_of(self, identified_by: str) -> dict[str, bool]:
        """What steers Braze: by default it creates unknown external_ids but not unknown aliases.

        Source: Braze docs, "User track", 2026-09.
        """
        flags: dict[str, bool] = {}
        if self.settings.update_existing_only:
            flags["_update_existing_only"] = True
        elif identified_by == "user_alias":
            flags["_update_existing_only"] = False
        if self.settings.merge_objects and self.settings.object_kind is ObjectKind.ATTRIBUTES:
            flags["_merge_objects"] = True
        return flags

    def _rejected(self, identity: Identity | None, reason: str, record: Mapping[str, Any]) -> Mapped:
        named = None if identity is None else identity.as_fields()
        return Mapped(rejections=(Rejection(self.stream, named, reason, None, dict(record)),))

    def _rejection(self, identity: Identity, reason: str, attribute: str, value: Any) -> Rejection:
        return Rejection(self.stream, identity.as_fields(), reason, attribute, {attribute: value})
