"""Types: detected by the first value, forced, blocklisted; and what counts as a time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox import times

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

DETECTED = [
    ("text", "String"),
    ("", "String"),
    ("100", "String"),
    ("2026", "String"),
    ("2026-13-01", "String"),
    ("3001-01-01", "String"),
    ("2026-01-02", "Date"),
    ("2026-01-02T03:04:05Z", "Date"),
    ("12-1-2021", "Date"),
    ("12/1/2021", "Date"),
    (True, "Boolean"),
    (1, "Number"),
    (1.5, "Number"),
    ({"inc": 1}, "Number"),
    (["a"], "Array"),
    ([], "Array"),
    ({"add": ["a"]}, "Array"),
    ({"a": 1}, "Object"),
    ([{"a": 1}], "Object Array"),
    ({"$add": [{"a": 1}]}, "Object Array"),
]


@pytest.mark.parametrize(("value", "data_type"), DETECTED, ids=str)
def test_the_first_value_decides_the_type(braze: Client, value: Any, data_type: str) -> None:
    braze.attributes({"external_id": "p", "it": value})
    (attribute,) = braze.get("/custom_attributes").json()["attributes"]
    assert attribute == {
        "array_length": 500 if data_type == "Array" else None,
        "data_type": data_type,
        "description": None,
        "name": "it",
        "status": "Active",
        "tag_names": [],
    }


@pytest.mark.parametrize(
    ("first", "second", "is_stored"),
    [
        (100, "100", False),
        ("100", 100, False),
        (1, 1.5, True),
        (1, True, False),
        (True, 1, False),
        ("text", "2026-01-02", True),
        ("2026-01-02", "text", False),
        ("2026-01-02", "2026-01-03T00:00:00Z", True),
        ("2026-01-02", "", True),
        (["a"], "a", False),
        (["a"], {"add": ["b"]}, True),
        ({"a": 1}, {"b": 1}, True),
        ({"a": 1}, [{"b": 1}], False),
        ([{"a": 1}], [], True),
        (1, None, True),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_silently_not_stored(
    braze: Client, first: Any, second: Any, is_stored: bool
) -> None:
    braze.attributes({"external_id": "p", "it": first})
    answer = braze.attributes({"external_id": "p", "it": second})
    assert answer.json() == {"message": "success", "attributes_processed": 1}
    assert (braze.values().get("it") != first) == is_stored


def test_the_first_value_of_anyone_decides(braze: Client) -> None:
    braze.attributes({"external_id": "p", "it": 1})
    braze.attributes({"external_id": "q", "it": "text"})
    assert braze.values("q") == {}
    assert braze.stats()["dropped"] == {"not of the attribute's type": 1}


def test_a_value_that_was_dropped_decides_nothing(braze: Client) -> None:
    braze.attributes({"external_id": "p", "it": {"a": None}})
    braze.attributes({"external_id": "p", "it": 1})
    assert braze.values() == {"it": 1}


def test_detected_types_need_not_be_locked(braze: Client) -> None:
    braze.settings(lock_detected_types=False)
    braze.attributes({"external_id": "p", "it": 1})
    braze.attributes({"external_id": "p", "it": "text"})
    assert braze.values() == {"it": "text"}


FORCED = [
    ("boolean", "TRUE", True),
    ("boolean", "t", True),
    ("boolean", 1, True),
    ("boolean", "0", False),
    ("boolean", "F", False),
    ("boolean", "yes", None),
    ("boolean", 2, None),
    ("number", "100", 100),
    ("number", "-1.5", -1.5),
    ("number", 3, 3),
    ("number", {"inc": 2}, 2),
    ("number", "many", None),
    ("number", "nan", None),
    ("number", True, None),
    ("string", 100, "100"),
    ("string", True, "true"),
    ("string", "2026-01-02", "2026-01-02"),
    ("string", ["a"], None),
    ("time", "2026-01-02", "2026-01-02"),
    ("time", "soon", None),
    ("array", ["a"], ["a"]),
    ("array", "a", None),
    ("object", {"a": 1}, {"a": 1}),
    ("object", [1], None),
    ("object_array", [{"a": 1}], [{"a": 1}]),
    ("object_array", {"a": 1}, None),
]


@pytest.mark.parametrize(("kind", "value", "stored"), FORCED, ids=str)
def test_a_forced_type_coerces_or_silently_ignores(braze: Client, kind: str, value: Any, stored: Any) -> None:
    braze.settings(forced_types={"it": kind})
    assert braze.attributes({"external_id": "p", "it": value}).json()["message"] == "success"
    values = braze.values()
    assert values == ({} if stored is None else {"it": stored})
    assert type(values.get("it")) is type(stored)


def test_a_forced_type_does_not_convert_what_is_there(braze: Client) -> None:
    braze.attributes({"external_id": "p", "it": "100"})
    braze.settings(forced_types={"it": "number"})
    assert braze.values() == {"it": "100"}
    braze.attributes({"external_id": "p", "it": "200"})
    assert braze.values() == {"it": 200}


def test_blocklisted_names_are_silently_not_collected(braze: Client) -> None:
    braze.settings(blocklist=["secret"])
    answer = braze.track(
        attributes=[{"external_id": "p", "secret": 1, "open": 1}],
        events=[{"external_id": "p", "name": "secret", "time": "2026-01-01"}],
    )
    assert answer.json() == {"message": "success", "attributes_processed": 1, "events_processed": 1}
    assert braze.values() == {"open": 1}
    assert braze.profile()["events"] == []
    assert braze.stats()["data_points"]["total"] == 1


UTC = timezone.utc
TIMES = [
    ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
    ("2026-01-02T03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("2026-01-02T03:04:05.123Z", datetime(2026, 1, 2, 3, 4, 5, 123000, tzinfo=UTC)),
    ("2026-01-02T03:04:05:123Z", datetime(2026, 1, 2, 3, 4, 5, 123000, tzinfo=UTC)),
    ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ("2019-02-15 00:00:00 -0500", datetime(2019, 2, 15, 5, tzinfo=UTC)),
    ("01/02/2026", datetime(2026, 1, 2, tzinfo=UTC)),
    ("1-2-2026", datetime(2026, 1, 2, tzinfo=UTC)),
    ("Fri 01 02 03:04:05.UTC 2026", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("Fri Jan 02 03:04:05 UTC 2026", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("0000-01-01", None),
    ("3001-01-01", None),
    ("2026-02-30", None),
    ("2026-01-02T25:00:00Z", None),
    ("2026-01", None),
    ("31/12/2026", None),
    ("1/2-2026", None),
    ("", None),
    (20260102, None),
    (None, None),
]


@pytest.mark.parametrize(("value", "moment"), TIMES, ids=str)
def test_what_counts_as_a_time(value: Any, moment: datetime | None) -> None:
    assert times.parse(value) == moment
