from __future__ import annotations

from pathlib import Path
from typing import Any

from target_braze.outcome import outcome_lines
from target_braze.tally import Tally

PATH = Path("/reports/run/summary.json")


def lines(**counts: Any) -> list[str]:
    return list(outcome_lines({**Tally().summary(0), **counts}, PATH))


def test_a_run_in_three_lines() -> None:
    assert lines(records=12_345, delivered=12_000, unchanged=345, requests=160, data_points=24_000, seconds=1.26) == [
        "12,345 records read: 12,000 delivered, 345 unchanged.",
        "160 requests, 24,000 data points, 1.3 seconds.",
        "Summary: /reports/run/summary.json",
    ]


def test_nothing_read() -> None:
    assert lines()[0] == "0 records read: 0 delivered."


def test_a_dry_run_says_first_that_it_was_one() -> None:
    assert lines(dry_run=True)[0].startswith("Dry run: nothing was sent")


def test_every_outcome_is_named_if_there_is_one() -> None:
    first = lines(records=10, delivered=0, unchanged=1, held=2, rejected=3, unfinished=4)[0]
    assert first == "10 records read: 0 delivered, 1 unchanged, 2 held, 3 rejected, 4 unfinished."


def test_retries_are_said_if_there_are_any() -> None:
    assert "160 requests (1,003 of them again)" in lines(requests=160, retries=1_003)[1]


def test_reasons_are_listed_with_their_place() -> None:
    listed = lines(rejections={"worse": 2_000, "bad": 1})
    assert listed[2:5] == [
        "Rejected, and why (each in rejected.jsonl beside /reports/run/summary.json):",
        "  2,000 x worse",
        "  1 x bad",
    ]


def test_no_more_than_ten_reasons() -> None:
    listed = lines(rejections={f"reason {number}": 1 for number in range(13)})
    assert sum(" x reason" in line for line in listed) == 10
    assert listed[-2:] == ["  and 3 more reasons", f"Summary: {PATH}"]


def test_ten_reasons_are_all_there_are() -> None:
    assert not any("more reasons" in line for line in lines(rejections={f"reason {n}": 1 for n in range(10)}))


def streams(**counted: Any) -> dict[str, Any]:
    return {"people": {"held_attributes": [], "attribute_updates": {}, "attributes": {}, **counted}}


def test_what_is_held_is_told_with_what_it_saved() -> None:
    held = [{"attribute": "visits", "policy": "tolerance", "changes": 3_750, "data_points_saved": 4_000}]
    assert lines(streams=streams(held_attributes=held))[2:4] == [
        "Held back in stream people (by its `fields`; each goes out when its time has come):",
        "  visits: 3,750 changes by tolerance, 4,000 data points saved",
    ]


def test_additions_in_doubt_are_told_with_where_they_are_listed() -> None:
    held = [
        {"attribute": "visits", "policy": "in_doubt", "changes": 3, "data_points_saved": 3},
        {"attribute": "points", "policy": "in_doubt", "changes": 2, "data_points_saved": 2},
    ]
    [told] = lines(streams=streams(held_attributes=held, in_doubt=1))[2:3]
    assert told.startswith("Held in stream people: 5 of which nobody knows whether Braze has them (each in held.jsonl")


def test_a_dry_run_tells_what_would_change_and_how_long_it_takes() -> None:
    habit = {"stream": "people", "attribute": "tier", "habit": "changed", "data_points": 5, "settings": "streams: …"}
    told = lines(
        dry_run=True,
        streams=streams(attribute_updates={"tier": 1_200, "email": 7}, attributes={"tier": 1_200}),
        plan={"minutes": 0.2, "minutes_at_hourly_limit": 12.4, "habits": [habit]},
    )
    assert told[3:] == [
        "What would change in stream people:",
        "  attribute        people   data points",
        "  tier              1,200         1,200",
        "  email                 7             0",
        (
            "It would take less than a minute at `max_requests_per_second`, and 12 minutes where the account allows "
            "250,000 requests an hour."
        ),
        "Costly habits, and the line of the settings that would mend each:",
        "  people, tier (5 data points): changed",
        "    streams: …",
        f"Summary: {PATH}",
    ]


def test_more_attributes_than_fit_are_counted() -> None:
    told = lines(dry_run=True, streams=streams(attribute_updates={f"a{n}": 1 for n in range(33)}))
    assert "  and 3 more attributes, in the summary" in told
