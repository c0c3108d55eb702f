"""The hashes that stand for people and values in the ledger. Pure.

Four kinds, each keyed by the ledger's own key, so that a ledger that is lost without its key tells nobody whom it is
about (docs/decisions/0009-hashes.md):

- an identity: BLAKE2b with the key, 128 bits, since two people must never be taken for one and names can be guessed;
- an event or purchase: BLAKE2b likewise, since two must never be taken for one, and order numbers can be guessed;
- a value: XXH3, 64 bits, with a secret seed for each person, so that equal values of two people look different;
- a record: XXH3, 128 bits, with a secret seed for each mapping, since it is looked up among those of everybody.
"""

from __future__ import annotations

import hashlib
from itertools import repeat
from typing import TYPE_CHECKING, Final

import msgspec
from xxhash import xxh3_64_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_braze.updates import Identity

KEY_BYTES: Final = 16
"""Bytes that stand for an identity, or for an event or purchase."""
VALUE_BYTES: Final = 8
"""Bytes that stand for a value: a change is missed with a chance of 2^-64."""
RECORD_BYTES: Final = 16
"""Bytes that stand for a record: with 100 million in the ledger, a new one is taken for one of them with 3e-31."""
_SEED_BYTES: Final = 8
_encode = msgspec.json.Encoder().encode


def value_hashes(values: Iterable[bytes], seed: int) -> bytes:
    """What stands for a person's values, one behind the other.

    Args:
        values: The JSON of each.
        seed: The seed for that person.
    """
    return b"".join(map(xxh3_64_digest, values, repeat(seed)))


class Hasher:
    """Hashes with one ledger's key.

    Args:
        key: The ledger's key, 16 to 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._identities = hashlib.blake2b(key=key, digest_size=KEY_BYTES + _SEED_BYTES, person=b"identity")
        self._occurrences = hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=b"event")
        self._seeds = hashlib.blake2b(key=key, digest_size=_SEED_BYTES, person=b"record")

    def identity(self, identity: Identity) -> tuple[bytes, int]:
        """What stands for a person in the ledger, and the seed for the values of that person, which is not in it."""
        digest = self._identities.copy()
        value = identity.value
        digest.update(f"{identity.kind}:{value}".encode() if type(value) is str else _encode(identity))
        both = digest.digest()
        return both[:KEY_BYTES], int.from_bytes(both[KEY_BYTES:], "little")

    def occurrence(self, known_by: bytes) -> bytes:
        """What stands for an event or purchase in the ledger.

        Args:
            known_by: What tells it from all others.
        """
        digest = self._occurrences.copy()
        digest.update(known_by)
        return digest.digest()

    def record_seed(self, fingerprint: bytes) -> int:
        """The seed for the records of one stream as it is mapped now.

        Args:
            fingerprint: All that shapes what becomes of a record, as bytes.
        """
        digest = self._seeds.copy()
        digest.update(fingerprint)
        return int.from_bytes(digest.digest(), "little")
