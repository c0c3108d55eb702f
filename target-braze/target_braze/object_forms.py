"""What an object for an endpoint other than `/users/track` is made of, kind by kind: one table. Pure.

Each kind says whom its objects are about (by which columns), which other fields they have, and what that comes to: an
object for an endpoint, what the ledger is to remember of it, and of whom it must not claim to know anything after.
Sources: the pages of the endpoints in Braze docs, 2026-09.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from target_braze import endpoints, standard_fields, values
from target_braze.changes import said_of
from target_braze.layouts import Layout
from target_braze.limits import MAX_ITEM_NAME_CHARACTERS
from target_braze.mapping import named
from target_braze.nested import encode
from target_braze.rejections import RefusalError
from target_braze.updates import Identity, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_braze.endpoints import Endpoint
    from target_braze.stream_settings import StreamSettings

ITEM_NAME: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
"""The name of a catalog, of its fields and of its items."""
TRUE, FALSE = b"true", b"false"


class Side(NamedTuple):
    """One of those whom an object is about.

    Attributes:
        kinds: Identifiers in the order they are tried; none for those of the stream.
        columns: What a column with an identifier is called, `{}` standing for the identifier.
        is_required: Whether an object needs it.
    """

    kinds: tuple[str, ...] = ()
    columns: str = "{}"
    is_required: bool = True

    def column(self, name: str) -> str:
        """The column with an identifier, or with a part of one; a label is the same before and after."""
        return name if self.columns in ("old_{}", "new_{}") and name == "alias_label" else self.columns.format(name)

    def called(self, kind: str) -> str:
        """What an identifier is called where a record lacks it: its column, or the two of an alias."""
        if kind == "user_alias" and self.columns != "{}":
            return f"{self.column('alias_name')} with {self.column('alias_label')}"
        return self.columns.format(kind)


class Draft(NamedTuple):
    """A record of which the parts are known.

    Attributes:
        people: For each side whom the record means, None for nobody.
        fields: The other fields.
        settings: What the settings say about the stream.
    """

    people: tuple[Identity | None, ...]
    fields: dict[str, Any]
    settings: StreamSettings

    def named(self, side: int) -> dict[str, Any]:
        """Somebody as an object names them; of an address that several may have, with how to choose."""
        return named(self.person(side), self.settings)

    def person(self, side: int) -> Identity:
        """Somebody who is always meant."""
        identity = self.people[side]
        assert identity is not None
        return identity


class Said(NamedTuple):
    """What a draft comes to.

    Attributes:
        endpoint: Where it goes.
        object: The object.
        of: Whom the ledger remembers it of.
        name: As what; "" for not at all.
        value: What, as JSON; the object unless given.
        people: Whom it touches.
        forgets: Of whom the ledger must know nothing any more.
    """

    endpoint: Endpoint
    object: Any
    of: Identity
    name: str
    value: bytes | None = None
    people: tuple[Identity, ...] = ()
    forgets: tuple[Identity, ...] = ()


@dataclass(frozen=True)
class ObjectForm:
    """One kind.

    Attributes:
        say: What a draft comes to.
        sides: Whom its objects are about.
        layout: Its other fields.
        takes_all: Whether every other column is a field too.
    """

    say: Callable[[Draft], Said]
    sides: tuple[Side, ...] = ()
    layout: Layout = field(default_factory=lambda: Layout(fields={}))
    takes_all: bool = False


_ANYBODY: Final = ("external_id", "user_alias", "email", "phone")
_ALIAS: Final = ("user_alias",)
_EXTERNAL_ID: Final = ("external_id",)


def _deletion(draft: Draft) -> Said:
    person = draft.person(0)
    told = draft.named(0)
    bare = told if len(told) > 1 else told[person.kind]
    return Said(endpoints.DELETIONS[person.kind], bare, person, "", people=(person,))


def _new_alias(draft: Draft) -> Said:
    owner, alias = draft.people[0], draft.person(1)
    fields = {} if owner is None else owner.as_fields()
    name = f"$user_aliases:{alias.value[0]}"
    people = (alias,) if owner is None else (owner, alias)
    told = {**fields, **alias.as_fields()["user_alias"]}
    return Said(endpoints.NEW_ALIASES, told, people[0], name, people=people, forgets=(alias,))


def _alias_update(draft: Draft) -> Said:
    old, new = draft.person(0), draft.person(1)
    told = {"alias_label": old.value[0], "old_alias_name": old.value[1], "new_alias_name": new.value[1]}
    return Said(endpoints.ALIAS_UPDATES, told, old, "$alias_update", people=(old, new), forgets=(old, new))


def _identification(draft: Draft) -> Said:
    known, found = draft.person(0), draft.person(1)
    endpoint = endpoints.IDENTIFICATIONS[found.kind]
    told = {**known.as_fields(), **draft.named(1)}
    return Said(endpoint, told, found, "$identify", people=(known, found), forgets=(known, found))


def _merge(draft: Draft) -> Said:
    merged, kept = draft.person(0), draft.person(1)
    if merged == kept:
        raise RefusalError("nobody can be merged into themselves")
    told = {"identifier_to_merge": draft.named(0), "identifier_to_keep": draft.named(1)}
    return Said(endpoints.MERGES, told, merged, "$merge", people=(merged, kept), forgets=(merged, kept))


def _rename(draft: Draft) -> Said:
    old, new = draft.person(0), draft.person(1)
    if old == new:
        raise RefusalError("current_external_id and new_external_id are the same")
    told = {"current_external_id": old.value, "new_external_id": new.value}
    return Said(endpoints.RENAMINGS, told, old, "$rename", people=(old, new), forgets=(old, new))


def _removal(draft: Draft) -> Said:
    person = draft.person(0)
    return Said(endpoints.ID_REMOVALS, person.value, person, "$remove", people=(person,), forgets=(person,))


def _subscription(draft: Draft) -> Said:
    person = draft.person(0)
    if person.kind == "phone" and not str(person.value).startswith("+"):
        raise RefusalError("phone: not in E.164 (e.g. +12025550123), as Braze wants it here")
    state = draft.fields["subscription_state"]
    told = {**draft.fields, **person.as_fields()}
    return Said(
        endpoints.SUBSCRIPTION_STATES[person.kind],
        told,
        person,
        f"$subscription_groups:{draft.fields['subscription_group_id']}",
        encode(state),
        people=(person,),
    )


def _item(draft: Draft) -> Said:
    settings, item = draft.settings, draft.fields
    operation = settings.operation
    value = None
    if operation == "delete":
        item, value = {"id": item["id"]}, b"null"
    elif operation == "upsert":
        item = {name: part for name, part in item.items() if part is not None}
    of = Identity("catalog_item", item["id"])
    name = f"$catalog_items:{settings.catalog}"
    return Said(_catalog_items(settings.catalog, operation), item, of, name, value, people=(said_of(of, name),))


def _member(draft: Draft) -> Said:
    cohort = draft.settings.cohort
    assert cohort is not None
    person = draft.person(0)
    fields = person.as_fields()
    leaves = draft.fields.get("should_remove", draft.settings.operation == "remove")
    told = {**fields, "should_remove": True} if leaves else fields
    people = (person, Identity("cohort", cohort.id))
    return Said(cohort.members, told, person, f"$cohorts:{cohort.id}", FALSE if leaves else TRUE, people=people)


_catalog_endpoints: Final[dict[tuple[str, str], Endpoint]] = {}


def _catalog_items(catalog: str, operation: str) -> Endpoint:
    key = catalog, operation
    return _catalog_endpoints.setdefault(key, endpoints.catalog_items(catalog, operation))


def _group_id(value: Any) -> str:
    try:
        return str(UUID(values.any_text(value)))
    except (ValueError, TypeError):
        raise RefusalError("not the UUID of a subscription group") from None


def _group_state(value: Any) -> str:
    state = values.any_text(value).strip().lower()
    if state not in ("subscribed", "unsubscribed"):
        raise RefusalError("not one of subscribed, unsubscribed")
    return state


def _item_id(value: Any) -> str:
    text = standard_fields.identifier(value)
    if len(text) > MAX_ITEM_NAME_CHARACTERS or not ITEM_NAME.fullmatch(text):
        raise RefusalError(f"not 1 to {MAX_ITEM_NAME_CHARACTERS} letters, digits, - and _")
    return text


_ALIAS_NEW, _ALIAS_UPDATE = "new", "update"
FORMS: Final[dict[tuple[ObjectKind, str], ObjectForm]] = {
    (ObjectKind.DELETE_USERS, ""): ObjectForm(_deletion, (Side(),)),
    (ObjectKind.USER_ALIASES, _ALIAS_NEW): ObjectForm(
        _new_alias, (Side(_EXTERNAL_ID, is_required=False), Side(_ALIAS))
    ),
    (ObjectKind.USER_ALIASES, _ALIAS_UPDATE): ObjectForm(
        _alias_update, (Side(_ALIAS, "old_{}"), Side(_ALIAS, "new_{}"))
    ),
    (ObjectKind.IDENTIFY, ""): ObjectForm(_identification, (Side(_EXTERNAL_ID), Side(_ANYBODY[1:]))),
    (ObjectKind.MERGE, ""): ObjectForm(_merge, (Side(_ANYBODY, "{}_to_merge"), Side(_ANYBODY, "{}_to_keep"))),
    (ObjectKind.EXTERNAL_ID_RENAME, ""): ObjectForm(
        _rename, (Side(_EXTERNAL_ID, "current_{}"), Side(_EXTERNAL_ID, "new_{}"))
    ),
    (ObjectKind.EXTERNAL_ID_REMOVE, ""): ObjectForm(_removal, (Side(_EXTERNAL_ID),)),
    (ObjectKind.SUBSCRIPTION_GROUPS, ""): ObjectForm(
        _subscription,
        (Side(("external_id", "email", "phone")),),
        Layout(
            fields={
                "subscription_group_id": _group_id,
                "subscription_state": _group_state,
                "use_double_opt_in_logic": values.to_boolean,
            },
            required=("subscription_group_id", "subscription_state"),
        ),
    ),
    **{
        (ObjectKind.CATALOG_ITEMS, operation): ObjectForm(
            _item, layout=Layout(fields={"id": _item_id}, required=("id",)), takes_all=operation != "delete"
        )
        for operation in endpoints.CATALOG_OPERATIONS
    },
    **{
        (ObjectKind.COHORTS, operation): ObjectForm(
            _member, (Side(("external_id", "device_id", "user_alias")),), Layout({"should_remove": values.to_boolean})
        )
        for operation in endpoints.OPERATIONS["cohorts"]
    },
}
"""What records become, but for attributes, events and purchases; of some kinds by what is done with them."""


def form_of(settings: StreamSettings) -> ObjectForm:
    """The form of a stream's objects."""
    return FORMS[settings.object_kind, settings.operation]
