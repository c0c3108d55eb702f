"""The command line of the tap's benchmark: what to run, how often, and where the result goes."""

from __future__ import annotations

import argparse
import multiprocessing
import sys

from benchmarks import events, tables, tap_report
from benchmarks.processes import WrongResultError
from benchmarks.servers import running_rclone, running_slow_bucket
from benchmarks.tap_variants import (
    Result,
    Servers,
    Variant,
    check_agreement,
    decoding_variants,
    fetching_variants,
    measure,
)

RECORDS_COMPARED = 2_000


def main() -> int:
    """Run the benchmark; the exit code is 1 if a result is wrong, whatever the goals say."""
    arguments = _arguments()
    decoding = decoding_variants(arguments.records, arguments.plain_records)
    fetching = fetching_variants(arguments.files)
    if arguments.only:
        wanted = {variant.base for variant in decoding + fetching if variant.key in arguments.only} | {*arguments.only}
        decoding, fetching = ([each for each in every if each.key in wanted] for every in (decoding, fetching))
    compared = [
        each
        for each in decoding_variants(RECORDS_COMPARED, RECORDS_COMPARED)
        if each.cores == 1 and each.records == RECORDS_COMPARED
    ]
    _prepare(compared + decoding + fetching)
    folder = compared[0].prepare().parent
    small = events.prepare_small(arguments.files)
    with running_rclone(folder) as rclone, running_slow_bucket(small, arguments.delay) as slow_bucket:
        servers = Servers(rclone, slow_bucket)
        try:
            check_agreement(servers, compared)
            rounds = _run_all(decoding + fetching, servers, arguments.rounds)
        except WrongResultError as error:
            print(f"The result is wrong, so there is none to report. {error}", file=sys.stderr)
            return 1
    conditions = (
        f"{arguments.rounds} round{'s' if arguments.rounds > 1 else ''}, {arguments.delay:g} ms before each answer "
        "of the slow bucket."
    )
    text = tap_report.report(decoding, fetching, rounds, conditions)
    print(text)
    if arguments.write:
        tables.write(text, tap_report.BEGIN)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run_tap.py", description="See benchmarks/README.md.")
    keys = [variant.key for variant in decoding_variants(1, 1) + fetching_variants(1)]
    parser.add_argument("--records", type=_positive, default=300_000, help="in large files (default: %(default)s)")
    parser.add_argument(
        "--plain-records", type=_positive, default=30_000, help="for the plain tap (default: %(default)s)"
    )
    parser.add_argument("--files", type=_positive, default=4_000, help="small files (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=_positive, default=3, help="how often each is run, in turn (default: %(default)s)"
    )
    parser.add_argument("--delay", type=float, default=20, help="milliseconds before each answer of the slow bucket")
    parser.add_argument("--only", nargs="+", choices=keys, help="only these, and what they are compared with")
    parser.add_argument("--write", action="store_true", help="put the result into benchmarks/README.md")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _prepare(variants: list[Variant]) -> None:
    """Write all files before the first variant is measured and before anything serves them.

    In a process of its own: what this one ever held would be the least that the system reports for what it starts.
    """
    context = multiprocessing.get_context("fork")
    for variant in variants:
        process = context.Process(target=variant.prepare)
        process.start()
        process.join()
        assert process.exitcode == 0, f"the files for {variant.label} could not be written"


def _run_all(variants: list[Variant], servers: Servers, count: int) -> list[tap_report.Round]:
    rounds: list[tap_report.Round] = []
    for number in range(1, count + 1):
        found: dict[str, Result] = {}
        for variant in variants:
            if variant.is_once and number < count:
                continue
            result = found[variant.key] = measure(variant, servers)
            pace = f"{result.records_per_second:,.0f} records/s, {result.emission.seconds:.1f} s"
            print(f"round {number}: {variant.label}: {pace}", file=sys.stderr)
        rounds.append(found)
    return rounds
