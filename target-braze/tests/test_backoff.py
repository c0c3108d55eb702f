from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.backoff import MAX_SECONDS, backoff_seconds


@pytest.mark.parametrize(
    ("attempts", "shortest", "longest"),
    [(1, 0.25, 0.5), (2, 0.5, 1.0), (3, 1.0, 2.0), (7, 16.0, 32.0), (8, 30.0, 60.0), (1000, 30.0, 60.0)],
)
def test_wait_doubles_up_to_a_minute(attempts: int, shortest: float, longest: float) -> None:
    assert backoff_seconds(attempts, lambda: 0.0) == shortest
    assert backoff_seconds(attempts, lambda: 1.0) == longest


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_law_that_a_wait_is_never_none_and_never_long(attempts: int, chance: float) -> None:
    assert 0.25 <= backoff_seconds(attempts, lambda: chance) <= MAX_SECONDS


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0, 1))
def test_law_that_chance_spreads_retries(attempts: int, one: float, other: float) -> None:
    """Those that failed together do not come back together."""
    longer, shorter = max(one, other), min(one, other)
    assert backoff_seconds(attempts, lambda: shorter) <= backoff_seconds(attempts, lambda: longer)
    assert backoff_seconds(attempts, lambda: 0.0) == backoff_seconds(attempts, lambda: 1.0) / 2
