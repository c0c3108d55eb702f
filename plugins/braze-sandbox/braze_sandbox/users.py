"""The routes about people's identifiers: delete, aliases, identify, merge, rename; without their HTTP side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox import messages, outcome, user_rules
from braze_sandbox.gate import Answer
from braze_sandbox.identities import Identity
from braze_sandbox.merging import take_over
from braze_sandbox.store import WorkingSet
from braze_sandbox.user_rules import chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.braze import Braze
    from braze_sandbox.calls import Call
    from braze_sandbox.profiles import Profile
    from braze_sandbox.user_rules import AliasUpdate, Checked, Identification, NewAlias, Wanted

GONE = "gone"  # the shelf on which it is kept what became of a profile that is no more


class People:
    """The people of one request, and what it does to them."""

    def __init__(self, braze: Braze, call: Call) -> None:
        self._shelves = braze.shelves
        self._set = WorkingSet(braze.store)
        self._outcome = call.outcome
        self._now = call.now

    def write(self) -> None:
        """Write what was done."""
        self._set.write()

    def meant(self, wanted: Wanted) -> Profile | None:
        """Return whom an identifier means, and count if that is nobody."""
        profile = chosen(self._set.found(wanted.identity), wanted.prioritization)
        if profile is None:
            self._outcome.missed += 1
        return profile

    def owner(self, kind: str, value: object) -> Profile | None:
        """Return who has an identifier that only one can have."""
        return next(iter(self._set.found(Identity(kind, value))), None)

    def delete(self, wanted: Wanted) -> None:
        """Delete somebody."""
        profile = self.meant(wanted)
        if profile:
            self._set.remove(profile)
            self._shelves.put(GONE, profile.braze_id, {"how": "deleted", "at": self._now, "into": None})
            self._outcome.step(outcome.DELETED, profile.label, "deleted")

    def add_alias(self, alias: NewAlias) -> None:
        """Add an alias to somebody, or make somebody who has nothing else."""
        value = (alias.label, alias.name)
        if self.owner("user_alias", value):
            return  # whose it is already; the page does not say that this were an error
        if alias.external_id is None:
            profile = self._set.made(Identity("user_alias", value), self._now)
            self._outcome.created += 1
        else:
            found = self.owner("external_id", alias.external_id)
            if found is None or alias.label in found.aliases:
                self._outcome.missed += found is None
                return
            profile = found
            profile.aliases[alias.label] = alias.name
            self._set.rename(profile, self._now)
        self._outcome.step(outcome.ALIAS_ADDED, profile, f"alias {alias.label}: {alias.name} added")

    def rename_alias(self, update: AliasUpdate) -> None:
        """Give an alias another name."""
        profile = self.owner("user_alias", (update.label, update.old))
        if profile is None:
            self._outcome.missed += 1
        elif not self.owner("user_alias", (update.label, update.new)):
            profile.aliases[update.label] = update.new
            self._set.rename(profile, self._now)
            text = f"alias {update.label}: {update.old} became {update.new}"
            self._outcome.step(outcome.ALIAS_RENAMED, profile, text)

    def identify(self, each: Identification) -> None:
        """Give somebody an external id: their own, or that of another into whom they are merged."""
        profile = self.meant(each.wanted)
        if profile is None or profile.external_id is not None:
            return  # who has an external id keeps it
        kept = self.owner("external_id", each.external_id)
        if kept is None:
            profile.external_id = each.external_id
            profile.notes.append((self._now, f"identified as {each.external_id}"))
            self._set.rename(profile, self._now)
            self._outcome.step(outcome.IDENTIFIED, profile, f"has the external id {each.external_id} now")
        elif not profile.aliases.keys() & kept.aliases.keys():
            kept.aliases.update(profile.aliases)
            self.merge(profile, kept, "identified")

    def merge(self, merged: Profile, kept: Profile, how: str) -> None:
        """Merge somebody into somebody else."""
        if merged is kept:
            return
        changes = take_over(kept, merged, self._now)
        self._set.remove(merged)
        kept.notes.append((self._now, f"{how}: took over {merged.label} ({merged.braze_id})"))
        self._set.rename(kept, self._now)
        self._shelves.put(GONE, merged.braze_id, {"how": "merged", "at": self._now, "into": kept.braze_id})
        for name, old, new in changes:
            self._outcome.change(kept, name, old, new)
        effect = outcome.IDENTIFIED if how == "identified" else outcome.MERGED
        self._outcome.step(effect, kept, f"took over {merged.label}")

    def rename(self, current: str, new: str) -> str | None:
        """Give somebody another external id, and keep the old one as deprecated; return why not."""
        profile = self.owner("external_id", current)
        if profile is None or profile.external_id != current:
            return messages.RENAME_UNKNOWN
        if self.owner("external_id", new):
            return messages.RENAME_TAKEN
        profile.external_id = new
        profile.deprecated_ids.append(current)
        profile.notes.append((self._now, f"external id renamed from {current} to {new}"))
        self._set.rename(profile, self._now)
        self._outcome.step(outcome.ID_RENAMED, profile, f"external id {current} became {new}")
        return None

    def remove_id(self, external_id: str) -> str | None:
        """Take a deprecated external id from somebody; return why not."""
        profile = self.owner("external_id", external_id)
        if profile is None or external_id not in profile.deprecated_ids:
            return messages.REMOVE_NOT_DEPRECATED
        profile.deprecated_ids.remove(external_id)
        self._set.rename(profile, self._now)
        self._outcome.step(outcome.ID_REMOVED, profile, f"deprecated external id {external_id} removed")
        return None


def delete(braze: Braze, call: Call) -> Answer:
    """Answer `/users/delete`. The number is that of the identifiers, whether or not they mean anybody."""
    wanted = user_rules.deletions(call.body)
    people = People(braze, call)
    for each in wanted:
        people.delete(each)
    people.write()
    return Answer(201, {"deleted": len(wanted), "message": messages.SUCCESS}, {})


def merge(braze: Braze, call: Call) -> Answer:
    """Answer `/users/merge`."""
    merges = user_rules.merges(call.body)
    people = People(braze, call)
    for each in merges:
        merged, kept = people.meant(each.merged), people.meant(each.kept)
        if merged and kept:
            people.merge(merged, kept, "merged")
    people.write()
    return Answer(202, {"message": messages.SUCCESS}, {})


def new_aliases(braze: Braze, call: Call) -> Answer:
    """Answer `/users/alias/new`."""
    return _each(braze, call, user_rules.new_aliases(call.body), People.add_alias)


def update_aliases(braze: Braze, call: Call) -> Answer:
    """Answer `/users/alias/update`."""
    return _each(braze, call, user_rules.alias_updates(call.body), People.rename_alias)


def identify(braze: Braze, call: Call) -> Answer:
    """Answer `/users/identify`."""
    return _each(braze, call, user_rules.identifications(call.body), People.identify)


def rename_external_ids(braze: Braze, call: Call) -> Answer:
    """Answer `/users/external_ids/rename`."""
    renames = user_rules.renames(call.body)
    people, done, errors = People(braze, call), [], []
    for index, each in enumerate(renames):
        error = each if isinstance(each, str) else people.rename(each.current, each.new)
        if error is not None:
            errors.append([index, error])
        elif not isinstance(each, str):
            done.append({"current_external_id": each.current, "new_external_id": each.new})
    people.write()
    return Answer(201, {"rename_errors": errors, "external_ids": done, "message": messages.SUCCESS}, {})


def remove_external_ids(braze: Braze, call: Call) -> Answer:
    """Answer `/users/external_ids/remove`."""
    external_ids = user_rules.removals(call.body)
    people, done, errors = People(braze, call), [], []
    for index, external_id in enumerate(external_ids):
        error = people.remove_id(external_id)
        if error is None:
            done.append(external_id)
        else:
            errors.append([index, error])
    people.write()
    return Answer(201, {"removed_ids": done, "removal_errors": errors, "message": messages.SUCCESS}, {})


def _each(braze: Braze, call: Call, checked: Checked, work: Callable[..., None]) -> Answer:
    """Do what is valid, and answer with its number and with the errors of the rest."""
    errors = messages.entries(checked.refusals, braze.settings.error_style)
    if not checked.valid:
        names = dict.fromkeys(refusal.array for refusal in checked.refusals)
        return Answer(400, {"message": messages.nothing_valid(names), "errors": errors}, {})
    people = People(braze, call)
    for each in checked.valid:
        work(people, each)
    people.write()
    answer = {"aliases_processed": len(checked.valid), "message": messages.SUCCESS}
    return Answer(201, {**answer, "errors": errors} if errors else answer, {})
