"""Writes events as Braze writes them: Avro container files under keys that name type, hour, release, zone and offset.

`files` makes them in memory, `write` puts them into a folder or bucket. Offsets are counted as Kafka counts them: one
counter for each zone and partition, over all event types, so that the files of one type have gaps between them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import fastavro
import fsspec

from braze_sandbox.currents import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from braze_sandbox.currents.events import Event

HOUR_FORMAT = "%Y-%m-%d-%H"
MAGIC, SYNC_BYTES = b"Obj\x01", 16
HEADER_SCHEMA = {
    "type": "record",
    "name": "org.apache.avro.file.Header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": len(MAGIC)}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": SYNC_BYTES}},
    ],
}


@dataclass(frozen=True)
class Layout:
    """How a connector names its files.

    Attributes:
        integration: The connector, 24 hexadecimal digits.
        cluster: Where Braze runs; empty for names as they were in 2017.
        release: The release of Currents, in `version=6`; None for the older names, which have the number of a schema.
        schema_number: That number, for names without a release.
        zones: Where in the cluster; each person is in one of them.
        partitions: How many there are in a zone.
    """

    integration: str = "69cadaaed2d51b7c75b1a3e5"
    cluster: str = "prod-01"
    connector: str = "S3"
    release: int | None = 10
    schema_number: int = 315
    zones: Sequence[str] = ("us-01",)
    partitions: int = 3

    def key(self, event_type: str, hour: str, zone: str, partition: int, offset: int) -> str:
        """Return the key of a file, below the connector's folder path."""
        parts = ("dataexport", *((self.cluster,) if self.cluster else ()), self.connector, "integration")
        topic = ".".join((*parts, self.integration))
        schema = str(self.schema_number) if self.release is None else f"version={self.release}"
        name = f"{topic}+{partition}+{offset:010d}.avro"
        return f"{topic}/event_type={event_type}/date={hour}/{schema}/{zone}/{name}"


NEW_LAYOUT = Layout()
OLD_LAYOUT = Layout(release=None, zones=("prod-03",))
"""As keys were until 2026: with the number of a schema, and the cluster again for a zone."""


class File(NamedTuple):
    """A file to be written.

    Attributes:
        key: Where, below the connector's folder path.
        events: How many are in it.
    """

    key: str
    content: bytes
    event_type: str
    hour: str
    events: int


class Written(NamedTuple):
    """What was written: counts of files and bytes, and of events by type."""

    files: int
    size: int
    events: Mapping[str, int]


def hour_of(seconds: float) -> str:
    """Return the hour of a time as keys have it, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).strftime(HOUR_FORMAT)


def seconds_of(hour: str) -> int:
    """Return when an hour as keys have it began, in seconds since 1970."""
    return int(dt.datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=dt.timezone.utc).timestamp())


def avro_file(schema: dict[str, Any], records: Iterable[dict[str, Any]], codec: str = "null") -> bytes:
    """Return a container file; the same for the same content.

    Without a codec the header does not name one, as in Braze's files.
    """
    every = list(records)
    text = json.dumps(schema, separators=(",", ":"))
    sync = hashlib.md5(f"{text}{every}".encode(), usedforsecurity=False).digest()
    body = io.BytesIO()
    fastavro.writer(body, fastavro.parse_schema(schema), every, codec=codec, sync_marker=sync)
    meta = {"avro.schema": text.encode()} | ({} if codec == "null" else {"avro.codec": codec.encode()})
    header = io.BytesIO()
    fastavro.schemaless_writer(header, HEADER_SCHEMA, {"magic": MAGIC, "meta": meta, "sync": sync})
    blocks = body.getvalue().partition(sync)[2]  # what comes after the other header
    return header.getvalue() + blocks


def files(
    events: Iterable[Event],
    layout: Layout = NEW_LAYOUT,
    *,
    codec: str = "null",
    events_per_file: int = 15_000,
    seconds_per_file: int = 3_600,
    first_offset: int = 0,
    schema_of: Mapping[str, dict[str, Any]] | None = None,
) -> Iterator[File]:
    """Sort events into files.

    Args:
        events: What to write, in any order.
        layout: How files are named.
        codec: `null`, `deflate` or `snappy`.
        events_per_file: A file is full with so many. Braze: 15,000.
        seconds_per_file: Files begin anew after so much time, and always with the hour. Braze: 300.
        first_offset: Where counting begins, in each partition.
        schema_of: Schemas for event types that are not to have the newest.
    """
    offsets: Counter[tuple[str, int]] = Counter()
    waiting: dict[tuple[str, int, str, int], list[tuple[int, Event]]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.queued_at):
        place = zlib.crc32(str(event.record.get("user_id") or event.record["id"]).encode())
        zone, partition = layout.zones[place % len(layout.zones)], place // 7 % layout.partitions
        turn = event.queued_at // min(seconds_per_file, 3_600)
        waiting[(event.event_type, turn, zone, partition)].append((first_offset + offsets[zone, partition], event))
        offsets[zone, partition] += 1
    for (event_type, _, zone, partition), every in waiting.items():
        schema = (schema_of or {}).get(event_type) or schemas.avro_schema(event_type)
        for start in range(0, len(every), events_per_file):
            some = every[start : start + events_per_file]
            hour = hour_of(some[0][1].queued_at)
            content = avro_file(schema, (event.record for _, event in some), codec)
            yield File(layout.key(event_type, hour, zone, partition, some[0][0]), content, event_type, hour, len(some))


def write(made: Iterable[File], to: str) -> Written:
    """Write files to a folder or to any address that fsspec knows, such as `s3://bucket/currents`.

    A bucket's endpoint and keys are found as AWS's own programs find them, e.g. in AWS_ENDPOINT_URL.
    """
    filesystem, root = fsspec.core.url_to_fs(to)
    if "file" in filesystem.protocol:
        filesystem.auto_mkdir = True
    every = list(made)
    counts: Counter[str] = Counter()
    for file in every:
        counts[file.event_type] += file.events
    filesystem.pipe({f"{root.rstrip('/')}/{file.key}": file.content for file in every})
    return Written(len(every), sum(len(file.content) for file in every), dict(counts))
