"""The numbers that stand for streams, attributes and lists of attributes in the ledger. Pure but for a lock.

An attribute that no stream may send any more loses its number, and gets a new one when it is sent again: what the
ledger knows of its values under the old number is thereby forgotten, of everybody at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from target_braze.errors import LedgerError

MEMBERSHIP: Final = "$audience:"
"""What the names begin with of what is known of memberships; it is no value, and a full resync does not forget it."""
_NAMES: Final = "names"
_LAYOUT: Final = "layout:{}"
MAX_LISTS: Final = 1_000
"""Lists of attributes that are kept one by one; they are all in memory."""

Get = Callable[[str], bytes | None]
Put = Callable[[str, bytes], None]


class _Attribute(msgspec.Struct, array_like=True):
    number: int
    streams: list[int]
    """Those that send it."""


class _Known(msgspec.Struct, array_like=True):
    """What is kept of the names."""

    next_number: int = 1
    streams: dict[str, int] = {}
    attributes: dict[str, _Attribute] = {}


class Names:
    """Numbers for names, made when first asked for.

    Args:
        get: Reads what was kept under a name.
        put: Keeps something under a name, before anything that is put after it.
    """

    def __init__(self, get: Get, put: Put) -> None:
        self._put = put
        self._lock = threading.Lock()
        kept = get(_NAMES)
        self._known = _Known() if kept is None else msgspec.msgpack.decode(kept, type=_Known)
        self._layouts: list[tuple[int, ...]] = []
        while (layout := get(_LAYOUT.format(len(self._layouts)))) is not None:
            self._layouts.append(msgspec.msgpack.decode(layout, type=tuple[int, ...]))
        self._numbers = {layout: number for number, layout in enumerate(self._layouts)}
        self._renewed: set[str] = set()

    def stream(self, name: str) -> int:
        """The number of a stream."""
        with self._lock:
            number = self._known.streams.get(name)
            if number is None:
                number = self._known.streams[name] = self._next_number()
                self._keep()
            return number

    @property
    def streams(self) -> dict[str, int]:
        """The number of each stream that ever was."""
        with self._lock:
            return dict(self._known.streams)

    def attributes(
        self, stream: int, names: Iterable[str], is_dropped: Callable[[str], bool] = lambda _: False, *, afresh: bool
    ) -> dict[str, int]:
        """The numbers of the attributes that a stream sends.

        Args:
            stream: The stream's number.
            names: Attributes it sends.
            is_dropped: Whether the settings keep it from sending an attribute that it sent before.
            afresh: Whether to forget what is known of them, once in a run.
        """
        with self._lock:
            attributes = self._known.attributes
            before = msgspec.msgpack.encode(self._known)
            names = list(names)
            for name in set(attributes) - set(names):
                streams = attributes[name].streams
                if stream in streams and is_dropped(name):
                    streams.remove(stream)
                    if not streams:
                        del attributes[name]
            for name in names:
                known = attributes.get(name)
                if known is None or (afresh and name not in self._renewed and not name.startswith(MEMBERSHIP)):
                    known = attributes[name] = _Attribute(self._next_number(), known.streams if known else [])
                    self._renewed.add(name)
                if stream not in known.streams:
                    known.streams.append(stream)
            if msgspec.msgpack.encode(self._known) != before:
                self._keep()
            return {name: attributes[name].number for name in names}

    @property
    def live(self) -> frozenset[int]:
        """The numbers of all attributes that are sent by some stream."""
        with self._lock:
            return frozenset(attribute.number for attribute in self._known.attributes.values())

    @property
    def memberships(self) -> frozenset[int]:
        """The numbers of what is known of memberships."""
        with self._lock:
            known = self._known.attributes.items()
            return frozenset(attribute.number for name, attribute in known if name.startswith(MEMBERSHIP))

    def listed(self, numbers: tuple[int, ...], all_others: Iterable[int]) -> tuple[int, ...]:
        """The list to keep what is known of some attributes in.

        Args:
            numbers: These attributes.
            all_others: All there are. Where each record has others than the last one, there would be as many lists
                as people; so once there are many, no new ones are made but of all together.
        """
        if numbers in self._numbers or len(self._layouts) < MAX_LISTS:
            return numbers
        return tuple(sorted({*numbers, *all_others}))

    def beginning_with(self, prefix: str) -> list[str]:
        """The names of attributes that begin so."""
        with self._lock:
            return [name for name in self._known.attributes if name.startswith(prefix)]

    def layout(self, numbers: tuple[int, ...]) -> int:
        """The number of a list of attributes."""
        number = self._numbers.get(numbers)
        if number is not None:
            return number
        with self._lock:
            if numbers not in self._numbers:
                self._put(_LAYOUT.format(len(self._layouts)), msgspec.msgpack.encode(numbers))
                self._layouts.append(numbers)
                self._numbers[numbers] = len(self._layouts) - 1
            return self._numbers[numbers]

    def numbers(self, layout: int) -> Sequence[int]:
        """The attributes of a list.

        Raises:
            LedgerError: If there is no such list: the ledger is damaged.
        """
        try:
            return self._layouts[layout]
        except IndexError:
            raise LedgerError(
                "The ledger is damaged: it refers to a list of attributes that is not in it. Nothing is lost in "
                "Braze. Move the ledger's folder away and run again, which sends everything once."
            ) from None

    def _next_number(self) -> int:
        number = self._known.next_number
        self._known.next_number += 1
        return number

    def _keep(self) -> None:
        self._put(_NAMES, msgspec.msgpack.encode(self._known))
