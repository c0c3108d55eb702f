"""What writing an object costs."""

from __future__ import annotations

from typing import Any

import pytest
from target_braze import costs
from target_braze.costs import Costs, data_points
from target_braze.updates import Identity, ObjectKind

ANA = Identity("email", "ana@example.com")


@pytest.mark.parametrize(
    ("value", "points"),
    [
        pytest.param(None, 1, id="removing"),
        pytest.param("x", 1, id="scalar"),
        pytest.param([1, 2, 3], 1, id="whole array"),
        pytest.param([{"a": 1, "b": 2}], 1, id="whole array of objects"),
        pytest.param({}, 1, id="empty object"),
        pytest.param({"a": 1, "b": {"c": 2, "d": [3]}}, 3, id="every key of an object"),
        pytest.param({"a": {"$time": "2026-01-31"}}, 1, id="time in an object"),
        pytest.param({"add": [1, 2], "remove": [3]}, 3, id="single elements"),
        pytest.param({"$add": [{"a": 1, "b": 2}], "$remove": [{}, {}]}, 3, id="single objects"),
        pytest.param({"add": []}, 1, id="no elements"),
    ],
)
def test_data_points(value: Any, points: int) -> None:
    """Braze docs, "Data points", 2026-03."""
    assert data_points(value) == points


def test_what_is_free() -> None:
    fields = {
        "email": "ana@example.com",
        "phone": "1",
        "push_subscribe": "subscribed",
        "_merge_objects": True,
        "user_alias": {"alias_name": "n", "alias_label": "l"},
    }
    assert Costs(ObjectKind.ATTRIBUTES).shape_of(ANA, fields).data_points == {"phone": 1}
    by_id = Costs(ObjectKind.ATTRIBUTES).shape_of(Identity("external_id", "1"), fields)
    assert by_id.data_points == {"email": 1, "phone": 1}


def test_shapes_are_shared_by_objects_that_cost_the_same() -> None:
    shapes = Costs(ObjectKind.ATTRIBUTES)
    one = shapes.shape_of(ANA, {"email": "a", "plan": {"a": 1}})
    assert shapes.shape_of(Identity("email", "b"), {"email": "b", "plan": {"b": 2}}) is one
    assert shapes.shape_of(ANA, {"email": "a", "plan": {"a": 1, "b": 1}}) is not one
    assert shapes.shape_of(Identity("phone", "1"), {"email": "a", "plan": {"a": 1}}) is not one


def test_an_event_costs_one() -> None:
    assert Costs(ObjectKind.EVENTS).shape_of(ANA, {"name": "n", "properties": {"a": 1}}).data_points == {"events": 1}


def test_shapes_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_MAX_SHAPES", 3)
    shapes = Costs(ObjectKind.ATTRIBUTES)
    for size in range(10):
        found = shapes.shape_of(ANA, {"email": "a", "plan": {str(n): n for n in range(size)}})
        assert found.data_points == {"plan": max(size, 1)}
        assert len(shapes._shapes) <= 3
