"""Turns the measured runs into Markdown tables: medians, ratios taken within a round, and the goals."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import OBJECTS_PER_REQUEST, Result
from benchmarks.tables import goal_row, machine, spread
from benchmarks.variants import (
    CHANGED,
    CHANGED_ALL,
    CHANGED_WHOLE,
    DISCARDING,
    DISCARDING_UNCHECKED,
    KILLED,
    LARGE,
    LARGE_CHANGED,
    LARGE_UNCHANGED,
    LIMITED,
    LONG,
    MELTANO,
    MEMORY,
    NEW,
    PLAIN,
    PLAIN_UNCHECKED,
    START,
    TIMES_AS_LONG,
    UNCHANGED,
    UNSENT,
    Variant,
    floor_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Round = dict[str, Result]
"""The runs of one round, by the key of their variant."""

BEGIN: Final = "<!-- results: written by `benchmarks/run.py --write` -->"
PACKAGES: Final = (
    "target-braze",
    "singer-sdk",
    "msgspec",
    "numpy",
    "xxhash",
    "rocksdict",
    "aiohttp",
    "requests",
    "meltano",
)
HEADINGS: Final = {
    NEW: "everything new",
    UNCHANGED: "nothing changed",
    UNSENT: "nothing changed but a column that is not sent",
    CHANGED: "5 % of the records changed, in one attribute or two",
    MEMORY: "a large ledger",
    MELTANO: "nothing changed, through Meltano",
}

MIN_TIMES_FLOOR: Final = {UNCHANGED: 1.2, UNSENT: 0.6, CHANGED: 0.5}
MIN_TIMES_DISCARDING: Final = {DISCARDING: 80, DISCARDING_UNCHECKED: 12}
MIN_REQUESTS_PER_SECOND: Final = 900
MIN_SHARE_OF_LIMIT: Final = 0.95
MIN_TIMES_PLAIN: Final = 30
MAX_RSS_MB: Final = 400
MAX_GROWTH: Final = 1.1
"""Of memory, with three times the input: what of it is noise."""


def report(variants: list[Variant], rounds: list[Round], conditions: str, limit: int) -> str:
    """All of it as Markdown.

    Args:
        variants: What was compared, in the table's order.
        rounds: The results.
        conditions: What held for all of them, in words.
        limit: Requests per second in the limited runs.
    """
    parts = [f"{conditions} {machine(PACKAGES)}"]
    for case, heading in HEADINGS.items():
        of_case = [variant for variant in variants if variant.case == case and START not in variant.key]
        if any(_all(rounds, variant.key) for variant in of_case):
            parts.append("\n".join(_runs(heading, of_case, rounds)))
    parts += ["\n".join(part) for part in (_starts(variants, rounds), _amounts(rounds), _goals(rounds, limit))]
    return "\n\n".join(part for part in (*parts, _stub(rounds)) if part)


def _runs(heading: str, variants: list[Variant], rounds: list[Round]) -> Iterator[str]:
    yield (
        f"| {heading} | runs | records | records/s | x decode only | CPU s | CPU per record, x decode only "
        "| peak RSS, MB | requests/s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for variant in variants:
        runs, floor = _all(rounds, variant.key), floor_of(variant.case)
        if not runs:
            continue
        speed = _paired(rounds, variant.key, floor, lambda run: run.records_per_second)
        cpu = _paired(rounds, variant.key, floor, lambda run: run.cpu_per_record)
        # on fewer records than the floor's, the start of the process would pass for the cost of a record
        is_long_enough = runs[0].given.records >= _all(rounds, floor)[0].given.records
        cells = (
            variant.label,
            f"{len(runs)}",
            f"{runs[0].given.records:,}",
            spread([run.records_per_second for run in runs], "{:,.0f}"),
            spread(speed, "{:.3g}"),
            spread([run.usage.cpu_seconds for run in runs], "{:.2f}"),
            f"{median(cpu):.3g}" if is_long_enough else "",
            spread([run.usage.peak_rss_mb for run in runs], "{:.0f}"),
            spread([run.requests_per_second for run in runs], "{:,.0f}") if all(run.has_pace for run in runs) else "",
        )
        yield f"| {' | '.join(cells)} |"


def _starts(variants: list[Variant], rounds: list[Round]) -> Iterator[str]:
    starts = [(variant, _all(rounds, variant.key)) for variant in variants if variant.key.endswith(START)]
    if not any(runs for _, runs in starts):
        return
    yield "| one record | runs | seconds | CPU s | peak RSS, MB |\n|---|--:|--:|--:|--:|"
    for variant, runs in starts:
        figures = (
            spread([run.usage.seconds for run in runs], "{:.2f}"),
            spread([run.usage.cpu_seconds for run in runs], "{:.2f}"),
            spread([run.usage.peak_rss_mb for run in runs], "{:.0f}"),
        )
        yield f"| {variant.label} | {len(runs)} | {' | '.join(figures)} |"


def _amounts(rounds: list[Round]) -> Iterator[str]:
    """What it takes to bring Braze what changed, as the stub counted it."""
    if not _all(rounds, CHANGED_ALL):
        return
    rows = {
        "what changed, as target-braze sends it": _all(rounds, CHANGED)[-1],
        "the changed records whole (row-level sending)": _all(rounds, CHANGED_WHOLE)[-1],
        "everything": _all(rounds, CHANGED_ALL)[-1],
    }
    least = next(iter(rows.values())).stub
    names = {"data points": "attributes", "objects": "objects", "requests": "requests", "bytes": "bytes"}
    yield f"| sent at 5 % changed | {' | x | '.join(names)} | x |\n|---|{'--:|--:|' * len(names)}"
    for label, run in rows.items():
        figures = (f"{run.stub[name]:,} | {run.stub[name] / least[name]:.1f}" for name in names.values())
        yield f"| {label} | {' | '.join(figures)} |"


def _goals(rounds: list[Round], limit: int) -> Iterator[str]:
    yield "| goal | measured | met |\n|---|--:|---|"
    for case, least in MIN_TIMES_FLOOR.items():
        if times := _paired(rounds, case, floor_of(case), lambda run: run.records_per_second):
            goal = f"{HEADINGS[case]}: at least {least} x decode only"
            yield goal_row(goal, spread(times, "{:.2f}") + " x", median(times) >= least)
        if case == UNCHANGED:
            yield from _discarding_goals(rounds)
    if changed := _all(rounds, CHANGED):
        run = changed[-1]
        sent, given = run.stub, run.given
        goal = "5 % changed: exactly the changed attributes are sent, each way in turn"
        of = f"{sent['attributes']:,} attributes of {sent['objects']:,} records"
        yield goal_row(goal, f"{of} in each of {len(changed)} runs of {given.records:,}", is_met=True)
    yield from _new_goals(rounds, limit)
    yield from _memory_goals(rounds)
    if through := _paired(rounds, MELTANO, UNCHANGED, lambda run: run.records_per_second):
        aside = "(no goal) nothing changed, through `meltano run`: x target-braze without it"
        yield f"| {aside} | {median(through):.2f} x | |"


def _discarding_goals(rounds: list[Round]) -> Iterator[str]:
    for key, least in MIN_TIMES_DISCARDING.items():
        if times := _times_discarding(rounds, key):
            without = " without validation" if key == DISCARDING_UNCHECKED else ""
            goal = f"nothing changed: at least {least} x the plain SDK target that discards{without}"
            yield goal_row(goal, spread(times, "{:.1f}") + " x", median(times) >= least)


def _new_goals(rounds: list[Round], limit: int) -> Iterator[str]:
    if fast := _all(rounds, NEW):
        pace = median(run.requests_per_second for run in fast)
        goal = f"everything new: at least {MIN_REQUESTS_PER_SECOND} requests/s of {OBJECTS_PER_REQUEST}, sustained"
        yield goal_row(goal, f"{pace:,.0f}", pace >= MIN_REQUESTS_PER_SECOND)
    if limited := _all(rounds, LIMITED):
        most = max(run.stub["most_in_one_second"] for run in limited)
        late_ms = max(run.stub["late_reply_seconds"] for run in limited) * 1000
        measured = f"{most:.0f} in the fullest second of all rounds (stub at most {late_ms:.0f} ms late)"
        yield goal_row(f"never more than {limit} requests in any second", measured, most <= limit)
        share = median(run.requests_per_second for run in limited) / limit
        goal = f"at least {MIN_SHARE_OF_LIMIT:.0%} of that limit used"
        yield goal_row(goal, f"{share:.1%}", share >= MIN_SHARE_OF_LIMIT)
    if fast and _all(rounds, PLAIN):
        times = _times_as_fast(rounds, PLAIN)
        goal = f"everything new: at least {MIN_TIMES_PLAIN} x the plain SDK target"
        yield goal_row(goal, f"{times:.1f} x", times >= MIN_TIMES_PLAIN)
        times = _times_as_fast(rounds, PLAIN_UNCHECKED)
        yield f"| (no goal) everything new: x the plain SDK target without validation | {times:.1f} x | |"


def _memory_goals(rounds: list[Round]) -> Iterator[str]:
    for key, what in ((LARGE_UNCHANGED, "nothing"), (LARGE_CHANGED, "5 %")):
        short, long = _all(rounds, key), _all(rounds, f"{key}-{LONG}")
        if not (short and long):
            continue
        known = f"{short[0].variant.known:,} people in the ledger, {what} changed"
        peak = max(run.usage.peak_rss_mb for run in short + long)
        yield goal_row(f"{known}: less than {MAX_RSS_MB} MB", f"{peak:.0f} MB", peak < MAX_RSS_MB)
        growth = long[-1].usage.peak_rss_mb / short[-1].usage.peak_rss_mb
        goal = f"{known}: not growing with {TIMES_AS_LONG} x the input"
        yield goal_row(goal, f"{growth:.2f} x", growth <= MAX_GROWTH)
    for key, what in ((LARGE, ""), (KILLED, ", after a kill")):
        if runs := _all(rounds, key + START):
            seconds = median(run.usage.seconds for run in runs)
            aside = f"(no goal) start and end with {runs[0].variant.known:,} people in the ledger{what}"
            yield f"| {aside} | {seconds:.2f} s | |"


def _stub(rounds: list[Round]) -> str:
    runs = [run for found in rounds for run in found.values() if run.has_pace]
    if not runs:
        return ""
    busiest = max(runs, key=lambda run: run.stub["cpu_seconds"] / run.usage.seconds)
    cost = busiest.stub["cpu_seconds"] / busiest.stub["requests"]
    share = busiest.stub["cpu_seconds"] / busiest.usage.seconds
    return (
        f"The stub was busy for {share:.0%} of the run that kept it busiest, with {cost * 1e3:.2f} ms of "
        f"CPU for a request: one core of it would do for {1 / cost:,.0f} requests/s."
    )


def _times_discarding(rounds: list[Round], other: str) -> list[float]:
    """How many times as fast as another that is slow, and so given few records, by the time for a record.

    The other's start and end, measured by themselves, are not held against it; ours are. On as many records as ours it
    would be no faster than that.
    """
    times = []
    for found in rounds:
        if UNCHANGED in found and other in found:
            run, start, ours = found[other], found[other + START], found[UNCHANGED]
            seconds = (run.usage.seconds - start.usage.seconds) / (run.given.records - start.given.records)
            times.append(seconds * ours.records_per_second)
    return times


def _times_as_fast(rounds: list[Round], other: str) -> float:
    """How many times as fast as another that delivers: by records/s or by requests/s, whichever is less.

    The first holds each one's start and end against it, the second does not. They run on different numbers
    of records, so neither would be fair alone.
    """
    return min(
        median(_paired(rounds, NEW, other, lambda run: run.records_per_second)),
        median(_paired(rounds, NEW, other, lambda run: run.requests_per_second)),
    )


def _paired(rounds: list[Round], key: str, other: str, figure: Callable[[Result], float]) -> list[float]:
    both = [(found[key], found[other]) for found in rounds if key in found and other in found]
    return [figure(one) / figure(another) for one, another in both]


def _all(rounds: list[Round], key: str) -> list[Result]:
    return [found[key] for found in rounds if key in found]
