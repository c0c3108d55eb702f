"""The demo from beginning to end, in two acts: attributes go to Braze, and what people do with messages comes back."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import database, engagement, jobs, purchases, s3, sandbox, screen, warehouse
from demo.jobs import PROJECT, WORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JOB, QUERY_JOB = "customer-attributes", "recent-buyers"
PURCHASES_JOB, SEGMENT_JOB = "purchases", "win-back-campaign"
EVENTS_JOB, BACK_JOB = "engagement-events", "engagement-attributes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or stop the demo; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="demo/run.py", description="A warehouse, a local Braze and a bucket, and Meltano runs between them."
    )
    parser.add_argument("--stop", action="store_true", help="stop the database, the sandbox and the bucket")
    parser.add_argument(
        "--new-orders", type=int, default=0, metavar="N", help="let N customers order again before the run"
    )
    options = parser.parse_args(arguments)
    try:
        if options.stop:
            stop()
        else:
            run(options.new_orders)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is lost. Run it again to go on, or stop what runs: demo/run.py --stop")
        return 130
    except (
        database.DatabaseError,
        purchases.PurchasesUnavailableError,
        sandbox.SandboxError,
        s3.S3Error,
        engagement.CurrentsError,
        jobs.RunFailedError,
    ) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def stop() -> None:
    """Stop what the demo leaves running."""
    print("Braze sandbox", "stopped" if sandbox.stop(PROJECT) else "was not running")
    print("S3 server", "stopped" if s3.Server(WORK).stop() else "was not running")
    print("PostgreSQL", "stopped" if database.Server(WORK / "postgres").stop() else "was not running")


def run(new_orders: int) -> None:
    """Set up what is missing, run the jobs, and say what happened."""
    WORK.mkdir(exist_ok=True)
    print("From a warehouse to Braze: all of it on this machine, the people in it made up\n")

    with screen.step("Purchases", "fetching them") as step:
        history = purchases.read(purchases.fetch(WORK / "cdnow"))
        step.result = f"{len(history):,} real ones (CDNOW, 1997 to 1998)"

    server = database.Server(WORK / "postgres")
    with screen.step("Warehouse", "starting PostgreSQL") as step:
        server.start()
        with contextlib.closing(server.connect()) as connection:
            is_new = warehouse.fill(connection, history)
        step.result = f"PostgreSQL, 127.0.0.1:{server.port}{'' if is_new else ' (as the last run left it)'}"

    with (
        screen.step("Customers", "building their attributes") as step,
        contextlib.closing(server.connect()) as connection,
    ):
        warehouse.order_again(connection, new_orders)
        customers, attributes = warehouse.build(connection)
        step.result = f'"Braze Customer Attributes": {customers:,} with {attributes} attributes each'
        if new_orders:
            step.result += f", {new_orders:,} ordered again"

    with screen.step("Braze sandbox", "starting") as step:
        step.result = address = sandbox.start(PROJECT)
    bucket = s3.Server(WORK)
    with screen.step("Bucket", "starting an S3 server") as step:
        step.result = f"{bucket.start()}, in {_from_here(bucket.buckets / s3.BUCKET)}"

    variables = jobs.environment(server.url, address, bucket.address)
    jobs.LOG.write_text("", encoding="utf-8")
    with screen.step("Plugins") as step:
        jobs.install(variables, step)

    with screen.step("Meltano run", JOB) as step:
        jobs.run(JOB, variables, step)
        step.result = f"{JOB}: tap-postgres to target-braze"
    report, summary = jobs.report()
    print("", *screen.outcome(summary), "", sep="\n")

    with screen.step("Meltano run", PURCHASES_JOB) as step:
        jobs.run(PURCHASES_JOB, variables, step)
        _, bought = jobs.report()
        step.result = f"{PURCHASES_JOB}: {screen.purchases(bought)}"
    with screen.step("Meltano run", SEGMENT_JOB) as step:
        jobs.run(SEGMENT_JOB, variables, step)
        step.result = f"{SEGMENT_JOB}: {screen.audiences(jobs.report()[1])}"
    print()

    back = come_back(server, bucket, variables)
    taken = {
        JOB: screen.taken(summary, attributes),
        PURCHASES_JOB: screen.bought(bought),
        BACK_JOB: screen.taken(back, engagement.ATTRIBUTES),
    }
    said = "What it took, one data point for each attribute and for each album bought"
    print("", said, *screen.pointers(taken), sep="\n")
    show_end(report, summary, address)


def come_back(server: database.Server, bucket: s3.Server, variables: Mapping[str, str]) -> dict[str, Any]:
    """Let people answer, read their answers into the warehouse, and send Braze what it says of them.

    Returns:
        The summary of the last run.
    """
    print("And back: what people did with Braze's messages, by Currents\n")
    with screen.step("People", "answering") as step:
        step.result = f"{engagement.happens(PROJECT, bucket)}"
    with screen.step("Meltano run", EVENTS_JOB) as step:
        jobs.run(EVENTS_JOB, variables, step)
        step.result = f"{EVENTS_JOB}: tap-braze-currents to target-postgres"
    with screen.step("View", "building it") as step, contextlib.closing(server.connect()) as connection:
        known = engagement.look(connection)
        step.result = f"marketing.engagement: {known.engaged:,} customers"
    with screen.step("Meltano run", BACK_JOB) as step:
        jobs.run(BACK_JOB, variables, step)
        step.result = f"{BACK_JOB}: tap-postgres to target-braze"
    _, summary = jobs.report()
    print("", *engagement.told(known), "", *screen.outcome(summary), sep="\n")
    return summary


def show_end(report: Path, summary: Mapping[str, Any], address: str) -> None:
    """Say where to look, and what to try next."""
    where = {"Profiles in the sandbox": address, "Summaries of the runs": _from_here(report.parent)}
    if summary["rejected"]:
        where["Rejected, and why"] = f"{_from_here(report / 'rejected.jsonl')}: {screen.rejections(summary)}"
    where["Meltano's log"] = _from_here(jobs.LOG)
    python, meltano = _from_here(Path(sys.executable)), _from_here(jobs.MELTANO)
    then = {
        "make demo": "again: nobody ordered, so that act one sends nothing",
        f"{python} demo/run.py --new-orders 100": "100 customers order again, and only what that changes is sent",
        f"{meltano} run {QUERY_JOB}": "a query's result, and only what is new in it",
        f"TARGET_BRAZE_DRY_RUN=true {meltano} run {JOB}": "what a run would change and cost, and no more than that",
        f"{meltano} invoke target-braze--ledger stats": "how much is known of what Braze has, and where",
        "make clean": "stop the database, the sandbox and the bucket, and remove everything",
    }
    print("", "Look at", *screen.pointers(where), "", "Then", *screen.pointers(then), sep="\n")


def _from_here(path: Path) -> str:
    """Return the path as a person in the repository would write it."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
