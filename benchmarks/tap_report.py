"""Turns the measured runs of taps into Markdown tables: medians, ratios taken within a round, and the goals."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import events
from benchmarks.tables import goal_row, machine, spread
from benchmarks.tap_variants import CODECS, LONG_TIMES, Result, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Round = dict[str, Result]
"""The runs of one round, by the key of their variant."""

BEGIN: Final = "<!-- results: written by `benchmarks/run_tap.py --write` -->"
MAX_RSS_MB: Final = 300
PACKAGES: Final = ("tap-braze-currents", "singer-sdk", "fastavro", "msgspec", "s3fs", "aiobotocore")

MIN_TIMES_FLOOR: Final = {"": 1.0, "-2": 1.5}
WISHED_TIMES_FLOOR: Final = 1.8
MIN_TIMES_PLAIN: Final = 3
MIN_TIMES_SEQUENTIAL: Final = 8


def report(decoding: list[Variant], fetching: list[Variant], rounds: list[Round], conditions: str) -> str:
    """All of it as Markdown.

    Args:
        decoding: What was compared on large files, in the table's order.
        fetching: What was compared on small files.
        rounds: The results.
        conditions: What held for all of them, in words.
    """
    parts = (
        [f"{conditions} {machine(PACKAGES)}"],
        _decoding(decoding, rounds),
        _fetching(fetching, rounds),
        _goals(rounds),
        [_start(rounds), _client(rounds)],
    )
    return "\n\n".join("\n".join(part) for part in parts).strip()


def _decoding(variants: list[Variant], rounds: list[Round]) -> Iterator[str]:
    yield (
        "| large files | runs | records | records/s | x fastavro | CPU s | CPU per record, x fastavro | MB/s out "
        "| peak RSS, MB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for variant in variants:
        runs = _all(rounds, variant.key)
        # on fewer records than the floor's, the start of the process would pass for the cost of a record
        is_long_enough = variant.records >= variants[0].records
        cpu = _times(rounds, variant.key, variant.base, lambda run: run.cpu_per_record)
        cells = (
            variant.label,
            f"{len(runs)}",
            f"{variant.records:,}",
            spread([run.records_per_second for run in runs], "{:,.0f}"),
            f"{_times(rounds, variant.key, variant.base):.2f}",
            spread([run.emission.cpu_seconds for run in runs], "{:.2f}"),
            f"{cpu:.2f}" if is_long_enough else "",
            f"{median(run.emission.output_mb / run.emission.seconds for run in runs):.0f}",
            spread([run.emission.peak_rss_mb for run in runs], "{:.0f}"),
        )
        yield f"| {' | '.join(cells)} |"


def _fetching(variants: list[Variant], rounds: list[Round]) -> Iterator[str]:
    yield (
        "| small files | runs | files | files/s | x one after another | requests per file | most at once "
        "| ms of CPU per file | peak RSS, MB | bucket's CPU |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for variant in variants:
        runs = _all(rounds, variant.key)
        cells = (
            variant.label,
            f"{len(runs)}",
            f"{variant.records // events.RECORDS_PER_SMALL_FILE:,}",
            spread([_files_per_second(run) for run in runs], "{:,.0f}"),
            f"{_times(rounds, variant.key, variant.base):.2f}",
            f"{median(_requests(run) for run in runs) * events.RECORDS_PER_SMALL_FILE / variant.records:.2f}",
            f"{max(run.bucket['most_at_once'] for run in runs):.0f}",
            spread([_cpu_ms_per_file(run) for run in runs], "{:.2f}"),
            spread([run.emission.peak_rss_mb for run in runs], "{:.0f}"),
            f"{max(run.bucket['cpu_seconds'] / run.emission.seconds for run in runs):.0%}",
        )
        yield f"| {' | '.join(cells)} |"


def _goals(rounds: list[Round]) -> Iterator[str]:
    yield "| goal | measured | met |\n|---|--:|---|"
    for codec in CODECS:
        for cores, least in MIN_TIMES_FLOOR.items():
            for source, name in (("", "folder"), ("-s3", "S3")):
                key = f"tap-{codec}{source}{cores}"
                if _all(rounds, key):
                    times = _times(rounds, key, f"floor-{codec}")
                    words = f"{codec}, {name}, {'2 cores' if cores else '1 core'}"
                    yield goal_row(f"{words}: at least {least} x fastavro", f"{times:.2f} x", times >= least)
        if _all(rounds, f"tap-{codec}"):
            times = _times(rounds, f"tap-{codec}", f"floor-{codec}")
            wish = f"{codec}, folder, 1 core: better still, at least {WISHED_TIMES_FLOOR} x fastavro"
            yield goal_row(wish, f"{times:.2f} x", times >= WISHED_TIMES_FLOOR)
        if _all(rounds, f"plain-{codec}") and _all(rounds, f"tap-{codec}"):
            times = _times(rounds, f"tap-{codec}", f"plain-{codec}")
            words = f"{codec}, folder, 1 core: at least {MIN_TIMES_PLAIN} x the plain SDK tap"
            yield goal_row(words, f"{times:.1f} x", times >= MIN_TIMES_PLAIN)
    for key, words in (("small", "16 at once"), ("small-64", "64 at once")):
        if _all(rounds, key) and _all(rounds, "sequential"):
            times = _times(rounds, key, "sequential")
            goal = f"small files, {words}: at least {MIN_TIMES_SEQUENTIAL} x one GET after another"
            yield goal_row(goal, f"{times:.1f} x", times >= MIN_TIMES_SEQUENTIAL)
    yield from _memory_goals(rounds)


def _memory_goals(rounds: list[Round]) -> Iterator[str]:
    long = _all(rounds, f"tap-{CODECS[0]}-long")
    for condition, runs in (
        ("", [run for found in rounds for run in found.values() if run.variant.is_ours and run not in long]),
        (f", {LONG_TIMES} x the input", long),
    ):
        if runs:
            peak = max(run.emission.peak_rss_mb for run in runs)
            yield goal_row(f"less than {MAX_RSS_MB} MB of memory{condition}", f"{peak:.0f} MB", peak < MAX_RSS_MB)


def _start(rounds: list[Round]) -> str:
    """What the tap's speed is once it runs; the floor has next to no start."""
    found = []
    for source, start, name in (("", "start", "a folder"), ("-s3", "start-s3", "S3")):
        key = f"tap-{CODECS[0]}{source}"
        both = [each for each in rounds if key in each and start in each and f"floor-{CODECS[0]}" in each]
        if not both:
            continue
        seconds = median(each[start].emission.seconds for each in both)
        times = median(
            (each[key].variant.records / max(each[key].emission.seconds - each[start].emission.seconds, 1e-9))
            / each[f"floor-{CODECS[0]}"].records_per_second
            for each in both
        )
        found.append(f"Start and end take {seconds:.1f} s from {name}; between them the tap is {times:.2f} x fastavro.")
    return " ".join(found)


def _client(rounds: list[Round]) -> str:
    """What one core could do at most with the CPU that a file takes."""
    if not (_all(rounds, "small") and _all(rounds, "sequential")):
        return ""
    cost = median(_cpu_ms_per_file(run) for run in _all(rounds, "small"))
    pace = median(_files_per_second(run) for run in _all(rounds, "sequential"))
    return (
        f"A small file takes {cost:.2f} ms of the tap's CPU. One core, and Python uses no more, does "
        f"{1_000 / cost:,.0f} of them a second, {1_000 / cost / pace:.1f} x one after another, with all waiting hidden."
    )


def _files_per_second(run: Result) -> float:
    return run.records_per_second / events.RECORDS_PER_SMALL_FILE


def _requests(run: Result) -> float:
    return sum(run.bucket[kind] for kind in ("fetches", "peeks", "heads", "listings"))


def _cpu_ms_per_file(run: Result) -> float:
    return run.cpu_per_record * events.RECORDS_PER_SMALL_FILE * 1_000


def _times(
    rounds: list[Round],
    key: str,
    base: str,
    figure: Callable[[Result], float] = lambda run: run.records_per_second,
) -> float:
    """The median of the ratios of two variants within a round."""
    return median(figure(found[key]) / figure(found[base]) for found in rounds if key in found and base in found)


def _all(rounds: list[Round], key: str) -> list[Result]:
    return [found[key] for found in rounds if key in found]
