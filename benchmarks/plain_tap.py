"""What the same job looks like with the Singer SDK and fastavro as they come: the tap to be compared with.

Written the way the SDK's own documentation suggests, with its defaults and nothing that slows it down. It reads a local
folder, all of it, and keeps no bookmark.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fastavro
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_TYPES = {"null": "null", "string": "string", "int": "integer", "long": "integer", "boolean": "boolean"}


class PlainStream(Stream):
    """One event type."""

    name = "users_messages_email_send"
    primary_keys = ("id",)

    def __init__(self, tap: Tap) -> None:
        self._paths = sorted(Path(tap.config["path"]).rglob("*.avro"))
        with self._paths[0].open("rb") as file:
            schema: Any = fastavro.reader(file).writer_schema
        properties = {}
        for field in schema["fields"]:
            types = field["type"] if isinstance(field["type"], list) else [field["type"]]
            properties[field["name"]] = {"type": [JSON_TYPES[avro_type] for avro_type in types]}
        super().__init__(tap, schema={"type": "object", "properties": properties})

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """All records of all files."""
        for path in self._paths:
            with path.open("rb") as file:
                records: Any = fastavro.reader(file)
                yield from records


class PlainTap(Tap):
    """The SDK's tap with nothing changed but its stream."""

    name = "plain-tap"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("path", th.StringType, required=True)
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """The one stream."""
        return [PlainStream(self)]


if __name__ == "__main__":
    PlainTap.cli()
