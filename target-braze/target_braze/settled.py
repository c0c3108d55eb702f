"""Which records are settled: the ledger's table of their digests, and how it is kept in step with the store.

It promises that the table never says of a record that it is settled which the store does not.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from target_braze import ledger_files, occurrences
from target_braze.entries import record_digests
from target_braze.ledger_files import STAMP_BYTES
from target_braze.record_table import RecordTable
from target_braze.store import damaged
from target_braze.store_keys import IDENTITY, OCCURRENCE, STAMP, WRITTEN_AT, beginning_with, own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_braze.sealing import Cover
    from target_braze.store import Pair, Store

T = TypeVar("T")

_CHUNK: Final = 1 << 16


class Settled:
    """The table of one ledger.

    The table says nothing that the store does not. Both have a stamp, and a table with another one is not used.

    - The first write of a run that touches an identity gives the store a fresh stamp, in the same atomic batch or in
      one before it. So from the first change on, the table on disk does not match: whether the run then dies or the
      machine does, the next one finds either no change at all (a log is recovered up to some point, and the stamp is
      in front), and the table as it was, or another stamp, and builds the table from the store.
    - The table is written when the ledger is closed, with the store's stamp, after all that it is about is durable,
      and put in its place in one step. From then on nothing is written in this run.

    Args:
        folder: The ledger's.
        store: Its store.

    Attributes:
        table: The table; another one once it was loaded.
        is_stamped: Whether the store has its stamp of this run.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.table = RecordTable()
        self.is_stamped = False
        self._folder = folder
        self._store = store
        self._is_stale = False
        self._lock = threading.Lock()

    def begin(self) -> Pair:
        """Begin with an empty table; return what the new store has to know for it."""
        self._is_stale = True
        return STAMP, secrets.token_bytes(STAMP_BYTES)

    def load(self, cover: Cover) -> RecordTable:
        """Load the table as the last run left it, or make it from the store; return it.

        Args:
            cover: Uncovers what is known of people.

        Raises:
            LedgerError: If what the store has cannot be read.
        """
        table = ledger_files.read_table(self._folder, own(self._store, self._folder, STAMP))
        if table is None:
            table = self._made_again(cover)
            self._is_stale = True
        self.table = table
        return table

    def write(self, pairs: list[Pair]) -> None:
        """Write to the store what a table may be about.

        Raises:
            LedgerError: If it cannot be written.
        """
        if self.is_stamped:
            self._store.write(pairs)
            return
        with self._lock:  # a second thread must not get its write in before the stamp
            self._store.write([(STAMP, secrets.token_bytes(STAMP_BYTES)), (WRITTEN_AT, _now()), *pairs])
            self.is_stamped = True

    def keep(self, sync: Callable[[], None]) -> None:
        """Keep the table for the next run, when nothing more is written.

        Args:
            sync: Makes all that it is about durable.

        Raises:
            LedgerError: If it cannot be kept.
        """
        if self.is_stamped:
            self._store.write([(WRITTEN_AT, _now())])
        sync()
        if self.is_stamped or self._is_stale or self.table.is_changed:
            ledger_files.write_table(self._folder, self.table, own(self._store, self._folder, STAMP))

    def digests(
        self, values: list[bytes], digests_in: Callable[[bytes], Iterable[bytes]] = record_digests
    ) -> list[bytes]:
        """The digests of the records in what is known of some.

        Raises:
            LedgerError: If it cannot be decoded.
        """
        try:
            return [digest for value in values for digest in digests_in(value)]
        except msgspec.MsgspecError:
            raise damaged(self._folder, "what it knows of somebody cannot be read") from None

    def _made_again(self, cover: Cover) -> RecordTable:
        started = time.monotonic()
        table = RecordTable.for_count(self._store.count())
        identities = 0
        for values in chunks(self._store.values(IDENTITY)):
            identities += len(values)
            table.add_all(self.digests(cover.uncover(values)))
        happened = 0
        for values in chunks(value for _, value in beginning_with(self._store, OCCURRENCE)):
            happened += len(values)
            table.add_all(self.digests(values, occurrence_digests))
        if identities or happened:
            logging.getLogger("target-braze").info(
                "The last run did not end by itself: found %d settled records again, of %d people and %d events and "
                "purchases, in %.1f s.",
                len(table),
                identities,
                happened,
                time.monotonic() - started,
            )
        return table


def occurrence_digests(value: bytes) -> Iterable[bytes]:
    """The digest of the record in what is known of an event or purchase, if there is one."""
    digest = occurrences.decode(value).digest
    return () if digest is None else (digest,)


def chunks(values: Iterator[T]) -> Iterator[list[T]]:
    """As many values at once as are worth a call."""
    while chunk := list(islice(values, _CHUNK)):
        yield chunk


def _now() -> bytes:
    return b"%d" % time.time()
