"""What it takes to give somebody a state in a subscription group. Pure but for the working set it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from braze_sandbox.identities import Identity
from braze_sandbox.outcome import SUBSCRIBED, UNSUBSCRIBED
from braze_sandbox.profiles import Membership

if TYPE_CHECKING:
    from braze_sandbox.outcome import Outcome
    from braze_sandbox.profiles import Profile
    from braze_sandbox.store import WorkingSet

EFFECTS = {"subscribed": SUBSCRIBED, "unsubscribed": UNSUBSCRIBED}


def address_of(channel: str) -> str:
    """Return by which address a group of this channel reaches people."""
    return "email" if channel == "email" else "phone"


class Change(NamedTuple):
    """One group, and the state that somebody gets in it."""

    group: str
    state: str
    channel: str


class Subscribing:
    """Gives states within one request."""

    def __init__(self, people: WorkingSet, outcome: Outcome, now: float) -> None:
        self._people = people
        self._outcome = outcome
        self._now = now

    def give(self, profile: Profile, change: Change) -> None:
        """Give somebody a state, and everybody else with the same address.

        Braze docs, "Update user's subscription group status", 2026-09: people who share an address share its state.
        """
        self.write(profile, change)
        kind = address_of(change.channel)
        address = profile.standard.get(kind)
        if address:
            self.give_all(Identity(kind, address), change)

    def give_all(self, identity: Identity, change: Change) -> bool:
        """Give everybody with an address a state; return whether there is anybody."""
        found = self._people.found(identity)
        for profile in found:
            self.write(profile, change)
        return bool(found)

    def write(self, profile: Profile, change: Change) -> None:
        """Give one profile a state."""
        self._people.touch(profile, self._now)
        had = profile.groups.get(change.group)
        if had is not None and had.state == change.state:
            return
        profile.groups[change.group] = Membership(change.state, self._now)
        self._outcome.step(EFFECTS[change.state], profile, f"{change.state} in {change.group}")
