"""What one request did, for the page, the counters and whoever tests. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from braze_sandbox.profiles import Profile

# Effects; the page has words for them.
DELETED = "profiles_deleted"
MERGED = "profiles_merged"
IDENTIFIED = "profiles_identified"
ALIAS_ADDED = "aliases_added"
ALIAS_RENAMED = "aliases_renamed"
ID_RENAMED = "external_ids_renamed"
ID_REMOVED = "external_ids_removed"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
WAITING = "states_waiting"
CATALOG_CREATED = "catalogs_created"
CATALOG_DELETED = "catalogs_deleted"
ITEM_CREATED = "items_created"
ITEM_CHANGED = "items_changed"
ITEM_DELETED = "items_deleted"
ITEM_IGNORED = "items_ignored"
COHORT_NAMED = "cohorts_named"
JOINED = "joined"
LEFT = "left"
MAX_LISTED = 100  # changes, drops and steps that are kept word for word; all are counted


class Outcome(msgspec.Struct):
    """What one request did.

    Attributes:
        created: Profiles made.
        missed: Objects that found no profile and were not allowed to make one.
        changed: Attribute → number of profiles in which it became another.
        unchanged: Attribute values that were written and already there.
        changes: The first changes: person, braze_id, attribute, before, after.
        dropped: Reason → number of values.
        drops: The first drops: array, index, attribute, reason.
        events: Events that were logged.
        purchases: Purchases that were logged, each as often as its quantity says.
        attribute_points: Attribute → data points; likewise for the others, by event name, product and cohort.
        effects: What else was done, one of the above → how often.
        steps: The first of these: about whom or what, the profile's braze_id if it still has one, what.
    """

    created: int = 0
    missed: int = 0
    changed: dict[str, int] = {}
    unchanged: int = 0
    changes: list[tuple[str, str, str, Any, Any]] = []
    dropped: dict[str, int] = {}
    drops: list[tuple[str, int, str, str]] = []
    events: int = 0
    purchases: int = 0
    attribute_points: dict[str, int] = {}
    event_points: dict[str, int] = {}
    purchase_points: dict[str, int] = {}
    cohort_points: dict[str, int] = {}
    effects: dict[str, int] = {}
    steps: list[tuple[str, str, str]] = []

    @property
    def data_points(self) -> int:
        """All of them."""
        points = (self.attribute_points, self.event_points, self.purchase_points, self.cohort_points)
        return sum(map(sum, (each.values() for each in points)))

    def change(self, profile: Profile, name: str, old: Any, new: Any) -> None:
        """Note that an attribute became another."""
        self.changed[name] = self.changed.get(name, 0) + 1
        if len(self.changes) < MAX_LISTED:
            self.changes.append((profile.label, profile.braze_id, name, old, new))

    def drop(self, array: str, index: int, name: str, reason: str) -> None:
        """Note a value that was dropped in silence."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if len(self.drops) < MAX_LISTED:
            self.drops.append((array, index, name, reason))

    def step(self, effect: str, about: Profile | str, what: str) -> None:
        """Note one thing that was done.

        Args:
            effect: Its kind, one of the above.
            about: A profile that is there to look at, or the name of anything else.
            what: What was done, in words.
        """
        self.effects[effect] = self.effects.get(effect, 0) + 1
        if len(self.steps) < MAX_LISTED:
            name, braze_id = (about, "") if isinstance(about, str) else (about.label, about.braze_id)
            self.steps.append((name, braze_id, what))
