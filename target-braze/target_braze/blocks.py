"""Reads a file by the block: as many whole lines as have arrived.

Messages are taken by the block because that is quick, and a block is never waited for: a tap that sends one record an
hour has it taken within that hour.
"""

from __future__ import annotations

import contextlib
import io
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


def blocks(source: Iterable[bytes | str]) -> Iterator[bytes]:
    """The lines of a file, or of anything that gives lines, in blocks that end with a line.

    Args:
        source: Bytes or text.
    """
    read = _reader(source)
    if read is None:
        yield from map(_as_bytes, source)
        return
    begun: list[bytes] = []  # a line of which the end has not arrived
    while block := read(BLOCK_BYTES):
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


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
