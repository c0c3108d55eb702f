"""How a run ended, in lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_OUTCOMES: Final = ("delivered", "unchanged", "held", "rejected", "unfinished")
_MAX_REASONS: Final = 10


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
    reasons = list(summary["rejections"].items())
    if reasons:
        yield f"Rejected, and why (each in rejected.jsonl beside {path}):"
    for reason, count in reasons[:_MAX_REASONS]:
        yield f"  {count:,} x {reason}"
    if len(reasons) > _MAX_REASONS:
        yield f"  and {len(reasons) - _MAX_REASONS} more reasons"
    yield f"Summary: {path}"
