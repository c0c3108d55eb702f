"""What a request's valid objects do to profiles: attributes first, then events, then purchases.

Pure but for the working set it is given. Nothing here fails: what Braze would not write is counted as dropped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from braze_sandbox import dropping, times
from braze_sandbox.custom_attributes import MAX_STRING_LENGTH, written
from braze_sandbox.data_points import points_of
from braze_sandbox.dropping import Dropped
from braze_sandbox.ecommerce import SCHEMAS
from braze_sandbox.identities import Identity, identity_of
from braze_sandbox.outcome import Outcome
from braze_sandbox.profiles import Summary
from braze_sandbox.standard_fields import IGNORED, NEVER_ATTRIBUTES, NORMALISERS, with_tokens
from braze_sandbox.subscribing import Change, Subscribing
from braze_sandbox.type_registry import PLAIN_TYPES

if TYPE_CHECKING:
    from braze_sandbox.profiles import Profile
    from braze_sandbox.settings import Settings
    from braze_sandbox.store import WorkingSet
    from braze_sandbox.type_registry import TypeRegistry

Items = dict[str, list[tuple[int, dict[str, Any]]]]

APART = NEVER_ATTRIBUTES | {"subscription_groups"}


class Engine:
    """Applies one request."""

    def __init__(self, people: WorkingSet, registry: TypeRegistry, settings: Settings, now: float) -> None:
        self._people = people
        self._registry = registry
        self._settings = settings
        self._blocklist = frozenset(settings.blocklist)
        self._special = self._blocklist | settings.forced_types.keys() | IGNORED
        self._now = now
        self.outcome = Outcome()
        self._subscribing = Subscribing(people, self.outcome, now)

    def apply(self, items: Items) -> Outcome:
        """Apply valid objects, each with its index as sent."""
        for index, item in items.get("attributes", ()):
            if item.get("push_token_import") is True and self._is_known_device(item, index):
                continue
            profile = self._profile_of(item)
            if profile:
                self._write_attributes(profile, item, index)
        for index, item in items.get("events", ()):
            profile = self._profile_of(item)
            if profile:
                self._log_event(profile, item, index)
        for _, item in items.get("purchases", ()):
            profile = self._profile_of(item)
            if profile:
                self._log_purchase(profile, item)
        return self.outcome

    def _profile_of(self, item: dict[str, Any]) -> Profile | None:
        """Return whom an object is about, made if need be and allowed.

        Braze docs, "POST /users/track", 2026-09: an unknown external id, e-mail address or phone number makes a
        profile unless `_update_existing_only` is true; an unknown alias only if it is explicitly false; an unknown
        braze_id never does. What finds nobody is reported as success all the same.
        """
        identity = identity_of(item)
        found = self._people.found(identity) if identity else []
        if found:
            self._people.touch(found[0], self._now)
            return found[0]
        only_existing = item.get("_update_existing_only")
        if identity is not None and identity.kind == "user_alias":
            may_make = only_existing is False
        else:
            may_make = only_existing is not True and (identity is None or identity.kind != "braze_id")
        if not may_make:
            self.outcome.missed += 1
            return None
        self.outcome.created += 1
        return self._people.made(identity, self._now)

    def _write_attributes(self, profile: Profile, item: dict[str, Any], index: int) -> None:
        merge, points = item.get("_merge_objects") is True, self.outcome.attribute_points
        for name, value in item.items():
            if name in APART:
                continue
            normalise = NORMALISERS.get(name)
            holder = profile.custom if normalise is None else profile.standard
            new: Any
            if value is None:
                new = Dropped(dropping.BLOCKLISTED) if name in self._blocklist else None
            elif normalise is not None:
                new = with_tokens(holder.get(name), value) if name == "push_tokens" else normalise(value)
            else:
                new = self._custom_value(name, value, holder.get(name), merge=merge)
            if type(new) is Dropped:
                self.outcome.drop("attributes", index, name, new.reason)
                if new.reason != dropping.UNKNOWN_COUNTRY:
                    continue
                new = None
            self._store(profile, holder, name, new)
            points[name] = points.get(name, 0) + points_of(name, value)
        if "subscription_groups" in item:
            self._subscribe(profile, item["subscription_groups"])
        if "email_subscribe" in item:
            self._spread_subscription(profile)

    def _custom_value(self, name: str, value: Any, current: Any, *, merge: bool) -> Any:
        # The usual case, and it alone, cut short: a plain value of the type that the attribute is known to have.
        plain = PLAIN_TYPES.get(type(value))
        if plain and self._registry.detected.get(name) == plain and name not in self._special:
            return value if type(value) is not str or len(value) <= MAX_STRING_LENGTH else Dropped(dropping.TOO_LONG)
        if name in self._blocklist:
            return Dropped(dropping.BLOCKLISTED)
        if name in IGNORED:
            return Dropped(dropping.IGNORED_FIELD)
        settings = self._settings
        value = self._registry.admitted(name, value, settings.forced_types, lock=settings.lock_detected_types)
        if type(value) is Dropped:
            return value
        new = written(current, value, merge=merge, max_elements=settings.max_array_elements)
        if type(new) is not Dropped:
            self._registry.learn(name, value)
        return new

    def _store(self, profile: Profile, holder: dict[str, Any], name: str, new: Any) -> None:
        old = holder.get(name)
        # Not `==` alone: 1 and true are equal in Python, and not to Braze.
        if old == new and (type(old) is type(new) or not (isinstance(old, bool) or isinstance(new, bool))):
            self.outcome.unchanged += 1
            return
        if new is None:
            del holder[name]
        else:
            holder[name] = new
        profile.changed[name] = self._now
        self.outcome.change(profile, name, old, new)

    def _is_known_device(self, item: dict[str, Any], index: int) -> bool:
        """Return whether an import is of tokens that somebody has; Braze ignores it then.

        Braze docs, "User attributes object", 2026-09.
        """
        known = all(self._people.has_token(each["app_id"], each["token"]) for each in item["push_tokens"])
        if known:
            self.outcome.drop("attributes", index, "push_tokens", dropping.KNOWN_DEVICE)
        return known

    def _subscribe(self, profile: Profile, groups: list[dict[str, Any]]) -> None:
        channels = self._settings.subscription_groups or {}
        for group in groups:
            identifier = group["subscription_group_id"]
            change = Change(identifier, group["subscription_state"], channels.get(identifier, "email"))
            self._subscribing.give(profile, change)

    def _spread_subscription(self, profile: Profile) -> None:
        """Give everyone with this e-mail address the same subscription state.

        Braze docs, "POST /users/track", 2026-09.
        """
        email, state = profile.standard.get("email"), profile.standard.get("email_subscribe")
        if not email:
            return
        for other in self._people.found(Identity("email", email)):
            if other is not profile:
                self._store(other, other.standard, "email_subscribe", state)
                self._people.touch(other, self._now)

    def _log_event(self, profile: Profile, item: dict[str, Any], index: int) -> None:
        name = item["name"]
        if name in self._blocklist:
            self.outcome.drop("events", index, name, dropping.BLOCKLISTED)
            return
        self._count(profile.events, name, item["time"], 1)
        # Braze docs, "Recommended events", 2026-09: e-commerce events do not consume data points.
        if name not in SCHEMAS:
            _add(self.outcome.event_points, name, 1)
        self.outcome.events += 1

    def _log_purchase(self, profile: Profile, item: dict[str, Any]) -> None:
        # Braze docs, "Purchase object", 2026-09: a quantity of X is X purchases.
        product, currency, quantity = item["product_id"], item["currency"], item.get("quantity", 1)
        self._count(profile.purchases, product, item["time"], quantity)
        revenue = profile.revenue.get(currency, 0) + item["price"] * quantity
        if math.isfinite(revenue):
            profile.revenue[currency] = round(revenue, 6)
        _add(self.outcome.purchase_points, product, quantity)
        self.outcome.purchases += quantity

    def _count(self, summaries: dict[str, Summary], name: str, text: str, count: int) -> None:
        # Braze docs, "Event object", 2026-09: a time in the future becomes now.
        moment = times.parse(text)
        assert moment is not None  # validated before
        seconds = min(moment.timestamp(), self._now)
        if name in summaries:
            summaries[name].happened(seconds, count)
        else:
            summaries[name] = Summary(seconds, seconds, count)


def _add(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number
