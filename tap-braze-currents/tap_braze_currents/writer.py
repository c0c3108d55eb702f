"""Writes Singer messages to standard output, records in large pieces. Owns standard output."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PIPE_BYTES: Final = 1 << 20
"""What Linux lets anybody make of a pipe. Its 64 KiB are less than what a file's block makes: the tap would wait in the
middle of each for the target to read, and the target then for the tap to go on."""
FLUSH_BYTES: Final = 65_536
"""What a pipe takes at once."""


class MessageWriter(GenericSingerWriter[bytearray, Any]):
    """Collects records and passes them on in pieces; any other message takes all before it along, and goes at once."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()
        _widen_pipe()
        self._encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")

    def serialize_message(self, message: Message) -> bytearray:
        """A message as a line."""
        line = bytearray()
        self._encoder.encode_into(message.to_dict(), line)
        line.append(ord("\n"))
        return line

    def write_message(self, message: Message) -> None:
        """Write a message."""
        self.write_lines(self.serialize_message(message))
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_lines(self, lines: bytes | bytearray) -> None:
        """Write whole lines as they are."""
        self._buffer += lines
        if len(self._buffer) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass on what was collected."""
        if self._buffer:
            lines, self._buffer = self._buffer, bytearray()
            left = memoryview(lines)
            while left:  # with PYTHONUNBUFFERED it is a raw file, whose write a signal can cut short
                left = left[sys.stdout.buffer.write(left) :]
        sys.stdout.buffer.flush()


def _widen_pipe() -> None:
    """Let the pipe that standard output is hold more; where it is none, or that is not allowed, it stays as it is."""
    if fcntl and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError, ValueError):
            output = sys.stdout.fileno()
            if fcntl.fcntl(output, fcntl.F_GETPIPE_SZ) < PIPE_BYTES:
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
