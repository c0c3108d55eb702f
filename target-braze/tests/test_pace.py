from __future__ import annotations

from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.pace import Pace, announced_wait

NOW = 1_790_000_000.0
RETRY_AFTER, LIMIT, REMAINING, RESET = (
    "x-ratelimit-retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
)  # fmt: skip


def starts(pace: Pace, arrivals: list[float]) -> list[float]:
    """When callers start who come at these times and wait as they are told, first come, first served."""
    now, started = 0.0, []
    for arrival in arrivals:
        now = max(now, arrival)
        while wait := pace.wait(now):
            now += wait
        pace.started(now)
        started.append(now)
    return started


def most_in_a_second(started: list[float]) -> int:
    return max((bisect_left(started, start + 1.0) - number for number, start in enumerate(started)), default=0)


@given(
    st.one_of(st.integers(1, 60), st.sampled_from([100, 1000, 3000])),
    st.lists(st.tuples(st.sampled_from([0.0, 0.0001, 0.001, 0.004, 0.02, 0.9, 3.0]), st.integers(1, 60)), max_size=30),
)
def test_law_that_no_second_has_more_starts_than_the_limit(per_second: int, bursts: list[tuple[float, int]]) -> None:
    """Whatever the arrival of those who want to start."""
    arrivals, now = [], 0.0
    for gap, count in bursts:
        now += gap
        arrivals += [now] * count
    assert most_in_a_second(starts(Pace(per_second), arrivals)) <= per_second


@given(st.integers(1, 200), st.lists(st.floats(0, 0.02), min_size=1, max_size=400))
def test_law_that_late_wake_ups_do_not_break_the_limit(per_second: int, delays: list[float]) -> None:
    """A timer never fires early, and often late; what is caught up for is bounded."""
    pace, now, started = Pace(per_second), 0.0, []
    for delay in delays:
        while wait := pace.wait(now):
            now += wait + delay
        pace.started(now)
        started.append(now)
    assert most_in_a_second(started) <= per_second


@pytest.mark.parametrize("per_second", [1, 2, 3, 10, 75, 250, 1000, 5000])
def test_constant_demand_uses_95_percent_of_the_limit(per_second: int) -> None:
    seconds = 20
    started = starts(Pace(per_second), [0.0] * (per_second * seconds))
    assert sum(start < seconds for start in started) >= 0.95 * per_second * seconds
    assert most_in_a_second(started) <= per_second


def test_wake_ups_a_millisecond_late_cost_no_speed() -> None:
    """At 1,000 a second each wait is as short as a timer is exact."""
    pace, now, started = Pace(1000), 0.0, 0
    while now < 10.0:
        while wait := pace.wait(now):
            now += wait + 0.0009
        pace.started(now)
        started += 1
    assert started >= 9_500


def test_first_request_does_not_wait() -> None:
    assert Pace(1).wait(123.0) == 0.0


def test_an_idle_while_is_not_saved_up() -> None:
    pace = Pace(10)
    pace.started(0.0)
    assert most_in_a_second(starts(pace, [100.0] * 30)) <= 10


def test_pause_holds_up_everybody() -> None:
    pace = Pace(1000)
    pace.pause(10.0, 5.0)
    assert pace.wait(10.0) == 5.0
    assert pace.wait(14.5) == 0.5
    assert pace.wait(15.0) == 0.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pace = Pace(1000)
    pace.pause(10.0, 5.0)
    pace.pause(11.0, 1.0)
    assert pace.wait(12.0) == 3.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="no headers"),
        pytest.param({RETRY_AFTER: "17"}, 17.0, id="MAU contracts' 429"),
        pytest.param({RETRY_AFTER: "0"}, 0.0, id="MAU contracts' 429, none"),
        pytest.param({"retry-after": "3"}, 3.0, id="Retry-After in seconds"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="Retry-After with a fraction"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, id="Retry-After as a date"),
        pytest.param({RETRY_AFTER: "17", "retry-after": "3"}, 17.0, id="Braze's own before the usual one"),
        pytest.param({RETRY_AFTER: "", "retry-after": "3"}, 3.0, id="Braze's own is empty"),
        pytest.param({RETRY_AFTER: "-5"}, None, id="negative"),
        pytest.param({RETRY_AFTER: "inf"}, None, id="infinite"),
        pytest.param({RETRY_AFTER: "nan"}, None, id="not a number"),
        pytest.param({RETRY_AFTER: "soon"}, None, id="garbage"),
        pytest.param({REMAINING: "0", RESET: str(int(NOW) + 42)}, 42.0, id="reset since 1970"),
        pytest.param({REMAINING: "0", RESET: "42"}, 42.0, id="reset as seconds left"),
        pytest.param({REMAINING: "0", RESET: str(int(NOW) - 42)}, 0.0, id="reset is past"),
        pytest.param({REMAINING: "0", RESET: "1000000001"}, 0.0, id="smallest second since 1970"),
        pytest.param({REMAINING: "1", RESET: str(int(NOW) + 42)}, None, id="some left: it is the burst"),
        pytest.param({REMAINING: "249999", RESET: "42"}, None, id="many left"),
        pytest.param({RESET: "42"}, None, id="reset alone, as every answer has it"),
        pytest.param({REMAINING: "0"}, None, id="none left and no reset"),
        pytest.param({REMAINING: "0", RESET: ""}, None, id="none left and an empty reset"),
        pytest.param({REMAINING: "0", RESET: "garbage"}, None, id="none left and garbage"),
        pytest.param({REMAINING: "", RESET: "42"}, None, id="empty remaining"),
        pytest.param({LIMIT: "", REMAINING: "", RESET: ""}, None, id="a 401: all there, all empty"),
    ],
)
def test_announced_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert announced_wait(headers, NOW) == seconds


@given(st.dictionaries(st.sampled_from([RETRY_AFTER, "retry-after", REMAINING, RESET]), st.text(max_size=12)))
def test_law_that_no_header_breaks_it(headers: dict[str, Any]) -> None:
    seconds = announced_wait(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


def test_it_warms_up_at_half_the_pace() -> None:
    """What leaves late while connections are opened must not arrive in a heap with what leaves after it."""
    pace, now, started = Pace(per_second=200), 0.0, []
    while now < 1.5:
        if wait := pace.wait(now):
            now += wait
            continue
        pace.started(now)
        started.append(now)
    first = sum(moment < 0.5 for moment in started)
    assert 45 <= first <= 52
    assert 90 <= sum(0.5 <= moment < 1.0 for moment in started) <= 100
