"""Runs variants, and proves that each run did its whole job."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import ledgers, lines, through_meltano
from benchmarks.processes import Stub, Usage, WrongResultError, kill_underway, run
from benchmarks.variants import Job, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

OBJECTS_PER_REQUEST: Final = 75
_REBUILT: Final = "The last run did not end by itself"


@dataclass(frozen=True)
class Result:
    """One measured run.

    Attributes:
        variant: What ran.
        given: What it was given.
        usage: What the process used.
        stub: The stub's counters, empty for what is no target.
    """

    variant: Variant
    given: lines.Input
    usage: Usage
    stub: dict[str, float]

    @property
    def records_per_second(self) -> float:
        """Records by the whole process's time, its start and its end included."""
        return self.given.records / self.usage.seconds

    @property
    def cpu_per_record(self) -> float:
        """CPU seconds per record, its start and its end included."""
        return self.usage.cpu_seconds / self.given.records

    @property
    def has_pace(self) -> bool:
        """Whether it sent enough for a pace."""
        return self.stub.get("requests", 0) > 1

    @property
    def requests_per_second(self) -> float:
        """The pace while it delivered: requests after the first, by the time from the first to the last."""
        seconds = self.stub["last_arrival"] - self.stub["first_arrival"]
        return (self.stub["requests"] - 1) / seconds if seconds else math.nan

    @property
    def is_stub_idle(self) -> bool:
        """Whether the stub had enough of a core to itself not to be what was measured."""
        return self.stub["cpu_seconds"] < self.usage.seconds / 2


class Bench:
    """What runs share: the stub, and the ledgers that go on from round to round.

    Args:
        stub: The stub.
    """

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._open = contextlib.ExitStack()
        self._kept: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def prepare(self, variant: Variant) -> None:
        """Make all the files a variant needs.

        Raises:
            WrongResultError: If its ledger could not be filled.
        """
        for kind in variant.kinds:
            lines.prepare(variant.customers, kind)
        if variant.known is not None:
            ledgers.prepare(variant.known, variant.settings, self._stub)

    def measure(self, variant: Variant, number: int) -> Result:
        """Run a variant in a round, which are counted from 1.

        Raises:
            WrongResultError: If it did not do its whole job, or did not say so.
        """
        given = lines.prepare(variant.customers, variant.kind(number))
        with _folder() as folder:
            if variant.job is Job.DECODE:
                return Result(variant, given, run(list(variant.command), given.path, folder), {})
            config = self.write_config(variant, folder)
            command = [*variant.command, "--config", str(config)]
            if variant.killed_customers is not None:
                self._kill_before(variant.killed_customers, command, folder)
            environment = None
            if variant.is_through_meltano:
                command = through_meltano.command(
                    given.path, variant.command[0], json.loads(config.read_bytes()), folder
                )
                environment = through_meltano.environment()
            self._stub.reset()
            result = Result(variant, given, run(command, given.path, folder, environment), self._stub.stats())
            problems = [*_problems(result)]
            if variant.is_ours:
                problems += _problems_of_summary(result, folder)
        if problems:
            raise WrongResultError(f"{variant.label} ({variant.key}): " + "; ".join(problems))
        return result

    def write_config(self, variant: Variant, folder: Path) -> Path:
        """The config file of one run, whose reports and ledger stay in its folder unless the next one needs them."""
        config = {"base_url": self._stub.base_url, "api_key": "benchmark", **variant.settings, **variant.pace}
        if variant.is_ours:
            own = self._ledger(variant, folder)
            config |= {"report_path": str(folder / "reports"), "ledger": str(own)}
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        return path

    def _ledger(self, variant: Variant, folder: Path) -> Path:
        if variant.known is None:
            return folder / "ledger"
        if variant.is_ledger_kept:
            if variant.key in self._kept:
                return self._kept[variant.key]
            folder = self._open.enter_context(_folder())
            self._kept[variant.key] = folder / "ledger"
        ledgers.copy(ledgers.prepare(variant.known, variant.settings, self._stub), folder / "ledger")
        return folder / "ledger"

    def _kill_before(self, customers: int, command: list[str], folder: Path) -> None:
        """Let a run end in the middle of changes."""
        self._stub.reset()
        given = lines.prepare(customers, lines.CHANGED)
        kill_underway(command, given.path, folder, lambda: self._stub.stats()["objects"] > 0)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # beside the ledgers, for a file can be shared on one file system only
    with tempfile.TemporaryDirectory(prefix="run-", dir=lines.FOLDER) as name:
        yield Path(name)


def _expected(result: Result) -> tuple[int, int]:
    """How many objects and attributes have to be sent."""
    given = result.given
    columns = len(lines.COLUMNS) - 1
    return {
        Job.DELIVER_ALL: (given.records, given.records * columns),
        Job.DELIVER_CHANGES: _changes(result),
    }.get(result.variant.job, (0, 0))


def _changes(result: Result) -> tuple[int, int]:
    """What changed since the ledger: back to how it was at first, it is as much as it was there."""
    changed = lines.prepare(result.variant.customers, lines.CHANGED)
    return changed.changed_records, changed.changed_attributes


def _problems(result: Result) -> Iterator[str]:
    stub, output = result.stub, result.usage.output
    objects, attributes = _expected(result)
    if stub["objects"] != objects:
        yield f"delivered {stub['objects']:,} objects, not {objects:,}"
    if stub["attributes"] != attributes:
        yield f"delivered {stub['attributes']:,} attributes, not {attributes:,}"
    if stub["refused"]:
        yield f"{stub['refused']} requests were not what the stub knows"
    if stub["requests"] * OBJECTS_PER_REQUEST * 0.95 > objects + OBJECTS_PER_REQUEST:
        yield f"needed {stub['requests']:,} requests, which were not full"
    if not result.variant.is_through_meltano and (  # which keeps it to itself
        not output or json.loads(output[-1]) != lines.last_state(result.variant.customers)
    ):
        yield "the last STATE it passed on is not the last it was given"
    if (result.variant.killed_customers is not None) is not (_REBUILT in result.usage.log):
        yield "its ledger was not, or was for no reason, found to be one of a run that was killed"
    if not result.is_stub_idle:
        yield "the stub was too busy to measure anything with"


def _problems_of_summary(result: Result, folder: Path) -> list[str]:
    summary = json.loads((folder / "reports" / "latest" / "summary.json").read_bytes())
    objects, attributes = _expected(result)
    expected: dict[str, Any] = {
        "records": result.given.records,
        "delivered": objects,
        "unchanged": result.given.records - objects,
        "held": 0,
        "rejected": 0,
        "retries": 0,
        "objects": objects,
        "data_points": attributes,  # each column costs one
        "requests": result.stub["requests"],
        "dry_run": False,
        "rejections": {},
    }
    return [
        f"summary.json says {key}: {summary.get(key)}, not {value}"
        for key, value in expected.items()
        if summary.get(key) != value
    ]
