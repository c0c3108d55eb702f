"""The custom attributes that Braze has, and the columns of which it would drop values. Pure.

Braze takes a custom attribute's type from the first value it ever receives, or an administrator forces one; values of
another type are dropped without a word, and so is everything under a blocklisted name (Braze docs, "Managing custom
data", 2026-03). Names are case-sensitive. Nothing of that shows in the answer to a request, which says `success`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from target_braze.findings import Finding, Level, settings_line, yaml_name
from target_braze.nested import is_operation
from target_braze.schema import Kind, json_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_braze.columns import Column

BLOCKLISTED: Final = "blocklisted"
_PLACE: Final = "in Braze (Data Settings > Custom Attributes)"
_MAX_TYPE_CHARACTERS: Final = 40


class BrazeType(str, enum.Enum):
    """The type of a custom attribute, as Braze names it."""

    STRING = "String"
    NUMBER = "Number"
    BOOLEAN = "Boolean"
    TIME = "Date"
    ARRAY = "Array"
    OBJECT = "Object"
    OBJECT_ARRAY = "Object Array"


_TYPE_OF_WORD: Final[dict[str, BrazeType]] = {
    **{kind.value.lower(): kind for kind in BrazeType},
    "integer": BrazeType.NUMBER,
    "float": BrazeType.NUMBER,
    "bool": BrazeType.BOOLEAN,
    "time": BrazeType.TIME,
    "datetime": BrazeType.TIME,
    "array of objects": BrazeType.OBJECT_ARRAY,
}
_SENT_AS: Final[dict[Kind, frozenset[BrazeType]]] = {
    Kind.BOOLEAN: frozenset({BrazeType.BOOLEAN}),
    Kind.DATE: frozenset({BrazeType.TIME}),
    Kind.DATETIME: frozenset({BrazeType.TIME}),
    Kind.DECIMAL: frozenset({BrazeType.NUMBER}),
    Kind.FLOAT: frozenset({BrazeType.NUMBER}),
    Kind.INTEGER: frozenset({BrazeType.NUMBER}),
    Kind.STRING: frozenset({BrazeType.STRING}),
    Kind.ARRAY: frozenset({BrazeType.ARRAY, BrazeType.OBJECT_ARRAY}),
    Kind.OBJECT: frozenset({BrazeType.OBJECT, BrazeType.OBJECT_ARRAY}),
    Kind.ANY: frozenset(),
}
_SCALARS: Final = frozenset(kind for kind in Kind if kind not in (Kind.ARRAY, Kind.OBJECT, Kind.ANY))
_CONVERSIONS: Final[dict[BrazeType, tuple[str, frozenset[Kind]]]] = {
    BrazeType.STRING: ("string", _SCALARS),
    BrazeType.NUMBER: ("float", frozenset({Kind.STRING})),
    BrazeType.BOOLEAN: ("boolean", frozenset({Kind.STRING, Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL})),
    BrazeType.TIME: ("datetime", frozenset({Kind.STRING})),
    BrazeType.ARRAY: ("array", frozenset({Kind.STRING})),
    BrazeType.OBJECT: ("object", frozenset({Kind.STRING})),
    BrazeType.OBJECT_ARRAY: ("array", frozenset({Kind.STRING})),
}
"""Braze's type → the `type` in our settings that brings values to it, and the columns for which it can."""


@dataclass(frozen=True)
class BrazeAttribute:
    """A custom attribute as `GET /custom_attributes` lists it.

    Attributes:
        name: Its name.
        data_type: Its type in Braze's words, such as `String` or `Number (Automatically Detected)`.
        is_blocklisted: Whether nothing is collected of it.
    """

    name: str
    data_type: str = ""
    is_blocklisted: bool = False

    @property
    def type(self) -> BrazeType | None:
        """Its type; None if Braze's words for it are none we know."""
        words = self.data_type.partition("(")[0].replace("_", " ").lower().split()
        return _TYPE_OF_WORD.get(" ".join(words))


def read_attributes(answer: Any) -> list[BrazeAttribute] | None:
    """The custom attributes in one page of Braze's answer, None if it is no such page."""
    listed = answer.get("attributes") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        return None
    return [
        BrazeAttribute(entry["name"], str(entry.get("data_type") or ""), _is_blocklisted(entry.get("status")))
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    ]


def type_conflicts(
    columns: Iterable[Column | None], braze_attributes: Mapping[str, BrazeAttribute], *, stream: str
) -> list[Finding]:
    """The columns of which Braze would drop values without a word.

    Args:
        columns: The columns of a stream of attributes; None is one that is left out.
        braze_attributes: Name → custom attribute that Braze has.
        stream: The stream's name.

    Returns:
        An error for each blocklisted name and each type whose values Braze takes none of, a warning for each of which
        it takes some, in the order of the columns.
    """
    found = []
    for column in custom_columns(columns):
        attribute = braze_attributes.get(column.name)
        if attribute is None:
            continue
        if attribute.is_blocklisted:
            found.append(_blocklisted(column, stream))
        elif (level := conflict(column, attribute)) is not None:
            found.append(_type_conflict(level, column, attribute, stream))
    return found


def sent_types(column: Column) -> frozenset[BrazeType]:
    """The types that Braze may see in a column's values; empty if only the values tell."""
    kind, schema = column.kind, column.schema
    if kind is Kind.ARRAY and isinstance(items := schema.get("items"), dict) and (types := json_types(items)):
        is_objects = "object" in types
        return frozenset({BrazeType.OBJECT_ARRAY if is_objects else BrazeType.ARRAY})
    if kind is Kind.OBJECT and isinstance(properties := schema.get("properties"), dict) and properties:
        if is_operation(properties) or properties.keys() <= {"inc"}:
            return frozenset()  # what changes a number or an array
        return frozenset({BrazeType.OBJECT})
    return _SENT_AS[kind]


def custom_columns(columns: Iterable[Column | None]) -> Iterator[Column]:
    """The columns, None where one is left out, that become custom attributes."""
    for column in columns:
        if column is not None and not (column.is_identifier or column.is_field or column.is_property):
            yield column


def conflict(column: Column, attribute: BrazeAttribute) -> Level | None:
    """What the types of a column and of the attribute in Braze mean for its values; None if they are one."""
    sent, known = sent_types(column), attribute.type
    if known is None or not sent or known in sent:
        return None
    # text that is a date is a date to Braze, and a date is text
    texts = {BrazeType.STRING, BrazeType.TIME}
    return Level.WARNING if sent <= texts and known in texts else Level.ERROR


def _type_conflict(level: Level, column: Column, attribute: BrazeAttribute, stream: str) -> Finding:
    known = attribute.type
    assert known is not None
    ours = " or ".join(sorted(kind.value for kind in sent_types(column)))
    outcome = (
        "Braze would drop its values without a word"
        if level is Level.ERROR
        else "Braze keeps only the values that it reads as a date, and drops the others without a word"
        if known is BrazeType.TIME
        else "Braze takes dates for text, which no filter by time will find"
    )
    line = _converting_line(column, known, stream)
    advice = (
        f"Add to the settings: `{line}` (what cannot be converted is then rejected by name)"
        if line
        else f"Send it under another name: `{settings_line(stream, column.source, 'another_name')}`"
    )
    return Finding(
        level,
        "type",
        f"column {column.source!r} is sent as {ours}, but in Braze {column.name!r} is {_shown(attribute.data_type)}: "
        f"{outcome}.",
        stream,
        column.name,
        f"{advice}, or have its type changed {_PLACE}.",
    )


def _converting_line(column: Column, known: BrazeType, stream: str) -> str | None:
    kind, convertible = _CONVERSIONS[known]
    if column.kind not in convertible:
        return None
    name = f"name: {yaml_name(column.name)}, " if column.name != column.source else ""
    return settings_line(stream, column.source, f"{{{name}type: {kind}}}")


def _blocklisted(column: Column, stream: str) -> Finding:
    return Finding(
        Level.ERROR,
        "blocklist",
        f"{column.name!r} is blocklisted: Braze collects nothing of it, without a word.",
        stream,
        column.name,
        f"Leave it out: `{settings_line(stream, column.source, None)}`, or have it taken off the list {_PLACE}.",
    )


def _is_blocklisted(status: Any) -> bool:
    return isinstance(status, str) and status.strip().lower() == BLOCKLISTED


def _shown(data_type: str) -> str:
    return repr(data_type[:_MAX_TYPE_CHARACTERS])
