"""What the cohort routes of partners are asked for, and what they refuse. Pure.

Braze docs, "Partner cohort import integration", 2026-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox import messages, times
from braze_sandbox.identities import Identity
from braze_sandbox.messages import RefusedError
from braze_sandbox.validation import is_alias

if TYPE_CHECKING:
    from braze_sandbox.settings import Settings

MAX_IDS = 1_000
KINDS = {"user_ids": "external_id", "device_ids": "device_id"}


class Cohort(NamedTuple):
    """A cohort and its name."""

    cohort_id: str
    name: str
    created_at: str


class Change(NamedTuple):
    """People who join a cohort or leave it."""

    people: list[Identity]
    leaves: bool


def key_error(body: dict[str, Any], partner: str, settings: Settings) -> str | None:
    """Return why the keys in a body let nobody in."""
    key, secret = body.get("partner_api_key"), body.get("client_secret")
    if not _is_let_in(key, settings.partner_api_keys):
        return messages.INVALID_PARTNER_KEY
    if not _is_let_in(secret, settings.client_secrets):
        return messages.INVALID_CLIENT_SECRET
    if settings.partners is not None and partner not in settings.partners:
        return messages.PARTNER_NOT_ENABLED.format(secret=secret)
    return None


def cohort(body: dict[str, Any]) -> Cohort:
    """Return the cohort that gets a name.

    Raises:
        RefusedError: If the request is refused.
    """
    identifier, name, created_at = cohort_id(body), body.get("name"), body.get("created_at")
    if not isinstance(name, str) or not name.strip():
        raise RefusedError(messages.BAD_COHORT_NAME)
    if not isinstance(created_at, str) or not times.is_time(created_at):
        raise RefusedError(messages.BAD_CREATED_AT)
    return Cohort(identifier, name, created_at)


def cohort_id(body: dict[str, Any]) -> str:
    """Return which cohort it is.

    Raises:
        RefusedError: If it is none.
    """
    identifier = body.get("cohort_id")
    if not isinstance(identifier, str) or not identifier:
        raise RefusedError(messages.BAD_COHORT_ID)
    return identifier


def changes(body: dict[str, Any]) -> list[Change]:
    """Return who joins and who leaves.

    Raises:
        RefusedError: If the request is refused.
    """
    objects = body.get("cohort_changes")
    if not isinstance(objects, list) or not objects:
        raise RefusedError(messages.BAD_COHORT_CHANGES)
    read = [_change(each) for each in objects]
    if sum(len(each.people) for each in read) > MAX_IDS:
        raise RefusedError(messages.TOO_MANY_COHORT_IDS)
    return read


def _change(item: Any) -> Change:
    if not isinstance(item, dict) or not ({*KINDS, "aliases"} & item.keys()):
        raise RefusedError(messages.BAD_COHORT_CHANGES)
    people: list[Identity] = []
    for name, kind in KINDS.items():
        values = item.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise RefusedError(messages.BAD_COHORT_CHANGES)
        people += [Identity(kind, value) for value in values]
    # One object, as the text of the error has it, or several, as connectors of others send.
    aliases = item.get("aliases", [])
    aliases = [aliases] if isinstance(aliases, dict) else aliases
    if not isinstance(aliases, list) or not all(is_alias(alias) for alias in aliases):
        raise RefusedError(messages.BAD_COHORT_CHANGES)
    people += [Identity("user_alias", (alias["alias_label"], alias["alias_name"])) for alias in aliases]
    leaves = item.get("should_remove", False)
    if not isinstance(leaves, bool):
        raise RefusedError(messages.BAD_COHORT_CHANGES)
    return Change(people, leaves)


def _is_let_in(key: Any, known: list[str] | None) -> bool:
    return isinstance(key, str) and bool(key) and (known is None or key in known)
