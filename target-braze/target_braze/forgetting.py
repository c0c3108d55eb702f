"""Takes out of the ledger what goes with people, and sees that nothing of it is in any file once the ledger is closed.

What was taken out is still in the files of the store until the places where it was are written anew. That is done
once, in the end, from the first of them to the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_braze.store_keys import IDENTITY, MEMBER, OCCURRENCE, beginning_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.settled import Settled
    from target_braze.store import Store


class Forgetting:
    """What one run forgets.

    Args:
        store: The ledger's store.
        settled: Writes to it what the table of settled records is about.
    """

    def __init__(self, store: Store, settled: Settled) -> None:
        self._store = store
        self._settled = settled
        self._taken_out: dict[bytes, tuple[bytes, bytes]] = {}
        """What keys begin with → the first and the last that was taken out, whose places are to be written anew."""

    def people(self, identities: Sequence[bytes]) -> None:
        """Take out what is known of people.

        Raises:
            LedgerError: If it cannot be written.
        """
        keys = [IDENTITY + identity for identity in identities]
        self._settled.write([(key, None) for key in keys])
        self._note(IDENTITY, keys)

    def members(self, identities: Sequence[bytes]) -> None:
        """Take out who they are as members of audiences.

        Raises:
            LedgerError: If it cannot be written.
        """
        if not identities or next(beginning_with(self._store, MEMBER), None) is None:
            return
        keys = self._of(MEMBER, identities)
        self._store.write([(key, None) for key in keys])
        self._note(MEMBER, keys)

    def additions(self, identities: Sequence[bytes]) -> bool:
        """Take out what is in doubt of them, whose keys begin with theirs; return whether there was any.

        Raises:
            LedgerError: If it cannot be written.
        """
        keys = self._of(OCCURRENCE, identities)
        if keys:
            self._settled.write([(key, None) for key in keys])
            self._note(OCCURRENCE, keys)
        return bool(keys)

    def write_anew(self) -> None:
        """Write anew the places of what was taken out.

        Raises:
            LedgerError: If they cannot be written.
        """
        for first, last in self._taken_out.values():
            self._store.compact(first, last)

    def _of(self, prefix: bytes, identities: Sequence[bytes]) -> list[bytes]:
        return [key for identity in identities for key, _ in beginning_with(self._store, prefix + identity)]

    def _note(self, prefix: bytes, keys: Sequence[bytes]) -> None:
        if keys:
            known = self._taken_out.get(prefix, ())
            self._taken_out[prefix] = min([*known, *keys]), max([*known, *keys])
