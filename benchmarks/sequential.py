"""One GET after another: what fetching several files at once is compared with.

The client is the tap's own, so that only the order differs; records take the floor's way to standard output.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from tap_braze_currents.bucket import Bucket
from tap_braze_currents.settings import read_settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, it would not find its package

from benchmarks.avro_lines import write_lines


def main() -> None:
    """List the bucket, then fetch and write file after file."""
    settings = read_settings(json.loads(Path(sys.argv[-1]).read_bytes()))
    bucket = Bucket(settings.path, settings.s3, connections=1)
    buffer = bytearray()
    for folders in bucket.event_types(frozenset()).values():
        for folder in folders:
            for file in sorted(bucket.files(folder, None), key=lambda file: file.order):
                write_lines(io.BytesIO(bucket.fetch(file)), buffer)
    sys.stdout.buffer.write(buffer)


if __name__ == "__main__":
    main()
