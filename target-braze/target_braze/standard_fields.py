"""Braze's standard profile fields: what each accepts, and which other spellings mean one. Pure.

Every check is at least as strict as Braze's and brings the value into the form Braze stores, so that what is sent is what is kept.
A bad value raises `RefusalError` here because of what it would do there: an invalid email rejects the whole object, an unknown country erases the
stored one, an unknown time zone is silently not set. Source: Braze docs, "Standard attributes" and "User attributes object", 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

import pycountry

from target_braze import values
from target_braze.limits import MAX_EXTERNAL_ID_BYTES, MAX_IMAGE_URL_CHARACTERS, MAX_STRING_CHARACTERS
from target_braze.rejections import RefusalError
from target_braze.time_zones import RAILS_TIME_ZONES

Normalise = Callable[[Any], Any]

IDENTIFIERS: Final = ("external_id", "braze_id", "user_alias", "email", "phone")
"""What can name a person. The first three are primary: an object holds at most one of them."""
PRIMARY_IDENTIFIERS: Final = IDENTIFIERS[:3]
ALIAS_FIELDS: Final = ("alias_name", "alias_label")

CONTROL_KEYS: Final = frozenset({"_update_existing_only", "_merge_objects", "push_token_import"})
"""Keys of an object that steer Braze and are never attributes."""
REFUSED_NAMES: Final = frozenset({"email_subscription_info"})
"""Names that make Braze reject the object."""

_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"\[\]]+\.[^@\s,;<>\".\[\]]{2,}")
_PHONE_PUNCTUATION = re.compile(r"[\s().\-/ ]+")
_PHONE = re.compile(r"\+\d{7,15}|\d{7,15}")
_GENDERS = {
    "F": ("f", "female", "woman", "w", "girl"),
    "M": ("m", "male", "man", "boy"),
    "O": ("o", "other", "non-binary", "nonbinary"),
    "N": ("n", "not applicable", "n/a"),
    "P": ("p", "prefer not to say"),
}
_GENDER_OF_WORD = {word: code for code, words in _GENDERS.items() for word in words}
_SUBSCRIPTION_STATES = ("opted_in", "subscribed", "unsubscribed")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusalError("not a string")
    return value


def _short_text(value: Any) -> str:
    text = _text(value)
    if len(text) > MAX_STRING_CHARACTERS:
        raise RefusalError(f"longer than {MAX_STRING_CHARACTERS} characters")
    return text


def email(value: Any) -> str:
    """An e-mail address in lower case, as Braze stores it."""
    text = _text(value).strip().lower()
    if not _EMAIL.fullmatch(text) or ".." in text or len(text) > MAX_STRING_CHARACTERS:
        raise RefusalError("not a valid email address")
    return text


def phone(value: Any) -> str:
    """A telephone number in digits, with its `+` if it has one; Braze takes ten digits without as a US number."""
    text = _PHONE_PUNCTUATION.sub("", _text(value))
    if not _PHONE.fullmatch(text):
        raise RefusalError("not a phone number (use E.164, e.g. +12025550123)")
    return text


@lru_cache(maxsize=1024)
def _gender(text: str) -> str:
    code = _GENDER_OF_WORD.get(text.strip().lower())
    if code is None:
        raise RefusalError("not a gender Braze knows (F, M, O, N, P)")
    return code


@lru_cache(maxsize=4096)
def _country(text: str) -> str:
    try:
        found = pycountry.countries.lookup(text.strip())
    except LookupError:
        raise RefusalError(
            "not a country Braze knows (use ISO 3166-1 alpha-2, e.g. KR); Braze would erase the stored one"
        ) from None
    return str(found.alpha_2)


@lru_cache(maxsize=4096)
def _language(text: str) -> str:
    try:
        found = pycountry.languages.lookup(re.split(r"[-_]", text.strip(), maxsplit=1)[0])
        return str(found.alpha_2)
    except (LookupError, AttributeError):
        raise RefusalError("not an ISO 639-1 language (e.g. en)") from None


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) | RAILS_TIME_ZONES


def _time_zone(text: str) -> str:
    if text not in _time_zones():
        raise RefusalError("not an IANA time zone (e.g. Asia/Seoul); Braze would not set it")
    return text


def _of_text(check: Callable[[str], str]) -> Normalise:
    def normalise(value: Any) -> str:
        return check(_text(value))

    return normalise


def _subscription_state(value: Any) -> str:
    if value not in _SUBSCRIPTION_STATES:
        raise RefusalError(f"not one of {', '.join(_SUBSCRIPTION_STATES)}")
    return str(value)


def _location(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or set(value) != {"longitude", "latitude"}:
        raise RefusalError("not an object with longitude and latitude")
    place = {name: values.to_float(value[name]) for name in ("longitude", "latitude")}
    if abs(place["longitude"]) > 180 or abs(place["latitude"]) > 90:  # noqa: PLR2004 - degrees
        raise RefusalError("longitude or latitude out of range")
    return place


def _image_url(value: Any) -> str:
    text = _text(value)
    if not re.match(r"https?://\S+$", text) or len(text) > MAX_IMAGE_URL_CHARACTERS:
        raise RefusalError(f"not an http(s) address of at most {MAX_IMAGE_URL_CHARACTERS} characters")
    return text


def _subscription_groups(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise RefusalError("not a list of subscription groups")
    for group in value:
        if not isinstance(group, dict) or group.get("subscription_state") not in {
            "subscribed",
            "unsubscribed",
        }:
            raise RefusalError("a subscription group needs subscription_state: subscribed or unsubscribed")
        try:
            UUID(str(group.get("subscription_group_id")))
        except ValueError:
            raise RefusalError("a subscription group needs subscription_group_id: a UUID") from None
    return value


def _push_tokens(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise RefusalError("not a list of push tokens")
    for token in value:
        if not isinstance(token, dict) or not all(
            isinstance(token.get(key), str) and token[key] for key in ("app_id", "token")
        ):
            raise RefusalError("a push token needs app_id and token")
    return value


def _profile_of_network(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusalError("not an object")
    return {key: item for key, item in value.items() if item is not None}


def identifier(value: Any) -> str:
    """An external_id, braze_id, alias name or alias label as text, exactly as it came; a whole number is taken as its digits.

    Raises:
        RefusalError: If it is blank, too long, or neither text nor a whole number.
    """
    text = value if isinstance(value, str) else str(values.whole_number(value))
    if not text.strip():
        raise RefusalError("blank identifier")
    if (
        len(text) * 4 > MAX_EXTERNAL_ID_BYTES
        and len(text.encode("utf-8", "surrogatepass")) > MAX_EXTERNAL_ID_BYTES
    ):
        raise RefusalError(f"identifier longer than {MAX_EXTERNAL_ID_BYTES} bytes")
    return values.any_text(text)


def user_alias(value: Any) -> dict[str, str]:
    """An alias: its name and its label, both needed."""
    if not isinstance(value, dict):
        raise RefusalError("a user_alias needs alias_name and alias_label")
    return {
        field: identifier(value.get(field) if value.get(field) is not None else "") for field in ALIAS_FIELDS
    }


STANDARD_FIELDS: Final[dict[str, Normalise]] = {
    "first_name": _short_text,
    "last_name": _short_text,
    "home_city": _short_text,
    "email": email,
    "phone": phone,
    "dob": values.to_date,
    "gender": _of_text(_gender),
    "country": _of_text(_country),
    "language": _of_text(_language),
    "time_zone": _of_text(_time_zone),
    "current_location": _location,
    "image_url": _image_url,
    "email_subscribe": _subscription_state,
    "push_subscribe": _subscription_state,
    "subscription_groups": _subscription_groups,
    "email_open_tracking_disabled": values.to_boolean,
    "email_click_tracking_disabled": values.to_boolean,
    "marked_email_as_spam_at": values.to_datetime,
    "date_of_first_session": values.to_datetime,
    "date_of_last_session": values.to_datetime,
    "push_tokens": _push_tokens,
    "facebook": _profile_of_network,
    "twitter": _profile_of_network,
}
"""Standard field → what brings a value (never null) into the form Braze stores."""

_OTHER_SPELLINGS: Final[dict[str, str]] = {
    "first_name": "first_name givenname forename fname",
    "last_name": "last_name surname familyname lname",
    "email": "email emailaddress emailaddr mail",
    "phone": "phone phonenumber telephone mobile mobilephone mobilenumber cellphone",
    "dob": "dob birthdate birthday dateofbirth birthdt",
    "gender": "gender sex",
    "country": "country countrycode",
    "home_city": "home_city city",
    "language": "language languagecode lang",
    "time_zone": "time_zone timezoneid tz",
    "image_url": "image_url avatar avatarurl",
    "current_location": "current_location",
    "external_id": "external_id",
    "braze_id": "braze_id",
    "email_subscribe": "email_subscribe emailsubscribed",
    "push_subscribe": "push_subscribe pushsubscribed",
}
_FIELD_OF_SPELLING: Final = {
    spelling.replace("_", ""): field
    for field, spellings in _OTHER_SPELLINGS.items()
    for spelling in spellings.split()
}


def lookalike_of(name: str) -> str | None:
    """The standard field that a name resembles but is not: `Email`, `birthdate`, `given_name`. None for any other name.

    Braze would take such a name as a custom attribute beside the standard one, which stays empty.
    """
    field = _FIELD_OF_SPELLING.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    return field if field != name else None
