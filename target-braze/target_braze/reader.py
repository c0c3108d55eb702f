"""Reads Singer messages from standard input, as bytes. Owns the protocol.

Of each line only the envelope is decoded; records go on as the bytes they came in, by the heap, to the sink of their
stream, which is found once for each SCHEMA. All other messages, and records of streams with stream maps, take the SDK's
own way. What is taken, and in which order, does not depend on how many lines arrived at once.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_braze.blocks import BLOCK_BYTES, blocks, widen
from target_braze.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Message = dict[str, Any]
Take = Callable[[Sequence[bytes]], None]


class Envelope(msgspec.Struct, gc=False):
    """A message of which the record is not decoded.

    Attributes:
        type: What it is.
        stream: The stream it is about, if any.
        record: The record as JSON, if it is one.
    """

    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw()


class _State(msgspec.Struct, gc=False, tag="STATE", tag_field="type"):
    """Beside records, so that a line has to say its type."""

    value: msgspec.Raw


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_record_of: Final = attrgetter("record")
_LINE_END, _OBJECT_BEGIN = b"\n{"


@lru_cache(maxsize=1024)
def _records_decoder(stream: str) -> Callable[[bytes], list[Any]]:
    """Decodes a block with nothing but records of one stream, in three quarters of the time envelopes take."""
    record = msgspec.defstruct(
        "Record",
        [("stream", Literal[(stream,)]), ("record", msgspec.Raw)],
        gc=False,
        tag="RECORD",
        tag_field="type",
    )
    return msgspec.json.Decoder(record | _State).decode_lines


# what the settings and schemas need is small; decimals stay exact for the records that take this way
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_leniently(text: bytes | str) -> Any:
    """JSON as Python's own reader takes it: with NaN, halves of surrogate pairs, and bytes that are not UTF-8.

    Taps written in Python send such things. Mapping turns down the values they are in, and no more. So it does with a
    number beyond what even a `Decimal` can be, which is no number here.

    Raises:
        ValueError: If it is not even that.
    """
    if not isinstance(text, str):
        text = bytes(text).decode("utf-8", "surrogateescape")
    return json.loads(text, parse_float=_decimal)


def _decimal(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:
        return math.nan


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages line by line.

    Attributes:
        takers: Stream → what takes its records as JSON; a stream that is not in it takes the SDK's way.
        catch_up: Finishes records that were taken and wait in line; called before anything else happens than that more
            records are taken.
        before_waiting: Called before it waits for the tap, which may have nothing to say for hours.
        on_interruption: What to do when reading ends before its end, whatever the reason, before the exception goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takers: dict[str, Take] = {}
        self.catch_up: Callable[[], None] = lambda: None
        self.before_waiting: Callable[[], None] = lambda: None
        self.on_interruption: Callable[[], None] = lambda: None

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input; a property, since it may be replaced after the import.

        With a buffer of its own: each read lets the delivery's thread take over, and Python's default of 8 kB makes
        that happen every dozen records.
        """
        try:
            file = open(sys.stdin.fileno(), "rb", buffering=BLOCK_BYTES, closefd=False)  # noqa: SIM115 - not ours to close
        except (OSError, AttributeError):  # no file, as in tests
            return sys.stdin.buffer
        widen(file)
        return file

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[Message], None]]
    ) -> Counter[str]:
        """Hand every message to whom it is for.

        Args:
            file_input: Where to read, bytes or text; None for standard input.
            callbacks: Type of message → what takes it decoded.

        Returns:
            Type of message → how many there were.

        Raises:
            InputError: If a line is no Singer message.
        """
        source = self.default_input if file_input is None else getattr(file_input, "buffer", file_input)
        counts: Counter[str] = Counter()
        try:
            self._process(source, callbacks, counts)
        except BaseException:
            self.on_interruption()
            raise
        return counts

    def _process(
        self,
        source: Iterable[bytes | str],
        callbacks: dict[str, Callable[[Message], None]],
        counts: Counter[str],
    ) -> None:
        number = 0
        stream = ""  # of the last record
        for block in blocks(source, self.before_waiting):
            begins = _first_bytes(block)
            if (take := self.takers.get(stream)) is not None and (records := _records(block, stream, begins)):
                counts["RECORD"] += len(records)
                take(records)
            else:
                stream = self._process_block(block, number, callbacks, counts)
            number += len(begins)
        self.catch_up()

    def _process_block(
        self, block: bytes, number: int, callbacks: dict[str, Callable[[Message], None]], counts: Counter[str]
    ) -> str:
        """Take a block of any messages line by line; return the stream of the last record.

        Args:
            block: Its lines.
            number: How many lines came before.
            callbacks: Type of message → what takes it decoded.
            counts: Type of message → how many there were.
        """
        heap: list[bytes] = []
        stream = ""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        for at, line in enumerate(lines, number + 1):
            try:
                envelope = _decode_envelope(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                if not line.strip():
                    continue
                self._take(stream, heap)
                self.catch_up()
                envelope = self._odd_envelope(at, line)
            counts[envelope.type] += 1
            is_record = envelope.type == "RECORD" and envelope.record and envelope.stream in self.takers
            if heap and not (is_record and envelope.stream == stream):
                self._take(stream, heap)
            if is_record:
                stream = envelope.stream or ""
                heap.append(envelope.record)
                continue
            self.catch_up()
            callback = callbacks.get(envelope.type)
            if callback is None:
                raise InputError(
                    f"Line {at} has the type {envelope.type[:40]!r}, which is none of Singer's. Mend the tap."
                )
            callback(self.deserialize_json(line))
        self._take(stream, heap)
        return stream

    def _take(self, stream: str, heap: list[bytes]) -> None:
        if heap:
            self.takers[stream](heap[:])
            heap.clear()

    def _odd_envelope(self, number: int, line: bytes | str) -> Envelope:
        """The envelope of a line that is JSON only to Python's own reader; its record goes the SDK's way."""
        try:
            message = decode_leniently(line)
            return msgspec.convert({"type": message["type"], "stream": message.get("stream")}, Envelope)
        except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
            raise self._bad_line(number, line) from None

    @staticmethod
    def _bad_line(number: int, line: bytes | str) -> InputError:
        return InputError(
            f"Line {number} ({len(line):,} bytes) is not a Singer message in JSON. Something in the tap prints to "
            "standard output that should not, or the line is broken. It is not shown here, since it may hold "
            "customer data."
        )

    def deserialize_json(self, line: bytes | str) -> Message:
        """A whole message; numbers with a fraction as `Decimal`."""
        try:
            message: Message = _decode(line)
        except (msgspec.DecodeError, UnicodeError, InvalidOperation):
            message = decode_leniently(line)
        return message

    @staticmethod
    def assert_line_requires(line_dict: Message, requires: set[str]) -> None:
        """Check that a message has what it must.

        Raises:
            InputError: If it has not; the SDK's own error would quote the record (invariant 5). The SDK asks the same
                of the schema in a message, which may be anything.
        """
        if missing := requires - (line_dict.keys() if isinstance(line_dict, dict) else set()):
            what = "schema in a SCHEMA" if requires == {"properties"} else line_dict.get("type", "")
            raise InputError(f"A {what} message has no {', '.join(sorted(missing))}. The tap is to be mended.")


def _first_bytes(block: bytes) -> NDArray[np.uint8]:
    """The byte that each line of a block begins with; that takes half the time of counting the lines."""
    content = np.frombuffer(block or b"\n", dtype=np.uint8)
    return content[np.insert(np.flatnonzero(content[:-1] == _LINE_END) + 1, 0, 0)]


def _records(block: bytes, stream: str, begins: NDArray[np.uint8]) -> list[bytes] | None:
    """The records in a block; None if there is anything else in it than records of this stream, one in each line.

    `decode_lines` takes two in a line, which tell of a tap whose threads print at once.
    """
    try:
        records = list(map(_record_of, _records_decoder(stream)(block)))
    except (msgspec.DecodeError, UnicodeError, RecursionError, AttributeError):  # the last: a STATE among them
        return None
    return records if len(records) == len(begins) and (begins == _OBJECT_BEGIN).all() else None
