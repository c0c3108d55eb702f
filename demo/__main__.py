"""The demo from beginning to end: warehouse, attributes, plugins, sandbox, run, summary."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from demo import database, purchases, sandbox, screen, warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parent.parent
WORK = PROJECT / ".demo"
LOG = WORK / "meltano.log"
REPORT = PROJECT / ".meltano" / "target-braze" / "reports" / "latest"
PLUGINS = {"extractor": "tap-postgres--customer-attributes", "loader": "target-braze"}
JOB, QUERY_JOB = "customer-attributes", "recent-buyers"
MELTANO = Path(sys.executable).with_name("meltano")
TAIL_LINES = 25
STOP_SECONDS = 15


class RunFailedError(Exception):
    """Meltano ended with an error; the message has the end of its log."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or stop the demo; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="demo/run.py", description="A warehouse, a local Braze, and a Meltano run between them."
    )
    parser.add_argument("--stop", action="store_true", help="stop the database and the sandbox")
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
        RunFailedError,
    ) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def stop() -> None:
    """Stop what the demo leaves running."""
    server = database.Server(WORK / "postgres")
    print("PostgreSQL", "stopped" if server.stop() else "was not running")
    print("Braze sandbox", "stopped" if sandbox.stop(PROJECT) else "was not running")


def run(new_orders: int) -> None:
    """Set up what is missing, run the job, and say what happened."""
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
        address = sandbox.start(PROJECT)
        step.result = address

    environment = meltano_environment(server.url, address)
    LOG.write_text("", encoding="utf-8")
    install_plugins(environment)

    with screen.step("Meltano run", JOB) as step:
        meltano(["run", JOB], environment, step, JOB)
        step.result = f"{JOB}: tap-postgres to target-braze"

    show_end(json.loads((REPORT / "summary.json").read_text(encoding="utf-8")), address)


def meltano_environment(warehouse_url: str, sandbox_url: str) -> dict[str, str]:
    """Return the environment for Meltano; nothing of the caller's in it can lead the run to a real Braze."""
    ours = ("MELTANO_", "TARGET_BRAZE_", "TAP_POSTGRES_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        # Said here although meltano.yml says so too, since a variable wins over what a `.env` file may have.
        "TARGET_BRAZE_INSTANCE": "sandbox",
        "TARGET_BRAZE_BASE_URL": "",
        "TAP_POSTGRES_SQLALCHEMY_URL": warehouse_url,
        **sandbox.environment(sandbox_url),
    }


def install_plugins(environment: Mapping[str, str]) -> None:
    """Install the plugins that the run needs, unless what they are made of was installed before.

    Meltano compares only the names of what to install: it would not see a dependency added to one of ours.
    """
    sources = [
        PROJECT / "meltano.yml",
        PROJECT / "target-braze" / "pyproject.toml",
        PROJECT / "plugins" / "braze-sandbox" / "pyproject.toml",
    ]
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = PROJECT / ".meltano" / "demo-plugins"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint:
        return
    with screen.step("Plugins") as step:
        for kind, name in PLUGINS.items():
            meltano(["install", kind, name], environment, step, f"installing {name}")
        step.result = "tap-postgres and target-braze, each in an environment of its own"
    stamp.write_text(fingerprint, encoding="utf-8")


def meltano(arguments: Sequence[str], environment: Mapping[str, str], step: screen.Step, note: str) -> None:
    """Run one Meltano command with its output in the log.

    Raises:
        RunFailedError: it ends with an error.
    """
    command = [str(MELTANO), "--environment=sandbox", *arguments]
    with LOG.open("a", encoding="utf-8") as log:
        process = psutil.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        with ended_with_this(process):
            while process.poll() is None:
                step.show(note)
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout=0.5)
    if process.returncode:
        tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
        raise RunFailedError(f"{tail}\n\n`meltano {' '.join(arguments)}` failed; the whole log is in {LOG}")


@contextlib.contextmanager
def ended_with_this(process: psutil.Popen) -> Iterator[None]:
    """End the process and those it started when this block is left early, e.g. by Ctrl-C.

    A terminal sends the interrupt to all of them; they get some time to end by themselves, so that what was
    delivered is recorded.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            for member in psutil.wait_procs(family, timeout=STOP_SECONDS)[1]:
                member.kill()
        raise


def show_end(summary: Mapping[str, Any], address: str) -> None:
    """Say what became of the records, where to look, and what to try next."""
    where = {"Profiles in the sandbox": address, "Summary of this run": _from_here(REPORT / "summary.json")}
    if summary["rejected"]:
        where["Rejected, and why"] = f"{_from_here(REPORT / 'rejected.jsonl')}: {screen.rejections(summary)}"
    where["Meltano's log"] = _from_here(LOG)
    python = _from_here(Path(sys.executable))
    then = {
        "make demo": "the same again; that nothing changed is not seen yet, so all of it is sent again",
        f"{python} demo/run.py --new-orders 100": "100 customers order again before the run",
        f"{_from_here(MELTANO)} run {QUERY_JOB}": "the other way: a query's result, and only what is new in it",
        "make clean": "stop the database and the sandbox, and remove everything",
    }
    print(
        "",
        *screen.outcome(summary),
        "",
        "Look at",
        *screen.pointers(where),
        "",
        "Then",
        *screen.pointers(then),
        sep="\n",
    )


def _from_here(path: Path) -> str:
    """Return the path as a person in the repository would write it."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
