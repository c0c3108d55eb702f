"""Tells which object of a bucket is a Currents file, and what its key says about it.

Responsible for the layout of keys: from a key to the place it names, from an event type to the name of its stream, from
an hour to the key to list from. Promises that whatever is no Currents file is `None`, never an error: people keep
manifests, archives and copies under the same prefix. Must never look into a file or ask a bucket.

Three layouts exist, and old files stay when a new one comes, so that one bucket holds several
(https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_delivery_semantics, read 2026-11-24, and
keys published by users of 2017 and 2018):

    A  <prefix>/<topic>/event_type=<T>/date=<hour>/…/<topic>+<partition>+<offset>.avro
       with the topic dataexport.S3.integration.<id>, without a cluster (2017)
    B  <prefix>/<topic>/event_type=<T>/date=<hour>/<schema id>/<zone>/<topic>+<partition>+<offset>.avro
       with the topic dataexport.<cluster>.S3.integration.<id>
    C  <prefix>/<topic>/event_type=<T>/date=<hour>/version=<n>/<zone>/<topic>+<partition>+<offset>.avro

Braze says that names may change again. So only `event_type=` and `date=` side by side and the ending `.avro` are asked
for; all else is told as far as the key tells it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

_DATE = re.compile(r"date=(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(-(?:[01]\d|2[0-3]))?", re.ASCII)
_TOPIC = re.compile(r"dataexport\.(?:([^.]+)\.)?([^.]+)\.integration\.([^+]+)")
_NAME = re.compile(r"(.*)\+(\d+)\+(\d+)\.avro", re.ASCII)
_VERSION = re.compile(r"version=(\d+)", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where in Braze a file comes from, as its key tells it.

    Attributes:
        integration: The connector's id; a connector made anew has a new one. Empty if the key does not tell.
        event_type: Braze's name, in its own spelling (`users.messages.email.Click`).
        hour: The UTC hour, `YYYY-MM-DD-HH`, in which Braze queued the events: neither when they happened nor when the
            file was written, which may be hours or days later.
        version: The release of Currents (layout C).
        schema_id: The schema's number over all event types (layout B).
        zone: Braze's own; several may be side by side. Empty if the key does not tell.
        partition: Braze's own. `None` if the key does not tell.
        offset: The position of the file's first event among all event types of its partition; no count of records.
        cluster: Braze's, such as `prod-03`; keys of 2017 have none.
        connector: The kind of bucket it was written for: `S3`, `GCS`, `AzureBlob`. Empty if the key does not tell.
    """

    integration: str
    event_type: str
    hour: str
    version: int | None
    schema_id: int | None
    zone: str
    partition: int | None
    offset: int | None
    cluster: str | None
    connector: str


def parse(key: str) -> Place | None:
    """Read the place from a file's key; `+` and `=` are taken as they are.

    Args:
        key: The key in the bucket, with whatever prefix, not URL-encoded.

    Returns:
        The place, or `None` for an object that is no Currents file.
    """
    *folders, name = key.split("/")
    # A name that begins with a dot is what macOS and copying tools leave beside a file, not the file.
    if not name.endswith(".avro") or name.startswith("."):
        return None
    at = _date_folder(folders)
    if at is None:
        return None
    day, hour = at[1]
    event_type = folders[at[0] - 1].removeprefix("event_type=")
    version, schema_id, zone = _below_date(folders[at[0] + 1 :])
    named = _NAME.fullmatch(name)
    topic = _TOPIC.fullmatch(folders[at[0] - 2]) if at[0] > 1 else None
    topic = topic or (_TOPIC.fullmatch(named[1]) if named else None)
    cluster, connector, integration = topic.groups() if topic else (None, "", "")
    return Place(
        integration=integration,
        event_type=event_type,
        hour=day + (hour or "-00"),
        version=version,
        schema_id=schema_id,
        zone=zone,
        # Padded to ten digits in every real name, not in the page's own example: numbers, not text.
        partition=int(named[2]) if named else None,
        offset=int(named[3]) if named else None,
        cluster=cluster,
        connector=connector,
    )


def _date_folder(folders: list[str]) -> tuple[int, tuple[str, str | None]] | None:
    """Find the innermost `date=` that stands right below an `event_type=`: its index, its day and its hour."""
    for index in range(len(folders) - 1, 0, -1):
        above = folders[index - 1]
        date = _DATE.fullmatch(folders[index]) if above.startswith("event_type=") and above != "event_type=" else None
        if date:
            return index, (date[1], date[2])
    return None


def _below_date(folders: list[str]) -> tuple[int | None, int | None, str]:
    """Read version, schema id and zone from the folders between the hour and the file."""
    version = schema_id = None
    zone = ""
    for folder in folders:
        release = _VERSION.fullmatch(folder)
        if release and version is None:
            version = int(release[1])
        elif _NUMBER.fullmatch(folder) and version is None and schema_id is None and not zone:
            schema_id = int(folder)
        else:
            zone = folder
    return version, schema_id, zone


def stream_name(event_type: str) -> str:
    """Name the stream of an event type as Braze's loading guides name its table: lower case, dots to underscores."""
    return event_type.lower().replace(".", "_")


def event_type_folder(key: str) -> str:
    """Return the folder of one connector's event type that a file lies in, `…/event_type=<T>`."""
    # The innermost one, as in `parse`: a prefix may be called anything.
    return key.rpartition("/date=")[0]


def start_after(event_type_folder: str, floor: str | None) -> str | None:
    """Return the key after which to list so that nothing of the floor's hour or later is left out.

    Key order is the order of time only down to `date=`: below it `version=10` precedes `version=9`, and `+10+` precedes
    `+2+`. So nothing finer than the hour may ever be listed from.

    Args:
        event_type_folder: The path of an event type, `…/event_type=<T>/`.
        floor: The first hour wanted, `YYYY-MM-DD-HH`, or `None` for all.
    """
    return None if floor is None else f"{event_type_folder.rstrip('/')}/date={floor}"


def hour_of(moment: datetime) -> str:
    """Return the UTC hour of a moment, as keys spell it."""
    moment = moment.astimezone(timezone.utc)
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}-{moment.hour:02}"


def floor_hour(text: str) -> str:
    """Return the hour that a date, a date-time or an hour in a setting begins with, as keys spell it.

    Args:
        text: `2026-01-31`, `2026-01-31-05` or ISO 8601 with time; without a zone it is UTC.

    Raises:
        ValueError: The text is none of these.
    """
    hour = re.fullmatch(r"(\d{4}-\d{2}-\d{2})-(\d{2})", text.strip(), re.ASCII)
    iso = f"{hour[1]}T{hour[2]}:00:00" if hour else text.strip()
    try:
        # Python 3.10 reads neither `Z` nor an hour without minutes.
        moment = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", iso))
    except ValueError:
        raise ValueError(f"{text!r} is no date: write 2026-01-31, 2026-01-31-05 or 2026-01-31T05:00:00Z") from None
    return hour_of(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))
