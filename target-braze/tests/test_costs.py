"""What writing an object costs."""

from __future__ import annotations

from typing import Any

import pytest
from target_braze.costs import EVENT, data_points, nested_points, plain_points, purchase
from target_braze.limits import MAX_QUANTITY


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
    names = ["email", "phone", "push_subscribe", "email_subscribe", "plan"]
    assert plain_points(names) == (1, 1, 0, 0, 1)


def test_only_nested_values_cost_more_than_one() -> None:
    points = plain_points(["plan", "address", "tags"])
    assert nested_points(points, ["gold", {"city": "Rome", "zip": "1"}, [1, 2]]) == (1, 2, 1)


def test_without_nested_values_the_form_says_it_all() -> None:
    assert nested_points((1, 1, 0), ["gold", [{"a": 1, "b": 2}], None]) is None


def test_what_is_free_is_free_nested_too() -> None:
    assert nested_points((0, 1), [{"a": 1, "b": 2}, {"a": 1}]) == (0, 1)


def test_an_event_costs_one() -> None:
    """Whatever its properties."""
    assert EVENT.data_points == {"events": 1}


@pytest.mark.parametrize("pieces", [1, 3, MAX_QUANTITY])
def test_a_purchase_costs_one_a_piece(pieces: int) -> None:
    assert purchase(pieces).data_points == {"purchases": pieces}
    assert purchase(pieces) is purchase(pieces), "shapes are counted by what they are"
