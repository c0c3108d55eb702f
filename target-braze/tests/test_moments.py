"""When something happened."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from target_braze.moments import DIGITS, TIME_WITHOUT_ZONE, to_moment
from target_braze.rejections import RefusalError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "expected", "in_berlin"),
    [
        ("2026-07-20T10:00:00Z", "2026-07-20T10:00:00Z", None),
        ("2026-07-20T10:00:00+02:00", "2026-07-20T08:00:00Z", None),
        ("2026-07-20 10:00:00 UTC", "2026-07-20T10:00:00Z", None),
        ("2026-07-20 10:00:00+02", "2026-07-20T08:00:00Z", None),
        ("2026-07-20", "2026-07-20T00:00:00Z", "2026-07-19T22:00:00Z"),
        (dt.date(2026, 7, 20), "2026-07-20T00:00:00Z", "2026-07-19T22:00:00Z"),
        (dt.datetime(2026, 7, 20, 10, tzinfo=dt.timezone.utc), "2026-07-20T10:00:00Z", None),
        (1784541600, "2026-07-20T10:00:00Z", None),
        (Decimal("1784541600.25"), "2026-07-20T10:00:00.250Z", None),
        (0, "1970-01-01T00:00:00Z", None),
    ],
)
def test_a_moment(value: Any, expected: str, in_berlin: str | None) -> None:
    assert to_moment(value) == expected
    assert to_moment(value, BERLIN) == (in_berlin or expected)
    assert to_moment(expected, BERLIN) == expected, "put in again, it stays as it is"


@pytest.mark.parametrize(
    "value",
    ["2026-07-20 10:00:00", "2026-07-20T10:00:00.000", "20.07.2026 10:00", dt.datetime(2026, 7, 20, 10)],  # noqa: DTZ001
)
def test_without_an_offset_the_zone_decides(value: Any) -> None:
    """Vector C84."""
    with pytest.raises(RefusalError) as refusal:
        to_moment(value)
    assert str(refusal.value) == TIME_WITHOUT_ZONE
    assert to_moment(value, BERLIN) == "2026-07-20T08:00:00Z"


@pytest.mark.parametrize("value", ["1784541600", " 1784541600.25 ", "1784541600000", "2026072010", "-1"])
def test_digits_in_text_could_be_several_things(value: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        to_moment(value, BERLIN)
    assert str(refusal.value) == DIGITS


def test_the_zone_has_its_winter() -> None:
    assert to_moment("2026-01-20 10:00:00", BERLIN) == "2026-01-20T09:00:00Z"


@pytest.mark.parametrize("value", [True, "soon", [], 1784541600000, float("nan"), "2026-02-30", 10**400])
def test_what_is_none(value: Any) -> None:
    with pytest.raises(RefusalError):
        to_moment(value, BERLIN)
