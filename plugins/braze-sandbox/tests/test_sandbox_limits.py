"""Rate limits: windows by the clock, bursts, and their headers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.limits import Decision, RateLimit, headers, refusal_headers

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

HOUR = 1_800_000_000.0  # the start of one
NAMES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def test_the_window_is_aligned_to_the_clock() -> None:
    limit = RateLimit()
    assert limit.decide(HOUR + 3599, 1, 3600) == Decision(True, 1, 0, int(HOUR) + 3600, 0)
    assert limit.decide(HOUR + 3599.5, 1, 3600) == Decision(False, 1, 0, int(HOUR) + 3600, 1)
    assert limit.decide(HOUR + 3600, 1, 3600).is_allowed


def test_what_is_refused_does_not_count() -> None:
    limit = RateLimit()
    passed = [limit.decide(HOUR, 2, 3600).is_allowed for _ in range(5)]
    assert passed == [True, True, False, False, False]


def test_a_burst_is_refused_though_the_hour_has_room() -> None:
    limit = RateLimit()
    decisions = [limit.decide(HOUR + n / 10, 100, 3600, 2, 3) for n in range(3)]
    assert [decision.is_allowed for decision in decisions] == [True, True, False]
    assert decisions[2] == Decision(False, 100, 98, int(HOUR) + 3600, 3)
    assert limit.decide(HOUR + 3, 100, 3600, 2, 3).is_allowed


@pytest.mark.parametrize(("style", "reset"), [("epoch", "1800003600"), ("delta", "3590")])
def test_the_reset_is_absolute_or_what_remains(style: str, reset: str) -> None:
    decision = RateLimit().decide(HOUR + 10, 100, 3600)
    assert headers(decision, HOUR + 10, style) == dict(zip(NAMES, ("100", "99", reset), strict=True))


def test_a_refusal_has_the_wait_or_the_usual_three() -> None:
    decision = Decision(False, 100, 0, int(HOUR) + 3600, 42)
    assert refusal_headers(decision, HOUR, "epoch", retry_after=True) == {"X-Ratelimit-Retry-After": "42"}
    assert set(refusal_headers(decision, HOUR, "epoch", retry_after=False)) == set(NAMES)


def test_every_answer_has_the_three_headers(braze: Client) -> None:
    bodies: list[dict[str, Any]] = [{"attributes": [{"external_id": "p"}]}, {"attributes": {}}, {}]
    for body in bodies:
        answer = braze.track(**body)
        assert all(answer.headers[name].isdecimal() for name in NAMES)
    assert int(answer.headers["X-RateLimit-Limit"]) == 250_000
    reset = int(answer.headers["X-RateLimit-Reset"])
    assert reset % 3600 == 0
    assert 0 < reset - time.time() <= 3601


# A window of ten thousand days cannot end while a test runs (but for one night in 27 years).
LONG = 864_000_000.0


@pytest.mark.parametrize(
    ("settings", "has_wait"),
    [
        ({"hourly_limit": 2, "window_seconds": LONG}, True),
        ({"hourly_limit": 2, "window_seconds": LONG, "retry_after": False}, False),
        ({"burst_limit": 2, "burst_seconds": LONG}, True),
    ],
    ids=str,
)
def test_beyond_the_limit_is_429(braze: Client, settings: dict[str, Any], has_wait: bool) -> None:
    braze.settings(**settings)
    answers = [braze.attributes({"external_id": "p", "a": n}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    refused = answers[-1]
    assert refused.json() == {"message": "Rate Limited"}
    assert ("X-Ratelimit-Retry-After" in refused.headers) == has_wait
    assert any(name in refused.headers for name in NAMES) == (not has_wait)
    if has_wait:
        assert int(refused.headers["X-Ratelimit-Retry-After"]) > 0
    assert braze.values() == {"a": 1}


def test_delta_is_settable(braze: Client) -> None:
    braze.settings(reset_style="delta")
    answer = braze.attributes({"external_id": "p"})
    assert int(answer.headers["X-RateLimit-Reset"]) <= 3600


def test_read_back_has_limits_of_its_own(braze: Client) -> None:
    braze.settings(hourly_limit=0)
    assert braze.attributes({"external_id": "p"}).status_code == 429
    assert braze.get("/custom_attributes").headers["X-RateLimit-Limit"] == "1000"
    assert braze.post("/users/export/ids", {"external_ids": ["p"]}).headers["X-RateLimit-Limit"] == "2500"
