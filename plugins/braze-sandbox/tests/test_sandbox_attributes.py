"""What attributes become when they are written, and what is dropped in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

STANDARD = [
    ("first_name", "Ada", "Ada"),
    ("first_name", "", ""),
    ("first_name", 5, None),
    ("first_name", "x" * 256, None),
    ("email", "Ada@Example.COM", "ada@example.com"),
    ("phone", "+1 (724) 123-4567", "+17241234567"),
    ("phone", "724 123 4567", "+17241234567"),
    ("phone", "12", "12"),
    ("dob", "1980-02-29", "1980-02-29"),
    ("dob", "1981-02-29", None),
    ("dob", "29/02/1980", None),
    ("gender", "F", "F"),
    ("gender", "female", None),
    ("country", "DE", "DE"),
    ("country", "Australia", "AU"),
    ("country", "united states", "US"),
    ("country", "DEU", "DE"),
    ("country", "Atlantis", None),
    ("country", 49, None),
    ("language", "de", "de"),
    ("language", "German", None),
    ("time_zone", "Europe/Berlin", "Europe/Berlin"),
    ("time_zone", "Eastern Time (US & Canada)", "Eastern Time (US & Canada)"),
    ("time_zone", "Mars/Olympus", None),
    ("image_url", "https://example.com/" + "x" * 1004, "https://example.com/" + "x" * 1004),
    ("image_url", "https://example.com/" + "x" * 1005, None),
    ("email_open_tracking_disabled", True, True),
    ("email_open_tracking_disabled", "true", None),
    ("date_of_first_session", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
    ("date_of_first_session", "once", None),
    ("current_location", {"longitude": 13.4, "latitude": 52.5}, {"longitude": 13.4, "latitude": 52.5}),
    ("twitter", {"id": 1}, {"id": 1}),
    ("bio", "long", None),
]


@pytest.mark.parametrize(("name", "value", "stored"), STANDARD, ids=lambda value: str(value)[:30])
def test_a_standard_field_is_normalised_or_silently_not_set(braze: Client, name: str, value: Any, stored: Any) -> None:
    answer = braze.attributes({"external_id": "p", "other": 1, name: value})
    assert answer.json() == {"message": "success", "attributes_processed": 1}
    assert braze.values() == ({"other": 1} if stored is None else {"other": 1, name: stored})
    assert sum(braze.stats()["dropped"].values()) == (stored is None)


def test_an_unknown_country_is_stored_as_null(braze: Client) -> None:
    braze.attributes({"external_id": "p", "country": "DE", "time_zone": "Europe/Berlin"})
    braze.attributes({"external_id": "p", "country": "Atlantis", "time_zone": "Mars/Olympus"})
    assert braze.values() == {"time_zone": "Europe/Berlin"}


def test_names_are_case_sensitive(braze: Client) -> None:
    braze.attributes({"external_id": "p", "first_name": "Ada", "First_Name": "Grace", "email": "a@example.com"})
    exported = braze.post("/users/export/ids", {"external_ids": ["p"]}).json()["users"][0]
    assert exported["first_name"] == "Ada"
    assert exported["custom_attributes"] == {"First_Name": "Grace"}


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1) if levels else 1}


WRITES: list[tuple[str, list[Any], Any]] = [
    ("a string", ["x"], "x"),
    ("an empty string", ["x", ""], ""),
    ("spaces are kept", [" x "], " x "),
    ("255 characters", ["ü" * 255], "ü" * 255),
    ("256 characters are not stored", ["x", "y" * 256], "x"),
    ("an integer beyond 64 bits", [10**25], 10**25),
    ("too many levels", [{"a": 1}, nested(60)], {"a": 1}),
    ("true", [True], True),
    ("false", [True, False], False),
    ("an integer", [1, 2], 2),
    ("a float", [1.5], 1.5),
    ("an integer, then a float", [1, 1.5], 1.5),
    ("null removes", ["x", None], None),
    ("null removes an object", [{"a": 1}, None], None),
    ("null where nothing is", [None], None),
    ("an increment", [1, {"inc": 2}], 3),
    ("a decrement", [1, {"inc": -2}], -1),
    ("an increment from nothing", [{"inc": 2}], 2),
    ("an increment is not idempotent", [{"inc": 2}, {"inc": 2}], 4),
    ("an increment of a float", [1.5, {"inc": 1}], 1.5),
    ("an increment by a float", [1, {"inc": 1.5}], 1),
    ("an array", [["a", "b"]], ["a", "b"]),
    ("an array replaces", [["a"], ["b"]], ["b"]),
    ("doubles go, the later place stays", [["a", "b", "a"]], ["b", "a"]),
    ("1 and true are two", [[1, True, 1]], [True, 1]),
    ("an empty array", [["a"], []], []),
    ("add", [["a"], {"add": ["b", "c"]}], ["a", "b", "c"]),
    ("add moves to the end", [["a", "b"], {"add": ["a"]}], ["b", "a"]),
    ("add to nothing", [{"add": ["a"]}], ["a"]),
    ("remove", [["a", "b"], {"remove": ["a", "z"]}], ["b"]),
    ("add and remove", [["a", "b"], {"add": ["c"], "remove": ["a"]}], ["b", "c"]),
    ("500 elements", [list(range(500))], list(range(500))),
    ("the oldest of 501 goes", [list(range(501))], list(range(1, 501))),
    ("the oldest goes when one is added", [list(range(500)), {"add": [500]}], list(range(1, 501))),
    ("a null in an array", [["a"], ["b", None]], ["a"]),
    ("a long string in an array", [["a"], ["x" * 256]], ["a"]),
    ("an object", [{"a": 1, "b": {"c": [1]}}], {"a": 1, "b": {"c": [1]}}),
    ("an object replaces", [{"a": 1}, {"b": 2}], {"b": 2}),
    ("a null in an object", [{"a": 1}, {"a": 2, "b": None}], {"a": 1}),
    ("a null deep in an object", [{"a": 1}, {"b": {"c": [{"d": None}]}}], {"a": 1}),
    ("a good $time in an object", [{"a": {"$time": "2026-01-01"}}], {"a": {"$time": "2026-01-01"}}),
    ("a bad $time in an object", [{"a": 1}, {"a": {"$time": "soon"}}], {"a": 1}),
    ("a null $time in an object", [{"a": 1}, {"a": {"$time": None}}], {"a": 1}),
    ("a key with a space", [{"a": 1}, {"b c": 1}], {"a": 1}),
    ("a key with a dot", [{"a": 1}, {"b.c": 1}], {"a": 1}),
    ("a key with a dollar", [{"a": 1}, {"$b": 1}], {"a": 1}),
    ("a long string in an object", [{"a": 1}, {"b": "x" * 256}], {"a": 1}),
    ("100 KB of object", [{"a": 1}, {f"k{n}": "x" * 200 for n in range(520)}], {"a": 1}),
    ("objects in an array", [[{"id": 1}, {"id": 2}]], [{"id": 1}, {"id": 2}]),
    ("a null in an object in an array", [[{"id": 1}], [{"id": None}]], [{"id": 1}]),
    ("$add", [[{"id": 1}], {"$add": [{"id": 2}]}], [{"id": 1}, {"id": 2}]),
    ("$add does not look for doubles", [[{"id": 1}], {"$add": [{"id": 1}]}], [{"id": 1}, {"id": 1}]),
    ("$add with a null", [[{"id": 1}], {"$add": [{"id": None}]}], [{"id": 1}]),
    (
        "$remove takes all that match",
        [
            [{"id": 1}, {"id": 2}, {"id": 1, "a": 1}],
            {"$remove": [{"$identifier_key": "id", "$identifier_value": 1}]},
        ],
        [{"id": 2}],
    ),
    (
        "$update replaces the object",
        [
            [{"id": 1, "a": 1}],
            {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"id": 1, "b": 2}}]},
        ],
        [{"id": 1, "b": 2}],
    ),
    (
        "$add, then $remove, then $update",
        [
            [{"id": 1}],
            {
                "$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"id": 9}}],
                "$remove": [{"$identifier_key": "id", "$identifier_value": 2}],
                "$add": [{"id": 2}, {"id": 1, "new": True}],
            },
        ],
        [{"id": 9}, {"id": 9}],
    ),
]


@pytest.mark.parametrize(("values", "stored"), [case[1:] for case in WRITES], ids=[case[0] for case in WRITES])
def test_a_custom_attribute_after_some_writes(braze: Client, values: list[Any], stored: Any) -> None:
    for value in values:
        answer = braze.attributes({"external_id": "p", "it": value})
        assert answer.json() == {"message": "success", "attributes_processed": 1}
    assert braze.values() == ({} if stored is None else {"it": stored})


MERGES: list[tuple[str, Any, Any, Any]] = [
    ("objects are merged", {"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "d": 2}}),
    ("a scalar gives way to an object", {"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ("an array in an object is replaced", {"a": [1]}, {"a": [2]}, {"a": [2]}),
    ("a null spoils the whole", {"a": 1, "b": 2}, {"a": None, "b": 3}, {"a": 1, "b": 2}),
    (
        "$update merges",
        [{"id": 1, "a": 1}],
        {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"b": 2}}]},
        [{"id": 1, "a": 1, "b": 2}],
    ),
]


@pytest.mark.parametrize(("first", "second", "stored"), [m[1:] for m in MERGES], ids=[m[0] for m in MERGES])
def test_merge_objects(braze: Client, first: Any, second: Any, stored: Any) -> None:
    braze.attributes({"external_id": "p", "it": first})
    braze.attributes({"external_id": "p", "it": second, "_merge_objects": True})
    assert braze.values() == {"it": stored}


def test_only_the_bad_attribute_is_dropped(braze: Client) -> None:
    answer = braze.attributes({"external_id": "p", "bad": {"a": None}, "long": "x" * 256, "good": 1})
    assert answer.json() == {"message": "success", "attributes_processed": 1}
    assert braze.values() == {"good": 1}
    assert braze.stats()["dropped"] == {
        "null or other invalid value inside": 1,
        "string longer than 255 characters": 1,
    }


def test_an_absent_attribute_is_left_alone(braze: Client) -> None:
    braze.attributes({"external_id": "p", "a": 1, "b": 1})
    braze.attributes({"external_id": "p", "b": None})
    assert braze.values() == {"a": 1}


def test_attributes_come_before_events_before_purchases(braze: Client) -> None:
    braze.track(
        purchases=[
            {
                "user_alias": {"alias_name": "n", "alias_label": "l"},
                "product_id": "s",
                "currency": "EUR",
                "price": 1,
                "time": "2026-01-01",
            }
        ],
        events=[{"user_alias": {"alias_name": "n", "alias_label": "l"}, "name": "e", "time": "2026-01-01"}],
        attributes=[{"user_alias": {"alias_name": "n", "alias_label": "l"}, "_update_existing_only": False}],
    )
    (profile,) = braze.profiles()
    assert [each["count"] for each in (*profile["events"], *profile["purchases"])] == [1, 1]


def test_when_an_attribute_last_changed_is_kept(braze: Client) -> None:
    braze.attributes({"external_id": "p", "a": 1, "b": 1})
    first = braze.profile()["changed_at"]
    braze.attributes({"external_id": "p", "a": 1, "b": 2})
    second = braze.profile()["changed_at"]
    assert first["a"] == second["a"]
    assert first["b"] < second["b"]
