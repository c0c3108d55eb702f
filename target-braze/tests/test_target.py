from __future__ import annotations

import importlib.resources
import inspect
import io
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.sinks import Sink
from singer_sdk.target_base import Target
from singer_sdk.testing import get_target_test_class, target_test_streams
from singer_sdk.testing.runners import TargetTestRunner
from target_braze.errors import DeliveryError, InputError, SettingsError, TerminatedError
from target_braze.ledger import is_ledger
from target_braze.reader import MessageReader
from target_braze.sink import BrazeSink
from target_braze.target import TargetBraze

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["external_id"],
    "schema": {"type": "object", "properties": {"external_id": {"type": "string"}, "plan": {"type": "string"}}},
}


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": {"external_id": name, "plan": "gold", **fields}}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def read(target: TargetBraze, *messages: dict[str, Any]) -> None:
    target.process_lines(io.BytesIO(b"\n".join(json.dumps(message).encode() for message in messages)))  # type: ignore[arg-type]


def emitted(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# The SDK's own suite

SUITE_SETTINGS = {
    "api_key": "key",
    "lookalikes": "send",
    "max_rejected": "100%",
    "streams": {"*": {"fields": dict.fromkeys(["id", "Id", "_id", "object_store"], "external_id")}},
}


@pytest.mark.usefixtures("new_target")
class TestSuite(get_target_test_class(TargetBraze)):  # type: ignore[misc]
    """Every file of the SDK's suite against a Braze that says yes."""

    @pytest.fixture
    def runner(self, braze: Any, tmp_path: Path) -> TargetTestRunner:
        config = {**SUITE_SETTINGS, "base_url": braze.url, "report_path": str(tmp_path)}
        return TargetTestRunner(TargetBraze, config=config)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("array_data", "1 2 3 4"),
        ("camelcase", "1 2"),
        ("duplicate_records", "1 2"),
        ("encoded_string_data", None),
        ("multiple_state_messages", "1 2 1 3 2 4 5 3 4 5 6 6"),
        ("no_primary_keys", "1 2 3"),
        ("optional_attributes", "1 3"),
        ("pk_updates", "1 2"),
        ("record_missing_fields", "1"),
        ("schema_updates", "1 2 3 4 5 6"),
        ("special_chars_in_attributes", "a2e98886"),
    ],
)
def test_files_of_the_suite_are_delivered(new_target: Any, braze: Any, name: str, names: str | None) -> None:
    """The suite itself asks only that nothing is raised.

    A record of an identifier alone asks for nothing, and those of one person in one request become one object.
    """
    target = new_target(**SUITE_SETTINGS)
    with (importlib.resources.files(target_test_streams) / f"{name}.singer").open("rb") as file:
        target.process_lines(file)
    target.process_endofpipe()
    summary = json.loads(target.run.summary_path.read_text())
    outcomes = ("delivered", "unchanged", "held", "rejected")
    assert summary["records"] == sum(summary[outcome] for outcome in outcomes)  # invariant 8
    assert summary["unfinished"] == 0
    if names is not None:
        assert braze.names == names.split()


# STATE


def test_the_last_of_several_states_always_leaves(new_target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    target = new_target()
    read(target, SCHEMA, record("a"), state({"n": 1}), record("b"), state({"n": 2}), state({"n": 3}))
    target.process_endofpipe()
    assert emitted(capsys)[-1] == {"n": 3}


@pytest.mark.parametrize(
    "value",
    [{}, {"bookmarks": {"people": {"at": "2026-01-01", "n": 1.5, "x": [None, True, "Zoë \U0001f600"]}}}, 7],
)
def test_a_state_leaves_as_it_came(new_target: Any, capsys: pytest.CaptureFixture[str], value: Any) -> None:
    target = new_target()
    read(target, state(value))
    target.process_endofpipe()
    assert emitted(capsys) == [value]


def test_a_state_is_one_line_of_ascii(new_target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the encoding of standard output is."""
    target = new_target()
    read(target, state({"name": "Zoë\n"}))
    target.process_endofpipe()
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1


def test_a_state_that_cannot_be_written_is_an_error(new_target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.BytesIO):
        def write(self, _: Any) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    target = new_target()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed()))
    with pytest.raises(DeliveryError, match="Broken pipe"):
        target._write_state_message({})


def test_a_state_is_written_whole_though_a_signal_cuts_a_write_short(
    new_target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = bytearray()

    class Raw(io.BytesIO):
        def write(self, data: Any) -> int:
            written.extend(bytes(data[:5]))
            return min(len(data), 5)

    target = new_target()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Raw()))
    target._write_state_message({"bookmarks": {"people": 1}})
    assert json.loads(written) == {"bookmarks": {"people": 1}}


def test_a_state_without_value_is_an_error(new_target: Any) -> None:
    with pytest.raises(InputError, match="STATE message has no value"):
        read(new_target(), {"type": "STATE"})


def test_age_of_records_drains_nothing(new_target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests must not depend on the clock (invariant 6), nor STATE leave by the SDK's own drain."""
    target = new_target(stream_maps={"people": {"plan": "plan"}})
    target._MAX_RECORD_AGE_IN_MINUTES = -1.0
    read(target, SCHEMA, record("a"), state({"n": 1}), record("b"))
    assert emitted(capsys) == []


# Ways of a record


def test_usually_records_go_straight_to_the_sink(new_target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    target = new_target()
    monkeypatch.setattr(target, "_process_record_message", None)
    read(target, SCHEMA, record("a"))
    assert target.run.tally.records == 1


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        pytest.param(
            {"stream_maps": {"people": {"plan": "plan.upper()"}}},
            {"external_id": "a", "plan": "GOLD"},
            id="stream maps",
        ),
        pytest.param(
            {"flattening_enabled": True, "flattening_max_depth": 1, "streams": {"people": {"only": ["address__city"]}}},
            {"external_id": "a", "address__city": "Rome"},
            id="flattening",
        ),
    ],
)
def test_stream_maps_take_the_sdks_way(new_target: Any, braze: Any, settings: Any, sent: dict[str, Any]) -> None:
    address = {"type": "object", "properties": {"city": {"type": "string"}}}
    properties = {"external_id": {"type": "string"}, "plan": {"type": "string"}}
    nested = {"address": address} if "flattening_enabled" in settings else {}
    schema = {**SCHEMA, "schema": {"type": "object", "properties": {**properties, **nested}}}
    target = new_target(**settings)
    read(target, schema, record("a", **({"address": {"city": "Rome"}} if nested else {})))
    assert target.message_reader.takers == {}
    target.process_endofpipe()
    assert [json.loads(call.body) for call in braze.calls] == [{"attributes": [sent]}]


def test_a_stream_that_is_mapped_away_is_not_sent(new_target: Any, braze: Any) -> None:
    target = new_target(stream_maps={"people": None})
    read(target, SCHEMA, record("a"))
    target.process_endofpipe()
    assert braze.names == []


def test_a_changed_schema_counts_from_there_on(new_target: Any, braze: Any) -> None:
    properties = {"external_id": {"type": "string"}, "plan": {"type": "integer"}}
    target = new_target()
    read(target, SCHEMA, record("a", plan="7"), {**SCHEMA, "schema": {"properties": properties}}, record("b", plan="7"))
    target.process_endofpipe()
    (call,) = braze.calls
    assert [found["plan"] for found in json.loads(call.body)["attributes"]] == ["7", 7]


def test_records_before_their_schema_are_an_error(new_target: Any) -> None:
    with pytest.raises(RecordsWithoutSchemaException, match="people"):
        read(new_target(), record("a"))


def test_streams_are_summed_up_apart(new_target: Any) -> None:
    target = new_target()
    read(target, SCHEMA, record("a"), {**SCHEMA, "stream": "orders"}, {**record("b"), "stream": "orders"}, record("c"))
    target.process_endofpipe()
    streams = json.loads(target.run.summary_path.read_text())["streams"]
    assert {name: counts["delivered"] for name, counts in streams.items()} == {"people": 2, "orders": 1}


# Ends


def test_an_interruption_finishes_what_is_in_flight(
    new_target: Any, braze: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    target = new_target(max_objects_per_request=1)
    read(target, SCHEMA, record("a"), state(1), record("b"), state(2))
    braze.wait_for(lambda: braze.calls)
    with pytest.raises(InputError):
        read(target, {"type": "NONSENSE"})
    assert braze.names == ["a"]
    assert emitted(capsys) == [1]
    summary = json.loads(target.run.summary_path.read_text())
    assert (summary["delivered"], summary["unfinished"]) == (1, 1)


def test_an_interruption_at_the_end_of_the_pipe_too(
    new_target: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: Any) -> None:
        raise TerminatedError(signal.SIGTERM)

    target = new_target()
    read(target, SCHEMA, state(1), record("a"), state(2))
    monkeypatch.setattr(target, "drain_all", interrupt)
    with pytest.raises(TerminatedError):
        target.process_endofpipe()
    assert emitted(capsys) == [1]
    assert json.loads(target.run.summary_path.read_text())["unfinished"] == 1


def test_the_end_starts_no_pool_of_threads(new_target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal while one starts would hide why the run ends behind the pool's own error (vector C56)."""
    target = new_target()
    read(target, SCHEMA, record("a"))
    monkeypatch.setattr("singer_sdk.target_base.Parallel", None)
    target.process_endofpipe()
    assert json.loads(target.run.summary_path.read_text())["delivered"] == 1


def test_a_signal_while_a_line_is_logged_is_not_lost(new_target: Any) -> None:
    """What logging's handlers raise, it swallows; a run would go on until somebody kills it."""
    target = new_target()

    class Interrupted(io.StringIO):
        def write(self, _: str) -> int:
            target._handle_termination(signal.SIGTERM, None)
            return 0

    handler = logging.StreamHandler(Interrupted())
    target.logger.addHandler(handler)
    try:
        with pytest.raises(TerminatedError):
            target.logger.warning("something")
    finally:
        target.logger.removeHandler(handler)


def test_settings_are_checked_even_if_nothing_is_read(new_target: Any) -> None:
    target = new_target(api_key="")
    read(target)
    with pytest.raises(SettingsError, match="`api_key`"):
        target.process_endofpipe()


def test_the_sandbox_is_asked_for_when_the_run_begins(
    new_target: Any, braze: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def running_sandbox() -> str:
        asked.append(1)
        return str(braze.url)

    monkeypatch.setattr("target_braze.sandbox.running_sandbox", running_sandbox)
    monkeypatch.setattr("target_braze.sandbox.workspace", lambda address: "w1" if address == braze.url else "")
    target = new_target(instance="sandbox", base_url=None, api_key=None)
    assert asked == []
    read(target, SCHEMA, record("a"))
    target.process_endofpipe()
    assert asked == [1]
    assert braze.names == ["a"]
    assert is_ledger(target.settings.ledger / "w1")


# What we rely on of the SDK


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Target, "_process_schema_message", ["self", "message_dict"]),
        (Target, "_process_record_message", ["self", "message_dict"]),
        (Target, "_process_batch_message", ["self", "message_dict"]),
        (Target, "_process_activate_version_message", ["self", "message_dict"]),
        (Target, "_assert_sink_exists", ["self", "stream_name"]),
        (Target, "_process_state_message", ["self", "message_dict"]),
        (Target, "_write_state_message", ["self", "state"]),
        (Target, "_handle_max_record_age", ["self"]),
        (Target, "_handle_termination", ["self", "signum", "frame"]),
        (Target, "_assert_line_requires", ["self", "message_dict", "requires"]),
        (Target, "append_builtin_config", ["config_jsonschema"]),
        (Sink, "__init__", ["self", "target", "stream_name", "schema", "key_properties"]),
        (Sink, "_validate_and_parse", ["self", "record"]),
        (Sink, "_singer_validate_message", ["self", "record"]),
        (Sink, "_after_process_record", ["self", "context"]),
        (Sink, "process_record", ["self", "record", "context"]),
        (Sink, "process_batch", ["self", "context"]),
        (Sink, "process_batch_files", ["self", "encoding", "files"]),
        (Sink, "get_validator", ["self"]),
        (GenericSingerReader, "process_lines", ["self", "file_input", "callbacks"]),
        (GenericSingerReader, "assert_line_requires", ["line_dict", "requires"]),
    ],
)
def test_what_we_override_of_the_sdk_is_still_there(owner: type, name: str, parameters: list[str]) -> None:
    """Names with an underscore may change with any release: then this says which, and not a run."""
    ours = next(found for found in (TargetBraze, BrazeSink, MessageReader) if issubclass(found, owner))
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters
    if name not in {
        "_process_record_message",
        "_assert_line_requires",
        "_assert_sink_exists",
    }:  # those are called, not overridden
        assert list(inspect.signature(getattr(ours, name)).parameters) == parameters
        assert getattr(ours, name) is not getattr(owner, name)


def test_the_target_handles_signals(new_target: Any) -> None:
    target = new_target()
    for number in (signal.SIGINT, signal.SIGTERM):
        assert signal.getsignal(number) == target._handle_termination
        with pytest.raises(TerminatedError, match=str(int(number))):
            target._handle_termination(number, None)
