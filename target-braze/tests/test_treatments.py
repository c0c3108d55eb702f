"""Treatments: the shares of the weights, and nobody moved without need."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.errors import SettingsError
from target_braze.treatments import Treatments, read_treatments

DRAW = random.Random(20260615)
PEOPLE = [b"external_id\0" + DRAW.randbytes(8) for _ in range(20_000)]
WEIGHTS: dict[str, float] = {"email": 45, "push": 45, "control": 10}
NAMES = st.text(min_size=1, max_size=8)
SOME = st.dictionaries(NAMES, st.floats(0.01, 1000), min_size=1, max_size=5)


def assigned(weights: dict[str, float], audience: str = "vip") -> list[str]:
    treatments = Treatments(audience, weights)
    return [treatments.of(person) for person in PEOPLE]


def test_the_shares_are_those_of_the_weights() -> None:
    counts = Counter(assigned(WEIGHTS))
    for treatment, weight in WEIGHTS.items():
        expected = len(PEOPLE) * weight / 100
        deviation = (expected * (1 - weight / 100)) ** 0.5
        assert abs(counts[treatment] - expected) < 4 * deviation


def test_they_never_change() -> None:
    """What this version of the code assigns, every later one has to."""
    treatments = Treatments("vip", WEIGHTS)
    found = [treatments.of(b"external_id\0%d" % number) for number in range(12)]
    assert found == ["push", "email", *["push"] * 4, "email", "push", "email", "push", "email", "push"]


def test_each_audience_divides_people_anew() -> None:
    both = Counter(zip(assigned(WEIGHTS), assigned(WEIGHTS, "lapsed"), strict=True))
    assert abs(both["control", "control"] - len(PEOPLE) * 0.01) < 60
    assert assigned({"b": 1, "a": 1}, "xx") != [name[1:] for name in assigned({"xb": 1, "xa": 1}, "x")]


def moves(before: dict[str, float], after: dict[str, float]) -> Counter[tuple[str, str]]:
    pairs = zip(assigned(before), assigned(after), strict=True)
    return Counter((old, new) for old, new in pairs if old != new)


def test_a_new_treatment_takes_only_its_share() -> None:
    moved = moves(WEIGHTS, {**WEIGHTS, "sms": 25})
    assert {new for _, new in moved} == {"sms"}
    assert abs(sum(moved.values()) - len(PEOPLE) * 25 / 125) < 250


def test_one_that_is_taken_away_moves_only_its_people() -> None:
    assert {old for old, _ in moves(WEIGHTS, {"email": 45, "control": 10})} == {"push"}


def test_a_weight_that_grows_only_brings_people_in() -> None:
    moved = moves(WEIGHTS, {**WEIGHTS, "control": 20})
    assert {new for _, new in moved} == {"control"}
    assert abs(sum(moved.values()) - len(PEOPLE) * (20 / 110 - 10 / 100)) < 200


def test_order_and_scale_mean_nothing() -> None:
    assert assigned(WEIGHTS) == assigned({"control": 1, "push": 4.5, "email": 4.5})


@given(SOME, NAMES, st.floats(0.01, 1000), st.binary(max_size=40))
def test_adding_one_moves_nobody_between_the_others(
    weights: dict[str, float], name: str, weight: float, person: bytes
) -> None:
    before = {key: value for key, value in weights.items() if key != name}
    if before:
        old, new = (Treatments("vip", some).of(person) for some in (before, {**before, name: weight}))
        assert new in (old, name)


@given(SOME, st.binary(max_size=40))
def test_somebody_always_gets_the_same(weights: dict[str, float], person: bytes) -> None:
    assert Treatments("vip", weights).of(person) == Treatments("vip", dict(reversed(weights.items()))).of(person)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param({}, "`t` is an object; it takes", id="none"),
        pytest.param(["email"], "`t` is a list; it takes", id="a list"),
        pytest.param({"email": 0}, "`t.email` is no weight", id="weight 0"),
        pytest.param({"email": -1}, "`t.email` is no weight", id="less than 0"),
        pytest.param({"email": True}, "`t.email` is no weight", id="true"),
        pytest.param({"email": "45"}, "`t.email` is no weight", id="text"),
        pytest.param({"email": float("nan")}, "`t.email` is no weight", id="NaN"),
        pytest.param({"email": 10**400}, "`t.email` is no weight", id="beyond measure"),
        pytest.param({1: 45}, "`t` has a name that is a number; write one in quotes", id="a number for a name"),
        pytest.param({False: 45}, "`t` has a name that is a boolean", id="a name that YAML took for false"),
        pytest.param({" ": 45}, "`t` has a name that is text", id="a blank name"),
        pytest.param({"x" * 256: 45}, "`t` has a name that is longer than 255", id="a long name"),
    ],
)
def test_wrong_ones_are_refused_with_their_place(entries: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_treatments(entries, "vip", "t")
