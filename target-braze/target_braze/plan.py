"""What a dry run tells beyond the counts: how long it would take, and which habits cost more than they need. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_braze.endpoints import Rate
from target_braze.findings import settings_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_braze.changes import Change
    from target_braze.endpoints import Endpoint
    from target_braze.mapping import Source
    from target_braze.updates import Attributes

HOURLY_LIMIT: Final = 250_000
"""Requests an hour that Braze allows older accounts. Braze docs, "API limits", 2026-09."""
MOST: Final = 0.5
"""An attribute that changes for a greater share of the people known is worth a question."""
LEAST_PEOPLE: Final = 20
"""With fewer people known, a share says nothing."""
LONG_FRACTION: Final = re.compile(rb"-?\d+\.\d{4,}")
"""A number with so many decimals changes without anything having changed."""
RELATIVE_DATE: Final = re.compile(
    r"(^|_)(days?|weeks?|months?|hours?|years?)_?(since|ago|until|till|to|left|old|remaining)(_|$)"
    r"|(^|_)(since|until)_.*_(days?|weeks?|months?|hours?)$|(^|_)(recency|age_in_days)(_|$)",
    re.IGNORECASE,
)
"""A name that says how far a date is from today: it changes each day for everybody."""
_WHOLE: Final = re.compile(rb"-?\d+")


@dataclass
class StreamPlan:
    """What was seen of one stream.

    Attributes:
        known: Records about people the ledger knew, of which something is to be sent.
        changed: Attribute → how many of those it changed for.
        seen: Attribute → how many values of it are to be sent.
        fractions: Attribute → how many of those are numbers with a long fraction.
        whole: Attribute → how many of those are whole numbers.
    """

    known: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    fractions: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)


class _Clock:
    """When requests would start that keep their limits, in the order they are sent.

    Args:
        per_second: Most requests of any kind in a second.
        tracked_per_second: Most of those to `/users/track`.
    """

    def __init__(self, per_second: float, tracked_per_second: float) -> None:
        self.seconds = 0.0
        self._interval = 1 / per_second
        self._tracked = Rate("track", tracked_per_second)
        self._next: dict[str, float] = {}

    def start(self, rate: Rate | None) -> None:
        """Start a request: after the one before it, which a slow endpoint holds up, and as its own limit allows."""
        name, per_second = rate or self._tracked
        at = max(self.seconds + self._interval, self._next.get(name, 0.0) + 1 / per_second)
        self.seconds = self._next[name] = at


class Plan:
    """Watches what would be sent.

    Args:
        requests_per_second: The most that the settings allow.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._clock = _Clock(requests_per_second, requests_per_second)
        self._hourly = _Clock(requests_per_second, HOURLY_LIMIT / 3_600)
        self._streams: defaultdict[str, StreamPlan] = defaultdict(StreamPlan)

    def sent(self, endpoint: Endpoint) -> None:
        """Take note of a request."""
        self._clock.start(endpoint.rate)
        self._hourly.start(endpoint.rate)

    def note(self, attributes: Attributes, change: Change) -> None:
        """Take note of what a record would change."""
        if change.update is None:
            return
        stream = self._streams[attributes.stream]
        stream.known += change.is_known
        stream.changed.update(change.changed)
        names = change.update.shape.data_points
        for name, value in zip(attributes.form.names, attributes.values, strict=True):
            if name in names:
                stream.seen[name] += 1
                stream.fractions[name] += LONG_FRACTION.fullmatch(value) is not None
                stream.whole[name] += _WHOLE.fullmatch(value) is not None

    def summary(
        self,
        streams: Mapping[str, Mapping[str, Any]],
        source_of: Callable[[str, str], Source],
    ) -> dict[str, Any]:
        """What `summary.json` says of the plan.

        Args:
            streams: The summary of each stream.
            source_of: Tells where an attribute of a stream comes from.
        """
        return {
            "minutes": round(self._clock.seconds / 60, 2),
            "minutes_at_hourly_limit": round(self._hourly.seconds / 60, 2),
            "habits": [
                habit
                for name, stream in self._streams.items()
                for habit in self._habits(name, stream, streams[name], source_of)
            ],
        }

    @staticmethod
    def _habits(
        name: str, stream: StreamPlan, counted: Mapping[str, Any], source_of: Callable[[str, str], Source]
    ) -> Iterator[dict[str, Any]]:
        known = stream.known + counted["unchanged"] + counted["held"]
        for attribute, seen in stream.seen.most_common():
            changed = stream.changed[attribute]
            column, policies = source_of(name, attribute)
            if policies:
                continue  # somebody has thought about it
            is_frequent = known >= LEAST_PEOPLE and changed > known * MOST
            if RELATIVE_DATE.search(attribute) and stream.whole[attribute] > seen * MOST:
                what = "counts from today, so that it changes each day for everybody; send the date, or bands of it"
                policy = "{bucket: [7, 30, 90]}"
            elif stream.fractions[attribute] > seen * MOST:
                what = "has a long fraction, which changes when nothing else does"
                policy = "{round: 2}"
            elif is_frequent:
                what = f"changed for {changed:,} of {known:,} people known; slower may do"
                policy = "{at_most_every: 7d}"
            else:
                continue
            yield {
                "stream": name,
                "attribute": attribute,
                "habit": what,
                "data_points": counted["attributes"].get(attribute, 0),
                "settings": settings_line(name, column, policy),
            }
