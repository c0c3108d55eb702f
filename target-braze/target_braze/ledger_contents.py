"""What is in a ledger, for a person: how much, and whether it is as it was written. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from target_braze import occurrences
from target_braze.entries import record_digests
from target_braze.record_table import RecordTable, as_words
from target_braze.settled import chunks, occurrence_digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


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


def counted(happened: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    """How many events and purchases were sent, and how many others are in doubt."""
    is_in_doubt = [occurrences.decode(value).is_in_doubt for _, value in happened]
    return len(is_in_doubt) - sum(is_in_doubt), sum(is_in_doubt)


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def checked(
    people: Iterable[tuple[bytes, bytes]], happened: Iterable[tuple[bytes, bytes]], table: RecordTable
) -> LedgerCheck:
    """Read every entry, and hold table and store against each other.

    Args:
        people: All identities with what is known of each.
        happened: All events and purchases with what is known of each.
        table: The table.
    """
    identities = undecodable = missing = 0
    stored = RecordTable.for_count(len(table))
    of_people = ((value, record_digests) for _, value in people)
    of_occurrences = ((value, occurrence_digests) for _, value in happened)
    every: Iterator[tuple[bytes, Callable[[bytes], Iterable[bytes]]]] = chain(of_people, of_occurrences)
    for entries in chunks(every):
        identities += sum(digests_in is record_digests for _, digests_in in entries)
        digests: list[bytes] = []
        for value, digests_in in entries:
            found = _readable(value, digests_in)
            if found is None:
                undecodable += 1
            else:
                digests += found
        stored.add_all(digests)
        missing += len(digests) - int(table.probe(as_words(digests)).sum())
    stray = sum(int((~stored.probe(words)).sum()) for words in table.chunks())
    return LedgerCheck(identities, len(stored), undecodable, stray, missing)


def _readable(value: bytes, digests_in: Callable[[bytes], Iterable[bytes]]) -> list[bytes] | None:
    try:
        return [*digests_in(value)]
    except msgspec.MsgspecError:
        return None
