"""The cohort routes of partners without their HTTP side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import cohort_rules, messages, outcome
from braze_sandbox.gate import Answer
from braze_sandbox.profiles import Membership
from braze_sandbox.store import WorkingSet

if TYPE_CHECKING:
    from braze_sandbox.braze import Braze
    from braze_sandbox.calls import Call

SHELF = "cohorts"
SECRETS = ("partner_api_key", "client_secret")
MEMBER = "member"


def key_of(partner: str, cohort_id: str) -> str:
    """Return under what a cohort is kept."""
    return f"{partner}/{cohort_id}"


def name_cohort(braze: Braze, call: Call) -> Answer:
    """Answer `/partners/{partner}/cohorts`."""
    partner = call.path["partner"]
    error = cohort_rules.key_error(call.body, partner, braze.settings)
    if error:
        return Answer(401, {"message": error}, {})
    cohort = cohort_rules.cohort(call.body)
    key = key_of(partner, cohort.cohort_id)
    document = {"partner": partner, "cohort_id": cohort.cohort_id, "name": cohort.name, "created_at": cohort.created_at}
    if braze.shelves.get(SHELF, key) != document:
        braze.shelves.put(SHELF, key, document)
        call.outcome.step(outcome.COHORT_NAMED, key, f"named {cohort.name}")
    return Answer(201, {"message": messages.SUCCESS}, {})


def change_members(braze: Braze, call: Call) -> Answer:
    """Answer `/partners/{partner}/cohorts/users`. Who is not known is left out without a word."""
    partner = call.path["partner"]
    error = cohort_rules.key_error(call.body, partner, braze.settings)
    if error:
        return Answer(401, {"message": error}, {})
    cohort_id, changes = cohort_rules.cohort_id(call.body), cohort_rules.changes(call.body)
    key = key_of(partner, cohort_id)
    document = braze.shelves.get(SHELF, key)
    if document is None:
        document = {"partner": partner, "cohort_id": cohort_id, "name": cohort_id, "created_at": None}
        braze.shelves.put(SHELF, key, document)
    people = WorkingSet(braze.store)
    people.load(identity for change in changes for identity in change.people)
    for change in changes:
        for identity in change.people:
            found = people.found(identity)
            call.outcome.missed += not found
            for profile in found:
                if not change.leaves:
                    # Braze docs, "Data points", 2026-09: an assignment by a partner is one.
                    points = call.outcome.cohort_points
                    points[document["name"]] = points.get(document["name"], 0) + 1
                if (key in profile.cohorts) == (not change.leaves):
                    call.outcome.unchanged += 1
                    continue
                if change.leaves:
                    del profile.cohorts[key]
                    call.outcome.step(outcome.LEFT, profile, f"left {document['name']}")
                else:
                    profile.cohorts[key] = Membership(MEMBER, call.now)
                    call.outcome.step(outcome.JOINED, profile, f"joined {document['name']}")
                people.rename(profile, call.now)
    people.write()
    return Answer(201, {"message": messages.SUCCESS}, {})


def listed(braze: Braze) -> list[dict[str, Any]]:
    """Return all cohorts with the number of their members."""
    return [{**document, "members": braze.store.count_members(key)} for key, document in braze.shelves.listed(SHELF)]
