"""`POST /users/track` without its HTTP side: count, check, apply, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import messages, subscriptions, validation
from braze_sandbox.engine import Engine
from braze_sandbox.gate import Answer
from braze_sandbox.identities import identity_of
from braze_sandbox.store import WorkingSet

if TYPE_CHECKING:
    from braze_sandbox.braze import Braze
    from braze_sandbox.identities import Identity
    from braze_sandbox.journal import Record
    from braze_sandbox.validation import Checked

SCOPE = "users.track"


def objects_in(body: dict[str, Any]) -> dict[str, int]:
    """Return the number of objects in each array that is there."""
    return {array: len(body[array]) for array in validation.ARRAYS if isinstance(body.get(array), list)}


def refused_whole(braze: Braze, body: dict[str, Any]) -> Answer | None:
    """Return the refusal of a body whose arrays are none, or hold too much."""
    for array in validation.ARRAYS:
        if body.get(array) is not None and not isinstance(body[array], list):
            return Answer(400, {"message": messages.array_required(array)}, {})
    settings, counts = braze.settings, objects_in(body).values()
    most = sum(counts) if settings.object_limit == "combined" else max(counts, default=0)
    if most > settings.max_objects_per_request:
        return Answer(400, {"message": messages.TOO_MANY_OBJECTS}, {})
    return None


def identities(checked: Checked) -> list[Identity | None]:
    """Return whom the valid objects are about."""
    return [identity_of(item) for items in checked.valid.values() for _, item in items]


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
