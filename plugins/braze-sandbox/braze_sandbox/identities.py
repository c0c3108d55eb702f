"""Who an object is about: the identifiers in it and what they look like. Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# Before the @ also letters beyond ASCII, which connectors of others send (RFC 6531).
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}")
_NOT_DIGITS = re.compile(r"\D+", re.ASCII)
MAX_PHONE_DIGITS = 15  # E.164
US_PHONE_DIGITS = 10


class Identity(NamedTuple):
    """One identifier and its value, ready for a look-up; an alias's value is `(label, name)`."""

    kind: str
    value: Any


def identity_of(item: dict[str, Any]) -> Identity | None:
    """Return the identity a valid object is looked up by.

    A primary identifier wins; without one `email` goes before `phone` (Braze docs, "POST /users/track", 2026-09).
    """
    value = item.get("external_id")
    if value is not None and value != "":
        return Identity("external_id", str(value))
    alias = item.get("user_alias")
    if alias is not None:
        return Identity("user_alias", (alias["alias_label"], alias["alias_name"]))
    if item.get("braze_id"):
        return Identity("braze_id", item["braze_id"])
    if item.get("email"):
        return Identity("email", item["email"].strip().lower())
    if item.get("phone"):
        return Identity("phone", normal_phone(item["phone"]))
    return None


def is_email(value: Any) -> bool:
    """Return whether Braze would take this for an e-mail address."""
    return isinstance(value, str) and _EMAIL.fullmatch(value.strip()) is not None and ".." not in value


def normal_phone(value: Any) -> str:
    """Return a phone number as digits with a leading `+`; ten digits without one are taken for American.

    Braze docs, "User phone numbers", 2026-09.
    """
    text = str(value).strip()
    digits = _NOT_DIGITS.sub("", text)
    if text.startswith("+"):
        return "+" + digits
    return "+1" + digits if len(digits) == US_PHONE_DIGITS else digits


def is_phone(value: Any) -> bool:
    """Return whether a phone number is good enough to look a person up by."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return False
    number = normal_phone(value)
    return number.startswith("+") and 7 < len(number) <= MAX_PHONE_DIGITS + 1  # noqa: PLR2004
