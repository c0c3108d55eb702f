"""How a run ended, in lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze.additions import IN_DOUBT
from target_braze.plan import HOURLY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_OUTCOMES: Final = ("delivered", "unchanged", "held", "rejected", "unfinished")
_MAX_REASONS: Final = 10
_MAX_ATTRIBUTES: Final = 30


def outcome_lines(summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    """The summary in a few lines.

    Args:
        summary: What `summary.json` holds.
        path: Where that file is.
    """
    if summary["dry_run"]:
        yield "Dry run: nothing was sent, and no STATE left. With the same input, a run would end so:"
    outcomes = ", ".join(f"{summary[name]:,} {name}" for name in _OUTCOMES if summary[name] or name == "delivered")
    yield f"{summary['records']:,} records read: {outcomes}."
    again = f" ({summary['retries']:,} of them again)" if summary["retries"] else ""
    points, seconds = f"{summary['data_points']:,} data points", f"{summary['seconds']:,.1f} seconds"
    yield f"{summary['requests']:,} requests{again}, {points}, {seconds}."
    for name, stream in summary["streams"].items():
        yield from _held_lines(name, stream["held_attributes"])
        yield from _doubtful_lines(name, stream, path)
        yield from _audience_lines(name, stream.get("audiences", {}))
        if summary["dry_run"]:
            yield from _attribute_lines(name, stream)
    if "plan" in summary:
        yield from _plan_lines(summary["plan"])
    reasons = list(summary["rejections"].items())
    if reasons:
        yield f"Rejected, and why (each in rejected.jsonl beside {path}):"
    for reason, count in reasons[:_MAX_REASONS]:
        yield f"  {count:,} x {reason}"
    if len(reasons) > _MAX_REASONS:
        yield f"  and {len(reasons) - _MAX_REASONS} more reasons"
    yield f"Summary: {path}"


def _doubtful_lines(name: str, stream: Mapping[str, Any], path: Path) -> Iterator[str]:
    additions = sum(each["changes"] for each in stream["held_attributes"] if each["policy"] == IN_DOUBT)
    if held := additions or stream.get("in_doubt"):
        yield (
            f"Held in stream {name}: {held:,} of which nobody knows whether Braze has them (each in "
            f"held.jsonl beside {path}, with what to do)."
        )
    if stream.get("sent_again"):
        yield f"Sent again in stream {name}: {stream['sent_again']:,} that Braze may have had already."


def _held_lines(stream: str, held: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    held = [each for each in held if each["policy"] != IN_DOUBT]
    if held:
        yield f"Held back in stream {stream} (by its `fields`; each goes out when its time has come):"
    for each in held:
        changes, saved = each["changes"], each["data_points_saved"]
        yield f"  {each['attribute']}: {changes:,} changes by {each['policy']}, {saved:,} data points saved"


def _audience_lines(stream: str, audiences: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    if audiences:
        yield f"Audiences of stream {stream}:"
    for name, counts in audiences.items():
        moved = f"{counts['entered']:,} entered, {counts['stayed']:,} stayed, {counts['left']:,} left"
        undecided = f"; {counts['undecided']:,} records did not say enough" if counts["undecided"] else ""
        yield f"  {name}: {moved}, {counts['members']:,} are in it{undecided}"


def _attribute_lines(stream: str, counted: Mapping[str, Any]) -> Iterator[str]:
    """What would change, as a table."""
    updates = counted["attribute_updates"]
    if not updates:
        return
    shown = list(updates)[:_MAX_ATTRIBUTES]
    width = max(len("attribute"), *map(len, shown))
    yield f"What would change in stream {stream}:"
    yield f"  {'attribute':{width}}  {'people':>12}  {'data points':>12}"
    for name in shown:
        yield f"  {name:{width}}  {updates[name]:>12,}  {counted['attributes'].get(name, 0):>12,}"
    if len(updates) > len(shown):
        yield f"  and {len(updates) - len(shown)} more attributes, in the summary"


def _plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"It would take {_minutes(plan['minutes'])} at `max_requests_per_second`, and "
        f"{_minutes(plan['minutes_at_hourly_limit'])} where the account allows {HOURLY_LIMIT:,} requests an hour."
    )
    if plan["habits"]:
        yield "Costly habits, and the line of the settings that would mend each:"
    for habit in plan["habits"]:
        yield f"  {habit['stream']}, {habit['attribute']} ({habit['data_points']:,} data points): {habit['habit']}"
        yield f"    {habit['settings']}"


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"{minutes:,.0f} minutes"
