"""Files: their order, and what makes a new version of one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from tap_braze_currents.files import File, read_time, write_time
from tap_braze_currents.keys import parse

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def file(name: str = "a", size: int = 10, etag: str = '"0123456789abcdef"', modified: datetime = NOON) -> File:
    key = f"event_type=users.X/date=2026-03-01-11/{name}.avro"
    place = parse(key)
    assert place
    return File(key, size, etag, modified, place)


def test_files_are_read_in_the_order_of_writing_then_of_keys() -> None:
    later, first, second = file("a", modified=NOON + timedelta(seconds=1)), file("b"), file("c")
    assert sorted([later, second, first], key=lambda file: file.order) == [first, second, later]


def test_fingerprint_is_short_and_without_quotation_marks() -> None:
    assert file().fingerprint == file(etag="0123456789abcdef").fingerprint == "01234567-10"
    assert file(etag="").fingerprint == "-10"


@pytest.mark.parametrize(
    "again",
    [file(size=9), file(etag='"f123456789abcdef"'), file(modified=NOON + timedelta(seconds=1))],
    ids=["other size", "other content", "same content, written again"],
)
def test_file_written_again_is_another_version(again: File) -> None:
    assert again.version != file().version


def test_version_is_the_same_in_every_zone() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert file(modified=elsewhere).version == file().version == "2026-03-01T12:00:00Z 01234567-10"


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        file(modified=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="has no zone"):
        read_time("2026-03-01T12:00:00")


@pytest.mark.parametrize("moment", [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(milliseconds=500)])
def test_time_is_kept_whole(moment: datetime) -> None:
    assert read_time(write_time(moment)) == moment
