"""`docs/audiences.md` says what the code does: its settings, its operators, its example."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from target_braze.audiences import KEYS, read_audiences
from target_braze.conditions import OPERATORS
from target_braze.errors import SettingsError
from target_braze.memberships import Memberships
from target_braze.schema import Kind
from target_braze.stream_settings import FieldSettings, StreamSettings

TEXT = (Path(__file__).parent.parent / "docs" / "audiences.md").read_text(encoding="utf-8")
CONFIG: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0])["config"]
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.timezone.utc)
RECORD = {
    "external_id": "a",
    "lifetime_value": 612.5,
    "last_order_on": "2026-11-20",
    "country": "KR",
    "plan": "gold",
}
SCHEMA = {
    "properties": {
        "external_id": {"type": "string"},
        "lifetime_value": {"type": "number"},
        "last_order_on": {"type": "string"},
        "country": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "plan": {"type": "string"},
    }
}


def first_cells(heading: str) -> list[str]:
    """The names in the first column of the first table under a heading."""
    section = re.split(r"\n##+ ", TEXT.split(f"\n## {heading}\n")[1])[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def memberships() -> Memberships:
    settings = StreamSettings(fields={"last_order_on": FieldSettings(kind=Kind.DATE)})
    return Memberships(read_audiences(CONFIG["audiences"]), "customers", SCHEMA, settings, ())


def test_every_setting_is_in_the_document() -> None:
    assert sorted(first_cells("Settings")) == sorted(KEYS)


def test_every_operator_is_in_the_document() -> None:
    assert sorted(first_cells("Conditions")) == sorted(OPERATORS)


def test_the_example() -> None:
    record = {**RECORD, "created_at": "2026-11-15T00:00:00Z"}
    found = memberships().contribution(record, NOW, b"a", ())
    assert found.entered == ("big_spenders", "newcomers", "gold")
    assert found.attributes == {
        "big_spenders": True,
        "big_spenders_treatment": found.attributes["big_spenders_treatment"],
        "offer": "WINTER10",
        "member_since": "2026-11-15T00:00:00Z",
        "audiences": ["gold", "newcomers"],
    }
    assert found.attributes["big_spenders_treatment"] in CONFIG["audiences"][0]["treatments"]


def test_the_people_that_sql_would_lose() -> None:
    """The example of the section on nulls."""
    audiences = read_audiences(
        [{"name": "lapsed", "stream": "customers", "where": {"not": {"field": "last_order_on", "within": "365d"}}}]
    )
    settings = StreamSettings(fields={"last_order_on": FieldSettings(kind=Kind.DATE)})
    lapsed = Memberships(audiences, "customers", SCHEMA, settings, ())
    assert lapsed.contribution({**RECORD, "last_order_on": None}, NOW, b"a", ()).entered == ("lapsed",)


def test_the_error_that_it_quotes() -> None:
    where = {"all": [CONFIG["audiences"][2]["where"], {"field": "lifetime_value", "gt": "500"}]}
    with pytest.raises(SettingsError) as caught:
        read_audiences([{"name": "x", "stream": "customers", "where": where}])
    assert str(caught.value) in TEXT.replace("\n", " ")
