"""The input of the tap's benchmark: files as Currents writes them, the same on every machine.

`users.messages.email.Send` with its 22 fields, of which 18 are nullable strings; about 400 bytes a record, 15,000 to a
file, as Braze has it. The small files hold a few records each, as those of a bucket with many quiet hours do.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import random
import shutil
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastavro
from braze_sandbox.currents.schemas import avro_schema
from braze_sandbox.currents.writing import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parent / ".cache"
EVENT_TYPE: Final = "users.messages.email.Send"
STREAM: Final = "users_messages_email_send"
RECORDS_PER_FILE: Final = 15_000
RECORDS_PER_SMALL_FILE: Final = 5
BLOCK_BYTES: Final = 64_000
"""Where Avro for Java, which writes most Avro files there are, ends a block if nobody says otherwise."""

MOST_HOURS: Final = 4_000
"""More files than this share hours: an hour yet to come would hold files that the tap's bookmark may not pass."""

_FIRST_HOUR: Final = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
_SEED: Final = 20_260_101
_NAMES: Final = ("Spring sale", "Welcome, step 3", "Win back, 90 days", "Küche & Garten", "Order shipped")


def prepare(records: int, codec: str) -> Path:
    """The folder with so many records in files of 15,000, written unless an earlier run has left it."""
    sizes = [min(RECORDS_PER_FILE, records - start) for start in range(0, records, RECORDS_PER_FILE)]
    return _prepare(f"{codec}-{records}", sizes, codec)


def prepare_again(records: int, codec: str, times: int) -> Path:
    """The same files, each several times over: links, which take neither time nor space."""
    original = prepare(records, codec)
    folder = original.with_name(f"{original.name}-x{times}")
    if not folder.exists():
        unfinished = _empty(folder.with_suffix(".unfinished"))
        paths = sorted(original.rglob("*.avro"))
        for number in range(times * len(paths)):
            path = unfinished / _key(number, number * RECORDS_PER_FILE)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(paths[number % len(paths)])
        unfinished.rename(folder)
    return folder


def prepare_small(files: int) -> Path:
    """The folder with so many small files."""
    return _prepare(f"small-{files}", [RECORDS_PER_SMALL_FILE] * files, "null")


def _prepare(name: str, sizes: list[int], codec: str) -> Path:
    # the name holds what made the files, so that a change of this module is never measured on old ones
    version = f"currents-{zlib.crc32(Path(__file__).read_bytes()):08x}"
    folder = FOLDER / version / name
    for old in FOLDER.glob("currents-*"):
        if old.name != version:
            shutil.rmtree(old, ignore_errors=True)  # another run may be at it too
    if not folder.exists():
        unfinished = _empty(folder.with_suffix(".unfinished"))
        first = 0
        chance = random.Random(_SEED).random  # the one source of chance whose sequence Python promises to keep
        for number, size in enumerate(sizes):
            hour = number if len(sizes) <= MOST_HOURS else number * MOST_HOURS // len(sizes)
            moment = _FIRST_HOUR + dt.timedelta(hours=hour)
            path = unfinished / _key(hour, first)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_file([_record(first + row, moment, chance) for row in range(size)], codec))
            written = moment.timestamp() + 3_600
            os.utime(path, (written, written))
            first += size
        unfinished.rename(folder)
    for path in folder.rglob("*.avro"):
        path.read_bytes()  # so that no variant pays for the disk
    return folder


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _key(number: int, offset: int) -> str:
    hour = (_FIRST_HOUR + dt.timedelta(hours=number)).strftime("%Y-%m-%d-%H")
    return Layout().key(EVENT_TYPE, hour, "us-01", 0, offset)


def _file(records: list[dict[str, Any]], codec: str) -> bytes:
    body = io.BytesIO()
    fastavro.writer(
        body, avro_schema(EVENT_TYPE), records, codec=codec, sync_interval=BLOCK_BYTES, sync_marker=b"sixteen bytes it"
    )
    return body.getvalue()


def _record(number: int, moment: dt.datetime, chance: Any) -> dict[str, Any]:
    def identifier() -> str:
        return f"{int(chance() * 16**12):012x}{int(chance() * 16**12):012x}"

    is_canvas = chance() < 0.4
    message: dict[str, Any] = {
        f"{kind}_{part}": None for kind in ("campaign", "message_variation") for part in ("id", "name")
    }
    canvas: dict[str, Any] = {
        f"canvas{level}_{part}": None for level in ("", "_variation", "_step") for part in ("id", "name")
    }
    for name in canvas if is_canvas else message:
        (canvas if is_canvas else message)[name] = (
            identifier() if name.endswith("id") else _NAMES[int(chance() * len(_NAMES))]
        )
    return {
        "id": str(uuid.UUID(int=int(chance() * 2**64) << 64 | number)),
        "user_id": identifier(),
        "dispatch_id": identifier(),
        "external_user_id": f"cust-{number:012d}",
        "time": int(moment.timestamp()) + int(chance() * 3_600),
        "timezone": "Europe/Berlin",
        **message,
        "email_address": f"c{number}@mail.example",
        **canvas,
        "send_id": identifier() if chance() < 0.5 else None,
        "ip_pool": "transactional",
        "message_extras": '{"order": "A-1"}' if chance() < 0.2 else None,
        "app_group_id": "5f3c1e7d9b0a4c2e8d6f1a3b",
        "from_domain": "mail.example",
    }


def files_of(folder: Path) -> Iterator[Path]:
    """The files in the order of their hours."""
    yield from sorted(folder.rglob("*.avro"))
