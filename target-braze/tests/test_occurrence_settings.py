"""What the settings say about streams of events and purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from target_braze.errors import SettingsError
from target_braze.mapping import Mapper
from target_braze.settings import read_settings

if TYPE_CHECKING:
    from target_braze.stream_settings import StreamSettings

SOLD = {"external_id": "p", "product_id": "hat", "price": -2, "time": "2026-07-20T10:00:00"}


def stream(entry: dict[str, Any], **run: Any) -> StreamSettings:
    return read_settings({"instance": "sandbox", "streams": {"sold": entry}, **run}, {}).stream("sold")


def mapped(record: dict[str, Any], **entry: Any) -> Any:
    schema: dict[str, Any] = {"properties": {name: {} for name in record}}
    return Mapper("sold", schema, stream({"object": "purchases", **entry})).map(record)


def test_what_holds_unless_said_otherwise() -> None:
    settings = stream({"object": "events"})
    assert (settings.defaults, settings.zone, settings.in_doubt, settings.remember_days) == ({}, None, "resend", 400)
    assert stream({"object": "events"}, remember_days=30).remember_days == 30
    assert stream({"object": "events", "remember_days": 7}, remember_days=30).remember_days == 7


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"object": "subscription_groups", "in_doubt": "hold"}, "says nothing of subscription_groups"),
        ({"defaults": {"currency": "USD"}}, "says nothing of attributes"),
        ({"object": "events", "in_doubt": "drop"}, "in_doubt"),
        ({"object": "events", "default_time_zone": "Berlin"}, "which is no time zone"),
        ({"object": "events", "default_time_zone": "../etc/passwd"}, "which is no time zone"),
        ({"object": "events", "defaults": {"time": "2026-01-01"}}, "not the same for all records"),
        ({"object": "events", "defaults": {"event_name": "x"}}, "reserved"),
        ({"object": "purchases", "defaults": {"currency": "EURO"}}, "not an ISO 4217 currency"),
        ({"object": "purchases", "defaults": {"quantity": 0}}, "quantity is not between"),
        ({"object": "events", "defaults": {"name": " "}}, "blank"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_first_record(entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        stream(entry)


def test_a_constant_stands_where_a_record_does_not_say() -> None:
    constants = {"currency": "usd", "shop": "Vienna"}
    found = mapped({**SOLD, "currency": None}, defaults=constants, default_time_zone="Europe/Vienna")
    assert (
        found.update.body == b'{"external_id":"p","product_id":"hat","price":-2.0,"time":"2026-07-20T08:00:00Z",'
        b'"currency":"USD","properties":{"shop":"Vienna"}}'
    )
    said = mapped({**SOLD, "currency": "EUR", "shop": "Graz"}, defaults=constants, default_time_zone="UTC")
    assert b'"currency":"EUR"' in said.update.body
    assert b'"shop":"Graz"' in said.update.body


def test_a_constant_does_not_stand_for_what_was_turned_down() -> None:
    found = mapped({**SOLD, "currency": "EURO"}, defaults={"currency": "USD"}, default_time_zone="UTC")
    assert found.rejections[-1].reason == "currency: not an ISO 4217 currency (e.g. USD)"
    assert found.is_rejected


def test_a_time_without_an_offset_is_turned_down_by_name() -> None:
    """Vector C84."""
    found = mapped({**SOLD, "currency": "USD"})
    assert found.is_rejected
    assert found.rejections[-1].reason.startswith("time: a time without an offset")


def test_a_purchase_of_250() -> None:
    """Vector C83."""
    found = mapped({**SOLD, "currency": "USD", "quantity": 250}, default_time_zone="UTC")
    assert [update.body.partition(b'"quantity":')[2].partition(b",")[0].rstrip(b"}") for update in found.objects] == [
        b"100",
        b"100",
        b"50",
    ]


def test_limits_of_size() -> None:
    many = {f"p{number}": number for number in range(257)}
    assert (
        "more than 256 properties"
        in mapped({**SOLD, "currency": "USD", **many}, default_time_zone="UTC").rejections[-1].reason
    )
    large = {f"p{number}": "x" * 250 for number in range(210)}
    assert (
        "properties larger than 51200 bytes"
        in mapped({**SOLD, "currency": "USD", **large}, default_time_zone="UTC").rejections[-1].reason
    )


def test_a_recommended_event_is_held_against_its_schema_and_costs_nothing() -> None:
    order = {"external_id": "p", "time": 0, "order_id": "o", "total_value": 5, "products": [], "note": "x"}
    constants = {"name": "ecommerce.order_placed", "currency": "EUR", "source": "shop"}
    schema: dict[str, Any] = {"properties": {name: {} for name in order}}
    mapper = Mapper("sold", schema, stream({"object": "events", "defaults": constants}))
    assert mapper.map(order).rejections[-1].reason.startswith("note: not in the schema")
    del order["note"]
    found = mapper.map(order)
    assert found.update is not None
    assert found.update.shape.data_points == {}
