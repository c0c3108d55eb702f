"""What a profile takes over from another that is merged into it. Pure.

Braze docs, "Merge users" and "Identify users", 2026-09, list the fields. What they do not list goes with the profile
that is merged: its external id, other fields of Braze's, subscription groups and cohorts, and, but for
`/users/identify`, its aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import times
from braze_sandbox.standard_fields import with_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.profiles import Profile, Summary

IF_ABSENT = frozenset(
    {
        "first_name",
        "last_name",
        "email",
        "gender",
        "dob",
        "phone",
        "time_zone",
        "home_city",
        "country",
        "language",
    }
)
EARLIER_OR_LATER: dict[str, Callable[..., Any]] = {"date_of_first_session": min, "date_of_last_session": max}


def take_over(kept: Profile, merged: Profile, now: float) -> list[tuple[str, Any, Any]]:
    """Write into `kept` what it takes over.

    Returns:
        The attributes that became others: name, before, after.
    """
    changes: list[tuple[str, Any, Any]] = []

    def write(holder: dict[str, Any], name: str, value: Any) -> None:
        old = holder.get(name)
        if old != value:
            changes.append((name, old, value))
            holder[name] = value
            kept.changed[name] = now

    for name in sorted(IF_ABSENT & merged.standard.keys() - kept.standard.keys()):
        write(kept.standard, name, merged.standard[name])
    for name, choose in EARLIER_OR_LATER.items():
        values = [each.standard[name] for each in (kept, merged) if name in each.standard]
        if values:
            write(kept.standard, name, choose(values, key=_moment))
    tokens = with_tokens(merged.standard.get("push_tokens"), kept.standard.get("push_tokens"))
    if tokens:
        write(kept.standard, "push_tokens", tokens)
    for name in sorted(merged.custom.keys() - kept.custom.keys()):
        write(kept.custom, name, merged.custom[name])
    _add_up(kept.events, merged.events)
    _add_up(kept.purchases, merged.purchases)
    for currency, amount in merged.revenue.items():
        kept.revenue[currency] = round(kept.revenue.get(currency, 0) + amount, 6)
    return changes


def _add_up(kept: dict[str, Summary], merged: dict[str, Summary]) -> None:
    for name, summary in merged.items():
        if name not in kept:
            kept[name] = summary
            continue
        kept[name].happened(summary.first, 0)
        kept[name].happened(summary.last, summary.count)


def _moment(text: str) -> float:
    moment = times.parse(text)
    return moment.timestamp() if moment else 0.0
