"""`POST /users/track` and its two variants without their HTTP side: count, check, apply, answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox import exports, messages, subscriptions, validation
from braze_sandbox.engine import Engine
from braze_sandbox.gate import Answer
from braze_sandbox.identities import identity_of
from braze_sandbox.store import WorkingSet

if TYPE_CHECKING:
    from braze_sandbox.braze import Braze
    from braze_sandbox.identities import Identity
    from braze_sandbox.journal import Record
    from braze_sandbox.limits import Group
    from braze_sandbox.validation import Checked


class Variant(NamedTuple):
    """One of the three routes.

    Attributes:
        path: Its path.
        scope: What a key must be allowed.
        limit: Its rate limit; `None` is the one of the settings.
        max_objects: Objects over the three arrays; `None` leaves it to the settings.
        max_body_bytes: A larger body is refused with 400; `None` leaves it to the settings, and to 413.
        max_per_profile: Objects about one person.
        is_sync: Whether the answer says what became of them.
    """

    path: str
    scope: str
    limit: Group | None = None
    max_objects: int | None = None
    max_body_bytes: int | None = None
    max_per_profile: int | None = None
    is_sync: bool = False


TRACK = Variant("/users/track", "users.track")
VARIANTS = (
    TRACK,
    # Braze docs, "Track users (bulk)" and "Track users (synchronous)", 2026-09. 2 MB as decimal, the narrower reading.
    Variant("/users/track/bulk", "users.track.bulk", "track.bulk", 1_000, 2_000_000, 100),
    Variant("/users/track/sync", "users.track.sync", "track.sync", 1, is_sync=True),
)


def objects_in(body: dict[str, Any]) -> dict[str, int]:
    """Return the number of objects in each array that is there."""
    return {array: len(body[array]) for array in validation.ARRAYS if isinstance(body.get(array), list)}


def refused_whole(braze: Braze, body: dict[str, Any], variant: Variant) -> Answer | None:
    """Return the refusal of a body whose arrays are none, or hold too much."""
    for array in validation.ARRAYS:
        if body.get(array) is not None and not isinstance(body[array], list):
            return Answer(400, {"message": messages.array_required(array)}, {})
    settings, counts = braze.settings, objects_in(body).values()
    if variant.max_objects is not None:
        is_too_much = sum(counts) > variant.max_objects
    else:
        most = sum(counts) if settings.object_limit == "combined" else max(counts, default=0)
        is_too_much = most > settings.max_objects_per_request
    if is_too_much:
        return Answer(400, {"message": messages.TOO_MANY_OBJECTS}, {})
    return None


def identities(checked: Checked) -> list[Identity | None]:
    """Return whom the valid objects are about."""
    return [identity_of(item) for items in checked.valid.values() for _, item in items]


def refused_per_profile(checked: Checked, variant: Variant) -> Answer | None:
    """Return the refusal of a request with too many objects about one person."""
    if variant.max_per_profile is None:
        return None
    counts = Counter(identities(checked))
    if max(counts.values(), default=0) > variant.max_per_profile:
        return Answer(400, {"message": messages.TOO_MANY_OBJECTS}, {})
    return None


def people(braze: Braze, checked: Checked) -> WorkingSet:
    """Return a working set with the people of a request as they are now."""
    working_set = WorkingSet(braze.store)
    working_set.load(identities(checked))
    return working_set


def applied(braze: Braze, checked: Checked, working_set: WorkingSet, record: Record, now: float) -> None:
    """Apply the valid objects, within a transaction, and count them."""
    outcome = Engine(working_set, braze.registry, braze.settings, now).apply(checked.valid)
    subscriptions.inherit(braze, working_set, outcome, now)
    working_set.write()
    rejected: dict[str, set[int]] = {}
    for refusal in checked.refusals:
        rejected.setdefault(refusal.array, set()).add(refusal.position)
    braze.counters.count_outcome(
        {array: len(items) for array, items in checked.valid.items()},
        {array: len(indexes) for array, indexes in rejected.items()},
        outcome,
    )
    braze.applied += 1
    record.outcome = outcome


def answer(braze: Braze, checked: Checked) -> Answer:
    """Return Braze's answer to a request whose objects were checked.

    Braze docs, "POST /users/track", 2026-09: counters count what is valid, and only arrays with something valid have
    one; with nothing valid at all the request is refused.
    """
    errors = messages.entries(checked.refusals, braze.settings.error_style)
    if not checked.valid:
        body: dict[str, Any] = {"message": messages.NOTHING_VALID}
        if errors:
            body["errors"] = errors
        return Answer(400, body, {})
    body = {f"{array}_processed": len(items) for array, items in checked.valid.items()}
    body["message"] = messages.SUCCESS
    if errors:
        body["errors"] = errors
    return Answer(201, body, {})


def answer_with_results(checked: Checked, people: WorkingSet | None) -> Answer:
    """Return the answer of `/users/track/sync`: what the request names, as it is after it; nobody if nobody was found.

    Braze docs, "Track users (synchronous)", 2026-09.
    """
    users = []
    for array, items in checked.valid.items():
        for _, item in items:
            identity = identity_of(item)
            found = people.found(identity) if people and identity else []
            if found:
                who = {identity.kind: item[identity.kind]} if identity else {}
                users.append({**who, **exports.results(found[0], array, item)})
    return Answer(201, {"users": users, "message": messages.SUCCESS}, {})
