"""Reads Singer messages from standard input, as bytes. Owns the protocol.

Of each line only the envelope is decoded; a record goes on as the bytes it came in to the sink of its stream, which
is found once for each SCHEMA. All other messages, and records of streams with stream maps, take the SDK's own way.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import IO, Any, Final

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_braze.errors import InputError

Message = dict[str, Any]
Take = Callable[[bytes], None]


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


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_BUFFER_BYTES: Final = 1 << 20
# what the settings and schemas need is small; decimals stay exact for the records that take this way
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_leniently(text: bytes | str) -> Any:
    """JSON as Python's own reader takes it: with NaN, halves of surrogate pairs, and bytes that are not UTF-8.

    Taps written in Python send such things. Mapping turns down the values they are in, and no more.

    Raises:
        ValueError: If it is not even that.
    """
    if not isinstance(text, str):
        text = bytes(text).decode("utf-8", "surrogateescape")
    return json.loads(text, parse_float=Decimal)


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages line by line.

    Attributes:
        takers: Stream → what takes its records as JSON; a stream that is not in it takes the SDK's way.
        on_interruption: What to do when reading ends before its end, whatever the reason, before the exception goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takers: dict[str, Take] = {}
        self.on_interruption: Callable[[], None] = lambda: None

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input; a property, since it may be replaced after the import.

        With a buffer of its own: each read lets the delivery's thread take over, and Python's default of 8 kB makes
        that happen every dozen records.
        """
        try:
            return open(sys.stdin.fileno(), "rb", buffering=_BUFFER_BYTES, closefd=False)
        except (OSError, AttributeError):  # no file, as in tests
            return sys.stdin.buffer

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
        takers = self.takers
        records = 0
        for number, line in enumerate(source, 1):
            try:
                envelope = _decode_envelope(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                if not line.strip():
                    continue
                envelope = self._odd_envelope(number, line)
            if envelope.type == "RECORD":
                records += 1
                take = takers.get(envelope.stream or "")
                if take is not None and envelope.record:
                    take(envelope.record)
                    continue
            counts[envelope.type] += 1
            callback = callbacks.get(envelope.type)
            if callback is None:
                raise InputError(
                    f"Line {number} has the type {envelope.type[:40]!r}, which is none of Singer's. Mend the tap."
                )
            callback(self.deserialize_json(line))
        counts["RECORD"] = records

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
        except (msgspec.DecodeError, UnicodeError):
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
