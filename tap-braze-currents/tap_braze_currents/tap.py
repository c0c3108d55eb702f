"""The Singer tap: command line, discovery, signals; ties the bucket and the streams together.

list → select → read → emit → advance
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities

from tap_braze_currents.bucket import Bucket
from tap_braze_currents.errors import IncompleteError, SettingsError, TerminatedError
from tap_braze_currents.keys import stream_name
from tap_braze_currents.settings import CONFIG, Settings, read_settings
from tap_braze_currents.streams import CurrentsStream
from tap_braze_currents.writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


class TapBrazeCurrents(Tap):
    """Reads the Avro files that Braze Currents writes to a bucket, one stream per event type, and misses none."""

    name = "tap-braze-currents"
    package_name = "tap-braze-currents"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    dynamic_catalog = True  # discovery asks the bucket: the settings must be right for it, too
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    def __init__(self, **options: Any) -> None:
        self.stopped_by: int | None = None
        self.incomplete: list[str] = []
        super().__init__(**options)

    @cached_property
    def settings(self) -> Settings:
        """The settings, checked.

        Raises:
            SettingsError: If they make no sense.
        """
        return read_settings(self.config)

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket."""
        return Bucket(self.settings.path, self.settings.s3, self.settings.max_parallel_files)

    @property
    def is_stopping(self) -> bool:
        """Whether a signal asked the run to end."""
        return self.stopped_by is not None

    def discover_streams(self) -> Sequence[CurrentsStream]:
        """One stream for each event type the bucket has, whichever Braze adds.

        Raises:
            SettingsError: If there is none.
            BucketError: If the bucket cannot be listed.
        """
        found = self.bucket.event_types(self.settings.integrations)
        if not found:
            raise SettingsError(
                f"Nothing that Currents wrote is below {self.settings.path}: no folder dataexport.….integration.<id> "
                "with folders event_type=…. Check `path` and `integrations`; a new connector writes its first file "
                "after up to half an hour."
            )
        named: dict[str, dict[str, list[str]]] = {}
        for event_type, folders in found.items():
            if self.settings.reads(event_type):
                named.setdefault(stream_name(event_type), {})[event_type] = folders
        if not named:
            raise SettingsError(
                f"None of the {len(found)} event types below {self.settings.path} is named by `event_types` "
                f"({', '.join(self.settings.event_types)}). There are: {', '.join(sorted(found))}."
            )
        streams = []
        for name, event_types in sorted(named.items()):
            if self.stopped_by is not None:
                raise TerminatedError(self.stopped_by)
            streams.append(CurrentsStream(self, name, event_types))
        return streams

    def finish(self) -> None:
        """Pass on what is written, and say what was not read.

        Raises:
            IncompleteError: If a stream stopped before its end.
            TerminatedError: If a signal ended the run.
        """
        self.message_writer.flush()
        if self.stopped_by is not None:
            raise TerminatedError(self.stopped_by)
        if self.incomplete:
            raise IncompleteError(
                f"{len(self.incomplete)} streams were not read to their end: {', '.join(self.incomplete)}. All others "
                "were. The reasons are above; with `on_unreadable_file: set_aside` such files do not stop a stream."
            )

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note it: streams look between two pieces of a file, and end there.

        The SDK writes STATE from here, into the middle of whatever line is being written. All that is needed is out
        already: STATE follows each file.
        """
        if self.stopped_by is not None:
            raise TerminatedError(signum)
        self.stopped_by = signum
        self.logger.info("Ending; files read to their end count, the others are read again.")

    @classmethod
    def invoke(cls, **options: Any) -> None:
        """Invoke the command line interface; see the SDK."""
        about, config = options.get("about", False), options.get("config")
        if about:
            cls.print_about(options.get("about_format"))
            return
        tap = cls(
            config=config.config if config else {},
            state=_json_object("--state", options.get("state")),
            catalog=_json_object("--catalog", options.get("catalog")),
            parse_env_config=bool(config and config.parse_env),
            validate_config=True,
        )
        tap.sync_all()
        tap.finish()


def _json_object(option: str, file: IO[str] | None) -> dict[str, Any] | None:
    """What the file given with an option holds; none if it is not given."""
    if file is None:
        return None
    try:
        found = json.load(file)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(
            f"The file given with {option} ({file.name}) holds no JSON object; leave it out or mend it."
        )
    return found
