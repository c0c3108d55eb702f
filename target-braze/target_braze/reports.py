"""The folder of one run's report, and what is in it: dead letter, what is held in doubt, summary. Owns those files.

Rejected records are customer data: the files are the user's alone (mode 0600), and nothing of them goes anywhere else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from target_braze.errors import DeadLetterError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_braze.rejections import Rejection

DEAD_LETTER = "rejected.jsonl"
HELD = "held.jsonl"
SUMMARY = "summary.json"

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


class Report:
    """The folder of one run.

    Args:
        path: The folder that has the reports of all runs.

    Raises:
        SettingsError: If it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        now = dt.datetime.now(dt.timezone.utc)
        self.folder = path / f"{now:%Y-%m-%dT%H-%M-%S.%f}Z-{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, mode=0o700)
            _point(path / "latest", self.folder.name)
        except OSError as error:
            raise SettingsError(
                f"The report of this run cannot be written to {path} ({error.strerror}). Set `report_path` to a folder "
                "that can."
            ) from None
        self.dead_letter = DeadLetter(self.folder / DEAD_LETTER)
        self.held = DeadLetter(self.folder / HELD, "An event, purchase or addition that is held")

    def sync(self) -> None:
        """Make durable what a STATE must not pass.

        Raises:
            DeadLetterError: If it cannot be.
        """
        self.dead_letter.sync()
        self.held.sync()

    def close(self) -> None:
        """Make all but the summary durable, and close it.

        Raises:
            DeadLetterError: If it cannot be.
        """
        try:
            self.dead_letter.close()
        finally:
            self.held.close()

    def write_summary(self, summary: Mapping[str, Any]) -> Path:
        """Write the summary; return its path.

        Raises:
            SettingsError: If it cannot be written.
        """
        path = self.folder / SUMMARY
        try:
            with _open(path) as file:
                file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
        except OSError as error:
            raise SettingsError(
                f"The summary of this run could not be written to {path} ({error.strerror}). What was delivered is "
                "delivered and acknowledged; make room there or set `report_path` elsewhere."
            ) from None
        return path


class DeadLetter:
    """Keeps rejections, one JSON object a line.

    A line is on its way when it was added, and safe when `sync` returned; STATE waits for that (invariant 1).

    Attributes:
        path: The file; it is there once there is a rejection.

    Args:
        path: The file.
        what: What is kept in it, for errors.
    """

    def __init__(self, path: Path, what: str = "A rejected record") -> None:
        self.path = path
        self._what = what
        self._file: BinaryIO | None = None
        self._is_dirty = False
        self._lost: DeadLetterError | None = None
        self._lock = threading.Lock()
        """Two threads add; were both to open the file, one would overwrite what the other wrote."""

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Add rejections.

        Raises:
            DeadLetterError: If they cannot be written; the run must stop (invariant 3).
        """
        lines = b"".join(_line(rejection) for rejection in rejections)
        if not lines:
            return
        with self._lock, self._failing():
            if self._file is None:
                self._file = _open(self.path)
            self._file.write(lines)
            self._is_dirty = True

    def sync(self) -> None:
        """Make all that was added durable.

        Raises:
            DeadLetterError: If it cannot be, or could not be before: a second try may report success for what the
                first one lost (of a write-back error, the system tells once), and no STATE may pass that.
        """
        if self._lost is not None:
            raise self._lost
        if not self._is_dirty or self._file is None:
            return
        try:
            with self._failing():
                self._is_dirty = False  # before the flush: what another thread adds meanwhile makes it dirty again
                self._file.flush()
                os.fsync(self._file.fileno())
        except DeadLetterError as error:
            self._lost = error
            raise

    def close(self) -> None:
        """Make all durable and close the file.

        Raises:
            DeadLetterError: If it cannot be made durable.
        """
        try:
            self.sync()
        finally:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()

    @contextlib.contextmanager
    def _failing(self) -> Any:
        try:
            yield
        except OSError as error:
            raise DeadLetterError(
                f"{self._what} could not be kept in {self.path} ({error.strerror}), so the run stops: going on "
                "would lose it. Make room there or set `report_path` elsewhere, and run again; nothing is lost."
            ) from None


def _line(rejection: Rejection) -> bytes:
    fields = {
        "stream": rejection.stream,
        "identity": rejection.identity,
        "reason": rejection.reason,
        "attribute": rejection.attribute,
        "object": rejection.object,
    }
    try:
        return _encode(fields) + b"\n"
    except (UnicodeEncodeError, msgspec.EncodeError):  # half of a surrogate pair, which only escapes can write
        return json.dumps(fields, default=str).encode() + b"\n"


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _point(link: Path, name: str) -> None:
    """Let a symbolic link point to the newest folder, in one step: a run beside this one may do the same."""
    temporary = link.with_name(f".latest-{name}")
    temporary.symlink_to(name, target_is_directory=True)
    temporary.replace(link)
