"""Reads a file by the block: as many whole lines as have arrived.

Messages are taken by the block because that is quick, and a block is never waited for: a tap that sends one record an
hour has it taken within that hour.
"""

from __future__ import annotations

import contextlib
import io
import select
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES: Final = 1 << 18
"""Most bytes read at once: some 500 records, few enough to stay in the processor's cache."""


def widen(file: IO[bytes]) -> None:
    """Let a pipe hold a whole block, where the system can: by default it holds 64 kB."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl  # noqa: PLC0415 - not everywhere

        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, BLOCK_BYTES)


def blocks(source: Iterable[bytes | str], before_waiting: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """The lines of a file, or of anything that gives lines, in blocks that end with a line.

    Args:
        source: Bytes or text.
        before_waiting: Called before it waits for more to arrive, and whenever it might.
    """
    read = _reader(source)
    if read is None:
        for line in source:
            yield _as_bytes(line)
            before_waiting()
        return
    is_waiting = _waiting(source)
    begun: list[bytes] = []  # a line of which the end has not arrived
    while True:
        if is_waiting():
            before_waiting()
        if not (block := read(BLOCK_BYTES)):
            break
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*begun, block[:end])) if begun else block[:end]
            begun = [block[end:]] if end < len(block) else []
        else:
            begun.append(block)
    if begun:
        yield b"".join(begun)


def _reader(source: Any) -> Callable[[int], bytes] | None:
    """What reads what is there, up to so many bytes."""
    if isinstance(source, io.TextIOBase):
        return lambda size: _as_bytes(source.read(size))
    read: Callable[[int], bytes] | None = getattr(source, "read1", None) or getattr(source, "read", None)
    return read


def _waiting(source: Any) -> Callable[[], bool]:
    """What tells whether a read would wait, or might."""
    try:
        poll = select.poll()
        poll.register(source.fileno(), select.POLLIN)
    except (AttributeError, OSError):  # no poll on this system; no file behind it
        return lambda: True
    return lambda: not poll.poll(0)


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
