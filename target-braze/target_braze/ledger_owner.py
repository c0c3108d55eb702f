"""Whose a ledger is: the secret that its hashes are keyed with, the endpoint, and the API key.

It must never keep the secret or an API key in the store, only what these are known again by.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from target_braze import ledger_files
from target_braze.errors import LedgerError
from target_braze.store_keys import API_KEY, ENDPOINT, KEY_CHECK, SALT, own

if TYPE_CHECKING:
    from pathlib import Path

    from target_braze.store import Pair, Store

_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
# What a guess at a short secret costs whoever has the ledger without it: 16 MiB and 40 ms. Nobody guesses a long one.
_SCRYPT: Final[dict[str, int]] = {"n": 1 << 14, "r": 8, "p": 1}
_LONG: Final = ledger_files.NEW_KEY_LENGTH


@dataclass(frozen=True)
class Owner:
    """Who opens a ledger.

    Attributes:
        endpoint: Where what it remembers is sent.
        api_key: The key that is used for it.
        secret: Keys its hashes.
        accepts_api_key: Whether another API key is the same workspace's, from now on.
    """

    endpoint: str
    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    accepts_api_key: bool = False

    def made(self) -> tuple[bytes, list[Pair]]:
        """The key of a new ledger, and what its store has to know to be this owner's."""
        salt = secrets.token_bytes(_SALT_BYTES)
        key = _derived(self.secret, salt)
        return key, [
            (SALT, salt),
            (KEY_CHECK, _mark(key, b"ledger key", b"")),
            (ENDPOINT, self.endpoint.encode()),
            (API_KEY, _mark(key, b"api key", self.api_key.encode())),
        ]

    def key_of(self, store: Store, folder: Path) -> bytes:
        """The key of a ledger that is there.

        Raises:
            LedgerError: If it is not this owner's.
        """
        key = _derived(self.secret, own(store, folder, SALT))
        if not hmac.compare_digest(own(store, folder, KEY_CHECK), _mark(key, b"ledger key", b"")):
            raise LedgerError(
                f"The ledger in {folder} was made with another key. Set `ledger_key` to the one it was made with "
                f"(if none was set, leave `ledger_key` out and put the file {ledger_files.KEY} back). If the key is "
                "lost, move the folder away: everything is then sent once more."
            )
        endpoint = own(store, folder, ENDPOINT).decode()
        if endpoint.lower() != self.endpoint.lower():
            raise LedgerError(
                f"The ledger in {folder} is about {endpoint}, and this run delivers to "
                f"{self.endpoint}. Set `ledger` to a folder of its own for each workspace."
            )
        mark = _mark(key, b"api key", self.api_key.encode())
        if hmac.compare_digest(own(store, folder, API_KEY), mark):
            return key
        if not self.accepts_api_key:
            raise LedgerError(
                f"The ledger in {folder} was filled with another API key, which may be another workspace's. If "
                "the key was only renewed, say so once with `target-braze-ledger --config <your config> "
                "accept-api-key`; for another workspace set `ledger` to a folder of its own."
            )
        store.write([(API_KEY, mark)])
        store.sync()
        return key


def secret_of(folder: Path, ledger_key: str | None, *, is_there: bool, is_rehearsal: bool) -> str:
    """The secret that keys the ledger's hashes.

    One that is made is durable before the store is: with a store that refers to a key which is gone, nobody could be
    found again.

    Args:
        folder: The ledger's.
        ledger_key: The secret of the settings, if there is one.
        is_there: Whether there is a ledger.
        is_rehearsal: Whether the folder has to stay as it is.

    Raises:
        LedgerError: If there is a ledger and no secret, or one cannot be read or kept.
    """
    secret = ledger_key or ledger_files.read_key(folder)
    if secret is None:
        if is_there:
            raise LedgerError(
                f"The ledger in {folder} is there, and its key is not: neither is `ledger_key` set, nor is there a "
                f"file {ledger_files.KEY} in it. Set the key or put the file back. If it is lost, move the folder "
                "away: everything is then sent once more."
            )
        secret = ledger_files.new_key()
        if not is_rehearsal:
            ledger_files.write_key(folder, secret)
    return secret


def _derived(secret: str, salt: bytes) -> bytes:
    if len(secret) >= _LONG:
        return hashlib.blake2b(secret.encode(), salt=salt, digest_size=_KEY_BYTES).digest()
    return hashlib.scrypt(secret.encode(), salt=salt, dklen=_KEY_BYTES, **_SCRYPT)


def _mark(key: bytes, purpose: bytes, content: bytes) -> bytes:
    """What a secret is known again by; without the key it tells nothing."""
    return hashlib.blake2b(content, key=key, digest_size=16, person=purpose).digest()
