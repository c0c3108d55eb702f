"""What each column of a stream becomes in Braze, decided once for a stream and its schema. Pure.

What does not fit together is an error that names the line of the settings to change, before anything was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from target_braze import values
from target_braze.attribute_names import name_problem
from target_braze.errors import SettingsError
from target_braze.findings import settings_line
from target_braze.nested import parsed, to_nested
from target_braze.policies import RESUBSCRIPTION, Rounding
from target_braze.schema import Kind, Schema, kind_of
from target_braze.standard_fields import (
    ALIAS_FIELDS,
    CONSENT_FIELDS,
    DELETED_AT,
    FREE_TEXT_FIELDS,
    IDENTIFIERS,
    PRIMARY_IDENTIFIERS,
    lookalike_of,
)
from target_braze.stream_settings import NUMBER_POLICIES, FieldSettings, StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.layouts import Layout
    from target_braze.policies import Policy

CONVERSIONS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.BOOLEAN: values.to_boolean,
    Kind.DATE: values.to_date,
    Kind.DATETIME: values.to_datetime,
    Kind.DECIMAL: values.to_decimal,
    Kind.FLOAT: values.to_float,
    Kind.INTEGER: values.to_integer,
    Kind.STRING: values.to_string,
}
_NUMBERS: Final = (Kind.DECIMAL, Kind.FLOAT, Kind.INTEGER)
_PIPELINE_PREFIX: Final = "_sdc_"
"""Columns of this prefix are the pipeline's own; they are sent only if the settings name them."""
_DEFAULT: Final = FieldSettings()


@dataclass(frozen=True)
class Column:
    """What to do with one column.

    Attributes:
        source: Its name in the record.
        name: Its name in Braze.
        kind: The type of its values.
        convert: What brings a value (never null) into the form Braze keeps, `UNSET` where there is nothing to send;
            None for nested values and for a type known only by value, which `convert_nested` takes.
        schema: Its JSON Schema, resolved.
        is_field: Whether the kind of object has a field of this name.
        is_property: Whether it goes among the properties of an event or purchase.
        is_identifier: Whether it names the person and is no attribute besides.
        is_removable: Whether a null removes it; else a null leaves it alone.
        is_null_skipped: Whether it is left alone all the same, for the settings say so; deletions remove it.
        is_truncated: Whether text that is too long is cut instead of rejected.
        policy: Which of its changes are held, if any.
        operation: What is done with its values to what Braze has; "" puts them in its place.
    """

    source: str
    name: str
    kind: Kind
    convert: Callable[[Any], Any] | None
    schema: Schema
    is_field: bool = False
    is_property: bool = False
    is_identifier: bool = False
    is_removable: bool = True
    is_null_skipped: bool = False
    is_truncated: bool = False
    policy: Policy | None = None
    operation: str = ""


def convert_nested(column: Column, value: Any) -> tuple[Any, int]:
    """A value of a column without `convert`, and how many parts inside it were left out; see `to_nested`."""
    if column.operation:
        operated = {column.operation: _operand(column.operation, value)}
        return to_nested(operated, Kind.OBJECT, {"properties": {column.operation: column.schema}})
    if column.is_truncated and column.kind is Kind.ANY and isinstance(value, str):
        return values.to_truncated_string(value), 0
    return to_nested(value, column.kind, column.schema, is_property=column.is_property)


def _operand(operation: str, value: Any) -> Any:
    """What an operation is done with: a whole number for `inc`, else a list."""
    if operation == "inc":
        return values.to_integer(value)
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = parsed(value)
    return value if isinstance(value, list) else [value]


class Columns:
    """The columns of one stream.

    Attributes:
        by_source: Name in the record → column; None if it is left out.
        sources: Name in Braze → name in the record.
        withheld: Column of consent that is not sent, since the settings do not name it → its name in Braze.

    Args:
        stream: The stream's name, for errors.
        settings: What the settings say about it.
        layout: The form of its objects.
    """

    def __init__(self, stream: str, settings: StreamSettings, layout: Layout) -> None:
        self.by_source: dict[str, Column | None] = {}
        self.sources: dict[str, str] = {}
        self.withheld: dict[str, str] = {}
        self._stream = stream
        self._settings = settings
        self._layout = layout

    def add(self, source: str, schema: Schema) -> None:
        """Decide what a column becomes.

        Raises:
            SettingsError: If it cannot become anything as the settings are.
        """
        column = self._plan(source, schema)
        if column is not None:
            other = self.sources.setdefault(column.name, source)
            if other != source:
                what = "Conflicting identifiers" if column.name in IDENTIFIERS else "Two columns for one attribute"
                raise SettingsError(
                    f"{what}: in stream {self._stream!r} the columns {other!r} and {source!r} are both to become "
                    f"{column.name!r}. Leave one out: `{settings_line(self._stream, source, None)}`."
                )
        self.by_source[source] = column

    def check_identifiers(self, schema: Schema) -> None:
        """Make sure that records can name somebody.

        Raises:
            SettingsError: If no column is an identifier and the schema allows no other columns.
        """
        identify_by = self._settings.identify_by
        is_usable = any(kind in self.sources for kind in identify_by) or (
            "user_alias" in identify_by and all(part in self.sources for part in ALIAS_FIELDS)
        )
        names = list(schema["properties"])
        if is_usable or not names or schema.get("additionalProperties"):
            return
        line = settings_line(self._stream, names[0], identify_by[0])
        raise SettingsError(
            f"Missing identifier: stream {self._stream!r} has no column for any of {', '.join(identify_by)}, so its "
            f"records name nobody. Say which column it is: `{line}`, or change `identify_by`."
        )

    def _plan(self, source: str, schema: Schema) -> Column | None:
        field = self._settings.fields.get(source, _DEFAULT)
        if field is None:
            return None
        if source == DELETED_AT and self._settings.on_delete != "ignore":
            return Column(source, source, Kind.ANY, None, schema, is_identifier=True)  # it steers and is not sent
        only = self._settings.only
        is_chosen = source in only if only is not None else not self._is_pipelines_own(source)
        name = field.name or self._default_name(source, is_chosen=is_chosen)
        is_tried = name in self._settings.identify_by or (
            name in ALIAS_FIELDS and "user_alias" in self._settings.identify_by
        )
        if not is_chosen and not is_tried:
            return None
        if not is_tried:
            self._check_name(source, name)
        policy = field.policy
        if self._layout.properties is None and name in CONSENT_FIELDS:
            if only is None and source not in self._settings.fields:
                self.withheld[source] = name
                return None
            if not self._settings.allow_resubscribe:
                policy = replace(policy or RESUBSCRIPTION, keeps_unsubscribed=True)
        is_attributes = self._layout.properties is None
        kind = field.kind or kind_of(schema)
        if name == self._layout.properties or (name in self._layout.fields and self._layout.fields[name] is None):
            kind = Kind.OBJECT
        # by external_id, an email is an ordinary attribute; unless it is there to name people only
        is_identifier = is_tried and (
            name in PRIMARY_IDENTIFIERS or name in ALIAS_FIELDS or not is_attributes or not is_chosen
        )
        self._check_policies(source, name, kind, field, is_identifier=is_identifier)
        return Column(
            source=source,
            name=name,
            kind=Kind.STRING if field.buckets else kind,
            convert=self._conversion(name, kind, field),
            schema=schema,
            is_field=name in self._layout.fields,
            is_property=not is_attributes and name not in self._layout.fields,
            is_identifier=is_identifier,
            is_removable=is_attributes and name not in self._layout.never_unset and not field.operation,
            is_null_skipped=(field.nulls or self._settings.nulls) == "skip",
            is_truncated=field.is_truncated,
            policy=policy,
            operation=field.operation,
        )

    def _is_pipelines_own(self, source: str) -> bool:
        return source.startswith(_PIPELINE_PREFIX) and source not in self._settings.fields

    def _default_name(self, source: str, *, is_chosen: bool) -> str:
        """The name in Braze of a column whose name the settings do not give.

        Raises:
            SettingsError: If it looks like a standard field, and the settings leave it open what to do then.
        """
        meant = lookalike_of(source)
        is_field = self._layout.properties is None and is_chosen
        if meant is None or not (is_field or meant in self._settings.identify_by):
            return source
        if self._settings.lookalikes == "send":
            return source
        if self._settings.lookalikes == "map":
            return meant
        line = settings_line(self._stream, source, meant)
        raise SettingsError(
            f"Stream {self._stream!r} has a column {source!r}, which looks like Braze's standard field {meant!r} but "
            f"would become a custom one beside it. Add to the settings: `{line}` (or null to "
            f"leave it out, or {source} to send it as it is); or set `lookalikes` to map or send."
        )

    def _check_name(self, source: str, name: str) -> None:
        """Make sure that Braze takes the name of an attribute or property.

        Raises:
            SettingsError: If it does not.
        """
        if name in PRIMARY_IDENTIFIERS or name in ALIAS_FIELDS:
            # as an attribute it would decide whom the object reaches, or void it: at most one identifier per object
            kind = "user_alias" if name in ALIAS_FIELDS else name
            line = settings_line(self._stream, source, None)
            raise SettingsError(
                f"Stream {self._stream!r}, column {source!r}: {name!r} is an identifier and cannot be an attribute. "
                f"Add {kind} to `identify_by` to name people by it, or leave it out: `{line}`."
            )
        problem = name_problem(name)
        if name in self._layout.reserved and name not in self._layout.fields:
            problem = f"{name!r} is reserved among the properties."
        if problem:
            raise SettingsError(
                f"Stream {self._stream!r}, column {source!r}: {problem} Add to the settings: "
                f"`{settings_line(self._stream, source, 'another_name')}` (or null to leave it out)."
            )

    def _check_policies(self, source: str, name: str, kind: Kind, field: FieldSettings, *, is_identifier: bool) -> None:
        """Make sure that what is set of how often an attribute may be updated can be meant of it.

        Raises:
            SettingsError: If it cannot.
        """
        line = f"streams.{self._stream}.fields.{source}"
        if is_identifier and field.policies:
            raise SettingsError(
                f"`{line}.{field.policies[0]}`: {name!r} names people and is no attribute. Take it out."
            )
        of_numbers = [policy for policy in field.policies if policy in NUMBER_POLICIES]
        if not of_numbers or (kind in _NUMBERS and name not in self._layout.fields):
            return
        if name in self._layout.fields:
            raise SettingsError(f"`{line}.{of_numbers[0]}`: Braze's own field {name!r} cannot have it. Take it out.")
        what = "its schema does not say that it is one" if kind is Kind.ANY else f"this is one of type {kind.value}"
        raise SettingsError(
            f"`{line}.{of_numbers[0]}` is for a column of numbers, and {what}. Take it out, or, if its values are "
            f"numbers all the same, give their type beside it: `{line}.type: decimal` (or integer, float)."
        )

    def _conversion(self, name: str, kind: Kind, field: FieldSettings) -> Callable[[Any], Any] | None:
        if field.operation:
            return None
        if field.is_truncated and (
            name in FREE_TEXT_FIELDS or (kind is Kind.STRING and name not in self._layout.fields)
        ):
            return values.to_truncated_string
        if name in self._layout.fields:
            return self._layout.fields[name]
        if field.buckets:
            return field.buckets
        convert = CONVERSIONS.get(kind)
        return convert if convert is None or field.decimals is None else Rounding(field.decimals, convert)
