"""A Braze that costs next to nothing: answers `POST /users/track` after a fixed delay, and counts.

It is written against `asyncio.Protocol` because a web framework would cost more than the client it is there
to measure. It understands what an HTTP/1.1 client with `Content-Length` sends, and answers anything else with
an error that makes the benchmark fail.

`GET /stats` returns its counters, `POST /reset` sets them to zero. It listens on loopback only, and ends with
the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from array import array

OBJECT_MARK = b'"external_id"'
"""Occurs once in each object of the benchmark and in no value: to count it is to count the objects."""

NAME_MARK = b'":'
"""Follows the name of each attribute, and is in no value of the benchmark."""

HOURLY_LIMIT = 100_000_000
"""What the rate-limit headers announce: too much to slow any client down."""


class Counters:
    """What the stub has seen since the last reset. Times are of the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.arrivals = array("d")
        self.objects = 0
        self.attributes = 0
        self.bytes = 0
        self.refused = 0
        self.slowest_reply_seconds = 0.0
        self._cpu_seconds_before = time.process_time()

    def stats(self) -> dict[str, float]:
        """The counters, as `GET /stats` returns them.

        `most_in_one_second` is the greatest number of requests whose first byte arrived in any half-open
        second (t - 1, t]. The fullest of all such windows ends at an arrival, so only those are looked at.
        `late_reply_seconds` is how much later than `--delay` the latest answer left: a stub that was kept
        from running also saw requests in a heap that were sent evenly.
        """
        arrivals = sorted(self.arrivals)
        most = oldest = 0
        for newest, arrival in enumerate(arrivals):
            while arrivals[oldest] <= arrival - 1:
                oldest += 1
            most = max(most, newest - oldest + 1)
        return {
            "requests": len(arrivals),
            "objects": self.objects,
            "attributes": self.attributes,
            "bytes": self.bytes,
            "refused": self.refused,
            "most_in_one_second": most,
            "first_arrival": arrivals[0] if arrivals else 0.0,
            "last_arrival": arrivals[-1] if arrivals else 0.0,
            "late_reply_seconds": self.slowest_reply_seconds,
            "cpu_seconds": time.process_time() - self._cpu_seconds_before,
        }


class Stub:
    """What all connections share."""

    def __init__(self, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self.counters = Counters()


class Connection(asyncio.Protocol):
    """One kept-alive connection; its client sends a request only after the answer to the one before."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._pending = bytearray()
        self._started = 0.0
        self._head_size = 0
        self._request_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect bytes until the request is whole."""
        if not self._pending:
            self._started = self._loop.time()
        self._pending += data
        if not self._request_size and not self._read_head():
            return
        if len(self._pending) >= self._request_size:
            self._handle()

    def _read_head(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._pending[:end].lower()
        _, found, length = head.partition(b"\r\ncontent-length:")
        body_size = int(length.partition(b"\r\n")[0]) if found else 0
        if b"\r\ntransfer-encoding:" in head or b"\r\ncontent-encoding:" in head or b"\r\nexpect:" in head:
            body_size = -1
        self._head_size = end + 4
        self._request_size = self._head_size + max(body_size, 0)
        if body_size < 0:
            self._refuse("411 Length Required")
            self._transport.close()
        return body_size >= 0

    def _handle(self) -> None:
        pending, counters = self._pending, self._stub.counters
        if pending.startswith(b"POST /users/track "):
            objects = pending.count(OBJECT_MARK, self._head_size, self._request_size)
            counters.arrivals.append(self._started)
            counters.objects += objects
            # less the name of the array and the identifiers
            counters.attributes += pending.count(NAME_MARK, self._head_size, self._request_size) - 1 - objects
            counters.bytes += self._request_size - self._head_size
            due = self._loop.time() + self._stub.delay_seconds
            self._loop.call_at(due, self._accept, objects, due)
        elif pending.startswith(b"GET /stats "):
            self._answer("200 OK", json.dumps(counters.stats()))
        elif pending.startswith(b"POST /reset "):
            self._stub.counters = Counters()
            self._answer("200 OK", "{}")
        else:
            self._refuse("404 Not Found")
        del pending[: self._request_size]
        self._request_size = 0
        if pending:
            self._refuse("400 Bad Request")  # a second request before the answer to the first: no client here does that
            self._transport.close()

    def _refuse(self, status: str) -> None:
        self._stub.counters.refused += 1
        self._answer(status, '{"message":"the stub does not know this"}')

    def _accept(self, objects: int, due: float) -> None:
        counters = self._stub.counters
        counters.slowest_reply_seconds = max(counters.slowest_reply_seconds, self._loop.time() - due)
        now = int(time.time())
        self._answer(
            "201 Created",
            f'{{"attributes_processed":{objects},"message":"success"}}',
            # the headers Braze sends with every answer that is not a 429; the reset is the next full hour
            f"X-RateLimit-Limit: {HOURLY_LIMIT}\r\n"
            f"X-RateLimit-Remaining: {HOURLY_LIMIT - len(counters.arrivals)}\r\n"
            f"X-RateLimit-Reset: {now - now % 3600 + 3600}\r\n",
        )

    def _answer(self, status: str, body: str, headers: str = "") -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}"
            self._transport.write(f"{head}\r\n\r\n{body}".encode())


async def serve(port: int, delay_seconds: float) -> None:
    """Serve until the process that started this one is gone, having said the port on standard output."""
    stub = Stub(delay_seconds)
    parent = os.getppid()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=1024)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        while os.getppid() == parent:  # noqa: ASYNC110 - nothing in this process could tell
            await asyncio.sleep(1)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any free one")
    parser.add_argument("--delay", type=float, default=50, help="milliseconds before each answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.delay / 1000))


if __name__ == "__main__":
    main()
