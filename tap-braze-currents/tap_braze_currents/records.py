"""From a file's decoded events to the stream's records. Pure.

Braze's fields stay as they are. Added are `time_at`, which says in ISO 8601 what `time` says in seconds, and lineage:
where in the bucket the event stood. What is the same for all events of a file is computed once a file.
"""

from __future__ import annotations

import functools
from datetime import date, datetime, timezone
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_braze_currents.events import as_record, attribute, columns_of_class
from tap_braze_currents.lineage import FIRST_OF_FILE, LINEAGE_SCHEMA, lineage_of, write_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from tap_braze_currents.events import Event
    from tap_braze_currents.lineage import File
    from tap_braze_currents.schemas import Column, StreamSchema

__all__ = ["LINEAGE_SCHEMA", "RecordMaker", "milliseconds_at", "seconds_at"]

Record = dict[str, Any]

OBJECT_SUFFIX = "_object"
# Braze writes seconds. The year 9999 ends below this; a larger number can only be milliseconds.
MOST_SECONDS = 253_402_300_799
LEAST_SECONDS = -62_135_596_800  # the year 1
DAY_SECONDS = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()


class _Message(msgspec.Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD message."""

    stream: str
    time_extracted: str
    record: Any


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
        self._constants = lineage_of(file)
        self._steps = _steps(columns.columns, expand_json)
        time = columns.columns.get("time")
        self._time_at = _TIMES.__getitem__ if time and time.kind == "integer" else seconds_at
        self._message = functools.partial(_Message, stream, write_moment(extracted or datetime.now(timezone.utc)))
        # `{"_sdc_source_key":…}` without its frame: what follows that name.
        self._lineage = msgspec.Raw(_ENCODER.encode(self._constants)[len(_ENCODER.encode({FIRST_OF_FILE: 0})) - 2 : -1])

    @staticmethod
    def expanded_schema(columns: Mapping[str, Any], expand_json: Iterable[str]) -> dict[str, Any]:
        """Return the JSON Schema of what is made of Braze's columns.

        Args:
            columns: The columns' own JSON Schema.
            expand_json: Fields that hold JSON as text.
        """
        return {
            f"{name}{OBJECT_SUFFIX}": {"type": ["object", "null"]} for name in sorted(expand_json) if name in columns
        }

    def records(self, block: list[Event]) -> list[Record]:
        """Return the next block's records, for those who look at each."""
        self._complete(block)
        records = [as_record(event) for event in block]
        for record in records:
            record.update(self._constants)
            for step in self._steps:
                step(record)
        return records

    def lines(self, block: list[Event]) -> bytes:
        """Return the next block's records as RECORD messages, a line each."""
        records: Iterable[Event | Record] = self.records(block) if self._steps else self._complete(block)
        return _ENCODER.encode_lines(list(map(self._message, records)))

    def _complete(self, block: list[Event]) -> list[Event]:
        """Say of each event when it happened and where in the bucket it stood."""
        if not block:
            return block
        columns = columns_of_class(type(block[0]))
        times: Iterable[str | None] = map(self._time_at, map(_getter(columns, "time"), block))
        if "time_ms" in columns:
            exact_times = map(milliseconds_at, map(_getter(columns, "time_ms"), block))
            times = (exact or time for exact, time in zip(exact_times, times, strict=True))
        for event, time_at, row in zip(block, times, range(self._row, self._row + len(block)), strict=True):
            event.time_at = time_at
            event.row = row
            event.lineage = self._lineage
        self._row += len(block)
        return block


def _getter(columns: Sequence[str], name: str) -> Callable[[Event], Any]:
    return attrgetter(attribute(columns.index(name))) if name in columns else _nothing


def _nothing(_: Event) -> None:
    return None


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


def _steps(columns: Mapping[str, Column], expand_json: Collection[str]) -> list[Callable[[Record], None]]:
    """Return what else is to be done to each record; nothing, as a rule."""
    steps = [_expanding(name) for name in sorted(expand_json) if name in columns]
    steps += [_forcing(name, column) for name, column in columns.items() if column.is_forced_within]
    return steps


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
    except (msgspec.DecodeError, RecursionError):
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
