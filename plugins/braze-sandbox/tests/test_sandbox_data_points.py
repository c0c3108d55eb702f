"""What each write costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

GROUPS = [
    {"subscription_group_id": "12345678-1234-1234-1234-123456789abc", "subscription_state": "subscribed"},
]
SONG = {
    "song_name": "Solea",
    "artist_name": "Miles Davis",
    "album_name": "Sketches of Spain",
    "genre": "Jazz",
    "play_analytics": {"count": 1000, "top_10_listeners": True},
}
COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("no attribute", {}, 0),
    ("a custom attribute", {"a": 1}, 1),
    ("a removal", {"a": None}, 1),
    ("two attributes", {"a": 1, "b": "x"}, 2),
    ("standard fields", {"first_name": "A", "email": "a@example.com", "country": "DE", "language": "de"}, 4),
    ("subscription states are free", {"email_subscribe": "opted_in", "push_subscribe": "subscribed"}, 0),
    ("subscription groups are free", {"subscription_groups": GROUPS}, 0),
    ("push tokens are free", {"push_tokens": [{"token": "t", "app_id": "a"}]}, 0),
    ("control keys are free", {"_merge_objects": True, "_update_existing_only": False}, 0),
    ("a location is one", {"current_location": {"longitude": 1, "latitude": 2}}, 1),
    ("a whole array is one", {"a": ["x", "y", "z"]}, 1),
    ("an empty array is one", {"a": []}, 1),
    ("each addition is one", {"a": {"add": ["x", "y"]}}, 2),
    ("each key of an object", {"a": {"x": 1, "y": 2}}, 2),
    ("each key at every depth", {"a": SONG}, 7),
    ("a time in an object is one value", {"a": {"when": {"$time": "2026-01-01"}}}, 1),
    ("each key of objects in an array", {"a": [{"x": 1, "y": 2}, {"x": 3}]}, 3),
    ("each key of objects added", {"a": {"$add": [{"x": 1, "y": 2}]}}, 2),
    ("an increment is one", {"a": {"inc": 5}}, 1),
    ("what is dropped is free", {"a": "x" * 256, "time_zone": "Mars/Olympus"}, 0),
    ("a country stored as null is one", {"country": "Atlantis"}, 1),
]


@pytest.mark.parametrize(("item", "points"), [c[1:] for c in COSTS], ids=[c[0] for c in COSTS])
def test_an_object_costs(braze: Client, item: dict[str, Any], points: int) -> None:
    braze.attributes({"external_id": "p", **item})
    assert braze.stats()["data_points"]["total"] == points


def test_what_is_unchanged_costs_again_and_is_counted(braze: Client) -> None:
    for _ in range(3):
        braze.attributes({"external_id": "p", "a": 1, "b": 2})
    stats = braze.stats()
    assert stats["data_points"]["attributes"] == {"a": 3, "b": 3}
    assert stats["unchanged_values"] == 4


def test_events_and_purchases_cost_one_each(braze: Client) -> None:
    buy = {"external_id": "p", "product_id": "s", "currency": "EUR", "price": 1, "time": "2026-01-01"}
    braze.track(
        events=[{"external_id": "p", "name": "e", "time": "2026-01-01"}] * 2, purchases=[buy, {**buy, "quantity": 3}]
    )
    points = braze.stats()["data_points"]
    assert points == {"total": 6, "attributes": {}, "events": {"e": 2}, "purchases": {"s": 4}, "cohorts": {}}


def test_objects_that_are_refused_cost_nothing(braze: Client) -> None:
    braze.attributes({"external_id": "p", "email": "", "a": 1}, {"external_id": "q", "a": 1})
    assert braze.stats()["data_points"]["total"] == 1
