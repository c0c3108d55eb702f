"""Which files to read, and what to remember of it: the state of one stream.

Responsible for the bookmark. Promises that a file that can be listed is read, whatever is killed, moved or late, and
that none is read again without need: only the file in flight when a run dies, and files that were written again. Must
never do I/O or look at a clock; the time is the bucket's own, given by the caller.

For each folder `…/event_type=<T>` (several connectors may write to one stream) the bookmark holds

- **positions** (`spans`): all files up to this time of writing and key were read. A position stays `settle_minutes`
  behind the bucket's clock, because files appear behind others: a multipart upload bears the time of its beginning, a
  bucket's clock counts whole seconds, and a listing takes a while;
- the files **seen**, read beyond the position, with their versions: those of the last `settle_minutes`, no more;
- the files **set aside**, which could not be read and are tried again by every run until they can be or are deleted.

Neither would do alone. A time loses what appears behind it, or reads the last second again forever; keys are not in the
order of time (`keys.start_after`), and to remember them all is a million a month.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_braze_currents.files import File, read_time, write_time
from tap_braze_currents.keys import event_type_folder, floor_hour, parse
from tap_braze_currents.spans import FIRST, LAST, Queue, Span, cut, join

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE_VERSION = 1


class BookmarkError(ValueError):
    """The state is none that this version of the tap can go on from."""


@dataclass(frozen=True)
class Selection:
    """What the settings let in.

    Attributes:
        start_date: The first hour of arrival wanted (`date=` in the key), or `None` for all there are. A date means its
            first hour, a time the hour it lies in.
        end_date: The first hour no longer wanted, or `None`: `2026-02-01` is all of January, so that what one run ends
            with the next one can start with.
        settle_minutes: How long after its time of writing a file may still come to light. Must exceed the longest
            upload and the difference between the bucket's clocks.
        late_arrival_days: How long after its hour a file may be written; `None` lists everything every time. Braze
            keeps events for up to 5 days while it cannot write (Braze docs, Currents for Amazon S3, read 2026-11-24).
    """

    start_date: str | None = None
    end_date: str | None = None
    settle_minutes: int = 60
    late_arrival_days: int | None = 7

    def __post_init__(self) -> None:
        """Bring both dates to hours as keys spell them, which compare as text."""
        for name in ("start_date", "end_date"):
            text = getattr(self, name)
            if text is not None:
                object.__setattr__(self, name, floor_hour(text))

    @property
    def start(self) -> str:
        """The first hour wanted."""
        return self.start_date or FIRST

    @property
    def end(self) -> str:
        """The first hour no longer wanted."""
        return self.end_date or LAST

    def __contains__(self, hour: str) -> bool:
        """Whether the hour is wanted."""
        return self.start <= hour < self.end

    def spans(self, known: Iterable[Span]) -> tuple[list[Span], list[Span]]:
        """Cut what is known of all hours into the spans that are wanted and those that are not."""
        spans = cut(known, self.start, self.end)
        wanted = [span for span in spans if self.start <= span.start and span.end <= self.end]
        return wanted, [span for span in spans if span not in wanted]


class FolderBookmark:
    """The bookmark of the files in one folder."""

    def __init__(self, folder: str, state: dict[str, Any]) -> None:
        self._prefix = f"{folder}/"
        self._spans = [_span(self._prefix, span) for span in state.get("spans", [])]
        self._queues: list[Queue] = []
        self._horizon: datetime | None = None
        self._seen: dict[str, str] = {
            self._prefix + key: str(version) for key, version in state.get("seen", {}).items()
        }
        self.set_aside: dict[str, str] = {
            self._prefix + key: str(reason) for key, reason in state.get("set_aside", {}).items()
        }

    def listing_floor(self, selection: Selection) -> str | None:
        """Return the hour from which this folder has to be listed, `None` for all of it."""
        floors = [span.floor(selection.late_arrival_days) for span in selection.spans(self._known())[0]]
        # A file set aside is looked for wherever it is, so that the corrected one is found however late it comes.
        floors += [hour for key in self.set_aside if (hour := _hour(key)) in selection]
        return min(floors, default=selection.start) or None

    def select(self, files: Iterable[File], now: datetime, selection: Selection) -> list[File]:
        """See `Bookmark.select`."""
        listed = {file.key: file for file in files if file.place.hour in selection}
        wanted, self._spans = selection.spans(self._known())
        self._queues = [
            Queue(span, [file for file in listed.values() if span.start <= file.place.hour < span.end])
            for span in wanted
        ]
        self._horizon = now - timedelta(minutes=selection.settle_minutes)
        # The floor is below each of these (`Span.unread_from`), so that what was not listed is there no more.
        gone = {key for key in (*self._seen, *self.set_aside) if _hour(key) in selection} - listed.keys()
        for key in gone:
            self._seen.pop(key, None)
            self.set_aside.pop(key, None)
        self._advance()
        unread = {file.key: file for queue in self._queues for file in queue.waiting() if not self._is_done(file)}
        unread |= {key: listed[key] for key in self.set_aside if key in listed}
        return sorted(unread.values(), key=lambda file: file.order)

    def read(self, file: File) -> None:
        """See `Bookmark.read`."""
        self.set_aside.pop(file.key, None)
        if any(file.place.hour in queue and queue.is_beyond(file) for queue in self._queues):
            self._seen[file.key] = file.version
        self._advance()

    def put_aside(self, file: File, reason: str) -> None:
        """See `Bookmark.set_aside`."""
        self.set_aside[file.key] = reason
        self._advance()

    def to_state(self) -> dict[str, Any]:
        """See `Bookmark.to_state`."""
        state: dict[str, Any] = {"spans": [self._span_state(span) for span in self._known()]}
        if self._seen:
            state["seen"] = {key.removeprefix(self._prefix): self._seen[key] for key in sorted(self._seen)}
        if self.set_aside:
            state["set_aside"] = {key.removeprefix(self._prefix): self.set_aside[key] for key in sorted(self.set_aside)}
        return state

    def _known(self) -> list[Span]:
        """All spans as they are now."""
        return join(sorted([*self._spans, *(queue.span for queue in self._queues)], key=lambda span: span.start))

    def _is_done(self, file: File) -> bool:
        """Whether this version of the file was read, or the file is tried again for as long as it is set aside."""
        return self._seen.get(file.key) == file.version or file.key in self.set_aside

    def _advance(self) -> None:
        """Move each position as far as it may go, and forget what it passed."""
        if self._horizon is None:
            return
        for queue in self._queues:
            for file in queue.advance(self._horizon, self._is_done):
                self._seen.pop(file.key, None)
        if len(self._queues) > 1:
            # What a back-fill has caught up with is one span again. Up to the horizon nothing appears any more, so that
            # a span with nothing unread before its neighbour's position is as far.
            positions = [queue.position for queue in self._queues if queue.position]
            furthest = max((position for position in positions if position[0] <= self._horizon), default=None)
            for queue in self._queues:
                if furthest:
                    queue.catch_up(furthest)

    def _span_state(self, span: Span) -> dict[str, str | None]:
        """Return a span as state holds it."""
        assert span.position is not None, "a span that was not read at all is not kept"
        state = {
            "from": span.start if span.start != FIRST else None,
            "until": span.end if span.end != LAST else None,
            "modified": write_time(span.position[0]),
            "key": span.position[1].removeprefix(self._prefix),
            "unread_from": span.unread_from,
        }
        return {name: value for name, value in state.items() if value is not None}


class Bookmark:
    """The bookmark of one stream: of each folder that has its files.

    A folder has its own, so that one that comes in sight later, by another `path` or `integrations`, is read whole.
    """

    def __init__(self, folders: dict[str, FolderBookmark] | None = None) -> None:
        self._folders = folders or {}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Bookmark:
        """Take up the bookmark that a state holds; a state without one has read nothing.

        Args:
            state: What `to_state` returned. Whatever else the SDK keeps beside it is left alone.

        Raises:
            BookmarkError: The state is of another version, or damaged.
        """
        if not {"version", "folders"} & state.keys():
            return cls()
        remedy = "or remove this stream's bookmark from the state to read everything from start_date on again"
        if state.get("version") != STATE_VERSION:
            raise BookmarkError(
                f"the state's bookmark has version {state.get('version')!r}, this tap-braze-currents knows "
                f"{STATE_VERSION}: install the version that wrote it, {remedy}"
            )
        try:
            return cls({folder: FolderBookmark(folder, held) for folder, held in state["folders"].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BookmarkError(f"the state's bookmark is damaged ({error!r}): restore it, {remedy}") from error

    def to_state(self) -> dict[str, Any]:
        """Return the bookmark as small JSON, the same for the same bookmark. May be asked after any file."""
        folders = {
            folder: held for folder in sorted(self._folders) if any((held := self._folders[folder].to_state()).values())
        }
        return {"version": STATE_VERSION, "folders": folders}

    def listing_floor(self, folder: str, selection: Selection) -> str | None:
        """Return the hour from which to list a folder `…/event_type=<T>`, `None` for all of it."""
        known = self._folders.get(folder.rstrip("/"))
        return known.listing_floor(selection) if known else selection.start_date

    def select(
        self, files: Iterable[File], now: datetime, selection: Selection, folders: Iterable[str] = ()
    ) -> list[File]:
        """Choose the files to read, and begin a run.

        Args:
            files: All files of the stream, in each folder from its listing floor on; more do no harm.
            now: The bucket's clock when the listing began, which is what its files are stamped with.
            selection: The settings.
            folders: The folders that were listed, should one of them have held no file.

        Returns:
            The files to read, in the order in which to read them: by time of writing, then by key.
        """
        by_folder: defaultdict[str, list[File]] = defaultdict(list, {folder.rstrip("/"): [] for folder in folders})
        for file in files:
            by_folder[event_type_folder(file.key)].append(file)
        selected = [
            file for folder, listed in by_folder.items() for file in self._folder(folder).select(listed, now, selection)
        ]
        return sorted(selected, key=lambda file: file.order)

    def read(self, file: File) -> None:
        """Note that all records of a file are out. So it is for one that has none, or that is no longer there."""
        self._folder(event_type_folder(file.key)).read(file)

    def set_aside(self, file: File, reason: str) -> None:
        """Note that a file cannot be read and is passed over; the next run selects it again.

        Args:
            file: The file.
            reason: What is wrong with it, for people; it is written to state, so it must hold no value of a record.
        """
        self._folder(event_type_folder(file.key)).put_aside(file, reason)

    @property
    def files_set_aside(self) -> dict[str, str]:
        """The keys of the files set aside, with the reasons."""
        return {
            key: reason
            for folder in sorted(self._folders)
            for key, reason in sorted(self._folders[folder].set_aside.items())
        }

    def _folder(self, folder: str) -> FolderBookmark:
        """Return a folder's bookmark; one that was never seen has read nothing."""
        return self._folders.setdefault(folder, FolderBookmark(folder, {}))


def _span(prefix: str, state: dict[str, Any]) -> Span:
    """Take up a span from state."""
    return Span(
        start=state.get("from") or FIRST,
        end=state.get("until") or LAST,
        position=(read_time(state["modified"]), prefix + state["key"]),
        unread_from=state.get("unread_from"),
    )


def _hour(key: str) -> str:
    """Return the hour of a key that state holds."""
    place = parse(key)
    return place.hour if place else FIRST
