"""The floor of the tap's benchmark: Avro records to RECORD lines by the fastest ready-made means, and nothing else.

`fastavro.reader`, `msgspec`, and a buffer of what a pipe takes at once. No schema, no STATE, no bucket, no checks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import fastavro
import msgspec

FLUSH_BYTES = 65_536


def write_lines(file: IO[bytes], buffer: bytearray) -> None:
    """Append a line for each record of a file; whatever fills the buffer goes to standard output."""
    encode_into = msgspec.json.Encoder().encode_into
    for record in fastavro.reader(file):
        buffer += b'{"type":"RECORD","stream":"users_messages_email_send","record":'
        encode_into(record, buffer, -1)
        buffer += b"}\n"
        if len(buffer) >= FLUSH_BYTES:
            sys.stdout.buffer.write(buffer)
            buffer.clear()


def main() -> None:
    """Write the records of all files below a folder."""
    buffer = bytearray()
    for path in sorted(Path(sys.argv[1]).rglob("*.avro")):
        with path.open("rb") as file:
            write_lines(file, buffer)
    sys.stdout.buffer.write(buffer)


if __name__ == "__main__":
    main()
