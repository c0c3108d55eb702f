"""How values, times and outcomes read on the page. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from braze_sandbox.journal import Record
    from braze_sandbox.outcome import Outcome
    from braze_sandbox.profiles import Profile

NAMED_ATTRIBUTES = 3
MAX_BODY_CHARACTERS = 200_000
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
# Arrays of requests and effects: one of it, and many.
_WORDS = {
    "attributes": ("attributes object", "attributes objects"),
    "user_aliases": ("alias", "aliases"),
    "alias_updates": ("alias", "aliases"),
    "aliases_to_identify": ("alias to identify", "aliases to identify"),
    "emails_to_identify": ("e-mail address to identify", "e-mail addresses to identify"),
    "phone_numbers_to_identify": ("phone number to identify", "phone numbers to identify"),
    "merge_updates": ("merge", "merges"),
    "external_id_renames": ("renaming", "renamings"),
    "email_addresses": ("e-mail address", "e-mail addresses"),
    "cohort_changes": ("change", "changes"),
    "fields_to_export": ("field", "fields"),
    "aliases_added": ("alias added", "aliases added"),
    "aliases_renamed": ("alias renamed", "aliases renamed"),
    "subscribed": ("subscribed", "subscribed"),
    "unsubscribed": ("unsubscribed", "unsubscribed"),
    "external_ids_renamed": ("external id renamed", "external ids renamed"),
    "external_ids_removed": ("external id removed", "external ids removed"),
    "items_ignored": ("item ignored", "items ignored"),
    "states_waiting": ("state waits for its address", "states wait for their addresses"),
    "joined": ("joined", "joined"),
    "left": ("left", "left"),
}


def number(value: float) -> str:
    """Return a count with its thousands set apart."""
    return f"{value:,}"


def moment(seconds: float) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%d %b %Y, %H:%M:%S")


def clock(seconds: float) -> str:
    """Return the time of day, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%H:%M:%S")


def age(seconds: float, now: float) -> str:
    """Return how long ago something was."""
    passed = max(0, int(now - seconds))
    for length, unit in _AGES:
        if passed >= length:
            return f"{passed // length} {unit} ago"
    return "just now"


def json(value: Any) -> str:
    """Return a value as it would stand in a request."""
    return msgspec.json.encode(value).decode()


def pretty(value: Any) -> str:
    """Return a body over several lines, cut if it is very long."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= MAX_BODY_CHARACTERS else text[:MAX_BODY_CHARACTERS] + "\n… (cut here)"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count and what is counted."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def objects(record: Record) -> str:
    """Return what a request held."""
    return ", ".join(_worded(count, name) for name, count in record.objects.items() if count) or "nothing"


def is_track(record: Record) -> bool:
    """Return whether a request was one to `/users/track`, which most are and which go without saying."""
    return record.path == "/users/track"


def errors(record: Record) -> list[tuple[str | None, Any, str]]:
    """Return the errors of an answer, whatever shape they have: where, index, text."""
    answer = record.answer if isinstance(record.answer, dict) else {}
    found = [_error(error) for error in _list(answer.get("errors")) if isinstance(error, dict)]
    for name, where in (("rename_errors", "external_id_renames"), ("removal_errors", "external_ids")):
        found += [(where, error[0], str(error[1])) for error in map(_list, _list(answer.get(name))) if len(error) > 1]
    return found


def _error(error: dict[str, Any]) -> tuple[str | None, Any, str]:
    if "id" not in error:
        return error.get("input_array"), error.get("index"), str(error.get("type", ""))
    # As catalogs have it.
    values = ", ".join(each if isinstance(each, str) else json(each) for each in _list(error.get("parameter_values")))
    text = f"{error['id']}: {error.get('message')}" + (f" ({values})" if values else "")
    return ", ".join(map(str, _list(error.get("parameters")))) or None, None, text


def message(record: Record) -> str:
    """Return what an answer said if it was no success."""
    if record.status is None:
        return "not answered"
    answer = record.answer if isinstance(record.answer, dict) else {}
    said = answer.get("message") or answer.get("error") or ""
    if said == "success":
        return ""
    # Catalogs have one message for everything; what is wrong is in the errors.
    reasons = [str(error["id"]) for error in _list(answer.get("errors")) if isinstance(error, dict) and "id" in error]
    return f"{said}: {', '.join(reasons)}" if reasons else str(said)


def effect(outcome: Outcome | None) -> str:
    """Return in one line what a request did."""
    if outcome is None:
        return "nothing was applied"
    parts = []
    if outcome.created:
        parts.append(counted(outcome.created, "new profile"))
    values = sum(outcome.changed.values())
    if values:
        names = sorted(outcome.changed, key=lambda name: (-outcome.changed[name], name))
        where = ", ".join(names) if len(names) <= NAMED_ATTRIBUTES else counted(len(names), "attribute")
        parts.append(f"{counted(values, 'value')} in {where}")
    if outcome.events:
        parts.append(counted(outcome.events, "event"))
    if outcome.purchases:
        parts.append(f"{counted(outcome.purchases, 'piece')} bought")  # a quantity of X is X purchases
    parts += [_worded(count, name) for name, count in outcome.effects.items()]
    if outcome.dropped:
        parts.append(f"{counted(sum(outcome.dropped.values()), 'value')} dropped silently")
    if outcome.missed:
        parts.append(f"{counted(outcome.missed, 'object')} for nobody known")
    return "; ".join(parts) or "nothing changed"


def _worded(count: int, name: str) -> str:
    """Return a count of what an array holds or what was done."""
    many = name.replace("_", " ")
    first, _, rest = many.partition(" ")
    # "profiles deleted" is many, "profile deleted" one; so for all that are not in the table.
    one = f"{first.removesuffix('s')} {rest}".strip() if name.endswith("ed") else many.removesuffix("s")
    return counted(count, *_WORDS.get(name, (one, many)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def last_change(profile: Profile) -> float:
    """Return when anything of a profile last became another."""
    return max(profile.changed.values(), default=profile.created)


def bars(points: dict[str, int]) -> list[tuple[str, int, float]]:
    """Return names with their count, the most first, and each one's share of the most in percent."""
    most = max(points.values(), default=0) or 1
    ranked = sorted(points.items(), key=lambda item: (-item[1], item[0]))
    return [(name, count, 100 * count / most) for name, count in ranked]
