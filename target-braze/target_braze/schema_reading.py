"""Reads what a tap says of its streams before a run: SCHEMA messages, and whether each stream has a record."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

from target_braze.errors import InputError
from target_braze.reader import MessageReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK_BYTES: Final = 1 << 20
_PATIENCE_SECONDS: Final = 2.0
"""How long nothing may come on standard input before it is said that we wait for it."""


class SchemaReading:
    """Reads the SCHEMA messages of a tap, and of its records no more than that there are some.

    Attributes:
        messages: Stream → its newest SCHEMA message.
        is_cut: Whether reading stopped before the end.

    Args:
        seconds: How long to go on reading once every stream that came has begun.
    """

    def __init__(self, seconds: float) -> None:
        self.messages: dict[str, Any] = {}
        self.is_cut = False
        self._begun: set[str] = set()
        self._seconds = seconds
        self._reader = MessageReader()

    def read(self, source: IO[Any]) -> None:
        """Read until enough is known, or to the end.

        Raises:
            InputError: If a line is no Singer message, or a record comes before its schema.
        """
        callbacks: dict[str, Callable[[Any], None]] = {
            "SCHEMA": self._take_schema,
            "RECORD": self._take_stray_record,
            "BATCH": self._take_stray_record,
            "STATE": lambda _: None,
            "ACTIVATE_VERSION": lambda _: None,
        }
        self._reader.process_lines(self._lines(source), callbacks)  # type: ignore[arg-type]

    def _take_schema(self, message: dict[str, Any]) -> None:
        self._reader.assert_line_requires(message, {"stream", "schema"})
        self._reader.assert_line_requires(message["schema"], {"properties"})
        stream = message["stream"]
        self.messages[stream] = message
        self._reader.takers[stream] = partial(self._take_record, stream)

    def _take_record(self, stream: str, _: bytes) -> None:
        self._begun.add(stream)

    def _take_stray_record(self, message: dict[str, Any]) -> None:
        stream = str(message.get("stream"))
        if stream not in self.messages:
            raise InputError(f"A {message['type']} of stream {stream!r} came before its SCHEMA. Mend the tap.")
        self._begun.add(stream)

    def _is_enough(self) -> bool:
        return bool(self.messages) and self.messages.keys() <= self._begun

    def _lines(self, source: IO[Any]) -> Iterator[bytes | str]:
        """The lines of a source, as long as more are needed; a tap that has more to say finds a closed pipe."""
        try:
            descriptor = source.fileno()
        except (OSError, AttributeError):  # no file, as in tests
            yield from source
            return
        pending, deadline = b"", None
        with _said_when_slow():
            while True:
                deadline = (deadline or time.monotonic() + self._seconds) if self._is_enough() else None
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if left == 0 or not select.select([descriptor], [], [], left)[0]:
                    self.is_cut = True
                    return
                chunk = os.read(descriptor, _CHUNK_BYTES)
                if not chunk:
                    break
                *lines, pending = (pending + chunk).split(b"\n")
                yield from lines
        if pending:
            yield pending


@contextmanager
def _said_when_slow() -> Iterator[None]:
    """Say that we wait for standard input when the block takes long: it may be a terminal's that nobody types into."""
    text = "Reading SCHEMA messages from standard input; </dev/null does without."
    timer = threading.Timer(_PATIENCE_SECONDS, lambda: print(text, file=sys.stderr, flush=True))  # noqa: T201
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
