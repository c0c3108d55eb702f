"""Fetches files ahead of their need, several at once, and hands them out in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from tap_braze_currents.files import File

MAX_BYTES: Final = 64_000_000
"""Bytes fetched and not yet handed out; one file may be larger, and then is alone."""
FIRST_BYTES: Final = 8_000_000
"""So much at the beginning, and twice as much with every file: what is fetched at once shares the line, so that the
first file would be there no sooner than the last, and nothing to do until then."""


class Fetched:
    """A file and what became of fetching it.

    Attributes:
        file: The file.
    """

    def __init__(self, file: File, future: Future[bytes]) -> None:
        self.file = file
        self._future = future

    @property
    def is_here(self) -> bool:
        """Whether `data` would not wait."""
        return self._future.done()

    def data(self) -> bytes:
        """Its bytes; waits for them.

        Raises:
            FileError: If it could not be fetched.
        """
        return self._future.result()


def fetched_in_order(
    files: Sequence[File], fetch: Callable[[File], bytes], parallel: int, max_bytes: int = MAX_BYTES
) -> Generator[Fetched, None, None]:
    """Files in their order, each with its fetching under way or done.

    Args:
        files: What to fetch.
        fetch: Fetches one; called on several threads.
        parallel: Most files at once.
        max_bytes: Most bytes under way or waiting.

    Yields:
        Each file. When the next one is asked for, the one before is done with. Closed early, it waits for what is under
        way and begins nothing more.
    """
    waiting: deque[Fetched] = deque()
    ahead = 0
    most = min(FIRST_BYTES, max_bytes)
    upcoming = iter(files)
    following = next(upcoming, None)
    with ThreadPoolExecutor(parallel, thread_name_prefix="fetch") as pool:
        try:
            while following is not None or waiting:
                while following is not None and (
                    not waiting or (len(waiting) < 2 * parallel and ahead + following.size <= most)
                ):
                    waiting.append(Fetched(following, pool.submit(fetch, following)))
                    ahead += following.size
                    following = next(upcoming, None)
                fetched = waiting.popleft()
                yield fetched
                ahead -= fetched.file.size
                most = min(2 * most, max_bytes)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
