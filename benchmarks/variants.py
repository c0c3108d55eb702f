"""What is compared: each variant is a whole process, with its input, its settings and the ledger it begins with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from benchmarks import lines, through_meltano
from benchmarks.ledgers import TARGET

UNLIMITED_REQUESTS_PER_SECOND: Final = 5000
"""A limit no run here can reach: the pace is then what the target itself can do."""
LIMITED_RECORDS: Final = 300_000
"""Most records of the runs with a limit, which take as long as the limit says."""
TIMES_AS_LONG: Final = 3

NEW, UNCHANGED, UNSENT, CHANGED, MEMORY, MELTANO = CASES = (
    "new",
    "unchanged",
    "unsent",
    "changed",
    "memory",
    "meltano",
)
FLOOR: Final = "decode"
LIMITED, LONG, PLAIN, PLAIN_UNCHECKED = "new-limited", "new-long", "plain", "plain-unchecked"
DISCARDING, DISCARDING_UNCHECKED, START = "discarding", "discarding-unchecked", "-start"
CHANGED_WHOLE, CHANGED_ALL = "changed-whole", "changed-all"
LARGE_UNCHANGED, LARGE_CHANGED, LARGE, KILLED = "large-unchanged", "large-changed", "large", "large-killed"


class Job(Enum):
    """What a run has to do, all of it, to count."""

    DECODE = auto()
    DISCARD = auto()
    DELIVER_ALL = auto()
    DELIVER_CHANGES = auto()
    DELIVER_NOTHING = auto()


@dataclass(frozen=True)
class Variant:
    """One thing to measure.

    Attributes:
        key: What it is known by.
        case: The part of the benchmark it is in.
        label: Its name in the table.
        customers: How many customers its input is about.
        job: What it has to do.
        command: What to run, without its config.
        kinds: The kinds of lines it is given, from round to round in turn.
        settings: What shapes the records: a target's settings beside connection and files.
        pace: Settings of a target that shape nothing.
        known: How many customers the ledger knows beforehand as they are at first; None for no ledger.
        is_ledger_kept: Whether a run goes on with the ledger that the one before left.
        killed_customers: If a run with that ledger is killed before, how many customers that one is given.
        is_through_meltano: Whether `meltano run` starts it and its tap.
        is_once: Whether it runs in the last round only, because it takes long.
    """

    key: str
    case: str
    label: str
    customers: int
    job: Job
    command: tuple[str, ...]
    kinds: tuple[str, ...] = (lines.FIRST,)
    settings: dict[str, Any] = field(default_factory=dict)
    pace: dict[str, Any] = field(default_factory=dict)
    known: int | None = None
    is_ledger_kept: bool = False
    killed_customers: int | None = None
    is_through_meltano: bool = False
    is_once: bool = False

    def kind(self, number: int) -> str:
        """The kind of lines in a round, which are counted from 1."""
        return self.kinds[(number - 1) % len(self.kinds)]

    @property
    def is_ours(self) -> bool:
        """Whether it is target-braze."""
        return self.command[0] == TARGET


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        records: Records of most runs.
        plain_records: Of the plain target's that deliver.
        discarded_records: Of the plain target's that discard.
        identities: People in the large ledger.
        connections: Most requests at once.
        limit: Requests per second of the limited runs.
    """

    records: int
    plain_records: int
    discarded_records: int
    identities: int
    connections: int
    limit: int


def floor_of(case: str) -> str:
    """The key of the floor that a case is compared with: on the same lines, just before it."""
    return f"{FLOOR}-{UNCHANGED if case in {MEMORY, MELTANO} else case}"


def all_variants(sizes: Sizes) -> list[Variant]:
    """Everything that is compared, case by case."""
    found = _new(sizes) + _unchanged(sizes) + _unsent(sizes) + _changed(sizes) + _memory(sizes)
    return found + (_meltano(sizes) if through_meltano.is_there() else [])


def _floor(case: str, records: int, *kinds: str) -> Variant:
    decode = (sys.executable, str(Path(__file__).with_name("decode.py")))
    return Variant(floor_of(case), case, "decode only", records, Job.DECODE, decode, kinds or (lines.FIRST,))


def _plain(key: str, case: str, label: str, records: int, **settings: Any) -> Variant:
    command = (sys.executable, str(Path(__file__).with_name("plain_target.py")))
    job = Job.DISCARD if settings.get("discard") else Job.DELIVER_ALL
    return Variant(key, case, label, records, job, command, settings=settings)


def _new(sizes: Sizes) -> list[Variant]:
    records, plain = sizes.records, min(sizes.records, sizes.plain_records)
    fast, job = _fast(sizes), Job.DELIVER_ALL
    slow = fast | {"max_requests_per_second": sizes.limit}
    limited = f"target-braze, at most {sizes.limit} requests/s"
    return [
        _floor(NEW, records),
        Variant(NEW, NEW, "target-braze", records, job, (TARGET,), pace=fast),
        Variant(LIMITED, NEW, limited, min(records, LIMITED_RECORDS), job, (TARGET,), pace=slow),
        _plain(PLAIN, NEW, "plain SDK target", plain),
        _plain(PLAIN_UNCHECKED, NEW, "plain SDK target, `validate_records: false`", plain, validate_records=False),
        Variant(
            LONG,
            NEW,
            f"target-braze, {TIMES_AS_LONG} x the input",
            TIMES_AS_LONG * records,
            job,
            (TARGET,),
            pace=fast,
            is_once=True,
        ),
    ]


def _unchanged(sizes: Sizes) -> list[Variant]:
    records, discarded = sizes.records, min(sizes.records, sizes.discarded_records)
    found = [_floor(UNCHANGED, records), _ours(UNCHANGED, UNCHANGED, "target-braze", sizes, Job.DELIVER_NOTHING)]
    # batches as large as the SDK makes them by default: to discard, small ones are of no use
    settings: dict[str, Any] = {"discard": True, "batch_size_rows": 10_000}
    unchecked = settings | {"validate_records": False}
    for key, label, own in (
        (DISCARDING, "plain SDK target, discarding", settings),
        (DISCARDING_UNCHECKED, "plain SDK target, discarding, `validate_records: false`", unchecked),
    ):
        found.append(_plain(key, UNCHANGED, label, discarded, **own))
        found.append(_plain(key + START, UNCHANGED, f"{label}: start and end", 1, **own))
    return found


def _unsent(sizes: Sizes) -> list[Variant]:
    settings = {"streams": {lines.STREAM: {"fields": {lines.UNSENT_COLUMN: None}}}}
    kinds = (lines.UNSENT,)
    return [
        _floor(UNSENT, sizes.records, *kinds),
        _ours(UNSENT, UNSENT, "target-braze", sizes, Job.DELIVER_NOTHING, kinds=kinds, settings=settings),
    ]


def _changed(sizes: Sizes) -> list[Variant]:
    # A → B → A: each round finds what the one before it changed
    kinds, everything = (lines.CHANGED, lines.FIRST), Job.DELIVER_ALL
    whole, fast = (lines.CHANGED_ALONE,), _fast(sizes)
    return [
        _floor(CHANGED, sizes.records, *kinds),
        _ours(CHANGED, CHANGED, "target-braze", sizes, Job.DELIVER_CHANGES, kinds=kinds, is_ledger_kept=True),
        Variant(
            CHANGED_WHOLE,
            CHANGED,
            "the changed records whole, by target-braze without its ledger",
            sizes.records,
            everything,
            (TARGET,),
            whole,
            pace=fast,
            is_once=True,
        ),
        Variant(
            CHANGED_ALL,
            CHANGED,
            "everything, by target-braze without its ledger",
            sizes.records,
            everything,
            (TARGET,),
            (lines.CHANGED,),
            pace=fast,
            is_once=True,
        ),
    ]


def _memory(sizes: Sizes) -> list[Variant]:
    known = max(sizes.identities, TIMES_AS_LONG * sizes.records)
    found = []
    for key, job, kind, what in (
        (LARGE_UNCHANGED, Job.DELIVER_NOTHING, lines.FIRST, "nothing changed"),
        (LARGE_CHANGED, Job.DELIVER_CHANGES, lines.CHANGED, "5 % changed"),
    ):
        found += [
            _ours(key, MEMORY, what, sizes, job, kinds=(kind,), known=known, is_once=True),
            _ours(
                f"{key}-{LONG}",
                MEMORY,
                f"{what}, {TIMES_AS_LONG} x the input",
                sizes,
                job,
                kinds=(kind,),
                known=known,
                customers=TIMES_AS_LONG * sizes.records,
                is_once=True,
            ),
        ]
    nothing, one = Job.DELIVER_NOTHING, {"customers": 1}
    return [
        *found,
        _ours(MEMORY + START, MEMORY, f"ledger of {sizes.records:,}: start and end", sizes, nothing, **one),
        _ours(LARGE + START, MEMORY, f"ledger of {known:,}: start and end", sizes, nothing, known=known, **one),
        _ours(
            KILLED + START,
            MEMORY,
            f"ledger of {known:,}: start and end after a kill",
            sizes,
            nothing,
            known=known,
            killed_customers=sizes.records,
            **one,
        ),
    ]


def _meltano(sizes: Sizes) -> list[Variant]:
    job = Job.DELIVER_NOTHING
    return [_ours(MELTANO, MELTANO, "`meltano run`", sizes, job, is_through_meltano=True, is_once=True)]


def _ours(key: str, case: str, label: str, sizes: Sizes, job: Job, **options: Any) -> Variant:
    """target-braze with a ledger that knows the customers of most runs, unless the options say otherwise."""
    options = {"customers": sizes.records, "known": sizes.records, "pace": _fast(sizes), **options}
    return Variant(key, case, label, job=job, command=(TARGET,), **options)


def _fast(sizes: Sizes) -> dict[str, Any]:
    return {"max_requests_per_second": UNLIMITED_REQUESTS_PER_SECOND, "max_connections": sizes.connections}
