"""The process that maps records ahead of the one that reads them: `python -m target_braze.mapping_process`.

It answers, and does nothing else: it has no file, no network and no setting, and what it knows came over the pipe. It
ends with the pipe, however the other process ends, and leaves signals to that one: Ctrl-C, for one, hits both.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from target_braze.mapped_ahead import FRAME, NO_HEAP, MapperAhead, Way, decode_heap, encode

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_WAYS: Final = 16
"""Ways that are remembered; the other process tells anew what it has told before so many."""


def serve(source: BinaryIO, sink: int) -> None:
    """Answer until the other process is gone.

    Args:
        source: Where its frames come from.
        sink: The file descriptor for the answers.
    """
    from target_braze.compiled import CompiledMapper  # noqa: PLC0415 - after `leave_out_the_sdk`, as the next three
    from target_braze.hashes import Hasher  # noqa: PLC0415
    from target_braze.mapping import Mapper  # noqa: PLC0415
    from target_braze.sealing import Cover  # noqa: PLC0415

    _, _, key = _read(source)
    hasher, cover = Hasher(key), Cover(key)
    mappers: dict[int, MapperAhead] = {}
    _write(sink, 0, NO_HEAP, b"")
    while True:
        number, heap, body = _read(source)
        if heap == NO_HEAP:
            if len(mappers) >= MAX_WAYS:
                mappers.clear()
            way: Way = pickle.loads(body)  # noqa: S301 - from the process that started this one
            mapper = CompiledMapper(Mapper(way.stream, way.schema, way.settings), way.key_properties)
            mappers[number] = MapperAhead(mapper, hasher, cover, way.layout)
        else:
            _write(sink, number, heap, encode(mappers[number].map(decode_heap(body))))


def _read(source: BinaryIO) -> tuple[int, int, bytes]:
    """The next frame: number of the way, of the heap, body."""
    length, number, heap = FRAME.unpack(_whole(source, FRAME.size))
    return number, heap, _whole(source, length)


def _whole(source: BinaryIO, size: int) -> bytes:
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _write(sink: int, number: int, heap: int, body: bytes) -> None:
    left = memoryview(FRAME.pack(len(body), number, heap) + body)
    while left:
        left = left[os.write(sink, left) :]


class _Anything:
    """Whatever it is asked for or called with, it is all the same."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __call__(self, *_: Any, **__: Any) -> _Anything:
        return self


def leave_out_the_sdk() -> None:
    """Put something in the SDK's place, which takes half a second to import, and 60 MB.

    What is used here needs it only to declare settings, and here nobody asks which there are.
    """
    sdk = ModuleType("singer_sdk")
    sdk.typing = _Anything()  # type: ignore[attr-defined]
    sys.modules["singer_sdk"] = sdk


def main() -> None:
    """Serve on standard input and output."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    leave_out_the_sdk()
    gc.disable()  # records make no cycles
    try:
        serve(open(0, "rb", buffering=1 << 20, closefd=False), 1)  # noqa: SIM115 - as long as the process
    except (EOFError, BrokenPipeError):
        sys.exit()


if __name__ == "__main__":
    main()
