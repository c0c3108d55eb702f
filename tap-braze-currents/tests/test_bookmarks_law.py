"""The law of the bookmark: whatever appears late, dies, moves or is written again, nothing is lost or read twice.

A model of a bucket, its clock, and runs of the tap that die anywhere and go on from the last STATE that left. It keeps
only the settings' own conditions: a file is visible at most `settle_minutes` (less the clock's error) after its time of
writing, and is written at most `late_arrival_days` after its hour, but for what was there before the first run.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tap_braze_currents.bookmarks import Bookmark, Selection
from tap_braze_currents.files import File
from tap_braze_currents.keys import event_type_folder, hour_of, parse, start_after

EPOCH = datetime(2026, 3, 1, tzinfo=timezone.utc)
SETTLE_MINUTES = 60
LONGEST_UPLOAD, CLOCK_AHEAD = 45, 15  # together what has to settle; a clock that is behind does no harm
INTEGRATIONS = ("a1", "b2")

minutes_st = st.sampled_from([0, 1, 30, 59, 60, 61, 120, 300, 1300, 1440, 4000])
clock_st = st.sampled_from([0, CLOCK_AHEAD, -1, -45, -600])
ages_st = st.lists(st.sampled_from([0, 90, 1500, 3000, 4000, 9000]), max_size=6, unique=True)
index_st = st.integers(0, 9999)


@dataclass(frozen=True)
class Upload:
    """A file on its way: written at one time, visible at another."""

    visible: int
    file: File


class Bucket(RuleBasedStateMachine):
    late_arrival_days: ClassVar[int | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.minute = 10_000
        self.uploads: list[Upload] = []
        self.files: dict[str, File] = {}
        self.unreadable: set[tuple[str, str]] = set()
        self.state: dict[str, Any] = {}
        self.dates: tuple[str | None, str | None] = (None, None)
        self.integrations = set(INTEGRATIONS)
        self.reads: Counter[tuple[str, str]] = Counter()
        self.died_in_flight: Counter[tuple[str, str]] = Counter()
        self.etags = 0

    # What happens in the bucket

    def at(self, minute: int) -> datetime:
        return EPOCH + timedelta(minutes=minute)

    def upload(self, key: str, delay: int, size: int) -> None:
        place = parse(key)
        assert place
        self.etags += 1
        file = File(key, size, f'"{self.etags:08x}ffff"', self.at(self.minute), place)
        self.uploads.append(Upload(self.minute + delay, file))
        self.arrive()

    def arrive(self) -> None:
        for upload in sorted(self.uploads, key=lambda upload: upload.visible):
            if upload.visible <= self.minute:
                self.files[upload.file.key] = upload.file
        self.uploads = [upload for upload in self.uploads if upload.visible > self.minute]

    def key(self, integration: str, lateness: int, version: int, partition: int, offset: int) -> str:
        topic = f"dataexport.prod-01.S3.integration.{integration}"
        hour = hour_of(self.at(self.minute - lateness))
        release = f"version={version}" if version > 9 else str(version)
        return f"{topic}/event_type=users.X/date={hour}/{release}/us-01/{topic}+{partition}+{offset}.avro"

    @property
    def longest_lateness(self) -> int:
        return 9_000 if self.late_arrival_days is None else self.late_arrival_days * 24 * 60

    @initialize(ages=ages_st, integration=st.sampled_from(INTEGRATIONS), minutes=minutes_st)
    def begin_with_a_bucket_copied_in_one_second(self, ages: list[int], integration: str, minutes: int) -> None:
        for age in ages:
            self.upload(self.key(integration, age, 9, 0, age), 0, 10)
        self.pass_time(minutes)

    @rule(
        integration=st.sampled_from(INTEGRATIONS),
        lateness=minutes_st,
        # In key order neither the folders nor the partitions nor the offsets are in the order of time.
        name=st.sampled_from([(9, 2, 0), (9, 10, 1), (10, 2, 2), (10, 10, 10)]),
        delay=st.integers(0, LONGEST_UPLOAD),
        size=st.integers(9, 11),
    )
    def write_file(self, integration: str, lateness: int, name: tuple[int, int, int], delay: int, size: int) -> None:
        self.upload(self.key(integration, min(lateness, self.longest_lateness), *name), delay, size)

    @precondition(lambda self: self.files)
    @rule(index=index_st, delay=st.integers(0, LONGEST_UPLOAD), longer=st.integers(-1, 1))
    def write_again(self, index: int, delay: int, longer: int) -> None:
        oldest = hour_of(self.at(self.minute - self.longest_lateness))
        keys = [key for key, file in sorted(self.files.items()) if file.place.hour >= oldest]
        if keys:
            key = keys[index % len(keys)]
            self.upload(key, delay, self.files[key].size + longer)

    @precondition(lambda self: self.files)
    @rule(index=index_st)
    def delete_file(self, index: int) -> None:
        del self.files[sorted(self.files)[index % len(self.files)]]

    @precondition(lambda self: self.files)
    @rule(index=index_st)
    def damage_file(self, index: int) -> None:
        file = self.files[sorted(self.files)[index % len(self.files)]]
        if not self.reads[file.key, file.version]:
            self.unreadable.add((file.key, file.version))

    @precondition(lambda self: self.unreadable)
    @rule(index=index_st)
    def restore_file(self, index: int) -> None:
        self.unreadable.remove(sorted(self.unreadable)[index % len(self.unreadable)])

    @rule(minutes=minutes_st)
    def pass_time(self, minutes: int) -> None:
        self.minute += minutes
        self.arrive()

    # What happens to the settings

    @rule(
        start=st.none() | st.integers(-2_000, 9_000),
        end=st.none() | st.integers(-2_000, 3_000),
    )
    def move_dates(self, start: int | None, end: int | None) -> None:
        self.dates = (
            None if start is None else hour_of(self.at(self.minute - start)),
            None if end is None else hour_of(self.at(self.minute - end)),
        )

    @rule(integrations=st.sampled_from([{"a1"}, {"b2"}, {"a1", "b2"}]))
    def choose_integrations(self, integrations: set[str]) -> None:
        self.integrations = integrations

    # What the tap does

    @rule(clock=clock_st, dies_at=st.integers(0, 6))
    def run_tap_that_dies(self, clock: int, dies_at: int) -> None:
        self.run_tap(clock, dies_at, shuffled=False, random=None)

    @rule(clock=clock_st, dies_at=st.none() | st.integers(0, 6), shuffled=st.booleans(), random=st.randoms())
    def run_tap(self, clock: int, dies_at: int | None, shuffled: bool, random: Any) -> None:
        selection = Selection(*self.dates, SETTLE_MINUTES, self.late_arrival_days)
        now = self.at(self.minute + clock)
        bookmark = Bookmark.from_state(self.state)
        folders = [f"dataexport.prod-01.S3.integration.{name}/event_type=users.X" for name in sorted(self.integrations)]
        listed = [
            file for folder in folders for file in self.listing(folder, bookmark.listing_floor(folder, selection))
        ]
        selected = bookmark.select(listed, now, selection, folders)
        assert selected == sorted(selected, key=lambda file: file.order)
        if shuffled:
            random.shuffle(selected)
        for index, file in enumerate(selected):
            version = (file.key, file.version)
            if version in self.unreadable:
                bookmark.set_aside(file, "cut short")
            else:
                self.reads[version] += 1
                assert self.reads[version] <= 1 + self.died_in_flight[version], f"{version} was read without need"
                if index == dies_at:
                    self.died_in_flight[version] += 1
                    break
                bookmark.read(file)
            self.state = json.loads(json.dumps(bookmark.to_state()))
        else:
            self.state = json.loads(json.dumps(bookmark.to_state()))
            self.check(folders, selection, now)
        self.minute += 1
        self.arrive()

    def listing(self, folder: str, floor: str | None) -> list[File]:
        after = start_after(folder, floor) or ""
        return [file for key, file in self.files.items() if key.startswith(f"{folder}/") and key > after]

    def check(self, folders: list[str], selection: Selection, now: datetime) -> None:
        """After a run that came to its end."""
        set_aside = Bookmark.from_state(self.state).files_set_aside
        for file in self.files.values():
            if event_type_folder(file.key) in folders and file.place.hour in selection:
                version = (file.key, file.version)
                is_held = file.key in set_aside if version in self.unreadable else self.reads[version]
                assert is_held, f"{file} was visible and is lost"
        horizon = now - timedelta(minutes=SETTLE_MINUTES)
        for folder in folders:
            for key in self.state["folders"].get(folder, {}).get("seen", {}):
                place = parse(f"{folder}/{key}")
                assert place
                if place.hour in selection:
                    file = self.files[f"{folder}/{key}"]
                    assert file.modified > horizon, f"{file} is remembered although its time is past"

    def teardown(self) -> None:
        """Let all arrive and settle: then nothing is left to read, and the state is one position for each folder."""
        self.dates = (None, None)
        self.integrations = set(INTEGRATIONS)
        for _ in range(2):
            self.pass_time(3 * SETTLE_MINUTES)
            before = self.reads.copy()
            self.run_tap(0, None, shuffled=False, random=None)
        repaired = [version for version in self.reads - before if version not in self.unreadable]
        assert repaired == [], "a settled file was read again"
        for folder, state in self.state["folders"].items():
            assert len(state["spans"]) <= 1, folder
            assert "seen" not in state, folder


class BucketListedWhole(Bucket):
    """Every run lists everything, so that a file may be written however late after its hour."""

    @rule(ages=ages_st, integration=st.sampled_from(INTEGRATIONS))
    def copy_files_of_another_bucket(self, ages: list[int], integration: str) -> None:
        for age in ages:
            self.upload(self.key(integration, age, 9, 0, age), 0, 10)


class BucketListedFromAFloor(Bucket):
    """Runs list from a floor, so that a file has to be written in time, except before the first run."""

    late_arrival_days: ClassVar[int | None] = 1


@pytest.mark.parametrize("bucket", [BucketListedWhole, BucketListedFromAFloor], ids=["listed-whole", "from-a-floor"])
def test_bookmark_loses_nothing_and_reads_nothing_twice(bucket: type[Bucket]) -> None:
    run_state_machine_as_test(
        bucket,
        settings=settings(
            max_examples=300,
            stateful_step_count=30,
        ),
    )
