"""How far the files of one folder were read, for a span of hours: the arithmetic below the bookmark.

Responsible for positions: where one is, when it may move, how spans of hours are cut and joined. Promises that a
position never passes a file that was listed and is not read, nor a time at which files may still appear. Must never
know of state, of streams or of the bucket.

Why spans: a bookmark says "everything up to here was read", which is true of the hours that `start_date` and `end_date`
let in, and of no others. With either moved, the hours that come in were never read, and those that leave keep what was
true of them. So each span of hours has a position of its own; when two neighbours have come equally far they are one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_braze_currents.keys import hour_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_braze_currents.files import File

Position = tuple[datetime, str]
"""Time of writing and key of the last file passed: the order of reading."""

FIRST = ""
"""Before every hour."""
LAST = "~"
"""After every hour: in ASCII it follows all digits."""


@dataclass(frozen=True)
class Span:
    """A span of hours and how far their files were read.

    Attributes:
        start: Its first hour.
        end: The first hour after it.
        position: All files up to and including it were read, and none can appear before it; `None` before the first.
        unread_from: The oldest hour of the files that were listed and lie beyond the position. Needed where old hours
            were written late, as by the copy of a whole bucket: a run that ends half-way has a position of today, and
            listing from there less some days would never see the rest again.
    """

    start: str = FIRST
    end: str = LAST
    position: Position | None = None
    unread_from: str | None = None

    def floor(self, late_arrival_days: int | None) -> str:
        """Return the hour from which to list; `None` days is the whole span."""
        if self.position is None or late_arrival_days is None:
            return self.start
        arrived_from = hour_of(self.position[0] - timedelta(days=late_arrival_days))
        return max(self.start, min(arrived_from, self.unread_from or LAST))


def cut(spans: Iterable[Span], *at: str) -> list[Span]:
    """Cover all hours with spans, in order: those given, cut at the given hours, and unread ones between them."""
    whole: list[Span] = []
    reached = FIRST
    for span in sorted(spans, key=lambda span: span.start):
        if reached < span.start:
            whole.append(Span(reached, span.start))
        whole.append(span)
        reached = span.end
    if reached < LAST:
        whole.append(Span(reached, LAST))
    for hour in at:
        whole = [
            part
            for span in whole
            for part in (
                (replace(span, end=hour), replace(span, start=hour)) if span.start < hour < span.end else (span,)
            )
        ]
    return whole


def join(spans: Iterable[Span]) -> list[Span]:
    """Make one of neighbours that were read equally far, and leave out what was not read at all."""
    joined: list[Span] = []
    for span in spans:
        before = joined[-1] if joined else None
        if span.position is None:
            continue
        if before and before.position == span.position and before.end == span.start:
            unread_from = min(before.unread_from or LAST, span.unread_from or LAST)
            joined[-1] = replace(before, end=span.end, unread_from=unread_from if unread_from != LAST else None)
        else:
            joined.append(span)
    return joined


class Queue:
    """The listed files of one span beyond its position, in the order of reading, and the position that follows them."""

    def __init__(self, span: Span, files: Iterable[File]) -> None:
        self._span = span
        self.position = span.position
        self._files = sorted(
            (file for file in files if span.position is None or file.order > span.position),
            key=lambda file: file.order,
        )
        self._next = 0
        # The oldest hour from each file on, so that asking for it after every file of a million costs nothing.
        self._oldest = [LAST]
        for file in reversed(self._files):
            self._oldest.append(min(self._oldest[-1], file.place.hour))
        self._oldest.reverse()

    def __contains__(self, hour: str) -> bool:
        """Whether the hour is of this span."""
        return self._span.start <= hour < self._span.end

    @property
    def span(self) -> Span:
        """The span as it is now."""
        oldest = self._oldest[self._next]
        # Said only where it says more than the position does.
        unread_from = oldest if self.position and oldest < hour_of(self.position[0]) else None
        return replace(self._span, position=self.position, unread_from=unread_from)

    def is_beyond(self, file: File) -> bool:
        """Whether the position has not passed the file."""
        return self.position is None or file.order > self.position

    def waiting(self) -> list[File]:
        """The files the position has not passed, in the order of reading."""
        return self._files[self._next :]

    def advance(self, horizon: datetime, is_done: Callable[[File], bool]) -> Iterator[File]:
        """Move the position over the files that are done, up to the first that is not or that is too recent.

        Args:
            horizon: The time before which no file can appear any more. Beyond it the position never goes: a file may
                still come to light between two that were read.
            is_done: Whether a file need not be read again for its own sake.

        Yields:
            The files passed.
        """
        while self._next < len(self._files):
            file = self._files[self._next]
            if file.modified > horizon or not is_done(file):
                return
            self._next += 1
            self.position = file.order
            yield file

    def catch_up(self, position: Position) -> None:
        """Move to another span's position if no file lies between. The position must not be beyond the horizon."""
        is_clear = self._next == len(self._files) or self._files[self._next].order > position
        if is_clear and (self.position is None or self.position < position):
            self.position = position
