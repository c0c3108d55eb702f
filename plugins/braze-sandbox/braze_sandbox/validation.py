"""Which objects Braze refuses, and why. Pure.

The checks come in the order in which Braze makes them; the first that fails speaks for the object. What passes
here may still be dropped in silence while it is applied.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from braze_sandbox import ecommerce, messages, times
from braze_sandbox.codes import is_currency
from braze_sandbox.identities import is_email, is_phone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from braze_sandbox.messages import ItemError, Refusal

ARRAYS = ("attributes", "events", "purchases")

# Braze docs, "POST /users/track", 2026-09.
MAX_EXTERNAL_ID_BYTES = 987
SUBSCRIPTION_STATES = ("subscribed", "unsubscribed", "opted_in")
GROUP_STATES = ("subscribed", "unsubscribed")
DEVICE_ID_BYTES = range(8, 256)
# Braze docs, "Event object" and "Purchase object", 2026-09.
MAX_NAME_LENGTH = 255
MAX_PROPERTIES_BYTES = {"events": 102_400, "purchases": 51_200}
RESERVED_PROPERTIES = {
    "events": frozenset({"time", "event_name"}),
    "purchases": frozenset({"time", "product_id", "quantity", "event_name", "price", "currency"}),
}
QUANTITIES = range(1, 101)

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


class Checked(NamedTuple):
    """A request's objects, told apart: the valid ones by array, and the refusals."""

    valid: dict[str, list[tuple[int, dict[str, Any]]]]
    refusals: list[Refusal]


def check(body: dict[str, Any], blacklist: Collection[str], groups: Collection[str] | None = None) -> Checked:
    """Tell valid objects from the others.

    Args:
        body: The request's body; its arrays are lists.
        blacklist: External ids whose objects are refused.
        groups: The subscription groups there are; `None` if any is one.

    Returns:
        Valid objects with their index in the array as sent, and why the others are refused.
    """
    valid: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    refusals: list[Refusal] = []
    for array in ARRAYS:
        validate = _VALIDATE[array]
        if array == "attributes" and groups is not None:
            validate = functools.partial(_attributes, groups=groups)
        good = []
        for index, item in enumerate(body.get(array) or ()):
            errors = item_errors(item, blacklist, validate)
            if errors:
                refusals.extend(messages.Refusal(array, index, error) for error in errors)
            else:
                good.append((index, item))
        if good:
            valid[array] = good
    return Checked(valid, refusals)


def item_errors(
    item: Any, blacklist: Collection[str], validate: Callable[[dict[str, Any]], list[ItemError]]
) -> list[ItemError]:
    """Return why one object is refused; nothing if it is not."""
    if not isinstance(item, dict):
        return [messages.NOT_AN_OBJECT]
    error = identity_error(item, blacklist)
    return [error] if error else validate(item)


def identity_error(item: dict[str, Any], blacklist: Collection[str]) -> ItemError | None:  # noqa: PLR0911
    """Return what is wrong with an object's identifiers: none, more than one primary, or one that cannot be."""
    external_id, alias, braze_id = item.get("external_id"), item.get("user_alias"), item.get("braze_id")
    has_external_id = external_id is not None and external_id != ""
    primaries = has_external_id + (alias is not None) + bool(braze_id)
    if primaries > 1:
        return messages.ONE_IDENTIFIER
    if has_external_id:
        return external_id_error(external_id, blacklist)
    if alias is not None:
        return None if is_alias(alias) else messages.BAD_ALIAS
    if braze_id:
        return None if isinstance(braze_id, str) else messages.IDENTIFIER_REQUIRED
    if item.get("push_token_import") is True and "push_tokens" in item:
        return None  # the one kind of object that is about nobody
    if item.get("email") is not None:
        return None if is_email(item["email"]) else messages.EMAIL_BAD_FORMAT
    if item.get("phone") is not None:
        return None if is_phone(item["phone"]) else messages.BAD_PHONE
    return messages.IDENTIFIER_REQUIRED


def external_id_error(external_id: Any, blacklist: Collection[str]) -> ItemError | None:
    """Return what is wrong with an external id."""
    # Numbers were accepted in recorded requests, and came back as strings.
    if not isinstance(external_id, (str, int)) or isinstance(external_id, bool):
        return messages.IDENTIFIER_REQUIRED
    text = str(external_id)
    if len(text) * 4 > MAX_EXTERNAL_ID_BYTES and len(text.encode()) > MAX_EXTERNAL_ID_BYTES:
        return messages.EXTERNAL_ID_TOO_LARGE
    return messages.BLACKLISTED if text in blacklist else None


def is_alias(alias: Any) -> bool:
    """Return whether this has a name and a label."""
    return isinstance(alias, dict) and all(
        isinstance(alias.get(key), str) and alias[key] for key in ("alias_name", "alias_label")
    )


def is_group(identifier: Any, known: Collection[str] | None) -> bool:
    """Return whether this is a subscription group: one of those there are, or what looks like one."""
    if not isinstance(identifier, str):
        return False
    return bool(_UUID.fullmatch(identifier)) if known is None else identifier in known


def is_e164(number: str) -> bool:
    """Return whether a phone number is in the form that the subscription routes insist on."""
    return _E164.fullmatch(number) is not None


def _attributes(item: dict[str, Any], groups: Collection[str] | None = None) -> list[ItemError]:
    for name, error_of in _FIELD_ERRORS.items():
        if name in item:
            error = error_of(item[name]) if name != "subscription_groups" else _groups(item[name], groups)
            if error:
                return [error]
    if item.get("push_token_import") is True and (
        item.get("external_id") or item.get("braze_id") or "push_tokens" not in item
    ):
        return [messages.BAD_PUSH_TOKEN_IMPORT]
    return []


def _email(value: Any) -> ItemError | None:
    return None if value is None or is_email(value) else messages.EMAIL_BAD_FORMAT


def _email_subscribe(value: Any) -> ItemError | None:
    return None if value in SUBSCRIPTION_STATES else messages.BAD_EMAIL_SUBSCRIPTION_STATE


def _push_subscribe(value: Any) -> ItemError | None:
    return None if value in SUBSCRIPTION_STATES else messages.BAD_PUSH_SUBSCRIPTION_STATE


def _subscription_info(_: Any) -> ItemError | None:
    return messages.BAD_SUBSCRIPTION_INFO


def _groups(value: Any, known: Collection[str] | None = None) -> ItemError | None:
    if not isinstance(value, list):
        return messages.BAD_GROUP_ARRAY
    for group in value:
        if not isinstance(group, dict):
            return messages.BAD_GROUP_HASH
        if not is_group(group.get("subscription_group_id"), known):
            return messages.BAD_GROUP_ID
        if group.get("subscription_state") not in GROUP_STATES:
            return messages.BAD_GROUP_STATE
    return None


def _location(value: Any) -> ItemError | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        return messages.BAD_LOCATION
    places = (value.get("longitude"), value.get("latitude"))
    if any(not _is_number(place) for place in places) or abs(places[0]) > 180 or abs(places[1]) > 90:  # type: ignore[arg-type]  # noqa: PLR2004
        return messages.BAD_LOCATION
    return None


def _push_tokens(value: Any) -> ItemError | None:
    if not isinstance(value, list) or not all(isinstance(token, dict) for token in value):
        return messages.BAD_PUSH_TOKEN_VALUE
    for token in value:
        if not isinstance(token.get("token"), str) or not token["token"]:
            return messages.BAD_PUSH_TOKEN_STRING
        if not isinstance(token.get("app_id"), str) or not token["app_id"]:
            return messages.BAD_PUSH_TOKEN_APP_ID
        device_id = token.get("device_id")
        if device_id is not None and (not isinstance(device_id, str) or len(device_id.encode()) not in DEVICE_ID_BYTES):
            return messages.BAD_DEVICE_ID
    return None


_FIELD_ERRORS: dict[str, Callable[[Any], ItemError | None]] = {
    "email": _email,
    "email_subscribe": _email_subscribe,
    "push_subscribe": _push_subscribe,
    "subscription_groups": _groups,
    "email_subscription_info": _subscription_info,
    "current_location": _location,
    "push_tokens": _push_tokens,
}


def _events(item: dict[str, Any]) -> list[ItemError]:
    name = item.get("name")
    if not isinstance(name, str) or not name or len(name) > MAX_NAME_LENGTH:
        return [messages.NAME_REQUIRED]
    error = _time_error(item) or _properties_error(item, "events")
    return [error] if error else ecommerce.violations(name, item.get("properties"))


def _purchases(item: dict[str, Any]) -> list[ItemError]:
    error = (
        _product_error(item)
        or _price_error(item)
        or (None if is_currency(item.get("currency")) else messages.BAD_CURRENCY)
        or _quantity_error(item)
        or _time_error(item)
        or _properties_error(item, "purchases")
    )
    return [error] if error else []


def _product_error(item: dict[str, Any]) -> ItemError | None:
    product = item.get("product_id")
    if product is None or product == "":
        return messages.PRODUCT_REQUIRED
    return None if isinstance(product, str) and len(product) <= MAX_NAME_LENGTH else messages.BAD_PRODUCT


def _price_error(item: dict[str, Any]) -> ItemError | None:
    if item.get("price") is None:
        return messages.PRICE_REQUIRED
    return None if _is_number(item["price"]) else messages.BAD_PRICE


def _quantity_error(item: dict[str, Any]) -> ItemError | None:
    quantity = item.get("quantity", 1)
    good = isinstance(quantity, int) and not isinstance(quantity, bool) and quantity in QUANTITIES
    return None if good else messages.BAD_QUANTITY


def _time_error(item: dict[str, Any]) -> ItemError | None:
    if item.get("time") is None or item["time"] == "":
        return messages.TIME_REQUIRED
    return None if times.is_time(item["time"]) else messages.BAD_TIME


def _properties_error(item: dict[str, Any], array: str) -> ItemError | None:
    properties = item.get("properties")
    if properties is None:
        return None
    if not isinstance(properties, dict):
        return messages.BAD_PROPERTIES
    for name in properties:
        if not name or len(name) > MAX_NAME_LENGTH or name.startswith("$") or name in RESERVED_PROPERTIES[array]:
            return messages.BAD_PROPERTIES
    if len(msgspec.json.encode(properties)) > MAX_PROPERTIES_BYTES[array]:
        return messages.BAD_PROPERTIES
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_VALIDATE: dict[str, Callable[[dict[str, Any]], list[ItemError]]] = {
    "attributes": _attributes,
    "events": _events,
    "purchases": _purchases,
}
