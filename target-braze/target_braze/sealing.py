"""Seals the few values that the ledger has to keep, with its key. Pure.

AES-SIV (RFC 5297) takes no nonce that could be used twice by mistake, and notices when a value was put in another
place than its own.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV


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
