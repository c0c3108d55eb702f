"""How far a stream has come: said now and then, in numbers people can read."""

from __future__ import annotations

import pytest
from tap_braze_currents.progress import INTERVAL_SECONDS, Progress, readable


def test_a_short_stream_says_nothing() -> None:
    progress = Progress(files=3, bytes=30)
    assert [progress.done(10, now) for now in (0.0, 1.0, INTERVAL_SECONDS - 0.1)] == [None] * 3


def test_a_long_one_says_something_once_an_interval() -> None:
    progress = Progress(files=2_000, bytes=3_000_000)
    said = [progress.done(1_500, now * INTERVAL_SECONDS / 4) for now in range(9)]
    assert [line for line in said if line] == [
        "5 of 2,000 files, 7.5 kB of 3.0 MB (0%)",
        "9 of 2,000 files, 13.5 kB of 3.0 MB (0%)",
    ]
    assert said[4]
    assert said[8]


def test_a_long_first_file_does_not_count_as_an_interval_of_silence() -> None:
    progress = Progress(files=2, bytes=100)
    assert progress.done(50, 1_000_000.0) is None
    assert progress.done(50, 1_000_000.0 + INTERVAL_SECONDS) == "2 of 2 files, 100 B of 100 B (100%)"


def test_files_of_nothing_are_all_of_nothing() -> None:
    progress = Progress(files=2, bytes=0)
    progress.done(0, 0.0)
    assert progress.done(0, INTERVAL_SECONDS) == "2 of 2 files, 0 B of 0 B (100%)"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e9, "5.0 GB"), (12_345e12, "12345.0 TB")],
)
def test_bytes_for_people(size: float, text: str) -> None:
    assert readable(size) == text
