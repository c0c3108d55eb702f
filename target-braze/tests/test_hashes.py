"""What stands for people in the ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.hashes import KEY_BYTES, Hasher
from target_braze.updates import Identity

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
HASHER = Hasher(KEY)
ANA = Identity("external_id", "ana")

identities = st.builds(
    Identity,
    st.sampled_from(["external_id", "braze_id", "email", "phone"]),
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(':"[],')),
) | st.builds(Identity, st.just("user_alias"), st.tuples(st.text("ab:,\"'"), st.text("ab:,\"'")))


@given(identities, identities)
def test_law_that_each_person_has_a_hash_of_their_own(one: Identity, other: Identity) -> None:
    assert (HASHER.identity(one) == HASHER.identity(other)) == (one == other)


@given(identities)
def test_law_that_a_hash_stays_the_same(identity: Identity) -> None:
    key, seed = HASHER.identity(identity)
    assert Hasher(KEY).identity(identity) == (key, seed)
    assert len(key) == KEY_BYTES
    assert 0 <= seed < 2**64


def test_one_name_of_two_kinds_is_two_people() -> None:
    assert HASHER.identity(ANA) != HASHER.identity(Identity("braze_id", "ana"))
    label, name = Identity("user_alias", ("a", "b")), Identity("user_alias", ("b", "a"))
    assert HASHER.identity(label) != HASHER.identity(name)


def test_without_the_key_nobody_can_tell_whom_it_is_about() -> None:
    (key, seed), (other_key, other_seed) = HASHER.identity(ANA), Hasher(OTHER_KEY).identity(ANA)
    assert key != other_key
    assert seed != other_seed


def test_the_seed_is_not_in_the_ledger() -> None:
    """Nor does what is there say it: each is another part of one keyed hash."""
    key, seed = HASHER.identity(ANA)
    assert seed.to_bytes(8, "little") not in key
    assert HASHER.identity(Identity("external_id", "bo"))[1] != seed


def test_records_of_another_mapping_have_another_seed() -> None:
    assert HASHER.record_seed(b"one") == Hasher(KEY).record_seed(b"one")
    assert len({HASHER.record_seed(b"one"), HASHER.record_seed(b"two"), Hasher(OTHER_KEY).record_seed(b"one")}) == 3
    assert 0 <= HASHER.record_seed(b"") < 2**64


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (ANA, ("b27d8d9908f5637a20f511ef5de0b2f5", 7144030982793439989)),
        (Identity("external_id", "Zoë"), ("d13f2ba884698f1c8c174257af15eeea", 5618461789713599823)),
        (Identity("user_alias", ("crm", "7")), ("272b1975eb45bed3893233f0b8856b06", 4893136935666682099)),
    ],
)
def test_hashes_of_earlier_versions(identity: Identity, expected: tuple[str, int]) -> None:
    """A change would make everybody in every ledger unknown, and send all of them again; these are from 2026-11."""
    key, seed = HASHER.identity(identity)
    assert (key.hex(), seed) == expected


@pytest.mark.parametrize("length", [16, 64])
def test_a_ledgers_key_may_have_any_length_it_can_have(length: int) -> None:
    Hasher(b"k" * length).identity(ANA)
