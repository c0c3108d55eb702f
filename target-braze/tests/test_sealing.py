"""Sealed numbers: open with their key at their place, and nowhere else."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.sealing import Cover, Sealer

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SEALER = Sealer(KEY)


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=40))
def test_law_that_what_was_sealed_opens(value: bytes, place: bytes) -> None:
    sealed = SEALER.seal(value, place)
    assert Sealer(KEY).open(sealed, place) == value
    assert len(sealed) == len(value) + 16


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=1, max_size=24))
def test_law_that_it_opens_nowhere_else(value: bytes, place: bytes) -> None:
    """Not for another person, not beside another hash, not with another ledger's key."""
    sealed = SEALER.seal(value, place)
    assert SEALER.open(sealed, place + b"\0") is None
    assert SEALER.open(sealed, place[:-1]) is None
    assert Sealer(OTHER_KEY).open(sealed, place) is None


@pytest.mark.parametrize("at", range(24))
def test_a_sealed_value_that_was_changed_does_not_open(at: int) -> None:
    sealed = bytearray(SEALER.seal(struct.pack("<d", 12.5), b"place"))
    sealed[at] ^= 1
    assert SEALER.open(bytes(sealed), b"place") is None


@pytest.mark.parametrize("sealed", [b"", b"x", b"x" * 15, b"x" * 16, b"x" * 24], ids=len)
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    """Of any length: it may come from a damaged ledger."""
    assert SEALER.open(sealed, b"place") is None


def test_equal_numbers_of_two_people_look_different() -> None:
    number = struct.pack("<d", 12.5)
    assert SEALER.seal(number, b"ana") != SEALER.seal(number, b"bo")
    assert number not in SEALER.seal(number, b"ana")


def test_the_seal_is_that_of_rfc_5297() -> None:
    """A change of how values are sealed would close all that is in ledgers; this one is from 2026-11."""
    assert SEALER.seal(struct.pack("<d", 12.5), b"place").hex() == "a6041533c3d521648a459f1b9891bbc3aa1e35565e9a1b12"


@pytest.mark.parametrize("length", [16, 32, 64])
def test_a_ledgers_key_may_have_any_length_it_can_have(length: int) -> None:
    sealer = Sealer(b"k" * length)
    assert sealer.open(sealer.seal(b"x", b""), b"") == b"x"


@given(st.lists(st.binary(max_size=300)))
def test_what_is_covered_is_what_is_uncovered(values: list[bytes]) -> None:
    cover = Cover(KEY)
    covered = cover.cover(values)
    assert cover.uncover(covered) == values
    assert all(len(value) < len(hidden) <= len(value) + 16 for value, hidden in zip(values, covered, strict=True))


def test_a_cover_hides_what_is_under_it() -> None:
    (covered,) = Cover(KEY).cover([b"eight by" * 20])
    assert b"eight by" not in covered
    assert Cover(bytes(32)).uncover([covered]) != [b"eight by" * 20]


@pytest.mark.parametrize("damaged", [b"", b"short", bytes(16), bytes(40)])
def test_what_no_cover_made_is_nothing_and_no_error(damaged: bytes) -> None:
    (found,) = Cover(KEY).uncover([damaged])
    assert isinstance(found, bytes)
