"""The mapping of one stream compiled for records that are just as their schema says. Pure.

`msgspec` decodes such a record and checks its types, lengths and ranges in one pass of C, made from the columns that
`mapping.py` has planned; what is left for Python are the few columns whose form changes. Any other record (a column
more or less, a value of another type, something to reject) is for `Mapper.map`, which alone knows what to do about it.
For every record that this maps, it says the same of the same person: a law of the tests.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec.structs import astuple

from target_braze import standard_fields, values
from target_braze.columns import Column, convert_nested
from target_braze.costs import nested_points
from target_braze.limits import MAX_EXACT_DIGITS, MAX_INTEGER, MAX_OBJECT_BYTES, MAX_STRING_CHARACTERS, MAX_YEAR
from target_braze.mapped_ahead import Values
from target_braze.mapping import Mapper
from target_braze.nested import encode_lines
from target_braze.rejections import RefusalError
from target_braze.updates import Attributes, Identity, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze.mapped_ahead import MappedAhead
    from target_braze.statements import StatementMapper
    from target_braze.updates import Form

_IDENTIFIERS: Final = frozenset({"external_id", "braze_id"})
_Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=246)] | int
"""246 characters are at most 984 bytes, so that the limit of 987 needs no look."""
_MAX_EXACT_TEXT: Final = MAX_EXACT_DIGITS + len(".")
_Integer = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Float = Annotated[float, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
"""Beyond, it may have been written as an integer, of which digits are lost by then."""
_String = Annotated[str, msgspec.Meta(max_length=MAX_STRING_CHARACTERS)]
_UTC: Final = dt.timezone.utc
_new_identity: Final = tuple.__new__
"""Makes a named tuple in half the time of its class."""


class OtherwiseError(Exception):
    """The record is for `Mapper.map`."""


class CompiledMapper:
    """Maps the plain records of one stream under one schema.

    Attributes:
        is_usable: Whether it can map any.
        has_one_form: Whether all that it maps give the same attributes, as what is mapped ahead has to.

    Args:
        mapper: The stream's mapper, with the columns of its schema.
        required: Columns that every record must have: the stream's key properties.

    Attributes:
        is_usable: Whether there is anything that it could map; if not, it has nothing else.
        identified_by: By which identifier it names people.
        form: The attributes that it gives.
    """

    def __init__(self, mapper: Mapper | StatementMapper, required: Sequence[str]) -> None:
        self.is_usable = self.has_one_form = False
        if not isinstance(mapper, Mapper):
            return
        self._mapper = mapper
        self._stream = mapper.stream
        self.identified_by = mapper.settings.identify_by[0]
        known = mapper.columns
        sent = [column for column in known.values() if column is not None and not column.is_identifier]
        identifiers = [column.source for column in known.values() if column and column.name == self.identified_by]
        self.is_usable = (
            mapper.settings.object_kind is ObjectKind.ATTRIBUTES
            and mapper.settings.on_delete == "ignore"
            and self.identified_by in _IDENTIFIERS
            and len(identifiers) == 1
            and bool(sent)
            and set(required) <= known.keys()
        )
        if not self.is_usable:
            return
        planned = [(column, *_plan(column)) for column in sent]
        types = {column.source: type_ for column, type_, _ in planned}
        fields = [(source, types.get(source, msgspec.Raw)) for source in known]
        fields = [(source, _Identifier if source == identifiers[0] else type_) for source, type_ in fields]
        rank = {source: place for place, source in enumerate([identifiers[0], *(column.source for column in sent)])}
        fields.sort(key=lambda field: rank.get(field[0], len(rank)))  # of equal ones, columns keep their order
        names = [f"column_{number}" for number in range(len(fields))]
        try:
            record = msgspec.defstruct(
                "Record",
                [(name, type_) for name, (_, type_) in zip(names, fields, strict=True)],
                rename={name: source for name, (source, _) in zip(names, fields, strict=True)},
                forbid_unknown_fields=True,
                gc=False,
            )
        except ValueError:  # a column with a quotation mark, backslash or control character in its name
            self.is_usable = False
            return
        decoder = msgspec.json.Decoder(record, float_hook=_exact)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines
        self._count = len(rank)
        self._conversions = [
            (at, convert, float if convert is _decimal else None)  # a call saved is a twentieth of a microsecond
            for at, (_, _, convert) in enumerate(planned, 1)
            if convert is not None
        ]
        self._dates = [at for at, column in enumerate(sent, 1) if column.convert is values.to_date]
        self._never_null = [at for at, column in enumerate(sent, 1) if not column.is_removable]
        self._skipped = [at for at, column in enumerate(sent, 1) if column.is_removable and column.is_null_skipped]
        self.has_one_form = not self._skipped
        self._names = tuple(column.name for column in sent)
        self.form = mapper.form(self.identified_by, self._names)
        self._prefix = msgspec.json.encode(self.identified_by) + b":"
        self._room = MAX_OBJECT_BYTES - self.form.size - len(self._prefix)  # with an end of line for each value
        self._has_nested = any(column.convert is None for column in sent)

    def map(self, record: bytes) -> Attributes | None:
        """What a record as JSON says of a person; None if it is not as its schema says."""
        try:
            decoded = self._decode(record)
        except (msgspec.DecodeError, UnicodeError):
            return None
        return self._said(decoded)

    def map_lines(self, lines: bytes) -> list[Attributes | None]:
        """What each of some records says, as `map`.

        Args:
            lines: The records, with a line end between them.
        """
        try:
            return list(map(self._said, self._decode_lines(lines)))
        except (msgspec.DecodeError, UnicodeError):  # one is not as its schema says
            return list(map(self.map, lines.split(b"\n")))

    def _said(self, decoded: msgspec.Struct) -> Attributes | None:
        try:
            parts = list(astuple(decoded)[: self._count])
            name = parts[0] = str(parts[0])  # whole numbers too name people
            if name.isspace():
                return None
            for at, convert, fine in self._conversions:
                value = parts[at]
                if value is not None and type(value) is not fine:
                    parts[at] = convert(value)
            if not self._can_be_sent(parts):
                return None
            form = self.form
            if self._skipped:
                form, parts = self._without_nulls(parts)
        except (OtherwiseError, RefusalError):
            return None
        lines = encode_lines(parts)
        if len(lines) > self._room:
            return None
        named, *values, _ = lines.split(b"\n")
        identity = _new_identity(Identity, (self.identified_by, name))
        points, is_mergeable = None, True
        if self._has_nested:
            del parts[0]
            points = nested_points(form.points, parts)
            is_mergeable = points is None or self._mapper.are_mergeable(parts)
        return Attributes(self._stream, identity, self._prefix + named, form, values, points, is_mergeable)

    def _can_be_sent(self, parts: list[Any]) -> bool:
        """Whether no value is one that Braze drops."""
        for at in self._dates:
            if parts[at] is not None and parts[at].year > MAX_YEAR:
                return False
        return all(parts[at] is not None for at in self._never_null)

    def _without_nulls(self, parts: list[Any]) -> tuple[Form, list[Any]]:
        """Leave out the nulls that are skipped."""
        skipped = {at for at in self._skipped if parts[at] is None}
        if not skipped:
            return self.form, parts
        names = tuple(name for at, name in enumerate(self._names, 1) if at not in skipped)
        if not names:
            raise OtherwiseError  # there is nothing to say of the person
        left = [part for at, part in enumerate(parts) if at not in skipped]
        return self._mapper.form(self.identified_by, names), left

    def attributes(self, ahead: MappedAhead) -> Attributes:
        """What `map` says of a record that was mapped ahead."""
        details = ahead.details
        return Attributes(
            self._stream,
            _new_identity(Identity, (self.identified_by, ahead.name)),
            self._prefix + msgspec.json.encode(ahead.name),
            self.form,
            Values(ahead.body, self.form.names),
            details.points,
            details.is_mergeable,
            ahead,
        )


def _plan(column: Column) -> tuple[Any, Callable[[Any], Any] | None]:
    """The type to decode a column's values as, and what is then left to do with one that is not null."""
    convert = column.convert
    plans: dict[Any, tuple[Any, Callable[[Any], Any] | None]] = {
        values.to_boolean: (bool, None),
        values.to_integer: (_Integer, None),
        values.to_float: (_Float, None),
        values.to_string: (_String, None),
        standard_fields.short_text: (_String, None),
        values.to_truncated_string: (str, convert),  # the text of a number depends on how it was written
        values.to_decimal: (Any, _decimal),
        values.to_date: (dt.date, None),
        values.to_datetime: (dt.datetime, _datetime),
    }
    if convert is None:
        return Any, _nested(column)
    type_, rest = plans.get(convert, (Any, convert if column.is_removable else _sent(convert)))
    return (type_ if type_ is Any else type_ | None), rest


def _exact(text: str) -> float | Decimal:
    """A number of a column without a type of its own: a double if that is the same whatever comes of it."""
    if len(text) <= _MAX_EXACT_TEXT and "e" not in text and "E" not in text:  # 1e400 would be infinite, 1e-400 zero
        return float(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError from None


def _decimal(value: Any) -> float:
    if type(value) is int:
        return values.to_decimal(value)
    raise OtherwiseError


def _datetime(value: dt.datetime) -> dt.datetime | str:
    if value.tzinfo is _UTC and not value.microsecond and value.year <= MAX_YEAR:
        return value  # which msgspec writes just so
    return values.utc_text(value)


def _sent(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For fields of which an empty value is left out."""

    def converted(value: Any) -> Any:
        part = convert(value)
        if part is msgspec.UNSET:
            raise OtherwiseError
        return part

    return converted


def _nested(column: Column) -> Callable[[Any], Any]:
    def converted(value: Any) -> Any:
        part, left_out = convert_nested(column, value)
        if left_out or part is msgspec.UNSET:
            raise OtherwiseError
        return part

    return converted
