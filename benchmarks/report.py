"""Turns the measured runs into Markdown tables: medians, ratios taken within a round, and the goals."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.tables import goal_row, machine, spread
from benchmarks.variants import (
    BRAZE,
    BRAZE_LIMITED,
    BRAZE_LONG,
    FLOOR,
    PLAIN,
    PLAIN_UNCHECKED,
    Result,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Round = dict[str, Result]
"""The runs of one round, by the key of their variant."""

BEGIN: Final = "<!-- results: written by `benchmarks/run.py --write` -->"
PACKAGES: Final = ("target-braze", "singer-sdk", "msgspec", "aiohttp", "requests")

MIN_REQUESTS_PER_SECOND: Final = 800
MAX_RSS_MB: Final = 300
MIN_SHARE_OF_LIMIT: Final = 0.95
MIN_TIMES_PLAIN: Final = 30


def report(variants: list[Variant], rounds: list[Round], conditions: str, limit: int) -> str:
    """All of it as Markdown.

    Args:
        variants: What was compared, in the table's order.
        rounds: The results.
        conditions: What held for all of them, in words.
        limit: Requests per second in the limited runs.
    """
    parts = (f"{conditions} {machine(PACKAGES)}", _runs(variants, rounds), _goals(rounds, limit), _stub(rounds))
    return "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts)


def _runs(variants: list[Variant], rounds: list[Round]) -> Iterator[str]:
    yield (
        "| | runs | records | records/s | x decode only | CPU s | CPU per record, x decode only "
        "| peak RSS, MB | requests/s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for variant in variants:
        runs = _all(rounds, variant.key)
        if not runs:
            continue
        speed = _paired(rounds, variant.key, FLOOR, lambda run: run.records_per_second)
        cpu = _paired(rounds, variant.key, FLOOR, lambda run: run.cpu_per_record)
        # on fewer records than the floor's, the start of the process would pass for the cost of a record
        is_long_enough = variant.records >= variants[0].records
        cells = (
            variant.label,
            f"{len(runs)}",
            f"{variant.records:,}",
            spread([run.records_per_second for run in runs], "{:,.0f}"),
            f"{median(speed):.3g}",
            spread([run.usage.cpu_seconds for run in runs], "{:.2f}"),
            f"{median(cpu):.3g}" if is_long_enough else "",
            spread([run.usage.peak_rss_mb for run in runs], "{:.0f}"),
            spread([run.requests_per_second for run in runs], "{:,.0f}") if runs[0].stub else "",
        )
        yield f"| {' | '.join(cells)} |"


def _goals(rounds: list[Round], limit: int) -> Iterator[str]:
    yield "| goal | measured | met |\n|---|--:|---|"
    if fast := _all(rounds, BRAZE):
        pace = median(run.requests_per_second for run in fast)
        goal = f"at least {MIN_REQUESTS_PER_SECOND} requests/s of 75 objects, sustained"
        yield goal_row(goal, f"{pace:,.0f}", pace >= MIN_REQUESTS_PER_SECOND)
        yield _memory_goal("", fast)
    if long := _all(rounds, BRAZE_LONG):
        yield _memory_goal(", whatever the input's size: 3 x the input", long)
    if limited := _all(rounds, BRAZE_LIMITED):
        most = max(run.stub["most_in_one_second"] for run in limited)
        late_ms = max(run.stub["late_reply_seconds"] for run in limited) * 1000
        measured = f"{most:.0f} in the fullest second of all rounds (stub at most {late_ms:.0f} ms late)"
        yield goal_row(f"never more than {limit} requests in any second", measured, most <= limit)
        share = median(run.requests_per_second for run in limited) / limit
        goal = f"at least {MIN_SHARE_OF_LIMIT:.0%} of that limit used"
        yield goal_row(goal, f"{share:.1%}", share >= MIN_SHARE_OF_LIMIT)
    if fast and _all(rounds, PLAIN):
        times = _times_as_fast(rounds, PLAIN)
        goal = f"at least {MIN_TIMES_PLAIN} x the plain SDK target"
        yield goal_row(goal, f"{times:.1f} x", times >= MIN_TIMES_PLAIN)
    if fast and _all(rounds, PLAIN_UNCHECKED):
        times = _times_as_fast(rounds, PLAIN_UNCHECKED)
        yield f"| (no goal) x the plain SDK target without validation | {times:.1f} x | |"


def _stub(rounds: list[Round]) -> str:
    runs = [run for found in rounds for run in found.values() if run.stub]
    if not runs:
        return ""
    busiest = max(runs, key=lambda run: run.stub["cpu_seconds"] / run.usage.seconds)
    cost = busiest.stub["cpu_seconds"] / busiest.stub["requests"]
    share = busiest.stub["cpu_seconds"] / busiest.usage.seconds
    return (
        f"The stub was busy for {share:.0%} of the run that kept it busiest, with {cost * 1e3:.2f} ms of "
        f"CPU for a request: one core of it would do for {1 / cost:,.0f} requests/s."
    )


def _times_as_fast(rounds: list[Round], other: str) -> float:
    """How many times as fast as another: by records/s or by requests/s, whichever is less.

    The first holds each one's start and end against it, the second does not. They run on different numbers
    of records, so neither would be fair alone.
    """
    return min(
        median(_paired(rounds, BRAZE, other, lambda run: run.records_per_second)),
        median(_paired(rounds, BRAZE, other, lambda run: run.requests_per_second)),
    )


def _paired(rounds: list[Round], key: str, other: str, figure: Callable[[Result], float]) -> list[float]:
    both = [(found[key], found[other]) for found in rounds if key in found and other in found]
    return [figure(one) / figure(another) for one, another in both]


def _all(rounds: list[Round], key: str) -> list[Result]:
    return [found[key] for found in rounds if key in found]


def _memory_goal(condition: str, runs: list[Result]) -> str:
    peak = max(run.usage.peak_rss_mb for run in runs)
    return goal_row(f"less than {MAX_RSS_MB} MB of memory{condition}", f"{peak:.0f} MB", peak < MAX_RSS_MB)
