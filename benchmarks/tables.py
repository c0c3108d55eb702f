"""What the tables of both benchmarks have in common: how figures are written, on what machine, and where to."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

README: Final = Path(__file__).with_name("README.md")
END: Final = "<!-- end of results -->"


def write(text: str, begin: str) -> None:
    """Replace the results in the README.

    Args:
        text: The results.
        begin: The line that they follow.
    """
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(END)
    assert after, "the README has lost the comments between which the results stand"
    README.write_text(f"{before}{begin}\n{text}\n{END}{after}", encoding="utf-8")


def spread(figures: list[float], form: str) -> str:
    """The median, and between what it lies."""
    if len(figures) == 1:
        return form.format(figures[0])
    return f"{form.format(median(figures))} ({form.format(min(figures))} to {form.format(max(figures))})"


def goal_row(goal: str, measured: str, is_met: bool) -> str:
    """A goal as a row of a table."""
    return f"| {goal} | {measured} | {'yes' if is_met else '**no**'} |"


def machine(packages: Iterable[str]) -> str:
    """When, on what, and with which versions of which packages."""
    return (
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores "
        f"(load {os.getloadavg()[0]:.1f} at the end), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in packages)}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
