"""Decoding: every value arrives, both engines agree, and what is not whole is refused for the right reason."""

from __future__ import annotations

import io
import math
import struct
from collections import Counter
from typing import Any

import cramjam
import fastavro
import hypothesis.strategies as st
import pytest
from braze_sandbox.currents import schemas as braze
from braze_sandbox.currents.filler import record
from braze_sandbox.currents.writing import avro_file
from hypothesis import example, given
from tap_braze_currents.compiled_decoding import compile_decoder
from tap_braze_currents.container import UnreadableFileError, read_frame, read_header
from tap_braze_currents.decoding import decode, peek_schema
from tap_braze_currents.events import as_record, columns_of_class
from tap_braze_currents.floating import shortest
from tap_braze_currents.general_decoding import general_decoder
from tap_braze_currents.lineage import LINEAGE_SCHEMA, column_name

CODECS = ["null", "deflate", "snappy", "zstandard"]
FLAT = {
    "type": "record",
    "name": "E",
    "fields": [{"name": "id", "type": "string"}, {"name": "n", "type": ["null", "long"]}],
}
EVENTS = [{"id": f"event {number} ü", "n": number if number % 3 else None} for number in range(2_000)]


def fields(events: list[Any]) -> list[dict[str, Any]]:
    """Return events as dicts of their fields alone."""
    return [{name: value for name, value in as_record(event).items() if name not in LINEAGE_SCHEMA} for event in events]


def read(data: bytes, size: int | None = None) -> list[dict[str, Any]]:
    """Return all records of a file."""
    return [event for block in decode(data, size).blocks() for event in fields(block)]


def reason(data: bytes, size: int | None = None) -> str:
    """Return why a file is refused."""
    with pytest.raises(UnreadableFileError) as caught:
        read(data, size)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def block_bytes(schema: dict[str, Any], records: list[Any]) -> bytes:
    """Return the bytes of values as they stand in a block."""
    stream = io.BytesIO()
    for each in records:
        fastavro.schemaless_writer(stream, schema, each)
    return stream.getvalue()


def encoded(number: int) -> bytes:
    """Return a number as Avro has it."""
    return block_bytes({"type": "long"}, [number])


def written(schema: dict[str, Any], records: list[Any], codec: str = "null") -> bytes:
    """Return a file; fastavro writes zstandard only with a package of its own."""
    if codec != "zstandard":
        return avro_file(schema, records, codec)
    plain = avro_file(schema, records, "null")
    header = read_header(plain)
    meta = {"avro.schema": header.schema_text.encode(), "avro.codec": codec.encode()}
    start = io.BytesIO()
    fastavro.schemaless_writer(start, {"type": "map", "values": "bytes"}, meta)
    parts = [b"Obj\x01", start.getvalue(), header.sync]
    for block in read_frame(plain, header):
        packed = bytes(cramjam.zstd.compress(plain[block.start : block.end]))
        parts += [encoded(block.records), encoded(len(packed)), packed, header.sync]
    return b"".join(parts)


def known_schemas() -> list[Any]:
    """Return all schemas of Braze's that are known, of each type and time."""
    return [
        pytest.param(schema, id=f"{event_type}-{when}")
        for event_type in braze.event_types()
        for when, schema in {
            "newest": braze.avro_schema(event_type),
            "2021-06": braze.connect_schema(event_type),
            **braze.old_schemas(event_type),
        }.items()
    ]


# Braze's events


@pytest.mark.parametrize("schema", known_schemas())
def test_every_field_of_every_event_type_arrives_through_the_compiled_decoder(schema: dict[str, Any]) -> None:
    events = [record(schema, number) for number in range(4)]
    data = avro_file(schema, events)

    decoded = decode(data, len(data))

    assert decoded.is_compiled
    assert decoded.writer_schema == schema
    assert decoded.codec == "null"
    assert decoded.record_count == len(events)
    assert read(data, len(data)) == [
        {field["name"]: short(each[field["name"]], field["type"]) for field in schema["fields"]} for each in events
    ]


def short(value: Any, avro_type: Any) -> Any:
    """Return a value as it comes back: of a float what 32 bits keep of it, in its fewest digits."""
    if isinstance(value, float) and "float" in str(avro_type):
        return shortest(struct.unpack("<f", struct.pack("<f", value))[0], "", Counter())
    return value


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_and_any_number_of_blocks(codec: str) -> None:
    data = written(FLAT, EVENTS, codec)
    decoded = decode(data, len(data))
    assert (decoded.codec, decoded.record_count) == (codec, len(EVENTS))
    assert len(list(decoded.blocks())) > 1
    assert read(data, len(data)) == EVENTS


def test_a_price_is_what_it_was() -> None:
    schema = {"type": "record", "name": "E", "fields": [{"name": "price", "type": ["null", "float"]}]}
    prices = [12.34, 0.1, 40.7634, -73.98577, 1e10, 0.0, 16777216.0, None]
    assert [each["price"] for each in read(avro_file(schema, [{"price": price} for price in prices]))] == prices


def test_numbers_that_json_does_not_have_are_null_and_counted() -> None:
    kinds = {"f": "float", "d": "double"}
    schema = {"type": "record", "name": "E", "fields": [{"name": name, "type": kinds[name]} for name in kinds]}
    odd = [math.nan, math.inf, -math.inf, 1.5]
    decoded = decode(avro_file(schema, [{"f": number, "d": number} for number in odd]))
    assert [each["f"] for block in decoded.blocks() for each in fields(block)] == [None, None, None, 1.5]
    assert decoded.not_finite == {"f": 3, "d": 3}


def test_a_file_without_events_has_none() -> None:
    data = avro_file(FLAT, [])
    assert read(data, len(data)) == []


# Files that are not whole


def test_an_empty_file_is_refused() -> None:
    assert reason(b"", 0) == "empty"


@pytest.mark.parametrize("data", [b"{}", b"PK\x03\x04 a zip", b"Obj\x02" + bytes(99), b"\x00"])
def test_what_is_not_avro_is_refused(data: bytes) -> None:
    assert reason(data) == "not an Avro file"


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_cut_anywhere_is_refused_before_its_first_event(codec: str) -> None:
    data = written(FLAT, EVENTS[:1_500], codec)
    header = read_header(data)
    blocks = read_frame(data, header)
    for end in {*range(1, header.end + 40), *range(blocks[0].end - 4, blocks[0].end + 40), *range(1, len(data), 97)}:
        with pytest.raises(UnreadableFileError) as caught:
            decode(data[:end], len(data))
        if end < header.end:
            assert caught.value.reason == "cut in the header"
        elif any(block.end <= end < block.end + 16 for block in blocks):
            assert caught.value.reason == "cut in a sync marker"
        elif end in {header.end, *(block.end + 16 for block in blocks)}:
            assert caught.value.reason == "cut between two blocks"
        else:
            assert caught.value.reason == "cut in a block"


def test_a_cut_between_two_blocks_is_what_only_the_size_tells() -> None:
    data = avro_file(FLAT, EVENTS)
    header = read_header(data)
    first, *_ = read_frame(data, header)
    cut = data[: first.end + 16]
    assert read(cut) == EVENTS[: first.records]
    assert list(fastavro.reader(io.BytesIO(cut))) == EVENTS[: first.records]  # nor would fastavro notice
    assert reason(cut, len(data)) == "cut between two blocks"


def test_a_file_longer_than_listed_is_refused() -> None:
    data = avro_file(FLAT, EVENTS[:3])
    assert reason(data, len(data) - 1) == "longer than the bucket's listing says"


def test_a_wrong_sync_marker_is_refused() -> None:
    data = avro_file(FLAT, EVENTS[:3])
    assert reason(data[:-1] + bytes([data[-1] ^ 1]), len(data)) == "a sync marker that is not the file's"


def test_an_unknown_codec_is_refused() -> None:
    data = avro_file(FLAT, EVENTS[:3], "deflate").replace(b"\x0edeflate", b"\x0eunknown")
    assert reason(data, len(data)) == "compressed by a codec that is not supported"


@pytest.mark.parametrize("codec", CODECS[1:])
def test_damaged_compressed_data_is_refused(codec: str) -> None:
    data = bytearray(written(FLAT, EVENTS[:1_500], codec))
    block = read_frame(bytes(data), read_header(bytes(data)))[0]
    data[block.start : block.start + 8] = b"\xff" * 8
    assert reason(bytes(data), len(data)) == f"damaged in a block ({codec})"


def test_a_snappy_block_with_another_checksum_is_refused() -> None:
    data = bytearray(avro_file(FLAT, EVENTS[:3], "snappy"))
    data[-17] ^= 1  # the last byte before the marker
    assert reason(bytes(data), len(data)) == "damaged in a block (snappy)"


def test_a_deflated_block_that_ends_too_early_is_refused() -> None:
    whole = avro_file(FLAT, EVENTS[:3], "deflate")
    header = read_header(whole)
    block = read_frame(whole, header)[0]
    content = whole[block.start : block.end - 8]
    data = whole[: header.end] + bytes([6]) + encoded(len(content)) + content + header.sync
    assert reason(data, len(data)) == "damaged in a block (deflate)"


def test_a_count_of_more_events_than_bytes_is_refused() -> None:
    whole = avro_file(FLAT, EVENTS[:1])
    header = read_header(whole)
    data = whole[: header.end] + b"\xfe\xff\xff\xff\xff\x7f\x00" + header.sync
    assert reason(data, len(data)) == "damaged in a block: more records than bytes"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("{", "a schema that is not JSON"),
        ("[" * 100_000, "a schema that is not JSON"),
        ('"string"', "a schema that is not of records"),
        ('{"type": "record", "name": "E"}', "a schema that is not Avro's"),
        ('{"type": "record", "name": "E", "fields": [{"name": "a", "type": "text"}]}', "a schema that is not Avro's"),
        ('{"type": "record", "name": "E", "fields": [{"type": "int"}]}', "a schema that is not Avro's"),
        ('{"type": "record", "name": "E", "fields": 7}', "a schema that is not Avro's"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(schema: str, expected: str) -> None:
    header = io.BytesIO()
    fastavro.schemaless_writer(header, {"type": "map", "values": "bytes"}, {"avro.schema": schema.encode()})
    data = b"Obj\x01" + header.getvalue() + bytes(16)
    assert reason(data, len(data)) == expected


@pytest.mark.parametrize(
    ("avro_type", "data"),
    [
        ("string", b"\x01"),  # a negative length, in one byte
        ("string", b"\x81\x01"),  # and in two
        ("string", b"\x04a"),
        ("string", b"\x02\xff"),  # not UTF-8
        ("string", b"\x02ab"),  # something behind it
        ("string", b""),
        (["null", "string"], b"\x04"),  # a branch that there is not
        (["null", "string"], b"\x01"),
        (["string", "null"], b"\x02\x00"),
        ("boolean", b"\x02"),
        ("float", b"\x00\x00"),
        ("double", bytes(7)),
        ("long", b"\x80\x80"),
        ("long", b"\xff" * 9 + b"\x7f"),  # more than 64 bits
        ({"type": "array", "items": "string"}, b"\x02\x00"),
    ],
)
def test_bytes_that_are_no_event_are_refused_by_either_engine(avro_type: Any, data: bytes) -> None:
    schema = {"type": "record", "name": "E", "fields": [{"name": "a", "type": avro_type}]}
    compiled = compile_decoder(schema)
    assert compiled
    with pytest.raises((ValueError, IndexError, struct.error)):
        compiled(data, 1, Counter())
    if avro_type != "boolean" and len(data) < 10:  # of which fastavro takes anything
        with pytest.raises((ValueError, IndexError, EOFError)):
            general_decoder(schema)(data, 1, Counter())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"\x02\x01", "damaged in the header"),  # a name of a negative length
        (b"\xff" * 9 + b"\x7f", "damaged in the header"),
        (b"\x00" + bytes(16), "damaged in the header"),  # no schema
        (b"\x02\xfe\xff\x7f", "cut in the header"),
    ],
)
def test_a_damaged_header_is_refused(header: bytes, expected: str) -> None:
    assert reason(b"Obj\x01" + header) == expected


@pytest.mark.parametrize("block", [b"\x01\x00", b"\x00\x01", b"\xff" * 9 + b"\x7f\x00"])
def test_a_block_of_impossible_size_is_refused(block: bytes) -> None:
    data = avro_file(FLAT, [])
    sync = read_header(data).sync
    assert reason(data[: read_header(data).end] + block + sync) == "damaged in a block"


def test_a_header_may_say_its_size() -> None:
    whole = avro_file(FLAT, EVENTS[:3])
    end = read_header(whole).end
    meta = whole[5 : end - 17]  # between the number of entries and the end of them
    data = b"Obj\x01" + encoded(-1) + encoded(len(meta)) + meta + whole[end - 17 :]
    assert read(data, len(data)) == EVENTS[:3]


@given(st.data())
def test_damage_is_never_accepted_where_fastavro_would_refuse_it(drawn: st.DataObject) -> None:
    schema, records = drawn.draw(flat_schemas_with_records())
    data = bytearray(block_bytes(schema, records))
    for _ in range(drawn.draw(st.integers(1, 3))):
        data[drawn.draw(st.integers(0, len(data) - 1))] = drawn.draw(st.sampled_from([0, 1, 2, 3, 4, 127, 128, 255]))
    compiled = compile_decoder(schema)
    assert compiled
    try:
        events = compiled(bytes(data), len(records), Counter())
    except (ValueError, IndexError, struct.error):
        return
    assert fields(events) == fields(general_decoder(schema)(bytes(data), len(records), Counter()))


# Both engines


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(codec="utf-8"), max_size=200),
    "int": st.integers(-(2**31), 2**31 - 1) | st.integers(1_600_000_000, 1_600_000_009),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "boolean": st.booleans(),
}
NAMES = st.sampled_from(
    ["id", "data", "at", "v0", "class", "None", "events", "time", "time_at", "_braze_hour", "Event"]
)


@st.composite
def flat_types(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    """Make a type that the compiled decoder can do, and its values."""
    name = draw(st.sampled_from(sorted(SCALARS)))
    avro_type: Any = {"type": name, "connect.doc": "wrapped"} if draw(st.booleans()) else name
    values = SCALARS[name]
    if draw(st.integers(0, 3)) == 0:
        if draw(st.booleans()):
            avro_type, values = nullable(draw, avro_type, values)
        avro_type, values = {"type": "array", "items": avro_type}, st.lists(values, max_size=4)
    return nullable(draw, avro_type, values) if draw(st.booleans()) else (avro_type, values)


def nullable(draw: st.DrawFn, avro_type: Any, values: st.SearchStrategy[Any]) -> tuple[Any, st.SearchStrategy[Any]]:
    """Make a union of a type and null, in either order."""
    union = ["null", avro_type] if draw(st.booleans()) else [avro_type, "null"]
    return union, st.none() | values


@st.composite
def flat_schemas_with_records(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make a flat schema and records of it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    types = {name: draw(flat_types()) for name in names}
    schema = {"type": "record", "name": "E", "fields": [{"name": name, "type": types[name][0]} for name in names]}
    records = st.fixed_dictionaries({name: values for name, (_, values) in types.items()})
    return schema, draw(st.lists(records, min_size=1, max_size=5))


@given(flat_schemas_with_records(), st.sampled_from(CODECS))
def test_both_engines_make_the_same_of_any_flat_schema(
    flat: tuple[dict[str, Any], list[dict[str, Any]]], codec: str
) -> None:
    schema, records = flat
    data = written(schema, records, codec)
    decoded = decode(data, len(data))
    assert decoded.is_compiled
    events = [event for block in decoded.blocks() for event in block]
    assert columns_of_class(type(events[0]))[: len(schema["fields"])] == tuple(
        column_name(field["name"]) for field in schema["fields"]
    )

    not_finite: Counter[str] = Counter()
    general = general_decoder(schema)(block_bytes(schema, records), len(records), not_finite)
    # By repr: it tells 1 from True and 0.0 from -0.0.
    assert repr([as_record(event) for event in events]) == repr([as_record(event) for event in general])
    assert decoded.not_finite == not_finite


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(12.34)
@example(3.4028234663852886e38)
@example(1.401298464324817e-45)
@example(8.5e-43)
def test_the_shortest_number_is_the_same_in_32_bits_and_none_is_shorter(number: float) -> None:
    number = struct.unpack("<f", struct.pack("<f", number))[0]
    short_number = shortest(number, "f", Counter())
    assert short_number is not None
    assert struct.pack("<f", short_number) == struct.pack("<f", number)
    if abs(number) < 1.2e-38:
        return  # subnormal numbers have fewer digits than others, and six of them do no harm
    fewest = next(
        candidate
        for candidate in (float(f"{number:.{digits}g}") for digits in range(1, 10))
        if abs(candidate) < 3.40282356e38 and struct.pack("<f", candidate) == struct.pack("<f", number)
    )
    assert repr(short_number) == repr(fewest)


def test_an_array_may_come_in_parts_with_their_sizes() -> None:
    schema = {
        "type": "record",
        "name": "E",
        "fields": [{"name": "a", "type": {"type": "array", "items": "string"}}, {"name": "b", "type": "boolean"}],
    }
    data = b"\x01\x04\x02x" + b"\x02\x02y" + b"\x00" + b"\x01"  # -1 item of 2 bytes, 1 item, the end, true
    compiled = compile_decoder(schema)
    assert compiled
    assert fields(compiled(data, 1, Counter())) == [{"a": ["x", "y"], "b": True}]


def test_rare_types_come_out_as_json_has_them() -> None:
    point = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "float"}]}
    schema = {
        "type": "record",
        "name": "E",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "raw", "type": "bytes"},
            {"name": "hash", "type": {"type": "fixed", "name": "H", "size": 2}},
            {"name": "kind", "type": ["null", {"type": "enum", "name": "K", "symbols": ["A", "B"]}]},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
            {"name": "where", "type": ["null", point]},
            {"name": "again", "type": {"type": "array", "items": "Point"}},
            {"name": "prices", "type": {"type": "map", "values": "float"}},
            {"name": "any", "type": ["null", "boolean", "int", "string", "float"]},
            {"name": "only", "type": ["string"]},
            {"name": "nothing", "type": "null"},
        ],
    }
    usual = {
        "id": "1",
        "raw": b"\x00\xff",
        "hash": b"ab",
        "kind": "B",
        "day": 20_000,
        "where": {"x": 12.34},
        "again": [{"x": 0.1}],
        "prices": {"p": 12.34},
        "only": "s",
        "nothing": None,
    }
    decoded = decode(avro_file(schema, [usual | {"any": value} for value in (None, True, 7, "text", 0.1)]))
    assert not decoded.is_compiled
    records = [each for block in decoded.blocks() for each in fields(block)]
    assert [each.pop("any") for each in records] == [None, True, 7, "text", 0.1]
    assert records == [usual | {"raw": "AP8=", "hash": "YWI="}] * 5


@pytest.mark.parametrize(
    "avro_type",
    [
        ["null", "string", "int"],
        ["string"],
        ["null", "null"],
        "null",
        "bytes",
        {"type": "map", "values": "string"},
        {"type": "array", "items": {"type": "array", "items": "int"}},
        {"type": "enum", "name": "K", "symbols": ["A"]},
    ],
)
def test_what_is_not_flat_is_not_compiled(avro_type: Any) -> None:
    assert compile_decoder({"type": "record", "name": "E", "fields": [{"name": "a", "type": avro_type}]}) is None


def test_field_names_cannot_become_code() -> None:
    name = "a'] = print('hello') # {not_finite}"
    compiled = compile_decoder({"type": "record", "name": "E", "fields": [{"name": name, "type": "float"}]})
    assert compiled
    not_finite: Counter[str] = Counter()
    assert fields(compiled(struct.pack("<f", math.nan), 1, not_finite)) == [{name: None}]
    assert not_finite == {name: 1}


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", 7])
def test_field_names_that_no_json_could_hold_as_they_are_are_refused(name: Any) -> None:
    schema = {"type": "record", "name": "E", "fields": [{"name": name, "type": "float"}]}
    assert compile_decoder(schema) is None
    with pytest.raises(UnreadableFileError, match="a schema that is not Avro's"):
        general_decoder(schema)


# The beginning of a file


def test_the_schema_is_in_the_first_bytes() -> None:
    schema = braze.avro_schema("users.messages.email.Click")
    data = avro_file(schema, [record(schema)])
    end = read_header(data).end
    assert peek_schema(data[:16_384]) == schema
    assert peek_schema(data[:end]) == schema
    assert all(peek_schema(data[:length]) is None for length in range(end))


def test_the_beginning_of_what_is_not_avro_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="not an Avro file"):
        peek_schema(b"<html>")
