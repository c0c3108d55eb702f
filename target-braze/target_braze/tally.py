"""Counts what became of every record. Pure.

Every record ends in exactly one of delivered, unchanged, held and rejected (invariant 8); a run that is
stopped leaves some unfinished, and says how many. Two threads count: the one that reads and the one that delivers.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from target_braze.responses import without_values
from target_braze.updates import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_braze.differences import Held
    from target_braze.packing import Request
    from target_braze.rejections import Rejection
    from target_braze.updates import Shape


@dataclass
class AudienceTally:
    """The counts of one audience in one run.

    Attributes:
        entered: People who were not in it and are now, by what Braze accepted.
        stayed: People who were in it and did not leave.
        left: People who were in it and are no more, by what Braze accepted.
        undecided: Records that do not say enough; their people stay as they are.
        members: People who are in it at the end of the run.
    """

    entered: int = 0
    stayed: int = 0
    left: int = 0
    undecided: int = 0
    members: int = 0


@dataclass
class StreamTally:
    """The counts of one stream.

    `records`, `unchanged` and what is held are counted by the thread that reads, without a lock.

    Attributes:
        records: Records read.
        unchanged: Records with nothing to send.
        held: Records of which all that changed is held.
        held_attributes: Attribute and policy → how many changes it held, and the data points that saved.
        in_doubt: Records that are held, since nobody knows whether Braze has their event or purchase, or has done the
            additions that are all they say.
        again: Events, purchases and additions that were sent though Braze may have them already.
        delivered: Records accepted by Braze, with all attributes or with those that were not rejected.
        rejected: Records of which nothing was sent, or whose object Braze rejected.
        requests: Requests that had objects of this stream.
        retries: How many of them were sent again.
        shapes: Shape → how many objects of it were accepted.
        rejections: Reason → how often; of records and of single attributes.
        left_out: Attribute → how many nulls and unusable parts inside its values were left out.
        audiences: Audience → who entered, stayed and left.
    """

    records: int = 0
    unchanged: int = 0
    delivered: int = 0
    held: int = 0
    in_doubt: int = 0
    again: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    shapes: Counter[Shape] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    audiences: dict[str, AudienceTally] = field(default_factory=dict)
    held_attributes: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What `summary.json` says of one stream."""
        attributes: Counter[str] = Counter()
        users: Counter[str] = Counter()
        for shape, count in self.shapes.items():
            for name, points in shape.data_points.items():
                attributes[name] += points * count
                users[name] += count
        audiences = {name: asdict(counts) for name, counts in self.audiences.items()}
        return {
            "records": self.records,
            "delivered": self.delivered,
            "unchanged": self.unchanged,
            "held": self.held + self.in_doubt,
            "rejected": self.rejected,
            "unfinished": self.records - self.delivered - self.unchanged - self.held - self.in_doubt - self.rejected,
            "requests": self.requests,
            "retries": self.retries,
            "objects": sum(self.shapes.values()),
            "data_points": sum(attributes.values()),
            "attributes": dict(attributes.most_common()),
            "attribute_updates": dict(users.most_common()),
            "rejections": dict(self.rejections.most_common()),
            "left_out": dict(self.left_out.most_common()),
            "in_doubt": self.in_doubt,
            "sent_again": self.again,
            "held_attributes": [
                {"attribute": name, "policy": policy, "changes": changes, "data_points_saved": points}
                for (name, policy), (changes, points) in sorted(self.held_attributes.items())
            ],
            **({"audiences": audiences} if audiences else {}),
        }


_SUMS = ("records", "delivered", "unchanged", "held", "rejected", "unfinished", "objects", "data_points")

_stream_shape_records = attrgetter("stream", "shape", "records")


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

    def rejected(self, rejections: Sequence[Rejection], *, records: int) -> None:
        """Count rejections, one at least.

        Args:
            rejections: Of one record or object.
            records: How many records they are the outcome of; 0 if something of the record may yet be delivered.
        """
        with self._lock:
            self.records_with_rejections += 1
            stream = self.streams[rejections[0].stream]
            stream.rejected += records
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
            for stream in {piece.stream for piece in request.pieces}:
                self.streams[stream].requests += 1
                self.streams[stream].retries += is_retry

    def held(self, stream: str, held: Iterable[Held]) -> None:
        """Count changes of one record that are held."""
        with self._lock:
            for name, policy, points in held:
                counts = self.streams[stream].held_attributes.setdefault((name, policy), [0, 0])
                counts[0] += 1
                counts[1] += points

    def ended(self, stream: str, outcome: Outcome) -> None:
        """Count a record of which several objects had to end."""
        with self._lock:
            tally = self.streams[stream]
            tally.delivered += outcome is Outcome.DELIVERED
            tally.in_doubt += outcome is Outcome.HELD
            tally.rejected += outcome is Outcome.REJECTED

    def in_doubt(self, stream: str, records: int = 1) -> None:
        """Count records that are held since nobody knows whether Braze has what they say."""
        with self._lock:
            self.streams[stream].in_doubt += records

    def accepted(self, accepted: Request) -> None:
        """Count objects that Braze accepted."""
        counts = Counter(map(_stream_shape_records, accepted.singles))
        with self._lock:
            for (stream, shape, records), count in counts.items():
                self.streams[stream].delivered += count * records
                self.streams[stream].shapes[shape] += count
            for newcomers in accepted.newcomers:
                self.streams[newcomers.stream].delivered += len(newcomers)
                self.streams[newcomers.stream].shapes[newcomers.shape] += len(newcomers)

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
