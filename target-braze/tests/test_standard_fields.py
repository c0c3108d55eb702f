"""Braze's standard fields: the forms it stores, and what it would refuse, erase or silently not set."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze import standard_fields
from target_braze.rejections import RefusalError
from target_braze.standard_fields import IDENTIFIERS, STANDARD_FIELDS, lookalike_of
from target_braze.time_zones import RAILS_TIME_ZONES

GROUP = "12345678-1234-1234-1234-123456789abc"


def normalise(field: str, value: Any) -> Any:
    convert = STANDARD_FIELDS[field]
    assert convert is not None
    return convert(value)


WORDS_FOR_GENDERS = {
    "F": ["woman", "Female", "W", "f"],
    "M": ["MAN", "male", "m"],
    "O": ["Other", "o"],
    "N": ["not applicable", "N"],
    "P": ["Prefer not to say", "p"],
}


@pytest.mark.parametrize(
    ("word", "code"), [(word, code) for code, words in WORDS_FOR_GENDERS.items() for word in words]
)
def test_words_for_genders(word: str, code: str) -> None:
    """Vectors C11 and C12."""
    assert normalise("gender", word) == code


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        pytest.param("email", " Ana@EXAMPLE.com ", "ana@example.com", id="email in lower case (C16)"),
        pytest.param("email", "josé+a'b@exämple.co", "josé+a'b@exämple.co", id="email beyond ASCII (C19)"),
        pytest.param("phone", "+1 (202) 555-0123", "+12025550123", id="phone with punctuation"),
        pytest.param("phone", "202.555.0123", "2025550123", id="ten digits stay a US number"),
        pytest.param("phone", 2025550123, "2025550123", id="phone that is a number"),
        pytest.param("dob", "01/01/1971", "1971-01-01", id="dob with slashes (C15)"),
        pytest.param("dob", "1971-01-01T00:00:00+09:00", "1971-01-01", id="dob as a date-time"),
        pytest.param("country", "kr", "KR", id="country by code"),
        pytest.param("country", "USA", "US", id="country by three letters"),
        pytest.param("country", "Australia", "AU", id="country by name"),
        pytest.param("country", " South Korea ", "KR", id="country by common name"),
        pytest.param("country", "Uk", "GB", id="country by its usual name"),
        pytest.param("phone", 2025550123.0, "2025550123", id="phone that is a whole float"),
        pytest.param("language", "en", "en", id="language by code"),
        pytest.param("language", "no", "no", id="Norwegian, not the language called No"),
        pytest.param("language", "en-US", "en", id="language of a locale"),
        pytest.param("language", "pt_BR", "pt", id="language of a locale with an underscore"),
        pytest.param("language", "ENG", "en", id="language by three letters"),
        pytest.param("language", "ger", "de", id="language by its library code"),
        pytest.param("language", "Korean", "ko", id="language by name"),
        pytest.param("time_zone", "Asia/Seoul", "Asia/Seoul", id="time zone of IANA"),
        pytest.param("time_zone", "Eastern Time (US & Canada)", "Eastern Time (US & Canada)", id="zone of Rails"),
        pytest.param("email_subscribe", "Opted_In", "opted_in", id="subscription state"),
        pytest.param("image_url", "https://example.com/a.png", "https://example.com/a.png", id="image"),
        pytest.param(
            "current_location",
            {"latitude": Decimal("37.5"), "longitude": "127", "altitude": 3},
            {"longitude": 127.0, "latitude": 37.5},
            id="location with more than it takes",
        ),
        pytest.param(
            "current_location", '{"longitude": 1, "latitude": 2}', {"longitude": 1.0, "latitude": 2.0}, id="JSON text"
        ),
        pytest.param(
            "subscription_groups",
            [{"subscription_group_id": GROUP.upper(), "subscription_state": "subscribed", "note": None}],
            [{"subscription_group_id": GROUP, "subscription_state": "subscribed"}],
            id="subscription groups",
        ),
        pytest.param(
            "subscription_groups",
            [
                {
                    "subscription_group_id": GROUP,
                    "subscription_state": "subscribed",
                    "use_double_opt_in_logic": "true",
                }
            ],
            [{"subscription_group_id": GROUP, "subscription_state": "subscribed", "use_double_opt_in_logic": True}],
            id="subscription groups with double opt-in",
        ),
        pytest.param("subscription_groups", [], msgspec.UNSET, id="no subscription groups say nothing (C69)"),
        pytest.param("push_tokens", [], msgspec.UNSET, id="no push tokens say nothing"),
        pytest.param(
            "push_tokens",
            [{"app_id": "app", "token": "token", "device_id": "12345678"}],
            [{"app_id": "app", "token": "token", "device_id": "12345678"}],
            id="push tokens",
        ),
        pytest.param("email_open_tracking_disabled", "true", True, id="tracking"),
        pytest.param("date_of_first_session", "2026-01-31", "2026-01-31T00:00:00Z", id="first session"),
    ],
)
def test_takes(field: str, value: Any, expected: Any) -> None:
    assert normalise(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param("gender", "unknown", "not a gender", id="unknown gender is never null (C13)"),
        pytest.param("gender", 1, "not a string", id="gender as a number"),
        pytest.param("email", 123, "not a string", id="email as a number (C17)"),
        pytest.param("email", "", "not a valid email", id="empty email"),
        pytest.param("email", "a@b", "not a valid email", id="email without a domain"),
        pytest.param("email", "a@b.com, c@d.com", "not a valid email", id="two emails"),
        pytest.param("email", "a..b@example.com", "not a valid email", id="two dots"),
        pytest.param("email", "a\x00@example.com", "not a valid email", id="control character"),
        pytest.param("email", "x" * 250 + "@example.com", "not a valid email", id="email too long"),
        pytest.param("email", "\ud800@example.com", "not valid Unicode", id="email with half a character"),
        pytest.param("phone", "call me", "not a phone number", id="words"),
        pytest.param("phone", "+1234567890123456", "not a phone number", id="16 digits"),
        pytest.param("phone", "٢٠٢٥٥٥٠١٢٣", "not a phone number", id="digits of another script"),
        pytest.param("dob", "long ago", "not a date", id="dob that is none (C20)"),
        pytest.param("country", "Atlantis", "not a country", id="unknown country"),
        pytest.param("country", "", "not a country", id="empty country"),
        pytest.param("language", "klingonese", "not an ISO 639-1", id="unknown language"),
        pytest.param("language", "fil", "not an ISO 639-1", id="language without two letters"),
        pytest.param("time_zone", "asia/seoul", "not an IANA", id="time zone in lower case"),
        pytest.param("time_zone", "localtime", "not an IANA", id="a file name that is no zone"),
        pytest.param("email_subscribe", True, "not a string", id="state as a boolean"),
        pytest.param("push_subscribe", "yes", "not one of opted_in", id="unknown state"),
        pytest.param("image_url", "ftp://example.com/a.png", "not an http", id="image by ftp"),
        pytest.param("image_url", "https://example.com/a b", "not an http", id="blank in an address"),
        pytest.param("image_url", "https://example.com/" + "a" * 1024, "at most 1024", id="address too long"),
        pytest.param("current_location", {"longitude": 1}, "longitude and latitude", id="half a location"),
        pytest.param("current_location", {"longitude": 181, "latitude": 0}, "out of range", id="too far east"),
        pytest.param("current_location", {"longitude": None, "latitude": 0}, "not a number", id="null inside"),
        pytest.param("current_location", "somewhere", "nor JSON text", id="location as a word"),
        pytest.param("subscription_groups", {}, "not a list", id="groups as an object"),
        pytest.param("subscription_groups", [{"subscription_group_id": GROUP}], "subscription_state", id="no state"),
        pytest.param(
            "subscription_groups",
            [{"subscription_group_id": 7, "subscription_state": "subscribed"}],
            "a UUID",
            id="group by number",
        ),
        pytest.param("push_tokens", [{"app_id": "app"}], "app_id and token", id="no token"),
        pytest.param(
            "push_tokens", [{"app_id": "a", "token": "t", "device_id": "short"}], "8 to 255", id="short device"
        ),
        pytest.param("first_name", 5, "not a string", id="name as a number"),
        pytest.param("last_name", "x" * 256, "longer than 255", id="long name"),
    ],
)
def test_turns_down(field: str, value: Any, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        normalise(field, value)


def test_identifiers_keep_their_spelling() -> None:
    assert standard_fields.identifier(" Ab 1 ") == " Ab 1 "
    assert standard_fields.identifier("x" * 987) == "x" * 987


@pytest.mark.parametrize("value", [12345678901234567890, Decimal(12345678901234567890), "12345678901234567890"])
def test_identifiers_of_digits(value: Any) -> None:
    """Vector C63, and no digit of a long number is lost."""
    assert standard_fields.identifier(value) == "12345678901234567890"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("  ", "blank", id="blank"),
        pytest.param("x" * 988, "longer than 987 bytes", id="988 bytes"),
        pytest.param("é" * 494, "longer than 987 bytes", id="988 bytes of 494 characters"),
        pytest.param(True, "not an integer", id="boolean"),
        pytest.param(1.5, "not an integer", id="fraction"),
        pytest.param(1e17, "2.53-1", id="a float that has lost digits"),
        pytest.param({}, "not an integer", id="object"),
        pytest.param("\ud800", "not valid Unicode", id="half a character"),
    ],
)
def test_identifiers_that_name_nobody(value: Any, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        standard_fields.identifier(value)


@pytest.mark.parametrize(
    "value",
    [
        {"alias_name": "n"},
        {"alias_label": "l"},
        {"alias_name": "n", "alias_label": ""},
        {"alias_name": " ", "alias_label": "l"},
        {"alias_name": None, "alias_label": "l"},
        {},
        "alias",
        7,
        ["n", "l"],
    ],
)
def test_aliases_that_name_nobody(value: Any) -> None:
    """Vector C05."""
    with pytest.raises(RefusalError):
        standard_fields.user_alias(value)


def test_an_alias_as_json_text() -> None:
    assert standard_fields.user_alias('{"alias_name": 0, "alias_label": "crm", "more": 1}') == {
        "alias_name": "0",
        "alias_label": "crm",
    }


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Email", "email"),
        ("E-Mail", "email"),
        ("birthdate", "dob"),
        ("given_name", "first_name"),
        ("firstName", "first_name"),
        ("SURNAME", "last_name"),
        ("timezone", "time_zone"),
        ("ExternalId", "external_id"),
        ("EMAIL_OPEN_TRACKING_DISABLED", "email_open_tracking_disabled"),
    ],
)
def test_lookalikes(name: str, field: str) -> None:
    assert lookalike_of(name) == field


@pytest.mark.parametrize("name", ["plan", "favourite_country", "emails_opened", "", "___"])
def test_names_that_are_no_lookalikes(name: str) -> None:
    assert lookalike_of(name) is None


@pytest.mark.parametrize("field", [*STANDARD_FIELDS, *IDENTIFIERS])
def test_every_standard_field_is_known_in_other_spellings(field: str) -> None:
    assert lookalike_of(field) is None
    assert lookalike_of(field.upper()) == field
    assert lookalike_of(field.replace("_", " ").title()) == field


def test_time_zones_of_rails_are_whole_names() -> None:
    assert {"Eastern Time (US & Canada)", "Nuku'alofa", "Samoa", "International Date Line West"} <= RAILS_TIME_ZONES
    assert all(zone == zone.strip() and zone for zone in RAILS_TIME_ZONES)


words = st.sampled_from(
    [
        "Female",
        "n/a",
        "A@B.co",
        "+1 202 555 0123",
        "KR",
        "korea, republic of",
        "en-GB",
        "ko",
        "UTC",
        "1971/02/03",
        "2026-01-31T12:00:00+09:00",
        "https://example.com",
        "subscribed",
        "true",
    ]
)
anything = st.one_of(
    words,
    st.text(),
    st.emails(),
    st.integers(),
    st.booleans(),
    st.fixed_dictionaries({"longitude": st.floats(-180, 180), "latitude": st.floats(-90, 90)}),
    st.lists(
        st.fixed_dictionaries(
            {
                "subscription_group_id": st.uuids().map(str),
                "subscription_state": st.sampled_from(["subscribed", "unsubscribed"]),
            }
        )
    ),
)


@pytest.mark.parametrize("field", [field for field, convert in STANDARD_FIELDS.items() if convert])
@hypothesis.settings(deadline=None, max_examples=50)  # the first look-up of a kind reads its table
@given(value=anything)
def test_twice_is_once(field: str, value: Any) -> None:
    """Invariant 7: what Braze stores, sent again, is what it stores."""
    try:
        once = normalise(field, value)
    except RefusalError:
        return
    if once is not msgspec.UNSET:
        assert normalise(field, once) == once
        assert json.loads(msgspec.json.encode(once)) == once
