"""Decode Currents files: bytes in, records out, or a reason why not. Pure.

A file's frame is checked as a whole before its first record is handed out, so that a file that was cut short yields
none. What can still fail later is a block whose content is damaged although its frame is sound: `check` finds that too.
"""

from __future__ import annotations

import functools
import json
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_braze_currents.compiled_decoding import compile_decoder
from tap_braze_currents.container import (
    CODECS,
    Block,
    CutError,
    UnreadableFileError,
    read_block,
    read_frame,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_braze_currents.compiled_decoding import DecodeBlock
    from tap_braze_currents.events import Event

__all__ = ["DecodedFile", "UnreadableFileError", "decode", "peek_schema"]

KNOWN_SCHEMAS = 512  # decoders kept; a bucket has about a hundred event types and a few schemas of each at a time


class _Decoder(NamedTuple):
    """How to decode files of one writer schema."""

    schema: dict[str, Any]
    decode_block: DecodeBlock
    is_compiled: bool


@dataclass
class DecodedFile:
    """A file whose frame is sound.

    Attributes:
        writer_schema: The schema in its header; shared by all files of the same schema, so not to be changed.
        codec: How its blocks are compressed.
        is_compiled: Whether its records are decoded by code made for the schema.
        record_count: The number of records in it.
        not_finite: Field → how often it held a number that JSON does not have (NaN, infinity) and is null instead;
            complete once all blocks are read.
    """

    writer_schema: dict[str, Any]
    codec: str
    is_compiled: bool
    record_count: int
    _data: bytes
    _blocks: list[Block]
    _decode_block: DecodeBlock
    not_finite: Counter[str] = field(default_factory=Counter)

    def blocks(self) -> Iterator[list[Event]]:
        """Decode block after block.

        Yields:
            The events of a block, for a `RecordMaker`.

        Raises:
            UnreadableFileError: A block's content is damaged.
        """
        return self._blocks_from(0, self.not_finite)

    def check(self) -> None:
        """Decode all blocks for nothing but to see that they can be; `blocks_again` is for afterwards.

        Raises:
            UnreadableFileError: A block's content is damaged.
        """
        for _ in self.blocks():
            pass

    def blocks_again(self, start: int = 0) -> Iterator[list[Event]]:
        """Decode blocks that were decoded before; what JSON does not have is not counted again.

        Args:
            start: The first block, counted from 0.

        Yields:
            As `blocks`.
        """
        return self._blocks_from(start, Counter())

    def _blocks_from(self, start: int, not_finite: Counter[str]) -> Iterator[list[Event]]:
        for block in self._blocks[start:]:
            data = read_block(self._data, block, self.codec)
            # Each record takes at least a byte: a damaged count must not keep anyone busy for years.
            if block.records > len(data):
                raise UnreadableFileError("damaged in a block: more records than bytes")
            try:
                events = self._decode_block(data, block.records, not_finite)
            except (ValueError, LookupError, EOFError, struct.error, OverflowError, MemoryError, TypeError):
                raise UnreadableFileError("damaged in a block: its bytes are not the records it should hold") from None
            yield events


def decode(data: bytes, size: int | None = None) -> DecodedFile:
    """Check a file's frame and prepare to decode its records.

    Args:
        data: The file.
        size: How many bytes it has by the bucket's listing. Without it a file that was cut exactly between two blocks
            cannot be told from a whole one.

    Raises:
        UnreadableFileError: The file is empty, cut, damaged, not Avro, or compressed in an unknown way.
    """
    if not data:
        raise UnreadableFileError("empty")
    if size is not None and len(data) > size:
        raise UnreadableFileError("longer than the bucket's listing says")
    header = read_header(data)
    if header.codec not in CODECS:
        raise UnreadableFileError("compressed by a codec that is not supported")
    decoder = _decoder(header.schema_text)
    blocks = read_frame(data, header)
    if size is not None and len(data) < size:
        raise CutError("cut between two blocks")
    return DecodedFile(
        writer_schema=decoder.schema,
        codec=header.codec,
        is_compiled=decoder.is_compiled,
        record_count=sum(block.records for block in blocks),
        _data=data,
        _blocks=blocks,
        _decode_block=decoder.decode_block,
    )


def peek_schema(data_prefix: bytes) -> dict[str, Any] | None:
    """Return the writer schema from a file's first bytes; 16 KB have been enough for every file of Braze's.

    Returns:
        The schema, or None if more bytes are needed.

    Raises:
        UnreadableFileError: It is not an Avro file, or its header is damaged.
    """
    try:
        header = read_header(data_prefix)
    except CutError:
        return None
    return _decoder(header.schema_text).schema


@functools.lru_cache(maxsize=KNOWN_SCHEMAS)
def _decoder(schema_text: str) -> _Decoder:
    try:
        schema = json.loads(schema_text)
    except (ValueError, RecursionError):
        raise UnreadableFileError("a schema that is not JSON") from None
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnreadableFileError("a schema that is not of records")
    compiled = compile_decoder(schema)
    if compiled:
        return _Decoder(schema, compiled, is_compiled=True)
    # Braze's files have not needed it so far: without it a run starts a little sooner
    from tap_braze_currents.general_decoding import general_decoder  # noqa: PLC0415

    return _Decoder(schema, general_decoder(schema), is_compiled=False)
