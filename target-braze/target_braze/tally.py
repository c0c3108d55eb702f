"""Counts what became of every record. Pure.

Every record ends in exactly one of delivered, unchanged, held and rejected (invariant 8); a run that is
stopped leaves some unfinished, and says how many. Two threads count: the one that reads and the one that delivers.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from target_braze.responses import without_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.packing import Request
    from target_braze.rejections import Rejection
    from target_braze.updates import Shape, Update


@dataclass
class StreamTally:
    """The counts of one stream.

    `records` and `unchanged` are counted by the thread that reads, without a lock.

    Attributes:
        records: Records read.
        unchanged: Records with nothing to send.
        delivered: Records accepted by Braze, with all attributes or with those that were not rejected.
        rejected: Records of which nothing was sent, or whose object Braze rejected.
        requests: Requests that had objects of this stream.
        retries: How many of them were sent again.
        shapes: Shape → how many objects of it were accepted.
        rejections: Reason → how often; of records and of single attributes.
        left_out: Attribute → how many nulls and unusable parts inside its values were left out.
    """

    records: int = 0
    unchanged: int = 0
    delivered: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    shapes: Counter[Shape] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """What `summary.json` says of one stream."""
        attributes: Counter[str] = Counter()
        for shape, count in self.shapes.items():
            for name, points in shape.data_points.items():
                attributes[name] += points * count
        return {
            "records": self.records,
            "delivered": self.delivered,
            "unchanged": self.unchanged,
            "held": 0,
            "rejected": self.rejected,
            "unfinished": self.records - self.delivered - self.unchanged - self.rejected,
            "requests": self.requests,
            "retries": self.retries,
            "objects": sum(self.shapes.values()),
            "data_points": sum(attributes.values()),
            "attributes": dict(attributes.most_common()),
            "rejections": dict(self.rejections.most_common()),
            "left_out": dict(self.left_out.most_common()),
        }


_SUMS = ("records", "delivered", "unchanged", "held", "rejected", "unfinished", "objects", "data_points")

_stream_and_shape = attrgetter("stream", "shape")


class Tally:
    """The counts of a run."""

    def __init__(self) -> None:
        self.streams: defaultdict[str, StreamTally] = defaultdict(StreamTally)
        self.records_with_rejections = 0
        self._requests = 0
        self._retries = 0
        self._lock = threading.Lock()

    @property
    def records(self) -> int:
        """Records read in all."""
        return sum(stream.records for stream in list(self.streams.values()))

    def rejected(self, rejections: Sequence[Rejection], *, is_record: bool) -> None:
        """Count the rejections of one record, one at least, and the record if nothing of it is delivered."""
        with self._lock:
            self.records_with_rejections += 1
            stream = self.streams[rejections[0].stream]
            stream.rejected += is_record
            stream.rejections.update(without_values(rejection.reason) for rejection in rejections)

    def left_out(self, stream: str, parts: Iterable[tuple[str, int]]) -> None:
        """Count what was left out of one record's nested values."""
        with self._lock:
            for attribute, count in parts:
                self.streams[stream].left_out[attribute] += count

    def sent(self, request: Request, *, is_retry: bool) -> None:
        """Count a request that leaves."""
        with self._lock:
            self._requests += 1
            self._retries += is_retry
            for stream in {update.stream for update in request.objects}:
                self.streams[stream].requests += 1
                self.streams[stream].retries += is_retry

    def accepted(self, objects: Iterable[Update]) -> None:
        """Count objects that Braze accepted."""
        counts = Counter(map(_stream_and_shape, objects))
        with self._lock:
            for (stream, shape), count in counts.items():
                self.streams[stream].delivered += count
                self.streams[stream].shapes[shape] += count

    def summary(self, seconds: float, *, dry_run: bool = False) -> dict[str, Any]:
        """What `summary.json` says of the run.

        Args:
            seconds: How long it took.
            dry_run: Whether nothing was sent, and what is said is what would have been.
        """
        with self._lock:
            streams = {name: tally.summary() for name, tally in self.streams.items()}
            rejections: Counter[str] = Counter()
            for stream in streams.values():
                rejections.update(stream["rejections"])
            return {
                **{name: sum(stream[name] for stream in streams.values()) for name in _SUMS},
                "requests": self._requests,
                "retries": self._retries,
                "seconds": round(seconds, 3),
                "dry_run": dry_run,
                "streams": streams,
                "rejections": dict(rejections.most_common()),
            }
