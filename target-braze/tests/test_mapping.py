"""From records to objects: what Braze is sent, what is turned down, and the laws that hold for any record."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_braze.errors import SettingsError
from target_braze.mapping import Mapper
from target_braze.settings import read_settings
from target_braze.updates import Identity, Mapped, ObjectKind, Update

TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "date": {"type": ["null", "string"], "format": "date"},
    "moment": {"type": ["null", "string"], "format": "date-time"},
    "decimal": {"type": ["null", "number"], "multipleOf": 0.01},
    "text_decimal": {"type": ["null", "string"], "format": "x-singer.decimal"},
    "float": {"type": ["null", "number"]},
    "integer": {"type": ["null", "integer"]},
    "string": {"type": ["null", "string"]},
    "array": {"type": ["null", "array"], "items": {"type": "string"}},
    "object": {"type": ["null", "object"], "properties": {"at": {"type": "string", "format": "date-time"}}},
    "objects": {"type": ["null", "array"], "items": {"type": "object"}},
    "any": {},
}
STANDARD = ("email", "phone", "first_name", "gender", "dob", "country", "time_zone", "email_subscribe", "facebook")


def mapper(
    *columns: str, schema: dict[str, Any] | None = None, run: dict[str, Any] | None = None, **entry: Any
) -> Mapper:
    config = {"instance": "sandbox", "streams": {"people": entry} if entry else {}, **(run or {})}
    properties = {name: TYPES.get(name, {}) for name in ("external_id", *columns)}
    return Mapper("people", schema or {"properties": properties}, read_settings(config, {}).stream("people"))


def asked(mapped: Mapped) -> Update | None:
    """The object with all that a record asks, as for somebody of whom nothing is known."""
    assert mapped.update is None or mapped.attributes is None
    return mapped.update if mapped.attributes is None else mapped.attributes.whole()


def sent(mapped: Mapped) -> Any:
    update = asked(mapped)
    assert update is not None
    return json.loads(update.body)


def reasons(mapped: Mapped) -> list[tuple[str | None, str]]:
    return [(rejection.attribute, rejection.reason) for rejection in mapped.rejections]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("boolean", "t", True),
        ("date", "01/31/2026", "2026-01-31"),
        ("moment", "2026-01-31T12:00:00+09:00", "2026-01-31T03:00:00Z"),
        ("decimal", Decimal("12.340"), 12.34),
        ("text_decimal", "12.340", 12.34),
        ("float", Decimal("0.30000000000000004"), 0.30000000000000004),
        ("integer", 2**53 - 1, 2**53 - 1),
        ("string", "text", "text"),
        ("array", ["a", None], ["a"]),
        ("object", {"at": "2026-01-31"}, {"at": {"$time": "2026-01-31T00:00:00Z"}}),
        ("objects", [{"a": 1}], [{"a": 1}]),
        ("any", 5, 5),
        ("unannounced", "text", "text"),
    ],
)
def test_types(column: str, value: Any, expected: Any) -> None:
    mapped = mapper(column).map({"external_id": "1", column: value})
    assert sent(mapped) == {"external_id": "1", column: expected}
    assert mapped.rejections == ()


def test_nulls_remove_and_absent_columns_are_left_alone() -> None:
    """Vectors C01, C14 and C18."""
    mapped = mapper("integer", "object", "gender", "email", "string").map(
        {"external_id": "1", "object": None, "integer": 0, "gender": None, "email": None}
    )
    assert sent(mapped) == {"external_id": "1", "object": None, "integer": 0, "gender": None, "email": None}


@pytest.mark.parametrize("field", ["email_subscribe", "push_subscribe", "subscription_groups", "push_tokens"])
@pytest.mark.parametrize("nothing", [None, []])
def test_a_subscription_cannot_be_removed(field: str, nothing: Any) -> None:
    """Vector C69; Braze would turn the whole object down for it."""
    mapped = mapper(field, "string").map({"external_id": "1", "string": "x", field: nothing})
    if nothing is None or field.endswith(("groups", "tokens")):
        assert sent(mapped) == {"external_id": "1", "string": "x"}
        assert mapped.rejections == ()


def test_what_braze_would_not_keep_is_turned_down_and_the_rest_goes() -> None:
    bad = {
        "string": "x" * 256,
        "integer": 2**53,
        "decimal": Decimal("0.1234567890123456"),
        "gender": "unknown",
        "date": "soon",
        "email": 123,
        "country": "Atlantis",
    }
    mapped = mapper(*bad, "any").map({"external_id": "1", **bad, "any": "kept"})
    assert sent(mapped) == {"external_id": "1", "any": "kept"}
    assert [(rejection.attribute, rejection.object) for rejection in mapped.rejections] == [
        (name, {name: value}) for name, value in bad.items()
    ]
    assert {rejection.stream for rejection in mapped.rejections} == {"people"}
    assert all(rejection.identity == {"external_id": "1"} for rejection in mapped.rejections)
    assert not mapped.is_rejected


def test_the_settings_can_keep_what_would_not_fit() -> None:
    fields = {
        "string": {"too_long": "truncate"},
        "first_name": {"too_long": "truncate"},
        "any": {"too_long": "truncate"},
        "integer": {"type": "string"},
        "decimal": {"type": "string"},
        "array": {"too_long": "truncate"},
    }
    record = {
        "external_id": "1",
        "string": "x" * 300,
        "first_name": "y" * 300,
        "any": "z" * 300,
        "integer": 2**60,
        "decimal": Decimal("0.1234567890123456"),
        "array": '["' + "a" * 200 + '", "b"]',
    }
    assert sent(mapper(*fields, fields=fields).map(record)) == {
        "external_id": "1",
        "string": "x" * 255,
        "first_name": "y" * 255,
        "any": "z" * 255,
        "integer": str(2**60),
        "decimal": "0.1234567890123456",
        "array": ["a" * 200, "b"],
    }


def test_nulls_inside_are_left_out_and_counted() -> None:
    mapped = mapper("object", "array").map({"external_id": "1", "object": {"a": None, "b": 1}, "array": [None]})
    assert sent(mapped) == {"external_id": "1", "object": {"b": 1}}
    assert mapped.left_out == (("object", 1), ("array", 1))


def test_a_record_of_an_identifier_alone_changes_nothing() -> None:
    """Vector C02."""
    mapped = mapper("string").map({"external_id": "1"})
    assert mapped == Mapped()
    assert (mapped.is_empty, mapped.is_rejected) == (True, False)


def test_a_record_whose_attributes_are_all_turned_down_is_rejected() -> None:
    mapped = mapper("gender").map({"external_id": "1", "gender": "unknown"})
    assert mapped.is_empty
    assert mapped.is_rejected
    assert reasons(mapped) == [("gender", "not a gender Braze knows (F, M, O, N, P)")]


def test_a_record_that_names_nobody_is_rejected_whole() -> None:
    """Vector C06."""
    record = {"external_id": " ", "string": "x"}
    (rejection,) = mapper("string").map(record).rejections
    assert (rejection.attribute, rejection.identity, rejection.object) == (None, None, record)
    assert rejection.reason == "missing identifier: the record has none of external_id"


def test_an_object_over_the_limit_is_rejected_whole() -> None:
    """Vector C40."""
    columns = [f"text{n}" for n in range(420)]
    (rejection,) = mapper(*columns).map({"external_id": "1", **dict.fromkeys(columns, "x" * 255)}).rejections
    assert rejection.reason == "object larger than 102400 bytes"
    assert (rejection.attribute, rejection.identity) == (None, {"external_id": "1"})


BY = {"run": {"identify_by": ["external_id", "user_alias", "email", "phone"]}}
PERSON = {"alias_name": "n", "alias_label": "l", "email": "Ana@Example.com", "phone": "+1 202 555 0123", "string": "x"}
CONTACT = {"email": "ana@example.com", "phone": "+12025550123"}


@pytest.mark.parametrize(
    ("present", "identity", "expected"),
    [
        pytest.param(
            {"external_id": "1"}, Identity("external_id", "1"), {"external_id": "1", **CONTACT}, id="email is ordinary"
        ),
        pytest.param(
            {},
            Identity("user_alias", ("l", "n")),
            {"user_alias": {"alias_name": "n", "alias_label": "l"}, "_update_existing_only": False, **CONTACT},
            id="alias, to be created (C03)",
        ),
        pytest.param({"alias_name": ""}, Identity("email", "ana@example.com"), CONTACT, id="phone is an attribute"),
        pytest.param(
            {"alias_label": None, "email": " "},
            Identity("phone", "+12025550123"),
            {"phone": "+12025550123"},
            id="phone alone",
        ),
    ],
)
def test_identifiers_in_their_order(present: dict[str, Any], identity: Identity, expected: dict[str, Any]) -> None:
    mapped = mapper(*PERSON, **BY).map({**PERSON, **present})
    assert mapped.attributes is not None
    assert mapped.attributes.identity == identity
    if identity.kind == "phone":
        assert reasons(mapped)[0][0] == "email"
    assert sent(mapped) == {**expected, "string": "x"}


def test_an_email_beside_a_phone_is_turned_down() -> None:
    """Braze looks a person up by email first, so it would reach somebody else ("User track", 2026-09)."""
    by_phone = mapper("email", "phone", "string", run={"identify_by": ["phone"]}, fields={"external_id": None})
    mapped = by_phone.map({"phone": "+12025550123", "email": "Ana@example.com", "string": "x"})
    assert sent(mapped) == {"phone": "+12025550123", "string": "x"}
    ((attribute, reason),) = reasons(mapped)
    assert attribute == "email"
    assert "put email before phone" in reason
    assert mapped.rejections[0].object == {"email": "Ana@example.com"}
    without = by_phone.map({"phone": "+12025550123", "email": None, "string": "x"})
    assert sent(without) == {"phone": "+12025550123", "string": "x"}
    assert without.rejections == ()


@pytest.mark.parametrize("record", [{"external_id": "1"}, {"alias_name": "n", "alias_label": "l"}])
def test_update_existing_only(record: dict[str, Any]) -> None:
    """Vector C85."""
    mapped = mapper(*PERSON, **BY, update_existing_only=True).map({"string": "x", **record})
    assert sent(mapped)["_update_existing_only"] is True


def test_profiles_are_created_unless_the_settings_say_not() -> None:
    assert "_update_existing_only" not in sent(mapper("string").map({"external_id": "1", "string": "x"}))


def test_array_operations_are_merged_if_the_settings_say_so() -> None:
    """Vectors C21 and C22."""
    record = {
        "external_id": "1",
        "objects": {
            "$update": [{"$identifier_key": "id", "$identifier_value": 4, "$new_object": {"a": 1}}],
            "$add": [{"id": 5}],
            "$remove": [{"$identifier_key": "id", "$identifier_value": 6}],
        },
        "array": ["a"],
    }
    assert sent(mapper("objects", "array", merge_objects=True).map(record)) == {**record, "_merge_objects": True}
    assert sent(mapper("objects", "array").map(record)) == record


def test_an_update_says_where_it_goes_and_what_it_costs() -> None:
    columns = ("string", "email", "email_subscribe", "object", "objects")
    people = mapper(*columns, merge_objects=True)
    record = {
        "external_id": "1",
        "string": None,
        "email": "a@example.com",
        "email_subscribe": "subscribed",
        "object": {"a": 1, "b": {"c": 2, "d": 3}},
        "objects": {"$add": [{"a": 1}, {"a": 2}]},
    }
    update = asked(people.map(record))
    assert update is not None
    assert (update.stream, update.kind, update.identity) == ("people", ObjectKind.ATTRIBUTES, ("external_id", "1"))
    assert update.shape.data_points == {"string": 1, "email": 1, "object": 3, "objects": 2}
    other = asked(people.map({**record, "external_id": "2"}))
    assert other is not None
    assert other.shape is update.shape


def test_an_event() -> None:
    """Vectors C07, C09 and C10."""
    events = mapper(
        "name", "time", "app_id", "properties", "moment", "string", "object", object="events", run=BY["run"]
    )
    mapped = events.map(
        {
            "external_id": "1",
            "name": "signed up",
            "time": "2026-01-31T12:00:00.250+09:00",
            "app_id": "app",
            "properties": {"a b": 1, "event_name": "x", "nil": None},
            "moment": "2026-01-31",
            "string": None,
            "object": {"at": "2026-01-31"},
        }
    )
    assert sent(mapped) == {
        "external_id": "1",
        "name": "signed up",
        "time": "2026-01-31T03:00:00.250Z",
        "app_id": "app",
        "properties": {"a b": 1, "moment": "2026-01-31T00:00:00Z", "object": {"at": "2026-01-31T00:00:00Z"}},
    }
    assert mapped.left_out == (("properties", 2),)
    assert mapped.update is not None
    assert (mapped.update.kind, mapped.update.shape.data_points) == (ObjectKind.EVENTS, {"events": 1})


def test_properties_as_json_text() -> None:
    record = {"external_id": "1", "name": "n", "time": "2026-01-31", "properties": '{"a": 1, "nil": null}'}
    mapped = mapper("name", "time", "properties", object="events").map(record)
    assert sent(mapped)["properties"] == {"a": 1}
    assert mapped.left_out == (("properties", 1),)


def test_properties_that_are_none_are_turned_down() -> None:
    record = {"external_id": "1", "name": "n", "time": "2026-01-31", "properties": "[1]"}
    mapped = mapper("name", "time", "properties", object="events").map(record)
    assert reasons(mapped) == [("properties", "not an object")]
    assert sent(mapped) == {"external_id": "1", "name": "n", "time": "2026-01-31T00:00:00Z"}


def test_an_event_of_an_alias_may_create_it() -> None:
    mapped = mapper("name", "time", *PERSON, **BY, object="events").map(
        {**PERSON, "name": "n", "time": "2026-01-31T00:00:00Z"}
    )
    assert sent(mapped) == {
        "user_alias": {"alias_name": "n", "alias_label": "l"},
        "name": "n",
        "time": "2026-01-31T00:00:00Z",
        "properties": {"string": "x"},
        "_update_existing_only": False,
    }


PURCHASE = {"external_id": "1", "product_id": "hat", "currency": "usd", "price": 0, "time": "2026-01-31T00:00:00Z"}


@pytest.mark.parametrize("price", [0, Decimal("12.34"), -1.5])
def test_a_purchase(price: Any) -> None:
    """Vectors C23 and C24: a price of nothing is a price; each record is one purchase."""
    purchases = mapper("product_id", "currency", "price", "time", "quantity", "string", object="purchases")
    mapped = purchases.map({**PURCHASE, "price": price, "quantity": 2, "string": "x"})
    assert sent(mapped) == {
        **PURCHASE,
        "currency": "USD",
        "price": float(price),
        "quantity": 2,
        "properties": {"string": "x"},
    }
    assert mapped.update is not None
    assert mapped.update.shape.data_points == {"purchases": 2}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": None}, "price: missing, and Braze refuses purchases without it"),
        ({"currency": "euros"}, "currency: not an ISO 4217 currency (e.g. USD)"),
        ({"product_id": " "}, "product_id: blank"),
        ({"time": "soon"}, "time: not a date-time (write ISO 8601, e.g. 2026-01-31T12:00:00Z)"),
    ],
)
def test_a_purchase_that_braze_would_refuse_is_rejected_whole(change: dict[str, Any], reason: str) -> None:
    record = {**PURCHASE, **change}
    mapped = mapper("product_id", "currency", "price", "time", object="purchases").map(record)
    assert mapped.is_rejected
    assert (mapped.rejections[0].attribute, mapped.rejections[0].reason) == (None, reason)
    assert mapped.rejections[0].object == record


def test_a_purchase_of_no_known_quantity_is_turned_down() -> None:
    """Without one, Braze would take it for one piece."""
    mapped = mapper(*PURCHASE, "quantity", object="purchases").map({**PURCHASE, "quantity": 7501})
    assert reasons(mapped)[-1] == (None, "quantity: quantity is not between 1 and 7500")
    assert mapped.is_rejected


def test_unannounced_columns_can_name_the_person() -> None:
    people = mapper(schema={"properties": {"string": {"type": "string"}}, "additionalProperties": True})
    assert sent(people.map({"external_id": "1", "string": "x"})) == {"external_id": "1", "string": "x"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs"]), max_size=2)
    | st.dates().map(str)
    | st.datetimes(timezones=st.timezones()).map(str)
    | st.sampled_from(["F", "KR", "a@example.com", "+12025550123", "subscribed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
known_columns = st.sampled_from([*TYPES, *STANDARD, "external_id", "user_alias", "alias_name", "alias_label"])
records = st.dictionaries(known_columns | st.text(max_size=4), json_values, max_size=8)
MAPPERS = [
    mapper(*TYPES, *STANDARD, "user_alias", run={"identify_by": ["external_id", "user_alias", "email", "phone"]}),
    mapper(*TYPES, "name", "time", *PERSON, object="events", **BY),
]


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_null(part) for part in value.values())
    return any(holds_null(part) for part in value) if isinstance(value, list) else value is None


@pytest.mark.parametrize("people", MAPPERS, ids=["attributes", "events"])
@hypothesis.settings(deadline=None)  # the first look-up of a kind reads its table
@given(record=records)
@example(record={"external_id": "1", "any": {"\ud800": 1, "b": "\ud800"}})
@example(record={"external_id": "1", "name": "n", "time": "2026-01-31", "any": [None]})
def test_any_record_is_mapped(people: Mapper, record: dict[str, Any]) -> None:
    """Invariant 8: one of update, rejection and nothing to change; and what is sent is JSON that Braze keeps."""
    try:
        mapped = people.map(record)
    except SettingsError:
        return
    update = asked(mapped)
    assert mapped.is_empty == (update is None)
    if update is None:
        assert mapped.is_rejected == bool(mapped.rejections)
        return
    assert not mapped.is_rejected
    body = json.loads(update.body)
    identity = update.identity
    assert body.items() >= identity.as_fields().items()
    assert len(body.keys() & {"external_id", "user_alias"}) <= 1
    assert not any(holds_null(value) for value in body.values() if isinstance(value, list | dict))
    assert {identity: 1}[update.identity] == 1
    if mapped.attributes is not None:
        assert mapped.attributes.size == len(update.body)
    turned_down = {rejection.attribute for rejection in mapped.rejections}
    assert not turned_down & (body.keys() - {"properties"}) - {"name", "time"}


@hypothesis.settings(deadline=None)  # the first look-up of a kind reads its table
@given(record=records)
def test_what_was_sent_is_sent_as_it_is(record: dict[str, Any]) -> None:
    """Invariant 7: what Braze has, mapped again, is what it has."""
    people = MAPPERS[0]
    try:
        mapped = people.map(record)
    except SettingsError:
        return
    if mapped.attributes is not None:
        body = sent(mapped)
        again = people.map({name: value for name, value in body.items() if name != "_update_existing_only"})
        assert again.rejections == ()
        assert sent(again) == body


@pytest.mark.parametrize("people", MAPPERS, ids=["attributes", "events"])
@hypothesis.settings(deadline=None)  # the first look-up of a kind reads its table
@given(
    st.dictionaries(st.sampled_from([*TYPES, *STANDARD, "external_id", "alias_name"]), st.text(min_size=1), min_size=1)
)
def test_no_reason_holds_a_value(people: Mapper, texts: dict[str, str]) -> None:
    """Invariant 5."""
    record: dict[str, Any] = {name: f"SECRET{text}SECRET" for name, text in texts.items()}
    record["object"] = {"SECRET": "SECRET" * 100, "at": "SECRET"}
    for mapped in (people.map(record), people.map({**record, "external_id": "1"})):
        assert not [rejection for rejection in mapped.rejections if "SECRET" in rejection.reason]


def test_the_body_is_what_msgspec_reads_back() -> None:
    update = asked(mapper("decimal").map({"external_id": "1", "decimal": Decimal("68.41")}))
    assert update is not None
    assert update.body == b'{"external_id":"1","decimal":68.41}'
    assert msgspec.json.decode(update.body) == {"external_id": "1", "decimal": 68.41}
