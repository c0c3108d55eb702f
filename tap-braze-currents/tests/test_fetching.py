"""Fetching ahead: in order, bounded in number and bytes, and over when nobody asks for more."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tap_braze_currents import fetching
from tap_braze_currents.errors import FileError
from tap_braze_currents.fetching import FIRST_BYTES, MAX_BYTES, fetched_in_order
from tap_braze_currents.files import File
from tap_braze_currents.keys import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_SECONDS = 20.0
KEY = "dataexport.prod-01.S3.integration.1/event_type=users.X/date=2026-01-01-00/version=6/us-01/a+0+{}.avro"
THEN = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


def file(number: int, size: int = 1) -> File:
    key = KEY.format(number)
    place = parse(key)
    assert place is not None
    return File(key, size, "", THEN, place)


def files(*sizes: int) -> list[File]:
    return [file(number, size) for number, size in enumerate(sizes)]


def content(file: File) -> bytes:
    return file.key.encode()


class Gate:
    """Fetches nothing until it may; counts what waits, and what ever waited at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._may = 0
        self.begun: list[File] = []
        self.running = 0
        self.most = 0

    def fetch(self, file: File) -> bytes:
        with self._changed:
            self.begun.append(file)
            self.running += 1
            self.most = max(self.most, self.running)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._may > 0, PATIENCE_SECONDS)
            self._may -= 1
            self.running -= 1
        return content(file)

    def allow(self, count: int) -> None:
        with self._changed:
            self._may += count
            self._changed.notify_all()

    def wait_until_begun(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE_SECONDS)


def fetch_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fetch")]


def test_nothing_to_fetch() -> None:
    assert list(fetched_in_order([], content, 4)) == []


@pytest.mark.parametrize("parallel", [1, 3, 16])
def test_files_come_in_their_order_whichever_is_there_first(parallel: int) -> None:
    wanted = files(*range(50))
    second_is_there = threading.Event()

    def fetch(file: File) -> bytes:
        if file is wanted[0] and parallel > 1:
            assert second_is_there.wait(PATIENCE_SECONDS)
        if file is wanted[1]:
            second_is_there.set()
        return content(file)

    found = [(fetched.file, fetched.data()) for fetched in fetched_in_order(wanted, fetch, parallel)]
    assert found == [(file, content(file)) for file in wanted]
    assert fetch_threads() == []


def test_no_more_at_once_than_allowed() -> None:
    gate = Gate()
    found = fetched_in_order(files(*[1] * 20), gate.fetch, 3)
    first = next(found)
    gate.wait_until_begun(3)
    assert len(gate.begun) == 3
    gate.allow(20)
    assert first.data() == content(file(0))
    assert len([fetched.data() for fetched in found]) == 19
    assert gate.most == 3


@pytest.mark.parametrize(
    ("sizes", "ahead"),
    [
        ((4, 4, 4, 4), 2),  # the third would be too much
        ((100, 1, 1), 1),  # larger than allowed: alone
        ((1, 100, 1), 1),  # and it waits until it is alone
        ((0, 0, 0, 0), 4),
    ],
)
def test_no_more_bytes_ahead_than_allowed(sizes: Sequence[int], ahead: int) -> None:
    asked: list[File] = []

    def fetch(file: File) -> bytes:
        asked.append(file)
        return content(file)

    found = fetched_in_order(files(*sizes), fetch, 4, max_bytes=10)
    next(found).data()
    found.close()  # waits for what was begun; what was only asked for is given up
    assert len(asked) <= ahead
    assert [fetched.file.size for fetched in fetched_in_order(files(*sizes), content, 4, max_bytes=10)] == list(sizes)


def test_an_error_stays_with_its_file() -> None:
    def fetch(file: File) -> bytes:
        if file.size == 2:
            raise FileError("made to fail")
        return content(file)

    found = fetched_in_order(files(1, 2, 3), fetch, 2)
    assert next(found).data() == content(file(0))
    with pytest.raises(FileError, match="made to fail"):
        next(found).data()
    assert [fetched.data() for fetched in found] == [content(file(2))]


def test_nothing_runs_on_when_nobody_asks_for_more() -> None:
    gate = Gate()
    found = fetched_in_order(files(*[1] * 20), gate.fetch, 2)
    next(found)
    gate.wait_until_begun(2)
    gate.allow(2)
    found.close()
    assert gate.running == 0
    assert len(gate.begun) < 20
    assert fetch_threads() == []


@pytest.mark.parametrize(
    ("sizes", "max_bytes", "ahead"),
    [
        ([1] * 20, 1_000, [4, 5, 6, 7, 8]),  # twice as many as are fetched at once
        ([4] * 20, 10, [2, 3, 4, 5, 6]),  # what is done with makes room
        ([FIRST_BYTES] * 20, MAX_BYTES, [1, 3, 6, 7, 8]),  # the first need not share the line
    ],
)
def test_as_much_is_asked_for_ahead_at_the_end_as_at_the_beginning(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], max_bytes: int, ahead: list[int]
) -> None:
    asked: list[File] = []

    class Counted(fetching.Fetched):
        def __init__(self, file: File, future: Any) -> None:
            asked.append(file)
            super().__init__(file, future)

    monkeypatch.setattr(fetching, "Fetched", Counted)
    found = fetched_in_order(files(*sizes), content, 2, max_bytes)
    seen = []
    for _ in ahead:
        next(found)
        seen.append(len(asked))
    assert seen == ahead
    assert len(list(found)) == len(sizes) - len(ahead)
