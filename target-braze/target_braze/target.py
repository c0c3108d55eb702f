"""The Singer target: command line, settings, signals; ties the reader, the sinks and the run together."""

from __future__ import annotations

import json
import signal
import sys
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.target_base import Target

from target_braze import sandbox
from target_braze.errors import AudienceError, DeliveryError, TerminatedError
from target_braze.outcome import outcome_lines
from target_braze.reader import MessageReader
from target_braze.run import Run
from target_braze.settings import CONFIG, Settings, read_settings
from target_braze.sink import BrazeSink

if TYPE_CHECKING:
    from types import FrameType


class TargetBraze(Target):
    """Delivers attributes, events and purchases from any Singer tap to Braze, with one outcome for every record."""

    name = "target-braze"
    package_name = "target-braze"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = BrazeSink
    message_reader_class = MessageReader
    message_reader: MessageReader

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.message_reader.catch_up = self._catch_up
        self.message_reader.before_waiting = self._before_waiting
        self.message_reader.on_interruption = self._interrupted
        # Nothing is to be drained; and a signal while the SDK starts a pool of threads for it would end the run with
        # that pool's error in place of the reason.
        self.max_parallelism = 1
        self._is_ending = False
        self._is_woken = False

    @cached_property
    def settings(self) -> Settings:
        """The settings, checked.

        Raises:
            SettingsError: If they make no sense.
        """
        return read_settings(self.config)

    @cached_property
    def run(self) -> Run:
        """The run; it begins when it is first asked for."""
        settings, endpoint = self.settings, self.settings.base_url
        if endpoint is None:
            address = sandbox.found_sandbox() if settings.dry_run else sandbox.running_sandbox()
            # a dry run starts nothing; where none runs the ledger is empty, as the sandbox would be
            settings = settings.in_workspace(sandbox.workspace(address) if address else sandbox.NONE)
            endpoint = address or ""
        return Run(settings, endpoint, self._write_state_message, self._wake)

    # Messages

    def _catch_up(self) -> None:
        """Let nothing overtake the records that wait to be mapped."""
        if "run" in self.__dict__:
            self.run.ahead.catch_up()

    def _before_waiting(self) -> None:
        """Leave nothing undone that needs no more records."""
        self._catch_up()
        if "run" in self.__dict__:
            self.run.rest()

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        stream = message_dict["stream"]
        self.message_reader.takers.pop(stream, None)
        [*maps] = self.mapper.stream_maps[stream]
        if len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled:
            sink = self.get_sink(stream)
            assert isinstance(sink, BrazeSink)
            self.message_reader.takers[stream] = sink.take

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_schema_came(message_dict, {"stream", "encoding", "manifest"})
        super()._process_batch_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_schema_came(message_dict, {"stream", "version"})
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            self.get_sink(stream_map.stream_alias).activate_version(message_dict["version"])

    def _assert_schema_came(self, message_dict: dict[str, Any], requires: set[str]) -> None:
        """Say so if there is no schema for a message, as the SDK does for records alone."""
        self._assert_line_requires(message_dict, requires)
        if message_dict["stream"] not in self.mapper.stream_maps:
            self._assert_sink_exists(message_dict["stream"])

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Leave it to the run, which knows what has been delivered; the SDK would emit it after its own drain."""
        self._assert_line_requires(message_dict, requires={"value"})
        self.run.receive(message_dict["value"])

    def _write_state_message(self, state: Any) -> None:
        try:
            left = memoryview((json.dumps(state, default=float) + "\n").encode())
            while left:  # with PYTHONUNBUFFERED it is a raw file, whose write a signal can cut short
                left = left[sys.stdout.buffer.write(left) :]
            sys.stdout.buffer.flush()
        except OSError as error:
            raise DeliveryError(
                f"STATE cannot be passed on ({error.strerror}): whoever started this target is gone. Run it again."
            ) from None

    def _handle_max_record_age(self) -> None:
        """Nothing: no record waits in a sink, and requests must not depend on the clock (invariant 6)."""

    # Ends

    def process_endofpipe(self) -> None:
        """Deliver what is left, and say what became of every record."""
        try:
            super().process_endofpipe()
            summary = self.run.finish()
        except BaseException:
            self._interrupted()
            raise
        self._log_outcome(summary)
        if self.run.audiences is not None and self.run.audiences.question is not None:
            raise AudienceError(self.run.audiences.question)

    def _interrupted(self) -> None:
        """Let what is in flight finish and acknowledge what is safe; what interrupted goes on by itself."""
        if self._is_ending or "run" not in self.__dict__:
            return
        self._is_ending = True
        self.logger.info("Ending before the end of the input; requests in flight are finished first.")
        self._log_outcome(self.run.abandon())

    def _log_outcome(self, summary: dict[str, Any]) -> None:
        for line in outcome_lines(summary, self.run.summary_path):
            self.logger.info("%s", line)

    def _wake(self) -> None:
        """Get the reading thread out of waiting for the tap when delivery gave up: it might wait for hours."""
        main = threading.main_thread()
        if signal.getsignal(signal.SIGTERM) == self._handle_termination and main.ident is not None:
            self._is_woken = True
            signal.pthread_kill(main.ident, signal.SIGTERM)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Leave the reading loop, nothing more.

        The SDK drains from here, inside whatever was interrupted, and so acknowledges records that are not delivered
        (https://github.com/meltano/sdk/issues/3775). Here reading ends: no STATE that covers what was read and not
        yet packed can come any more.
        """
        if self._is_woken:
            self._is_woken = False
            if not self._is_ending and self.run.failure is not None:
                raise self.run.failure
            return
        raise TerminatedError(signum)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that mean something here: not those of tables, batches and its own validation."""
        super().append_builtin_config(config_jsonschema)
        for name in ("add_record_metadata", "load_method", "batch_size_rows", "validate_records"):
            config_jsonschema["properties"].pop(name, None)
