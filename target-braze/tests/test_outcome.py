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
