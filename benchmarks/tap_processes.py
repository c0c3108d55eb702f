"""Runs a whole process that writes Singer lines into a pipe, counts them at the other end, and measures it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.processes import MAX_SECONDS, WrongResultError

if TYPE_CHECKING:
    from pathlib import Path

MARK: Final = b'"type":"RECORD"'
"""Occurs once in each RECORD line and in no value of the benchmark: to count it is to count the records."""

READ_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Emission:
    """What a process did from its start to its exit.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: User and system time of the process and the children it waited for.
        peak_rss_mb: Most memory it held at once, in millions of bytes.
        records: How many RECORD lines it wrote.
        output_mb: Millions of bytes that it wrote.
        last_line: The last line it wrote.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    records: int
    output_mb: float
    last_line: bytes


def run(command: list[str], folder: Path, cores: int | None, copy: Path | None = None) -> Emission:
    """Run a command in a folder of its own, its standard output a pipe that is read as fast as it fills.

    Args:
        command: What to run.
        folder: Where.
        cores: Keep it on so many cores; None for all there are. What reads the pipe may run on any.
        copy: Where to keep all that it wrote; nowhere, unless given, since that would take longer than the counting.

    Raises:
        WrongResultError: If it fails or takes too long.
    """
    # nothing of what a developer's shell may say: without bytecode files each start would compile all that it imports
    foreign = ("MELTANO_", "AWS_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    counter = Counter()
    with (folder / "stderr").open("wb") as errors, (copy or folder / "none").open("wb") as copied:
        started = time.perf_counter()
        process = _started_on(cores, command, errors=errors.fileno(), folder=folder, environment=environment)
        assert process.stdout is not None
        timer = threading.Timer(MAX_SECONDS, process.kill)
        timer.start()
        while chunk := os.read(process.stdout.fileno(), READ_BYTES):
            counter.take(chunk)
            if copy:
                copied.write(chunk)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        timer.cancel()
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        message = (folder / "stderr").read_text(errors="replace")[-3000:]
        raise WrongResultError(f"{' '.join(command)} exited {process.returncode} after {seconds:.1f} s:\n{message}")
    kilo = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in units of 1,024
    return Emission(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_rss_mb=usage.ru_maxrss * kilo / 1e6,
        records=counter.records,
        output_mb=counter.size / 1e6,
        last_line=b"".join(counter.last_line).rstrip(b"\n"),
    )


class Counter:
    """Counts records in what it is given piece by piece, and keeps the last line.

    Attributes:
        records: How many RECORD lines there were.
        size: How many bytes.
        last_line: The last line, in the pieces it came in.
    """

    def __init__(self) -> None:
        self.records = self.size = 0
        self.last_line: list[bytes] = []
        self._carried = b""

    def take(self, chunk: bytes) -> None:
        """Count what a piece holds."""
        self.size += len(chunk)
        # what may be the beginning of a mark is counted with the next piece
        both = self._carried + chunk
        self.records += both.count(MARK)
        self._carried = both[1 - len(MARK) :]
        begin = chunk.rfind(b"\n", 0, -1) + 1
        if begin or (self.last_line and self.last_line[-1].endswith(b"\n")):
            self.last_line.clear()
        self.last_line.append(chunk[begin:])


def _started_on(
    cores: int | None, command: list[str], *, errors: int, folder: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process on some cores only; it inherits them from this thread, which then has all of them back."""
    every = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores and every:
        os.sched_setaffinity(0, sorted(every)[-cores:])
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=folder, env=environment)
    finally:
        if every:
            os.sched_setaffinity(0, every)
