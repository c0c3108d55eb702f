"""`docs/coming-from.md` promises nothing that is not so: its settings exist, its examples run, its links are right."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from target_braze.audiences import KEYS
from target_braze.occurrence_settings import REMEMBER_DAYS
from target_braze.settings import CONFIG, read_settings
from target_braze.stream_settings import STREAM
from target_braze.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parent.parent / "docs" / "coming-from.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
FIELD_VALUES: dict[str, Any] = {
    "name": "visits",
    "type": "integer",
    "operation": "inc",
    "too_long": "truncate",
    "nulls": "skip",
    "round": 1,
    "bucket": [1],
    "tolerance": 1,
    "at_most_every": "1d",
    "only_if_empty": True,
}
"""What can be said of a column, each with a value."""
NEWS = "3f2a0000-0000-4000-8000-000000000001"
PRODUCT = {"product_id": "towel", "product_name": "Towel", "variant_id": "blue", "quantity": 1, "price": 4.5}
INPUT: dict[str, dict[str, list[dict[str, Any]]]] = {
    "Amperity": {
        "customer_attributes": [
            {"customer_id": "1", "lifetime_value": 250.4, "days_since_last_order": 12, "is_excluded": False},
            {"customer_id": "2", "lifetime_value": 900.0, "days_since_last_order": 99, "is_excluded": True},
            {"alias_name": "3", "alias_label": "kiosk", "lifetime_value": 20, "days_since_last_order": 1},
        ],
        "customer_purchases": [
            {"customer_id": "1", "product_id": "towel", "price": 4.5, "currency": "EUR", "quantity": 250}
            | {"purchase_time": "2026-11-03T09:00:00Z"}
        ],
    },
    "Hightouch": {
        "public-users": [
            {"user_id": "1", "email": "one@example.com", "plan": "day", "_sdc_deleted_at": None},
            {"user_id": "2", "email": "two@example.com", "plan": "day", "_sdc_deleted_at": "2026-11-03T09:00:00Z"},
        ],
        "public-newsletter": [{"user_id": "1", "list_id": NEWS, "state": "subscribed"}],
        "public-products": [{"sku": "towel", "colour": "blue"}],
    },
    "Census (Fivetran Activations)": {
        "orders": [{"customer_id": "1", "ordered_at": "2026-11-03 09:00:00", "order_id": 17, "total": 4.5}]
    },
    "Segment (Braze actions)": {
        "identifies": [{"external_id": "1", "plan": "day"}],
        "tracks": [
            {"user_id": "1", "name": "Order Completed", "sent_at": "2026-11-03T09:00:00Z", "message_id": "m-1"}
            | {"order_id": "o-1", "total_value": 4.5, "products": [PRODUCT]}
        ],
    },
    "Braze Cloud Data Ingestion": {
        "braze_sync-attributes": [
            {"external_id": None, "email": "one@example.com", "plan_score": 0.12345, "updated_at": "2026-11-03"},
            {"external_id": "2", "email": None, "plan_score": 0.5, "updated_at": "2026-11-03"},
        ],
        "braze_sync-deletions": [{"external_id": "gone"}],
    },
}
"""Product → stream → records for the example."""
KNOWN = [
    {"external_id": "1", "plan": "none"},
    {"external_id": "2", "plan": "none"},
    {"external_id": "gone", "plan": "x"},
]
ATTRIBUTES: dict[str, dict[str, dict[str, Any]]] = {
    "Amperity": {
        "1": {"plan": "none", "lifetime_value": 250, "days_since_last_order": "7-30", "is_excluded": False}
        | {"winter_win_back": True, "offer": "WINTER10"},
        "2": {"plan": "none", "lifetime_value": 900, "days_since_last_order": ">=90", "is_excluded": True},
        "gone": {"plan": "x"},
    },
    "Hightouch": {"1": {"email": "one@example.com", "plan": "day"}, "2": {}, "gone": {"plan": "x"}},
    "Census (Fivetran Activations)": {"1": {"plan": "none"}, "2": {"plan": "none"}, "gone": {"plan": "x"}},
    "Segment (Braze actions)": {"1": {"plan": "day"}, "2": {"plan": "none"}, "gone": {"plan": "x"}},
    "Braze Cloud Data Ingestion": {"1": {"plan": "none"}, "2": {"plan": "none", "plan_score": 0.5}},
}
"""Product → who is in Braze after the example ran, with which attributes."""
EVENTS = {
    "Amperity": {"towel": 250},
    "Census (Fivetran Activations)": {"ordered": 1},
    "Segment (Braze actions)": {"ecommerce.order_placed": 1},
}
"""Product → what the first person did, and how often."""


def settings_there_are() -> set[str]:
    config = copy.deepcopy(CONFIG)
    TargetBraze.append_builtin_config(config)
    return {*config["properties"], *STREAM.to_dict()["properties"], *KEYS, *FIELD_VALUES}


SETTINGS = settings_there_are()


def rows() -> list[list[str]]:
    """The cells of all rows of all tables, without their headings."""
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [row for row in cells if row[0] != "there" and not row[0].startswith("---")]


def example(product: str) -> dict[str, Any]:
    [text] = re.findall(r"```yaml\n(.*?)```", SECTIONS[product], re.DOTALL)
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def test_each_row_names_what_there_is_here() -> None:
    assert len(rows()) > 50
    assert [row for row in rows() if len(row) != 3 or not all(row)] == []


@pytest.mark.parametrize("setting", sorted({name for row in rows() for name in re.findall(r"`([^`]+)`", row[2])}))
def test_each_setting_exists(setting: str) -> None:
    assert setting in SETTINGS


@pytest.mark.parametrize("name", FIELD_VALUES)
def test_each_setting_of_a_column_exists(name: str) -> None:
    fields = {"column": {name: FIELD_VALUES[name]}}

    read_settings({"instance": "US-01", "api_key": "key", "streams": {"people": {"fields": fields}}}, {})


@pytest.mark.parametrize("product", INPUT)
def test_each_example_is_accepted(product: str) -> None:
    config = example(product)

    settings = read_settings({**config, "api_key": "key"}, {})

    assert [name for name, _ in settings.streams] == list(config["streams"])
    assert len(settings.audiences) == len(config.get("audiences", ()))
    assert config.keys() <= SETTINGS


@pytest.mark.parametrize("product", INPUT)
def test_each_example_runs(product: str, target: Any, sandbox: Any) -> None:
    """Through the real command line; read again, nothing is sent, but for what is to be deleted."""
    sandbox.track(attributes=KNOWN).raise_for_status()
    fields = [{"name": "id", "type": "string"}, {"name": "colour", "type": "string"}]
    sandbox.post("/catalogs", {"catalogs": [{"name": "products", "fields": fields}]}).raise_for_status()
    config = json.loads(json.dumps({**example(product), "instance": None}, default=str))  # a day becomes text
    assert INPUT[product].keys() == config["streams"].keys()

    first = target.run(config, messages(product))
    deletions = sum("deletions" in stream for stream in INPUT[product])
    again = target.run(config, messages(product))

    assert (first.exit, first.summary["rejected"], first.summary["rejections"]) == (0, 0, {}), first.stderr
    assert first.summary["delivered"] == first.summary["records"]
    assert (again.exit, again.summary["delivered"]) == (0, deletions)
    people = {each["external_id"]: each for each in sandbox.profiles() if each["external_id"]}
    treatments = {id_: each["attributes"].pop("winter_win_back_treatment", None) for id_, each in people.items()}
    assert {id_: each["attributes"] for id_, each in people.items()} == ATTRIBUTES[product]
    assert bool(treatments["1"]) == (product == "Amperity")
    done = {each["name"]: each["count"] for each in people["1"]["events"] + people["1"]["purchases"]}
    assert done == EVENTS.get(product, {})
    if product == "Hightouch":
        assert sandbox.subscriptions("1") == {NEWS: "subscribed"}
        assert sandbox.catalog_items("products") == {"towel": {"id": "towel", "colour": "blue"}}


def messages(product: str) -> Iterator[dict[str, Any]]:
    """What a tap says of the example's streams."""
    for stream, records in INPUT[product].items():
        columns = {name: {"type": kinds(records, name)} for record in records for name in record}
        yield {"type": "SCHEMA", "stream": stream, "schema": {"properties": columns}, "key_properties": []}
        yield from ({"type": "RECORD", "stream": stream, "record": record} for record in records)
    yield {"type": "STATE", "value": {"read": product}}


def kinds(records: list[dict[str, Any]], column: str) -> list[str]:
    """A column's types, from the values that it has."""
    words = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    found = {words[type(value)] for record in records if (value := record.get(column)) is not None}
    return [*sorted(found - ({"integer"} if "number" in found else set())), "null"]


def test_days_are_those_of_the_settings() -> None:
    assert f"for {REMEMBER_DAYS} days" in TEXT


@pytest.mark.parametrize("product", INPUT)
def test_each_product_says_what_is_missing(product: str) -> None:
    assert "**No counterpart**: " in SECTIONS[product]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (DOCUMENT.parent / path).resolve() if path else DOCUMENT

    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_leads_here() -> None:
    assert "(docs/coming-from.md)" in (DOCUMENT.parent.parent / "README.md").read_text(encoding="utf-8")
