"""The screen: one line for each step, and how the run ended, for a person to read."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABEL_WIDTH = 18
OUTCOMES = ("delivered", "unchanged", "held", "rejected")


@dataclass
class Step:
    """A line under way.

    Attributes:
        label: What is being done, in a word or two.
        result: What to say when it is done.
    """

    label: str
    result: str = ""
    began: float = field(default_factory=time.monotonic)

    def show(self, note: str = "") -> None:
        """Show that it is under way, and for how long; only where a line can be written again."""
        if sys.stdout.isatty():
            waiting = f"  {self.label:<{LABEL_WIDTH}}{note} {time.monotonic() - self.began:.0f} s"
            print(f"\r\033[K{waiting}", end="", flush=True)


@contextmanager
def step(label: str, note: str = "") -> Iterator[Step]:
    """Show a line while its block runs, and what the block found when it is done."""
    line = Step(label)
    line.show(note)
    try:
        yield line
    except BaseException:
        if sys.stdout.isatty():
            print()
        raise
    clear = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{clear}  {label:<{LABEL_WIDTH}}{line.result:<66}{time.monotonic() - line.began:6.1f} s", flush=True)


def outcome(summary: Mapping[str, Any]) -> list[str]:
    """Say in lines what became of every record, and what it took."""
    width = max(len(f"{summary['records']:,}"), 7)
    lines = [f"  {summary['records']:>{width},}  records read, of which"]
    lines += [f"  {summary[name]:>{width},}  {name}" for name in OUTCOMES]
    lines += [
        "",
        f"  {summary['requests']:>{width},}  requests"
        + (f", {summary['retries']:,} of them again" if summary["retries"] else ""),
        f"  {summary['data_points']:>{width},}  data points",
    ]
    return lines


def audiences(summary: Mapping[str, Any]) -> str:
    """Say in words who entered audiences and left them."""
    found = [pair for stream in summary["streams"].values() for pair in stream.get("audiences", {}).items()]
    return "; ".join(
        f"{name} has {counts['members']:,}, {counts['entered']:,} entered, {counts['left']:,} left"
        for name, counts in found
    )


def purchases(summary: Mapping[str, Any]) -> str:
    """Say in words what became of the purchases that were read; those that an earlier run sent are not sent again."""
    outcomes = {"delivered": "sent", "unchanged": "sent before", "held": "held", "rejected": "rejected"}
    counts = [f"{summary[name]:,} {what}" for name, what in outcomes.items() if summary[name] or name == "delivered"]
    return ", ".join([f"{summary['records']:,} read", *counts])


def bought(summary: Mapping[str, Any]) -> str:
    """Say in words what a run sent of purchases; what Braze bills is pieces."""
    if not summary["objects"]:
        return "nobody has bought anything since, so nothing was sent: 0 data points"
    points = summary["data_points"]
    sent, pieces = _counted(summary["objects"], "purchase"), _counted(points, "album")
    return f"{sent}, {pieces}: {_counted(points, 'data point')}; each is sent once"


def taken(summary: Mapping[str, Any], attributes: int) -> str:
    """Say in words what a run sent, and how that compares with sending all it read.

    Args:
        summary: Of the run.
        attributes: How many each of its records has, none of them free.
    """
    points, all_points = summary["data_points"], summary["records"] * attributes
    if not summary["objects"]:
        return f"nothing has changed, so nothing was sent: 0 data points instead of {all_points:,}"
    if points == all_points:
        return f"all of it, for Braze had none: {points:,} data points; from now on, only what changes"
    written = sum(sum(stream["attribute_updates"].values()) for stream in summary["streams"].values())
    people, things = _counted(summary["objects"], "customer"), _counted(written, "attribute")
    return f"{people}, {things}: {_counted(points, 'data point')} instead of {all_points:,}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def rejections(summary: Mapping[str, Any]) -> str:
    """Say why records were rejected, the most frequent reason first."""
    reasons = sorted(summary["rejections"].items(), key=lambda item: -item[1])
    return ", ".join(f"{reason} ({count:,})" for reason, count in reasons)


def pointers(rows: Mapping[str, str]) -> list[str]:
    """Align what there is to look at or to do next with where or how."""
    width = max(map(len, rows)) + 2
    return [f"  {what:<{width}}{where}" for what, where in rows.items()]
