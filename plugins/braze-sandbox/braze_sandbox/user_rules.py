"""What the routes about people's identifiers are asked for, and what they refuse. Pure.

Braze docs, "Delete users", "Create new user alias", "Update user alias", "Identify users", "Merge users" and "Rename
external ID", 2026-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox import messages
from braze_sandbox.identities import Identity, is_email, is_phone, normal_phone
from braze_sandbox.messages import Refusal, RefusedError
from braze_sandbox.validation import external_id_error, is_alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from braze_sandbox.messages import ItemError
    from braze_sandbox.profiles import Profile

MAX_OBJECTS = 50
PRIORITIZATIONS = ("identified", "unidentified", "most_recently_updated", "least_recently_updated")


class Wanted(NamedTuple):
    """An identifier that names a profile; one that several may have comes with how to choose among them."""

    identity: Identity
    prioritization: tuple[str, ...] = ()


class NewAlias(NamedTuple):
    """An alias for somebody who has an external id, or for somebody new."""

    external_id: str | None
    label: str
    name: str


class AliasUpdate(NamedTuple):
    """Another name for an alias."""

    label: str
    old: str
    new: str


class Identification(NamedTuple):
    """Somebody without an external id, and the one to give them."""

    wanted: Wanted
    external_id: str


class Merge(NamedTuple):
    """Whom to merge into whom."""

    merged: Wanted
    kept: Wanted


class Rename(NamedTuple):
    """One external id in place of another."""

    current: str
    new: str


class Checked(NamedTuple):
    """Objects told apart: those to act on, and the refusals of the others."""

    valid: list[Any]
    refusals: list[Refusal]


def chosen(profiles: Iterable[Profile], prioritization: tuple[str, ...]) -> Profile | None:
    """Return the one profile that is meant; nobody if that leaves none, or several.

    Without a prioritization the first is meant: such identifiers belong to one profile.
    """
    left = list(profiles)
    if not prioritization:
        return left[0] if left else None
    for rule in prioritization:
        if rule in {"identified", "unidentified"}:
            left = [each for each in left if (each.external_id is not None) == (rule == "identified")]
        else:
            left.sort(key=lambda each: (each.updated, each.id), reverse=rule == "most_recently_updated")
            left = left[:1]
    return left[0] if len(left) == 1 else None


def array(body: dict[str, Any], name: str, what: str, *, kind: type = dict) -> list[Any]:
    """Return an array of 1 to 50, or why it is refused."""
    items = body.get(name)
    if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
        text = messages.array_required(name) if kind is dict else messages.STRINGS_REQUIRED.format(name=name)
        raise RefusedError(text)
    if not items:
        raise RefusedError(messages.EMPTY.format(name=name))
    if len(items) > MAX_OBJECTS:
        raise RefusedError(messages.TOO_MANY.format(most=MAX_OBJECTS, what=what))
    return items


_DELETABLE = ("external_ids", "user_aliases", "braze_ids", "email_addresses", "phone_numbers")


def deletions(body: dict[str, Any]) -> list[Wanted]:
    """Return whom to delete: one kind of identifier per request."""
    given = [name for name in _DELETABLE if body.get(name) is not None]
    if len(given) != 1:
        text = messages.ONLY_ONE_OF if given else messages.ONE_OF_REQUIRED
        raise RefusedError(text.format(names=messages.one_of(_DELETABLE)))
    name = given[0]
    items = array(body, name, "users", kind=str if name in {"external_ids", "braze_ids"} else dict)
    if name == "external_ids":
        return [Wanted(Identity("external_id", each)) for each in items]
    if name == "braze_ids":
        return [Wanted(Identity("braze_id", each)) for each in items]
    found: list[Wanted] = []
    for item in items:
        # The least recently updated is not among what deletions may prefer.
        wanted = _alias(item) if name == "user_aliases" else _address(item, PRIORITIZATIONS[:3])
        if isinstance(wanted, messages.ItemError):
            raise RefusedError(wanted.text("sentence"))
        found.append(wanted)
    return found


def new_aliases(body: dict[str, Any]) -> Checked:
    """Return the aliases to add."""

    def read(item: dict[str, Any]) -> NewAlias | ItemError:
        if not is_alias(item):
            return messages.BAD_ALIAS
        external_id = item.get("external_id")
        if external_id is not None and (error := external_id_error(external_id, ())):
            return error
        return NewAlias(None if external_id is None else str(external_id), item["alias_label"], item["alias_name"])

    return _each(body, {"user_aliases": read}, "user aliases")


def alias_updates(body: dict[str, Any]) -> Checked:
    """Return the aliases to rename."""

    def read(item: dict[str, Any]) -> AliasUpdate | ItemError:
        values = [item.get(key) for key in ("alias_label", "old_alias_name", "new_alias_name")]
        if not all(isinstance(value, str) and value for value in values):
            return messages.ALIAS_UPDATE_REQUIRED
        return AliasUpdate(*map(str, values))

    return _each(body, {"alias_updates": read}, "alias updates")


def identifications(body: dict[str, Any]) -> Checked:
    """Return whom to identify."""

    def reading(whom: Callable[[dict[str, Any]], Wanted | ItemError]) -> Callable[[dict[str, Any]], Any]:
        def read(item: dict[str, Any]) -> Identification | ItemError:
            external_id = item.get("external_id")
            if external_id is None or external_id == "":
                return messages.EXTERNAL_ID_REQUIRED
            wanted = whom(item)
            if isinstance(wanted, messages.ItemError):
                return wanted
            return external_id_error(external_id, ()) or Identification(wanted, str(external_id))

        return read

    readers = {
        "aliases_to_identify": reading(lambda item: _alias(item.get("user_alias"))),
        "emails_to_identify": reading(lambda item: _address(item, kind="email")),
        "phone_numbers_to_identify": reading(lambda item: _address(item, kind="phone")),
    }
    return _each(body, readers, "users to identify")


def merges(body: dict[str, Any]) -> list[Merge]:
    """Return whom to merge into whom."""
    items = array(body, "merge_updates", "merge updates")
    found = []
    for item in items:
        if item.keys() != {"identifier_to_merge", "identifier_to_keep"}:
            raise RefusedError(messages.ONLY_TWO_IDENTIFIERS)
        found.append(Merge(_any_identifier(item["identifier_to_merge"]), _any_identifier(item["identifier_to_keep"])))
    return found


def renames(body: dict[str, Any]) -> list[Rename | str]:
    """Return which external ids to rename, with a text in the place of one that cannot be."""
    items = array(body, "external_id_renames", "external ID renames")
    found: list[Rename | str] = []
    for item in items:
        pair = [item.get(key) for key in ("current_external_id", "new_external_id")]
        if not all(isinstance(each, str) and each for each in pair):
            found.append(messages.RENAME_REQUIRED)
        elif pair[0] == pair[1]:
            found.append(messages.RENAME_SAME)
        elif error := external_id_error(pair[1], ()):
            found.append(error.text("sentence"))
        else:
            found.append(Rename(*map(str, pair)))
    return found


def removals(body: dict[str, Any]) -> list[str]:
    """Return which deprecated external ids to remove."""
    return array(body, "external_ids", "external IDs", kind=str)


def _each(body: dict[str, Any], readers: dict[str, Callable[[dict[str, Any]], Any]], what: str) -> Checked:
    """Read the objects of one or several arrays, 50 over all of them."""
    given = {name: body[name] for name in readers if body.get(name) is not None}
    if not given and len(readers) > 1:
        raise RefusedError(messages.ONE_OF_REQUIRED.format(names=messages.one_of(readers)))
    for name in given or readers:
        items = array(body, name, what)
    if sum(map(len, given.values())) > MAX_OBJECTS:
        raise RefusedError(messages.TOO_MANY.format(most=MAX_OBJECTS, what=what))
    checked = Checked([], [])
    for name, items in given.items():
        for index, item in enumerate(items):
            found = readers[name](item)
            if isinstance(found, messages.ItemError):
                checked.refusals.append(Refusal(name, index, found))
            else:
                checked.valid.append(found)
    return checked


def _alias(alias: Any) -> Wanted | ItemError:
    if not is_alias(alias):
        return messages.BAD_ALIAS
    return Wanted(Identity("user_alias", (alias["alias_label"], alias["alias_name"])))


def _address(
    item: dict[str, Any], allowed: tuple[str, ...] = PRIORITIZATIONS, kind: str | None = None
) -> Wanted | ItemError:
    kind = kind or ("email" if "email" in item else "phone")
    value = item.get(kind)
    if kind == "email" and not is_email(value):
        return messages.EMAIL_BAD_FORMAT
    if kind == "phone" and not is_phone(value):
        return messages.BAD_PHONE
    prioritization = _prioritization(item.get("prioritization"), allowed)
    if not prioritization:
        return messages.BAD_PRIORITIZATION
    normal = str(value).strip().lower() if kind == "email" else normal_phone(value)
    return Wanted(Identity(kind, normal), prioritization)


def _prioritization(value: Any, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return it, or nothing if it is none."""
    if not isinstance(value, list) or not all(each in allowed for each in value):
        return ()
    return () if {"identified", "unidentified"} <= set(value) else tuple(value)


def _any_identifier(item: Any) -> Wanted:
    """Return whom one side of a merge means."""
    kinds = (
        [kind for kind in ("external_id", "user_alias", "email", "phone") if kind in item]
        if isinstance(item, dict)
        else []
    )
    if len(kinds) != 1:
        raise RefusedError(messages.IDENTIFIERS_REQUIRED)
    kind = kinds[0]
    if kind == "external_id":
        if not isinstance(item[kind], str) or not item[kind]:
            raise RefusedError(messages.IDENTIFIERS_REQUIRED)
        return Wanted(Identity(kind, item[kind]))
    found = _alias(item[kind]) if kind == "user_alias" else _address(item, kind=kind)
    if isinstance(found, messages.ItemError):
        is_whom = found is messages.BAD_PRIORITIZATION
        raise RefusedError(found.text("sentence") if is_whom else messages.IDENTIFIERS_REQUIRED)
    return found
