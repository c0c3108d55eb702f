"""A person as this Braze knows them. Pure."""

from __future__ import annotations

from typing import Any

import msgspec


class Summary(msgspec.Struct, array_like=True):
    """How often something happened, and when first and last, in seconds since 1970."""

    first: float
    last: float
    count: int

    def happened(self, moment: float, times: int) -> None:
        """Count `times` more at one moment."""
        self.first = min(self.first, moment)
        self.last = max(self.last, moment)
        self.count += times


class Membership(msgspec.Struct, array_like=True):
    """A state that somebody has in a subscription group or cohort, and since when, in seconds since 1970."""

    state: str
    since: float


class Profile(msgspec.Struct):
    """One profile.

    Attributes:
        id: Its row in the database.
        braze_id: What Braze calls it.
        external_id: What the customer calls it.
        deprecated_ids: External ids they had before; they are still found by these.
        aliases: Alias label → alias name.
        standard: Braze's own fields.
        custom: Custom attributes.
        changed: Attribute → when its value last became another, in seconds since 1970.
        events: Event name → summary.
        purchases: Product → summary.
        revenue: Currency → sum of price times quantity.
        groups: Subscription group → `subscribed` or `unsubscribed`.
        cohorts: Cohort (`partner/cohort id`) → membership.
        notes: What became of this profile as a whole, and when: merges, renamings.
        created: When it was made.
        updated: When it was last written, even if nothing became another.
    """

    id: int
    braze_id: str
    created: float
    updated: float
    external_id: str | None = None
    deprecated_ids: list[str] = []
    aliases: dict[str, str] = {}
    standard: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    changed: dict[str, float] = {}
    events: dict[str, Summary] = {}
    purchases: dict[str, Summary] = {}
    revenue: dict[str, float] = {}
    groups: dict[str, Membership] = {}
    cohorts: dict[str, Membership] = {}
    notes: list[tuple[float, str]] = []

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.standard.get('first_name', '')} {self.standard.get('last_name', '')}".strip()

    @property
    def label(self) -> str:
        """What to call this person in a list: the identifier that they are best known by."""
        alias = next((f"{label}: {name}" for label, name in self.aliases.items()), None)
        return self.external_id or alias or self.standard.get("email") or self.standard.get("phone") or self.braze_id
