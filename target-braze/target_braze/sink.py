"""The sink of one stream: what happens to a record, in order.

    read → (unchanged? stop here) → map → find changes → hold → pack → deliver → record → acknowledge

`reader.py` reads; `record_table.py` knows the records that did not change; `mapping.py` maps the others; `changes.py`
finds what of them changed and holds what policies keep back; `intake.py` packs that, and `run.py` says who sees it
delivered, recorded and acknowledged. Records of new people go that way many at once (`newcomers.py`).
"""

from __future__ import annotations

import bisect
import gzip
import zlib
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.helpers._batch import BatchFileFormat, StorageTarget
from singer_sdk.sinks import Sink

from target_braze.compiled import CompiledMapper
from target_braze.digests import Digests
from target_braze.errors import InputError, TargetBrazeError
from target_braze.mapped_ahead import BETWEEN, Heap, Way
from target_braze.newcomers import FEWEST
from target_braze.reader import decode_leniently
from target_braze.statements import mapper_of
from target_braze.updates import Attributes, Mapped, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from singer_sdk.helpers._batch import BaseBatchFileEncoding
    from singer_sdk.target_base import Target

    from target_braze.mapped_ahead import MappedAhead, MappedHeap
    from target_braze.mapping import Mapper
    from target_braze.newcomers import Terms
    from target_braze.run import Run
    from target_braze.statements import StatementMapper

HEAP_RECORDS = 1000
"""Records of a batch file that are taken at once."""
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class BrazeSink(Sink):
    """Takes the records of one stream under one schema.

    It keeps nothing: a record has gone on to the run when it was taken, so that there is never anything to drain.
    """

    def __init__(
        self, target: Target, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        self._run: Run = target.run  # type: ignore[attr-defined]
        settings = target.settings.stream(stream_name)  # type: ignore[attr-defined]
        audiences = self._run.audiences
        self._enrolment = None if audiences is None else audiences.of(stream_name, schema, settings)
        if self._enrolment is not None:
            self._mapper: Mapper | StatementMapper = self._enrolment.mapper
        else:
            self._mapper = mapper_of(stream_name, schema, settings, key_properties or ())
        self._compiled = CompiledMapper(self._mapper, key_properties or ())
        self._way = Way(stream_name, schema, self._mapper.settings, tuple(key_properties or ()))
        super().__init__(target, stream_name, schema, key_properties)
        self._tally = self._run.tally.streams[stream_name]
        self._records_before = self._tally.records
        self._is_of_occurrences = self._mapper.is_of_occurrences
        self._has_ledger = self._mapper.settings.object_kind is not ObjectKind.DELETE_USERS
        self._run.warn(self._mapper.warnings)
        if self._has_ledger and self._enrolment is None:
            keys = key_properties or () if self._is_of_occurrences else ()
            self._digests = Digests(self._mapper, self._run.begin(self._mapper), keys)

    def take(self, records: Sequence[bytes]) -> None:
        """Take a heap of records as JSON, in their order.

        Raises:
            MissingKeyPropertiesError: If one lacks one of the stream's key properties.
            TargetBrazeError: If the run cannot go on.
        """
        if self._enrolment is not None:
            self._run.ahead.catch_up()
            self._enrolment.take(records, self._decoded)
            return
        if not self._has_ledger:
            self._run.ahead.catch_up()
            for record in records:
                self._tally.records += 1
                self._run.intake.take(self._map(record), self.stream_name)
            return
        digests = self._digests.of(records)
        unknown = self._run.unknown(digests)
        if self._compiled.has_one_form and self._run.ahead.is_worth(len(unknown)):
            terms = self._terms()
            layout = None if terms is None else (terms.layout, terms.number)
            if self._way.layout != layout:
                self._way = replace(self._way, layout=layout)
            if len(unknown) == len(records):
                heap = Heap(BETWEEN.join(records), digests)  # type: ignore[arg-type]  # all or most are there
            else:
                heap = Heap(BETWEEN.join([records[index] for index in unknown]), [digests[index] for index in unknown])
            self._run.ahead.put(self._way, heap, partial(self._take_in_turn, records, digests, unknown, layout))
        else:
            self._run.ahead.catch_up()
            self._take_now(records, digests, unknown, {})

    def _take_in_turn(
        self,
        records: Sequence[bytes],
        digests: Sequence[bytes | None],
        sent: Sequence[int],
        layout: tuple[int, int] | None,
        heap: MappedHeap,
    ) -> None:
        """Take a heap of which some records were mapped ahead.

        What was settled then may not be any more, and the other way round: records that came before may have said so.
        """
        if heap.learned and len(sent) == len(records):  # none was; one that is now is found to be unchanged
            terms = self._terms()
            if terms is not None and (terms.layout, terms.number) == layout:
                self._take_new(records, digests, heap, terms)
                return
        ahead = dict(zip(sent, heap.mapped(), strict=True)) if heap.names else {}
        self._take_now(records, digests, self._run.unknown(digests), ahead)

    def _terms(self) -> Terms | None:
        compiled = self._compiled
        return self._run.changes.terms(self.stream_name, compiled.identified_by, compiled.form, compiled.attributes)

    def _take_new(
        self,
        records: Sequence[bytes],
        digests: Sequence[bytes | None],
        heap: MappedHeap,
        terms: Terms,
    ) -> None:
        """Take a heap of which nothing is settled: records of new people many at once, the others one by one."""
        run, tally = self._run, self._tally
        run.intake.begin_tracking()
        keys = heap.keys
        run.changes.fetch_people(keys)
        read_before, start = tally.records, 0
        try:
            for are_new, group in groupby(run.changes.are_new(keys)):
                end = start + len(list(group))
                # what was said of others since may have been about these too
                if are_new and end - start >= FEWEST and (not start or all(run.changes.are_new(keys[start:end]))):
                    tally.records = read_before + end
                    run.intake.take_new(terms, heap, digests, start, end)  # type: ignore[arg-type]  # each has one
                else:
                    some, ahead = range(end - start), dict(enumerate(heap.mapped()[start:end]))
                    self._examine(
                        records[start:end], digests[start:end], some, ahead, read_before + start, is_fetched=True
                    )
                start = end
        finally:
            tally.records = read_before + len(records)

    def _take_now(
        self,
        records: Sequence[bytes],
        digests: Sequence[bytes | None],
        unknown: Sequence[int],
        ahead: Mapping[int, MappedAhead | None],
    ) -> None:
        if self._compiled.is_usable:
            self._run.intake.begin_tracking()
        read_before = self._tally.records
        self._tally.unchanged += len(records) - len(unknown)
        try:
            if unknown:
                self._examine(records, digests, unknown, ahead, read_before)
        finally:
            self._tally.records = read_before + len(records)

    def _examine(
        self,
        records: Sequence[bytes],
        digests: Sequence[bytes | None],
        unknown: Sequence[int],
        ahead: Mapping[int, MappedAhead | None],
        read_before: int,
        *,
        is_fetched: bool = False,
    ) -> None:
        """Take those records of a heap that are not known to be unchanged.

        Args:
            records: The heap.
            digests: What stands for each of its records.
            unknown: The indexes of those records, in order.
            ahead: What some of them say, by index, of which none needs judgement.
            read_before: How many records were read before the heap.
            is_fetched: Whether what the ledger knows of their people was read already.
        """
        tally, run, intake = self._tally, self._run, self._run.intake
        mapped, broken = self._map_until_broken(records, unknown, ahead)
        described = {index: said for index, each in mapped.items() if (said := each.attributes) is not None}
        find_people = partial(map, run.changes.person) if is_fetched else run.changes.fetch
        people = dict(zip(described, find_people(described.values()), strict=True))
        if self._is_of_occurrences:
            run.occurrences.fetch(each for each in mapped.values() if isinstance(each, Mapped))
        discarded = run.changes.discarded
        discarded.clear()
        queue, heap = list(mapped), frozenset[bytes | None]()
        end = len(records) if broken is None else unknown[len(mapped)]
        for index in queue:  # it may grow while it is gone through
            if index >= end:
                break
            each = mapped.get(index)
            if each is None:
                tally.unchanged -= 1
                each = self._map(records[index])
            tally.records = read_before + index + 1  # what is rejected is judged by the share of those read so far
            intake.take(each, self.stream_name, people.get(index), digests[index])
            if discarded:
                heap = heap or frozenset(digests)
                if not heap.isdisjoint(discarded):
                    _queue_again(queue, index, digests, discarded)
                discarded.clear()
        if broken is not None:
            raise broken

    def _map_until_broken(
        self, records: Sequence[bytes], unknown: Sequence[int], ahead: Mapping[int, MappedAhead | None]
    ) -> tuple[dict[int, Mapped | Attributes], Exception | None]:
        """Map records up to one that ends the run: those before it are to be taken all the same."""
        mapped: dict[int, Mapped | Attributes] = {}
        if ahead:
            plain = [
                None if (each := ahead.get(index)) is None else self._compiled.attributes(each) for index in unknown
            ]
        elif self._compiled.is_usable:
            plain = self._compiled.map_lines(BETWEEN.join([records[index] for index in unknown]))
        else:
            plain = [None] * len(unknown)
        try:
            for index, attributes in zip(unknown, plain, strict=True):
                mapped[index] = self._mapper.map(self._decoded(records[index])) if attributes is None else attributes
        except (TargetBrazeError, MissingKeyPropertiesError) as error:
            return mapped, error
        return mapped, None

    def _map(self, record: bytes) -> Mapped | Attributes:
        if self._compiled.is_usable and (attributes := self._compiled.map(record)) is not None:
            return attributes
        return self._mapper.map(self._decoded(record))

    def _decoded(self, record: bytes) -> dict[str, Any]:
        try:
            decoded = _decode(record)
        except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidOperation):
            decoded = self._decode_leniently(record)
        self._singer_validate_message(decoded)
        return decoded

    def _decode_leniently(self, record: bytes) -> dict[str, Any]:
        try:
            decoded = decode_leniently(record)
        except (ValueError, RecursionError):
            decoded = None
        if not isinstance(decoded, dict):
            raise InputError(
                f"A record of stream {self.stream_name!r} is not an object in JSON. It is not shown here, since it may "
                "hold customer data. Mend the tap."
            )
        return decoded

    def _take(self, record: dict[str, Any]) -> None:
        self._run.ahead.catch_up()
        if self._enrolment is not None:
            self._singer_validate_message(record)
            self._enrolment.take_one(record)
            return
        self._tally.records += 1
        self._singer_validate_message(record)
        self._run.intake.take(self._mapper.map(record), self.stream_name)
        self._run.changes.discarded.clear()  # there is no heap in which one of them could come again

    def activate_version(self, new_version: int) -> None:
        """Note that the stream is a table of this version; of a stream without audiences it means nothing here."""
        if self._enrolment is not None:
            self._enrolment.presence.activate(new_version)

    # What the SDK calls, for records that went through its stream maps or came in batch files

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record."""
        self._take(record)

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Take the records of batch files one by one; the SDK would read a whole file into memory.

        Raises:
            InputError: If they are in another format than jsonl, or one cannot be read to its end.
        """
        if encoding.format != BatchFileFormat.JSONL:
            raise InputError(
                f"Batch files are in the format {encoding.format!r}; only jsonl can be read. Change the tap's "
                "`batch_config`."
            )
        storage = self.batch_config.storage if self.batch_config else None
        for path in files:
            head, tail = StorageTarget.split_url(path)
            try:
                with (storage or StorageTarget.from_url(head)).open(tail, mode="rb") as file:
                    self._take_lines(gzip.GzipFile(fileobj=file) if encoding.compression == "gzip" else file)
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(
                    f"The batch file {tail} of stream {self.stream_name!r} cannot be read to its end "
                    f"({type(error).__name__}). Mend the tap or its `batch_config`, and run again."
                ) from None

    def _take_lines(self, lines: Iterable[bytes]) -> None:
        lines = (line for line in lines if line.strip())
        while heap := [line.rstrip() for line in islice(lines, HEAP_RECORDS)]:
            self.take(heap)
            self._run.ahead.catch_up()  # the rest of the file may not be there

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing: there is never anything to drain."""

    def clean_up(self) -> None:
        """Tell the SDK's metric how many records there were; it saw only those that took its own way."""
        self.record_counter_metric.value = self._tally.records - self._records_before
        super().clean_up()

    def get_validator(self) -> None:
        """No validation by the SDK: mapping checks each value, and turns down no more than that value."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        for name in self.key_properties:
            if name not in record:
                raise MissingKeyPropertiesError(
                    f"A record of stream {self.stream_name!r} lacks its key property {name!r}. Mend the tap: its "
                    "SCHEMA message promises it in every record."
                )

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Nothing per record."""

    @property
    def is_full(self) -> bool:
        """Never."""
        return False


def _queue_again(queue: list[int], index: int, digests: Sequence[bytes | None], discarded: Sequence[bytes]) -> None:
    """Queue the records further on in a heap that were unchanged and no longer are: A → B → A.

    Args:
        queue: Indexes of records to look at, in order.
        index: The last one that was looked at.
        digests: What stands for each record of the heap.
        discarded: What stands for the records that no longer hold.
    """
    known = set(digests)
    for digest in known.intersection(discarded):
        for again in range(index + 1, len(digests)):
            if digests[again] == digest and again not in queue:
                bisect.insort(queue, again, queue.index(index) + 1)
