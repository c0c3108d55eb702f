from __future__ import annotations

import io
import itertools
import json
import math
import re
import sys
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_braze.errors import InputError
from target_braze.reader import MessageReader, decode_leniently

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCHEMA = b'{"type":"SCHEMA","stream":"people","schema":{"properties":{}}}'
STATE = b'{"type":"STATE","value":{"a":1}}'


class Read:
    """What a reader handed to whom: `taken` as bytes, `called` decoded; `heaps` is how many records came at once."""

    def __init__(self, *streams: str) -> None:
        self.reader = MessageReader()
        self.reader.takers = {name: self._taker(name) for name in streams}
        self.taken: list[tuple[str, bytes]] = []
        self.heaps: list[int] = []
        self.called: list[dict[str, Any]] = []
        self.interruptions = 0
        self.reader.on_interruption = self._interrupt

    def lines(self, *lines: bytes) -> dict[str, int]:
        return self.file(io.BytesIO(b"\n".join(lines) + b"\n"))

    def file(self, file: Any) -> dict[str, int]:
        kinds = ("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION")
        return dict(self.reader.process_lines(file, dict.fromkeys(kinds, self.called.append)))

    def _taker(self, name: str) -> Any:
        def take(records: Sequence[bytes]) -> None:
            self.heaps.append(len(records))
            self.taken += [(name, bytes(record)) for record in records]

        return take

    def _interrupt(self) -> None:
        self.interruptions += 1


class Pieces(io.RawIOBase):
    """A file that has these pieces to read, one at a time, as a pipe has."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = [piece for piece in pieces if piece]

    def read1(self, _: int) -> bytes:
        return self._left.pop(0) if self._left else b""


def record(text: str, stream: str = "people") -> bytes:
    return f'{{"type":"RECORD","stream":"{stream}","record":{text}}}'.encode()


def test_records_go_on_as_the_bytes_they_came_in() -> None:
    read = Read("people", "orders")
    first, second = '{"id": 1.10,  "name":"Zo\\u00eb"}', '{"id":2}'
    read.lines(record(first), record(second, "orders"))
    assert read.taken == [("people", first.encode()), ("orders", second.encode())]
    assert read.called == []


def test_the_envelope_may_be_in_any_order_and_hold_more() -> None:
    read = Read("people")
    read.lines(
        b'{"time_extracted":"2026-01-01T00:00:00Z","record":{"id":1},"version":7,"stream":"people","type":"RECORD"}'
    )
    assert read.taken == [("people", b'{"id":1}')]


def test_records_are_taken_by_the_heap() -> None:
    """All that arrived at once and are of one stream; what comes between divides them."""
    read = Read("people", "orders")
    read.lines(*[record("{}")] * 3, record("{}", "orders"), STATE, record("{}"), record("{}"))
    assert read.heaps == [3, 1, 2]


def test_a_block_of_records_alone_is_one_heap() -> None:
    read = Read("people")
    counts = read.file(Pieces(record("{}") + b"\n", b"".join(record("{}") + b"\n" for _ in range(5)), record("{}")))
    assert read.heaps == [1, 5, 1]
    assert counts == {"RECORD": 7}


def test_nothing_is_taken_of_blank_lines() -> None:
    read = Read("people")
    assert read.file(Pieces(record("{}") + b"\n", b"\n", b" \n\n")) == {"RECORD": 1}
    assert read.heaps == [1]


def test_two_messages_in_a_line_are_none() -> None:
    """A tap whose threads print at once; it may as well have printed halves."""
    read = Read("people")
    two = record("{}") + record("{}")
    with pytest.raises(InputError, match=r"^Line 3 "):
        read.file(Pieces(record("{}") + b"\n", record("{}") + b"\n" + two + b"\n\n"))
    assert read.heaps == [1, 1]


def test_other_messages_are_decoded_in_their_turn() -> None:
    read = Read("people")
    read.lines(SCHEMA, record("{}"), STATE)
    assert [message["type"] for message in read.called] == ["SCHEMA", "STATE"]
    assert read.called[1]["value"] == {"a": 1}


def test_messages_are_counted() -> None:
    read = Read("people")
    counts = read.lines(SCHEMA, record("{}"), record("{}"), record("{}", "unknown"), STATE)
    assert counts == {"SCHEMA": 1, "RECORD": 3, "STATE": 1}


def test_a_record_of_a_stream_without_taker_goes_the_sdks_way() -> None:
    """Be it before its schema, or through stream maps."""
    read = Read("people")
    read.lines(record('{"price":1.10}', "orders"))
    assert read.taken == []
    assert read.called == [{"type": "RECORD", "stream": "orders", "record": {"price": Decimal("1.10")}}]


@pytest.mark.parametrize("line", [b'{"type":"RECORD","stream":"people"}', b'{"type":"RECORD","record":{}}'])
def test_a_record_without_stream_or_record_goes_the_sdks_way(line: bytes) -> None:
    """Which says what it lacks."""
    read = Read("people")
    read.lines(line)
    assert read.called == [json.loads(line)]


def test_takers_may_change_while_reading() -> None:
    """Each SCHEMA decides anew which way a stream's records take."""
    read = Read()
    taken: list[bytes] = []

    def take_from_now_on(_: Any) -> None:
        read.reader.takers["people"] = lambda found: taken.extend(map(bytes, found))

    lines = io.BytesIO(b"\n".join([record('{"n":1}'), SCHEMA, record('{"n":2}')]))
    read.reader.process_lines(lines, {"RECORD": read.called.append, "SCHEMA": take_from_now_on})
    assert [message["record"] for message in read.called] == [{"n": 1}]
    assert taken == [b'{"n":2}']


@pytest.mark.parametrize("blank", [b"", b"  ", b"\r", b"\t \r"])
def test_blank_lines_are_passed_over(blank: bytes) -> None:
    read = Read("people")
    assert read.lines(blank, record("{}"), blank, STATE) == {"RECORD": 1, "STATE": 1}


def test_windows_line_ends() -> None:
    read = Read("people")
    read.lines(record('{"id":1}') + b"\r", STATE + b"\r")
    assert read.taken == [("people", b'{"id":1}')]


def test_no_input_is_no_error() -> None:
    assert Read().file(io.BytesIO()) == {}


def test_text_is_read_too() -> None:
    read = Read("people")
    read.file(io.StringIO(record('{"name":"Zoë"}').decode() + "\n\n" + STATE.decode()))
    assert read.taken == [("people", '{"name":"Zoë"}'.encode())]
    assert len(read.called) == 1


def test_a_text_file_is_read_as_the_bytes_below_it() -> None:
    """Its encoding may be another than the tap's."""
    read = Read("people")
    read.file(io.TextIOWrapper(io.BytesIO(record('{"name":"Zoë"}')), encoding="ascii"))
    assert read.taken == [("people", '{"name":"Zoë"}'.encode())]


def test_standard_input_is_looked_up_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be replaced after the import."""
    read = Read("people")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(record('{"id":1}'))))
    read.file(None)
    assert read.taken == [("people", b'{"id":1}')]


@pytest.mark.parametrize(
    "line",
    [
        b"Traceback: secret",
        b'{"type":"RECORD","stream":"people","record":{"name":"secret"}',
        b'{"type":"RECORD","stream":"people","record":{"name":"secret",}}',
        b'{"type":"RECORD","stream":"people","record":{"name":secret}}',
        b'["secret"]',
        b'"secret"',
        b"17",
        b'{"stream":"secret"}',
        b'{"type":17,"stream":"secret"}',
        b'{"type":"RECORD","stream":{"secret":1}}',
        b'{"type":"RECORD","stream":"people","record":' + b"[" * 200_000 + b"secret",
        b'\xef\xbb\xbf{"type":"secret"}',
    ],
    ids=range(12),
)
def test_a_line_that_is_no_message_is_named_by_number_and_not_shown(line: bytes) -> None:
    """It may hold customer data (invariant 5)."""
    read = Read("people")
    with pytest.raises(InputError, match=r"^Line 2 \([\d,]+ bytes\) is not a Singer message") as caught:
        read.lines(STATE, line)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert read.interruptions == 1


@pytest.mark.parametrize("name", ["LOG", "record", "", "X" * 5000])
def test_a_type_that_is_none_of_singers(name: str) -> None:
    read = Read()
    with pytest.raises(InputError, match="none of Singer's") as caught:
        read.lines(json.dumps({"type": name}).encode())
    assert len(str(caught.value)) < 200
    assert read.interruptions == 1


def test_reading_to_the_end_is_no_interruption() -> None:
    read = Read()
    read.lines(STATE)
    assert read.interruptions == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError("x"), ZeroDivisionError], ids=str)
def test_whatever_ends_reading_is_told_before_it_goes_on(error: Any) -> None:
    read = Read()

    def fail(_: Any) -> None:
        assert read.interruptions == 0
        raise error

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever
        read.reader.process_lines(io.BytesIO(STATE), {"STATE": fail})
    assert caught.type is (error if isinstance(error, type) else type(error))
    assert read.interruptions == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("NaN", math.nan, id="NaN"),
        pytest.param("-Infinity", -math.inf, id="infinity"),
        pytest.param('"\\ud83d"', "\ud83d", id="half of a surrogate pair"),
    ],
)
def test_one_record_that_only_python_reads_does_not_end_the_run(text: str, value: Any) -> None:
    """Taps in Python write such things; mapping turns down the value alone."""
    read = Read("people")
    read.lines(record(f'{{"id":1.10,"odd":{text}}}'), record('{"id":2}'))
    assert repr(read.called[0]["record"]) == repr({"id": Decimal("1.10"), "odd": value})
    assert read.taken == [("people", b'{"id":2}')]


def test_bytes_that_are_no_utf8_go_on_for_the_sink_to_judge() -> None:
    read = Read("people")
    line = record("{}").replace(b"{}", b'{"name":"\xff"}')
    read.lines(line)
    assert read.taken == [("people", b'{"name":"\xff"}')]


def test_lenient_decoding_keeps_digits_and_odd_bytes() -> None:
    assert decode_leniently(b'{"a":1.10,"b":"\xff"}') == {"a": Decimal("1.10"), "b": "\udcff"}
    assert decode_leniently(memoryview(b"[1]")) == [1]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expecting"):
        decode_leniently(b"{")


def test_what_a_message_lacks_is_named_without_the_rest() -> None:
    """The SDK's own error would quote the record (invariant 5)."""
    with pytest.raises(InputError, match="A SCHEMA message has no schema, stream") as caught:
        MessageReader.assert_line_requires({"type": "SCHEMA", "x": "secret"}, {"schema", "stream"})
    assert "secret" not in str(caught.value)
    MessageReader.assert_line_requires({"type": "STATE", "value": None}, {"value"})


@pytest.mark.parametrize("schema", [{"type": "object"}, None, [], "properties"])
def test_a_schema_without_properties_is_named_so(schema: Any) -> None:
    with pytest.raises(InputError, match="A schema in a SCHEMA message has no properties"):
        MessageReader.assert_line_requires(schema, {"properties"})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.booleans())
def test_law_that_the_record_arrives_byte_for_byte(content: dict[str, Any], is_ascii: bool) -> None:
    text = json.dumps(content, ensure_ascii=is_ascii)
    read = Read("people")
    read.lines(record(text))
    assert read.taken == [("people", text.encode())]


LINES = [
    *(record(text, stream) for stream in ("people", "orders", "unknown", "later") for text in ("{}", '{"id": 1.10}')),
    SCHEMA.replace(b"people", b"later"),
    STATE,
    b"",
    b" \r",
    record("{}") + b"\r",
    b" " + record("{}"),
    record("null"),
    record('"\xff"'),
    record("NaN"),
    record('"\\ud83d"'),
    record("1e9999999999999999999999"),
    b'{"record":{},"stream":"people","type":"RECORD","more":[{}]}',
    b'{"type":"RECORD","stream":"people"}',
    b'{"type":"RECORD","stream":"people","record":{},"stream":"orders"}',
]
ODD_LINES = [
    record("{}") + record("{}"),
    record("{}") + b" " + STATE,
    record("{}") + b",",
    record("{}")[:-1],
    b'{"stream":"people","record":{}}',
    b'{"type":"LOG"}',
    b"[]",
    b"\xff",
]
splits = st.lists(st.integers(0, 2000), max_size=30)


def told(pieces: Iterable[bytes]) -> tuple[list[Any], dict[str, int] | None, str]:
    """All that a reader handed on, in order; its counts, and how it ended."""
    reader = MessageReader()
    log: list[Any] = []

    def taker(name: str) -> Any:
        return lambda records: log.extend((name, bytes(each)) for each in records)

    def call(message: dict[str, Any]) -> None:
        log.append(repr(message))
        if message["type"] == "SCHEMA":
            reader.takers[message["stream"]] = taker(message["stream"])

    reader.takers = {name: taker(name) for name in ("people", "orders")}
    try:
        counts = reader.process_lines(
            cast("IO[bytes]", Pieces(*pieces)), dict.fromkeys(("SCHEMA", "RECORD", "STATE"), call)
        )
    except InputError as error:
        return log, None, str(error)
    return log, dict(counts), ""


@given(
    st.lists(st.sampled_from(LINES) | st.sampled_from(LINES[:2]), max_size=20),
    st.none() | st.sampled_from(ODD_LINES),
    st.lists(st.sampled_from(LINES), max_size=4),
    splits,
    st.booleans(),
)
@example([LINES[0], LINES[0]], ODD_LINES[0], [b""], [len(LINES[0]) + 1], True)
@example([LINES[0]], None, [b"", b""], [len(LINES[0]) + 1], True)
def test_law_that_it_does_not_matter_how_lines_arrive(
    before: list[bytes], odd: bytes | None, after: list[bytes], at: list[int], has_end: bool
) -> None:
    """Invariant 6: the same is taken in the same order, counted and complained of, however the input is cut."""
    lines = [*before, *([] if odd is None else [odd]), *after]
    content = b"\n".join(lines) + (b"\n" if has_end else b"")
    cuts = [0, *sorted(min(place, len(content)) for place in at), len(content)]
    one_by_one = told(re.findall(rb"[^\n]*\n|[^\n]+", content))
    assert told(content[start:end] for start, end in itertools.pairwise(cuts)) == one_by_one
    assert told([content]) == one_by_one
