"""The people that a sandbox knows, as far as Currents needs them.

Asked of the server that holds the database, if one runs; otherwise read from the file.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_sandbox import background, database, exports
from braze_sandbox.store import ProfileStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PAGE = 5_000
ANSWER_SECONDS = 60.0


class Person(NamedTuple):
    """Somebody who gets messages and does things.

    Attributes:
        user_id: Braze's identifier, `braze_id` elsewhere.
        external_id: The customer's identifier; anonymous people have none.
    """

    user_id: str
    external_id: str | None
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    country: str | None = None
    language: str | None = None


def known_to(path: Path) -> list[Person]:
    """Return the people of a sandbox's database, in the order of their creation.

    Raises:
        FileNotFoundError: There is no such database.
    """
    server = background.running(path)
    return [_person(profile) for profile in (_asked(server.address) if server else _read(path))]


def _asked(address: str) -> Iterator[dict[str, Any]]:
    # Not by way of a proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    offset, total = 0, 1
    while offset < total:
        url = f"{address}/sandbox/profiles?limit={PAGE}&offset={offset}"
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            page = json.load(answer)
        yield from page["profiles"]
        offset, total = offset + PAGE, page["total"]


def _read(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        raise FileNotFoundError(f"There is no sandbox database {path}.")
    connection, lock = database.opened(path)
    with contextlib.closing(connection), lock:
        store = ProfileStore(connection)
        return [exports.listed(profile) for profile in store.listed(limit=store.count())]


def _person(profile: dict[str, Any]) -> Person:
    attributes = profile["attributes"]
    known = {name: attributes.get(name) for name in ("email", "phone", "time_zone", "country", "language")}
    return Person(profile["braze_id"], profile["external_id"], **known)
