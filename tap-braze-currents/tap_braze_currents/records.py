"""From a file's decoded events to the stream's records. Pure.

Braze's fields stay as they are. Added are `time_at`, which says in ISO 8601 what `time` says in seconds, and lineage:
where in the bucket the event stood. What is the same for all events of a file is computed once a file.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from tap_braze_currents.schemas import Column, StreamSchema

Record = dict[str, Any]

TIME_AT = "time_at"
ROW = "_sdc_source_row"
TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["integer", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
LINEAGE_SCHEMA: dict[str, dict[str, Any]] = {
    TIME_AT: MOMENT,
    "_sdc_source_key": TEXT,
    ROW: NUMBER,
    "_sdc_source_modified": MOMENT,
    "_braze_event_type": TEXT,
    "_braze_hour": TEXT,
    "_braze_version": NUMBER,
    "_braze_schema_id": NUMBER,
    "_braze_zone": TEXT,
    "_braze_partition": NUMBER,
    "_braze_offset": NUMBER,
    "_braze_integration": TEXT,
}
"""JSON Schema of the columns that Braze's events do not have."""

OBJECT_SUFFIX = "_object"
CLASH_SUFFIX = "_of_braze"
# Braze writes seconds. The year 9999 ends below this; a larger number can only be milliseconds.
MOST_SECONDS = 253_402_300_799
LEAST_SECONDS = -62_135_596_800  # the year 1
DAY_SECONDS = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()


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


class RecordMaker:
    """Makes the records of one file, block after block, in the file's order.

    Args:
        stream: The stream's name.
        columns: The stream's columns, those of this file merged into them.
        file: The file.
        expand_json: Fields that hold JSON as text. What the text says comes beside it, as `<field>_object`; the text
            itself stays, so that nothing is lost where it is not JSON, or not an object (`[REDACTED]`).
        extracted: When the file was fetched; now, if not given.
    """

    def __init__(
        self,
        stream: str,
        columns: StreamSchema,
        file: File,
        expand_json: Collection[str] = (),
        extracted: datetime | None = None,
    ) -> None:
        self._row = 0
        self._constants = _constants(file)
        self._steps = _steps(columns.columns, expand_json)
        self._has_milliseconds = "time_ms" in columns.columns
        time = columns.columns.get("time")
        self._time_at = _TIMES.__getitem__ if time and time.kind == "integer" else seconds_at
        extracted = extracted or datetime.now(timezone.utc)
        before = _ENCODER.encode({"type": "RECORD", "stream": stream})[:-1] + b',"record":'
        after = b"," + _ENCODER.encode(self._constants)[1:-1]
        after += b'},"time_extracted":' + _ENCODER.encode(_moment(extracted)) + b"}\n"
        self._before, self._between, self._after = before, after + before, after

    @staticmethod
    def expanded_schema(columns: Mapping[str, Any], expand_json: Iterable[str]) -> dict[str, Any]:
        """Return the JSON Schema of what is made of Braze's columns.

        Args:
            columns: The columns' own JSON Schema.
            expand_json: Fields that hold JSON as text.
        """
        made: dict[str, Any] = {
            f"{name}{CLASH_SUFFIX}": columns[name] for name in columns.keys() & LINEAGE_SCHEMA.keys()
        }
        made.update(
            (f"{name}{OBJECT_SUFFIX}", {"type": ["object", "null"]}) for name in sorted(expand_json) if name in columns
        )
        return made

    def records(self, block: list[Record]) -> list[Record]:
        """Return the next block's records, for those who look at each; the block's dicts become them."""
        self._complete(block)
        for record in block:
            record.update(self._constants)
        return block

    def lines(self, block: list[Record]) -> bytes:
        """Return the next block's records as RECORD messages, a line each; the block's dicts are changed."""
        if not block:
            return b""
        self._complete(block)
        # JSON has no line feed within a line: whatever is put in place of one is put between two records.
        lines = _ENCODER.encode_lines(block)[:-2].replace(b"}\n", self._between)
        return b"".join((self._before, lines, self._after))

    def _complete(self, block: list[Record]) -> None:
        """Add what differs from record to record."""
        for step in self._steps:
            for record in block:
                step(record)
        time_at = self._time_at
        row = self._row
        if self._has_milliseconds:
            for row, record in enumerate(block, row):  # noqa: B020 - it goes on where it was
                record[TIME_AT] = milliseconds_at(record.get("time_ms")) or time_at(record.get("time"))
                record[ROW] = row
        else:
            for row, record in enumerate(block, row):  # noqa: B020
                record[TIME_AT] = time_at(record.get("time"))
                record[ROW] = row
        self._row += len(block)


def seconds_at(seconds: Any) -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC, or None if they are no such number.

    What can only be milliseconds is taken as such: what Braze's descriptions say of a field's unit has been wrong.
    """
    if type(seconds) is not int:
        return None
    if seconds > MOST_SECONDS:
        return milliseconds_at(seconds)
    if seconds < LEAST_SECONDS:
        return None
    days, second = divmod(seconds, DAY_SECONDS)
    minute, second = divmod(second, 60)
    return f"{date.fromordinal(EPOCH_DAY + days)}T{minute // 60:02}:{minute % 60:02}:{second:02}Z"


def milliseconds_at(milliseconds: Any) -> str | None:
    """Return milliseconds since 1970 as ISO 8601 in UTC, or None if they are no such number."""
    if type(milliseconds) is not int:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    whole = seconds_at(seconds) if seconds <= MOST_SECONDS else None
    return whole and f"{whole[:-1]}.{rest:03}Z"


class _Times(dict[Any, "str | None"]):
    """Seconds → `seconds_at`: the events of a file share theirs. Emptied when it is large."""

    def __missing__(self, seconds: Any) -> str | None:
        if len(self) >= DAY_SECONDS:
            self.clear()
        moment = seconds_at(seconds)
        self[seconds] = moment
        return moment


_TIMES = _Times()
_ENCODER = msgspec.json.Encoder()


def _moment(moment: datetime) -> str:
    """Return a moment in UTC, always with as many digits, so that text compares as time does."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _constants(file: File) -> Record:
    place = file.place
    return {
        "_sdc_source_key": file.key,
        "_sdc_source_modified": _moment(file.modified),
        "_braze_event_type": place.event_type,
        "_braze_hour": place.hour,
        "_braze_version": place.version,
        "_braze_schema_id": place.schema_id,
        "_braze_zone": place.zone,
        "_braze_partition": place.partition,
        "_braze_offset": place.offset,
        "_braze_integration": place.integration,
    }


def _steps(columns: Mapping[str, Column], expand_json: Collection[str]) -> list[Callable[[Record], None]]:
    """Return what else is to be done to each record; nothing, as a rule."""
    steps = [_renaming(name) for name in columns.keys() & LINEAGE_SCHEMA.keys()]
    steps += [_expanding(name) for name in sorted(expand_json) if name in columns]
    steps += [_forcing(name, column) for name, column in columns.items() if column.is_forced_within]
    return steps


def _renaming(name: str) -> Callable[[Record], None]:
    """Make room for a column of ours, should Braze have one of its name."""

    def rename(record: Record) -> None:
        if name in record:
            record[f"{name}{CLASH_SUFFIX}"] = record.pop(name)

    return rename


def _expanding(name: str) -> Callable[[Record], None]:
    made = f"{name}{OBJECT_SUFFIX}"

    def expand(record: Record) -> None:
        if name in record:
            record[made] = _json_object(record[name])

    return expand


def _json_object(text: Any) -> Record | None:
    if not isinstance(text, str):
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return found if isinstance(found, dict) else None


def _forcing(name: str, column: Column) -> Callable[[Record], None]:
    """Write the values of a column as text because the files do not agree on its type."""

    def force(record: Record) -> None:
        if name in record:
            record[name] = _forced(record[name], column)

    return force


def _forced(value: Any, column: Column) -> Any:
    if value is None or isinstance(value, str):
        return value
    if column.items is not None and isinstance(value, list):
        return [_forced(item, column.items) for item in value]
    return msgspec.json.encode(value).decode()
