"""What the settings say about a stream of one kind of objects and not of others; the keys of cohorts. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk import typing as th

from target_braze.endpoints import OPERATIONS, PRIORITIES, Endpoint, cohort, cohort_members
from target_braze.errors import SettingsError
from target_braze.stream_settings import StreamSettings, chosen, given
from target_braze.updates import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Mapping

ON_DELETE_CHOICES: Final = ("ignore", "clear", "delete_user")
COHORT_PROPERTIES: Final = (
    th.Property(
        "cohort_partner",
        th.StringType,
        title="Cohort partner",
        description="For object: cohorts, the name that Braze gave you as a partner who imports cohorts.",
    ),
    th.Property(
        "cohort_partner_key",
        th.StringType,
        secret=True,
        title="Cohort partner key",
        description="For object: cohorts, the partner API key that Braze gave you.",
    ),
    th.Property(
        "cohort_import_key",
        th.StringType,
        secret=True,
        title="Cohort import key",
        description=(
            "For object: cohorts, the client data import key of the workspace (in Braze: Partner Integrations > "
            "Technology Partners)."
        ),
    ),
)
"""How the keys of cohorts are declared."""


@dataclass(frozen=True)
class Cohort:
    """A cohort that a stream's people are in.

    Attributes:
        id: Its id.
        name: Its name.
        naming: Where it gets its name.
        members: Where people are added to it and removed from it.
    """

    id: str
    name: str
    naming: Endpoint
    members: Endpoint


@dataclass(frozen=True)
class CohortKeys:
    """What lets a partner import cohorts.

    Attributes:
        partner: The partner's name in Braze.
        partner_key: The key Braze gave to the partner.
        import_key: The key of the workspace.
    """

    partner: str
    partner_key: str = field(repr=False)
    import_key: str = field(repr=False)

    @property
    def frame(self) -> bytes:
        """The keys as a body holds them."""
        keys = {"partner_api_key": self.partner_key, "client_secret": self.import_key}
        return msgspec.json.encode(keys)[1:-1]


_BELONGS: Final[dict[str, tuple[ObjectKind, ...]]] = {
    "on_delete": (ObjectKind.ATTRIBUTES,),
    "allow_resubscribe": (ObjectKind.ATTRIBUTES, ObjectKind.SUBSCRIPTION_GROUPS),
    "operation": (ObjectKind.USER_ALIASES, ObjectKind.CATALOG_ITEMS, ObjectKind.COHORTS),
    "prioritization": (ObjectKind.DELETE_USERS, ObjectKind.IDENTIFY, ObjectKind.MERGE, ObjectKind.ATTRIBUTES),
    "catalog": (ObjectKind.CATALOG_ITEMS,),
    "cohort": (ObjectKind.COHORTS,),
    "cohort_id": (ObjectKind.COHORTS,),
}
"""Setting → the kinds of objects that it says something of."""


def with_kind(
    settings: StreamSettings, entry: Mapping[str, Any], where: str, cohort_keys: CohortKeys | None
) -> StreamSettings:
    """The settings of a stream, with what only its kind of objects has.

    Args:
        settings: The others.
        entry: What is given under `streams`.
        where: Its place in the settings, for errors.
        cohort_keys: What lets cohorts be imported, if it is set.

    Raises:
        SettingsError: If they make no sense.
    """
    own, kind = given(entry), settings.object_kind
    for name, kinds in _BELONGS.items():
        if name in own and kind not in kinds:
            others = ", ".join(each.value for each in kinds)
            raise SettingsError(f"`{where}.{name}` says nothing of {kind.value}, only of {others}. Take it out.")
    _check_updates(settings, own, where)
    operations = OPERATIONS.get(kind.value, ("",))
    prioritization = tuple(
        chosen(each, PRIORITIES, f"{where}.prioritization") for each in own.get("prioritization", ())
    )
    if {"identified", "unidentified"} <= {*prioritization}:
        raise SettingsError(f"`{where}.prioritization` has both identified and unidentified, of which none is both.")
    if kind in (ObjectKind.DELETE_USERS, ObjectKind.ATTRIBUTES) and "least_recently_updated" in prioritization:
        raise SettingsError(f"`{where}.prioritization`: Braze takes no least_recently_updated for a deletion.")
    if kind is ObjectKind.CATALOG_ITEMS and not re.fullmatch(r"[A-Za-z0-9_-]{1,250}", own.get("catalog", "")):
        raise SettingsError(f"`{where}.catalog` has to say which catalog: letters, digits, - and _.")
    return replace(
        settings,
        on_delete=chosen(own.get("on_delete", "ignore"), ON_DELETE_CHOICES, f"{where}.on_delete"),
        operation=chosen(own.get("operation", operations[0]), operations, f"{where}.operation"),
        prioritization=prioritization,
        catalog=own.get("catalog", ""),
        cohort=_cohort(own, where, cohort_keys) if kind is ObjectKind.COHORTS else None,
    )


def _check_updates(settings: StreamSettings, own: Mapping[str, Any], where: str) -> None:
    """Make sure that it is settled what `$update` does with the rest of an element.

    Source: Braze docs, "Array of objects", 2025-11.

    Raises:
        SettingsError: If it is not.
    """
    updates = [column for column, field in settings.fields.items() if field and field.operation == "$update"]
    if updates and "merge_objects" not in own:
        raise SettingsError(
            f"`{where}.fields.{updates[0]}.operation` is $update, by which Braze puts `$new_object` in the place of "
            "the element, and what else was in that is lost, unless objects are merged. Say which: "
            f"`{where}.merge_objects: true` changes only what `$new_object` names, false replaces the element."
        )


def cohort_keys(own: Mapping[str, Any]) -> CohortKeys | None:
    """What lets cohorts be imported, if it is set.

    Raises:
        SettingsError: If a part of it cannot be.
    """
    names = ("cohort_partner", "cohort_partner_key", "cohort_import_key")
    partner, partner_key, import_key = (str(own.get(name, "")).strip() for name in names)
    if not (partner and partner_key and import_key):
        return None
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", partner):
        raise SettingsError(f"`cohort_partner` is {partner!r}, which is no part of an address; copy the name alone.")
    return CohortKeys(partner, partner_key, import_key)


def _cohort(own: Mapping[str, Any], where: str, keys: CohortKeys | None) -> Cohort:
    name = own.get("cohort", "").strip()
    if not name:
        raise SettingsError(f"`{where}.cohort` has to say what the cohort is called.")
    if keys is None:
        raise SettingsError(
            f"`{where}.object` is cohorts, for which `cohort_partner`, `cohort_partner_key` and `cohort_import_key` "
            "have to be set. Only partners of Braze have such keys; without them, use attributes and `audiences`."
        )
    id_ = own.get("cohort_id", name)
    return Cohort(id_, name, cohort(keys.partner, keys.frame), cohort_members(keys.partner, keys.frame, id_))
