"""What the tap is compared with, and the proof that each run did its whole job."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks import events
from benchmarks.processes import Stub, WrongResultError
from benchmarks.servers import s3_settings
from benchmarks.tap_processes import Emission, run

if TYPE_CHECKING:
    from collections.abc import Callable

CODECS: Final = ("null", "deflate")
LONG_TIMES: Final = 3
FEW_RECORDS: Final = 1_000
"""So few that a run is its start and its end."""
MANY_FILES: Final = 64
MAX_SHARE_OF_A_CORE: Final = 0.5

_HERE: Final = Path(__file__).parent
_TAP: Final = (str(Path(sys.executable).with_name("tap-braze-currents")), "--config")
_FLOOR: Final = (sys.executable, str(_HERE / "avro_lines.py"))
_PLAIN: Final = (sys.executable, str(_HERE / "plain_tap.py"), "--config")
_SEQUENTIAL: Final = (sys.executable, str(_HERE / "sequential.py"), "--config")


@dataclass(frozen=True)
class Servers:
    """What runs beside every variant.

    Attributes:
        rclone: The address of an S3 that has each folder of files as a bucket.
        slow_bucket: The S3 with the small files that takes its time.
    """

    rclone: str
    slow_bucket: Stub


@dataclass(frozen=True)
class Variant:
    """One thing to measure.

    Attributes:
        key: Its name on the command line.
        label: Its name in the table.
        records: How many there are to be read.
        prepare: Makes the files, or finds them made.
        command: What to run.
        base: The key of what its pace is a multiple of.
        source: Where it reads: `folder`, `rclone` or `slow`.
        cores: How many it may use; None for all.
        settings: Of the tap's, besides where to read.
        is_once: Whether it runs in the last round only, because it takes long.
    """

    key: str
    label: str
    records: int
    prepare: Callable[[], Path]
    command: tuple[str, ...]
    base: str
    source: str = "folder"
    cores: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    is_once: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is tap-braze-currents."""
        return self.command is _TAP


@dataclass(frozen=True)
class Result:
    """One measured run.

    Attributes:
        variant: What ran.
        emission: What the process used and wrote.
        bucket: The slow bucket's counters, empty for all who read elsewhere.
    """

    variant: Variant
    emission: Emission
    bucket: dict[str, float]

    @property
    def records_per_second(self) -> float:
        """Records by the whole process's time, its start and its end included."""
        return self.variant.records / self.emission.seconds

    @property
    def cpu_per_record(self) -> float:
        """CPU seconds per record, its start and its end included."""
        return self.emission.cpu_seconds / self.variant.records


def decoding_variants(records: int, plain_records: int) -> list[Variant]:
    """How fast large files become lines: for each codec the floor, the tap and the plain tap."""
    return [variant for codec in CODECS for variant in _decoding(codec, records, min(records, plain_records))]


def _decoding(codec: str, records: int, plain_records: int) -> list[Variant]:
    def files() -> Path:
        return events.prepare(records, codec)

    def long_files() -> Path:
        return events.prepare_again(records, codec, LONG_TIMES)

    floor = f"floor-{codec}"
    tap = f"tap-{codec}"
    found = [
        Variant(floor, f"{codec}: fastavro and msgspec, 1 core", records, files, _FLOOR, floor, cores=1),
        Variant(tap, f"{codec}: tap, folder, 1 core", records, files, _TAP, floor, cores=1),
        Variant(f"{tap}-2", f"{codec}: tap, folder, 2 cores", records, files, _TAP, floor, cores=2),
        Variant(f"{tap}-s3", f"{codec}: tap, S3, 1 core", records, files, _TAP, floor, "rclone", cores=1),
        Variant(f"{tap}-s3-2", f"{codec}: tap, S3, 2 cores", records, files, _TAP, floor, "rclone", cores=2),
        Variant(
            f"plain-{codec}",
            f"{codec}: plain SDK tap, folder, 1 core",
            plain_records,
            lambda: events.prepare(plain_records, codec),
            _PLAIN,
            floor,
            cores=1,
        ),
    ]
    if codec == CODECS[0]:  # decompression takes no more memory than what it makes of a block
        label = f"{codec}: tap, S3, {LONG_TIMES} x the input"

        def few_files() -> Path:
            return events.prepare(FEW_RECORDS, codec)

        for key, source, name in (("start", "folder", "folder"), ("start-s3", "rclone", "S3")):
            start = f"{codec}: tap, {name}, 1 core, start and end"
            found.append(Variant(key, start, FEW_RECORDS, few_files, _TAP, floor, source, cores=1))
        many = LONG_TIMES * records
        found.append(Variant(f"{tap}-long", label, many, long_files, _TAP, floor, "rclone", is_once=True))
    return found


def fetching_variants(files: int) -> list[Variant]:
    """How fast many small files come from a bucket that is far away."""

    def small() -> Path:
        return events.prepare_small(files)

    records = files * events.RECORDS_PER_SMALL_FILE
    many = {"max_parallel_files": MANY_FILES}
    return [
        Variant("small", "tap, 16 files at once (default)", records, small, _TAP, "sequential", "slow"),
        Variant("small-64", f"tap, {MANY_FILES} files at once", records, small, _TAP, "sequential", "slow", None, many),
        Variant(
            "sequential",
            "one GET after another",
            records,
            small,
            _SEQUENTIAL,
            "sequential",
            "slow",
            is_once=True,
        ),
    ]


def measure(variant: Variant, servers: Servers) -> Result:
    """Run a variant once.

    Raises:
        WrongResultError: If it did not emit every record once, or does not remember it.
    """
    path = variant.prepare()
    with tempfile.TemporaryDirectory(prefix="tap-braze-currents-benchmark-") as name:
        folder = Path(name)
        is_slow = variant.source == "slow"
        if is_slow:
            servers.slow_bucket.reset()
        emission = run(command_of(variant, servers, folder), folder, variant.cores)
        result = Result(variant, emission, servers.slow_bucket.stats() if is_slow else {})
        problems = _problems(result, path)
    if problems:
        raise WrongResultError(f"{variant.label}: " + "; ".join(problems))
    return result


def command_of(variant: Variant, servers: Servers, folder: Path) -> list[str]:
    """The whole command, with a config file written into the run's folder."""
    path = variant.prepare()
    if variant.command is _FLOOR:
        return [*variant.command, str(path)]
    if variant.source == "folder":
        config = {"path": str(path)}
    else:
        endpoint = servers.rclone if variant.source == "rclone" else servers.slow_bucket.base_url
        config = s3_settings(path.name, endpoint)
    (folder / "config.json").write_text(json.dumps(config | variant.settings))
    return [*variant.command, str(folder / "config.json")]


def check_agreement(servers: Servers, variants: list[Variant]) -> None:
    """Look at every record that each variant emits, which a measured run does not.

    Args:
        servers: Where to read.
        variants: Such as read the same few records.

    Raises:
        WrongResultError: If two of them differ in more than the columns that the tap adds.
    """
    expected: dict[str, Any] | None = None
    for variant in variants:
        with tempfile.TemporaryDirectory(prefix="tap-braze-currents-benchmark-") as name:
            folder = Path(name)
            run(command_of(variant, servers, folder), folder, None, folder / "stdout")
            messages = [msgspec.json.decode(line) for line in (folder / "stdout").read_bytes().splitlines()]
        records = [message["record"] for message in messages if message["type"] == "RECORD"]
        found = {record["id"]: _without_added(record) for record in records}
        if len(found) != len(records) or len(found) != variant.records or (expected or found) != found:
            raise WrongResultError(f"{variant.label}: its records are not those of {variants[0].label}")
        expected = found


def _without_added(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the columns that the tap adds."""
    return {
        name: value for name, value in record.items() if not name.startswith(("_sdc_", "_braze_")) and name != "time_at"
    }


def _problems(result: Result, path: Path) -> list[str]:
    variant, emission, bucket = result.variant, result.emission, result.bucket
    problems = []
    if emission.records != variant.records:
        problems.append(f"emitted {emission.records:,} of {variant.records:,} records")
    if variant.is_ours:
        problems += _problems_of_state(emission.last_line, path)
    files = variant.records // events.RECORDS_PER_SMALL_FILE
    if bucket and not bucket["fetches"] == bucket["fetched_once"] == files:
        problems.append(f"fetched {bucket['fetches']:,} times, {bucket['fetched_once']:,} of {files:,} files just once")
    if bucket and bucket["refused"]:
        problems.append(f"{bucket['refused']} requests were not what the slow bucket knows")
    if bucket and bucket["cpu_seconds"] > MAX_SHARE_OF_A_CORE * emission.seconds:
        problems.append("the slow bucket was too busy to measure anything with")
    return problems


def _problems_of_state(last_line: bytes, path: Path) -> list[str]:
    """Whether the tap's last word is a STATE that remembers the last file."""
    last = max(events.files_of(path), key=lambda file: (file.stat().st_mtime, file.as_posix()))
    message = json.loads(last_line)
    bookmark = message.get("value", {}).get("bookmarks", {}).get(events.STREAM, {})
    spans = [span for folder in bookmark.get("folders", {}).values() for span in folder.get("spans", [])]
    if message["type"] != "STATE" or [span["key"].rpartition("/")[2] for span in spans] != [last.name]:
        return ["its last line is no STATE with the last file as the bookmark"]
    return []
