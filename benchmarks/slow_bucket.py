"""An S3 that is far away: serves a folder, each answer after a fixed delay, for next to no CPU; and counts.

It knows what a reader of one bucket needs: `ListObjectsV2`, `HeadObject`, and `GetObject` with or without a range. It
checks no signature, and answers anything else with an error that makes the benchmark fail. Whatever the bucket is
called in a request, it is the one folder. Everything is in memory before the port is said on standard output.

`GET /stats` returns its counters, `POST /reset` sets them to zero; neither waits. It listens on loopback only, and ends
with the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import email.utils
import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

PAGE_KEYS = 1_000
_RANGE = re.compile(rb"\r\nrange: ?bytes=(\d+)-(\d+)", re.IGNORECASE)


class Objects:
    """What the bucket holds, and what was asked of it since the last reset."""

    def __init__(self, folder: Path, delay_seconds: float) -> None:
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self.keys = sorted(paths)
        self.bodies = {key: path.read_bytes() for key, path in paths.items()}
        self.modified = {key: path.stat().st_mtime for key, path in paths.items()}
        self.delay_seconds = delay_seconds
        self.reset()

    def reset(self) -> None:
        """Set the counters to zero."""
        self.fetched: Counter[str] = Counter()
        self.peeks = self.heads = self.listings = self.refused = self.open = self.most_at_once = 0
        self._cpu_seconds_before = time.process_time()

    def stats(self) -> dict[str, float]:
        """The counters; `fetched_once` are the files that were fetched whole, and no more often than once."""
        return {
            "fetches": self.fetched.total(),
            "fetched_once": sum(1 for times in self.fetched.values() if times == 1),
            "peeks": self.peeks,
            "heads": self.heads,
            "listings": self.listings,
            "refused": self.refused,
            "most_at_once": self.most_at_once,
            "cpu_seconds": time.process_time() - self._cpu_seconds_before,
        }

    def page(self, query: dict[str, list[str]]) -> bytes:
        """A page of a listing."""
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        at = max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after) if after else 0)
        entries: list[str] = []
        last = ""
        while at < len(self.keys) and self.keys[at].startswith(prefix) and len(entries) < PAGE_KEYS:
            last = self.keys[at]
            end = last.find(delimiter, len(prefix)) if delimiter else -1
            if end >= 0:
                folder = last[: end + 1]
                entries.append(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>")
                at = bisect.bisect_left(self.keys, folder + "\U0010ffff")
                last = self.keys[at - 1]
            else:
                written = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.modified[last]))
                entries.append(
                    f"<Contents><Key>{escape(last)}</Key><LastModified>{written}</LastModified><ETag>&quot;"
                    f"{at:032x}&quot;</ETag><Size>{len(self.bodies[last])}</Size></Contents>"
                )
                at += 1
        is_cut = at < len(self.keys) and self.keys[at].startswith(prefix)
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if is_cut else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult '
            f'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{str(is_cut).lower()}</IsTruncated>'
            f"{token}{''.join(entries)}</ListBucketResult>"
        ).encode()


class Connection(asyncio.Protocol):
    """One kept-alive connection; its client sends a request only after the answer to the one before."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect bytes until the request is whole; none that is understood has a body."""
        self._pending += data
        if not self._pending.endswith(b"\r\n\r\n"):
            return
        head, self._pending = self._pending, b""
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        if target in {"/stats", "/reset"}:
            if target == "/reset":
                self._objects.reset()
            self._write("200 OK", json.dumps(self._objects.stats()).encode())
            return
        objects = self._objects
        objects.open += 1
        objects.most_at_once = max(objects.most_at_once, objects.open)
        self._loop.call_later(objects.delay_seconds, self._answer, method, target, head)

    def _answer(self, method: str, target: str, head: bytes) -> None:
        objects = self._objects
        objects.open -= 1
        path, _, text = target.partition("?")
        key = unquote(path).lstrip("/").partition("/")[2]
        query = parse_qs(text)
        if method == "GET" and not key and query.get("list-type") == ["2"]:
            objects.listings += 1
            self._write("200 OK", objects.page(query), "Content-Type: application/xml\r\n")
        elif method in {"GET", "HEAD"} and (body := objects.bodies.get(key)) is not None:
            written = email.utils.formatdate(objects.modified[key], usegmt=True)
            headers = f"Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nLast-Modified: {written}\r\n"
            if method == "HEAD":
                objects.heads += 1
                self._write("200 OK", b"", headers, len(body))
            elif part := _RANGE.search(head):
                objects.peeks += 1
                start, end = int(part[1]), min(int(part[2]) + 1, len(body))
                headers += f"Content-Range: bytes {start}-{end - 1}/{len(body)}\r\n"
                self._write("206 Partial Content", body[start:end], headers)
            else:
                objects.fetched[key] += 1
                self._write("200 OK", body, headers)
        else:
            objects.refused += 1
            print(f"the slow bucket does not know {method} {target}", file=sys.stderr)
            self._write("501 Not Implemented", b"<Error><Code>NotImplemented</Code></Error>")

    def _write(self, status: str, body: bytes, headers: str = "", size: int | None = None) -> None:
        if not self._transport.is_closing():
            date = email.utils.formatdate(usegmt=True)
            length = len(body) if size is None else size
            head = f"HTTP/1.1 {status}\r\nDate: {date}\r\n{headers}Content-Length: {length}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def serve(folder: Path, delay_seconds: float) -> None:
    """Serve until the process that started this one is gone."""
    objects = Objects(folder, delay_seconds)
    parent = os.getppid()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(objects), "127.0.0.1", 0, backlog=1024)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        while os.getppid() == parent:  # noqa: ASYNC110 - nothing in this process could tell
            await asyncio.sleep(1)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay", type=float, default=20, help="milliseconds before each answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.folder, arguments.delay / 1000))


if __name__ == "__main__":
    main()
