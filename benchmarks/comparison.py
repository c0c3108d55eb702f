"""The benchmark's command line: what to run, how often, and where the result goes."""

from __future__ import annotations

import argparse
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import lines, report, tables
from benchmarks.measuring import Bench
from benchmarks.processes import MAX_SECONDS, WrongResultError, own_environment, running_stub
from benchmarks.variants import CASES, MELTANO, NEW, UNCHANGED, Job, Sizes, Variant, all_variants, floor_of


def main() -> int:
    """Run the benchmark; the exit code is 1 if a result is wrong, whatever the goals say."""
    arguments = _arguments()
    cases = [arguments.profile] if arguments.profile else arguments.only or list(CASES)
    sizes = Sizes(
        arguments.records,
        arguments.plain_records,
        arguments.discarded_records,
        arguments.identities,
        arguments.connections,
        arguments.limit,
    )
    wanted = {floor_of(case) for case in cases} | ({UNCHANGED} if MELTANO in cases else set())  # to compare with
    variants = [variant for variant in all_variants(sizes) if variant.case in cases or variant.key in wanted]
    if arguments.profile:
        variants = [variant for variant in variants if variant.key == arguments.profile]
    elif MELTANO in cases and not any(variant.case == MELTANO for variant in variants):
        print("Meltano is not installed, so nothing runs through it.", file=sys.stderr)
    try:
        with running_stub(arguments.delay, arguments.port) as stub, Bench(stub) as bench:
            for variant in variants:
                bench.prepare(variant)  # all before the first is measured
            if arguments.profile:
                _profile(variants[0], bench)
                return 0
            rounds = _run_all(variants, bench, arguments.rounds)
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
    for name, default, words in (
        ("records", 1_000_000, "in most runs"),
        ("plain-records", 4_500, "for the plain target where it delivers"),
        ("discarded-records", 30_000, "for the plain target where it discards"),
        ("identities", 5_000_000, "people in the large ledger, at least three times the records"),
        ("rounds", 5, "how often each is run, in turn"),
        ("connections", 128, "max_connections"),
        ("limit", 300, "requests/s of the limited run"),
    ):
        parser.add_argument(f"--{name}", type=_positive, default=default, help=f"{words} (default: %(default)s)")
    parser.add_argument(
        "--delay", type=float, default=50, help="milliseconds before each answer (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_positive,
        default=8987,
        help="of the stub; ledgers that are kept know it (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="CASE", help=f"only these: {', '.join(CASES)}")
    parser.add_argument("--write", action="store_true", help="put the result into benchmarks/README.md")
    parser.add_argument(
        "--profile",
        choices=CASES[: CASES.index(MELTANO) - 1],
        nargs="?",
        const=NEW,
        metavar="CASE",
        help="instead, profile the main thread of one run of target-braze",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run_all(variants: list[Variant], bench: Bench, count: int) -> list[report.Round]:
    rounds: list[report.Round] = []
    for number in range(1, count + 1):
        found: report.Round = {}
        for variant in variants:
            if variant.is_once and number < count:
                continue
            result = found[variant.key] = bench.measure(variant, number)
            pace = f"{result.records_per_second:,.0f} records/s, {result.usage.seconds:.2f} s"
            print(f"round {number}: {variant.case}: {variant.label}: {pace}", file=sys.stderr)
        rounds.append(found)
    return rounds


def _profile(variant: Variant, bench: Bench) -> None:
    """Print where the main thread's time goes; calls look dearer than they are, so believe the order only."""
    assert variant.job is not Job.DECODE
    with tempfile.TemporaryDirectory(prefix="run-", dir=lines.FOLDER) as name:
        folder = Path(name)
        config = bench.write_config(variant, folder)
        command = [sys.executable, "-m", "cProfile", "-o", "profile", "-m", "target_braze", "--config", str(config)]
        with lines.prepare(variant.customers, variant.kind(1)).path.open("rb") as source:
            subprocess.run(
                command,
                stdin=source,
                stdout=subprocess.DEVNULL,
                cwd=folder,
                env=own_environment(),
                check=True,
                timeout=MAX_SECONDS,
            )
        pstats.Stats(str(folder / "profile")).strip_dirs().sort_stats("tottime").print_stats(40)
