"""One stream, the events of one type: list → select → read → emit → advance.

Records of a file leave in order, and none before the last of them was decoded: a damaged file leaves none behind. STATE
covers a file only after its last record is out. So a crash repeats the file it was in, and loses nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import Stream
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Metadata, MetadataMapping

from tap_braze_currents.bookmarks import Bookmark, BookmarkError
from tap_braze_currents.catalogs import known_columns, with_refinements
from tap_braze_currents.decoding import DecodedFile, UnreadableFileError, decode, peek_schema
from tap_braze_currents.errors import FileError, GoneError, SettingsError, TerminatedError
from tap_braze_currents.fetching import fetched_in_order
from tap_braze_currents.progress import Progress
from tap_braze_currents.records import LINEAGE_SCHEMA, RecordMaker
from tap_braze_currents.schemas import StreamSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from singer_sdk.helpers import types

    from tap_braze_currents.events import Event
    from tap_braze_currents.fetching import Fetched
    from tap_braze_currents.files import File
    from tap_braze_currents.tap import TapBrazeCurrents

    Lines = tuple[bytes, int]


@dataclass(slots=True)
class FieldMetadata(Metadata):
    """What a catalog says of a column.

    Attributes:
        pii: Whether Braze's documentation marks the field as personal.
    """

    pii: bool | None = None


STATE_SECONDS: Final = 1.0
"""Least time between two STATEs, but for the last of a stream."""
HELD_BYTES: Final = 32_000_000
"""Most lines of a file that are held until it is decoded to its end; those of Braze's 15,000 events are some 25 MB.
What a larger file has beyond that is decoded twice, for memory's sake."""


class CurrentsStream(Stream):
    """The events of one type.

    Args:
        tap: The tap.
        name: The stream's name.
        event_types: Event type → its folders; more than one if they differ in case only.
    """

    primary_keys = ("id",)
    replication_key = "_sdc_source_modified"
    is_sorted = False
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # what decoding makes is JSON already

    def __init__(self, tap: TapBrazeCurrents, name: str, event_types: Mapping[str, list[str]]) -> None:
        self._currents = tap
        self._folders = [folder for folders in event_types.values() for folder in folders]
        self._columns = StreamSchema()
        self._files: list[File] | None = None
        self._bookmark = Bookmark.from_state({})
        self._state_at = float("-inf")
        self._leaving: Iterator[None] = iter(())
        super().__init__(tap, schema=None, name=name)
        entry = tap.input_catalog.get_stream(name) if tap.input_catalog else None
        known = entry.schema.to_dict() if entry else {}
        made = RecordMaker.expanded_schema(known.get("properties", {}), tap.settings.expand_json)
        self._columns.columns |= known_columns(known, made)
        if tap.input_catalog is None:  # else its columns are known, or it is not selected
            self._learn(self._listed(dict.fromkeys(self._folders, tap.settings.selection.start_date)))
        self._schema = self._json_schema(known)

    # Schema

    def _json_schema(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The columns known by now: Braze's, lineage, and those of a catalog that no file of this run has."""
        properties = before.get("properties", {})
        columns = {
            name: with_refinements(schema, properties.get(name))
            for name, schema in self._columns.json_schema["properties"].items()
        }
        expanded = RecordMaker.expanded_schema(columns, self._currents.settings.expand_json)
        known = {**properties, **columns, **expanded, **LINEAGE_SCHEMA}
        return {"type": "object", "properties": known, "required": ["id"]}

    @property
    def metadata(self) -> MetadataMapping:
        """The SDK's metadata, and which columns are personal."""
        is_new = self._metadata is None
        metadata = super().metadata
        if is_new:
            for column in self._columns.pii:
                entry = metadata[("properties", column)]
                metadata[("properties", column)] = FieldMetadata(entry.inclusion, entry.selected, pii=True)
        return metadata

    def _learn(self, files: Iterable[File]) -> None:
        """Merge the schema of the newest file of each schema folder."""
        newest: dict[Any, File] = {}
        for file in files:
            place = file.place
            folder = (place.integration, place.event_type, place.version, place.schema_id, place.zone)
            if folder not in newest or newest[folder].order < file.order:
                newest[folder] = file
        for file in newest.values():
            try:
                head = self._currents.bucket.head(file)
                schema = peek_schema(head) or peek_schema(self._currents.bucket.fetch(file))
            except (FileError, UnreadableFileError):
                continue  # reading says more about it, if it comes to that
            if schema is not None:
                self._merge(schema)

    def _merge(self, avro_schema: dict[str, Any]) -> bool:
        is_new = self._columns.merge(avro_schema)
        for warning in self._columns.new_warnings():
            self.logger.warning("%s", warning)
        return is_new

    def _adopt(self) -> bool:
        """Let columns that files brought since the last SCHEMA take part, unless a catalog has deselected them.

        Returns:
            Whether there is another SCHEMA to write.
        """
        schema = self._json_schema(self.effective_schema)
        if schema == self.effective_schema:
            return False
        for column in schema["properties"]:
            if ("properties", column) not in self.metadata:
                self.metadata["properties", column] = Metadata(Metadata.InclusionType.AVAILABLE, selected=True)
        self._schema = schema
        if self._input_schema is not None:
            self._input_schema = schema
        self._mask = None
        self._stream_maps = None
        selected = get_selected_schema(self.name, schema, self.mask)
        self._currents.mapper.register_raw_stream_schema(self.name, selected, self.primary_keys)
        return True

    def _write_schema_message(self) -> None:
        """Look at what there is to read first, so that one SCHEMA will usually do."""
        if self._currents.is_stopping:
            return
        if self._files is None:
            self._files = self._selected()
            self._learn(self._files)
            self._adopt()
        super()._write_schema_message()

    # List and select

    def _listed(self, floors: Mapping[str, str | None]) -> Iterator[File]:
        """The files of some folders, each from an hour on. Nothing is being written meanwhile: a signal ends it."""
        for folder, floor in floors.items():
            for file in self._currents.bucket.files(folder, floor):
                if self._currents.stopped_by is not None:
                    raise TerminatedError(self._currents.stopped_by)
                yield file

    def _selected(self) -> list[File]:
        selection = self._currents.settings.selection
        bucket = self._currents.bucket
        try:
            self._bookmark = Bookmark.from_state(self.stream_state)
        except BookmarkError as error:
            raise SettingsError(f"Stream {self.name}: {error}.") from None
        floors = {folder: self._bookmark.listing_floor(folder, selection) for folder in self._folders}
        listed = list(self._listed(floors))
        files = self._bookmark.select(listed, bucket.now, selection, self._folders)
        size = sum(file.size for file in files)
        self._progress = Progress(len(files), size)
        self.logger.info("%d files to read, of %d listed (%d bytes).", len(files), len(listed), size)
        return files

    # Read, emit, advance

    def get_records(self, context: types.Context | None) -> Generator[dict[str, Any], None, None]:
        """The records of all files to read, for the SDK's way: stream maps, deselected columns, a limit of records."""
        for maker, block in self._read():
            yield from maker.records(block)

    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Emit all records; block by block where nothing has to be done to a single one."""
        if not write_messages or not self._is_plain():
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer():
            self._emit(counter.increment)
        self._write_state()

    def _is_plain(self) -> bool:
        """Whether records go out just as they are."""
        maps = self.stream_maps
        return (
            self.selected
            and self.ABORT_AT_RECORD_COUNT is None
            and len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
            and type(self).post_process is Stream.post_process
            and all(self.mask["properties", column] for column in self.effective_schema["properties"])
        )

    def _read(self) -> Iterator[tuple[RecordMaker, list[Event]]]:
        """All records, in blocks; when the next block is asked for, the records of the one before are out."""
        for fetched in self._fetched():
            try:
                decoded, maker = self._decoded(fetched)
                decoded.check()
            except (FileError, UnreadableFileError) as error:
                if not self._goes_on_without(fetched.file, error):
                    return
                continue
            for block in decoded.blocks_again():
                yield maker, block
                if self._currents.is_stopping:
                    return
            self._advance(fetched.file, decoded)

    def _emit(self, count: Callable[[int], None]) -> None:
        """All records as lines. Those of a file leave while the next one is decoded, for the target to have work."""
        for fetched in self._fetched():
            if not fetched.is_here:
                self._finish_leaving()  # rather than wait
            try:
                decoded, maker = self._decoded(fetched)
                lines = self._lines(decoded, maker)
            except (FileError, UnreadableFileError) as error:
                self._finish_leaving()
                if not self._goes_on_without(fetched.file, error):
                    return
            else:
                self._finish_leaving()
                self._leaving = self._leave(fetched.file, decoded, lines, count)
                if not isinstance(lines, list):
                    self._finish_leaving()  # it is too large to be there beside the next one
        self._finish_leaving()

    def _fetched(self) -> Iterator[Fetched]:
        tap = self._currents
        if tap.is_stopping:
            return
        if self._files is None:
            self._files = self._selected()
        for fetched in fetched_in_order(self._files, tap.bucket.fetch, tap.settings.max_parallel_files):
            yield fetched
            if tap.is_stopping:
                return

    def _decoded(self, fetched: Fetched) -> tuple[DecodedFile, RecordMaker]:
        """A file whose frame is sound, and what makes its records; its new columns are announced."""
        file = fetched.file
        decoded = decode(fetched.data(), file.size)
        if self._merge(decoded.writer_schema) and self._adopt():
            self._finish_leaving()  # they belong to the SCHEMA before
            super()._write_schema_message()
        now = dt.datetime.now(dt.timezone.utc)
        return decoded, RecordMaker(self.name, self._columns, file, self._currents.settings.expand_json, now)

    def _lines(self, decoded: DecodedFile, maker: RecordMaker) -> Iterable[Lines]:
        """A file's lines, those of a block in one piece, once all of it was decoded."""
        held: list[Lines] = []
        size = 0
        blocks = decoded.blocks()
        for block in blocks:
            held.append((maker.lines(block), len(block)))
            size += len(held[-1][0])
            next(self._leaving, None)
            if size > HELD_BYTES:
                break
        else:
            return held
        for _ in blocks:
            next(self._leaving, None)
        return chain(held, ((maker.lines(block), len(block)) for block in decoded.blocks_again(len(held))))

    def _leave(
        self, file: File, decoded: DecodedFile, lines: Iterable[Lines], count: Callable[[int], None]
    ) -> Iterator[None]:
        """Write the lines of a file, a block at each step, and then advance; a signal ends it between two blocks."""
        for block, records in lines:
            if self._currents.is_stopping:
                return
            self._currents.message_writer.write_lines(block)
            count(records)
            yield
        self._advance(file, decoded)

    def _finish_leaving(self) -> None:
        for _ in self._leaving:
            pass

    def _warn_of_nulls(self, file: File, decoded: DecodedFile) -> None:
        if decoded.not_finite:
            fields = ", ".join(f"{field} ({count:,})" for field, count in sorted(decoded.not_finite.items()))
            self.logger.warning("%s: numbers that JSON does not have are null: %s.", file.key, fields)

    def _goes_on_without(self, file: File, error: Exception) -> bool:
        """Set an unreadable file aside, if so configured; else the stream ends before it.

        One that was deleted since it was listed is passed over: nobody will ever read it, and a next run not list it.
        """
        if isinstance(error, GoneError) and self._currents.bucket.is_deleted(file):
            self.logger.warning("%s: it was deleted since it was listed, and is passed over unread.", file.key)
            self._bookmark.read(file)
            return True
        if self._currents.settings.is_set_aside:
            self._bookmark.set_aside(file, str(error))
            self.logger.warning("%s: %s. It is set aside and tried again next time.", file.key, error)
            return True
        if self.ABORT_AT_RECORD_COUNT is not None:  # `--test` asks whether files can be read
            raise FileError(f"{file.key}: {error}.")
        self.logger.error("%s: %s. The stream ends before it (`on_unreadable_file`).", file.key, error)
        self._currents.incomplete.append(self.name)
        return False

    def _advance(self, file: File, decoded: DecodedFile) -> None:
        """Count a file as read: its last record is out (crash before: it is read again; after: it is not)."""
        self._warn_of_nulls(file, decoded)
        self._bookmark.read(file)
        now = time.monotonic()
        if line := self._progress.done(file.size, now):
            self.logger.info("%s", line)
        if now - self._state_at >= STATE_SECONDS:
            self._state_at = now
            self._write_state()

    def _write_state(self) -> None:
        if self._files is None:
            return  # ended before it began: what the state says of this stream still holds
        state = self.stream_state
        state.clear()
        state.update(self._bookmark.to_state())
        self.state_manager.is_flushed = False
        self._write_state_message()

    @property
    def emit_activate_version_messages(self) -> bool:
        """Never, also where a catalog says FULL_TABLE: a run emits what is new, and a target would delete all else."""
        return False

    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """No BATCH messages: they leave later than STATE, which counts on records that are out."""

    # The SDK's own bookmarks, which go by the replication key of each record, are not used

    def _increment_stream_state(self, latest_record: types.Record, *, context: types.Context | None = None) -> None:
        """Nothing per record."""

    def _write_starting_replication_value(self, context: types.Context | None) -> None:
        """Nothing: where to start is the bookmark's business."""

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Write the last STATE of the stream."""
        self._write_state()
