"""The schemas of Currents: all types there, valid Avro, and older ones that differ as they did."""

from __future__ import annotations

import re
from typing import Any

import fastavro
import pytest
from braze_sandbox.currents import schemas

NAMES = schemas.event_types()


def named(schema: dict[str, Any]) -> dict[str, Any]:
    return {field["name"]: field for field in schema["fields"]}


def test_all_types_are_there() -> None:
    assert len(NAMES) == 94
    assert sum(len(schemas.fields_of(name)) for name in NAMES) == 2022


@pytest.mark.parametrize("event_type", NAMES)
def test_each_schema_is_valid_and_named_as_braze_names_it(event_type: str) -> None:
    for schema in (schemas.avro_schema(event_type), *schemas.old_schemas(event_type).values()):
        parsed = fastavro.parse_schema(schema)
        assert isinstance(parsed, dict)
        assert parsed["name"] == f"dataexport.S3.inner.{event_type}"
        fields = {field["name"]: field for field in schema["fields"]}
        assert fields["id"]["type"] == "string"
        assert fields["time"]["type"] in {"int", "long"}
    connect = fastavro.parse_schema(schemas.connect_schema(event_type))
    assert isinstance(connect, dict)
    assert connect["name"] == event_type


def test_what_may_be_null_says_null_first_and_by_default() -> None:
    for name in NAMES:
        for field in schemas.avro_schema(name)["fields"]:
            if isinstance(field["type"], list):
                assert field["type"][0] == "null"
                assert field["default"] is None
            else:
                assert "default" not in field


def test_personal_fields_are_marked() -> None:
    marked = {
        field["name"]
        for name in NAMES
        for field in schemas.avro_schema(name)["fields"]
        if re.match(r"\[PII\]", field["doc"])
    }
    assert {"user_id", "external_user_id", "email_address", "to_phone_number", "latitude"} <= marked
    assert not {"id", "time", "campaign_id"} & marked


@pytest.mark.parametrize(
    ("event_type", "counts"),
    [
        ("users.behaviors.CustomEvent", [12, 15, 15, 16]),
        ("users.messages.email.Click", [16, 17, 20, 25, 26, 31, 32, 34]),
        ("users.messages.pushnotification.Send", [16, 17, 22, 23, 24, 25, 26, 27]),
        ("users.messages.contentcard.Send", [15, 17, 18, 19, 19, 21, 20]),
        ("users.messages.whatsapp.InboundReceive", [25, 31, 32]),
    ],
)
def test_older_schemas_have_as_many_fields_as_they_had(event_type: str, counts: list[int]) -> None:
    every = [*schemas.old_schemas(event_type).values(), schemas.avro_schema(event_type)]
    assert [len(named(schema)) for schema in every] == counts


def test_a_field_leaves_and_another_becomes_nullable() -> None:
    card = schemas.old_schemas("users.messages.contentcard.Send")
    assert "dispatch_id" in named(card["2025-04"])
    assert "dispatch_id" not in named(schemas.avro_schema("users.messages.contentcard.Send"))
    before = {
        field["name"]: field for field in schemas.old_schemas("users.messages.rcs.InboundReceive")["2026-01"]["fields"]
    }
    assert before["user_id"]["type"] == "string"
    event = named(schemas.old_schemas("users.behaviors.CustomEvent")["2024-04"])
    assert event["app_id"]["type"] == ["null", "string"]
    assert "default" not in event["app_id"]


def test_files_of_one_month_wrap_their_types() -> None:
    fields = named(schemas.connect_schema("users.behaviors.CustomEvent"))
    assert len(fields) == 23
    assert fields["app_group_id"]["type"]["type"] == "string"
    assert fields["gender"]["type"][1]["type"] == "string"
