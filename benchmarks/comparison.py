"""The benchmark's command line: what to run, how often, and where the result goes."""

from __future__ import annotations

import argparse
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import lines, report, tables
from benchmarks.processes import MAX_SECONDS, Stub, WrongResultError, running_stub
from benchmarks.variants import BRAZE, FLOOR, Variant, all_variants, measure, write_config


def main() -> int:
    """Run the benchmark; the exit code is 1 if a result is wrong, whatever the goals say."""
    arguments = _arguments()
    variants = all_variants(arguments.records, arguments.plain_records, arguments.connections, arguments.limit)
    if arguments.only:
        variants = [variant for variant in variants if variant.key in {FLOOR, *arguments.only}]
    with running_stub(arguments.delay) as stub:
        if arguments.profile:
            _profile(next(variant for variant in variants if variant.key == BRAZE), stub)
            return 0
        try:
            rounds = _run_all(variants, stub, arguments.rounds)
        except WrongResultError as error:
            print(f"The result is wrong, so there is none to report. {error}", file=sys.stderr)
            return 1
    conditions = (
        f"{arguments.rounds} round{'s' if arguments.rounds > 1 else ''}, {arguments.delay:g} ms before each "
        f"answer, up to {arguments.connections} connections."
    )
    text = report.report(variants, rounds, conditions, arguments.limit)
    print(text)
    if arguments.write:
        tables.write(text, report.BEGIN)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="See benchmarks/README.md.")
    keys = [variant.key for variant in all_variants(1, 1, 1, 1) if variant.key != FLOOR]
    parser.add_argument(
        "--records",
        type=_positive,
        default=300_000,
        help="for all but the plain target (default: %(default)s)",
    )
    parser.add_argument(
        "--plain-records", type=_positive, default=4_500, help="for the plain target (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=_positive, default=3, help="how often each is run, in turn (default: %(default)s)"
    )
    parser.add_argument(
        "--delay", type=float, default=50, help="milliseconds before each answer (default: %(default)s)"
    )
    parser.add_argument("--connections", type=_positive, default=128, help="max_connections (default: %(default)s)")
    parser.add_argument(
        "--limit", type=_positive, default=300, help="requests/s of the limited run (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", choices=keys, help="only these, and the floor")
    parser.add_argument("--write", action="store_true", help="put the result into benchmarks/README.md")
    parser.add_argument(
        "--profile", action="store_true", help="instead, profile the main thread of one run of target-braze"
    )
    arguments = parser.parse_args()
    if arguments.profile:
        arguments.only = [BRAZE]
    return arguments


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run_all(variants: list[Variant], stub: Stub, count: int) -> list[report.Round]:
    rounds: list[report.Round] = []
    for variant in variants:
        lines.prepare(variant.records)  # all of them before the first is measured
    for number in range(1, count + 1):
        found: report.Round = {}
        for variant in variants:
            if variant.is_once and number < count:
                continue
            result = found[variant.key] = measure(variant, stub)
            pace = f"{result.records_per_second:,.0f} records/s, {result.usage.seconds:.1f} s"
            print(f"round {number}: {variant.label}: {pace}", file=sys.stderr)
        rounds.append(found)
    return rounds


def _profile(variant: Variant, stub: Stub) -> None:
    """Print where the main thread's time goes; calls look dearer than they are, so believe the order only."""
    with tempfile.TemporaryDirectory(prefix="target-braze-benchmark-") as name:
        folder = Path(name)
        config = write_config(variant, stub, folder)
        command = [
            sys.executable,
            "-m",
            "cProfile",
            "-o",
            "profile",
            "-m",
            "target_braze",
            "--config",
            str(config),
        ]
        with lines.prepare(variant.records).open("rb") as source:
            output = subprocess.DEVNULL
            subprocess.run(command, stdin=source, stdout=output, cwd=folder, check=True, timeout=MAX_SECONDS)
        pstats.Stats(str(folder / "profile")).strip_dirs().sort_stats("tottime").print_stats(30)
