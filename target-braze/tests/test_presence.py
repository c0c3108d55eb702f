"""Who was seen in a table, and when absence from it counts."""

from __future__ import annotations

import pytest
from target_braze.presence import Book, Presence

ADA, BOB, CAT = (bytes([number]) * 16 for number in (7, 8, 9))
ADAS, BOBS = (bytes([number]) * 16 for number in (107, 108))
STREAM, OTHER = 1, 2


def presence(**book: object) -> Presence:
    return Presence(STREAM, Book(**book))  # type: ignore[arg-type]


class TestWhoWasSeen:
    def test_by_what_stands_for_them_or_by_a_digest(self) -> None:
        seen = presence()
        seen.see([ADA, BOBS])
        assert seen.absent([ADA, BOB, CAT], [None, BOBS, None]) == [False, False, True]

    def test_a_digest_of_another_record_is_not_theirs(self) -> None:
        seen = presence()
        seen.see([BOBS])
        assert seen.absent([ADA], [ADAS]) == [True]

    def test_a_digest_that_stops_standing_for_a_record_is_traded(self) -> None:
        seen = presence()
        seen.see([BOBS])
        seen.trade(BOB, {STREAM: BOBS, OTHER: ADAS})
        seen.trade(ADA, {STREAM: ADAS})
        assert seen.absent([ADA, BOB], [None, None]) == [True, False]

    def test_nobody(self) -> None:
        assert presence().absent([ADA], [None]) == [True]


class TestWhetherItCounts:
    def test_it_is_read_when_a_state_follows_its_last_record(self) -> None:
        seen = presence()
        assert not seen.is_read
        seen.begin()
        seen.state_came()
        assert seen.is_read
        seen.begin()
        assert not seen.is_read

    def test_a_version_before_the_records_is_no_end(self) -> None:
        seen = presence()
        seen.activate(1)
        assert not seen.is_read
        seen.begin()
        assert not seen.is_read
        seen.activate(1)
        assert seen.is_read

    @pytest.mark.parametrize(
        ("book", "is_new"),
        [
            ({}, True),
            ({"version": 2}, True),
            ({"version": 3}, False),
            ({"version": 2, "is_open": True, "open_version": 3}, False),
            ({"version": 2, "is_open": True, "open_version": 1}, True),
            ({"version": 2, "is_open": True}, False),
        ],
    )
    def test_a_version_is_that_of_a_new_table(self, book: dict[str, object], is_new: bool) -> None:
        seen = presence(**book)
        seen.activate(3)
        assert seen.is_new_version is is_new

    def test_a_table_without_records_is_none_that_began(self) -> None:
        seen = presence()
        seen.state_came()
        assert seen.is_read
        assert not seen.is_whole
        seen.begin()
        seen.state_came()
        assert seen.is_whole

    def test_no_version_is_none_of_a_new_table(self) -> None:
        assert not presence().is_new_version
