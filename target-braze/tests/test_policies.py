"""How often an attribute may be updated: what is rounded, what gets a label, and which changes are held."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from target_braze import values
from target_braze.policies import MAX_DECIMALS, Buckets, Last, Policy, Rounding, labels_of, number_in
from target_braze.rejections import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_770_000_000
HOUR = 3600
NEVER = Last(is_known=False, is_null=False, number=None, accepted_at=None)
NULL = Last(is_known=True, is_null=True, number=None, accepted_at=NOW - HOUR)


def last(number: float | None = None, *, seconds_ago: int | None = HOUR) -> Last:
    return Last(
        is_known=True, is_null=False, number=number, accepted_at=None if seconds_ago is None else NOW - seconds_ago
    )


FIVE = Policy(tolerance=5)
FIVE_PERCENT = Policy(tolerance=0.05, is_share=True)
DAILY = Policy(at_most_every_seconds=24 * HOUR)
ONCE = Policy(only_if_empty=True)
ALL = Policy(tolerance=5, at_most_every_seconds=24 * HOUR, only_if_empty=True)


@pytest.mark.parametrize(
    ("policy", "value", "before", "expected"),
    [
        pytest.param(Policy(), b"1", last(0), None, id="no policy"),
        pytest.param(FIVE, b"105", last(100), "tolerance", id="up by as much as is tolerated"),
        pytest.param(FIVE, b"95", last(100), "tolerance", id="down by as much as is tolerated"),
        pytest.param(FIVE, b"105.01", last(100), None, id="up by more"),
        pytest.param(FIVE, b"94.99", last(100), None, id="down by more"),
        pytest.param(Policy(tolerance=0.3), b"10.3", last(10.0), "tolerance", id="as written, not as doubles have it"),
        pytest.param(Policy(tolerance=0), b"1.000001", last(1.0), None, id="a tolerance of nothing"),
        pytest.param(FIVE, b"3", last(-2), "tolerance", id="across zero"),
        pytest.param(FIVE, b"null", last(100), None, id="a removal is not measured"),
        pytest.param(FIVE, b"1", NULL, None, id="a number after a removal"),
        pytest.param(FIVE, b"1", NULL._replace(number=1.0), None, id="a number as before a removal"),
        pytest.param(FIVE, b"1", NEVER, None, id="first number"),
        pytest.param(FIVE, b"101", last(None), None, id="last number unknown"),
        pytest.param(FIVE, b'"101"', last(100), None, id="no number"),
        pytest.param(FIVE, b"true", last(1), None, id="a boolean is no number"),
        pytest.param(FIVE_PERCENT, b"105", last(100), "tolerance", id="up by the share"),
        pytest.param(FIVE_PERCENT, b"105.01", last(100), None, id="up by more than the share"),
        pytest.param(FIVE_PERCENT, b"-105", last(-100), "tolerance", id="share of a negative number"),
        pytest.param(FIVE_PERCENT, b"0.01", last(0), None, id="a share of zero is zero"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=24 * HOUR - 1), "at_most_every", id="too soon"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=24 * HOUR), None, id="in time"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=0), "at_most_every", id="in the same second"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=-60), "at_most_every", id="accepted after this run began"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=-48 * HOUR), None, id="a clock that was far ahead"),
        pytest.param(DAILY, b"null", last(seconds_ago=HOUR), "at_most_every", id="a removal too soon"),
        pytest.param(DAILY, b'"b"', NULL, "at_most_every", id="too soon after a removal"),
        pytest.param(DAILY, b'"b"', NEVER, None, id="first delivery at any time"),
        pytest.param(DAILY, b'"b"', last(seconds_ago=None), None, id="time unknown"),
        pytest.param(ONCE, b'"b"', NEVER, None, id="nothing delivered yet"),
        pytest.param(ONCE, b"null", NEVER, None, id="a removal of what was never delivered"),
        pytest.param(ONCE, b'"b"', NULL, None, id="a removal was delivered"),
        pytest.param(ONCE, b'"b"', last(), "only_if_empty", id="a value was delivered"),
        pytest.param(ONCE, b"null", last(), "only_if_empty", id="a removal after a value"),
        pytest.param(ALL, b"106", last(100, seconds_ago=48 * HOUR), "only_if_empty", id="one of three holds"),
        pytest.param(ALL, b"106", NEVER, None, id="none of three holds"),
        pytest.param(Policy(5, False, 60), b"106", last(100, seconds_ago=59), "at_most_every", id="far but soon"),
        pytest.param(Policy(5, False, 60), b"105", last(100, seconds_ago=60), "tolerance", id="near but late"),
        pytest.param(Policy(5, False, 60), b"106", last(100, seconds_ago=60), None, id="far and late"),
    ],
)
def test_what_holds_a_change(policy: Policy, value: bytes, before: Last, expected: str | None) -> None:
    assert policy.held_by(value, before, NOW) == expected


@pytest.mark.parametrize(
    ("policy", "needs_number", "needs_time", "names"),
    [
        (Policy(), False, False, ()),
        (FIVE, True, False, ("tolerance",)),
        (Policy(tolerance=0), True, False, ("tolerance",)),
        (DAILY, False, True, ("at_most_every",)),
        (ONCE, False, False, ("only_if_empty",)),
        (ALL, True, True, ("only_if_empty", "tolerance", "at_most_every")),
    ],
)
def test_what_the_ledger_has_to_keep(policy: Policy, needs_number: bool, needs_time: bool, names: Any) -> None:
    assert (policy.needs_number, policy.needs_time, policy.names) == (needs_number, needs_time, names)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"5", 5.0), (b"-0.5", -0.5), (b"1e22", 1e22), (b"null", None), (b"true", None), (b'"5"', None), (b"[5]", None)],
)
def test_the_number_in_a_value(value: bytes, expected: float | None) -> None:
    assert number_in(value) == expected


def cents(most: int = 10**9) -> st.SearchStrategy[float]:
    return st.integers(-most, most).map(lambda number: number / 100)


def allowed(policy: Policy, before: float) -> Decimal:
    assert policy.tolerance is not None
    return Decimal(repr(policy.tolerance)) * (abs(Decimal(repr(before))) if policy.is_share else 1)


policies = st.builds(Policy, tolerance=st.integers(0, 10**6).map(lambda number: number / 1000), is_share=st.booleans())


@given(policies, st.lists(cents(10**5), min_size=1))
@example(FIVE, [0.0, 4.0, 8.0, 12.0])  # drift adds up
def test_what_was_delivered_is_always_within_tolerance(policy: Policy, numbers: list[float]) -> None:
    """And what is within tolerance of it is never sent."""
    before, delivered = NEVER, None
    for number in numbers:
        held = policy.held_by(json.dumps(number).encode(), before, NOW)
        is_within = delivered is not None and (
            abs(Decimal(repr(number)) - Decimal(repr(delivered))) <= allowed(policy, delivered)
        )
        assert held == ("tolerance" if is_within else None)
        if not held:
            delivered, before = number, last(number)
        assert delivered is not None
        assert abs(Decimal(repr(number)) - Decimal(repr(delivered))) <= allowed(policy, delivered)


@given(st.integers(1, 10**6), st.lists(st.integers(0, 10**6)))
def test_deliveries_are_never_closer_than_the_policy_says(every: int, waits: list[int]) -> None:
    policy = Policy(at_most_every_seconds=every)
    now, before, deliveries = NOW, NEVER, []
    for wait in waits:
        now += wait
        if policy.held_by(b'"new"', before, now) is None:
            deliveries.append(now)
            before = Last(is_known=True, is_null=False, number=None, accepted_at=now)
        assert now - deliveries[-1] < every
    assert all(later - earlier >= every for earlier, later in pairwise(deliveries))


@pytest.mark.parametrize(
    ("decimals", "convert", "value", "expected"),
    [
        pytest.param(2, values.to_decimal, Decimal("12.345"), 12.35, id="half up, not to even"),
        pytest.param(2, values.to_decimal, Decimal("-12.345"), -12.35, id="half away from zero"),
        pytest.param(2, values.to_float, 1.005, 1.01, id="as written, not as the double has it"),
        pytest.param(2, values.to_decimal, "0.125", 0.13, id="a number in text"),
        pytest.param(2, values.to_decimal, 5, 5.0, id="a whole decimal"),
        pytest.param(
            2, values.to_decimal, Decimal("0.33333333333333333333"), 0.33, id="more digits than a double keeps"
        ),
        pytest.param(0, values.to_decimal, Decimal("2.5"), 3, id="to an integer"),
        pytest.param(0, values.to_integer, 3.5, 4, id="an integer column that has decimals"),
        pytest.param(-2, values.to_integer, 1250, 1300, id="hundreds"),
        pytest.param(-2, values.to_float, 49.99, 0, id="hundreds of little"),
        pytest.param(2, values.to_integer, 7, 7, id="integers have no decimals"),
        pytest.param(2, values.to_float, -0.001, 0.0, id="no negative zero"),
        pytest.param(0, values.to_float, -0.4, 0, id="no negative zero as an integer"),
        pytest.param(0, values.to_decimal, Decimal("1E+300"), 1e300, id="beyond 2^53 nothing is rounded"),
        pytest.param(0, values.to_float, Decimal("1E-999999"), 0, id="next to nothing"),
        pytest.param(-1, values.to_integer, 2**53 - 1, 2**53 - 2, id="largest integer"),
        pytest.param(15, values.to_float, 123456.123456789, 123456.123456789, id="nothing to round"),
        pytest.param(15, values.to_float, 2**53 - 1, 9007199254740991.0, id="all digits there are"),
    ],
)
def test_rounding(decimals: int, convert: Callable[[Any], Any], value: Any, expected: Any) -> None:
    rounded = Rounding(decimals, convert)(value)
    assert (rounded, type(rounded), str(rounded)) == (expected, type(expected), str(expected))


@pytest.mark.parametrize(
    ("decimals", "convert", "value", "reason"),
    [
        pytest.param(2, values.to_float, "many", "not a number", id="text"),
        pytest.param(0, values.to_integer, True, "not a number", id="a boolean"),
        pytest.param(2, values.to_float, float("nan"), "not a finite number", id="NaN"),
        pytest.param(2, values.to_float, Decimal("1E+400"), "not a finite number", id="beyond a double"),
        pytest.param(2, values.to_float, 2**53 + 1, "integer beyond", id="beyond 2^53, maybe an identifier"),
        pytest.param(-3, values.to_integer, Decimal("1E+999999"), "integer beyond", id="beyond any measure"),
        pytest.param(-3, values.to_integer, 2**53 - 2, "integer beyond", id="up beyond 2^53"),
        pytest.param(3, values.to_decimal, Decimal("1234567890123.4567"), "more than 15 digits", id="16 digits left"),
    ],
)
def test_what_cannot_be_rounded(decimals: int, convert: Callable[[Any], Any], value: Any, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        Rounding(decimals, convert)(value)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
    cents(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)


@given(
    st.integers(-MAX_DECIMALS, MAX_DECIMALS),
    st.sampled_from([values.to_float, values.to_decimal, values.to_integer]),
    numbers,
)
def test_rounding_is_idempotent_and_near(decimals: int, convert: Callable[[Any], Any], number: Any) -> None:
    """Invariant 7."""
    rounding = Rounding(decimals, convert)
    try:
        rounded = rounding(number)
    except RefusalError:
        assume(False)
    again = rounding(rounded)
    assert (again, type(again)) == (rounded, type(rounded))
    exact = number if isinstance(number, Decimal) else Decimal(repr(number))
    if abs(exact) < 10**12 and decimals <= 3:
        assert Decimal(repr(rounded)) == exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        assert abs(Decimal(repr(rounded)) - exact) * 2 <= Decimal(1).scaleb(-decimals)
    assert isinstance(rounded, int) is ((decimals <= 0 and abs(rounded) < 2**53) or convert is values.to_integer)


WEEKS = Buckets((Decimal(7), Decimal(30), Decimal("89.5")), ("week", "month", "quarter", "older"))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (6, "week"), (-1000, "week"), (6.999999, "week"), (7, "month"), (7.0, "month"), (Decimal("29.99"), "month"),
        (30, "quarter"), ("89.4999999999999999999999", "quarter"), (89.5, "older"), (Decimal("1E+999999"), "older"),
        (2**60, "older"),
    ],
)  # fmt: skip
def test_buckets(value: Any, label: str) -> None:
    """An edge belongs to the bucket above it."""
    assert WEEKS(value) == label


@pytest.mark.parametrize(
    ("value", "reason"), [("old", "not a number"), (True, "not a number"), (float("inf"), "finite")]
)
def test_what_is_in_no_bucket(value: Any, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        WEEKS(value)


@pytest.mark.parametrize(
    ("edges", "labels"),
    [
        (["0"], ("<0", ">=0")),
        (["7", "30", "90"], ("<7", "7-30", "30-90", ">=90")),
        (["0.5", "1E+3"], ("<0.5", "0.5-1000", ">=1000")),
        (["7.0", "7.50"], ("<7", "7-7.5", ">=7.5")),
        (["-10", "-5", "0"], ("<-10", "-10 to -5", "-5 to 0", ">=0")),
    ],
    ids=["one edge", "integers", "decimals", "however they are written", "negative"],
)
def test_labels_made_of_edges(edges: list[str], labels: tuple[str, ...]) -> None:
    assert labels_of(tuple(map(Decimal, edges))) == labels


@given(st.lists(cents(10**4), min_size=1, max_size=10, unique=True).map(sorted), numbers, numbers)
def test_larger_numbers_are_in_no_lower_bucket(edges: list[float], one: Any, other: Any) -> None:
    exact = tuple(Decimal(repr(edge)) for edge in edges)
    buckets = Buckets(exact, tuple("abcdefghijk"[: len(edges) + 1]))
    assume(one <= other)
    assert buckets(one) <= buckets(other)
    assert len(set(labels_of(exact))) == len(edges) + 1
