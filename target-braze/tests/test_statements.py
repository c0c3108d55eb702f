"""What records ask of the other endpoints, kind by kind, and what is turned down."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from target_braze.errors import SettingsError
from target_braze.object_forms import FORMS
from target_braze.settings import read_settings
from target_braze.statements import StatementMapper
from target_braze.updates import TRACKED, Mapped, ObjectKind, Statement, Update

GROUP = "3f2a0000-0000-4000-8000-000000000001"
KEYS = {"cohort_partner": "acme", "cohort_partner_key": "p", "cohort_import_key": "c"}
BY_ADDRESS = {"prioritization": ["identified", "most_recently_updated"]}


def mapper(entry: dict[str, Any], *columns: str) -> StatementMapper:
    settings = read_settings({"instance": "sandbox", "streams": {"things": entry}, **KEYS}, {}).stream("things")
    return StatementMapper("things", {"properties": {name: {} for name in columns}}, settings)


def mapped(entry: dict[str, Any], record: dict[str, Any]) -> Mapped:
    return mapper(entry, *record).map(record)


def asked(found: Mapped) -> Update | Statement:
    assert not found.rejections
    what = found.update or found.attributes
    assert isinstance(what, Update | Statement)
    return what


SUBSCRIPTION = {"subscription_group_id": GROUP.upper(), "subscription_state": " Subscribed"}
ALIAS = {"alias_name": "n", "alias_label": "l"}
ASKED: dict[str, tuple[dict[str, Any], dict[str, Any], str, Any]] = {
    "delete by external_id": ({"object": "delete_users"}, {"external_id": 7}, "external_ids", "7"),
    "delete by braze_id": (
        {"object": "delete_users", "identify_by": ["braze_id"]},
        {"braze_id": "b"},
        "braze_ids",
        "b",
    ),
    "delete by alias": ({"object": "delete_users", "identify_by": ["user_alias"]}, ALIAS, "user_aliases", ALIAS),
    "delete by phone": (
        {"object": "delete_users", "identify_by": ["phone"], **BY_ADDRESS},
        {"phone": "+1 202 555 0123"},
        "phone_numbers",
        {"phone": "+12025550123", **BY_ADDRESS},
    ),
    "a new alias for somebody": (
        {"object": "user_aliases"},
        {"external_id": "1", **ALIAS},
        "user_aliases",
        {"external_id": "1", **ALIAS},
    ),
    "a new alias for nobody": ({"object": "user_aliases"}, {"external_id": None, **ALIAS}, "user_aliases", ALIAS),
    "another name for an alias": (
        {"object": "user_aliases", "operation": "update"},
        {"alias_label": "l", "old_alias_name": "a", "new_alias_name": "b"},
        "alias_updates",
        {"alias_label": "l", "old_alias_name": "a", "new_alias_name": "b"},
    ),
    "identify an alias (C72)": (
        {"object": "identify"},
        {"external_id": "1", **ALIAS},
        "aliases_to_identify",
        {"external_id": "1", "user_alias": ALIAS},
    ),
    "identify an address (C72)": (
        {"object": "identify", **BY_ADDRESS},
        {"external_id": "1", "email": "A@example.com"},
        "emails_to_identify",
        {"external_id": "1", "email": "a@example.com", **BY_ADDRESS},
    ),
    "merge (C71)": (
        {"object": "merge", **BY_ADDRESS},
        {"email_to_merge": "a@example.com", "external_id_to_keep": "1"},
        "merge_updates",
        {
            "identifier_to_merge": {"email": "a@example.com", **BY_ADDRESS},
            "identifier_to_keep": {"external_id": "1"},
        },
    ),
    "merge an alias": (
        {"object": "merge"},
        {"alias_name_to_merge": "n", "alias_label_to_merge": "l", "external_id_to_keep": "1"},
        "merge_updates",
        {"identifier_to_merge": {"user_alias": ALIAS}, "identifier_to_keep": {"external_id": "1"}},
    ),
    "rename": (
        {"object": "external_id_rename", "fields": {"was": "current_external_id"}},
        {"was": "1", "new_external_id": "2", "note": "not sent"},
        "external_id_renames",
        {"current_external_id": "1", "new_external_id": "2"},
    ),
    "remove": ({"object": "external_id_remove"}, {"external_id": "1"}, "external_ids", "1"),
    "a state by external_id": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "external_id": "1", "use_double_opt_in_logic": None},
        "subscription_groups",
        {"subscription_group_id": GROUP, "subscription_state": "subscribed", "external_id": "1"},
    ),
    "a state by phone": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "phone": "+12025550123", "use_double_opt_in_logic": True},
        "subscription_groups",
        {
            "subscription_group_id": GROUP,
            "subscription_state": "subscribed",
            "use_double_opt_in_logic": True,
            "phone": "+12025550123",
        },
    ),
    "an item": (
        {"object": "catalog_items", "catalog": "products", "fields": {"sku": "id", "secret": None}},
        {"sku": 7, "price": 1.5, "tags": '["a"]', "gone": None, "secret": "x", "_sdc_batched_at": "x"},
        "items",
        {"id": "7", "price": 1.5, "tags": ["a"]},
    ),
    "fields of an item": (
        {"object": "catalog_items", "catalog": "products", "operation": "update"},
        {"id": "7", "price": None},
        "items",
        {"id": "7", "price": None},
    ),
    "an item that is gone": (
        {"object": "catalog_items", "catalog": "products", "operation": "delete"},
        {"id": "7", "price": 1},
        "items",
        {"id": "7"},
    ),
    "into a cohort": (
        {"object": "cohorts", "cohort": "big"},
        {"external_id": "1"},
        "cohort_changes",
        {"external_id": "1"},
    ),
    "into a cohort, by the best name (C66)": (
        {"object": "cohorts", "cohort": "big"},
        {"device_id": "d", **ALIAS, "external_id": None},
        "cohort_changes",
        {"device_id": "d"},
    ),
    "out of a cohort": (
        {"object": "cohorts", "cohort": "big", "operation": "remove"},
        {"external_id": "1"},
        "cohort_changes",
        {"external_id": "1", "should_remove": True},
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_a_record_asks(case: str) -> None:
    entry, record, array, expected = ASKED[case]
    what = asked(mapped(entry, record))
    assert what.endpoint.array == array
    assert json.loads(what.body) == expected
    assert what.people
    assert mapped(entry, record) == mapped(entry, record) or isinstance(what, Statement)


def test_every_kind_has_a_case() -> None:
    cases = {ObjectKind(entry["object"]) for entry, *_ in ASKED.values()}
    assert cases == {kind for kind, _ in FORMS} == set(ObjectKind) - set(TRACKED)


TURNED_DOWN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nobody to delete": ({"object": "delete_users"}, {"external_id": " "}, "missing identifier"),
    "half an alias": ({"object": "user_aliases"}, {"alias_name": "", "alias_label": "l"}, "missing identifier"),
    "one side of a merge (C71)": (
        {"object": "merge"},
        {"external_id_to_merge": "1", "external_id_to_keep": None},
        "external_id_to_keep, alias_name_to_keep with alias_label_to_keep, email_to_keep, phone_to_keep",
    ),
    "a bad address of one side of a merge": (
        {"object": "merge", **BY_ADDRESS},
        {"external_id_to_merge": "1", "email_to_keep": "nobody"},
        "email_to_keep: not a valid email",
    ),
    "an alias update that lacks the old name": (
        {"object": "user_aliases", "operation": "update"},
        {"alias_label": "l", "new_alias_name": "b"},
        "missing identifier: the record has none of old_alias_name with alias_label",
    ),
    "merge with oneself": (
        {"object": "merge"},
        {"external_id_to_merge": "1", "external_id_to_keep": 1},
        "nobody can be merged into themselves",
    ),
    "rename to the same": (
        {"object": "external_id_rename"},
        {"current_external_id": "1", "new_external_id": "1"},
        "are the same",
    ),
    "no state (C70)": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "subscription_state": None, "external_id": "1"},
        "subscription_state: missing",
    ),
    "a state that is none": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "subscription_state": "opted_in", "external_id": "1"},
        "subscription_state: not one of subscribed, unsubscribed",
    ),
    "a group that is none": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "subscription_group_id": "news", "external_id": "1"},
        "subscription_group_id: not the UUID",
    ),
    "a phone without a country": (
        {"object": "subscription_groups"},
        {**SUBSCRIPTION, "phone": "2025550123"},
        "not in E.164",
    ),
    "an id with a blank (C74)": (
        {"object": "catalog_items", "catalog": "c"},
        {"id": "a b"},
        "id: not 1 to 250 letters",
    ),
    "an id too long (C74)": (
        {"object": "catalog_items", "catalog": "c"},
        {"id": "a" * 251},
        "id: not 1 to 250 letters",
    ),
    "no id (C74)": ({"object": "catalog_items", "catalog": "c"}, {"id": None}, "id: missing"),
    "a text too long": (
        {"object": "catalog_items", "catalog": "c"},
        {"id": "a", "text": "x" * 5001},
        "text: longer than 5000 characters",
    ),
    "a key that cannot be": (
        {"object": "catalog_items", "catalog": "c"},
        {"id": "a", "facts": {"a.b": 1}},
        "facts: has a key with . or $",
    ),
    "an item too large": (
        {"object": "catalog_items", "catalog": "c"},
        {"id": "a", "list": ["x" * 4000] * 30},
        "object larger than",
    ),
}


@pytest.mark.parametrize("case", TURNED_DOWN)
def test_what_is_turned_down(case: str) -> None:
    entry, record, reason = TURNED_DOWN[case]
    found = mapped(entry, record)
    assert found.is_rejected
    [rejection] = found.rejections
    assert reason in rejection.reason
    assert rejection.object == record


UNFIT: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "a column is missing": ({"object": "merge"}, ("a", "external_id_to_keep"), "has none for 'external_id_to_merge'"),
    "a field is missing": (
        {"object": "catalog_items", "catalog": "c"},
        ("sku",),
        "none for 'id', which catalog_items need",
    ),
    "an address that several share": (
        {"object": "delete_users", "identify_by": ["email"]},
        ("email",),
        "prioritization: [identified, most_recently_updated]",
    ),
    "two columns for one": (
        {"object": "external_id_remove", "fields": {"old": "external_id"}},
        ("external_id", "old"),
        "Two columns for one field",
    ),
    "a field's name": ({"object": "catalog_items", "catalog": "c"}, ("id", "list price"), "letters, digits, - and _"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_said_before_the_first_record(case: str) -> None:
    entry, columns, message = UNFIT[case]
    with pytest.raises(SettingsError, match=re.escape(message)):
        mapper(entry, *columns)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "of another kind": ({"object": "merge", "catalog": "c"}, "`streams.things.catalog` says nothing of merge"),
    "no catalog": ({"object": "catalog_items"}, "`streams.things.catalog` has to say which"),
    "an operation of another kind": (
        {"object": "cohorts", "cohort": "c", "operation": "upsert"},
        "none of add, remove",
    ),
    "both at once": ({"object": "merge", "prioritization": ["identified", "unidentified"]}, "none is both"),
    "not for deletions": (
        {"object": "delete_users", "prioritization": ["least_recently_updated"]},
        "takes no least_recently_updated",
    ),
    "no cohort": ({"object": "cohorts"}, "has to say what the cohort is called"),
    "on_delete of events": ({"object": "events", "on_delete": "clear"}, "says nothing of events, only of attributes"),
    "an operation of events": (
        {"object": "events", "fields": {"a": {"operation": "add"}}},
        "`streams.things.fields.a.operation` is for attributes",
    ),
    "an operation and a policy of numbers": (
        {"fields": {"a": {"operation": "inc", "round": 0}}},
        "without round, bucket, tolerance and nulls",
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be_meant(case: str) -> None:
    entry, message = SETTINGS[case]
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_settings({"instance": "sandbox", "streams": {"things": entry}, **KEYS}, {})


def test_cohorts_need_keys() -> None:
    with pytest.raises(SettingsError, match="`cohort_partner`, `cohort_partner_key` and `cohort_import_key`"):
        read_settings({"instance": "sandbox", "streams": {"things": {"object": "cohorts", "cohort": "c"}}}, {})


def test_keys_are_in_no_text() -> None:
    settings = read_settings({"instance": "sandbox", **KEYS, "cohort_import_key": "very-secret"}, {})
    assert "very-secret" not in repr(settings)
    entry = {"object": "cohorts", "cohort": "c"}
    assert b"very-secret" not in mapper(entry, "external_id").fingerprint({})


def test_columns_the_schema_did_not_announce() -> None:
    found = mapper({"object": "catalog_items", "catalog": "c"}, "id").map({"id": "a", "new": True})
    assert json.loads(asked(found).body) == {"id": "a", "new": True}


def test_a_cohort_is_named_before_its_first_member() -> None:
    what = asked(mapped({"object": "cohorts", "cohort": "Big", "cohort_id": "b-1"}, {"external_id": "1"}))
    assert isinstance(what, Statement)
    assert what.preamble is not None
    assert not what.preamble.counts
    body = json.loads(what.preamble.body)
    assert (body["cohort_id"], body["name"]) == ("b-1", "Big")
    assert set(what.preamble.people) & set(what.people)
