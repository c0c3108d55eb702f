"""How Braze normalises its own profile fields. Pure.

Field names and formats: Braze docs, "Standard attributes", 2026-09. Names are case-sensitive; any other spelling is
a custom attribute.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from braze_sandbox import dropping, times
from braze_sandbox.codes import country_code, is_time_zone
from braze_sandbox.dropping import Dropped
from braze_sandbox.identities import normal_phone

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL_KEYS = frozenset({"_update_existing_only", "_merge_objects", "push_token_import"})
IDENTIFIERS = frozenset({"external_id", "user_alias", "braze_id"})
NEVER_ATTRIBUTES = CONTROL_KEYS | IDENTIFIERS
IGNORED = frozenset({"bio"})  # Braze docs, "User attributes object": a dead name, not even a custom attribute
GENDERS = frozenset("MFONP")
MAX_URL_LENGTH = 1024
MAX_STRING_LENGTH = 255

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2}", re.ASCII)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return Dropped(dropping.BAD_FIELD)
    return value if len(value) <= MAX_STRING_LENGTH else Dropped(dropping.TOO_LONG)


def _email(value: Any) -> Any:
    return value.strip().lower()  # validated before


def _phone(value: Any) -> Any:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return Dropped(dropping.BAD_FIELD)
    return normal_phone(value)


def _date(value: Any) -> Any:
    good = isinstance(value, str) and _DATE.fullmatch(value) and times.is_time(value)
    return value if good else Dropped(dropping.BAD_FIELD)


def _gender(value: Any) -> Any:
    return value if value in GENDERS else Dropped(dropping.BAD_FIELD)


def _country(value: Any) -> Any:
    # "POST /users/track", 2026-09: a name is mapped to its code; what cannot be mapped is stored as NULL.
    code = country_code(value) if isinstance(value, str) else None
    return code or Dropped(dropping.UNKNOWN_COUNTRY)


def _language(value: Any) -> Any:
    good = isinstance(value, str) and _LANGUAGE.fullmatch(value)
    return value if good else Dropped(dropping.BAD_FIELD)


def _time_zone(value: Any) -> Any:
    good = isinstance(value, str) and is_time_zone(value)
    return value if good else Dropped(dropping.BAD_TIME_ZONE)


def _url(value: Any) -> Any:
    good = isinstance(value, str) and len(value) <= MAX_URL_LENGTH
    return value if good else Dropped(dropping.BAD_FIELD)


def _time(value: Any) -> Any:
    return value if times.is_time(value) else Dropped(dropping.BAD_FIELD)


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else Dropped(dropping.BAD_FIELD)


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else Dropped(dropping.BAD_FIELD)


def _checked(value: Any) -> Any:
    return value  # the whole object would have been refused, were it not good


NORMALISERS: dict[str, Callable[[Any], Any]] = {
    "first_name": _text,
    "last_name": _text,
    "email": _email,
    "phone": _phone,
    "dob": _date,
    "gender": _gender,
    "country": _country,
    "home_city": _text,
    "language": _language,
    "time_zone": _time_zone,
    "current_location": _checked,
    "image_url": _url,
    "email_subscribe": _checked,
    "push_subscribe": _checked,
    "subscription_groups": _checked,
    "email_open_tracking_disabled": _boolean,
    "email_click_tracking_disabled": _boolean,
    "marked_email_as_spam_at": _time,
    "date_of_first_session": _time,
    "date_of_last_session": _time,
    "push_tokens": _checked,
    "facebook": _object,
    "twitter": _object,
}


def with_tokens(had: Any, tokens: Any) -> list[dict[str, Any]]:
    """Return push tokens with others added; one of the same app and token takes the place of the older."""
    both = {(each["app_id"], each["token"]): each for each in [*(had or ()), *(tokens or ())]}
    return list(both.values())
