"""The input of every variant: Singer lines of made-up customers, the same on every machine.

An identifier and 20 columns of all the scalar types a warehouse has, some 590 bytes a line; SCHEMA first,
STATE every 10,000 records and at the end. Every record is another customer, so nothing can be merged.
`email` and `first_name` are standard fields of Braze, which target-braze checks and the plain target does
not; no other column is. Each column costs a data point.

The same customers come in four kinds: as they are at first; with some of them changed; those alone that changed; and
with another `updated_at` in every record.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import random
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FOLDER = Path(os.environ.get("BENCHMARKS_CACHE") or Path(__file__).parent / ".cache")
STREAM = "customers"
RECORDS_PER_STATE = 10_000
SEED = 20_260_101
SHARE_CHANGED: Final = 0.05
"""Of the records, each in one attribute or two."""
UNSENT_COLUMN: Final = "updated_at"

FIRST, CHANGED, CHANGED_ALONE, UNSENT = "first", "changed", "changed-alone", "unsent"


class _Message(msgspec.Struct):
    type: str
    stream: str
    record: dict[str, msgspec.Raw]
    time_extracted: str


_RECORD: Final = '{"type":"RECORD"'
_decode = msgspec.json.Decoder(_Message).decode

_TEXT = {"type": ["null", "string"]}
_INTEGER = {"type": ["null", "integer"]}
_FLOAT = {"type": ["null", "number"]}
_DECIMAL = {"type": ["null", "number"], "multipleOf": 0.01}
_BOOLEAN = {"type": ["null", "boolean"]}
_DATE = {"type": ["null", "string"], "format": "date"}
_DATE_TIME = {"type": ["null", "string"], "format": "date-time"}

COLUMNS: dict[str, dict[str, Any]] = {
    "external_id": {"type": "string"},
    "email": _TEXT,
    "first_name": _TEXT,
    "tier": _TEXT,
    "category": _TEXT,
    "store": _TEXT,
    "campaign": _TEXT,
    "orders_count": _INTEGER,
    "points": _INTEGER,
    "sessions": _INTEGER,
    "churn_score": _FLOAT,
    "open_rate": _FLOAT,
    "lifetime_value": _DECIMAL,
    "average_order": _DECIMAL,
    "last_order": _DECIMAL,
    "is_vip": _BOOLEAN,
    "has_app": _BOOLEAN,
    "member_since": _DATE,
    "last_visit_on": _DATE,
    "last_order_at": _DATE_TIME,
    "updated_at": _DATE_TIME,
}

_NAMES = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Esra",
    "Fatima",
    "Grace",
    "Hana",
    "Ines",
    "민준",
    "Katrin",
    "Zoë",
)
_TIERS = ("bronze", "silver", "gold", "platinum")
_CATEGORIES = ("Home & Garden", "Outdoor", "Books", "Toys", "Kitchen", "Sports, winter", "Sports, summer")
_STORES = ("Köln Neumarkt", "Leeds Trinity", "Lyon Part-Dieu", "Busan Seomyeon", "Austin Domain")
_CAMPAIGNS = ('"spring_sale_24"', '"welcome-series/3"', '"win back, 90 days"', "null")
_BOOLEANS = ("false", "true")
_DATES = tuple((dt.date(2016, 1, 1) + dt.timedelta(days)).isoformat() for days in range(3_900))


@dataclass(frozen=True)
class Input:
    """A file of lines.

    Attributes:
        path: The file.
        records: How many records are in it.
        changed_records: How many of them are not as they were at first.
        changed_attributes: In how many attributes.
    """

    path: Path
    records: int
    changed_records: int = 0
    changed_attributes: int = 0


@functools.cache
def version() -> str:
    """What stands for this module in the names of files, so that a change of it is never measured on old lines."""
    return f"{zlib.crc32(Path(__file__).read_bytes()):08x}"


def prepare(records: int, kind: str = FIRST) -> Input:
    """The file of so many customers, written unless an earlier run has left it; and into memory with it."""
    FOLDER.mkdir(exist_ok=True, parents=True)
    for old in FOLDER.glob("lines-*"):
        if version() not in old.name:
            old.unlink(missing_ok=True)
    path = FOLDER / f"lines-{version()}-{records}-{kind}.jsonl"
    counts = path.with_suffix(".counts")
    if not counts.exists():
        counts.write_text(json.dumps(_write(path, records, kind)))
    with path.open("rb") as file:  # so that no variant pays for the disk
        while file.read(1 << 20):
            pass
    return Input(path, *json.loads(counts.read_text()))


def _write(path: Path, records: int, kind: str) -> tuple[int, int, int]:
    """Write a file; return how many records are in it, how many of them changed, and in how many attributes."""
    changes = _Changes(is_alone=kind == CHANGED_ALONE)
    unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        if kind == FIRST:
            file.writelines(_messages(records))
        else:
            with prepare(records).path.open(encoding="utf-8", newline="\n") as first:
                file.writelines(map(_touched, first) if kind == UNSENT else changes.made(first))
    unfinished.replace(path)
    return changes.records if kind == CHANGED_ALONE else records, changes.records, changes.attributes


def _touched(line: str) -> str:
    """A record with another `updated_at`, twenty years on: a leap year stays one."""
    before, found, after = line.rpartition(f'"{UNSENT_COLUMN}":"')
    return f"{before}{found}{int(after[:4]) + 20}{after[4:]}" if found and line.startswith(_RECORD) else line


class _Changes:
    """Changes some records, in one attribute or two.

    Attributes:
        records: How many it changed.
        attributes: How many attributes of them.

    Args:
        is_alone: Whether records that did not change are left out.
    """

    def __init__(self, *, is_alone: bool) -> None:
        self.records = self.attributes = 0
        self._is_alone = is_alone
        self._random = random.Random(SEED + 1).random
        self._names = [name for name in COLUMNS if name != "external_id"]

    def made(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines with changes."""
        for line in lines:
            if not line.startswith(_RECORD):
                yield line
            elif self._random() < SHARE_CHANGED:
                yield self._changed(line)
            elif not self._is_alone:
                yield line

    def _changed(self, line: str) -> str:
        message = _decode(line)
        record = message.record
        first = int(self._random() * len(self._names))
        names = {self._names[first]}
        if self._random() < 0.5:  # one or two
            names.add(self._names[(first + 1 + int(self._random() * (len(self._names) - 1))) % len(self._names)])
        for name in names:
            record[name] = msgspec.Raw(_other(bytes(record[name]).decode(), COLUMNS[name]).encode())
        self.records += 1
        self.attributes += len(names)
        return msgspec.json.encode(message).decode() + "\n"


def _other(value: str, column: dict[str, Any]) -> str:
    """Another value of a column, as JSON."""
    if column.get("format"):
        return f'"{int(value[1:5]) + 20}{value[5:]}'
    if value in _BOOLEANS:
        return _BOOLEANS[value == _BOOLEANS[0]]
    if value.startswith('"'):
        return f'"x{value[1:]}'
    if value == "null":
        return '"spring_sale_24"'
    return f"{value[:-1]}{(int(value[-1]) + 1) % 10}"


def last_state(records: int) -> dict[str, object]:
    """The value of the STATE message that the file with so many records ends with."""
    return {
        "bookmarks": {STREAM: {"replication_key": "external_id", "replication_key_value": _identifier(records - 1)}}
    }


def _messages(records: int) -> Iterator[str]:
    schema = {"type": "object", "properties": COLUMNS}
    yield _line({"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": ["external_id"]})
    chance = random.Random(SEED).random  # the one source of chance whose sequence Python promises to keep
    for number in range(records):
        yield _record(number, chance)
        if (number + 1) % RECORDS_PER_STATE == 0 or number + 1 == records:
            yield _line({"type": "STATE", "value": last_state(number + 1)})


def _line(message: dict[str, object]) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


def _identifier(number: int) -> str:
    return f"cust-{number:012d}"


def _record(number: int, chance: Callable[[], float]) -> str:
    def one_of(choices: Sequence[str]) -> str:
        return choices[int(chance() * len(choices))]

    def moment() -> str:
        second = int(chance() * 86_400)
        return f"{one_of(_DATES)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00"

    # put together by hand: so many lines through json.dumps would take longer than the benchmark
    return (
        f'{{"type":"RECORD","stream":"{STREAM}","record":{{"external_id":"{_identifier(number)}",'
        f'"email":"c{number}@mail.example","first_name":"{one_of(_NAMES)}","tier":"{one_of(_TIERS)}",'
        f'"category":"{one_of(_CATEGORIES)}","store":"{one_of(_STORES)}",'
        f'"campaign":{one_of(_CAMPAIGNS)},"orders_count":{int(chance() * 60)},'
        f'"points":{int(chance() * 90_000)},"sessions":{int(chance() * 30)},'
        f'"churn_score":{chance():.6f},"open_rate":{chance():.4f},"lifetime_value":{chance() * 20_000:.2f},'
        f'"average_order":{chance() * 300:.2f},"last_order":{chance() * 300:.2f},'
        f'"is_vip":{one_of(_BOOLEANS)},"has_app":{one_of(_BOOLEANS)},"member_since":"{one_of(_DATES)}",'
        f'"last_visit_on":"{one_of(_DATES)}","last_order_at":"{moment()}","updated_at":"{moment()}"}},'
        f'"time_extracted":"2026-11-24T04:00:00Z"}}\n'
    )


if __name__ == "__main__":
    import sys

    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.writelines(_messages(int(sys.argv[1])))
