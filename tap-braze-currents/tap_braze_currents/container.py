"""The frame of an Avro file: header, blocks, codecs. Pure: bytes in, values out.

The frame of the whole file is checked before any record of it is decoded. Avro libraries find a file that was cut
short only when they get there, and one that was cut between two blocks never: the size in the bucket's listing tells.
Format: https://avro.apache.org/docs/1.12.0/specification/#object-container-files (read 2026-11).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import cramjam

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
VARINT_BYTES = 10  # a long of 64 bits, seven in each byte
CRC_BYTES = 4
DEFLATE_WITHOUT_HEADER = -15


class UnreadableFileError(ValueError):
    """A file's bytes are not a whole, sound Avro file.

    Attributes:
        reason: What is wrong, in a few words, without anything of the file's content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CutError(UnreadableFileError):
    """The bytes end before the file does."""


class Header(NamedTuple):
    """What precedes the blocks.

    Attributes:
        schema_text: The writer schema as JSON.
        codec: `null` if the file names none, as Braze's do.
        sync: The marker after each block.
        end: Where the first block begins.
    """

    schema_text: str
    codec: str
    sync: bytes
    end: int


class Block(NamedTuple):
    """Where a block is, before it is decompressed.

    Attributes:
        records: How many records it holds.
        start: Its first byte in the file.
        end: The byte after its last one.
    """

    records: int
    start: int
    end: int


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of Avro's variable length.

    Returns:
        The number and the position after it.

    Raises:
        IndexError: The bytes end within it.
        ValueError: It is longer than 64 bits.
    """
    byte = data[position]
    position += 1
    number = byte & 127
    shift = 7
    while byte > 127:  # noqa: PLR2004 - the bit that says that another byte follows
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        shift += 7
    if number >> 64:
        raise ValueError("a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), position


def read_header(data: bytes) -> Header:
    """Read the header of a file from its first bytes.

    Raises:
        CutError: The bytes end within it.
        UnreadableFileError: It is not that of an Avro file.
    """
    if not MAGIC.startswith(data[: len(MAGIC)]):
        raise UnreadableFileError("not an Avro file")
    try:
        metadata, position = _read_metadata(data, len(MAGIC))
    except IndexError:
        raise CutError("cut in the header") from None
    except ValueError:
        raise UnreadableFileError("damaged in the header") from None
    end = position + SYNC_BYTES
    if len(data) < end:
        raise CutError("cut in the header")
    try:
        return Header(metadata["avro.schema"].decode(), _codec(metadata), data[position:end], end)
    except (KeyError, UnicodeDecodeError):
        raise UnreadableFileError("damaged in the header") from None


def _codec(metadata: dict[str, bytes]) -> str:
    return metadata.get("avro.codec", b"").decode() or "null"


def _read_metadata(data: bytes, position: int) -> tuple[dict[str, bytes], int]:
    metadata: dict[str, bytes] = {}
    while True:
        count, position = read_long(data, position)
        if not count:
            return metadata, position
        if count < 0:  # then its size in bytes follows, for readers that skip it
            count = -count
            _, position = read_long(data, position)
        for _ in range(count):
            name, position = _read_bytes(data, position)
            metadata[name.decode()], position = _read_bytes(data, position)


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_long(data, position)
    if length < 0:
        raise ValueError("a negative length")
    end = position + length
    if end > len(data):
        raise IndexError
    return data[position:end], end


def read_frame(data: bytes, header: Header) -> list[Block]:
    """Find the blocks of a file and check that it ends right after the marker of the last one.

    Raises:
        CutError: The bytes end within a block or its marker.
        UnreadableFileError: A length is impossible, or a marker is not the file's.
    """
    blocks: list[Block] = []
    position = header.end
    while position < len(data):
        try:
            count, position = read_long(data, position)
            length, position = read_long(data, position)
        except IndexError:
            raise CutError("cut in a block") from None
        except ValueError:
            raise UnreadableFileError("damaged in a block") from None
        if count < 0 or length < 0:
            raise UnreadableFileError("damaged in a block")
        block = Block(count, position, position + length)
        position = block.end + SYNC_BYTES
        if len(data) < block.end:
            raise CutError("cut in a block")
        if len(data) < position:
            raise CutError("cut in a sync marker")
        if data[block.end : position] != header.sync:
            raise UnreadableFileError("a sync marker that is not the file's")
        blocks.append(block)
    return blocks


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj(DEFLATE_WITHOUT_HEADER)
    found = stream.decompress(data)
    # Some writers leave a part of zlib's checksum behind the data (fastavro does), so only an early end is wrong.
    if not stream.eof:
        raise ValueError("deflated data that ends too early")
    return found


def _unsnap(data: bytes) -> bytes:
    body, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
    found = bytes(cramjam.snappy.decompress_raw(body))
    if zlib.crc32(found) != int.from_bytes(crc, "big"):
        raise ValueError("a checksum that is not the data's")
    return found


def _unzstandard(data: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(data))


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _inflate,
    "snappy": _unsnap,
    "zstandard": _unzstandard,
}


def read_block(data: bytes, block: Block, codec: str) -> bytes:
    """Return the bytes of a block's records.

    Raises:
        UnreadableFileError: They cannot be decompressed.
    """
    try:
        return CODECS[codec](data[block.start : block.end])
    except (ValueError, zlib.error, cramjam.DecompressionError):
        raise UnreadableFileError(f"damaged in a block ({codec})") from None
