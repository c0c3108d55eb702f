"""What stands for a whole record in the ledger: a hash of its bytes as they came. Pure.

Columns that are not sent are left out of it, so that a time of extraction or update that differs in every record does
not make all of them look changed. Keys in another order, or the same number written otherwise, make another digest:
that costs a closer look and never a wrong answer.
"""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from xxhash import xxh3_128_digest

from target_braze.hashes import RECORD_BYTES
from target_braze.record_table import as_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze.mapping import Mapper
    from target_braze.record_table import RecordTable
    from target_braze.statements import StatementMapper

_NONE: Final = bytes(RECORD_BYTES)
_BETWEEN: Final = b"\n"
"""Stands between values; a record, being one line, has none."""


class Digests:
    """Makes the digests of one stream's records under one schema.

    Args:
        mapper: How they are mapped.
        seed: The seed for this stream, this mapping and this ledger.
        keys: Columns that tell records apart though they may not be sent.
    """

    def __init__(self, mapper: Mapper | StatementMapper, seed: int, keys: Sequence[str] = ()) -> None:
        self._seed = seed
        sent = [source for source, column in mapper.columns.items() if column is not None or source in keys]
        self._is_whole = len(sent) == len(mapper.columns) or len(sent) < 2  # noqa: PLR2004 - see attrgetter
        if self._is_whole:
            return
        names = {source: f"column_{number}" for number, source in enumerate(mapper.columns)}
        try:
            record = msgspec.defstruct(
                "Record",
                [(name, msgspec.Raw, msgspec.Raw()) for name in names.values()],
                rename={name: source for source, name in names.items()},
                forbid_unknown_fields=True,  # it might be one that is sent
                gc=False,
            )
        except ValueError:  # a column with a quotation mark, backslash or control character in its name
            self._is_whole = True
            return
        decoder = msgspec.json.Decoder(record)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines
        self._values = attrgetter(*(names[source] for source in sent))

    def of(self, records: Sequence[bytes]) -> list[bytes] | list[bytes | None]:
        """The digest of each record; None for one that has to be looked at."""
        if self._is_whole:
            return list(map(xxh3_128_digest, records, repeat(self._seed)))
        try:
            decoded = list(map(self._decode, records))
        except (msgspec.DecodeError, UnicodeError):
            return [self._of_one(record) for record in records]
        return list(map(xxh3_128_digest, map(_BETWEEN.join, map(self._values, decoded)), repeat(self._seed)))

    def _of_one(self, record: bytes) -> bytes | None:
        try:
            return xxh3_128_digest(_BETWEEN.join(self._values(self._decode(record))), self._seed)
        except (msgspec.DecodeError, UnicodeError):
            return None


def unknown(digests: Sequence[bytes] | Sequence[bytes | None], table: RecordTable) -> list[int]:
    """The indexes of the records that are not known to be settled, in order."""
    try:
        words = as_words(digests)  # type: ignore[arg-type]
    except TypeError:  # for some there is no digest
        known = table.probe(as_words([digest or _NONE for digest in digests]))
        known &= np.array([digest is not None for digest in digests])
    else:
        known = table.probe(words)
    return [] if known.all() else np.flatnonzero(~known).tolist()
