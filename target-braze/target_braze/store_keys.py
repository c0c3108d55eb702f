"""What the keys of the ledger's store begin with, and what it keeps of its own."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

from target_braze.store import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_braze.store import Store

# Identities come last, so that to go through them is to go on to the end.
_OWN: Final = b"a"
OCCURRENCE: Final = b"e"
MEMBER: Final = b"i"
META: Final = b"m"
IDENTITY: Final = b"p"

FORMAT: Final = _OWN + b"version"
SALT: Final = _OWN + b"salt"
KEY_CHECK: Final = _OWN + b"key check"
ENDPOINT: Final = _OWN + b"endpoint"
API_KEY: Final = _OWN + b"api key"
STAMP: Final = _OWN + b"stamp"
WRITTEN_AT: Final = _OWN + b"written at"


def own(store: Store, folder: Path, key: bytes) -> bytes:
    """Something of its own that every ledger has.

    Raises:
        LedgerError: If it is not there, or cannot be read.
    """
    value = store.get(key)
    if value is None:
        raise damaged(folder, f"it does not know its {key[1:].decode()}")
    return value


def beginning_with(store: Store, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys that begin with something, in order, with their values.

    Raises:
        LedgerError: If they cannot be read.
    """
    return takewhile(lambda item: item[0].startswith(prefix), store.items(prefix))
