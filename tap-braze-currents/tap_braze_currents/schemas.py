"""From the Avro schemas that files carry to the columns of a stream. Pure.

A stream's columns are all the fields its files ever had: Braze adds fields anywhere in a record and without notice, and
old files lack the newer ones, so columns are merged by name. None is dropped, and none is required but `id`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from tap_braze_currents.lineage import column_name

ID = "id"
SCHEMAS_KEPT = 16
PII_MARK = "[PII]"
# What JSON makes of Avro's simple types. Bytes are written in base64, see `general_decoding.py`.
KINDS = {
    "null": "nothing",
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
    "bytes": "string",
    "fixed": "string",
    "enum": "string",
    "map": "object",
    "record": "object",
    "error": "object",
}


class Column(NamedTuple):
    """What the values of a field are.

    Attributes:
        kind: A type of JSON Schema, or `nothing` if only null was seen.
        items: The kind of an array's items.
        is_forced: Whether it is `string` because its values are of types that have nothing else in common.
    """

    kind: str
    items: Column | None = None
    is_forced: bool = False

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of such a value, or null."""
        kind = "string" if self.kind == "nothing" else self.kind
        schema: dict[str, Any] = {"type": [kind, "null"]}
        if self.items is not None:
            schema["items"] = self.items.json_schema
        return schema

    def merged(self, other: Column) -> Column:
        """Return a column that holds the values of both: a string if nothing narrower does."""
        if self.kind == "nothing":
            return other
        if other.kind == "nothing":
            return self
        kinds = {self.kind, other.kind}
        if kinds == {"integer", "number"}:
            return Column("number")
        if len(kinds) > 1:
            return FORCED
        if self.items is not None and other.items is not None:
            return Column(self.kind, self.items.merged(other.items))
        return Column(self.kind, is_forced=self.is_forced or other.is_forced)

    @property
    def is_forced_within(self) -> bool:
        """Whether it, or what its arrays hold, is written as text for want of a common type."""
        return self.is_forced or (self.items is not None and self.items.is_forced_within)


FORCED = Column("string", is_forced=True)
NOTHING = Column("nothing")


def columns_of(avro_schema: dict[str, Any]) -> dict[str, Column]:
    """Return the columns of one writer schema, in its order.

    Args:
        avro_schema: An Avro record as a dict.
    """
    return {column_name(field["name"]): column_of(field["type"]) for field in avro_schema["fields"]}


def column_of(avro_type: Any) -> Column:
    """Return the column of one Avro type: a name, an object (also one that merely wraps a type), or a union."""
    if isinstance(avro_type, list):
        column = NOTHING
        for branch in avro_type:
            column = column.merged(column_of(branch))
        return column
    if isinstance(avro_type, dict):
        if avro_type["type"] == "array":
            return Column("array", column_of(avro_type["items"]))
        return column_of(avro_type["type"])
    # A name that is not Avro's own refers to a record, an enum or a fixed defined elsewhere in the schema. It cannot
    # be told here which: as text it holds whatever it is.
    kind = KINDS.get(avro_type)
    return FORCED if kind is None else Column(kind)


class StreamSchema:
    """The columns of one stream, merged from the schemas of its files.

    Attributes:
        columns: Name → column, in the order in which they were seen.
        pii: Fields that Braze marks as personal in at least one file.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {ID: Column("string")}
        self.pii: frozenset[str] = frozenset()
        self._warnings: list[str] = []
        # Schemas lately merged, by identity: decoding gives files of the same schema the same dict, and most files are
        # so small that to merge it again would take longer than to decode them.
        self._merged: deque[dict[str, Any]] = deque(maxlen=SCHEMAS_KEPT)

    def merge(self, avro_schema: dict[str, Any]) -> bool:
        """Take in the writer schema of a file.

        Args:
            avro_schema: An Avro record as a dict, not to be changed afterwards.

        Returns:
            Whether the columns or the personal ones among them changed.
        """
        if any(avro_schema is known for known in self._merged):
            return False
        self._merged.append(avro_schema)
        before = self.columns, self.pii
        self.columns = dict(self.columns)
        for name, column in columns_of(avro_schema).items():
            known = self.columns.get(name, NOTHING)
            merged = known.merged(column)
            if merged != known and merged.is_forced_within:
                self._warnings.append(
                    f"The field {name!r} is of types that cannot be merged "
                    f"({_named(known)}, {_named(column)}): its values are written as text."
                )
            self.columns[name] = merged
        self.pii |= {column_name(field["name"]) for field in avro_schema["fields"] if _is_personal(field)}
        return before != (self.columns, self.pii)

    def new_warnings(self) -> list[str]:
        """Return what could not be merged since last asked."""
        warnings, self._warnings = self._warnings, []
        return warnings

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of Braze's fields: `id` a required string, everything else nullable."""
        properties = {name: column.json_schema for name, column in self.columns.items()}
        properties[ID] = {"type": ["string"]}
        return {"type": "object", "properties": properties, "required": [ID]}


def _named(column: Column) -> str:
    return column.kind if column.items is None else f"{column.kind} of {_named(column.items)}"


def _is_personal(field: dict[str, Any]) -> bool:
    if field.get("pii") is True:
        return True
    docs = [field.get("doc"), field.get("connect.doc"), *_docs_of_type(field["type"])]
    return any(isinstance(doc, str) and PII_MARK in doc for doc in docs)


def _docs_of_type(avro_type: Any) -> list[Any]:
    """Return the descriptions on a field's type: in 2021 Braze wrote them there (`connect.doc`)."""
    branches = avro_type if isinstance(avro_type, list) else [avro_type]
    return [branch.get(key) for branch in branches if isinstance(branch, dict) for key in ("doc", "connect.doc")]
