"""From a record to an update: whom it is about, and the attributes in the form Braze keeps. Pure.

One `Mapper` for each stream and schema. A value that Braze would refuse or silently drop is turned down here, by name and reason, and the
rest of its record goes on; a record that names nobody is turned down as a whole. Nothing here reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from target_braze import standard_fields, values
from target_braze.errors import SettingsError
from target_braze.layouts import LAYOUTS
from target_braze.limits import FREE_ATTRIBUTES, MAX_OBJECT_BYTES
from target_braze.nested import OPERATIONS, NestedValue, scalar
from target_braze.rejections import RefusalError, Rejection
from target_braze.schema import Kind, Schema, columns, kind_of
from target_braze.settings import FieldSettings, StreamSettings, name_problem
from target_braze.standard_fields import ALIAS_FIELDS, IDENTIFIERS, PRIMARY_IDENTIFIERS
from target_braze.updates import Identity, Mapped, ObjectKind, Shape, Update

_CONVERSIONS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.BOOLEAN: values.to_boolean,
    Kind.DATE: values.to_date,
    Kind.DATETIME: values.to_datetime,
    Kind.DECIMAL: values.to_decimal,
    Kind.FLOAT: values.to_float,
    Kind.INTEGER: values.to_integer,
    Kind.STRING: values.to_string,
}
_SINGER_COLUMNS: Final = "_sdc_"
"""Columns of this prefix are the pipeline's own; they are sent only if the settings name them."""
_SECONDARY: Final[dict[str, Callable[[Any], Any]]] = {
    "email": standard_fields.email,
    "phone": standard_fields.phone,
}

encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Column:
    """What to do with one column.

    Attributes:
        source: Its name in the record.
        name: Its name in Braze.
        kind: The type of its values.
        convert: What brings a value (never null) into the form Braze keeps; None for nested values and for a type known only by value.
        schema: Its JSON Schema.
        is_field: Whether the kind of object has a field of this name.
        is_identifier: Whether it names the person and is no attribute besides.
    """

    source: str
    name: str
    kind: Kind
    convert: Callable[[Any], Any] | None
    schema: Schema
    is_field: bool
    is_identifier: bool


class Mapper:
    """Maps the records of one stream under one schema.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema as the tap sent it.
        settings: What the settings say about the stream.

    Raises:
        SettingsError: If settings and schema do not fit together; the message names the line to change.
        InvalidJSONSchema: If the schema is not one.
    """

    def __init__(self, stream: str, schema: Schema, settings: StreamSettings) -> None:
        self.stream = stream
        self.settings = settings
        self.layout = LAYOUTS[settings.object_kind]
        self.columns: dict[str, Column | None] = {}
        self._sources: dict[str, str] = {}
        self._shapes: dict[Any, Shape] = {}
        for source, column_schema in columns(schema).items():
            self._add(source, column_schema)
        self._check_identifiers(schema)

    def map(self, record: Mapping[str, Any]) -> Mapped:
        """The update of one record, or why there is none.

        Args:
            record: Column → value, as the tap sent it; numbers with a fraction as `Decimal` where their digits matter.
        """
        try:
            identity, identifiers = self._identify(record)
        except RefusalError as refusal:
            return Mapped(None, (Rejection(self.stream, None, str(refusal), None, dict(record)),))
        fields: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        rejections: list[Rejection] = []
        left_out: list[tuple[str, int]] = []
        for source, value in record.items():
            column = self._column(source)
            if column is None or column.is_identifier:
                continue
            try:
                part, parts_left_out = self._convert(column, value, identity)
            except RefusalError as refusal:
                if column.name in self.layout.required:
                    return self._rejected(identifiers, f"{column.name}: {refusal}", record)
                rejections.append(
                    Rejection(self.stream, identifiers, str(refusal), column.name, {column.name: value})
                )
                continue
            if parts_left_out:
                left_out.append((column.name, parts_left_out))
            if part is msgspec.UNSET:
                continue
            if column.is_field or self.layout.properties is None:
                fields[column.name] = part
            elif column.name == self.layout.properties:
                properties.update(part)
            else:
                properties[column.name] = part
        for name in self.layout.required:
            if fields.get(name) is None:
                return self._rejected(
                    identifiers,
                    f"{name}: missing, and Braze refuses {self.settings.object_kind.value} without it",
                    record,
                )
        if not fields:
            return Mapped(None, tuple(rejections), tuple(left_out))
        if properties:
            fields["properties"] = properties
        return self._mapped(
            identity, {**identifiers, **fields, **self._flags(identity)}, record, rejections, left_out
        )

    def _mapped(
        self,
        identity: Identity,
        fields: dict[str, Any],
        record: Mapping[str, Any],
        rejections: list[Rejection],
        left_out: list[tuple[str, int]],
    ) -> Mapped:
        identifiers = {name: fields[name] for name in IDENTIFIERS if name in fields and name == identity.kind}
        try:
            body = encode(fields)
        except (UnicodeEncodeError, msgspec.EncodeError):
            return self._rejected(identifiers, "not valid Unicode (half of a surrogate pair)", record)
        if len(body) > MAX_OBJECT_BYTES:
            return self._rejected(identifiers, f"object larger than {MAX_OBJECT_BYTES} bytes", record)
        update = Update(
            self.stream, self.settings.object_kind, identity, body, self.shape_of(identity, fields)
        )
        return Mapped(update, tuple(rejections), tuple(left_out))

    def _rejected(self, identifiers: dict[str, Any], reason: str, record: Mapping[str, Any]) -> Mapped:
        return Mapped(None, (Rejection(self.stream, identifiers, reason, None, dict(record)),))

    def _convert(self, column: Column, value: Any, identity: Identity) -> tuple[Any, int]:
        """A value's form in the object, `UNSET` if it has no place there, and how many parts inside were left out."""
        is_attribute = self.layout.properties is None
        if identity.kind == "phone" and column.name == "email" and is_attribute:
            if value is None:
                return msgspec.UNSET, 0
            raise RefusalError(
                "an object named by phone cannot hold an email: Braze would look the person up by it"
            )
        if identity.kind == column.name:
            return msgspec.UNSET, 0
        if value is None:
            return (None if is_attribute else msgspec.UNSET), 0
        if column.convert is not None:
            return column.convert(value), 0
        return convert_nested(column, value)

    def shape_of(self, identity: Identity, fields: Mapping[str, Any]) -> Shape:
        """What the object with these fields costs."""
        if self.layout.properties is not None:
            cost = {self.settings.object_kind.value: 1}
        else:
            cost = {
                name: data_points(value)
                for name, value in fields.items()
                if name != identity.kind
                and name not in FREE_ATTRIBUTES
                and name not in standard_fields.CONTROL_KEYS
            }
        key = tuple(cost.items())
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(cost)
        return shape

    def _flags(self, identity: Identity) -> dict[str, bool]:
        """What steers Braze: by default it creates unknown external_ids but not unknown aliases ("User track", 2026-09)."""
        flags: dict[str, bool] = {}
        if self.settings.update_existing_only:
            flags["_update_existing_only"] = True
        elif identity.kind == "user_alias":
            flags["_update_existing_only"] = False
        if self.settings.merge_objects and self.settings.object_kind is ObjectKind.ATTRIBUTES:
            flags["_merge_objects"] = True
        return flags

    # Whom a record is about

    def _identify(self, record: Mapping[str, Any]) -> tuple[Identity, dict[str, Any]]:
        """The first identifier in order that the record has, and the fields that say so.

        Raises:
            RefusalError: If it has none, or the first it has is unusable: trying another then could reach, or make, somebody else.
        """
        for kind in self.settings.identify_by:
            value = self._candidate(kind, record)
            if value is None:
                continue
            try:
                if kind == "user_alias":
                    alias = standard_fields.user_alias(value)
                    return Identity(kind, (alias["alias_label"], alias["alias_name"])), {kind: alias}
                text = _SECONDARY.get(kind, standard_fields.identifier)(value)
            except RefusalError as refusal:
                raise RefusalError(f"{kind}: {refusal}") from None
            return Identity(kind, text), {kind: text}
        raise RefusalError(
            f"missing identifier: the record has none of {', '.join(self.settings.identify_by)}"
        )

    def _candidate(self, kind: str, record: Mapping[str, Any]) -> Any:
        """What the record offers as an identifier; None for a null, a blank, or an alias with nothing in it."""
        if kind == "user_alias" and (source := self._sources.get(kind)) is None:
            parts = {field: record.get(self._sources.get(field, "")) for field in ALIAS_FIELDS}
            return parts if all(part is not None and str(part).strip() for part in parts.values()) else None
        value = record.get(self._sources.get(kind, ""))
        if kind == "user_alias" and isinstance(value, dict):
            return value if all(str(value.get(field) or "").strip() for field in ALIAS_FIELDS) else None
        return None if value is None or (isinstance(value, str) and not value.strip()) else value

    # What each column is

    def _column(self, source: str) -> Column | None:
        try:
            return self.columns[source]
        except KeyError:
            return self._add(
                source, {}
            )  # a column that the schema did not announce is taken by the type of its values

    def _add(self, source: str, schema: Schema) -> Column | None:
        column = self._plan(source, schema)
        if column is not None:
            other = self._sources.setdefault(column.name, source)
            if other != source:
                what = (
                    "Conflicting identifiers"
                    if column.name in IDENTIFIERS
                    else "Two columns for one attribute"
                )
                msg = (
                    f"{what}: in stream {self.stream!r} the columns {other!r} and {source!r} are both to become {column.name!r}. Leave one out: "
                    f"`streams: {{{self.stream}: {{fields: {{{source}: null}}}}}}`."
                )
                raise SettingsError(msg)
        self.columns[source] = column
        return column

    def _plan(self, source: str, schema: Schema) -> Column | None:
        settings = self.settings
        field = settings.fields.get(source, FieldSettings())
        if field is None:
            return None
        is_named = source in settings.fields
        name = field.name or self._name_of(
            source, is_sent=settings.only is None or source in settings.only, is_named=is_named
        )
        is_identifier = (
            name in PRIMARY_IDENTIFIERS or name in ALIAS_FIELDS or name in self.settings.identify_by
        )
        is_only_identifier = (
            name in PRIMARY_IDENTIFIERS or name in ALIAS_FIELDS or self.layout.properties is not None
        )
        if not is_identifier and settings.only is not None and source not in settings.only:
            return None
        if (
            not is_identifier
            and not is_named
            and source.startswith(_SINGER_COLUMNS)
            and not (settings.only and source in settings.only)
        ):
            return None
        if not is_identifier and (problem := self._name_problem(name)):
            raise SettingsError(
                f"Stream {self.stream!r}, column {source!r}: {problem} {self._line(source, 'another_name')}"
            )
        kind = field.kind or kind_of(schema)
        convert = self.layout.fields.get(name) or _conversion(kind, field)
        return Column(
            source=source,
            name=name,
            kind=kind,
            convert=None if name == self.layout.properties else convert,
            schema=schema,
            is_field=name in self.layout.fields,
            is_identifier=is_identifier and is_only_identifier,
        )

    def _name_of(self, source: str, *, is_sent: bool, is_named: bool) -> str:
        """The name in Braze of a column whose name the settings do not give."""
        if (
            is_named
            or not is_sent
            or self.layout.properties is not None
            or self.settings.lookalikes == "send"
        ):
            return source
        meant = standard_fields.lookalike_of(source)
        if meant is None:
            return source
        if self.settings.lookalikes == "map":
            return meant
        msg = (
            f"Stream {self.stream!r} has a column {source!r}, which looks like Braze's standard field {meant!r} but would become a custom "
            f"attribute beside it. {self._line(source, meant)} To send it as it is, give its own name there; or set `lookalikes`."
        )
        raise SettingsError(msg)

    def _name_problem(self, name: str) -> str | None:
        if name in self.layout.reserved and name not in self.layout.fields:
            return f"{name!r} is reserved among an object's properties."
        return name_problem(name)

    def _line(self, source: str, name: str) -> str:
        return f"Add to the settings: `streams: {{{self.stream}: {{fields: {{{source}: {name}}}}}}}` (or null to leave it out)."

    def _check_identifiers(self, schema: Schema) -> None:
        usable = [
            kind
            for kind in self.settings.identify_by
            if kind in self._sources
            or (kind == "user_alias" and all(field in self._sources for field in ALIAS_FIELDS))
        ]
        if usable or not schema["properties"] or schema.get("additionalProperties"):
            return
        first = next(iter(schema["properties"]))
        msg = (
            f"Missing identifier: stream {self.stream!r} has no column for any of {', '.join(self.settings.identify_by)}, so its records name "
            f"nobody. Say which column it is: `streams: {{{self.stream}: {{fields: {{{first}: external_id}}}}}}`, or change `identify_by`."
        )
        raise SettingsError(msg)


def _conversion(kind: Kind, field: FieldSettings) -> Callable[[Any], Any] | None:
    if kind is Kind.STRING and field.is_truncated:
        return values.to_truncated_string
    return _CONVERSIONS.get(kind)


def convert_nested(column: Column, value: Any) -> tuple[Any, int]:
    """A nested value, or one whose type only the value tells, and how many parts inside it were left out."""
    if isinstance(value, str) and column.kind in {Kind.ARRAY, Kind.OBJECT}:
        value = _parsed(value)  # warehouses hand out semi-structured columns as JSON text
    if not isinstance(value, list | dict):
        if column.kind is Kind.ANY:
            return scalar(value), 0
        raise RefusalError(f"not an {column.kind.value}")
    nested = NestedValue()
    result = nested.convert(value, column.schema)
    if not isinstance(result, list | dict) or (value and not result):
        return msgspec.UNSET, max(nested.left_out, 1)  # an empty one would erase what Braze has
    try:
        size = len(encode(result))
    except (UnicodeEncodeError, msgspec.EncodeError):
        raise RefusalError("not valid Unicode (half of a surrogate pair)") from None
    if size > MAX_OBJECT_BYTES:
        raise RefusalError(f"nested value larger than {MAX_OBJECT_BYTES} bytes")
    return result, nested.left_out


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise RefusalError("not an array or object, nor JSON text of one") from None


def data_points(value: Any) -> int:
    """What writing one attribute costs: of an object every key counts, of single elements each. Source: Braze docs, "Data points", 2026-03."""
    if not isinstance(value, dict) or not value:
        return 1
    if OPERATIONS & value.keys() or value.keys() <= {"add", "remove"}:
        return max(1, sum(len(part) if isinstance(part, list) else 1 for part in value.values()))
    return sum(data_points(part) if "$time" not in value else 1 for part in value.values())
