"""What the ledger keeps of one person, as bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.entries import NEVER, Entry, Mark, decode, encode, record_digests

digests = st.binary(min_size=16, max_size=16)
numbers = st.integers(1, 2**31)
marks = st.builds(Mark, st.none() | st.binary(min_size=24, max_size=24), st.none() | st.integers(0, 2**33))
entries = st.builds(
    Entry,
    st.integers(0, 2**31),
    st.lists(st.binary(min_size=8, max_size=8), max_size=5).map(b"".join),
    st.dictionaries(numbers, digests, max_size=3),
    st.dictionaries(numbers, marks, max_size=3),
)


@given(entries)
def test_law_that_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert decode(encode(entry)) == entry
    assert encode(decode(encode(entry))) == encode(entry)  # entries are compared as bytes


@given(entries)
def test_law_that_an_entry_tells_the_digests_of_its_records(entry: Entry) -> None:
    """From which the table is made anew after a crash."""
    assert list(record_digests(encode(entry))) == list(entry.records.values())


@pytest.mark.parametrize("value", [b"", b"\xff", b"\x94\x00", b"\x92\x00\x01", encode([0, "text"]), encode({})])
def test_what_is_no_entry_is_an_error(value: bytes) -> None:
    """Which the ledger's check counts."""
    with pytest.raises(msgspec.MsgspecError):
        list(record_digests(value))


def test_entries_of_earlier_versions_are_read() -> None:
    """A change of their form needs another version of the ledger, and an upgrade; this one is from 2026-11."""
    value = bytes.fromhex(
        "9407c410000000000000000031323334353637388103c41030313233343536373839616263646566810292c4067365616c6564ce6553f100"
    )
    assert decode(value) == Entry(7, NEVER + b"12345678", {3: b"0123456789abcdef"}, {2: Mark(b"sealed", 1_700_000_000)})


def test_of_an_entry_without_policies_little_is_kept() -> None:
    """Ten attributes of a person, of whom a ledger may have millions, in some hundred bytes."""
    assert len(encode(Entry(0, bytes(80), {1: bytes(16)}))) == 105
