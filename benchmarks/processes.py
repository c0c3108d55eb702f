"""Runs whole processes and measures them: one that reads lines from a pipe, and the stub beside it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_SECONDS = 900
"""A process that takes longer is killed, and the benchmark fails."""
WATCH_SECONDS = 0.1
KEPT_ON_SECONDS = 0.5
"""How long a process that is to be killed may go on once it is under way."""


class WrongResultError(Exception):
    """A process did not do what it was measured for, so that its time means nothing."""


@dataclass(frozen=True)
class Usage:
    """What a process used from the opening of its pipe to its exit.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: User and system time of the process and the children it waited for.
        peak_rss_mb: Most memory it held at once, in millions of bytes, and each process that it started, added up.
        output: The lines it wrote to standard output.
        log: What it wrote to standard error.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    output: list[bytes]
    log: str


def own_environment() -> dict[str, str]:
    """The environment without what a developer's shell may say to what is measured.

    Inside a Meltano project target-braze keeps its files in the project; and without bytecode files, each start would
    compile all that it imports.
    """
    foreign = ("MELTANO_", "TARGET_BRAZE_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def run(command: list[str], lines: Path, folder: Path, environment: dict[str, str] | None = None) -> Usage:
    """Run a command in a folder of its own with the lines on its standard input, as through a shell's pipe.

    Raises:
        WrongResultError: If it fails or takes too long.
    """
    environment = environment or own_environment()
    with (folder / "stdout").open("wb") as output, (folder / "stderr").open("wb") as errors:
        started = time.perf_counter()
        with subprocess.Popen(["cat", str(lines)], stdout=subprocess.PIPE) as source:
            process = subprocess.Popen(
                command, stdin=source.stdout, stdout=output, stderr=errors, cwd=folder, env=environment
            )
            assert source.stdout is not None
            source.stdout.close()  # so that cat ends when the process does
            timer = threading.Timer(MAX_SECONDS, process.kill)
            timer.start()
            watch = _MemoryWatch(process.pid)
            watch.start()
            # wait4 and not wait: what the system says of this one child is exact
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            timer.cancel()
            watch.end()
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        message = (folder / "stderr").read_text(errors="replace")[-3000:]
        raise WrongResultError(f"{' '.join(command)} exited {process.returncode} after {seconds:.1f} s:\n{message}")
    kilo = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in units of 1,024
    return Usage(
        seconds,
        usage.ru_utime + usage.ru_stime,
        max(usage.ru_maxrss * kilo, watch.peak_bytes) / 1e6,
        (folder / "stdout").read_bytes().splitlines(),
        (folder / "stderr").read_text(errors="replace"),
    )


class _MemoryWatch(threading.Thread):
    """Looks now and then what each process of a family has held at most: of several, the system tells the largest only.

    Args:
        pid: The first of them.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peaks: dict[int, int] = {}
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look, until the end."""
        while not self._is_over.wait(WATCH_SECONDS):
            family = [self._pid]
            for pid in family:  # it grows meanwhile
                with contextlib.suppress(OSError, StopIteration):  # it has ended, or this is not Linux
                    status = Path(f"/proc/{pid}/status").read_text()
                    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
                    self._peaks[pid] = int(peak.split()[1]) * 1024
                    family += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.join()

    @property
    def peak_bytes(self) -> int:
        """What they held at most, each at its own time, and what they share counted for each: not too little."""
        return sum(self._peaks.values())


def kill_underway(command: list[str], lines: Path, folder: Path, is_underway: Callable[[], bool]) -> None:
    """Run a command with the lines on its standard input, and kill it when it is under way; it cannot reach the end.

    Raises:
        WrongResultError: If it ended by itself or did not get under way.
    """
    with (
        (folder / "stdout").open("wb") as output,
        (folder / "stderr").open("wb") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=errors, cwd=folder, env=own_environment()
        ) as process,
    ):
        writer = threading.Thread(target=_feed, args=(process, lines))
        writer.start()
        deadline = time.monotonic() + MAX_SECONDS
        while process.poll() is None and not is_underway() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(KEPT_ON_SECONDS)
        has_ended = process.poll() is not None or time.monotonic() >= deadline
        process.kill()
        writer.join()
    if has_ended:
        message = (folder / "stderr").read_text(errors="replace")[-3000:]
        raise WrongResultError(f"{' '.join(command)} was not to be killed:\n{message}")


def _feed(process: subprocess.Popen[bytes], lines: Path) -> None:
    """Write the lines and leave the pipe open, so that whoever reads waits for more."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), lines.open("rb") as file:
        shutil.copyfileobj(file, process.stdin, 1 << 20)
        process.stdin.flush()
        process.wait()


class Stub:
    """The stub in a process of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.base_url = f"http://127.0.0.1:{port}"

    def reset(self) -> None:
        """Set its counters to zero."""
        self._ask("POST", "/reset")

    def stats(self) -> dict[str, float]:
        """Its counters since the last reset; see `stub.Counters.stats`."""
        return self._ask("GET", "/stats")

    def _ask(self, method: str, path: str) -> dict[str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path)
            answer: dict[str, float] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer


@contextlib.contextmanager
def running_stub(delay_ms: float, port: int = 0) -> Iterator[Stub]:
    """A stub that runs until the end of the block, on any free port or a certain one."""
    command = [sys.executable, str(Path(__file__).with_name("stub.py"))]
    command += ["--delay", str(delay_ms), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                raise WrongResultError(f"port {port} is taken; say another one with --port")
            yield Stub(int(said))
        finally:
            process.terminate()
