"""Lets a second process map records ahead, while this one packs those before them. Owns that process.

Python lets one thread run at a time, and in a first load mapping takes as long as all the rest. So, when many records
come that nobody knows, their heaps are sent to another process, and each waits in line until its turn; what the other
process made of it is used then. It promises nothing: whatever is missing, late or broken of its answers is mapped here
instead, so that what is sent, and in which order, is the same with it and without it (invariant 6).

Nothing may overtake a heap in the line: whoever does anything else calls `catch_up` first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from target_braze.mapped_ahead import FRAME, NO_HEAP, NOTHING, Heap, decode, encode
from target_braze.mapping_process import MAX_WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.mapped_ahead import MappedHeap, Way

    Finish = Callable[[MappedHeap], None]

MANY: Final = 10_000
"""Unknown records, within `SHORT_SECONDS`, that are worth another process: it takes half a second of CPU to start."""
SHORT_SECONDS: Final = 10.0
MOST_LOAD: Final = 2.0
"""Processes that want each processor; above it the other one waits for its turn, and this one for that. Measured with
1.9 it brings a third, with 2.5 and more it costs a fifth."""
FEW: Final = 64
"""Unknown records of a heap that are not worth sending."""
_DEPTH: Final = 2
"""Heaps in the line while another comes: one to be mapped there while the one before it is packed here."""
_PATIENCE_SECONDS: Final = 10.0
"""How long the other process may do nothing when it has something to do."""
_END_SECONDS: Final = 1.0
_PIPE_BYTES: Final = 1 << 20
_ENVIRONMENT_PREFIX: Final = "TARGET_BRAZE_"
_KEEP_MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": str(1 << 26), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}
"""For the other process: glibc would give the memory of each frame back and take it again page by page, a twentieth of
all it does."""


class _LostError(Exception):
    """The other process cannot be used any more."""


class MappingAhead:
    """The line of heaps, and the process.

    Args:
        key: The ledger's key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._way: Way | None = None
        self._line: deque[tuple[int, int, Finish]] = deque()
        """Of each heap its number, `NO_HEAP` for one that was not sent; how many records; what to do in its turn."""
        self._process: _Process | None = None
        self._is_possible = _is_possible()
        self._numbers: dict[Way, int] = {}
        self._heaps = 0
        self._seen = 0
        self._seen_since = float("-inf")

    def is_worth(self, unknown: int) -> bool:
        """Whether a heap with so many unknown records is to be put into the line."""
        if self._line:
            return self._process is not None
        if self._process is not None:
            return unknown >= FEW and self._is_ready(self._process)
        if self._is_possible:
            self._watch(unknown)
        return False

    def put(self, way: Way, heap: Heap, finish: Finish) -> None:
        """Put a heap into the line.

        Args:
            way: How its records are mapped.
            heap: Those that are worth being mapped.
            finish: What to do in its turn, with what each record says; with nothing if that is not known.
        """
        if way is not self._way:
            self.catch_up()
            self._way = way
        self._line.append((self._send(way, heap) if heap.digests else NO_HEAP, len(heap.digests), finish))
        while len(self._line) > _DEPTH:
            self._finish_first()

    def catch_up(self) -> None:
        """Finish all that is in the line."""
        while self._line:
            self._finish_first()

    def close(self) -> None:
        """End the process; what is in the line is as if it had not been read."""
        self._line.clear()
        self._is_possible = False
        if self._process is not None:
            self._process.end()
            self._process = None

    def _finish_first(self) -> None:
        heap, count, finish = self._line.popleft()
        finish(self._answer(heap, count))

    def _watch(self, unknown: int) -> None:
        """Start the process when enough has come."""
        now = time.monotonic()
        if now - self._seen_since > SHORT_SECONDS:
            self._seen, self._seen_since = 0, now
        self._seen += unknown
        if self._seen > MANY:
            self._seen = 0
            if _load() > MOST_LOAD:
                return
            try:
                self._process = _Process()
                self._process.write(0, NO_HEAP, self._key)
            except (OSError, _LostError) as error:
                self._give_up(error)

    # With the process, if it is still there

    def _is_ready(self, process: _Process) -> bool:
        try:
            return process.is_ready()
        except _LostError as error:
            self._give_up(error)
            return False

    def _send(self, way: Way, heap: Heap) -> int:
        """Send a heap; return its number, `NO_HEAP` if it could not be sent."""
        if self._process is None:
            return NO_HEAP
        try:
            number = self._numbers.get(way)
            if number is None:
                number = self._tell(self._process, way)
            self._heaps += 1
            self._process.write(number, self._heaps, encode(heap))
        except _LostError as error:
            self._give_up(error)
            return NO_HEAP
        return self._heaps

    def _tell(self, process: _Process, way: Way) -> int:
        if len(self._numbers) >= MAX_WAYS:
            self._numbers.clear()
        number = self._numbers[way] = len(self._numbers)
        process.write(number, NO_HEAP, pickle.dumps(way))
        return number

    def _answer(self, heap: int, count: int) -> MappedHeap:
        if self._process is None or heap == NO_HEAP:
            return NOTHING
        try:
            answered, body = self._process.read()
            mapped = decode(body)
        except _LostError as error:
            self._give_up(error)
            return NOTHING
        except msgspec.MsgspecError:
            answered, mapped = NO_HEAP, NOTHING
        if answered != heap or len(mapped) != count:
            self._give_up(_LostError("answered something that makes no sense"))
            return NOTHING
        return mapped

    def _give_up(self, error: Exception) -> None:
        logging.getLogger("target-braze").warning(
            "The process that maps records ahead %s; the rest is mapped without it, more slowly. Nothing is lost.",
            error,
        )
        self._is_possible = False
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """The other process and the pipes to it.

    Neither side may wait to write while the other does: so while there is no room for a frame, answers are taken in.
    """

    def __init__(self) -> None:
        # `-m` looks in the working directory first, so that has to be ours
        folder = Path(__file__).parent.parent
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "target_braze.mapping_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # invariant 5: what it says might quote a record
            bufsize=0,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith(_ENVIRONMENT_PREFIX)}
            | _KEEP_MEMORY,
            pipesize=_PIPE_BYTES,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._to, self._from = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._frames: deque[tuple[int, bytearray]] = deque()
        self._heap = NO_HEAP
        self._part = memoryview(bytearray(FRAME.size))
        """What of the frame that is arriving is still missing."""
        self._arriving = bytearray()
        self._begin_frame()
        self._is_ready = False

    def is_ready(self) -> bool:
        """Whether it can be sent records."""
        if not self._is_ready and self._wait(select.POLLIN, 0):
            self._take_in()
            self._is_ready = bool(self._frames)
            self._frames.clear()
        return self._is_ready

    def write(self, number: int, heap: int, body: bytes) -> None:
        """Send a frame."""
        for part in (FRAME.pack(len(body), number, heap), body):
            left = memoryview(part)
            while left:
                left = left[self._write_some(left) :]

    def _write_some(self, content: memoryview) -> int:
        """Write what there is room for; if there is none, wait for some and take in answers meanwhile."""
        try:
            return os.write(self._to, content)
        except BlockingIOError:
            if self._wait(select.POLLIN | select.POLLOUT, _PATIENCE_SECONDS) & select.POLLIN:
                self._take_in()
            return 0
        except OSError:
            raise self._ended() from None

    def read(self) -> tuple[int, bytearray]:
        """The next answer: the number of the heap and what is said of it."""
        while not self._frames:
            self._wait(select.POLLIN, _PATIENCE_SECONDS)
            self._take_in()
        return self._frames.popleft()

    def end(self) -> None:
        """End it: it has nothing to lose."""
        self._popen.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_SECONDS)

    def _wait(self, events: int, seconds: float) -> int:
        """Wait for the pipes; return what can be done, 0 if that is nothing and was not waited for."""
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        if events & select.POLLOUT:
            poll.register(self._to, select.POLLOUT)
        found = 0
        for descriptor, event in poll.poll(seconds * 1000):
            found |= select.POLLIN if descriptor == self._from else select.POLLOUT if event else 0
        if not found and seconds:
            raise _LostError(f"did not answer for {seconds:.0f} seconds")
        return found

    def _take_in(self) -> None:
        """Take in what has arrived."""
        while True:
            while not self._part:
                self._end_part()
            try:
                count = os.readv(self._from, [self._part])
            except BlockingIOError:
                return
            except OSError:
                raise self._ended() from None
            if not count:
                raise self._ended()
            self._part = self._part[count:]

    def _begin_frame(self) -> None:
        self._is_head = True
        self._arriving = bytearray(FRAME.size)
        self._part = memoryview(self._arriving)

    def _end_part(self) -> None:
        if self._is_head:
            length, _, self._heap = FRAME.unpack(self._arriving)
            self._is_head = False
            self._arriving = bytearray(length)
            self._part = memoryview(self._arriving)
            if length:
                return
        self._frames.append((self._heap, self._arriving))
        self._begin_frame()

    def _ended(self) -> _LostError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_SECONDS)
        return _LostError(f"ended (exit code {self._popen.returncode})")


def _is_possible() -> bool:
    """Whether a second process could have a processor of its own, and can be talked to."""
    return _processors() > 1 and hasattr(select, "poll")


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        return os.cpu_count() or 1


def _load() -> float:
    """How many processes want each processor."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return 0.0
