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
_ONE = {"attributes": "attributes object", "events": "event", "purchases": "purchase"}
_MANY = {"attributes": "attributes objects", "events": "events", "purchases": "purchases"}


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
    parts = [counted(n, _ONE[array], _MANY[array]) for array, n in record.objects.items() if n]
    return ", ".join(parts) or "nothing"


def errors(record: Record) -> list[dict[str, Any]]:
    """Return the errors of an answer, whatever shape they have."""
    found = record.answer.get("errors", []) if isinstance(record.answer, dict) else []
    return [error for error in found if isinstance(error, dict)] if isinstance(found, list) else []


def message(record: Record) -> str:
    """Return what an answer said if it was no success."""
    if record.status is None:
        return "not answered"
    answer = record.answer if isinstance(record.answer, dict) else {}
    said = answer.get("message") or answer.get("error") or ""
    return "" if said == "success" else str(said)


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
        parts.append(counted(outcome.purchases, "purchase"))
    if outcome.dropped:
        parts.append(f"{counted(sum(outcome.dropped.values()), 'value')} dropped silently")
    if outcome.missed:
        parts.append(f"{counted(outcome.missed, 'object')} for nobody known")
    return "; ".join(parts) or "nothing changed"


def last_change(profile: Profile) -> float:
    """Return when anything of a profile last became another."""
    return max(profile.changed.values(), default=profile.created)


def bars(points: dict[str, int]) -> list[tuple[str, int, float]]:
    """Return names with their count, the most first, and each one's share of the most in percent."""
    most = max(points.values(), default=0) or 1
    ranked = sorted(points.items(), key=lambda item: (-item[1], item[0]))
    return [(name, count, 100 * count / most) for name, count in ranked]
