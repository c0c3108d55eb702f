"""The settings: declared once, read once, and wrong ones named with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from target_braze.errors import SettingsError
from target_braze.rejections import RejectionLimit
from target_braze.schema import Kind
from target_braze.settings import CONFIG, Settings, read_settings
from target_braze.stream_settings import FieldSettings, StreamSettings
from target_braze.updates import ObjectKind

KEY = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
SANDBOX = {"instance": "sandbox"}


def settings(environment: dict[str, str] | None = None, **config: Any) -> Settings:
    return read_settings({**SANDBOX, **config}, environment or {})


def stream(entry: dict[str, Any], **config: Any) -> StreamSettings:
    return settings(streams={"people": entry}, **config).stream("people")


def is_valid(config: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(CONFIG).is_valid(config))


def test_what_is_declared() -> None:
    assert set(CONFIG["properties"]) >= {
        "instance", "base_url", "api_key", "identify_by", "update_existing_only", "streams", "lookalikes",
        "max_objects_per_request", "object_limit", "max_requests_per_second", "max_connections",
        "request_timeout_seconds", "max_retry_seconds", "report_path", "max_rejected", "ledger", "ledger_key",
        "full_resync", "cohort_partner", "cohort_partner_key", "cohort_import_key",
    }  # fmt: skip
    assert {name for name, declared in CONFIG["properties"].items() if declared.get("secret")} == {
        "api_key",
        "ledger_key",
        "cohort_partner_key",
        "cohort_import_key",
    }
    assert all(declared["title"] and declared["description"] for declared in CONFIG["properties"].values())


def test_numbers_are_integers() -> None:
    """From an environment variable the SDK makes integers and leaves other numbers text; of what may be either, too."""
    numbers = {name for name, declared in CONFIG["properties"].items() if "number" in declared["type"]}
    texts = {name for name, declared in CONFIG["properties"].items() if "string" in declared["type"]}
    assert numbers <= texts
    assert not [name for name in texts if "integer" in CONFIG["properties"][name]["type"]]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_rejected": 50}, True),
        ({"max_rejected": "1%"}, True),
        ({"max_rejected": None, "streams": None, "report_path": None, "max_connections": None}, True),
        ({"max_connections": "256"}, False),
        ({"max_objects_per_request": 76}, False),
        ({"identify_by": ["customer_id"]}, False),
        ({"lookalikes": "ignore"}, False),
        ({"object_limit": "none"}, False),
        (
            {
                "streams": {
                    "a*": {"object": "purchases", "fields": {"id": "external_id", "x": None, "y": {"type": "x"}}}
                }
            },
            True,
        ),
        ({"streams": {"a": {"object": "catalogs"}}}, False),
        ({"streams": {"a": {"fieldz": {}}}}, False),
        ({"streams": {"a": {"fields": {"x": 5}}}}, False),
    ],
)
def test_what_the_declaration_takes(config: dict[str, Any], expected: bool) -> None:
    assert is_valid({**SANDBOX, **config}) is expected


def test_defaults() -> None:
    assert settings() == Settings(
        base_url=None,
        api_key="sandbox",
        streams=(),
        identify_by=("external_id",),
        update_existing_only=False,
        lookalikes="error",
        max_objects_per_request=75,
        is_object_limit_per_array=False,
        max_requests_per_second=1000,
        max_connections=256,
        request_timeout_seconds=30,
        max_retry_seconds=600,
        report_path=Path(".target-braze/reports"),
        max_rejected=RejectionLimit(count=100, share=0.05),
        ledger=Path(".target-braze/ledger/sandbox"),
        ledger_key=None,
        full_resync=False,
    )
    assert settings().stream("any") == StreamSettings(
        object_kind=ObjectKind.ATTRIBUTES,
        fields={},
        only=None,
        identify_by=("external_id",),
        update_existing_only=False,
        merge_objects=False,
        lookalikes="error",
    )


def test_null_means_the_default() -> None:
    """Meltano hands on a setting without a value as null."""
    assert settings(**dict.fromkeys(set(CONFIG["properties"]) - {"instance"})) == settings()
    entry = dict.fromkeys(["object", "fields", "only", "identify_by", "update_existing_only", "merge_objects"])
    assert stream(entry) == StreamSettings()
    assert settings(streams={"people": None}).stream("people") == StreamSettings()


def test_all_settings_are_read() -> None:
    config = {
        "instance": "EU-01",
        "api_key": KEY,
        "identify_by": ["email", "phone"],
        "update_existing_only": True,
        "lookalikes": "map",
        "max_objects_per_request": 50,
        "object_limit": "per_array",
        "max_requests_per_second": 10,
        "max_connections": 2,
        "request_timeout_seconds": 3,
        "max_retry_seconds": 4,
        "report_path": "reports",
        "max_rejected": 7,
        "ledger": "what-braze-has",
        "ledger_key": "of-the-ledger",
        "full_resync": True,
        "dry_run": True,
        "max_data_points": 8,
    }
    assert is_valid(config)
    assert read_settings(config, {}) == Settings(
        base_url="https://rest.fra-01.braze.eu",
        api_key=KEY,
        streams=(),
        identify_by=("email", "phone"),
        update_existing_only=True,
        lookalikes="map",
        max_objects_per_request=50,
        is_object_limit_per_array=True,
        max_requests_per_second=10,
        max_connections=2,
        request_timeout_seconds=3,
        max_retry_seconds=4,
        report_path=Path("reports"),
        max_rejected=RejectionLimit(count=7),
        ledger=Path("what-braze-has"),
        ledger_key="of-the-ledger",
        full_resync=True,
        dry_run=True,
        max_data_points=8,
    )


def test_base_url_comes_before_instance() -> None:
    found = settings(base_url="http://127.0.0.1:8001/", api_key=KEY)
    assert (found.base_url, found.is_sandbox) == ("http://127.0.0.1:8001", False)


@pytest.mark.parametrize("instance", ["sandbox", " Sandbox "])
def test_the_sandbox_needs_no_key(instance: str) -> None:
    found = read_settings({"instance": instance}, {})
    assert (found.is_sandbox, found.api_key) == (True, "sandbox")
    assert read_settings({"instance": instance, "api_key": KEY}, {}).api_key == KEY


@pytest.mark.parametrize("config", [{}, {"instance": " "}, {"instance": None, "base_url": ""}])
def test_nowhere_to_deliver(config: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="Neither `instance` nor `base_url`"):
        read_settings({"api_key": KEY, **config}, {})


def test_an_unknown_instance() -> None:
    with pytest.raises(SettingsError, match="Unknown instance 'US-99'"):
        settings(instance="US-99", api_key=KEY)


@pytest.mark.parametrize("where", [{"instance": "US-01"}, {"base_url": "http://localhost:1"}])
@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_key(where: dict[str, str], key: str | None) -> None:
    with pytest.raises(
        SettingsError, match=r"Invalid credentials: `api_key` is not set.*users\.track.*TARGET_BRAZE_API_KEY"
    ):
        read_settings({**where, "api_key": key}, {})


def test_blanks_around_a_key_are_not_part_of_it() -> None:
    assert settings(instance="US-01", api_key=f" {KEY}\n").api_key == KEY


@pytest.mark.parametrize("key", [f'"{KEY}"', f"'{KEY}'", f"{KEY} x", f"{KEY}é", f"{KEY}\x00"])
def test_keys_that_cannot_be_one(key: str) -> None:
    with pytest.raises(SettingsError, match=r"Invalid credentials: .* copy the key alone") as caught:
        settings(instance="US-01", api_key=key)
    assert KEY not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    """Invariant 5."""
    found = settings(instance="US-01", api_key=KEY, ledger_key="another-secret")
    for secret in (KEY, "another-secret"):
        assert secret not in repr(found) + str(found) + f"{found}"


def test_reports_are_kept_with_the_meltano_project() -> None:
    found = settings({"MELTANO_SYS_DIR_ROOT": "/project/.meltano"})
    assert found.report_path == Path("/project/.meltano/target-braze/reports")
    assert found.ledger == Path("/project/.meltano/target-braze/ledger/sandbox")


@pytest.mark.parametrize(
    ("where", "folder"),
    [
        ({"instance": "EU-01"}, "rest.fra-01.braze.eu"),
        ({"base_url": "http://127.0.0.1:8001/"}, "127.0.0.1_8001"),
        ({"base_url": "https://gateway.example.com/to/braze"}, "gateway.example.com_to_braze"),
        ({"base_url": "http://[::1]:8001"}, "_1_8001"),
    ],
)
def test_each_endpoint_has_a_ledger_of_its_own(where: dict[str, Any], folder: str) -> None:
    """What another workspace has says nothing of what this one has."""
    assert settings(**{"api_key": KEY, **where}).ledger == Path(".target-braze/ledger") / folder


@pytest.mark.parametrize(("entered", "key"), [("", None), (" ", None), ("a key\n", "a key")])
def test_blanks_are_no_part_of_a_ledger_key(entered: str, key: str | None) -> None:
    """A line end in a file of secrets would make another key of it, and with it another ledger."""
    assert settings(ledger_key=entered).ledger_key == key


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (0, RejectionLimit(0)),
        ("50", RejectionLimit(50)),
        ("1%", RejectionLimit(100, 0.01)),
        (" 2.5 % ", RejectionLimit(100, 0.025)),
    ],
)
def test_most_rejections(value: Any, limit: RejectionLimit) -> None:
    assert settings(max_rejected=value).max_rejected == limit


@pytest.mark.parametrize("value", ["some", "-1", -1, "5 percent", "1.5", ""])
def test_most_rejections_that_are_no_number(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"`max_rejected` is .* a number such as 50 or a share such as `1%`"):
        settings(max_rejected=value)


@pytest.mark.parametrize(
    ("limit", "rejected", "records", "expected"),
    [
        (RejectionLimit(2), 2, 1000, False),
        (RejectionLimit(2), 3, 1000, True),
        (RejectionLimit(0), 1, 1, True),
        (RejectionLimit(100, 0.05), 100, 100, False),
        (RejectionLimit(100, 0.05), 101, 101, True),
        (RejectionLimit(100, 0.05), 101, 10_000, False),
        (RejectionLimit(100, 0.05), 500, 10_000, False),
        (RejectionLimit(100, 0.05), 501, 10_000, True),
    ],
)
def test_too_many_rejections(limit: RejectionLimit, rejected: int, records: int, expected: bool) -> None:
    assert limit.is_passed(rejected, records) is expected


def test_the_first_entry_that_matches_holds() -> None:
    entries = {"shop-people": {"object": "events"}, "shop-*": {"object": "purchases"}, "*": {"merge_objects": True}}
    found = settings(streams=entries, update_existing_only=True, identify_by=["email"], lookalikes="send")
    assert found.stream("shop-people").object_kind is ObjectKind.EVENTS
    assert found.stream("shop-orders").object_kind is ObjectKind.PURCHASES
    assert found.stream("Shop-orders") == StreamSettings(
        merge_objects=True, update_existing_only=True, identify_by=("email",), lookalikes="send"
    )


def test_a_stream_has_its_own_settings() -> None:
    entry = {
        "object": "attributes",
        "fields": {
            "id": "external_id",
            "secret": None,
            "tier": {"name": "plan", "type": "varchar", "too_long": "truncate"},
            "n": {"type": "decimal"},
        },
        "only": ["tier"],
        "identify_by": ["braze_id"],
        "update_existing_only": False,
        "merge_objects": True,
    }
    assert stream(entry, update_existing_only=True) == StreamSettings(
        object_kind=ObjectKind.ATTRIBUTES,
        fields={
            "id": FieldSettings(name="external_id"),
            "secret": None,
            "tier": FieldSettings(name="plan", kind=Kind.STRING, is_truncated=True),
            "n": FieldSettings(kind=Kind.DECIMAL),
        },
        only=frozenset({"tier"}),
        identify_by=("braze_id",),
        update_existing_only=False,
        merge_objects=True,
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"object": "catalogs"}, r"`streams\.people\.object` is 'catalogs', which is none of attributes, events"),
        ({"identify_by": ["id"]}, r"`streams\.people\.identify_by` is 'id', which is none of external_id"),
        ({"identify_by": ["email", "email"]}, r"names no identifier, or one twice"),
        ({"identify_by": []}, r"names no identifier"),
        ({"fields": {"a": ""}}, r"`streams\.people\.fields\.a`: an attribute's name cannot be blank"),
        ({"fields": {"a": "$x"}}, r"cannot begin with \$"),
        ({"fields": {"a": {"name": 5}}}, r"`streams\.people\.fields\.a\.name`: an attribute's name cannot be blank"),
        ({"fields": {"a": {"name": "_update_existing_only"}}}, r"steers Braze"),
        (
            {"fields": {"a": {"type": "text"}}},
            r"`streams\.people\.fields\.a\.type` is 'text', which is none of boolean",
        ),
        ({"fields": {"a": {"type": ["string"]}}}, r"which is none of boolean"),
        ({"fields": {"a": {"too_long": "cut"}}}, r"too_long` is 'cut', which is none of reject, truncate"),
        ({"fields": {"a": {"typ": "string"}}}, r"has 'typ', which is none of name, type, operation, too_long"),
    ],
)
def test_entries_that_make_no_sense_are_found_before_the_first_record(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(streams={"people": entry})


def test_identifiers_of_the_run_are_checked_as_well() -> None:
    with pytest.raises(SettingsError, match="`identify_by` is 'id'"):
        settings(identify_by=["id"])


@hypothesis.settings(deadline=None)
@given(st.text())
def test_no_key_makes_an_error_that_shows_it(text: str) -> None:
    """Invariant 5."""
    key = f"SECRET{text}SECRET"
    shown = ""
    try:
        assert settings(instance="US-01", api_key=key).api_key == key
    except SettingsError as error:
        shown = str(error)
    assert "SECRET" not in shown
