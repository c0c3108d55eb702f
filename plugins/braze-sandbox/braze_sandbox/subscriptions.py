"""The subscription routes without their HTTP side, and the states that wait for somebody with an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import messages, outcome
from braze_sandbox.gate import Answer
from braze_sandbox.store import WorkingSet
from braze_sandbox.subscribing import Change, Subscribing
from braze_sandbox.subscription_rules import asked, group_of, subscriptions

if TYPE_CHECKING:
    from braze_sandbox.braze import Braze
    from braze_sandbox.calls import Call
    from braze_sandbox.identities import Identity
    from braze_sandbox.profiles import Profile

WAITING = "waiting"  # the shelf of states that nobody has yet, by address
# Braze docs, "Subscription groups", 2026-09: a state for an address that nobody has is kept for 30 days.
WAITING_SECONDS = 30 * 86_400.0


def set_v1(braze: Braze, call: Call) -> Answer:
    """Answer `/subscription/status/set`."""
    return _set(braze, call, version=1)


def set_v2(braze: Braze, call: Call) -> Answer:
    """Answer `/v2/subscription/status/set`."""
    return _set(braze, call, version=2)


def status(braze: Braze, call: Call) -> Answer:
    """Answer `/subscription/status/get`: the state of some people in one group."""
    group = next(iter(call.query.get("subscription_group_id", ())), None)
    group_of(group, braze.settings.subscription_groups)
    people = asked(call.query)
    found = {}
    for identity in people:
        profile = next(iter(braze.store.found(identity)), None)
        membership = profile.groups.get(str(group)) if profile else None
        # Capitals as in recorded answers.
        found[identity.value] = membership.state.capitalize() if membership else "unknown"
    return Answer(200, {"status": found, "message": messages.SUCCESS}, {})


def groups(braze: Braze, call: Call) -> Answer:
    """Answer `/subscription/user/status`: every group of some people."""
    people = asked(call.query)
    profiles = {profile.id: profile for identity in people for profile in braze.store.found(identity)}
    users = [_user(profile, braze.settings.subscription_groups or {}) for profile in profiles.values()]
    return Answer(200, {"users": users, "total_count": len(users), "message": messages.SUCCESS}, {})


def inherit(braze: Braze, people: WorkingSet, done: outcome.Outcome, now: float) -> None:
    """Give people who were just made the states that wait for their addresses, within a transaction."""
    if not people.created or not braze.shelves.has(WAITING):
        return
    subscribing = Subscribing(people, done, now)
    for profile in people.created:
        for kind in ("email", "phone"):
            address = profile.standard.get(kind)
            waiting = braze.shelves.get(WAITING, f"{kind}:{address}") if address else None
            if not waiting:
                continue
            for group, (state, since) in waiting.items():
                if now - since <= WAITING_SECONDS and group not in profile.groups:
                    subscribing.write(profile, Change(group, state, kind))
            braze.shelves.remove(WAITING, [f"{kind}:{address}"])


def _set(braze: Braze, call: Call, *, version: int) -> Answer:
    wanted = subscriptions(call.body, braze.settings.subscription_groups, version=version)
    people = WorkingSet(braze.store)
    subscribing = Subscribing(people, call.outcome, call.now)
    for each in wanted:
        for identity in each.people:
            if identity.kind == "external_id":
                found = people.found(identity)
                call.outcome.missed += not found
                for profile in found:
                    subscribing.give(profile, each.change)
            elif not subscribing.give_all(identity, each.change):
                _keep(braze, call, identity, each.change)
    people.write()
    return Answer(201, {"message": messages.SUCCESS}, {})


def _keep(braze: Braze, call: Call, identity: Identity, change: Change) -> None:
    """Keep a state for whoever is made with an address."""
    name = f"{identity.kind}:{identity.value}"
    waiting = braze.shelves.get(WAITING, name) or {}
    waiting[change.group] = (change.state, call.now)
    braze.shelves.put(WAITING, name, waiting)
    call.outcome.step(outcome.WAITING, identity.value, f"{change.state} in {change.group}, once somebody has it")


def _user(profile: Profile, channels: dict[str, Any]) -> dict[str, Any]:
    return {
        "email": profile.standard.get("email"),
        "phone": profile.standard.get("phone"),
        "external_id": profile.external_id,
        "subscription_groups": [
            {
                "id": group,
                "name": group,  # the sandbox knows no other
                "channel": channels.get(group, "email"),
                "status": membership.state.capitalize(),
            }
            for group, membership in profile.groups.items()
        ],
    }
