"""Messages leave in their order, in large pieces, and whole."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage
from tap_braze_currents import writer as writer_module
from tap_braze_currents.writer import FLUSH_BYTES, MessageWriter

if TYPE_CHECKING:
    from typing import Any

SCHEMA = SchemaMessage("people", {"properties": {"id": {"type": "string"}}}, ["id"])


class Pipe(io.BytesIO):
    """Standard output that remembers in which pieces it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.flushes = 0

    @property
    def buffer(self) -> Pipe:
        return self

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    made = Pipe()
    # Not sys.stdout itself: pytest puts its own in place when the test begins.
    monkeypatch.setattr(writer_module, "sys", SimpleNamespace(stdout=made))
    return made


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a pipe elsewhere is as large as it is")
@pytest.mark.parametrize(("before", "after"), [(65_536, 262_144), (524_288, 524_288)])
def test_a_pipe_takes_more_at_once(monkeypatch: pytest.MonkeyPatch, before: int, after: int) -> None:
    import fcntl

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as output:
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, before)
        monkeypatch.setattr(writer_module, "PIPE_BYTES", 262_144)
        monkeypatch.setattr(writer_module, "sys", SimpleNamespace(stdout=output))
        MessageWriter()
        assert fcntl.fcntl(output, fcntl.F_GETPIPE_SZ) == after


def test_what_a_write_leaves_over_is_written_too(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raw file, as standard output is with PYTHONUNBUFFERED, may write a part when a signal comes."""
    written = bytearray()

    def write_some(data: Any) -> int:
        written.extend(bytes(data[:7]))
        return min(len(data), 7)

    monkeypatch.setattr(pipe, "write", write_some)
    writer = MessageWriter()
    writer.write_lines(b'{"type":"RECORD","stream":"people"}\n')
    writer.flush()
    assert bytes(written) == b'{"type":"RECORD","stream":"people"}\n'


def record(**fields: Any) -> RecordMessage:
    return RecordMessage("people", {"id": "a"} | fields)


def test_records_wait_for_what_follows(pipe: Pipe) -> None:
    writer = MessageWriter()
    writer.write_message(record())
    writer.write_lines(b'{"type":"RECORD"}\n')
    assert pipe.pieces == []
    writer.write_message(StateMessage({"bookmarks": {}}))
    assert [[json.loads(line)["type"] for line in piece.splitlines()] for piece in pipe.pieces] == [
        ["RECORD", "RECORD", "STATE"]
    ]
    assert pipe.flushes == 1


@pytest.mark.parametrize("message", [SCHEMA, StateMessage({"bookmarks": {"a": {}}})])
def test_other_messages_go_at_once(pipe: Pipe, message: Any) -> None:
    MessageWriter().write_message(message)
    assert [json.loads(piece) for piece in pipe.pieces] == [json.loads(json.dumps(message.to_dict()))]


def test_many_records_go_in_large_pieces_of_whole_lines(pipe: Pipe) -> None:
    writer = MessageWriter()
    for number in range(5_000):
        writer.write_message(record(number=number))
    writer.flush()
    assert all(piece.endswith(b"\n") for piece in pipe.pieces)
    assert all(len(piece) >= FLUSH_BYTES for piece in pipe.pieces[:-1])
    assert 1 < len(pipe.pieces) < 20
    lines = b"".join(pipe.pieces).splitlines()
    assert [json.loads(line)["record"]["number"] for line in lines] == list(range(5_000))


def test_nothing_is_written_twice_after_an_error(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = MessageWriter()
    writer.write_lines(b"one\n")

    def closed(_: Any) -> int:
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(pipe, "write", closed)
        with pytest.raises(BrokenPipeError):
            writer.flush()
    writer.flush()
    assert pipe.pieces == []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("12.30"), "12.30"),
        (2**63, str(2**63)),
        (float("nan"), "null"),
        (float("inf"), "null"),
        ("\N{SNOWMAN}\n\u2028", '"\N{SNOWMAN}\\n\u2028"'),
        (dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), '"2026-01-02T00:00:00Z"'),
        (ValueError("of no type JSON has"), '"of no type JSON has"'),
    ],
)
def test_values_that_stream_maps_may_make(pipe: Pipe, value: Any, written: str) -> None:
    writer = MessageWriter()
    writer.write_message(record(value=value))
    writer.flush()
    assert f'"value":{written}' in pipe.pieces[0].decode()
    assert pipe.pieces[0].count(b"\n") == 1
