from __future__ import annotations

import contextlib
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.helpers._batch import StorageTarget
from target_braze.errors import InputError
from target_braze.sink import HEAP_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["external_id"],
    "schema": {
        "type": "object",
        "properties": {"external_id": {"type": "string"}, "plan": {"type": ["string", "null"]}},
    },
}
STATE = {"type": "STATE", "value": {"bookmark": 1}}


def record(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": {"external_id": name, "plan": "gold", **fields}}


def read(target: Any, *messages: Any) -> None:
    """Let a target read messages, each an object or the bytes of a line."""
    lines = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
    target.process_lines(io.BytesIO(b"\n".join(lines)))


def finish(target: Any) -> dict[str, Any]:
    target.process_endofpipe()
    summary: dict[str, Any] = json.loads(target.run.summary_path.read_text())
    return summary


def batch(*paths: Path | str, **encoding: Any) -> dict[str, Any]:
    manifest = [path if isinstance(path, str) else path.as_uri() for path in paths]
    return {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl", **encoding}, "manifest": manifest}


def write_lines(path: Path, *names: str) -> Path:
    lines = b"".join(json.dumps(record(name)["record"]).encode() + b"\n" for name in names)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def test_records_become_objects(new_target: Any, braze: Any) -> None:
    target = new_target()
    read(target, SCHEMA, record("a"), record("b", plan=None), STATE)
    summary = finish(target)
    (call,) = braze.calls
    assert json.loads(call.body) == {
        "attributes": [{"external_id": "a", "plan": "gold"}, {"external_id": "b", "plan": None}]
    }
    assert (summary["records"], summary["delivered"]) == (2, 2)


def test_records_before_one_that_ends_the_run_are_taken(new_target: Any) -> None:
    """However many lines arrived at once."""
    target = new_target(max_objects_per_request=2)
    bad = b'{"type":"RECORD","stream":"people","record":{"plan":"gold"}}'
    with pytest.raises(MissingKeyPropertiesError):
        read(target, SCHEMA, *(record(name) for name in "abcde"), bad, record("f"))
    assert target.run._packer.position == 5


def test_digits_survive(new_target: Any, braze: Any) -> None:
    schema = {**SCHEMA, "schema": {"properties": {"external_id": {"type": "string"}, "n": {"type": "number"}}}}
    target = new_target()
    read(target, schema, b'{"type":"RECORD","stream":"people","record":{"external_id":"a","n":68.41}}')
    finish(target)
    assert braze.calls[0].body == b'{"attributes":[{"external_id":"a","n":68.41}]}'


@pytest.mark.parametrize("column", ["external_id", "plan"])
def test_a_record_without_a_key_property_ends_the_run(new_target: Any, column: str) -> None:
    """Whether its record could be mapped without it or not."""
    message = record("secret")
    del message["record"][column]
    target = new_target()
    with pytest.raises(
        MissingKeyPropertiesError, match=rf"stream 'people' lacks its key property '{column}'"
    ) as caught:
        read(target, {**SCHEMA, "key_properties": ["external_id", "plan"]}, record("a"), message)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["null", "17", '"external_id"', '["external_id"]', "[]"])
def test_a_record_that_is_no_object_ends_the_run_with_a_message(new_target: Any, text: str) -> None:
    target = new_target()
    line = f'{{"type":"RECORD","stream":"people","record":{text}}}'
    with pytest.raises(InputError, match="A record of stream 'people' is not an object"):
        read(target, SCHEMA, line.encode())


def test_bytes_that_are_no_utf8_cost_the_value_alone(new_target: Any, braze: Any) -> None:
    target = new_target()
    read(target, SCHEMA, json.dumps(record("a")).encode().replace(b"gold", b"g\xffld"), record("b"))
    summary = finish(target)
    assert braze.names == ["b"]
    assert summary["records"] == summary["delivered"] + summary["rejected"] == 2


def test_a_record_that_only_python_reads_costs_the_value_alone(new_target: Any, braze: Any) -> None:
    target = new_target()
    read(target, SCHEMA, json.dumps(record("a", score=float("nan"))).encode(), record("b"))
    summary = finish(target)
    assert sorted(braze.names) == ["a", "b"]
    assert sum(summary["rejections"].values()) == 1


@pytest.mark.parametrize("name", ["people.jsonl", "people.jsonl.gz"])
def test_batch_files(new_target: Any, braze: Any, tmp_path: Path, name: str) -> None:
    first = write_lines(tmp_path / f"1-{name}", "a", "b")
    second = write_lines(tmp_path / f"2-{name}", "c")
    compression = {"compression": "gzip"} if name.endswith(".gz") else {"compression": "none"}
    target = new_target()
    read(target, SCHEMA, record("0"), batch(first, second, **compression), record("d"), STATE)
    summary = finish(target)
    assert braze.names == ["0", "a", "b", "c", "d"]
    assert (summary["records"], summary["delivered"]) == (5, 5)


def test_batch_files_without_compression_named(new_target: Any, braze: Any, tmp_path: Path) -> None:
    target = new_target()
    read(target, SCHEMA, batch(write_lines(tmp_path / "people.jsonl", "a")))
    finish(target)
    assert braze.names == ["a"]


def test_blank_lines_of_batch_files_are_passed_over(new_target: Any, braze: Any, tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_bytes(b'\n{"external_id":"a","plan":"x"}\n \n{"external_id":"b","plan":"x"}')
    target = new_target()
    read(target, SCHEMA, batch(tmp_path / "people.jsonl"))
    finish(target)
    assert braze.names == ["a", "b"]


def test_batch_files_are_sent_while_they_are_read(new_target: Any, braze: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their memory does not grow with them: the SDK would read a whole file first."""

    def lines() -> Iterator[bytes]:
        for number in range(HEAP_RECORDS):  # which are more than fit into a request
            yield json.dumps(record(str(number))["record"]).encode()
        braze.wait_for(lambda: braze.calls)
        yield b'{"external_id":"last","plan":"x"}'

    @contextlib.contextmanager
    def open_slowly(*_: Any, **__: Any) -> Iterator[Any]:
        yield lines()

    monkeypatch.setattr(StorageTarget, "open", open_slowly)
    target = new_target()
    read(target, SCHEMA, batch("file:///somewhere/people.jsonl"))
    assert finish(target)["delivered"] == HEAP_RECORDS + 1


def test_batch_files_in_another_format(new_target: Any) -> None:
    target = new_target()
    with pytest.raises(InputError, match=r"'parquet'; only jsonl.*batch_config"):
        read(target, SCHEMA, batch("file:///somewhere/people.parquet", format="parquet"))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(None, "people.jsonl.gz", id="not there"),
        pytest.param(b"no gzip", "people.jsonl.gz", id="no gzip"),
        pytest.param(gzip.compress(b'{"external_id":"a","plan":"x"}\n' * 99)[:-9], "people.jsonl.gz", id="cut off"),
        pytest.param(gzip.compress(b"x" * 99)[:12] + b"\xff" * 40, "people.jsonl.gz", id="broken"),
    ],
)
def test_batch_files_that_cannot_be_read_end_the_run_with_a_message(
    new_target: Any, tmp_path: Path, content: bytes | None, name: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    target = new_target()
    with pytest.raises(InputError, match=rf"The batch file {name} of stream 'people' cannot be read to its end"):
        read(target, SCHEMA, batch(tmp_path / name, compression="gzip"))


@pytest.mark.parametrize("line", [b"secret", b'["secret"]', b'{"external_id":"secret"'])
def test_a_line_of_a_batch_file_that_is_no_record(new_target: Any, tmp_path: Path, line: bytes) -> None:
    (tmp_path / "people.jsonl").write_bytes(line)
    target = new_target()
    with pytest.raises(InputError, match="A record of stream 'people' is not an object") as caught:
        read(target, SCHEMA, batch(tmp_path / "people.jsonl"))
    assert "secret" not in str(caught.value)


def test_a_state_after_a_batch_waits_for_its_records(
    new_target: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Invariant 1."""
    target = new_target()
    read(target, SCHEMA, batch(write_lines(tmp_path / "people.jsonl", "a")), STATE)
    assert capsys.readouterr().out == ""
    finish(target)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [STATE["value"]]


def test_there_is_never_anything_to_drain(new_target: Any) -> None:
    """Else the SDK would deliver and acknowledge on its own account."""
    target = new_target()
    read(target, SCHEMA, *[record(str(number)) for number in range(20)])
    sink = target.get_sink("people")
    assert sink.current_size == 0
    assert not sink.is_full
    assert sink.get_validator() is None


@pytest.mark.parametrize(
    "literal", ["1e9999999999999999999999", "-1e9999999999999999999999", "1e-9999999999999999999999"]
)
@pytest.mark.parametrize("way", ["straight", "stream maps", "batch file"])
@pytest.mark.parametrize(
    "declared",
    [
        {"type": "number"},
        {"type": "number", "multipleOf": 0.01},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "string"},
        {"type": "string", "format": "date"},
        {"type": "array"},
        {"type": "object"},
        {},
        None,
    ],
    ids=str,
)
def test_a_number_beyond_any_measure_costs_the_value_alone(
    new_target: Any,
    braze: Any,
    tmp_path: Path,
    *,
    literal: str,
    way: str,
    declared: Any,
) -> None:
    """It is beyond what a `Decimal` can be. As a double it may be so near to zero that it is zero."""
    properties = {"external_id": {"type": "string"}, "plan": {"type": "string"}, "n": declared}
    schema = {"properties": {name: each for name, each in properties.items() if each is not None}}
    odd = f'{{"external_id":"a","plan":"gold","n":{literal}}}'.encode()
    messages = [b'{"type":"RECORD","stream":"people","record":%b}' % odd, json.dumps(record("b")).encode()]
    if way == "batch file":
        (tmp_path / "people.jsonl").write_bytes(odd)
        messages[0] = json.dumps(batch(tmp_path / "people.jsonl")).encode()
    target = new_target(**({"stream_maps": {"people": {"plan": "plan"}}} if way == "stream maps" else {}))
    read(target, {**SCHEMA, "schema": schema}, *messages)
    summary = finish(target)
    assert sorted(braze.names) == ["a", "b"]
    (sent,) = (each for each in json.loads(braze.calls[0].body)["attributes"] if each["external_id"] == "a")
    is_zero = declared == {"type": "number"} and "e-" in literal and way != "stream maps"
    assert sent == {"external_id": "a", "plan": "gold", **({"n": 0.0} if is_zero else {})}
    assert (summary["delivered"], sum(summary["rejections"].values())) == (2, 0 if is_zero else 1)


@pytest.mark.parametrize("identifier", ["1e9999999999999999999999", "-1e9999999999999999999999", "NaN"])
def test_a_number_beyond_any_measure_names_nobody(new_target: Any, braze: Any, identifier: str) -> None:
    target = new_target()
    odd = b'{"type":"RECORD","stream":"people","record":{"external_id":%b,"plan":"x"}}' % identifier.encode()
    read(target, SCHEMA, odd, record("b"))
    summary = finish(target)
    assert braze.names == ["b"]
    assert summary["rejected"] == 1


@pytest.mark.parametrize("fields", [{}, {"extracted_at": None}], ids=["all sent", "a column left out"])
@pytest.mark.parametrize("name", ['with "quotes"', "back\\slash", "a\tb"])
def test_columns_with_odd_names_are_delivered(new_target: Any, braze: Any, name: str, fields: dict[str, Any]) -> None:
    properties = {"external_id": {"type": "string"}, name: {"type": "string"}, "extracted_at": {"type": "string"}}
    sent = {"external_id": "a", name: "x", **({} if fields else {"extracted_at": "now"})}
    target = new_target(streams={"people": {"fields": fields}})
    message = {**record("a"), "record": {"external_id": "a", name: "x", "extracted_at": "now"}}
    read(target, {**SCHEMA, "schema": {"properties": properties}}, message, message)
    summary = finish(target)
    assert [json.loads(call.body) for call in braze.calls] == [{"attributes": [sent]}]
    assert (summary["records"], summary["unfinished"]) == (2, 0)
