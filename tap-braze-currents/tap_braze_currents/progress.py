"""Says how far a stream has come, now and then. Pure: the time is given to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INTERVAL_SECONDS: Final = 10.0
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


@dataclass
class Progress:
    """Files and bytes done of those selected.

    Attributes:
        files: Files selected.
        bytes: Their bytes.
    """

    files: int
    bytes: int
    _files_done: int = 0
    _bytes_done: int = 0
    _said: float | None = None

    def done(self, size: int, now: float) -> str | None:
        """Note a file that is done; return a line if it is time for one.

        Args:
            size: The file's bytes.
            now: Seconds of a monotonic clock.
        """
        self._files_done += 1
        self._bytes_done += size
        if self._said is None:
            self._said = now  # a stream that takes less than an interval says nothing
        if now - self._said < INTERVAL_SECONDS:
            return None
        self._said = now
        share = self._bytes_done / self.bytes if self.bytes else 1.0
        return (
            f"{self._files_done:,} of {self.files:,} files, {readable(self._bytes_done)} of {readable(self.bytes)} "
            f"({share:.0%})"
        )


def readable(size: float) -> str:
    """A number of bytes for people."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 - as SI counts
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
