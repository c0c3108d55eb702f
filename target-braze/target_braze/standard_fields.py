"""Braze's standard profile fields: what each accepts, and which other spellings mean one. Pure.

Every check is at least as strict as Braze's and brings the value into the form Braze stores, so that what is sent is
what is kept. A bad value raises `RefusalError` here because of what it would do there: an invalid email rejects the
whole object, an unknown country erases the stored one, an unknown time zone is silently not set. Source: Braze docs,
"Standard attributes" and "User attributes object", 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

import msgspec
import pycountry

from target_braze import values
from target_braze.limits import (
    MAX_DEVICE_ID_BYTES,
    MAX_EXTERNAL_ID_BYTES,
    MAX_IMAGE_URL_CHARACTERS,
    MAX_STRING_CHARACTERS,
    MIN_DEVICE_ID_BYTES,
)
from target_braze.nested import parsed
from target_braze.rejections import RefusalError
from target_braze.time_zones import RAILS_TIME_ZONES

Normalise = Callable[[Any], Any]

IDENTIFIERS: Final = ("external_id", "braze_id", "user_alias", "email", "phone")
"""What can name a person. The first three are primary: an object holds at most one of them."""
PRIMARY_IDENTIFIERS: Final = IDENTIFIERS[:3]
SECONDARY_IDENTIFIERS: Final = IDENTIFIERS[3:]
ALIAS_FIELDS: Final = ("alias_name", "alias_label")

DELETED_AT: Final = "_sdc_deleted_at"
"""The column by which taps say that a record was deleted at its source, as Singer's SDK has it."""

CONTROL_KEYS: Final = frozenset({"_update_existing_only", "_merge_objects", "push_token_import"})
"""Keys of an object that steer Braze and are never attributes."""
REFUSED_NAMES: Final = frozenset({"email_subscription_info"})
"""Names that make Braze reject the object."""

# Control characters, blanks and what parts addresses in a list are in no address; letters of any script may be (C19)
_EMAIL: Final = re.compile(
    r"[^@\s,;<>\"\x00-\x1f\x7f]+@[^@\s,;<>\"\[\]\x00-\x1f\x7f]+\.[^@\s,;<>\".\[\]\x00-\x1f\x7f]{2,}"
)
_PLAIN_EMAIL: Final = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z0-9-]{2,}")
_PHONE_PUNCTUATION: Final = re.compile(r"[\s().\-/]+")
_PHONE: Final = re.compile(r"\+?[0-9]{7,15}")
_IMAGE_URL: Final = re.compile(r"https?://[^\s/]\S*")
_GENDERS: Final = {
    "F": ("f", "female", "woman", "w", "girl"),
    "M": ("m", "male", "man", "boy"),
    "O": ("o", "other", "non-binary", "nonbinary"),
    "N": ("n", "not applicable", "n/a"),
    "P": ("p", "prefer not to say"),
}
_GENDER_OF_WORD: Final = {word: code for code, words in _GENDERS.items() for word in words}
# ISO has them by their formal names only
_COUNTRIES_BY_USUAL_NAME: Final = {"uk": "GB", "russia": "RU", "turkey": "TR"}
_SUBSCRIPTION_STATES: Final = ("opted_in", "subscribed", "unsubscribed")
_GROUP_STATES: Final = ("subscribed", "unsubscribed")
_MAX_DEGREES: Final = {"longitude": 180, "latitude": 90}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusalError("not a string")
    return values.any_text(value)


def short_text(value: Any) -> str:
    """Text of at most 255 characters; numbers and booleans are no text here."""
    return values.to_string(_text(value))


def email(value: Any) -> str:
    """An e-mail address in lower case, as Braze stores it."""
    if isinstance(value, str) and _PLAIN_EMAIL.fullmatch(value) and len(value) <= MAX_STRING_CHARACTERS:
        return value  # as most are
    text = _text(value).strip().lower()
    if not _EMAIL.fullmatch(text) or ".." in text or len(text) > MAX_STRING_CHARACTERS:
        raise RefusalError("not a valid email address")
    return text


def phone(value: Any) -> str:
    """A telephone number in digits, with its `+` if it has one; Braze takes ten digits without as a US number."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    text = _PHONE_PUNCTUATION.sub("", str(values.whole_number(value)) if is_number else _text(value))
    if not _PHONE.fullmatch(text):
        raise RefusalError("not a phone number (use E.164, e.g. +12025550123)")
    return text


def _gender(value: Any) -> str:
    code = _GENDER_OF_WORD.get(_text(value).strip().lower())
    if code is None:
        raise RefusalError("not a gender Braze knows (F, M, O, N, P)")
    return code


def _country(value: Any) -> str:
    code = _country_code(_text(value).strip())
    if code is None:
        raise RefusalError(
            "not a country Braze knows (use ISO 3166-1 alpha-2, e.g. KR); Braze would erase the stored one"
        )
    return code


# Both look-ups keep what they did not find as well: for an unknown word pycountry goes through all its entries, and a
# column full of "unknown" would cost 5 ms a record.
@lru_cache(maxsize=4096)
def _country_code(text: str) -> str | None:
    try:
        return _COUNTRIES_BY_USUAL_NAME.get(text.lower()) or str(pycountry.countries.lookup(text).alpha_2)
    except LookupError:
        return None


def _language(value: Any) -> str:
    code = _language_code(_text(value).strip())
    if code is None:
        raise RefusalError("not an ISO 639-1 language (e.g. en)")
    return code


@lru_cache(maxsize=4096)
def _language_code(text: str) -> str | None:
    """The two-letter code of a language's code, locale or name.

    By code first: `lookup` goes by name too, and there is a language called En, another called No.
    """
    code = re.split(r"[-_]", text, maxsplit=1)[0]
    found = (
        pycountry.languages.get(alpha_2=code)
        or pycountry.languages.get(alpha_3=code)
        or pycountry.languages.get(bibliographic=code)
    )
    if found is None:
        try:
            found = pycountry.languages.lookup(text)
        except LookupError:
            return None
    return getattr(found, "alpha_2", None)


def _time_zone(value: Any) -> str:
    text = _text(value).strip()
    if text not in _time_zones():
        raise RefusalError("not an IANA time zone (e.g. Asia/Seoul); Braze would not set it")
    return text


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return (frozenset(available_timezones()) | RAILS_TIME_ZONES) - {"Factory", "localtime", "posixrules"}


def _subscription_state(value: Any) -> str:
    state = _text(value).strip().lower()
    if state not in _SUBSCRIPTION_STATES:
        raise RefusalError(f"not one of {', '.join(_SUBSCRIPTION_STATES)}")
    return state


def _location(value: Any) -> dict[str, float]:
    place = _structure(value)
    if not isinstance(place, dict) or not place.keys() >= _MAX_DEGREES.keys():
        raise RefusalError("not an object with longitude and latitude")
    degrees = {name: values.to_float(place[name]) for name in _MAX_DEGREES}
    if any(abs(degrees[name]) > most for name, most in _MAX_DEGREES.items()):
        raise RefusalError("longitude or latitude out of range")
    return degrees


def _image_url(value: Any) -> str:
    text = _text(value).strip()
    if not _IMAGE_URL.fullmatch(text) or len(text) > MAX_IMAGE_URL_CHARACTERS:
        raise RefusalError(f"not an http(s) address of at most {MAX_IMAGE_URL_CHARACTERS} characters")
    return text


def _subscription_groups(value: Any) -> list[dict[str, Any]] | msgspec.UnsetType:
    groups = _structure(value)
    if not isinstance(groups, list):
        raise RefusalError("not a list of subscription groups")
    return [_subscription_group(group) for group in groups] or msgspec.UNSET  # an empty list says nothing


def _subscription_group(group: Any) -> dict[str, Any]:
    if not isinstance(group, dict) or group.get("subscription_state") not in _GROUP_STATES:
        raise RefusalError("a subscription group needs subscription_state: subscribed or unsubscribed")
    try:
        group_id = str(UUID(_text(group.get("subscription_group_id"))))
    except ValueError:  # RefusalError is one
        raise RefusalError("a subscription group needs subscription_group_id: a UUID") from None
    result = {"subscription_group_id": group_id, "subscription_state": group["subscription_state"]}
    is_double_opt_in = group.get("use_double_opt_in_logic")
    if is_double_opt_in is not None:
        result["use_double_opt_in_logic"] = values.to_boolean(is_double_opt_in)
    return result


def _push_tokens(value: Any) -> list[dict[str, str]] | msgspec.UnsetType:
    tokens = _structure(value)
    if not isinstance(tokens, list):
        raise RefusalError("not a list of push tokens")
    return [_push_token(token) for token in tokens] or msgspec.UNSET


def _push_token(token: Any) -> dict[str, str]:
    if not isinstance(token, dict) or not all(
        isinstance(token.get(key), str) and token[key] for key in ("app_id", "token")
    ):
        raise RefusalError("a push token needs app_id and token")
    result = {key: values.any_text(token[key]) for key in ("app_id", "token")}
    if token.get("device_id") is not None:
        result["device_id"] = _text(token["device_id"])
        if not MIN_DEVICE_ID_BYTES <= len(result["device_id"].encode()) <= MAX_DEVICE_ID_BYTES:
            raise RefusalError(f"device_id has not {MIN_DEVICE_ID_BYTES} to {MAX_DEVICE_ID_BYTES} bytes")
    return result


def _structure(value: Any) -> Any:
    """An array or object; warehouses hand out semi-structured columns as JSON text."""
    return parsed(value) if isinstance(value, str) else value


def identifier(value: Any) -> str:
    """An external_id, braze_id, alias name or alias label as text, exactly as it came; a whole number as its digits.

    Raises:
        RefusalError: If it is blank, too long, or neither text nor a whole number.
    """
    text = value if isinstance(value, str) else str(values.whole_number(value))
    if not text.strip():
        raise RefusalError("blank identifier")
    text = values.any_text(text)
    # a character has at most four bytes
    if len(text) * 4 > MAX_EXTERNAL_ID_BYTES and len(text.encode()) > MAX_EXTERNAL_ID_BYTES:
        raise RefusalError(f"identifier longer than {MAX_EXTERNAL_ID_BYTES} bytes")
    return text


def user_alias(value: Any) -> dict[str, str]:
    """An alias: its name and its label, both needed (vector C05)."""
    alias = _structure(value)
    if not isinstance(alias, dict) or any(is_blank(alias.get(part)) for part in ALIAS_FIELDS):
        raise RefusalError("a user_alias needs alias_name and alias_label")
    return {part: identifier(alias[part]) for part in ALIAS_FIELDS}


def is_blank(value: Any) -> bool:
    """Whether a value can name nobody: null, or text with nothing in it."""
    return value is None or (isinstance(value, str) and not value.strip())


STANDARD_FIELDS: Final[dict[str, Normalise | None]] = {
    "first_name": short_text,
    "last_name": short_text,
    "home_city": short_text,
    "email": email,
    "phone": phone,
    "dob": values.to_date,
    "gender": _gender,
    "country": _country,
    "language": _language,
    "time_zone": _time_zone,
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
    "facebook": None,
    "twitter": None,
}
"""Standard field → what brings a value (never null) into the form Braze stores; None for any nested object.

The form is `UNSET` where nothing is to be sent.
"""

FREE_TEXT_FIELDS: Final = frozenset({"first_name", "last_name", "home_city"})
"""Standard fields that take any text, and so keep their meaning when it is cut."""

CONSENT_FIELDS: Final = frozenset({"email_subscribe", "push_subscribe", "subscription_groups"})
"""Standard fields that say what somebody agreed to; Braze itself is the first to learn it."""

NEVER_UNSET_FIELDS: Final = frozenset({"email_subscribe", "push_subscribe", "subscription_groups", "push_tokens"})
"""Standard fields that Braze cannot unset: a null is no state ("User track", BAD_EMAIL_SUBSCRIPTION_STATE, 2026-09).

It would turn the whole object down, where all the record says is that it does not know.
"""

_OTHER_SPELLINGS: Final[dict[str, str]] = {
    "first_name": "givenname forename fname",
    "last_name": "surname familyname lname",
    "email": "emailaddress emailaddr mail",
    "phone": "phonenumber telephone mobile mobilephone mobilenumber cellphone",
    "dob": "birthdate birthday dateofbirth birthdt",
    "gender": "sex",
    "country": "countrycode",
    "home_city": "city",
    "language": "languagecode lang",
    "time_zone": "timezoneid tz",
    "image_url": "avatar avatarurl",
    "email_subscribe": "emailsubscribed",
    "push_subscribe": "pushsubscribed",
}
_FIELD_OF_SPELLING: Final = {
    **{name.replace("_", ""): name for name in (*STANDARD_FIELDS, *IDENTIFIERS, *ALIAS_FIELDS)},
    **{spelling: field for field, spellings in _OTHER_SPELLINGS.items() for spelling in spellings.split()},
}


def lookalike_of(name: str) -> str | None:
    """The standard field that a name resembles but is not: `Email`, `birthdate`, `given_name`. None for any other name.

    Braze would take such a name as a custom attribute beside the standard one, which stays empty.
    """
    field = _FIELD_OF_SPELLING.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    return field if field != name else None
