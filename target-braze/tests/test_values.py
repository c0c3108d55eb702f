"""Every type of the README's table: what is taken, what it becomes, what is turned down."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze import values
from target_braze.rejections import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

SEOUL = dt.timezone(dt.timedelta(hours=9))
EDGE = 2**53 - 1


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        pytest.param(values.to_boolean, True, True, id="boolean"),
        pytest.param(values.to_boolean, 0, False, id="boolean from 0"),
        pytest.param(values.to_boolean, Decimal("1.0"), True, id="boolean from a decimal 1"),
        pytest.param(values.to_boolean, " True ", True, id="boolean from a word"),
        pytest.param(values.to_boolean, "f", False, id="boolean from a letter"),
        pytest.param(values.to_integer, EDGE, EDGE, id="largest integer"),
        pytest.param(values.to_integer, -EDGE, -EDGE, id="smallest integer"),
        pytest.param(values.to_integer, "0042", 42, id="integer from digits"),
        pytest.param(values.to_integer, 3.0, 3, id="integer from a whole float"),
        pytest.param(values.to_integer, Decimal("3.00"), 3, id="integer from a whole decimal"),
        pytest.param(values.to_float, 0.1 + 0.2, 0.30000000000000004, id="float keeps all it has"),
        pytest.param(values.to_float, "2.5e3", 2500.0, id="float from text"),
        pytest.param(values.to_float, Decimal("1E+300"), 1e300, id="float from a large decimal"),
        pytest.param(values.to_float, 7, 7.0, id="float from an integer"),
        pytest.param(values.to_decimal, Decimal("12.340"), 12.34, id="decimal without closing zeros"),
        pytest.param(values.to_decimal, "0.10", 0.1, id="decimal from text"),
        pytest.param(values.to_decimal, 68.41, 68.41, id="decimal that came as a float"),
        pytest.param(values.to_decimal, Decimal("123456789012.345"), 123456789012.345, id="15 digits"),
        pytest.param(values.to_decimal, Decimal("1.50000000000000000000"), 1.5, id="zeros are no digits"),
        pytest.param(values.to_decimal, Decimal("12E+20"), 1.2e21, id="decimal with an exponent"),
        pytest.param(values.to_decimal, Decimal(0), 0.0, id="decimal zero"),
        pytest.param(values.to_number, Decimal("0.8333333333333334"), 0.8333333333333334, id="17 digits of a double"),
        pytest.param(values.to_string, "x" * 255, "x" * 255, id="255 characters"),
        pytest.param(values.to_string, "é" * 255, "é" * 255, id="255 characters, not bytes"),
        pytest.param(values.to_string, " kept ", " kept ", id="blanks are significant"),
        pytest.param(values.to_string, 2**70, str(2**70), id="a large integer as text"),
        pytest.param(values.to_string, Decimal("12345678901234567890.12"), "12345678901234567890.12", id="digits"),
        pytest.param(values.to_string, Decimal("1E+3"), "1000", id="no exponent in text"),
        pytest.param(values.to_string, False, "false", id="boolean as text"),
        pytest.param(values.to_string, 1.5, "1.5", id="float as text"),
        pytest.param(values.to_string, dt.date(2026, 1, 31), "2026-01-31", id="date as text"),
        pytest.param(values.to_string, dt.datetime(2026, 1, 31, tzinfo=SEOUL), "2026-01-30T15:00:00Z", id="moment"),
        pytest.param(values.to_truncated_string, "x" * 256, "x" * 255, id="cut"),
        pytest.param(values.to_date, "2026-01-31", "2026-01-31", id="date"),
        pytest.param(values.to_date, "01/31/1971", "1971-01-31", id="date with slashes, month first"),
        pytest.param(values.to_date, "05/06/1971", "1971-05-06", id="the 6th of May"),
        pytest.param(values.to_date, "1/2/1971", "1971-01-02", id="date with slashes, short"),
        pytest.param(values.to_date, "1971/01/02", "1971-01-02", id="date with slashes, year first"),
        pytest.param(values.to_date, "02.01.1971", "1971-01-02", id="date with dots"),
        pytest.param(values.to_date, "19710102", "1971-01-02", id="date without anything"),
        pytest.param(values.to_date, " 1971-01-02 ", "1971-01-02", id="date with blanks around it"),
        pytest.param(values.to_date, "1971-01-02T23:30:00-08:00", "1971-01-02", id="the day as written"),
        pytest.param(values.to_date, dt.datetime(1971, 1, 2, 23, tzinfo=SEOUL), "1971-01-02", id="day of a moment"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", id="UTC"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00", "2026-01-31T12:00:00Z", id="no zone is UTC"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00+09:00", "2026-01-31T03:00:00Z", id="a zone"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00.120Z", "2026-01-31T12:00:00.120Z", id="milliseconds"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00.000999Z", "2026-01-31T12:00:00Z", id="microseconds"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z", id="nanos"),
        pytest.param(values.to_datetime, "2026-01-31 12:34:56+00", "2026-01-31T12:34:56Z", id="PostgreSQL's cast"),
        pytest.param(values.to_datetime, "2026-01-31 12:00:00.5 -0130", "2026-01-31T13:30:00.500Z", id="zone apart"),
        pytest.param(values.to_datetime, "2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00Z", id="BigQuery's cast"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00:123Z", "2026-01-31T12:00:00.123Z", id="Braze's SSSZ"),
        pytest.param(values.to_datetime, "2026-01-31T12:00", "2026-01-31T12:00:00Z", id="no seconds"),
        pytest.param(values.to_datetime, "2026-01-31", "2026-01-31T00:00:00Z", id="a day is its midnight"),
        pytest.param(values.to_datetime, "01/31/2026 12:00:00", "2026-01-31T12:00:00Z", id="slashes and a time"),
        pytest.param(values.to_datetime, dt.date(2026, 1, 31), "2026-01-31T00:00:00Z", id="a date object"),
        pytest.param(values.to_datetime, dt.datetime(2026, 1, 31, 9, tzinfo=SEOUL), "2026-01-31T00:00:00Z", id="obj"),
    ],
)
def test_takes(convert: Callable[[Any], Any], value: Any, expected: Any) -> None:
    result = convert(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("convert", "value", "reason"),
    [
        pytest.param(values.to_boolean, "maybe", "not a boolean", id="word that is no boolean"),
        pytest.param(values.to_boolean, 2, "not a boolean", id="2"),
        pytest.param(values.to_boolean, [], "not a boolean", id="array as boolean"),
        pytest.param(values.to_integer, EDGE + 1, values.INTEGER_TOO_LARGE, id="2^53"),
        pytest.param(values.to_integer, -EDGE - 1, values.INTEGER_TOO_LARGE, id="-2^53"),
        pytest.param(values.to_integer, "9" * 5000, values.INTEGER_TOO_LARGE, id="five thousand digits"),
        pytest.param(values.to_integer, Decimal("1E+999999"), values.INTEGER_TOO_LARGE, id="a million zeros"),
        pytest.param(values.to_integer, 1.5, "not an integer", id="fraction"),
        pytest.param(values.to_integer, True, "not an integer", id="boolean as integer"),
        pytest.param(values.to_integer, "1_000", "not an integer", id="Python's underscore"),
        pytest.param(values.to_integer, "٣", "not an integer", id="digit of another script"),
        pytest.param(values.to_integer, "", "not an integer", id="empty text as integer"),
        pytest.param(values.to_float, float("nan"), values.NOT_FINITE, id="NaN"),
        pytest.param(values.to_float, float("-inf"), values.NOT_FINITE, id="infinity"),
        pytest.param(values.to_float, Decimal("sNaN"), values.NOT_FINITE, id="signalling NaN"),
        pytest.param(values.to_float, "Infinity", "not a number", id="the word infinity"),
        pytest.param(values.to_float, "1e999", values.NOT_FINITE, id="overflow"),
        pytest.param(values.to_float, EDGE + 2, values.INTEGER_TOO_LARGE, id="an identifier in a number column"),
        pytest.param(values.to_float, True, "not a number", id="boolean as number"),
        pytest.param(values.to_decimal, Decimal("1234567890.123456"), values.DECIMAL_INEXACT, id="16 digits"),
        pytest.param(values.to_decimal, Decimal("1." + "0" * 33 + "1"), values.DECIMAL_INEXACT, id="far behind"),
        pytest.param(values.to_decimal, Decimal("1E+400"), values.DECIMAL_INEXACT, id="decimal beyond a double"),
        pytest.param(values.to_decimal, Decimal("1E-400"), values.DECIMAL_INEXACT, id="decimal that would be 0"),
        pytest.param(values.to_decimal, "NaN", "not a decimal", id="the word NaN"),
        pytest.param(values.to_number, Decimal("1234567890123456.78"), values.DECIMAL_INEXACT, id="18 digits"),
        pytest.param(values.to_string, "x" * 256, values.STRING_TOO_LONG, id="256 characters"),
        pytest.param(values.to_string, "half \ud83d", values.NOT_UNICODE, id="half a surrogate pair"),
        pytest.param(values.to_string, {}, "not a string", id="object as string"),
        pytest.param(values.to_string, Decimal("1E+999999"), values.STRING_TOO_LONG, id="a million characters"),
        pytest.param(values.to_string, float("inf"), values.NOT_FINITE, id="infinity as string"),
        pytest.param(values.to_date, "31/12/2026", "not a date", id="day first"),
        pytest.param(values.to_date, "2026-02-30", "not a date", id="30th of February"),
        pytest.param(values.to_date, "2026-W05-6", "not a date", id="week"),
        pytest.param(values.to_date, "197111", "not a date", id="too few digits"),
        pytest.param(values.to_date, 19710102, "not a date", id="number as date"),
        pytest.param(values.to_date, "3001-01-01", "beyond the year 3000", id="date too late"),
        pytest.param(values.to_datetime, "yesterday", "not a date-time", id="word as date-time"),
        pytest.param(values.to_datetime, 1767225600, "not a date-time", id="epoch"),
        pytest.param(values.to_datetime, "2026-01-31T25:00:00Z", "not a date-time", id="25 o'clock"),
        pytest.param(values.to_datetime, "2026-01-31T12:00:00+99", "not a date-time", id="zone of 99 hours"),
        pytest.param(values.to_datetime, "3001-01-01T00:00:00Z", "beyond the year 3000", id="date-time too late"),
        pytest.param(values.to_datetime, "0001-01-01T00:00:00+09:00", "out of range", id="before the year 1"),
    ],
)
def test_turns_down(convert: Callable[[Any], Any], value: Any, reason: str) -> None:
    with pytest.raises(RefusalError, match=re.escape(reason)):
        convert(value)


CONVERSIONS = [
    values.to_boolean,
    values.to_integer,
    values.to_float,
    values.to_decimal,
    values.to_string,
    values.to_truncated_string,
    values.to_date,
    values.to_datetime,
]
scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()).map(str),
    st.datetimes().map(dt.datetime.isoformat),
    st.dates().map(str),
    st.decimals().map(str),
    st.sampled_from(["yes", "No", "1", "05/06/1971", "1e5", "2026-01-31 12:00:00+00"]),
)


@pytest.mark.parametrize("convert", CONVERSIONS)
@hypothesis.settings(deadline=None)
@given(value=scalars)
def test_twice_is_once(convert: Callable[[Any], Any], value: Any) -> None:
    """Invariant 7: what Braze keeps, sent again, is what it keeps."""
    try:
        once = convert(value)
    except RefusalError:
        return
    assert convert(once) == once
    assert msgspec.json.decode(msgspec.json.encode(once)) == once


@hypothesis.settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_sent_with_its_own_digits_or_not_at_all(value: Decimal) -> None:
    try:
        sent = msgspec.json.encode(values.to_decimal(value))
    except RefusalError:
        return
    assert Decimal(sent.decode()) == value


@hypothesis.settings(deadline=None)
@given(st.datetimes(min_value=dt.datetime(1, 1, 3), max_value=dt.datetime(2999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001 - bounds are naive
def test_a_moment_stays_the_same_moment_to_the_millisecond(moment: dt.datetime) -> None:
    sent = dt.datetime.fromisoformat(values.to_datetime(moment).replace("Z", "+00:00"))
    assert dt.timedelta(0) <= moment - sent < dt.timedelta(milliseconds=1)
