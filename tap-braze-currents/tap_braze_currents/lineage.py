"""The columns that the tap adds to Braze's: where in the bucket an event stood, and when it happened. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Protocol

TIME_AT = "time_at"
ROW = "_sdc_source_row"
FIRST_OF_FILE = "_sdc_source_key"
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["integer", "null"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
LINEAGE_SCHEMA: dict[str, dict[str, Any]] = {
    TIME_AT: _MOMENT,
    ROW: _NUMBER,
    FIRST_OF_FILE: _TEXT,
    "_sdc_source_modified": _MOMENT,
    "_braze_event_type": _TEXT,
    "_braze_hour": _TEXT,
    "_braze_version": _NUMBER,
    "_braze_schema_id": _NUMBER,
    "_braze_zone": _TEXT,
    "_braze_partition": _NUMBER,
    "_braze_offset": _NUMBER,
    "_braze_integration": _TEXT,
}
"""JSON Schema of the columns that Braze's events do not have."""

CLASH_SUFFIX = "_of_braze"


class Place(Protocol):
    """What a file's key says; see `keys.py`."""

    @property
    def integration(self) -> str: ...  # noqa: D102
    @property
    def event_type(self) -> str: ...  # noqa: D102
    @property
    def hour(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int | None: ...  # noqa: D102
    @property
    def schema_id(self) -> int | None: ...  # noqa: D102
    @property
    def zone(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int | None: ...  # noqa: D102
    @property
    def offset(self) -> int | None: ...  # noqa: D102


class File(Protocol):
    """What is known about a file before it is read; see `files.py`."""

    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def modified(self) -> datetime: ...  # noqa: D102
    @property
    def place(self) -> Place: ...  # noqa: D102


def column_name(field: str) -> str:
    """Return the column of a field of Braze's: its own name, unless Braze comes to use one of ours."""
    return f"{field}{CLASH_SUFFIX}" if field in LINEAGE_SCHEMA else field


def lineage_of(file: File) -> dict[str, Any]:
    """Return the columns that are the same for all events of a file."""
    place = file.place
    return {
        FIRST_OF_FILE: file.key,
        "_sdc_source_modified": write_moment(file.modified),
        "_braze_event_type": place.event_type,
        "_braze_hour": place.hour,
        "_braze_version": place.version,
        "_braze_schema_id": place.schema_id,
        "_braze_zone": place.zone,
        "_braze_partition": place.partition,
        "_braze_offset": place.offset,
        "_braze_integration": place.integration,
    }


def write_moment(moment: datetime) -> str:
    """Return a moment in UTC, always with as many digits, so that text compares as time does."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
