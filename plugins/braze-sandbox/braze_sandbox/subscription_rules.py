"""What the subscription routes are asked for, and what they refuse. Pure.

Braze docs, "Update user's subscription group status", its version 2, and "List user's subscription group status",
2026-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox import messages
from braze_sandbox.identities import Identity, is_email
from braze_sandbox.messages import RefusedError
from braze_sandbox.subscribing import Change
from braze_sandbox.validation import GROUP_STATES, is_e164, is_group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_IDS = 50
# Parameter → kind of identifier, in the two versions and in what is asked with GET.
SINGULAR = {"external_id": "external_id", "email": "email", "phone": "phone"}
PLURAL = {"external_ids": "external_id", "emails": "email", "phones": "phone"}


class Subscription(NamedTuple):
    """One state, for these people."""

    change: Change
    people: list[Identity]


def subscriptions(body: dict[str, Any], known: Mapping[str, str] | None, *, version: int) -> list[Subscription]:
    """Return what is to be set.

    Args:
        body: The request's.
        known: Group → channel; `None` if any group is one.
        version: 1 or 2.

    Raises:
        RefusedError: If the request is refused.
    """
    if version == 1:
        return [_subscription(body, known, SINGULAR)]
    groups = body.get("subscription_groups")
    if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
        raise RefusedError(messages.array_required("subscription_groups"))
    if any("emails" in group for group in groups) and any("phones" in group for group in groups):
        raise RefusedError(messages.EMAIL_OR_PHONE)
    return [_subscription(group, known, PLURAL) for group in groups]


def group_of(identifier: Any, known: Mapping[str, str] | None) -> str:
    """Return a group's channel.

    Raises:
        RefusedError: If there is no such group.
    """
    if not is_group(identifier, known):
        raise RefusedError(messages.INVALID_GROUP)
    return known[identifier] if known else "email"


def asked(query: Mapping[str, list[str]]) -> list[Identity]:
    """Return whom a GET asks about: external ids, or else addresses of one kind.

    Raises:
        RefusedError: If it is nobody, or too many.
    """
    given: dict[str, Any] = {name: query[name] for name in SINGULAR if name in query}
    if "external_id" in given:
        given = {"external_id": given["external_id"]}
    return _people(given, SINGULAR)


def _subscription(item: dict[str, Any], known: Mapping[str, str] | None, names: dict[str, str]) -> Subscription:
    channel = group_of(item.get("subscription_group_id"), known)
    if item.get("subscription_state") not in GROUP_STATES:
        raise RefusedError(messages.INVALID_STATE)
    change = Change(item["subscription_group_id"], item["subscription_state"], channel)
    return Subscription(change, _people(item, names))


def _people(item: Mapping[str, Any], names: dict[str, str]) -> list[Identity]:
    given = {name: item[name] for name in names if item.get(name) is not None}
    if {"email", "phone"} <= {names[name] for name in given}:
        raise RefusedError(messages.EMAIL_OR_PHONE)
    people: list[Identity] = []
    for name, value in given.items():
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) and each for each in values):
            raise RefusedError(messages.STRINGS_REQUIRED.format(name=name))
        if len(values) > MAX_IDS:
            raise RefusedError(messages.TOO_MANY.format(most=MAX_IDS, what=f"'{name}'"))
        people += [_IDENTITIES[names[name]](each) for each in values]
    if not people:
        raise RefusedError(messages.ONE_OF_REQUIRED.format(names=messages.one_of(names)))
    return people


def _external_id(value: str) -> Identity:
    return Identity("external_id", value)


def _email(value: str) -> Identity:
    if not is_email(value):
        raise RefusedError(messages.INVALID_EMAIL)
    return Identity("email", value.strip().lower())


def _phone(value: str) -> Identity:
    if not is_e164(value):
        raise RefusedError(messages.INVALID_PHONE)
    return Identity("phone", value)


_IDENTITIES: dict[str, Callable[[str], Identity]] = {"external_id": _external_id, "email": _email, "phone": _phone}
