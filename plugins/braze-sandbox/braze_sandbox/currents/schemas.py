"""The Avro schemas of Currents: of each event type the newest, and older ones where they are known. Pure.

`fields.tsv` has one line for each event type (release of June 2026) and in it `name:type`, where no type means
`string?`, `?` means that it may be null and `*` that Braze marks it as personal. `history.tsv` says what changed in
which month, the newest change first, so that an older schema is found by undoing the newest ones.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = "dataexport.S3.inner"
USUAL_TYPE = "string?"
ARRAY = "array<"
# Fields that one month's export (June 2021) had in place of those of its time; see `connect_schema`.
CONNECT_FIELDS = (
    "app_group_id:string app_group_api_id app_api_id gender* country* language* sdk_version data_point_source"
)


class Field(NamedTuple):
    """One field of an event type.

    Attributes:
        name: Its name.
        type: `string`, `int`, `long`, `boolean`, `float`, `array<string>` or `array<string?>`.
        is_nullable: Whether it may be null.
        is_personal: Whether Braze marks it as personal.
        has_default: Whether the schema gives null as the default; before 2024-04 not every nullable field had it.
    """

    name: str
    type: str
    is_nullable: bool
    is_personal: bool = False
    has_default: bool = True

    @classmethod
    def parsed(cls, text: str) -> Field:
        """Read a field as `fields.tsv` has it."""
        name, _, avro_type = text.removesuffix("*").partition(":")
        avro_type = avro_type or USUAL_TYPE
        return cls(name, avro_type.removesuffix("?"), avro_type.endswith("?"), text.endswith("*"))


def event_types() -> list[str]:
    """Return the names of all event types, sorted."""
    return sorted(_newest())


def fields_of(event_type: str) -> tuple[Field, ...]:
    """Return the fields of an event type's newest schema, in its order."""
    return _newest()[event_type]


def avro_schema(event_type: str) -> dict[str, Any]:
    """Return the newest schema of an event type."""
    return _schema(event_type, fields_of(event_type))


def old_schemas(event_type: str) -> dict[str, dict[str, Any]]:
    """Return the older schemas of an event type that are known.

    Returns:
        The month at whose change a schema ended (`2024-10`) → that schema, the oldest first.
    """
    fields = list(fields_of(event_type))
    found: list[tuple[str, dict[str, Any]]] = []
    for since, changes in _history().get(event_type, ()):
        for change in changes:
            fields = _undone(fields, change)
        found.append((since, _schema(event_type, fields)))
    return dict(reversed(found))


def connect_schema(event_type: str) -> dict[str, Any]:
    """Return a schema as the files of June 2021 had it.

    The record is named after the event type alone, has attributes of Kafka Connect, wraps each type in an object, and
    has fields that no other time had.
    """
    known = {field.name: field for field in fields_of(event_type)}
    known |= {field.name: field for field in map(Field.parsed, CONNECT_FIELDS.split())}
    schema = _schema(event_type, known.values())
    namespace, _, _ = event_type.rpartition(".")
    for field in schema["fields"]:
        field["type"] = _wrapped(field["type"], field.pop("doc"))
    return schema | {
        "namespace": namespace,
        "connect.name": event_type,
        "connect.version": 1,
        "connect.parameters": {"io.confluent.connect.avro.record.doc": f"{event_type} event"},
    }


def _wrapped(avro_type: Any, doc: str) -> Any:
    if isinstance(avro_type, list):
        return [avro_type[0], _wrapped(avro_type[1], doc)]
    if isinstance(avro_type, dict):
        return avro_type | {"connect.doc": doc}
    return {"type": avro_type, "connect.doc": doc}


def _schema(event_type: str, fields: Iterable[Field]) -> dict[str, Any]:
    namespace, _, name = f"{NAMESPACE}.{event_type}".rpartition(".")
    return {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "doc": f"{event_type} event, made up by braze-sandbox",
        "owner": "@braze-sandbox",  # Braze's files have an attribute of this name, of no meaning to readers
        "fields": [_described(field) for field in fields],
    }


def _described(field: Field) -> dict[str, Any]:
    avro_type: Any = field.type
    if field.type.startswith(ARRAY):
        item = field.type.removeprefix(ARRAY).removesuffix(">")
        avro_type = {"type": "array", "items": ["null", item.removesuffix("?")] if item.endswith("?") else item}
    described: dict[str, Any] = {"name": field.name, "type": ["null", avro_type] if field.is_nullable else avro_type}
    if field.is_nullable and field.has_default:
        described["default"] = None
    mark = "[PII] " if field.is_personal else ""
    return described | {"doc": f"{mark}{field.name.replace('_', ' ')}"}


def _undone(fields: list[Field], change: str) -> list[Field]:
    """Return the fields as they were before a change."""
    if change.startswith("+"):
        return [field for field in fields if field.name != change[1:]]
    if change.startswith("-"):
        # Where it was is not known; Braze adds in the middle of a record as often as at its end.
        middle = len(fields) // 2
        return [*fields[:middle], Field.parsed(change[1:]), *fields[middle:]]
    kind, _, name = change.partition(":")
    assert kind in {"nullable", "default"}
    return [
        (field._replace(is_nullable=False) if kind == "nullable" else field._replace(has_default=False))
        if field.name == name
        else field
        for field in fields
    ]


@functools.cache
def _newest() -> dict[str, tuple[Field, ...]]:
    return {event_type: tuple(map(Field.parsed, fields.split())) for event_type, fields in _rows("fields.tsv")}


@functools.cache
def _history() -> dict[str, list[tuple[str, list[str]]]]:
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for event_type, since, changes in _rows("history.tsv"):
        found.setdefault(event_type, []).append((since, changes.split()))
    return found


def _rows(name: str) -> list[list[str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]
