"""From a record to what it asks of an endpoint other than `/users/track`. Pure.

`object_forms.py` has the table of kinds; here a record's columns become what that asks for, and what comes of it a
`Statement`, which is compared with the ledger as attributes are, or an update that is sent whenever it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze import values
from target_braze.changes import SAID, said_of
from target_braze.columns import CONVERSIONS, Column
from target_braze.errors import SettingsError
from target_braze.findings import settings_line
from target_braze.identities import Identities
from target_braze.limits import MAX_ITEM_NAME_CHARACTERS, MAX_ITEM_STRING_CHARACTERS, MAX_OBJECT_BYTES
from target_braze.mapping import MAPPING_VERSION, Mapper, Source, check_prioritization
from target_braze.nested import encode, encode_sorted, parsed, undeclared
from target_braze.object_forms import ITEM_NAME, TRUE, Draft, form_of
from target_braze.policies import RESUBSCRIPTION, Policy
from target_braze.rejections import RefusalError, Rejection
from target_braze.schema import Kind, Schema, columns, kind_of
from target_braze.standard_fields import ALIAS_FIELDS, IDENTIFIERS
from target_braze.updates import FREE, TRACKED, Form, Identity, Mapped, ObjectKind, Shape, Statement, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.object_forms import Said, Side
    from target_braze.stream_settings import StreamSettings

TOO_LARGE: Final = f"object larger than {MAX_OBJECT_BYTES} bytes"
_PIPELINE_PREFIX: Final = "_sdc_"
_MAX_DEPTH: Final = 50
_MEMBERSHIP: Final = Shape({"cohorts": 1})
"""Braze docs, "Data points", 2026-03: an assignment by a partner is one."""


def mapper_of(
    stream: str, schema: Schema, settings: StreamSettings, key_properties: Sequence[str] = ()
) -> Mapper | StatementMapper:
    """What maps a stream's records."""
    is_tracked = settings.object_kind in TRACKED
    return Mapper(stream, schema, settings, key_properties) if is_tracked else StatementMapper(stream, schema, settings)


class StatementMapper:
    """Maps the records of one stream under one schema; as `Mapper`, for the other endpoints.

    Attributes:
        stream: The stream's name.
        settings: What the settings say about the stream.
        columns: Name in the record → column, None if it is left out; grows by columns the schema did not announce.
        policies: What is remembered → which of its changes are held.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema as the tap sent it.
        settings: What the settings say about the stream.

    Raises:
        SettingsError: If settings and schema do not fit together; the message names the line to change.
        InputError: If the schema is not one.
    """

    def __init__(self, stream: str, schema: Schema, settings: StreamSettings) -> None:
        self.stream = stream
        self.settings = settings
        self.columns: dict[str, Column | None] = {}
        self.policies: Mapping[str, Policy] = _Held() if _may_not_resubscribe(settings) else {}
        self._form = form_of(settings)
        self._sources: dict[str, str] = {}
        self._parts = {name for side in self._sides() for name in _side_columns(side)}
        self._forms: dict[str, Form] = {}
        self._preamble = self._named_cohort()
        for source, column_schema in columns(schema).items():
            self._add(source, column_schema)
        self._check_columns(schema)
        if settings.object_kind in (ObjectKind.DELETE_USERS, ObjectKind.IDENTIFY, ObjectKind.MERGE):
            check_prioritization(stream, settings, (kind for kind in IDENTIFIERS if self._is_named_by(kind)))
        self._identities = [
            Identities(side.kinds, _Renamed(side, self._sources), side.called) for side in self._sides()
        ]

    # What `Changes` and `Digests` ask a mapper

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say before the first record."""
        return ()

    is_of_occurrences: Final = False
    """Whether its records are events or purchases."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is remembered of records, as far as that is known before them."""
        return ()

    def source(self, name: str) -> Source:
        """Where what is remembered comes from: no single column."""
        return Source(name, ())

    def is_dropped(self, name: str) -> bool:
        """Whether the settings keep something from being sent: all that the stream's records were before."""
        return not name.startswith(SAID)

    def fingerprint(self, numbers: Mapping[str, int]) -> bytes:
        """All that shapes what becomes of a record."""
        schemas = {source: column and (column.name, column.schema) for source, column in self.columns.items()}
        own = self.settings
        cohort = own.cohort and (own.cohort.id, own.cohort.name)
        told = (own.object_kind, own.operation, own.prioritization, own.catalog, cohort, own.allow_resubscribe)
        return encode_sorted([MAPPING_VERSION, self.stream, schemas, told, own.identify_by, numbers])

    def form(self, identified_by: str, names: tuple[str, ...]) -> Form:
        """The form of what is remembered by a name."""
        [name] = names
        form = self._forms.get(name)
        if form is None:
            form = self._forms[name] = Form(names, (0,), {})
        return form

    # One record

    def map(self, record: Mapping[str, Any]) -> Mapped:
        """What one record asks, or why nothing; see `Mapper.map`."""
        for source in record:
            if source not in self.columns:
                self._add(source, {})
        people: tuple[Identity | None, ...] = ()
        try:
            people = tuple(
                self._person(side, identities, record)
                for side, identities in zip(self._sides(), self._identities, strict=True)
            )
            said = self._form.say(Draft(people, self._fields(record), self.settings))
            body = encode(said.object)
            _check_size(body)
        except RefusalError as refusal:
            named = next((person.as_fields() for person in people if person), None)
            return Mapped(rejections=(Rejection(self.stream, named, str(refusal), None, dict(record)),))
        kind = self.settings.object_kind
        if not said.name:
            update = Update(self.stream, kind, said.of, body, FREE, endpoint=said.endpoint, people=said.people)
            return Mapped(update)
        return Mapped(attributes=self._statement(said, body))

    def _statement(self, said: Said, body: bytes) -> Statement:
        kind = self.settings.object_kind
        is_member = kind is ObjectKind.COHORTS and said.value == TRUE
        return Statement(
            self.stream,
            said_of(said.of, said.name),
            b"",
            self.form("", (said.name,)),
            [body if said.value is None else said.value],
            kind=kind,
            body=body,
            shape=_MEMBERSHIP if is_member else FREE,
            endpoint=said.endpoint,
            people=said.people,
            forgets=said.forgets,
            preamble=self._preamble,
        )

    def _sides(self) -> Iterator[Side]:
        for side in self._form.sides:
            yield side if side.kinds else side._replace(kinds=self.settings.identify_by)

    def _person(self, side: Side, identities: Identities, record: Mapping[str, Any]) -> Identity | None:
        try:
            return identities.identify(record)
        except RefusalError as refusal:
            if not side.is_required and "missing identifier" in str(refusal):
                return None
            raise

    def _fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for source, value in record.items():
            column = self.columns[source]
            if column is None or column.is_identifier:
                continue
            if value is None:
                if self._form.takes_all:
                    fields[column.name] = None
                continue
            try:
                fields[column.name] = column.convert(value) if column.convert else _plain(value)
            except RefusalError as refusal:
                raise RefusalError(f"{column.name}: {refusal}") from None
        for name in self._form.layout.required:
            if fields.get(name) is None:
                raise RefusalError(f"{name}: missing, and Braze refuses {self.settings.object_kind.value} without it")
        return fields

    # The columns

    def _add(self, source: str, schema: Schema) -> None:
        settings = self.settings.fields.get(source)
        is_left_out = source in self.settings.fields and settings is None
        name = (settings.name if settings else None) or source
        fields = self._form.layout.fields
        is_identifier = name in self._parts
        is_named = source in self.settings.fields or (self.settings.only is not None and source in self.settings.only)
        is_taken = self._form.takes_all and (
            is_named if self.settings.only is not None else is_named or not source.startswith(_PIPELINE_PREFIX)
        )
        if is_left_out or not (is_identifier or name in fields or is_taken):
            self.columns[source] = None
            return
        other = self._sources.setdefault(name, source)
        if other != source:
            raise SettingsError(
                f"Two columns for one field: in stream {self.stream!r} the columns {other!r} and {source!r} are both "
                f"to become {name!r}. Leave one out: `{settings_line(self.stream, source, None)}`."
            )
        if is_taken and (len(name) > MAX_ITEM_NAME_CHARACTERS or not ITEM_NAME.fullmatch(name)):
            raise SettingsError(
                f"Stream {self.stream!r}, column {source!r}: a field of a catalog is called with 1 to "
                f"{MAX_ITEM_NAME_CHARACTERS} letters, digits, - and _. Add to the settings: "
                f"`{settings_line(self.stream, source, 'another_name')}` (or null to leave it out)."
            )
        kind = (settings.kind if settings else None) or kind_of(schema)
        convert = fields[name] if name in fields else _ITEM_CONVERSIONS.get(kind)
        self.columns[source] = Column(source, name, kind, convert, schema, is_field=True, is_identifier=is_identifier)

    def _check_columns(self, schema: Schema) -> None:
        names = list(schema["properties"])
        if not names or schema.get("additionalProperties"):
            return
        needed = [({*_side_columns(side)}, side) for side in self._sides() if side.is_required]
        for possible, side in needed:
            if not possible & self._sources.keys():
                first = side.column(side.kinds[0] if side.kinds[0] in IDENTIFIERS[:2] else min(possible))
                raise SettingsError(self._lacks(first, names[0]))
        for name in self._form.layout.required:
            if name not in self._sources:
                raise SettingsError(self._lacks(name, names[0]))

    def _is_named_by(self, kind: str) -> bool:
        return any(kind in side.kinds and side.column(kind) in self._sources for side in self._sides())

    def _lacks(self, name: str, source: str) -> str:
        return (
            f"Missing column: stream {self.stream!r} has none for {name!r}, which {self.settings.object_kind.value} "
            f"need. Say which it is: `{settings_line(self.stream, source, name)}`."
        )

    def _named_cohort(self) -> Statement | None:
        """What has to be said of a cohort before its first member."""
        cohort = self.settings.cohort
        if cohort is None:
            return None
        body = encode({"cohort_id": cohort.id, "name": cohort.name})  # and when, which is the run's to say
        of = Identity("cohort", cohort.id)
        return Statement(
            self.stream,
            said_of(of, "$cohort"),
            b"",
            self.form("", ("$cohort",)),
            [encode(cohort.name)],
            kind=ObjectKind.COHORTS,
            body=body,
            endpoint=cohort.naming,
            people=(of,),
            counts=False,
        )


class _Renamed(dict[str, str]):
    """Identifier → column of one side."""

    def __init__(self, side: Side, sources: Mapping[str, str]) -> None:
        super().__init__()
        self._side = side
        self._all = sources

    def get(self, name: str, default: Any = None) -> Any:
        return self._all.get(self._side.column(name), default)

    def __contains__(self, name: object) -> bool:
        return self._side.column(str(name)) in self._all


class _Held(dict[str, Policy]):
    """The policy of every state in a subscription group."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Policy:
        return RESUBSCRIPTION


def _may_not_resubscribe(settings: StreamSettings) -> bool:
    return settings.object_kind is ObjectKind.SUBSCRIPTION_GROUPS and not settings.allow_resubscribe


def _side_columns(side: Side) -> Iterator[str]:
    for kind in side.kinds:
        yield side.column(kind)
        if kind == "user_alias":
            yield from map(side.column, ALIAS_FIELDS)


def _check_size(body: bytes) -> None:
    if len(body) > MAX_OBJECT_BYTES:
        raise RefusalError(TOO_LARGE)


def _item_string(value: Any) -> str:
    text = values.any_text(value)
    if len(text) > MAX_ITEM_STRING_CHARACTERS:
        raise RefusalError(f"longer than {MAX_ITEM_STRING_CHARACTERS} characters")
    return text


_ITEM_CONVERSIONS: Final[dict[Kind, Callable[[Any], Any]]] = {
    **CONVERSIONS,
    Kind.STRING: _item_string,
    Kind.DATE: values.to_datetime,
}


def _plain(value: Any, depth: int = 0) -> Any:
    """A value of a catalog's item of which the schema does not settle the type, or a nested one."""
    if depth == 0 and isinstance(value, str) and value[:1] in "[{":
        try:
            value = parsed(value)
        except RefusalError:
            return _item_string(value)
    if depth > _MAX_DEPTH:
        raise RefusalError(f"nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        for name in value:
            if "." in name or "$" in name:
                raise RefusalError("has a key with . or $ in it")
        return {name: _plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, depth + 1) for part in value]
    if value is None:
        return None
    return _item_string(value) if isinstance(value, str) else undeclared(value)
