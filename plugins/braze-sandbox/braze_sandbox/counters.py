"""What was counted since the last reset. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from braze_sandbox.outcome import Outcome


class Counters(msgspec.Struct):
    """Counts over all requests to `/users/track`.

    Attributes:
        requests: Requests that came.
        statuses: Answer → requests; `none` where there was no answer.
        objects: Array → objects in bodies that could be read, whatever became of them.
        accepted: Array → objects that were applied.
        rejected: Array → objects that were refused one by one.
        missed: Objects that found no profile and made none.
        attribute_points: Attribute → data points; likewise by event name, by product and by cohort.
        unchanged_values: Attribute values that were written though they were already there.
        dropped: Reason → values that were dropped in silence.
        second: The second (since 1970) that is being counted.
        in_second: Requests in it.
        most_requests_in_one_second: The most there were in any, by the clock.
        identities_in_flight_twice: Objects that came while another request about the same identity was under way.
    """

    requests: int = 0
    statuses: dict[str, int] = {}
    objects: dict[str, int] = {}
    accepted: dict[str, int] = {}
    rejected: dict[str, int] = {}
    missed: int = 0
    attribute_points: dict[str, int] = {}
    event_points: dict[str, int] = {}
    purchase_points: dict[str, int] = {}
    cohort_points: dict[str, int] = {}
    unchanged_values: int = 0
    dropped: dict[str, int] = {}
    second: int = 0
    in_second: int = 0
    most_requests_in_one_second: int = 0
    identities_in_flight_twice: int = 0

    def count_arrival(self, now: float) -> None:
        """Count a request that came at `now`."""
        self.requests += 1
        if int(now) != self.second:
            self.second, self.in_second = int(now), 0
        self.in_second += 1
        self.most_requests_in_one_second = max(self.most_requests_in_one_second, self.in_second)

    def count_answer(self, status: int | None) -> None:
        """Count an answer, or that there is none."""
        _add(self.statuses, {str(status) if status else "none": 1})

    def count_objects(self, objects: dict[str, int]) -> None:
        """Count the objects of a body, per array."""
        _add(self.objects, objects)

    def count_outcome(self, accepted: dict[str, int], rejected: dict[str, int], outcome: Outcome) -> None:
        """Count what a request did."""
        _add(self.accepted, accepted)
        _add(self.rejected, rejected)
        _add(self.attribute_points, outcome.attribute_points)
        _add(self.event_points, outcome.event_points)
        _add(self.purchase_points, outcome.purchase_points)
        _add(self.dropped, outcome.dropped)
        self.missed += outcome.missed
        self.unchanged_values += outcome.unchanged

    def count_cohorts(self, outcome: Outcome) -> None:
        """Count what an import of cohorts cost."""
        _add(self.cohort_points, outcome.cohort_points)

    def as_json(self, profiles: int) -> dict[str, Any]:
        """Return what `/sandbox/stats` says."""
        points = (self.attribute_points, self.event_points, self.purchase_points, self.cohort_points)
        return {
            "requests": self.requests,
            "statuses": self.statuses,
            "objects": {**dict.fromkeys(("attributes", "events", "purchases"), 0), **self.objects},
            "accepted": {**dict.fromkeys(("attributes", "events", "purchases"), 0), **self.accepted},
            "rejected": {**dict.fromkeys(("attributes", "events", "purchases"), 0), **self.rejected},
            "missed": self.missed,
            "profiles": profiles,
            "data_points": {
                "total": sum(sum(each.values()) for each in points),
                "attributes": self.attribute_points,
                "events": self.event_points,
                "purchases": self.purchase_points,
                "cohorts": self.cohort_points,
            },
            "unchanged_values": self.unchanged_values,
            "dropped": self.dropped,
            "most_requests_in_one_second": self.most_requests_in_one_second,
            "identities_in_flight_twice": self.identities_in_flight_twice,
        }


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
