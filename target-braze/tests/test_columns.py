"""What each column becomes, and the errors that name the line to change."""

from __future__ import annotations

from typing import Any

import pytest
from target_braze.columns import Columns
from target_braze.errors import SettingsError
from target_braze.layouts import LAYOUTS
from target_braze.policies import Policy
from target_braze.schema import Kind
from target_braze.settings import read_settings


def plan(*names: str, run: dict[str, Any] | None = None, schema: dict[str, Any] | None = None, **entry: Any) -> Columns:
    config = {"instance": "sandbox", "streams": {"people": entry}, **(run or {})}
    settings = read_settings(config, {}).stream("people")
    columns = Columns("people", settings, LAYOUTS[settings.object_kind])
    for name in names:
        columns.add(name, schema or {})
    columns.check_identifiers({"properties": {name: {} for name in names}})
    return columns


def sent(columns: Columns) -> dict[str, str]:
    """Column → name in Braze, of those that become attributes or properties."""
    return {source: column.name for source, column in columns.by_source.items() if column and not column.is_identifier}


def test_names() -> None:
    columns = plan(
        "id", "plan", "born", "spent", "secret", "_sdc_batched_at", "_sdc_kept",
        fields={"id": "external_id", "born": {"name": "dob"}, "secret": None, "_sdc_kept": "batch"},
    )  # fmt: skip
    assert sent(columns) == {"plan": "plan", "born": "dob", "spent": "spent", "_sdc_kept": "batch"}
    assert columns.sources["external_id"] == "id"
    assert columns.by_source["secret"] is None
    assert columns.by_source["_sdc_batched_at"] is None


def test_only_some_columns() -> None:
    columns = plan("external_id", "plan", "Email", "_sdc_batched_at", only=["plan", "_sdc_batched_at"])
    assert sent(columns) == {"plan": "plan", "_sdc_batched_at": "_sdc_batched_at"}
    assert "external_id" in columns.sources


@pytest.mark.parametrize(("only", "expected"), [(None, {"email", "plan"}), (["plan"], {"plan"})])
def test_an_email_that_names_people_is_an_attribute_only_if_it_is_to_be_sent(only: Any, expected: set[str]) -> None:
    columns = plan("external_id", "email", "plan", only=only, run={"identify_by": ["external_id", "email"]})
    assert set(sent(columns).values()) == expected
    assert columns.sources["email"] == "email"


def test_aliases_are_no_attributes() -> None:
    columns = plan("external_id", "alias_name", "alias_label", run={"identify_by": ["external_id", "user_alias"]})
    assert sent(columns) == {}


@pytest.mark.parametrize("identifier", ["external_id", "braze_id", "user_alias", "alias_name", "alias_label"])
@pytest.mark.parametrize("object_kind", ["attributes", "events"])
def test_no_attribute_is_named_as_an_identifier(identifier: str, object_kind: str) -> None:
    """Vector C64."""
    message = rf"column 'id': '{identifier}' is an identifier and cannot be.*identify_by.*id: null"
    with pytest.raises(SettingsError, match=message):
        plan("email", "id", run={"identify_by": ["email"]}, fields={"id": identifier}, object=object_kind)


def test_identifiers_that_are_not_sent_are_no_error() -> None:
    columns = plan("email", "external_id", "braze_id", "plan", only=["plan"], run={"identify_by": ["email"]})
    assert sent(columns) == {"plan": "plan"}


def test_conflicting_identifiers() -> None:
    with pytest.raises(SettingsError, match=r"Conflicting identifiers: .*'external_id' and 'id'.*fields: \{id: null\}"):
        plan("external_id", "id", fields={"id": "external_id"})


def test_two_columns_for_one_attribute() -> None:
    with pytest.raises(SettingsError, match=r"Two columns for one attribute: .*'plan' and 'tier'"):
        plan("external_id", "plan", "tier", fields={"tier": "plan"})


def test_missing_identifier() -> None:
    with pytest.raises(SettingsError, match=r"Missing identifier: .*people: \{fields: \{id: external_id\}\}"):
        plan("id", "plan")


def test_an_alias_needs_both_its_columns() -> None:
    by_alias = {"identify_by": ["user_alias"]}
    assert sent(plan("alias_name", "alias_label", "plan", run=by_alias)) == {"plan": "plan"}
    assert sent(plan("user_alias", "plan", run=by_alias)) == {"plan": "plan"}
    with pytest.raises(SettingsError, match="Missing identifier"):
        plan("alias_name", "plan", run=by_alias)


def test_a_schema_that_allows_more_may_still_bring_the_identifier() -> None:
    columns = plan()
    columns.add("plan", {})
    columns.check_identifiers({"properties": {"plan": {}}, "additionalProperties": True})
    with pytest.raises(SettingsError, match="Missing identifier"):
        columns.check_identifiers({"properties": {"plan": {}}})


@pytest.mark.parametrize(
    ("lookalikes", "expected"), [("map", {"birthdate": "dob"}), ("send", {"birthdate": "birthdate"})]
)
def test_lookalikes(lookalikes: str, expected: dict[str, str]) -> None:
    assert sent(plan("external_id", "birthdate", run={"lookalikes": lookalikes})) == expected


def test_a_lookalike_is_an_error_that_names_the_line() -> None:
    with pytest.raises(SettingsError, match=r"'birthdate', which looks like.*'dob'.*\{fields: \{birthdate: dob\}\}"):
        plan("external_id", "birthdate")
    assert sent(plan("external_id", "birthdate", fields={"birthdate": "dob"})) == {"birthdate": "dob"}
    assert sent(plan("external_id", "birthdate", fields={"birthdate": "birthdate"})) == {"birthdate": "birthdate"}
    assert sent(plan("external_id", "birthdate", fields={"birthdate": None})) == {}
    with pytest.raises(SettingsError, match="looks like"):
        plan("external_id", "birthdate", fields={"birthdate": {"type": "date"}})


def test_the_line_to_add_is_yaml_for_any_name() -> None:
    with pytest.raises(SettingsError, match=r'\{fields: \{"First Name": first_name\}\}'):
        plan("external_id", "First Name")


def test_lookalikes_of_identifiers_matter_in_events_too() -> None:
    with pytest.raises(SettingsError, match=r"\{fields: \{ExternalId: external_id\}\}"):
        plan("ExternalId", "name", "time", object="events")
    assert sent(plan("external_id", "name", "time", "Email", object="events"))["Email"] == "Email"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (" ", "cannot be blank"),
        ("x" * 256, "at most 255 characters"),
        ("$plan", r"cannot begin with \$"),
        ("_merge_objects", "steers Braze"),
        ("email_subscription_info", "Braze rejects every object"),
        ("\ud800", "valid Unicode"),
    ],
)
def test_names_that_braze_does_not_take(name: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"{problem}.*another_name"):
        plan("external_id", name)


@pytest.mark.parametrize(("object_kind", "name"), [("events", "event_name"), ("purchases", "event_name")])
def test_reserved_properties(object_kind: str, name: str) -> None:
    with pytest.raises(SettingsError, match=f"'{name}' is reserved among the properties"):
        plan("external_id", name, object=object_kind)


def test_kinds_of_columns() -> None:
    number = {"type": "number"}
    columns = plan("external_id", "a", "facebook", schema=number, fields={"a": {"type": "varchar"}})
    a, facebook = columns.by_source["a"], columns.by_source["facebook"]
    assert a is not None
    assert facebook is not None
    assert (a.kind, a.is_field, a.is_removable) == (Kind.STRING, False, True)
    assert (facebook.kind, facebook.is_field, facebook.convert) == (Kind.OBJECT, True, None)
    events = plan("external_id", "name", "a", "properties", object="events").by_source
    assert [(column.name, column.is_field, column.is_property) for column in events.values() if column] == [
        ("external_id", False, True),
        ("name", True, False),
        ("a", False, True),
        ("properties", False, True),
    ]


NUMBER = {"type": ["null", "number"]}


def test_a_rounded_column_stays_one_of_numbers() -> None:
    column = plan("external_id", "ltv", schema=NUMBER, fields={"ltv": {"round": 1}}).by_source["ltv"]
    assert column is not None
    assert column.convert is not None
    assert (column.kind, column.convert(12.345), column.policy) == (Kind.FLOAT, 12.3, None)


def test_a_column_of_buckets_is_one_of_text() -> None:
    fields = {"ltv": {"type": "decimal", "bucket": [100], "at_most_every": "1w", "too_long": "truncate"}}
    column = plan("external_id", "ltv", fields=fields).by_source["ltv"]
    assert column is not None
    assert column.convert is not None
    assert (column.kind, column.convert("99.99"), column.policy) == (
        Kind.STRING,
        "<100",
        Policy(at_most_every_seconds=604_800),
    )


def test_buckets_and_rounding_are_for_properties_too() -> None:
    columns = plan(
        "external_id", "name", "time", "total", "age", object="events",
        fields={"total": {"type": "decimal", "round": 0}, "age": {"type": "integer", "bucket": [18]}},
    )  # fmt: skip
    total, age = columns.by_source["total"], columns.by_source["age"]
    assert total is not None
    assert total.convert is not None
    assert age is not None
    assert age.convert is not None
    assert (total.convert(9.5), age.convert(17)) == (10, "<18")


@pytest.mark.parametrize("policy", [{"at_most_every": "7d"}, {"only_if_empty": True}])
def test_changes_of_anything_can_be_held(policy: dict[str, Any]) -> None:
    names = ["plan", "email", "tags", "dob"]
    fields = dict.fromkeys(names, policy) | {"tags": {"type": "array", **policy}}
    columns = plan("external_id", *names, fields=fields, run={"identify_by": ["external_id", "email"]})
    assert all(column and column.policy for column in (columns.by_source[name] for name in names))


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({"type": "boolean"}, {"tolerance": 1}, r"`streams\.people\.fields\.a\.tolerance` .* one of type boolean"),
        ({"type": "string"}, {"tolerance": "5%"}, r"fields\.a\.tolerance` is for a column of numbers.*type string"),
        ({"type": "string"}, {"bucket": [1]}, r"fields\.a\.bucket` .*`streams\.people\.fields\.a\.type: decimal`"),
        (NUMBER, {"type": "string", "round": 1}, r"fields\.a\.round` .* one of type string"),
        (NUMBER, {"type": "date", "round": 1}, r"fields\.a\.round` .* one of type date"),
        ({"type": "array"}, {"round": 1}, r"fields\.a\.round` .* one of type array"),
        ({}, {"round": 1}, r"fields\.a\.round` is for a column of numbers, and its schema does not say that it is one"),
        (NUMBER, {"name": "email", "round": 1}, r"fields\.a\.round`: Braze's own field 'email' cannot have it"),
    ],
    ids=["boolean", "string", "bucket", "made text", "made a date", "array", "schema open", "standard field"],
)
def test_policies_of_numbers_are_for_numbers(schema: dict[str, Any], field: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        plan("external_id", "a", schema=schema, fields={"a": field})


@pytest.mark.parametrize(
    ("policy", "setting"),
    [
        ({"round": 0}, "round"),
        ({"bucket": [1]}, "bucket"),
        ({"tolerance": 1}, "tolerance"),
        ({"at_most_every": "7d"}, "at_most_every"),
        ({"only_if_empty": True}, "only_if_empty"),
    ],
)
def test_an_identifier_has_no_policy(policy: dict[str, Any], setting: str) -> None:
    with pytest.raises(SettingsError, match=rf"`streams\.people\.fields\.id\.{setting}`: 'external_id' names people"):
        plan("id", "plan", schema=NUMBER, fields={"id": {"name": "external_id", **policy}})
