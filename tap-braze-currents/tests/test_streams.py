"""Scenarios: files with their times and a state go in; lines, records and the next state come out."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import signal
import struct
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.currents import filler, schemas
from braze_sandbox.currents.writing import NEW_LAYOUT, OLD_LAYOUT, SYNC_BYTES, Layout, avro_file
from tap_braze_currents import streams
from tap_braze_currents.bookmarks import Bookmark, Selection
from tap_braze_currents.decoding import DecodedFile
from tap_braze_currents.errors import FileError, IncompleteError, SettingsError, TerminatedError
from tap_braze_currents.files import File
from tap_braze_currents.keys import parse
from tap_braze_currents.lineage import LINEAGE_SCHEMA
from tap_braze_currents.tap import TapBrazeCurrents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NOON = 1_767_268_800  # 2026-01-01T12:00:00Z
CUSTOM, CUSTOM_STREAM = "users.behaviors.CustomEvent", "users_behaviors_customevent"
SEND, SEND_STREAM = "users.messages.email.Send", "users_messages_email_send"


def schema(event_type: str = CUSTOM, **fields: Any) -> dict[str, Any]:
    namespace, _, name = event_type.rpartition(".")
    every = {"id": "string", "time": "int"} | fields
    return {
        "type": "record",
        "name": name,
        "namespace": f"dataexport.S3.inner.{namespace}",
        "fields": [{"name": field, "type": avro_type} for field, avro_type in every.items()],
    }


def events(*ids: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": name, "time": NOON} | fields for name in ids]


class Folder:
    """A folder that Currents writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config: dict[str, Any] = {"path": str(path)}
        self._offset = 0

    def put(
        self,
        *ids: str,
        modified: float = NOON,
        hour: str = "2026-01-01-11",
        event_type: str = CUSTOM,
        layout: Layout = NEW_LAYOUT,
        offset: int | None = None,
        **fields: Any,
    ) -> Path:
        """Write a file with events that have these ids; of other fields, their Avro type and their value."""
        of_fields = schema(event_type, **{name: avro_type for name, (avro_type, _) in fields.items()})
        values = {name: value for name, (_, value) in fields.items()}
        content = avro_file(of_fields, events(*ids, **values))
        return self.put_file(content, modified, hour=hour, event_type=event_type, layout=layout, offset=offset)

    def put_file(
        self,
        content: bytes,
        modified: float = NOON,
        *,
        hour: str = "2026-01-01-11",
        event_type: str = CUSTOM,
        layout: Layout = NEW_LAYOUT,
        offset: int | None = None,
    ) -> Path:
        self._offset += 1
        path = self.path / layout.key(event_type, hour, layout.zones[0], 0, self._offset if offset is None else offset)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (modified, modified))
        return path


class Run:
    """What a run said."""

    def __init__(self, lines: bytes, tap: TapBrazeCurrents, error: BaseException | None) -> None:
        assert not lines or lines.endswith(b"\n")
        self.messages: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
        self.tap = tap
        self.error = error

    def of(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        return [
            message
            for message in self.messages
            if message["type"] == kind and (stream is None or message["stream"] == stream)
        ]

    def records(self, stream: str = CUSTOM_STREAM) -> list[dict[str, Any]]:
        return [message["record"] for message in self.of("RECORD", stream)]

    def ids(self, stream: str = CUSTOM_STREAM) -> list[str]:
        return [record["id"] for record in self.records(stream)]

    def properties(self, stream: str = CUSTOM_STREAM) -> dict[str, Any]:
        found: dict[str, Any] = self.of("SCHEMA", stream)[-1]["schema"]["properties"]
        return found

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.of("STATE")[-1]["value"]
        return found

    @property
    def order(self) -> str:
        """The kinds of the messages, and the ids of records."""
        return " ".join(
            message["record"]["id"] if message["type"] == "RECORD" else message["type"] for message in self.messages
        )


def run(
    config: dict[str, Any],
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    prepare: Callable[[TapBrazeCurrents], None] = lambda _: None,
) -> Run:
    out = io.TextIOWrapper(io.BytesIO())
    error: BaseException | None = None
    with contextlib.redirect_stdout(out):
        tap = TapBrazeCurrents(config=config, state=json.loads(json.dumps(state or {})), catalog=catalog)
        prepare(tap)
        try:
            tap.sync_all()
            tap.finish()
        except (IncompleteError, TerminatedError) as caught:
            error = caught
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return Run(buffer.getvalue(), tap, error)


def discovered(config: dict[str, Any]) -> dict[str, Any]:
    """Return the catalog as it is after it was written and read again."""
    found: dict[str, Any] = json.loads(TapBrazeCurrents(config=config).catalog_json_text)
    return found


def deselect(catalog: dict[str, Any], *columns: str) -> dict[str, Any]:
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"][1:] and entry["breadcrumb"][1] in columns:
            entry["metadata"]["selected"] = False
    return catalog


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The SDK takes the signals over for each tap."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def state_after_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STATE_SECONDS", 0.0)


def like(value: Any) -> Any:
    """Return what a value is in 32 bits, if it is a number with a fraction."""
    return struct.pack("f", value) if isinstance(value, float) else value


# What files hold


def test_every_field_of_every_event_type_arrives(folder: Folder) -> None:
    written = {}
    for event_type in schemas.event_types():
        of_type = schemas.avro_schema(event_type)
        written[event_type] = [filler.record(of_type, number) for number in range(3)]
        folder.put_file(avro_file(of_type, written[event_type]), event_type=event_type)
    done = run(folder.config)
    assert len(written) == 94
    found = defaultdict(list)
    for message in done.of("RECORD"):
        found[message["record"]["_braze_event_type"]].append(message["record"])
    for event_type, every in written.items():
        for before, after in zip(every, found[event_type], strict=True):
            assert {name: like(value) for name, value in before.items()} == {name: like(after[name]) for name in before}
            assert after.keys() == before.keys() | LINEAGE_SCHEMA.keys()
    for message in done.of("SCHEMA"):
        assert message["key_properties"] == ["id"]
        assert set(message["schema"]["properties"]) >= set(done.records(message["stream"])[0])


@pytest.mark.parametrize("event_type", [name for name in schemas.event_types() if schemas.old_schemas(name)])
def test_files_of_all_times_lie_in_one_folder(folder: Folder, event_type: str) -> None:
    history = [schemas.connect_schema(event_type), *schemas.old_schemas(event_type).values()]
    history.append(schemas.avro_schema(event_type))
    written = []
    for number, of_time in enumerate(history):
        written.append(filler.record(of_time, number))
        layout = OLD_LAYOUT if number % 2 else NEW_LAYOUT
        folder.put_file(avro_file(of_time, written[-1:]), NOON + number, event_type=event_type, layout=layout)
    assert len(written) > 2
    done = run(folder.config)
    stream = event_type.lower().replace(".", "_")
    for before, after in zip(written, done.records(stream), strict=True):
        assert {name: like(value) for name, value in before.items()} == {name: like(after[name]) for name in before}
        assert after.keys() == before.keys() | LINEAGE_SCHEMA.keys()
    assert done.properties(stream).keys() >= {name for record in written for name in record}


def test_lineage_says_where_an_event_stood(folder: Folder) -> None:
    path = folder.put("a", "b")
    records = run(folder.config).records()
    assert [record["_sdc_source_row"] for record in records] == [0, 1]
    assert {name: records[1][name] for name in LINEAGE_SCHEMA} == {
        "time_at": "2026-01-01T12:00:00Z",
        "_sdc_source_row": 1,
        "_sdc_source_key": str(path),
        "_sdc_source_modified": "2026-01-01T12:00:00.000000Z",
        "_braze_event_type": CUSTOM,
        "_braze_hour": "2026-01-01-11",
        "_braze_version": 10,
        "_braze_schema_id": None,
        "_braze_zone": "us-01",
        "_braze_partition": 0,
        "_braze_offset": 1,
        "_braze_integration": NEW_LAYOUT.integration,
    }


def test_a_new_field_is_announced_before_its_first_record_and_stays(folder: Folder) -> None:
    # The newest file of a folder is looked at beforehand: the field is in one that is not.
    folder.put("a", modified=NOON)
    folder.put("b", modified=NOON + 1, plan=("string", "gold"))
    folder.put("c", modified=NOON + 2)
    done = run(folder.config)
    assert done.order == "SCHEMA a STATE SCHEMA b c STATE"
    first, second = done.of("SCHEMA")
    assert second["schema"]["properties"].keys() - first["schema"]["properties"].keys() == {"plan"}
    assert "plan" not in done.records()[2]


def test_a_new_field_of_the_newest_file_is_in_the_first_schema(folder: Folder) -> None:
    folder.put("a", modified=NOON)
    folder.put("b", modified=NOON + 1, plan=("string", "gold"))
    assert run(folder.config).order == "SCHEMA a STATE b STATE"


def test_what_does_not_change_the_schema_is_not_announced(folder: Folder) -> None:
    folder.put("a", modified=NOON)
    personal = schema()
    personal["fields"][1]["doc"] = "[PII] when"
    folder.put_file(avro_file(personal, events("b")), NOON + 1)
    folder.put("c", modified=NOON + 2)
    assert len(run(folder.config).of("SCHEMA")) == 1


def test_types_that_do_not_fit_become_text(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    folder.put("a", modified=NOON, size=("int", 1))
    folder.put("b", modified=NOON + 1, size=("string", "large"))
    folder.put("c", modified=NOON + 2, size=("int", 3))
    done = run(folder.config)
    assert [record["size"] for record in done.records()] == [1, "large", "3"]
    assert [message["schema"]["properties"]["size"] for message in done.of("SCHEMA")] == [
        {"type": ["integer", "null"]},
        {"type": ["string", "null"]},
    ]
    assert caplog.text.count("'size' is of types that cannot be merged") == 1


def test_a_type_that_was_widened_stays_wide_in_runs_that_see_only_one(folder: Folder) -> None:
    folder.put("a", modified=NOON, size=("int", 1), share=("int", 1))
    folder.put("b", modified=NOON + 1, size=("string", "large"), share=("double", 0.5), layout=OLD_LAYOUT)
    catalog = discovered(folder.config)
    first = run(folder.config, catalog=catalog)
    folder.put("c", modified=NOON + 2, size=("int", 3), share=("int", 2))
    second = run(folder.config, first.state, catalog)
    assert [record["size"] for record in first.records() + second.records()] == ["1", "large", "3"]
    assert first.properties() == second.properties()


def test_what_somebody_adds_to_a_column_in_the_catalog_stays(folder: Folder) -> None:
    folder.put("a", dob=(["null", "string"], "1990-01-31"))
    catalog = discovered(folder.config)
    catalog["streams"][0]["schema"]["properties"]["dob"] = {"type": ["string", "null"], "format": "date"}
    assert run(folder.config, catalog=catalog).properties()["dob"] == {"type": ["string", "null"], "format": "date"}


def test_json_is_expanded_beside_its_text(folder: Folder) -> None:
    text = '{"genre": "jazz", "no": {"one": null}}'
    folder.put("a", modified=NOON, properties=("string", text))
    folder.put("b", modified=NOON + 1, properties=("string", "[REDACTED]"))
    folder.put("c", modified=NOON + 2)
    done = run(folder.config | {"expand_json": ["properties", "none_such"]})
    assert [record.get("properties_object", "absent") for record in done.records()] == [
        json.loads(text),
        None,
        "absent",
    ]
    assert [record.get("properties") for record in done.records()] == [text, "[REDACTED]", None]
    assert done.properties()["properties_object"] == {"type": ["object", "null"]}
    catalog = discovered(folder.config | {"expand_json": ["properties"]})
    again = run(folder.config | {"expand_json": ["properties"]}, catalog=catalog)
    assert again.records() == done.records()
    assert again.properties() == done.properties()


# The SDK's way


@pytest.fixture
def mixed(folder: Folder) -> Folder:
    """Files of several schemas, one of them announced only in mid-run, and some of more than a block."""
    for number, event_type in enumerate(["users.messages.email.Click", SEND, "users.behaviors.Purchase"]):
        every = [*schemas.old_schemas(event_type).values(), schemas.avro_schema(event_type)]
        for at, of_time in enumerate([every[-1], every[0], *every]):
            records = [filler.record(of_time, (number * 100 + at) * 1_000 + row) for row in range(60)]
            folder.put_file(avro_file(of_time, records), NOON + at, event_type=event_type)
    return folder


def test_the_sdks_way_gives_the_same(mixed: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(mixed.config)
    monkeypatch.setattr(streams.CurrentsStream, "_is_plain", lambda _: False)
    sdks = run(mixed.config)
    assert [message.get("record") for message in sdks.messages] == [message.get("record") for message in plain.messages]
    assert sdks.order == plain.order
    assert sdks.of("SCHEMA") == plain.of("SCHEMA")
    assert sdks.of("STATE") == plain.of("STATE")


def test_a_stream_map_works(folder: Folder) -> None:
    folder.put("a", "b", plan=("string", "gold"))
    maps = {CUSTOM_STREAM: {"plan": "plan.upper()", "__filter__": "id != 'a'", "time": None}}
    done = run(folder.config | {"stream_maps": maps})
    assert [(record["id"], record["plan"]) for record in done.records()] == [("b", "GOLD")]
    assert "time" not in done.records()[0]
    assert "time" not in done.properties()
    assert run(folder.config | {"stream_maps": maps}, done.state).records() == []


def test_deselected_columns_are_neither_sent_nor_announced(folder: Folder) -> None:
    folder.put("a", modified=NOON, plan=("string", "gold"), ip=("string", "192.0.2.1"))
    catalog = deselect(discovered(folder.config), "ip", "_braze_zone")
    folder.put("b", modified=NOON + 1, plan=("string", "gold"), ip=("string", "192.0.2.1"), fresh=("int", 1))
    folder.put("c", modified=NOON + 2, plan=("string", "gold"), ip=("string", "192.0.2.1"))
    plain = run(folder.config)
    done = run(folder.config, catalog=catalog)
    without = [
        {name: value for name, value in record.items() if name not in {"ip", "_braze_zone"}}
        for record in plain.records()
    ]
    assert done.records() == without
    assert len(done.of("SCHEMA")) == 2
    for message in done.of("SCHEMA"):
        assert not {"ip", "_braze_zone"} & message["schema"]["properties"].keys()
    assert "fresh" in done.properties()


def test_a_column_deselected_before_it_was_there_stays_away(folder: Folder) -> None:
    folder.put("a", modified=NOON)
    catalog = discovered(folder.config)
    catalog["streams"][0]["metadata"].append({"breadcrumb": ["properties", "ip"], "metadata": {"selected": False}})
    folder.put("b", modified=NOON + 1, ip=("string", "192.0.2.1"))
    done = run(folder.config, catalog=catalog)
    assert "ip" not in done.properties()
    assert "ip" not in done.records()[1]


def test_a_stream_that_is_not_in_the_catalog_is_left_alone(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a")
    catalog = discovered(folder.config)
    folder.put("b", event_type=SEND)
    listed = []
    monkeypatch.setattr(
        streams.CurrentsStream, "_learn", lambda self, files: listed.append((self.name, len(list(files))))
    )
    done = run(folder.config, catalog=catalog)
    assert done.ids() == ["a"]
    assert {message["stream"] for message in done.of("SCHEMA")} == {CUSTOM_STREAM}
    assert listed == [(CUSTOM_STREAM, 1)]


@pytest.mark.usefixtures("state_after_each_file")
def test_a_limit_of_records_leaves_the_state_before_the_file(folder: Folder) -> None:
    folder.put("a", modified=NOON)
    folder.put("b", "c", modified=NOON + 1)
    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out):
        tap = TapBrazeCurrents(config=folder.config)
        tap.run_sync_dry_run(2)
        tap.finish()
    assert isinstance(out.buffer, io.BytesIO)
    done = Run(out.buffer.getvalue(), tap, None)
    assert done.ids() == ["a", "b"]
    assert run(folder.config, done.state).ids() == ["b", "c"]


def test_a_test_run_fails_where_no_file_can_be_read(folder: Folder) -> None:
    path = folder.put("a")
    path.write_bytes(b"not Avro")
    tap = TapBrazeCurrents(config=folder.config)
    with (
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
        pytest.raises(FileError, match=r"not an Avro file"),
    ):
        tap.run_connection_test()


def test_batches_are_not_made(folder: Folder, tmp_path: Path) -> None:
    folder.put("a")
    batch = {"encoding": {"format": "jsonl"}, "storage": {"root": f"file://{tmp_path}"}}
    assert run(folder.config | {"batch_config": batch}).order == "SCHEMA a STATE"


# State


@pytest.mark.usefixtures("state_after_each_file")
def test_state_covers_a_file_only_after_its_last_record(mixed: Folder) -> None:
    done = run(mixed.config)
    everything = [message["record"]["id"] for message in done.of("RECORD")]
    assert len(set(everything)) == len(everything)
    states = [at for at, message in enumerate(done.messages) if message["type"] == "STATE"]
    assert len(states) > 10
    for at in states:
        out = [message["record"]["id"] for message in done.messages[:at] if message["type"] == "RECORD"]
        rest = run(mixed.config, done.messages[at]["value"])
        # Nothing is lost, and nothing repeated either, since the run went on for as long as it took to say STATE.
        assert [*out, *(message["record"]["id"] for message in rest.of("RECORD"))] == everything


@pytest.mark.parametrize("settle_minutes", [0, 60, 1_000_000])
def test_a_second_run_reads_nothing(mixed: Folder, settle_minutes: int) -> None:
    config = mixed.config | {"settle_minutes": settle_minutes}
    first = run(config)
    second = run(config, first.state)
    assert second.of("RECORD") == []
    assert second.state == first.state


@pytest.mark.parametrize("settle_minutes", [60, 1_000_000])
@pytest.mark.parametrize("ids", [("a", "b", "c"), ("a",)])
def test_an_overwritten_file_is_read_again(folder: Folder, settle_minutes: int, ids: Sequence[str]) -> None:
    config = folder.config | {"settle_minutes": settle_minutes}
    folder.put("a", "b", modified=NOON, offset=7)
    folder.put("z", modified=NOON + 1)
    first = run(config)
    folder.put(*ids, modified=NOON + 2, offset=7)
    second = run(config, first.state)
    assert second.ids() == list(ids)
    assert run(config, second.state).ids() == []


def test_a_late_file_of_an_old_hour_is_read(folder: Folder) -> None:
    folder.put("a", hour="2026-01-05-11", modified=NOON + 4 * 86_400)
    first = run(folder.config)
    folder.put("late", hour="2026-01-01-02", modified=NOON + 4 * 86_400 + 60)
    second = run(folder.config, first.state)
    assert second.ids() == ["late"]
    folder.put("too late", hour="2025-12-01-02", modified=NOON + 4 * 86_400 + 120)
    third = run(folder.config, second.state)
    assert third.ids() == []
    assert run(folder.config | {"full_listing": True}, third.state).ids() == ["too late"]


def test_a_file_that_came_to_light_within_the_settling_time_is_read(folder: Folder) -> None:
    config = folder.config | {"settle_minutes": 1_000_000}
    folder.put("a", modified=NOON)
    first = run(config)
    folder.put("behind", modified=NOON - 60)
    assert run(config, first.state).ids() == ["behind"]


def test_start_date_moved_back_reads_what_comes_in(folder: Folder) -> None:
    for day in (1, 2, 3):
        folder.put(f"day {day}", hour=f"2026-01-0{day}-11", modified=NOON + day)
    first = run(folder.config | {"start_date": "2026-01-03"})
    assert first.ids() == ["day 3"]
    second = run(folder.config | {"start_date": "2026-01-02"}, first.state)
    assert second.ids() == ["day 2"]
    third = run(folder.config | {"start_date": "2026-01-03T11:00:00Z"}, second.state)
    assert third.ids() == []
    assert run(folder.config, third.state).ids() == ["day 1"]


def test_end_date_is_the_first_hour_left_out(folder: Folder) -> None:
    for hour in (10, 11, 12):
        folder.put(f"hour {hour}", hour=f"2026-01-01-{hour}", modified=NOON + hour)
    first = run(folder.config | {"start_date": "2026-01-01T11:00:00Z", "end_date": "2026-01-01T12:00:00Z"})
    assert first.ids() == ["hour 11"]
    assert sorted(run(folder.config, first.state).ids()) == ["hour 10", "hour 12"]


def test_connectors_share_a_stream_and_may_be_left_out(folder: Folder) -> None:
    other = Layout(integration="other")
    folder.put("a", modified=NOON)
    folder.put("b", modified=NOON - 1, layout=other)
    assert run(folder.config).ids() == ["b", "a"]
    first = run(folder.config | {"integrations": ["other"]})
    assert first.ids() == ["b"]
    assert run(folder.config, first.state).ids() == ["a"]


def test_a_state_that_is_none_of_ours_ends_the_run_with_advice(folder: Folder) -> None:
    folder.put("a")
    with pytest.raises(SettingsError, match=r"Stream users_behaviors_customevent: .*version 99"):
        run(folder.config, {"bookmarks": {CUSTOM_STREAM: {"version": 99, "folders": {}}}})


def test_the_state_of_a_stream_out_of_sight_is_kept(folder: Folder) -> None:
    folder.put("a")
    folder.put("b", event_type=SEND)
    first = run(folder.config)
    second = run(folder.config | {"event_types": ["users.behaviors.*"]}, first.state)
    assert second.state["bookmarks"][SEND_STREAM] == first.state["bookmarks"][SEND_STREAM]
    assert run(folder.config, second.state).of("RECORD") == []


# Files that cannot be read


def two_blocks() -> tuple[bytes, int]:
    """Return a file of two blocks and where the second one begins."""
    content = avro_file(schema(note="string"), events(*map(str, range(40)), note="x" * 1_000))
    sync = content[-SYNC_BYTES:]
    second = content.index(sync, content.index(sync) + SYNC_BYTES) + SYNC_BYTES
    assert second < len(content)
    return content, second


def cut_between_blocks(path: Path) -> None:
    path.write_bytes(two_blocks()[0][: two_blocks()[1]])


def cut_in_a_block(path: Path) -> None:
    path.write_bytes(two_blocks()[0][:-100])


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(two_blocks()[0][:40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def not_avro(path: Path) -> None:
    path.write_bytes(b'{"id": "x"}\n' * 100)


def without_fields(path: Path) -> None:
    path.write_bytes(avro_file(schema(), events("x")).replace(b'"fields"', b'"fieldz"'))


def damaged_in_the_second_block(path: Path) -> None:
    """Spoil a record in a block whose frame is sound: decoding alone can tell."""
    content, second = two_blocks()
    at = content.index(b"x" * 1_000, second) - 2  # the size of the note
    path.write_bytes(content[:at] + b"\xff\xff" + content[at + 2 :])


BAD = [cut_in_a_block, cut_in_the_header, empty, not_avro, without_fields, damaged_in_the_second_block]


def mend(path: Path, content: bytes, modified: float) -> None:
    path.write_bytes(content)
    os.utime(path, (modified, modified))


@pytest.mark.parametrize("spoil", BAD)
def test_an_unreadable_file_stops_its_stream_before_it(
    folder: Folder, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder.put("a", modified=NOON)
    bad = folder.put("b", modified=NOON + 1)
    good = bad.read_bytes()
    spoil(bad)
    os.utime(bad, (NOON + 1, NOON + 1))
    folder.put("c", modified=NOON + 2)
    folder.put("other", event_type=SEND)
    done = run(folder.config)
    assert (done.ids(), done.ids(SEND_STREAM)) == (["a"], ["other"])
    assert isinstance(done.error, IncompleteError)
    assert f"1 streams were not read to their end: {CUSTOM_STREAM}." in str(done.error)
    assert str(bad) in caplog.text
    mend(bad, good, NOON + 1)
    again = run(folder.config, done.state)
    assert again.error is None
    assert (again.ids(), again.ids(SEND_STREAM)) == (["b", "c"], [])


@pytest.mark.parametrize("spoil", BAD)
@pytest.mark.parametrize("mended", [NOON + 1, NOON + 3])
def test_an_unreadable_file_may_be_set_aside(
    folder: Folder, spoil: Callable[[Path], None], mended: float, caplog: pytest.LogCaptureFixture
) -> None:
    config = folder.config | {"on_unreadable_file": "set_aside"}
    folder.put("a", modified=NOON)
    bad = folder.put("b", modified=NOON + 1)
    good = bad.read_bytes()
    spoil(bad)
    os.utime(bad, (NOON + 1, NOON + 1))
    folder.put("c", modified=NOON + 2)
    first = run(config)
    assert (first.ids(), first.error) == (["a", "c"], None)
    assert [message.levelname for message in caplog.records if "set aside" in message.getMessage()] == ["WARNING"]
    assert bad.name in json.dumps(first.state)
    caplog.clear()
    second = run(config, first.state)
    assert (second.ids(), second.state) == ([], first.state)
    assert "set aside" in caplog.text
    mend(bad, good, mended)
    third = run(config, second.state)
    assert third.ids() == ["b"]
    assert "set_aside" not in json.dumps(third.state)
    assert run(config, third.state).ids() == []


@pytest.mark.parametrize("held_bytes", [0, streams.HELD_BYTES])
@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize("choice", ["stop", "set_aside"])
def test_no_record_leaves_of_a_file_that_is_damaged_further_on(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, choice: str, is_plain: bool, held_bytes: int
) -> None:
    monkeypatch.setattr(streams, "HELD_BYTES", held_bytes)
    if not is_plain:
        monkeypatch.setattr(streams.CurrentsStream, "_is_plain", lambda _: False)
    config = folder.config | {"on_unreadable_file": choice}
    folder.put_file(two_blocks()[0], NOON)
    damaged_in_the_second_block(bad := folder.put("b", modified=NOON + 1))
    os.utime(bad, (NOON + 1, NOON + 1))
    folder.put("c", modified=NOON + 2)
    first = run(config)
    whole = [str(number) for number in range(40)]
    assert first.ids() == whole + (["c"] if choice == "set_aside" else [])
    assert run(config, first.state).ids() == []
    mend(bad, two_blocks()[0], NOON + 1)
    assert run(config, first.state).ids() == whole + (["c"] if choice == "stop" else [])


def test_a_file_too_large_to_be_held_gives_the_same(mixed: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed.put("n", share=("float", float("nan")))
    mixed.put_file(two_blocks()[0])
    held = run(mixed.config)
    again: list[int] = []
    blocks_again = DecodedFile.blocks_again

    def noting(file: DecodedFile, start: int) -> Any:
        again.append(start)
        return blocks_again(file, start)

    monkeypatch.setattr(DecodedFile, "blocks_again", noting)
    monkeypatch.setattr(streams, "HELD_BYTES", 0)
    decoded_again = run(mixed.config)
    assert again
    assert set(again) == {1}  # the first block of each is held
    without_time = [message | {"time_extracted": None} for message in held.messages]
    assert [message | {"time_extracted": None} for message in decoded_again.messages] == without_time


def test_records_do_not_wait_for_a_file_that_is_still_on_its_way(folder: Folder) -> None:
    folder.put("a", modified=NOON)
    late = folder.put("b", modified=NOON + 1)
    first_is_out = threading.Event()

    def prepare(tap: TapBrazeCurrents) -> None:
        fetch, write = tap.bucket.fetch, tap.message_writer.write_lines

        def fetch_late(file: File) -> bytes:
            if file.key == str(late) and threading.current_thread() is not threading.main_thread():
                assert first_is_out.wait(30)
            return fetch(file)

        def write_lines(lines: bytes | bytearray) -> None:
            write(lines)
            if b'"RECORD"' in lines:
                first_is_out.set()

        tap.bucket.fetch = fetch_late  # type: ignore[method-assign]
        tap.message_writer.write_lines = write_lines  # type: ignore[method-assign]

    assert run(folder.config, prepare=prepare).ids() == ["a", "b"]


def test_a_file_cut_between_blocks_is_told_by_the_listing(folder: Folder) -> None:
    content, second = two_blocks()
    path = folder.put_file(content)

    def fetch_half(tap: TapBrazeCurrents) -> None:
        path.write_bytes(content[:second])
        listed = tap.bucket.files

        def with_its_whole_size(*arguments: Any) -> Iterator[Any]:
            for file in listed(*arguments):
                object.__setattr__(file, "size", len(content))
                yield file

        tap.bucket.files = with_its_whole_size  # type: ignore[assignment]

    done = run(folder.config, prepare=fetch_half)
    assert done.records() == []
    assert isinstance(done.error, IncompleteError)


def gone_once_listed(*paths: Path) -> Callable[[TapBrazeCurrents], None]:
    """Take files away between the first listing and the fetching."""

    def prepare(tap: TapBrazeCurrents) -> None:
        listed = tap.bucket.files

        def then_gone(*arguments: Any) -> Iterator[Any]:
            yield from list(listed(*arguments))
            for path in paths:
                path.unlink(missing_ok=True)

        tap.bucket.files = then_gone  # type: ignore[assignment]

    return prepare


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize("choice", ["stop", "set_aside"])
def test_a_file_that_was_deleted_between_listing_and_fetching_is_passed_over(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, choice: str, is_plain: bool
) -> None:
    if not is_plain:
        monkeypatch.setattr(streams.CurrentsStream, "_is_plain", lambda _: False)
    config = folder.config | {"on_unreadable_file": choice}
    folder.put("a", modified=NOON)
    gone = folder.put("b", modified=NOON + 1)
    folder.put("c", modified=NOON + 2)
    done = run(config, prepare=gone_once_listed(gone))
    assert (done.ids(), done.error) == (["a", "c"], None)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [str(gone) in message and "was deleted" in message for message in said] == [True]
    assert "set_aside" not in json.dumps(done.state)
    assert run(config, done.state).ids() == []
    folder.put("again", modified=NOON + 3, offset=2)
    assert run(config, done.state).ids() == ["again"]


def test_a_folder_that_is_gone_as_a_whole_is_not_taken_for_deleted_files(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is no longer mounted looks like that."""
    paths = [folder.put("a", modified=NOON), folder.put("b", modified=NOON + 1)]
    contents = [path.read_bytes() for path in paths]
    done = run(folder.config, prepare=gone_once_listed(*paths))
    assert isinstance(done.error, IncompleteError)
    assert "it is gone" in caplog.text
    for at, (path, content) in enumerate(zip(paths, contents, strict=True)):
        mend(path, content, NOON + at)
    assert run(folder.config, done.state).ids() == ["a", "b"]


# The end before the end


@pytest.mark.usefixtures("state_after_each_file")
def test_a_signal_ends_at_a_block_and_leaves_every_stream_its_state(folder: Folder) -> None:
    folder.put("old", event_type=SEND)
    first = run(folder.config)
    content, _ = two_blocks()
    folder.put_file(content, NOON)
    folder.put_file(content, NOON + 1)
    folder.put("new", event_type=SEND, modified=NOON + 1)

    def at_the_third_block(tap: TapBrazeCurrents) -> None:
        write, pieces = tap.message_writer.write_lines, []

        def write_lines(lines: bytes | bytearray) -> None:
            write(lines)
            if b'"RECORD"' in lines:
                pieces.append(lines)
            if len(pieces) == 4:
                tap._handle_termination(signal.SIGTERM, None)

        tap.message_writer.write_lines = write_lines  # type: ignore[method-assign]

    done = run(folder.config, first.state, prepare=at_the_third_block)
    assert isinstance(done.error, TerminatedError)
    assert 40 < len(done.ids()) < 80
    assert done.records(SEND_STREAM) == []
    assert done.state["bookmarks"][SEND_STREAM] == first.state["bookmarks"][SEND_STREAM]
    again = run(folder.config, done.state)
    assert (len(again.ids()), again.ids(SEND_STREAM)) == (40, ["new"])


def test_a_signal_ends_a_listing(folder: Folder) -> None:
    folder.put("a")

    def at_once(tap: TapBrazeCurrents) -> None:
        assert tap.streams
        listed = tap.bucket.files

        def files(*arguments: Any) -> Iterator[Any]:
            tap._handle_termination(signal.SIGINT, None)
            return listed(*arguments)

        tap.bucket.files = files  # type: ignore[assignment]

    done = run(folder.config, prepare=at_once)
    assert isinstance(done.error, TerminatedError)
    assert done.error.signal_number == signal.SIGINT
    assert done.messages == []


# The size of state


def test_state_of_many_files_stays_small() -> None:
    now = dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc)
    place = parse(f"currents/{NEW_LAYOUT.key(CUSTOM, '2026-05-31-21', 'us-01', 0, 1)}")
    assert place is not None
    folder = f"bucket/currents/event_type={CUSTOM}/date=2026-05-31-21/version=10/us-01"
    files = [
        File(f"{folder}/topic+0+{number}.avro", 1_000, f"{number:032x}", now - dt.timedelta(seconds=age), place)
        for ages, first in ((range(107_200, 7_200, -1), 0), (range(500), 200_000))
        for number, age in enumerate(ages, first)
    ]
    bookmark, selection = Bookmark.from_state({}), Selection()
    sizes = []
    for number, file in enumerate(bookmark.select(files, now, selection)):
        bookmark.read(file)
        if number % 10_000 == 0:
            sizes.append(len(json.dumps(bookmark.to_state())))
    assert number == 100_499
    assert max(sizes) < 500
    state = json.dumps(bookmark.to_state())
    assert len(state) < 500 + 500 * 150  # those of the last hour, one by one
    assert Bookmark.from_state(json.loads(state)).select(files, now, selection) == []


def test_no_activate_version_leaves_whatever_a_catalog_says() -> None:
    """A target would delete all that earlier runs brought."""
    assert streams.CurrentsStream.emit_activate_version_messages.fget(object()) is False  # type: ignore[attr-defined]
