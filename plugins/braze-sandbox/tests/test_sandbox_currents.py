"""Currents as the sandbox plays it: records of every type, files that any Avro reader reads, keys as Braze has them."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import fsspec
import pytest
from braze_sandbox.currents import events, filler, people, schemas, writing
from braze_sandbox.testing import Client, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

# As Currents has been naming files since 2018, and before; the project's own reading of it is in the tap.
KEY = re.compile(
    r"dataexport\.(?:(?P<cluster>[^/.]+)\.)?(?P<connector>[^/.]+)\.integration\.(?P<integration>[^/+]+)"
    r"/event_type=(?P<event_type>[^/]+)/date=(?P<date>\d{4}-\d\d-\d\d-\d\d)"
    r"/(?:version=(?P<version>\d+)|(?P<schema>\d+))/(?P<zone>[^/]+)/[^/]+\+(?P<partition>\d+)\+(?P<offset>\d+)\.avro"
)
BEGIN = writing.seconds_of("2026-01-31-09")
HOURS = 5
PEOPLE = [
    people.Person(f"{number:024x}", str(number), f"p{number}@example.com", "+12025550101" if number % 3 else None)
    for number in range(200)
]


def made(count: int = 1_500, seed: int = 1) -> list[events.Event]:
    return list(events.engagement(PEOPLE, count, begin=BEGIN, seconds=HOURS * 3600, seed=seed))


def content(file: writing.File) -> list[Any]:
    return list(fastavro.reader(io.BytesIO(file.content)))


def matched(files: Iterable[writing.File]) -> list[dict[str, str]]:
    found = [KEY.fullmatch(file.key) for file in files]
    assert all(found)
    return [match.groupdict() for match in found if match]


@pytest.mark.parametrize("event_type", schemas.event_types())
def test_a_full_record_of_each_type_comes_back_as_it_was(event_type: str) -> None:
    every = [schemas.avro_schema(event_type), *schemas.old_schemas(event_type).values()]
    for schema in (*every, schemas.connect_schema(event_type)):
        records = [filler.record(schema, number) for number in range(2)]
        read = list(fastavro.reader(io.BytesIO(writing.avro_file(schema, records))))
        assert read == records
        told = [value for value in records[0].values() if not isinstance(value, bool | list)]
        assert None not in records[0].values()
        assert len(set(told)) == len(told)
        assert all(a != b for name, a, b in zip(records[0], records[0].values(), records[1].values(), strict=True))


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_files_are_whole_whatever_their_codec(codec: str) -> None:
    schema = schemas.avro_schema("users.messages.email.Open")
    records = [filler.record(schema, number) for number in range(500)]
    file = writing.avro_file(schema, records, codec)
    assert list(fastavro.reader(io.BytesIO(file))) == records
    assert (b"avro.codec" in file) == (codec != "null")
    assert file == writing.avro_file(schema, records, codec)


def test_the_same_seed_makes_the_same_events_and_another_makes_others() -> None:
    assert made() == made()
    assert not {event.record["id"] for event in made()} & {event.record["id"] for event in made(seed=2)}


def test_events_are_plausible() -> None:
    every = made(8_000)
    counts = Counter(event.event_type.removeprefix("users.").removeprefix("messages.") for event in every)
    assert len(every) == 8_000
    assert len({event.record["id"] for event in every}) == 8_000
    assert counts["email.Send"] >= counts["email.Delivery"] >= counts["email.Open"] > counts["email.Click"] > 0
    assert counts["pushnotification.Send"] > counts["pushnotification.Open"] > 0
    assert counts["sms.Send"] > counts["sms.ShortLinkClick"] > 0
    assert all(counts[f"behaviors.{name}"] for name in ("CustomEvent", "Purchase", "app.SessionStart"))
    assert all(BEGIN <= event.queued_at < BEGIN + HOURS * 3600 for event in every)
    assert all(event.record["time"] <= event.queued_at for event in every)
    assert any(event.record["time"] < BEGIN for event in every), "some were offline"
    for event in every:
        fastavro.schemaless_writer(io.BytesIO(), schemas.avro_schema(event.event_type), event.record)


@pytest.mark.parametrize(
    "layout", [writing.NEW_LAYOUT, writing.OLD_LAYOUT, writing.Layout(cluster="", zones=("a", "b"))]
)
def test_keys_are_as_braze_has_them_and_files_hold_everything_once(layout: writing.Layout) -> None:
    every = made()
    files = list(writing.files(every, layout, events_per_file=40, seconds_per_file=300))
    assert sorted(record["id"] for file in files for record in content(file)) == sorted(e.record["id"] for e in every)
    keys = matched(files)
    assert len(set(map(str, keys))) == len(files)
    assert {key["event_type"] for key in keys} == {event.event_type for event in every}
    assert {key["date"] for key in keys} <= {f"2026-01-31-{hour:02}" for hour in range(9, 9 + HOURS)}
    assert {key["zone"] for key in keys} == set(layout.zones)
    assert {key["version"] for key in keys} == {"10" if layout.release else None}
    assert len({key["partition"] for key in keys}) == layout.partitions
    assert all(file.events == len(content(file)) <= 40 for file in files)
    offsets = [(key["zone"], key["partition"], int(key["offset"])) for key in keys]
    assert len(set(offsets)) == len(offsets), "one counter for all event types"
    assert max(offset for *_, offset in offsets) < len(every)


def test_an_older_schema_may_be_asked_for() -> None:
    old = schemas.old_schemas("users.messages.email.Click")["2019-08"]
    [file, *_] = [
        file
        for file in writing.files(made(), schema_of={"users.messages.email.Click": old})
        if file.event_type == "users.messages.email.Click"
    ]
    assert "dispatch_id" not in content(file)[0]


def test_the_command_writes_what_people_of_the_database_did(tmp_path: Path) -> None:
    database = tmp_path / "a folder" / "sandbox.sqlite"

    def run(to: Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("braze-sandbox")), "currents", "--database", str(database)]
        options = ["--to", str(to), "--events", "300", "--from-hour", "2026-01-31-09", "--hours", "2"]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=False)

    assert "There is no sandbox database" in run(tmp_path / "none").stderr
    with serving(database) as address:
        assert "knows nobody" in run(tmp_path / "none").stderr
        Client(address).attributes({"external_id": "1", "email": "ada@example.com"}, {"external_id": "2"})
        asked = run(tmp_path / "while it runs")
    read = run(tmp_path / "afterwards")
    assert "300 events in" in asked.stdout
    assert read.stdout == asked.stdout

    written = {}
    for folder in ("while it runs", "afterwards"):
        root = tmp_path / folder
        written[folder] = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.avro")}
    assert written["while it runs"] == written["afterwards"]
    assert all(KEY.fullmatch(key) for key in written["afterwards"])
    records: list[Any] = [
        record for file in written["afterwards"].values() for record in fastavro.reader(io.BytesIO(file))
    ]
    assert len(records) == 300
    assert {record["external_user_id"] for record in records} == {"1", "2"}
    assert {record["email_address"] for record in records if record.get("email_address")} == {"ada@example.com"}


def test_files_go_wherever_fsspec_goes() -> None:
    written = writing.write(writing.files(made(200)), "memory://bucket/currents/")
    found = fsspec.filesystem("memory").find("/bucket/currents")
    assert len(found) == written.files
    assert sum(written.events.values()) == 200
    assert all(KEY.fullmatch(path.removeprefix("/bucket/currents/")) for path in found)
