"""The ledger: what Braze last accepted, as keyed hashes for each identity, and which events and purchases.

Owns the store on disk and its table.

It promises that what was put before a `sync` is there after any crash, that one process at a time writes to it, and
that its table never says of a record that it is settled which the store does not. It must never hold a value, an
identifier in the clear, or the key it is hashed with.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import logging
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from target_braze import ledger_files, occurrences
from target_braze.entries import record_digests
from target_braze.errors import LedgerError
from target_braze.ledger_files import STAMP_BYTES, Lock
from target_braze.record_table import RecordTable, as_words
from target_braze.sealing import Cover
from target_braze.store import Store, damaged, is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from target_braze.store import Pair

T = TypeVar("T")

VERSION: Final = 1
"""Of the format; it grows with each change that an older target-braze would misread."""
_UPGRADES: Final[dict[int, Callable[[Ledger], Iterable[Pair]]]] = {}
"""Version → what to write to make it the next one, as keys of the store with their values."""

STORE: Final = "store"
# What a key of the store begins with. Identities come last, so that to go through them is to go on to the end.
_OWN: Final = b"a"
_MEMBER: Final = b"i"
_META: Final = b"m"
_OCCURRENCE: Final = b"e"
_IDENTITY: Final = b"p"

_VERSION: Final = _OWN + b"version"
_SALT: Final = _OWN + b"salt"
_KEY_CHECK: Final = _OWN + b"key check"
_ENDPOINT: Final = _OWN + b"endpoint"
_API_KEY: Final = _OWN + b"api key"
_STAMP: Final = _OWN + b"stamp"
_WRITTEN_AT: Final = _OWN + b"written at"

_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
# What a guess at a short secret costs whoever has the ledger without it: 16 MiB and 40 ms. Nobody guesses a long one.
_SCRYPT: Final[dict[str, int]] = {"n": 1 << 14, "r": 8, "p": 1}
_LONG: Final = ledger_files.NEW_KEY_LENGTH
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class LedgerStats:
    """What is in a ledger.

    Attributes:
        identities: How many people.
        records: How many settled records.
        bytes_on_disk: Of all its files.
        version: Of its format.
        written_at: When it last changed, in Unix seconds; None if nothing was ever put into it.
        occurrences: How many events and purchases were sent.
        in_doubt: How many others of which nobody knows whether Braze has them.
    """

    identities: int
    records: int
    bytes_on_disk: int
    version: int
    written_at: int | None
    occurrences: int = 0
    in_doubt: int = 0


@dataclass(frozen=True)
class LedgerCheck:
    """What is wrong with a ledger.

    Attributes:
        identities: How many people there are.
        records: How many settled records the store has.
        undecodable: Entries that cannot be read.
        stray: Records that the table has and the store has not; a change that brings one of them back is not sent.
        missing: Records that the store has and the table has not; they are looked up once more, no harm done.
    """

    identities: int
    records: int
    undecodable: int
    stray: int
    missing: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing in it could keep a change from being sent."""
        return not self.undecodable and not self.stray


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
        self.table = RecordTable()
        self._store = store
        self._held = lock
        self._rehearsed_in = rehearsed_in
        self._is_closed = False
        self._is_stamped = False
        self._is_table_stale = False
        self._lost: LedgerError | None = None
        self._former: list[bytes] = []
        """The first and the last member forgotten in this run, whose places are still to be written anew."""
        self._deleted: list[bytes] = []
        """The first and the last that were forgotten in this run, whose places are still to be written anew."""
        self._no_additions: list[bytes] = []
        """Likewise, of what was in doubt of them."""
        self._lock = threading.Lock()

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
            secret = _secret(folder, ledger_key, is_rehearsal=is_rehearsal)
            if is_rehearsal:
                rehearsed_in = Path(tempfile.mkdtemp(prefix="target-braze-"))
            else:
                path.mkdir(exist_ok=True, mode=0o700)
            store = Store(path, rehearsed_in)
            ledger = cls(folder, store, lock, rehearsed_in)
            ledger._begin(endpoint, api_key, secret, accepts_api_key=accepts_api_key)
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
        values = self._store.get_many([_IDENTITY + key for key in keys])
        if values.count(None) == len(values):
            return values
        known = iter(self._cover.uncover([value for value in values if value is not None]))
        return [None if value is None else next(known) for value in values]

    def put_many(self, items: Iterable[tuple[bytes, bytes]], meta: Mapping[str, bytes] | None = None) -> None:
        """Remember what Braze accepted (invariant 2), and small values with it: all of it or nothing.

        It is kept from now on, and survives a crash of the machine after `sync`.

        Args:
            items: Identities with what is known of each.
            meta: Names with values, as for `meta_put`.

        Raises:
            LedgerError: If it cannot be written.
        """
        pairs: list[Pair] = [(_META + name.encode(), value) for name, value in (meta or {}).items()]
        items = list(items)
        covered = self._cover.cover([value for _, value in items])
        pairs += [(_IDENTITY + key, value) for (key, _), value in zip(items, covered, strict=True)]
        if pairs:
            self._write(pairs)

    def put_covered(self, keys: Iterable[bytes], values: Iterable[bytes]) -> None:
        """As `put_many`, what `Cover` with this ledger's key has covered already.

        Raises:
            LedgerError: If it cannot be written.
        """
        if not self._is_stamped:
            self._write([])
        self._store.put_many(map(_IDENTITY.__add__, keys), values)

    def delete(self, key: bytes) -> bool:
        """Forget an identity; nothing that was known of it is in any file once the ledger is closed.

        Returns:
            Whether it was known.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._forget_members([key])
        has_additions = self._forget_additions([key])
        value = self.get(key)
        if value is None:
            return has_additions
        for digest in self._digests([value]):
            self.table.discard(digest)
        self._write([(_IDENTITY + key, None)])
        self._store.compact(_IDENTITY + key)
        return True

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Forget identities; nothing that was known of them is in any file once the ledger is closed.

        Args:
            keys: What stands for them. The records that they came in must be in the table no more.

        Raises:
            LedgerError: If they cannot be written.
        """
        if keys:
            self._forget_members(keys)
            self._forget_additions(keys)
            self._write([(_IDENTITY + key, None) for key in keys])
            self._deleted = [min([*self._deleted, *keys]), max([*self._deleted, *keys])]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All identities with what is known of each.

        Raises:
            LedgerError: If they cannot be read.
        """
        return ((key[1:], self._cover.uncover([value])[0]) for key, value in self._store.items(_IDENTITY))

    # Members of audiences

    def members(self) -> Iterator[tuple[bytes, bytes]]:
        """All that was put about members, in the order of what stands for them.

        Raises:
            LedgerError: If it cannot be read.
        """
        return ((key[1:], value) for key, value in self._beginning_with(_MEMBER))

    def put_members(self, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep who is meant by a member, sealed; it is there whenever something is that was put after it.

        Args:
            items: What stands for the identity, 16 bytes, and what for the stream; with what is to be kept.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._store.write([(_MEMBER + key, value) for key, value in items])

    def delete_members(self, keys: Sequence[bytes]) -> None:
        """Forget members.

        Args:
            keys: As for `put_members`.

        Raises:
            LedgerError: If they cannot be written.
        """
        self._store.write([(_MEMBER + key, None) for key in keys])

    def _beginning_with(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        found = self._store.items(prefix)
        return itertools.takewhile(lambda item: item[0].startswith(prefix), found)

    def _forget_members(self, identities: Sequence[bytes]) -> None:
        if not identities or next(self.members(), None) is None:
            return
        keys = [key[1:] for identity in identities for key, _ in self._beginning_with(_MEMBER + identity)]
        self.delete_members(keys)
        self._former = [min([*self._former, *keys]), max([*self._former, *keys])] if keys else self._former

    def _forget_additions(self, identities: Sequence[bytes]) -> bool:
        """Forget what is in doubt of people, whose keys begin with theirs; return whether there was any."""
        keys = [key for identity in identities for key, _ in self._beginning_with(_OCCURRENCE + identity)]
        if keys:
            self._write([(key, None) for key in keys])
            self._no_additions = [min([*self._no_additions, *keys]), max([*self._no_additions, *keys])]
        return bool(keys)

    # Events and purchases

    def get_occurrences(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is known of events and purchases, None of one of which nothing is.

        Args:
            keys: What stands for them, 16 bytes each; of an addition, what stands for its person and 16 more.

        Raises:
            LedgerError: If it cannot be read.
        """
        return self._store.get_many([_OCCURRENCE + key for key in keys])

    def put_occurrences(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Remember events and purchases, or forget those with None: all of it or nothing.

        Raises:
            LedgerError: If it cannot be written.
        """
        pairs: list[Pair] = [(_OCCURRENCE + key, value) for key, value in items]
        if pairs:
            self._write(pairs)

    def occurrences(self) -> Iterator[tuple[bytes, bytes]]:
        """All events and purchases with what is known of each.

        Raises:
            LedgerError: If they cannot be read.
        """
        for key, value in self._store.items(_OCCURRENCE):
            if not key.startswith(_OCCURRENCE):
                return
            yield key[1:], value

    # Small values

    def meta_get(self, name: str) -> bytes | None:
        """A small value.

        Raises:
            LedgerError: If it cannot be read.
        """
        return self._store.get(_META + name.encode())

    def meta_put(self, name: str, value: bytes) -> None:
        """Keep a small value, which is not empty; it is there whenever something is that was put after it.

        Raises:
            LedgerError: If it cannot be written.
        """
        self._store.write([(_META + name.encode(), value)])

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
                if self._former:
                    self._store.compact(_MEMBER + self._former[0], _MEMBER + self._former[-1])
                if self._no_additions:
                    self._store.compact(self._no_additions[0], self._no_additions[-1])
                if self._deleted:
                    self._store.compact(_IDENTITY + self._deleted[0], _IDENTITY + self._deleted[-1])
                self._keep_table()
        finally:
            try:
                self._store.close()
            finally:
                _leave(self._held, self._rehearsed_in)

    # The table says nothing that the store does not. Both have a stamp, and a table with another one is not used.
    #
    # - The first write of a run that touches an identity gives the store a fresh stamp, in the same atomic batch. So
    #   from the first change on, the table on disk does not match: whether the run then dies or the machine does, the
    #   next one finds either no change at all (a log is recovered up to some point, and the stamp is in front), and
    #   the table as it was, or another stamp, and builds the table from the store.
    # - The table is written when the ledger is closed, with the store's stamp, after all that it is about is durable,
    #   and put in its place in one step. From then on nothing is written in this run.

    def _write(self, pairs: list[Pair]) -> None:
        if self._is_stamped:
            self._store.write(pairs)
            return
        with self._lock:  # a second thread must not get its write in before the stamp
            self._store.write([(_STAMP, secrets.token_bytes(STAMP_BYTES)), (_WRITTEN_AT, _now()), *pairs])
            self._is_stamped = True

    def _keep_table(self) -> None:
        if self._is_stamped:
            self._store.write([(_WRITTEN_AT, _now())])
        self.sync()
        if self._is_stamped or self._is_table_stale or self.table.is_changed:
            ledger_files.write_table(self.folder, self.table, self._own(_STAMP))

    def _load_table(self) -> None:
        table = ledger_files.read_table(self.folder, self._own(_STAMP))
        if table is not None:
            self.table = table
            return
        started = time.monotonic()
        self.table = RecordTable.for_count(self._store.count())
        identities = 0
        for values in _chunks(self._store.values(_IDENTITY)):
            identities += len(values)
            self.table.add_all(self._digests(self._cover.uncover(values)))
        happened = 0
        for values in _chunks(value for _, value in self.occurrences()):
            happened += len(values)
            self.table.add_all(self._digests(values, _occurrence_digests))
        self._is_table_stale = True
        if identities or happened:
            logging.getLogger("target-braze").info(
                "The last run did not end by itself: found %d settled records again, of %d people and %d events and "
                "purchases, in %.1f s.",
                len(self.table),
                identities,
                happened,
                time.monotonic() - started,
            )

    # Whose it is

    def _begin(self, endpoint: str, api_key: str, secret: str, *, accepts_api_key: bool) -> None:
        """Find out whether it is the right one, or make it so if it is new."""
        version = self._store.get(_VERSION)
        if version is None:
            if next(self._store.values(_IDENTITY), None) is not None or next(self.occurrences(), None) is not None:
                raise damaged(self.folder, "it does not say in which format it is")
            salt = secrets.token_bytes(_SALT_BYTES)
            self._use(_derived(secret, salt))
            self._store.write(
                [
                    (_SALT, salt),
                    (_KEY_CHECK, self._mark(b"ledger key", b"")),
                    (_ENDPOINT, endpoint.encode()),
                    (_API_KEY, self._mark(b"api key", api_key.encode())),
                    (_STAMP, secrets.token_bytes(STAMP_BYTES)),
                    (_VERSION, b"%d" % VERSION),
                ]
            )
            self._store.sync()
            self._is_table_stale = True
            return
        self._check_version(int(version))
        self._check_owner(endpoint, api_key, secret, accepts_api_key=accepts_api_key)
        for old in range(int(version), VERSION):
            # each step in one batch with the version it leads to: after a crash the next run goes on from there
            self._write([*_UPGRADES[old](self), (_VERSION, b"%d" % (old + 1))])
        self._load_table()

    def _check_version(self, version: int) -> None:
        if version > VERSION:
            raise LedgerError(
                f"The ledger in {self.folder} has format {version}, and this target-braze knows formats up to "
                f"{VERSION}: it was written by a newer one. Install that again, or set `ledger` to another folder."
            )

    def _check_owner(self, endpoint: str, api_key: str, secret: str, *, accepts_api_key: bool) -> None:
        self._use(_derived(secret, self._own(_SALT)))
        if not hmac.compare_digest(self._own(_KEY_CHECK), self._mark(b"ledger key", b"")):
            raise LedgerError(
                f"The ledger in {self.folder} was made with another key. Set `ledger_key` to the one it was made with "
                f"(if none was set, leave `ledger_key` out and put the file {ledger_files.KEY} back). If the key is "
                "lost, move the folder away: everything is then sent once more."
            )
        if self._own(_ENDPOINT).decode().lower() != endpoint.lower():
            raise LedgerError(
                f"The ledger in {self.folder} is about {self._own(_ENDPOINT).decode()}, and this run delivers to "
                f"{endpoint}. Set `ledger` to a folder of its own for each workspace."
            )
        mark = self._mark(b"api key", api_key.encode())
        if hmac.compare_digest(self._own(_API_KEY), mark):
            return
        if not accepts_api_key:
            raise LedgerError(
                f"The ledger in {self.folder} was filled with another API key, which may be another workspace's. If "
                "the key was only renewed, say so once with `target-braze-ledger --config <your config> "
                "accept-api-key`; for another workspace set `ledger` to a folder of its own."
            )
        self._store.write([(_API_KEY, mark)])
        self.sync()

    def _use(self, key: bytes) -> None:
        self.key = key
        self._cover = Cover(key)

    def _mark(self, purpose: bytes, content: bytes) -> bytes:
        """What a secret is known again by; without the key it tells nothing."""
        return hashlib.blake2b(content, key=self.key, digest_size=16, person=purpose).digest()

    def _own(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if value is None:
            raise damaged(self.folder, f"it does not know its {key[1:].decode()}")
        return value

    def _digests(
        self, values: list[bytes], digests_in: Callable[[bytes], Iterable[bytes]] = record_digests
    ) -> list[bytes]:
        try:
            return [digest for value in values for digest in digests_in(value)]
        except msgspec.MsgspecError:
            raise damaged(self.folder, "what it knows of somebody cannot be read") from None

    # What is in it

    def stats(self) -> LedgerStats:
        """How much is in it; goes through all of it.

        Raises:
            LedgerError: If it cannot be read.
        """
        written_at = self._store.get(_WRITTEN_AT)
        is_in_doubt = [occurrences.decode(value).is_in_doubt for _, value in self.occurrences()]
        return LedgerStats(
            identities=sum(1 for _ in self._store.values(_IDENTITY)),
            records=len(self.table),
            bytes_on_disk=sum(_size(path) for path in self.folder.rglob("*")),
            version=VERSION,
            written_at=None if written_at is None else int(written_at),
            occurrences=len(is_in_doubt) - sum(is_in_doubt),
            in_doubt=sum(is_in_doubt),
        )

    def check(self) -> LedgerCheck:
        """Read every entry, and hold table and store against each other.

        Raises:
            LedgerError: If the store cannot be read, or what is read is not what was written.
        """
        identities = undecodable = missing = 0
        stored = RecordTable.for_count(len(self.table))
        of_people = ((value, record_digests) for _, value in self.items())
        of_occurrences = ((value, _occurrence_digests) for _, value in self.occurrences())
        for entries in _chunks(itertools.chain(of_people, of_occurrences)):
            identities += sum(digests_in is record_digests for _, digests_in in entries)
            digests: list[bytes] = []
            for value, digests_in in entries:
                found = _readable(value, digests_in)
                if found is None:
                    undecodable += 1
                else:
                    digests += found
            stored.add_all(digests)
            missing += len(digests) - int(self.table.probe(as_words(digests)).sum())
        stray = sum(int((~stored.probe(words)).sum()) for words in self.table.chunks())
        return LedgerCheck(identities, len(stored), undecodable, stray, missing)


def is_ledger(folder: Path) -> bool:
    """Whether there is a ledger in a folder."""
    return is_there(folder / STORE)


def _secret(folder: Path, ledger_key: str | None, *, is_rehearsal: bool) -> str:
    """The secret that keys the ledger's hashes.

    One that is made is durable before the store is: with a store that refers to a key which is gone, nobody could be
    found again.
    """
    secret = ledger_key or ledger_files.read_key(folder)
    if secret is None:
        if is_ledger(folder):
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


def _leave(lock: Lock | None, rehearsed_in: Path | None) -> None:
    if rehearsed_in is not None:
        shutil.rmtree(rehearsed_in, ignore_errors=True)
    if lock is not None:
        lock.release()


def _chunks(values: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(values, _CHUNK)):
        yield chunk


def _occurrence_digests(value: bytes) -> Iterable[bytes]:
    """The digest of the record in what is known of an event or purchase, if there is one."""
    digest = occurrences.decode(value).digest
    return () if digest is None else (digest,)


def _readable(value: bytes, digests_in: Callable[[bytes], Iterable[bytes]]) -> list[bytes] | None:
    try:
        return [*digests_in(value)]
    except msgspec.MsgspecError:
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _now() -> bytes:
    return b"%d" % time.time()
