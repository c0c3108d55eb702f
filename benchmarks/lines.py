"""The input of every variant: Singer lines of made-up customers, the same on every machine.

An identifier and 20 columns of all the scalar types a warehouse has, some 590 bytes a line; SCHEMA first,
STATE every 10,000 records and at the end. Every record is another customer, so nothing can be merged.
`email` and `first_name` are standard fields of Braze, which target-braze checks and the plain target does
not; no other column is.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDER = Path(__file__).parent / ".cache"
STREAM = "customers"
RECORDS_PER_STATE = 10_000
SEED = 20_260_101

_TEXT = {"type": ["null", "string"]}
_INTEGER = {"type": ["null", "integer"]}
_FLOAT = {"type": ["null", "number"]}
_DECIMAL = {"type": ["null", "number"], "multipleOf": 0.01}
_BOOLEAN = {"type": ["null", "boolean"]}
_DATE = {"type": ["null", "string"], "format": "date"}
_DATE_TIME = {"type": ["null", "string"], "format": "date-time"}

COLUMNS = {
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


def prepare(records: int) -> Path:
    """The file with so many records, written unless an earlier run has left it."""
    # the name holds what made the file, so that a change of this module is never measured on old lines
    version = f"{zlib.crc32(Path(__file__).read_bytes()):08x}"
    path = FOLDER / f"lines-{version}-{records}.jsonl"
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("lines-*.jsonl"):
        if version not in old.name:
            old.unlink()
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_messages(records))
        unfinished.replace(path)
    with path.open("rb") as file:  # so that no variant pays for the disk
        while file.read(1 << 20):
            pass
    return path


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
