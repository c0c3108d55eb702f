"""The routes of Braze that objects go to: path, form of the body, limits and how answers name an object. Pure.

One table. `/users/track` is a row of it like the others; a request goes to one endpoint, and so to one array there.
Rates and limits: Braze docs, "API limits" and the page of each endpoint, 2026-09.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from target_braze.limits import MAX_OBJECTS_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Rate(NamedTuple):
    """A rate limit of Braze's, shared by all endpoints that name it.

    Attributes:
        name: Its name.
        per_second: Requests.
    """

    name: str
    per_second: float


class Naming(enum.Enum):
    """How an answer names the objects that failed."""

    BY_ARRAY = "errors: [{type, input_array, index}]"
    BY_INDEX = "[[index, reason], …] under a name of its own"
    NOT = "the request is taken or refused as a whole"


USERS: Final = Rate("users", 20_000 / 60)
RENAMES: Final = Rate("external_ids.rename", 1_000 / 60)
REMOVALS: Final = Rate("external_ids.remove", 1_000 / 60)
SUBSCRIPTIONS: Final = Rate("subscriptions", 5_000 / 60)
ITEMS: Final = Rate("catalog_items", 16_000 / 60)
OTHER: Final = Rate("other", 250_000 / 3_600)


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One route, for one array of objects.

    Attributes:
        path: Its path.
        permission: What a key needs for it.
        array: The array that holds the objects; "" if a request is one object.
        max_objects: Most objects in one request.
        rate: The rate limit it shares; None for `/users/track`, whose pace the settings give.
        method: Its method.
        naming: How an answer names an object.
        errors: Under which name, where that is not `errors`.
        is_repeatable: Whether an object that was taken is taken again without an error.
        lists: Field that names a person → the list that it goes into when objects that are equal but for it become one.
        max_heads: Most objects after that.
        is_exclusive: Whether a request may be about a person once only, for Braze says nothing of the order in it.
        frame: What stands beside the array, as JSON without braces; it may hold keys.
        says_success: Whether an answer that does not say `success` is none.
        keys: How the settings call the keys that its body holds, if it holds any.
        not_found: What a 404 means, if anything but that nothing answers there.
    """

    path: str
    permission: str
    array: str
    max_objects: int
    rate: Rate | None = None
    method: str = "POST"
    naming: Naming = Naming.NOT
    errors: str = "errors"
    is_repeatable: bool = True
    lists: Mapping[str, str] = field(default_factory=dict)
    max_heads: int | None = None
    is_exclusive: bool = False
    frame: bytes = field(default=b"", repr=False)
    says_success: bool = True
    keys: str | None = None
    not_found: str | None = None

    def body(self, objects: Iterable[bytes]) -> bytes:
        """A request's body with these objects."""
        whole = b",".join(self._merged(objects) if self.lists else objects)
        own = b'"%b":[%b]' % (self.array.encode(), whole) if self.array else whole[1:-1]
        return b"{%b}" % b",".join(part for part in (self.frame, own) if part)

    def heads(self, objects: Iterable[bytes]) -> int:
        """How many objects it comes to once those are one that are equal but for whom they name."""
        return len({self._parts(each)[0] for each in objects})

    def _merged(self, objects: Iterable[bytes]) -> Iterator[bytes]:
        """Objects of equal heads as one, with lists of whom they name, each once (vector C68)."""
        merged: dict[bytes, dict[str, dict[bytes, None]]] = {}
        for each in objects:
            head, name, person = self._parts(each)
            merged.setdefault(head, {}).setdefault(self.lists[name], {})[person] = None
        for head, people in merged.items():
            lists = (b'"%b":[%b]' % (name.encode(), b",".join(each)) for name, each in people.items())
            yield b"{%b}" % b",".join(part for part in (head, *lists) if part)

    def _parts(self, body: bytes) -> tuple[bytes, str, bytes]:
        """An object's head, the field that names whom it is about, and whom."""
        fields = _decode(body)
        [name] = fields.keys() & self.lists.keys()
        person = bytes(fields.pop(name))
        return msgspec.json.encode(fields)[1:-1], name, person


def _users(path: str, permission: str, array: str, **others: Any) -> Endpoint:
    return Endpoint(f"/users/{path}", f"users.{permission}", array, 50, USERS, **others)


TRACK: Final = Endpoint(
    "/users/track", "users.track", "attributes", MAX_OBJECTS_PER_REQUEST, None, naming=Naming.BY_ARRAY
)
"""Beside that array it has two more; see `packing.py`."""

DELETIONS: Final = {
    kind: _users("delete", "delete", array)  # one kind of identifier per request
    for kind, array in {
        "external_id": "external_ids",
        "braze_id": "braze_ids",
        "user_alias": "user_aliases",
        "email": "email_addresses",
        "phone": "phone_numbers",
    }.items()
}
NEW_ALIASES: Final = _users("alias/new", "alias.new", "user_aliases", naming=Naming.BY_ARRAY)
ALIAS_UPDATES: Final = _users(
    "alias/update", "alias.update", "alias_updates", naming=Naming.BY_ARRAY, is_exclusive=True
)
IDENTIFICATIONS: Final = {
    kind: _users("identify", "identify", array, naming=Naming.BY_ARRAY, is_exclusive=True)
    for kind, array in {
        "user_alias": "aliases_to_identify",
        "email": "emails_to_identify",
        "phone": "phone_numbers_to_identify",
    }.items()
}
MERGES: Final = _users("merge", "merge", "merge_updates", is_exclusive=True)
RENAMINGS: Final = Endpoint(
    "/users/external_ids/rename",
    "users.external_ids.rename",
    "external_id_renames",
    50,
    RENAMES,
    naming=Naming.BY_INDEX,
    errors="rename_errors",
    is_repeatable=False,
    is_exclusive=True,
)
ID_REMOVALS: Final = Endpoint(
    "/users/external_ids/remove",
    "users.external_ids.remove",
    "external_ids",
    50,
    REMOVALS,
    naming=Naming.BY_INDEX,
    errors="removal_errors",
    is_repeatable=False,
)
_STATES: Final = {"external_id": "external_ids", "email": "emails", "phone": "phones"}
SUBSCRIPTION_STATES: Final = {
    kind: Endpoint(  # e-mail addresses and phone numbers never in one request
        "/v2/subscription/status/set",
        "subscription.status.set",
        "subscription_groups",
        50,
        SUBSCRIPTIONS,
        lists={kind: plural},
        max_heads=25,  # RudderStack's limit, which Braze's page does not have
    )
    for kind, plural in _STATES.items()
}
_CATALOG_METHODS: Final = {
    "upsert": ("PUT", "catalogs.replace_items"),
    "update": ("PATCH", "catalogs.update_items"),
    "delete": ("DELETE", "catalogs.delete_items"),
}
CATALOG_OPERATIONS: Final = tuple(_CATALOG_METHODS)


def catalog_items(catalog: str, operation: str) -> Endpoint:
    """Where a catalog's items go."""
    method, permission = _CATALOG_METHODS[operation]
    return Endpoint(
        f"/catalogs/{catalog}/items",
        permission,
        "items",
        50,
        ITEMS,
        method,
        not_found=f"there is no catalog {catalog!r} in this workspace: make it, with its fields, or mend `catalog`",
    )


_COHORT: Final = Endpoint(
    "",
    "cohorts",
    "",
    1,
    OTHER,
    says_success=False,  # its page does not say what an answer says
    keys="`cohort_partner`, `cohort_partner_key` or `cohort_import_key`",
)


def cohort(partner: str, keys: bytes) -> Endpoint:
    """Where a cohort gets its name; keys go into the body. Braze docs, "Partner cohort import", 2026-09."""
    return replace(_COHORT, path=f"/partners/{partner}/cohorts", frame=keys)


def cohort_members(partner: str, keys: bytes, cohort_id: str) -> Endpoint:
    """Where people are added to a cohort and removed from it."""
    return replace(
        _COHORT,
        path=f"/partners/{partner}/cohorts/users",
        array="cohort_changes",
        max_objects=1_000,
        lists={"external_id": "user_ids", "device_id": "device_ids", "user_alias": "aliases"},
        frame=b'%b,"cohort_id":%b' % (keys, msgspec.json.encode(cohort_id)),
    )


OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "user_aliases": ("new", "update"),
    "catalog_items": CATALOG_OPERATIONS,
    "cohorts": ("add", "remove"),
}
"""Kind of record → what can be done; the first unless the settings say otherwise."""


PRIORITIES: Final = ("identified", "unidentified", "most_recently_updated", "least_recently_updated")
"""How to choose among those who share an address. Braze docs, "Identify users", 2026-09."""


def fixed() -> Sequence[Endpoint]:
    """All endpoints that the settings have no part in."""
    tables = (DELETIONS, IDENTIFICATIONS, SUBSCRIPTION_STATES)
    alone = (TRACK, NEW_ALIASES, ALIAS_UPDATES, MERGES, RENAMINGS, ID_REMOVALS)
    return (*alone, *(endpoint for table in tables for endpoint in table.values()))
