"""Who was seen in a table, and whether all of it came. Pure.

A person is seen by a record of theirs, or by the digest of a record that did not change, which is not even decoded.
So a digest that was seen and then stops standing for its record (another stream changed something of the person) has
to be traded for the person.

A table may break off in its middle, and the target would not know: a tap that dies ends its output as one does that
is done. So absence counts only in a table that
- is said to be a full one, by the settings or by an ACTIVATE_VERSION with a version that never came before (taps that
  only bring changes repeat the version of the table they began with);
- was read to its end: after its last record there came a STATE, or an ACTIVATE_VERSION; of a table without records, a
  STATE;
- did not begin in an earlier run that broke off: it may have gone on where that one ended. A version that tells the
  two apart says that it did not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from target_braze.hashes import RECORD_BYTES
from target_braze.record_table import RecordTable, as_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NONE: Final = bytes(RECORD_BYTES)


class Book(msgspec.Struct, array_like=True):
    """What is kept of a stream's tables from run to run.

    Attributes:
        version: The last version that was activated, if one ever was.
        is_open: Whether a run took records of it, and did not end well or came to no end of it.
        open_version: The version of that run's table, if it said so.
        members: Audience → how many people were in it at the end of the last run that ended well.
    """

    version: int | None = None
    is_open: bool = False
    open_version: int | None = None
    members: dict[str, int] = {}


class Presence:
    """Who was seen in one stream, in one run.

    Args:
        stream: The stream's number in the ledger.
        book: What earlier runs left.
    """

    def __init__(self, stream: int, book: Book) -> None:
        self._stream = stream
        self._was_open, self._open_version, self._last_version = book.is_open, book.open_version, book.version
        self._seen = RecordTable()
        self._is_at_end = self._has_records = False
        self.version: int | None = None

    def see(self, people: Sequence[bytes]) -> None:
        """See people, by what stands for them in the ledger, or by the digests of their records."""
        self._seen.add_all(people)

    def begin(self) -> None:
        """Note that records came, whoever they are about."""
        self._is_at_end, self._has_records = False, True

    def trade(self, key: bytes, digests: Mapping[int, bytes]) -> None:
        """See a person by what stands for them, if they were seen by the digest of a record that no longer does.

        Args:
            key: What stands for the person in the ledger.
            digests: Number of a stream → digest of the person's record in it.
        """
        digest = digests.get(self._stream)
        if digest is not None and digest in self._seen:
            self._seen.add_all([key])

    def state_came(self) -> None:
        """Note a STATE: what came before it was read to its end."""
        self._is_at_end = True

    def activate(self, version: int) -> None:
        """Note an ACTIVATE_VERSION; some taps send it before the records, some after them."""
        self.version = version
        self._is_at_end = self._is_at_end or self._has_records

    @property
    def is_read(self) -> bool:
        """Whether it was read to its end."""
        return self._is_at_end

    @property
    def is_whole(self) -> bool:
        """Whether it began and was read to its end; if not, the next run may go on where this one ended."""
        return self._has_records and self._is_at_end

    @property
    def is_new_version(self) -> bool:
        """Whether it is a full table by its version."""
        if self.version is None or self.version == self._last_version:
            return False
        return not self._was_open or self._open_version not in (None, self.version)

    def absent(self, keys: Sequence[bytes], digests: Sequence[bytes | None]) -> list[bool]:
        """Who of some people was not seen.

        Args:
            keys: What stands for each in the ledger.
            digests: The digest of each one's record, as the ledger has it.
        """
        is_seen = self._seen.probe(as_words(keys))
        has_digest = np.array([digest is not None for digest in digests], dtype=np.bool_)
        is_seen |= self._seen.probe(as_words([digest or _NONE for digest in digests])) & has_digest
        absent: list[bool] = (~is_seen).tolist()
        return absent
