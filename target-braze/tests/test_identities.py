"""Whom a record is about."""

from __future__ import annotations

from typing import Any

import pytest
from target_braze.identities import Identities
from target_braze.rejections import RefusalError
from target_braze.standard_fields import ALIAS_FIELDS, IDENTIFIERS
from target_braze.updates import Identity

SOURCES = {name: name for name in ("external_id", "braze_id", "email", "phone", *ALIAS_FIELDS)}
OBJECT_SOURCES = {"user_alias": "alias", "email": "mail"}


def identify(record: dict[str, Any], *order: str, sources: dict[str, str] = SOURCES) -> Identity:
    return Identities(order or IDENTIFIERS, sources).identify(record)


@pytest.mark.parametrize(
    ("record", "identity"),
    [
        ({"external_id": 7, "email": "a@b.co"}, Identity("external_id", "7")),
        ({"external_id": "", "braze_id": "b"}, Identity("braze_id", "b")),
        ({"external_id": None, "alias_name": 0, "alias_label": "crm"}, Identity("user_alias", ("crm", "0"))),
        ({"alias_name": "n", "email": "A@B.co"}, Identity("email", "a@b.co")),
        ({"phone": "+1 (202) 555-0123"}, Identity("phone", "+12025550123")),
    ],
)
def test_the_first_identifier_that_a_record_has(record: dict[str, Any], identity: Identity) -> None:
    assert identify(record) == identity


def test_the_order_is_that_of_the_settings() -> None:
    record = {"external_id": "1", "email": "a@b.co"}
    assert identify(record, "email", "external_id").kind == "email"
    assert identify(record, "external_id", "email").kind == "external_id"


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        ({"alias_name": "n", "alias_label": "l"}, "user_alias"),
        ('{"alias_name": "n", "alias_label": "l"}', "user_alias"),
        ({"alias_name": "n", "alias_label": " "}, "email"),
        ({}, "email"),
        (None, "email"),
    ],
)
def test_an_alias_in_one_column(alias: Any, kind: str) -> None:
    """Vector C05: half an alias is none, and the next identifier is tried."""
    assert identify({"alias": alias, "mail": "a@b.co"}, sources=OBJECT_SOURCES).kind == kind


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "missing identifier: the record has none of external_id, braze_id, user_alias, email, phone"),
        ({"external_id": " "}, "missing identifier"),
        ({"external_id": {"a": 1}, "email": "a@b.co"}, "external_id: not an integer"),
        ({"external_id": "x" * 988}, "external_id: identifier longer than 987 bytes"),
        ({"email": "nobody", "phone": "+12025550123"}, "email: not a valid email address"),
    ],
)
def test_an_unusable_identifier_is_not_passed_over(record: dict[str, Any], reason: str) -> None:
    """By the next identifier it could reach, or make, somebody else."""
    with pytest.raises(RefusalError, match=reason):
        identify(record)


def test_an_alias_that_is_no_object_is_not_passed_over() -> None:
    with pytest.raises(RefusalError, match="user_alias: a user_alias needs"):
        identify({"alias": ["n"], "mail": "a@b.co"}, sources=OBJECT_SOURCES)


def test_equal_for_the_same_person_by_the_same_identifier() -> None:
    same = {identify({"email": "A@b.co"}), identify({"email": " a@B.co "})}
    assert same == {Identity("email", "a@b.co")}
    one = identify({"alias_name": "a", "alias_label": "b"})
    assert one != identify({"alias_name": "b", "alias_label": "a"})
    assert identify({"external_id": "x"}) != identify({"braze_id": "x"})
    assert identify({"external_id": "x"}) != identify({"external_id": "X"})


def test_as_fields() -> None:
    assert Identity("phone", "1").as_fields() == {"phone": "1"}
    assert Identity("user_alias", ("l", "n")).as_fields() == {"user_alias": {"alias_name": "n", "alias_label": "l"}}
