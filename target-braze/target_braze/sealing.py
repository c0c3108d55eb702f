"""Keeps from whoever has the ledger without its key what is in it: seals values, covers hashes. Pure but for a lock.

AES-SIV (RFC 5297), for the few values that are kept, takes no nonce that could be used twice by mistake, and notices
when one was put in another place than its own.

Hashes need a cover, for XXH3 is no cipher: of a value of up to eight bytes it can be run backwards, so that guessing
one such value gives a person's seed, and with it the others can be tried. Block by block is enough there: the seed
differs for each person, so that equal blocks tell no more than that one person's values are still the same.
"""

from __future__ import annotations

import hashlib
import threading
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BLOCK: Final = 16
_FILLS: Final = [b"\x80" + bytes(-(length + 1) % _BLOCK) for length in range(_BLOCK)]
"""Length beyond whole blocks → what marks the end of a value and fills its last block (ISO/IEC 7816-4)."""


class Sealer:
    """Seals and opens with one ledger's key.

    Args:
        key: The ledger's key, 16 to 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(hashlib.blake2b(key=key, digest_size=64, person=b"seal").digest())

    def seal(self, value: bytes, place: bytes) -> bytes:
        """A value, sealed; 16 bytes longer.

        Args:
            value: What is to be kept, at least a byte.
            place: What it is about; it opens only there.
        """
        return self._cipher.encrypt(value, [place])

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """What was sealed; None if it was not sealed with this key for this place."""
        try:
            return self._cipher.decrypt(sealed, [place])
        except InvalidTag:
            return None


class Cover:
    """Covers hashes with one ledger's key, many at once: a call of the cipher costs more than what it does.

    Args:
        key: The ledger's key, 16 to 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        cipher = Cipher(AES(hashlib.blake2b(key=key, digest_size=32, person=b"cover").digest()), ECB())  # noqa: S305 - see above
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._lock = threading.Lock()
        """Both threads cover, and a cipher at work refuses another caller."""

    def cover(self, values: Sequence[bytes]) -> list[bytes]:
        """Values as they may be kept; up to 16 bytes longer each."""
        filled = [value + _FILLS[len(value) % _BLOCK] for value in values]
        with self._lock:
            covered = self._encrypt(b"".join(filled))
        return _parts(covered, map(len, filled))

    def uncover(self, values: Sequence[bytes]) -> list[bytes]:
        """What was covered; nothing of what no cover made."""
        lengths = [len(value) - len(value) % _BLOCK for value in values]
        whole = [value[:length] for value, length in zip(values, lengths, strict=True)]
        with self._lock:
            uncovered = self._decrypt(b"".join(whole))
        return [part.rstrip(b"\0")[:-1] for part in _parts(uncovered, lengths)]


def _parts(joined: bytes, lengths: Iterable[int]) -> list[bytes]:
    return [joined[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]
