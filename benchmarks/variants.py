"""What is compared, and the proof that each run did its whole job."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import lines
from benchmarks.processes import Stub, Usage, WrongResultError, run

OBJECTS_PER_REQUEST: Final = 75
UNLIMITED_REQUESTS_PER_SECOND: Final = 5000
"""A limit no run here can reach: the pace is then what the target itself can do."""

FLOOR, BRAZE, BRAZE_LONG, BRAZE_LIMITED, PLAIN, PLAIN_UNCHECKED = (
    "decode",
    "target-braze",
    "target-braze-long",
    "target-braze-limited",
    "plain",
    "plain-unchecked",
)


@dataclass(frozen=True)
class Variant:
    """One thing to measure.

    Attributes:
        key: Its name on the command line.
        label: Its name in the table.
        records: How many records it is given.
        command: What to run, without its config.
        config: A target's config, without what only the run knows; None for what is no target.
        is_once: Whether it runs in the last round only, because it takes long.
    """

    key: str
    label: str
    records: int
    command: tuple[str, ...]
    config: dict[str, Any] | None = None
    is_once: bool = False


@dataclass(frozen=True)
class Result:
    """One measured run.

    Attributes:
        variant: What ran.
        usage: What the process used.
        stub: The stub's counters, empty for what is no target.
    """

    variant: Variant
    usage: Usage
    stub: dict[str, float]

    @property
    def records_per_second(self) -> float:
        """Records by the whole process's time, its start and its end included."""
        return self.variant.records / self.usage.seconds

    @property
    def cpu_per_record(self) -> float:
        """CPU seconds per record, its start and its end included."""
        return self.usage.cpu_seconds / self.variant.records

    @property
    def requests_per_second(self) -> float:
        """The pace while it delivered: requests after the first, by the time from the first to the last."""
        seconds = self.stub["last_arrival"] - self.stub["first_arrival"]
        return (self.stub["requests"] - 1) / seconds if seconds else math.nan

    @property
    def is_stub_idle(self) -> bool:
        """Whether the stub had enough of a core to itself not to be what was measured."""
        return self.stub["cpu_seconds"] < self.usage.seconds / 2


def all_variants(records: int, plain_records: int, connections: int, limit: int) -> list[Variant]:
    """Everything that is compared, the floor first."""
    here = Path(__file__).parent
    target = (str(Path(sys.executable).with_name("target-braze")),)
    plain = (sys.executable, str(here / "plain_target.py"))
    plain_records = min(records, plain_records)
    fast = {"max_requests_per_second": UNLIMITED_REQUESTS_PER_SECOND, "max_connections": connections}
    limited = fast | {"max_requests_per_second": limit}
    return [
        Variant(FLOOR, "decode only", records, (sys.executable, str(here / "decode.py"))),
        Variant(BRAZE, "target-braze", records, target, fast),
        Variant(BRAZE_LIMITED, f"target-braze, at most {limit} requests/s", records, target, limited),
        Variant(PLAIN, "plain SDK target", plain_records, plain, {}),
        Variant(
            PLAIN_UNCHECKED,
            "plain SDK target, `validate_records: false`",
            plain_records,
            plain,
            {"validate_records": False},
        ),
        Variant(BRAZE_LONG, "target-braze, 3 x the input", 3 * records, target, fast, is_once=True),
    ]


def measure(variant: Variant, stub: Stub) -> Result:
    """Run a variant once.

    Raises:
        WrongResultError: If it did not deliver every record once, or did not say so.
    """
    path = lines.prepare(variant.records)
    with tempfile.TemporaryDirectory(prefix="target-braze-benchmark-") as name:
        folder = Path(name)
        if variant.config is None:
            return Result(variant, run(list(variant.command), path, folder), {})
        stub.reset()
        usage = run([*variant.command, "--config", str(write_config(variant, stub, folder))], path, folder)
        result = Result(variant, usage, stub.stats())
        problems = _problems(result)
        if variant.command[0].endswith("target-braze"):
            problems += _problems_of_summary(result, folder)
    if problems:
        raise WrongResultError(f"{variant.label}: " + "; ".join(problems))
    return result


def write_config(variant: Variant, stub: Stub, folder: Path) -> Path:
    """The config file of one run, whose reports stay in its folder."""
    is_plain = variant.key in {PLAIN, PLAIN_UNCHECKED}
    config = {"base_url": stub.base_url, "api_key": "benchmark", **(variant.config or {})}
    path = folder / "config.json"
    path.write_text(json.dumps(config if is_plain else {**config, "report_path": str(folder / "reports")}))
    return path


def _problems(result: Result) -> list[str]:
    records, stub, output = result.variant.records, result.stub, result.usage.output
    problems = []
    if stub["objects"] != records:
        problems.append(f"delivered {stub['objects']:,} objects of {records:,} records")
    if stub["refused"]:
        problems.append(f"{stub['refused']} requests were not what the stub knows")
    if stub["requests"] * OBJECTS_PER_REQUEST * 0.95 > records + OBJECTS_PER_REQUEST:
        problems.append(f"needed {stub['requests']:,} requests, which were not full")
    if not output or json.loads(output[-1]) != lines.last_state(records):
        problems.append("the last STATE it passed on is not the last it was given")
    if not result.is_stub_idle:
        problems.append("the stub was too busy to measure anything with")
    return problems


def _problems_of_summary(result: Result, folder: Path) -> list[str]:
    summary = json.loads((folder / "reports" / "latest" / "summary.json").read_bytes())
    expected = {
        "records": result.variant.records,
        "delivered": result.variant.records,
        "unchanged": 0,
        "held": 0,
        "rejected": 0,
        "retries": 0,
        "objects": result.variant.records,
        "requests": result.stub["requests"],
        "dry_run": False,
        "rejections": {},
    }
    return [
        f"summary.json says {key}: {summary.get(key)}, not {value}"
        for key, value in expected.items()
        if summary.get(key) != value
    ]
