"""The ledger: what Braze last accepted, as keyed hashes for each identity, and which events and purchases.

Owns the store on disk. Whose it is, `ledger_owner.py` says; `settled.py` has the table of settled records,
`forgetting.py` takes people out.

It promises that what was put before a `sync` is there after any crash, that one process at a time writes to it, and
that its table never says of a record that it is settled which the store does not. It must never hold a value, an
identifier in the clear, or the key it is hashed with.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from target_braze import ledger_contents, ledger_files
from target_braze.errors import LedgerError
from target_braze.forgetting import Forgetting
from target_braze.ledger_contents import LedgerCheck, LedgerStats
from target_braze.ledger_files import Lock
from target_braze.ledger_owner import Owner, secret_of
from target_braze.sealing import Cover
from target_braze.settled import Settled
from target_braze.store import Store, damaged, is_there
from target_braze.store_keys import FORMAT, IDENTITY, MEMBER, META, OCCURRENCE, WRITTEN_AT, beginning_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Self

    from target_braze.store import Pair

VERSION: Final = 1
"""Of the format; it grows with each change that an older target-braze would misread."""
_UPGRADES: Final[dict[int, Callable[[Ledger], Iterable[Pair]]]] = {}
"""Version → what to write to make it the next one, as keys of the store with their values."""

STORE: Final = "store"


class Ledger:
    """What Braze last accepted. Made by `open`; threads may share it.

    Attributes:
        key: What its hashes are keyed with, 32 bytes.
        table: Which records are settled. Whoever puts an entry adds its record afterwards, and takes out at once the
            record of one that is no longer true.
    """

    def __init__(self, folder: Path, store: Store, lock: Lock | None, rehearsed_in: Path | None) -> None:
        self.folder = folder
        self.key = b""
        self._store = store
        self._settled = Settled(folder, store)
        self.table = self._settled.table
        self._forgetting = Forgetting(store, self._settled)
        self._held = lock
        self._rehearsed_in = rehearsed_in
        self._is_closed = False
        self._lost: LedgerError | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        endpoint: str,
        api_key: str,
        ledger_key: str | None,
        is_rehearsal: bool = False,
        accepts_api_key: bool = False,
    ) -> Ledger:
        """Open a ledger; make it if it is not there.

        Args:
            folder: Where it is.
            endpoint: Where what it remembers was sent.
            api_key: The key that was used for it, for another one may be another workspace's.
            ledger_key: The secret that keys its hashes; None for one that is made and kept in the folder.
            is_rehearsal: Whether all changes are to be forgotten when it is closed; the folder stays as it is.
            accepts_api_key: Whether another API key is the same workspace's, from now on.

        Raises:
            LedgerError: If it is in use, damaged, not for this endpoint or key, newer than this program, or cannot be
                read or written.
        """
        lock: Lock | None = None
        store: Store | None = None
        rehearsed_in: Path | None = None
        path = folder / STORE
        try:
            if not is_rehearsal:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not is_rehearsal or is_there(path):
                lock = Lock(folder)
            secret = secret_of(folder, ledger_key, is_there=is_there(path), is_rehearsal=is_rehearsal)
            if is_rehearsal:
                rehearsed_in = Path(tempfile.mkdtemp(prefix="target-braze-"))
            else:
                path.mkdir(exist_ok=True, mode=0o700)
            store = Store(path, rehearsed_in)
            ledger = cls(folder, store, lock, rehearsed_in)
            ledger._begin(Owner(endpoint, api_key, secret, accepts_api_key))
        except BaseException as error:
            if store is not None:
                store.close()
            _leave(lock, rehearsed_in)
            if isinstance(error, OSError):
                raise ledger_files.unusable(folder, error) from None
            raise
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Identities

    def get(self, key: bytes) -> bytes | None:
        """What is known of an identity, None if nothing is.

        Args:
            key: What stands for the identity, 16 bytes.

        Raises:
            LedgerError: If it cannot be read.
        """
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is known of each identity, as `get`; three times as quick for many."""
        values = self._store.get_many([IDENTITY + key for key in keys])
        if values.count(None) == len(values):
            return values
        known = iter(self._cover.uncover([value for value in values if value is not None]))
        return [None if value is None else next(known) for value in values]

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember what Braze accepted (invariant 2): all of it or nothing.

        It is kept from now on, and survives a crash of the machine after `sync`.

        Args:
            items: Identities with what is known of each.

        Raises:
            LedgerError: If it cannot be written.
        """
        items = list(items)
        if items:
            self.put_covered([key for key, _ in items], self._cover.cover([value for _, value in items]))

    def put_covered(self, keys: Iterable[bytes], values: Iterable[bytes]) -> None:
        """As `put_many`, what `Cover` with this ledger's key has covered already.

        Raises:
            LedgerError: If it cannot be written.
        """
        if not self._settled.is_stamped:
            self._settled.write([])
        self._store.put_many(map(IDENTITY.__add__, keys), values)

    def delete(self, key: bytes) -> bool:
        """Forget an identity; nothing that was known of it is in any file once the ledger is closed.

        Returns:
            Whether it was known.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._forgetting.members([key])
        has_additions = self._forgetting.additions([key])
        value = self.get(key)
        if value is None:
            return has_additions
        for digest in self._settled.digests([value]):
            self.table.discard(digest)
        self._settled.write([(IDENTITY + key, None)])
        self._store.compact(IDENTITY + key)
        return True

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Forget identities; nothing that was known of them is in any file once the ledger is closed.

        Args:
            keys: What stands for them. The records that they came in must be in the table no more.

        Raises:
            LedgerError: If they cannot be written.
        """
        if keys:
            self._forgetting.members(keys)
            self._forgetting.additions(keys)
            self._forgetting.people(keys)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All identities with what is known of each.

        Raises:
            LedgerError: If they cannot be read.
        """
        return ((key[1:], self._cover.uncover([value])[0]) for key, value in self._store.items(IDENTITY))

    # Members of audiences

    def members(self) -> Iterator[tuple[bytes, bytes]]:
        """All that was put about members, in the order of what stands for them.

        Raises:
            LedgerError: If it cannot be read.
        """
        return ((key[1:], value) for key, value in beginning_with(self._store, MEMBER))

    def put_members(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep who is meant by a member, sealed; it is there whenever something is that was put after it.

        Args:
            items: What stands for the identity, 16 bytes, and what for the stream; with what is to be kept.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._store.write([(MEMBER + key, value) for key, value in items])

    def delete_members(self, keys: Sequence[bytes]) -> None:
        """Forget members.

        Args:
            keys: As for `put_members`.

        Raises:
            LedgerError: If they cannot be written.
        """
        self._store.write([(MEMBER + key, None) for key in keys])

    # Events and purchases

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is known of events and purchases, None of one of which nothing is.

        Args:
            keys: What stands for them, 16 bytes each; of an addition, what stands for its person and 16 more.

        Raises:
            LedgerError: If it cannot be read.
        """
        return self._store.get_many([OCCURRENCE + key for key in keys])

    def put_occurrences(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Remember events and purchases, or forget those with None: all of it or nothing.

        Raises:
            LedgerError: If it cannot be written.
        """
        pairs: list[Pair] = [(OCCURRENCE + key, value) for key, value in items]
        if pairs:
            self._settled.write(pairs)

    def occurrences(self) -> Iterator[tuple[bytes, bytes]]:
        """All events and purchases with what is known of each.

        Raises:
            LedgerError: If they cannot be read.
        """
        return ((key[1:], value) for key, value in beginning_with(self._store, OCCURRENCE))

    # Small values

    def meta_get(self, name: str) -> bytes | None:
        """A small value.

        Raises:
            LedgerError: If it cannot be read.
        """
        return self._store.get(META + name.encode())

    def meta_put(self, name: str, value: bytes) -> None:
        """Keep a small value, which is not empty; it is there whenever something is that was put after it.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._store.write([(META + name.encode(), value)])

    # Durability

    def sync(self) -> None:
        """Make all that was put durable.

        Raises:
            LedgerError: If it cannot be, or could not be before: of a write-back error the system tells once, and a
                second try might report success for what the first one lost.
        """
        if self._lost is not None:
            raise self._lost
        try:
            self._store.sync()
        except LedgerError as error:
            self._lost = error
            raise

    def close(self) -> None:
        """Make all durable, keep the table for the next run, and let others have the ledger.

        Raises:
            LedgerError: If something of it cannot be kept.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._rehearsed_in is None:
                self._forgetting.write_anew()
                self._settled.keep(self.sync)
        finally:
            try:
                self._store.close()
            finally:
                _leave(self._held, self._rehearsed_in)

    def _begin(self, owner: Owner) -> None:
        """Find out whether it is the owner's, or make it so if it is new."""
        version = self._store.get(FORMAT)
        if version is None:
            if next(self._store.values(IDENTITY), None) is not None or next(self.occurrences(), None) is not None:
                raise damaged(self.folder, "it does not say in which format it is")
            key, marks = owner.made()
            self._use(key)
            self._store.write([*marks, self._settled.begin(), (FORMAT, b"%d" % VERSION)])
            self._store.sync()
            return
        self._check_version(int(version))
        self._use(owner.key_of(self._store, self.folder))
        for old in range(int(version), VERSION):
            # each step in one batch with the version it leads to: after a crash the next run goes on from there
            self._settled.write([*_UPGRADES[old](self), (FORMAT, b"%d" % (old + 1))])
        self.table = self._settled.load(self._cover)

    def _check_version(self, version: int) -> None:
        if version > VERSION:
            raise LedgerError(
                f"The ledger in {self.folder} has format {version}, and this target-braze knows formats up to "
                f"{VERSION}: it was written by a newer one. Install that again, or set `ledger` to another folder."
            )

    def _use(self, key: bytes) -> None:
        self.key = key
        self._cover = Cover(key)

    # What is in it

    def stats(self) -> LedgerStats:
        """How much is in it; goes through all of it.

        Raises:
            LedgerError: If it cannot be read.
        """
        written_at = self._store.get(WRITTEN_AT)
        sent, in_doubt = ledger_contents.counted(self.occurrences())
        return LedgerStats(
            identities=sum(1 for _ in self._store.values(IDENTITY)),
            records=len(self.table),
            bytes_on_disk=ledger_contents.bytes_in(self.folder),
            version=VERSION,
            written_at=None if written_at is None else int(written_at),
            occurrences=sent,
            in_doubt=in_doubt,
        )

    def check(self) -> LedgerCheck:
        """Read every entry, and hold table and store against each other.

        Raises:
            LedgerError: If the store cannot be read, or what is read is not what was written.
        """
        return ledger_contents.checked(self.items(), self.occurrences(), self.table)


def is_ledger(folder: Path) -> bool:
    """Whether there is a ledger in a folder."""
    return is_there(folder / STORE)


def _leave(lock: Lock | None, rehearsed_in: Path | None) -> None:
    if rehearsed_in is not None:
        shutil.rmtree(rehearsed_in, ignore_errors=True)
    if lock is not None:
        lock.release()
