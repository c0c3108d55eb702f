"""What the ledger knows of one person: a hash for each attribute and for each stream's last record. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from target_braze.hashes import RECORD_BYTES, VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER: Final = bytes(VALUE_BYTES)
"""In the place of a hash: no value was ever accepted."""

PERHAPS: Final = b"\xff" * VALUE_BYTES
"""In the place of a hash: of somebody who may be in an audience or not."""


class Mark(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a policy needs to know of an attribute's last delivery.

    Attributes:
        number: The number that was delivered, sealed; None if no policy asks for it.
        accepted_at: When, in Unix seconds; None if no policy asks for it.
    """

    number: bytes | None = None
    accepted_at: int | None = None


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What Braze last accepted of one person.

    Attributes:
        layout: Number of the list of attributes that `hashes` is about; see `names.py`.
        hashes: For each of them the hash of the value, `NEVER` if none was accepted.
        records: Number of a stream → digest of its last record, if all that it asked is settled.
        marks: Number of an attribute → what its policy needs to know.
    """

    layout: int
    hashes: bytes
    records: dict[int, bytes] = {}
    marks: dict[int, Mark] = {}


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Entry).decode


def frame(layout: int, stream: int, size: int) -> tuple[bytes, bytes, bytes]:
    """What stands before the hashes, between them and the digest, and behind it, in the entry of somebody new.

    Args:
        layout: As in `Entry`.
        stream: Number of the only stream.
        size: Bytes of the hashes.
    """
    hashes, digest = b"h" * size, b"d" * RECORD_BYTES
    head, _, rest = encode(Entry(layout, hashes, {stream: digest})).partition(hashes)
    middle, _, tail = rest.partition(digest)
    return head, middle, tail


def record_digests(value: bytes) -> Iterable[bytes]:
    """The digests of records in an encoded entry.

    Raises:
        msgspec.MsgspecError: If it is not one.
    """
    return decode(value).records.values()
