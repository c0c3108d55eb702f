from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from target_braze.differences import Held
from target_braze.packing import Request
from target_braze.rejections import Rejection
from target_braze.tally import Tally
from target_braze.updates import Shape

if TYPE_CHECKING:
    from target_braze.updates import Update

KEYS = {
    "records", "delivered", "unchanged", "held", "rejected", "requests", "retries", "objects", "data_points",
    "seconds", "dry_run", "streams", "rejections",
}  # fmt: skip
"""Fixed: other people's files and checks rely on them."""


def rejection(reason: str = "bad", attribute: str | None = "plan", stream: str = "people") -> Rejection:
    return Rejection(stream, {"external_id": "a"}, reason, attribute, {"plan": "secret"})


def costing(update: Update, **data_points: int) -> Update:
    return type(update)(update.stream, update.kind, update.identity, update.body, Shape(data_points))


def test_summary_has_the_fixed_keys() -> None:
    tally = Tally()
    assert tally.summary(1.23456).keys() >= KEYS
    assert tally.summary(1.23456)["seconds"] == 1.235
    tally.streams["people"].records += 1
    per_stream = tally.summary(1)["streams"]["people"]
    assert per_stream.keys() >= KEYS - {"seconds", "dry_run", "streams"} | {"attributes", "left_out", "held_attributes"}


def test_an_empty_run_is_all_zero() -> None:
    summary = Tally().summary(0)
    assert {value for value in summary.values() if isinstance(value, int | float)} == {0}


def test_outcomes_add_up_to_the_records(update: Any) -> None:
    """Invariant 8."""
    tally = Tally()
    for name, records in (("people", 9), ("orders", 4)):
        tally.streams[name].records += records
    tally.streams["people"].unchanged += 2
    tally.accepted(Request([update(str(number)) for number in range(3)]))
    tally.accepted(Request([update("b", stream="orders")]))
    tally.rejected([rejection(), rejection("worse")], records=1)
    tally.rejected([rejection()], records=0)  # the rest of its record was delivered
    summary = tally.summary(1)
    for counts in (summary, *summary["streams"].values()):
        outcomes = ("delivered", "unchanged", "held", "rejected", "unfinished")
        assert counts["records"] == sum(counts[name] for name in outcomes)
    assert (summary["records"], summary["delivered"], summary["rejected"], summary["unfinished"]) == (13, 4, 1, 6)
    assert summary["streams"]["orders"]["unfinished"] == 3
    assert tally.records == 13
    assert tally.records_with_rejections == 2


def test_rejections_are_counted_by_reason() -> None:
    tally = Tally()
    tally.rejected([rejection("bad"), rejection("worse")], records=1)
    tally.rejected([rejection("bad")], records=0)
    tally.rejected([rejection("bad", stream="orders")], records=0)
    summary = tally.summary(1)
    assert summary["rejections"] == {"bad": 3, "worse": 1}
    assert list(summary["rejections"]) == ["bad", "worse"]  # the most frequent first
    assert summary["streams"]["people"]["rejections"] == {"bad": 2, "worse": 1}
    assert summary["streams"]["orders"]["rejections"] == {"bad": 1}


def test_reasons_that_quote_values_are_counted_without_them() -> None:
    """The summary is not customer data (invariant 5)."""
    tally = Tally()
    for value in ("Ada", "Grace"):
        tally.rejected([rejection(f'"{value}" is not a name')], records=0)
    assert tally.summary(1)["rejections"] == {'"…" is not a name': 2}


def test_left_out_parts_are_counted_by_attribute() -> None:
    tally = Tally()
    tally.left_out("people", [("address", 2), ("tags", 1)])
    tally.left_out("people", [("address", 1)])
    assert tally.summary(1)["streams"]["people"]["left_out"] == {"address": 3, "tags": 1}


def test_requests_and_retries_are_counted_in_all_and_by_stream(update: Any) -> None:
    tally = Tally()
    mixed = Request([update("a"), update("b"), update("c", "events", stream="orders")])
    tally.sent(mixed, is_retry=False)
    tally.sent(mixed, is_retry=True)
    tally.sent(Request([update("d")]), is_retry=False)
    summary = tally.summary(1)
    assert (summary["requests"], summary["retries"]) == (3, 1)
    people, orders = summary["streams"]["people"], summary["streams"]["orders"]
    assert (people["requests"], people["retries"]) == (3, 1)
    assert (orders["requests"], orders["retries"]) == (2, 1)


def test_data_points_are_those_of_accepted_objects(update: Any) -> None:
    tally = Tally()
    shape = Shape({"plan": 1, "address": 4})
    same = [type(found)(*_fields(found), shape) for found in (update("a"), update("b"))]
    tally.accepted(Request([*same, costing(update("c"), plan=1), costing(update("d"))]))
    summary = tally.summary(1)
    assert (summary["objects"], summary["data_points"]) == (4, 11)
    assert summary["streams"]["people"]["attributes"] == {"address": 8, "plan": 3}
    assert list(summary["streams"]["people"]["attributes"]) == ["address", "plan"]  # what costs most first


def _fields(update: Update) -> tuple[Any, ...]:
    return update.stream, update.kind, update.identity, update.body


@pytest.mark.parametrize("records", [0, 1, 3], ids=["a part of one", "one", "an object of several"])
def test_a_record_with_several_rejections_counts_once_against_the_limit(records: int) -> None:
    tally = Tally()
    tally.rejected([rejection()] * 5, records=records)
    assert tally.records_with_rejections == 1
    assert tally.summary(1)["rejected"] == records


def test_an_object_counts_for_all_records_it_is_the_outcome_of(update: Any) -> None:
    """Records of one person in one request become one object, which costs what one costs."""
    tally = Tally()
    tally.streams["people"].records += 7
    several = [msgspec.structs.replace(update(name), records=records) for name, records in (("a", 3), ("b", 3))]
    tally.accepted(Request([*several, update("c")]))
    summary = tally.summary(1)
    assert (summary["records"], summary["delivered"], summary["unfinished"]) == (7, 7, 0)
    assert (summary["objects"], summary["data_points"]) == (3, 3)


def test_held_changes_are_counted_by_attribute_and_policy() -> None:
    tally = Tally()
    tally.streams["people"].records += 2
    tally.streams["people"].held += 1  # of the other record something else was sent
    tally.held("people", [Held("score", "tolerance", 1), Held("address", "at_most_every", 3)])
    tally.held("people", [Held("address", "at_most_every", 2), Held("address", "only_if_empty", 0)])
    summary = tally.summary(1)
    assert (summary["held"], summary["unfinished"]) == (1, 1)
    assert summary["streams"]["people"]["held_attributes"] == [
        {"attribute": "address", "policy": "at_most_every", "changes": 2, "data_points_saved": 5},
        {"attribute": "address", "policy": "only_if_empty", "changes": 1, "data_points_saved": 0},
        {"attribute": "score", "policy": "tolerance", "changes": 1, "data_points_saved": 1},
    ]


def test_what_is_held_costs_nothing() -> None:
    tally = Tally()
    tally.held("people", [Held("score", "tolerance", 1)])
    assert tally.summary(1)["data_points"] == 0
