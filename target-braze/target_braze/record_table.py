"""Which records are settled: a hash table of their digests, looked up by the chunk. Pure.

It is the ledger's first tier. A digest in it says that this very record, as it is mapped now, was settled before, so
that nothing more need be looked at. What is missing here is looked up in the store, and costs time; what is here and
should not be would be a change that is never sent. So whoever finds that a record is no longer true takes it out at
once, and every doubt is settled by leaving it out.

Open addressing with linear probing, in one array of two 64-bit words a slot: five million digests take 128 MiB, can be
mapped from a file without being read, and are looked up without a Python object for each.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from target_braze.hashes import RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

WORD: Final = np.dtype("<u8")
"""A digest is two of these."""
LEAST_SLOTS: Final = 1024

_EMPTY: Final = 0
_REMOVED: Final = 1
"""Once held a digest: a search goes on past it."""
_LEAST_WORD: Final = 2
"""The least first word of a digest; less would mean an empty or removed slot.

The few digests (one in 2^63) with less are kept as if they had this one. It costs nothing: one of them is taken for
another digest only if that has the same 64 other bits too, which is far less likely than two equal digests.
"""
_MAX_LOAD: Final = 0.7
"""Of removed slots too, for a search passes both; above it the runs that a search has to pass grow steeply."""
_LOAD_AFTER_GROWTH: Final = 0.6
"""At most so full when laid out anew, so that the next time is at least a tenth of all slots away."""
_LINE_SLOTS: Final = 4
"""Slots in a line, where a search begins and which it takes at once: memory comes in 64 bytes anyway."""
_FEW: Final = 12
"""So few digests are looked up sooner one by one than by a round of numpy's calls."""
_CHUNK: Final = 1 << 16


class RecordTable:
    """A set of 128-bit digests.

    Several threads may change it; a probe meanwhile sees each change whole or not at all.

    Args:
        words: The slots as an earlier table had them, an array of (slots, 2); it is written to. None for no slots yet.
        count: How many digests are in them.
        removed: How many slots of removed digests.
    """

    def __init__(self, words: NDArray[np.uint64] | None = None, count: int = 0, removed: int = 0) -> None:
        self._words = _empty(LEAST_SLOTS) if words is None else words
        self._count = count
        self._removed = removed
        self._is_changed = False
        self._leaving: list[bytes] = []
        """Digests that are out already, for whoever asks, and still in their slots: several are taken out at once."""
        self._lock = threading.Lock()
        """A digest taken out while another thread lays the table out anew would be back afterwards."""

    @classmethod
    def for_count(cls, count: int) -> RecordTable:
        """An empty table with room for so many digests, and in the worst case for no more."""
        return cls(_empty(_slots_for(count, _MAX_LOAD)))

    def __len__(self) -> int:
        self._settle()
        return self._count

    @property
    def is_changed(self) -> bool:
        """Whether a digest came or went."""
        self._settle()
        return self._is_changed

    @property
    def words(self) -> NDArray[np.uint64]:
        """All slots, as `RecordTable` takes them; not a copy."""
        self._settle()
        return self._words

    @property
    def removed(self) -> int:
        """How many slots of removed digests there are."""
        self._settle()
        return self._removed

    def chunks(self) -> Iterator[NDArray[np.uint64]]:
        """All digests, in arrays of (n, 2) words."""
        return _chunks(self.words)

    def probe(self, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which digests are in the table.

        Args:
            digests: An array of (n, 2) words.

        Returns:
            An array of n.
        """
        self._settle()
        return self._probed(digests)

    def _probed(self, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
        words = self._words  # once: another thread may put a larger array in its place
        lines = words.reshape(-1, _LINE_SLOTS * 2)
        first = np.maximum(digests[:, 0], _LEAST_WORD)
        second = digests[:, 1]
        line = _home_lines(first, len(lines))
        found, goes_on = _look(lines, line, first, second)
        left = np.flatnonzero(goes_on)
        while left.size > _FEW:
            line = (line[goes_on] + 1) & (len(lines) - 1)
            found[left], goes_on = _look(lines, line, first[left], second[left])
            left = left[goes_on]
        for index in left.tolist():
            found[index] = _slot_of(words, first.item(index), second.item(index)) is not None
        return found

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and bool(self.probe(as_words((digest,)))[0])

    def add_all(self, digests: Sequence[bytes]) -> None:
        """Add digests, of which some may be there or be equal."""
        with self._lock:
            self._let_leave()
            new = _distinct(digests)
            new = new[~self._probed(new)]
            if not new.size:
                return
            if self._count + self._removed + len(new) > _MAX_LOAD * len(self._words):
                self._lay_out_for(self._count + len(new))
            self._removed -= _place(self._words, new)
            self._count += len(new)
            self._is_changed = True

    def discard(self, digest: bytes) -> None:
        """Take a digest out if it is there."""
        with self._lock:
            self._leaving.append(digest)

    def _settle(self) -> None:
        """Take those out that were discarded since somebody last asked."""
        if self._leaving:
            with self._lock:
                self._let_leave()

    def _let_leave(self) -> None:
        if not self._leaving:
            return
        slots = _slots_of(self._words, _distinct(self._leaving))
        self._leaving.clear()
        if slots.size:
            # not empty, for digests behind them are found by passing them; and nothing of them stays in the file
            self._words[slots] = (_REMOVED, 0)
            self._count -= len(slots)
            self._removed += len(slots)
            self._is_changed = True

    def _lay_out_for(self, count: int) -> None:
        new = _empty(_slots_for(count, _LOAD_AFTER_GROWTH))
        for words in _chunks(self._words):
            _place(new, words)
        self._words = new
        self._removed = 0


def as_words(digests: Sequence[bytes]) -> NDArray[np.uint64]:
    """Digests as `probe` takes them.

    Raises:
        ValueError: If they are not of 16 bytes.
    """
    joined = b"".join(digests)
    if len(joined) != len(digests) * RECORD_BYTES:
        raise ValueError(f"a digest has not {RECORD_BYTES} bytes")
    return np.frombuffer(joined, dtype=WORD).reshape(-1, 2)


def _chunks(words: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    for start in range(0, len(words), _CHUNK):
        chunk = words[start : start + _CHUNK]
        yield chunk[chunk[:, 0] >= _LEAST_WORD]


def _distinct(digests: Sequence[bytes]) -> NDArray[np.uint64]:
    words = as_words([*dict.fromkeys(digests)])
    if (words[:, 0] < _LEAST_WORD).any():  # of these, two that differ may be kept as one
        words = np.unique(np.stack((np.maximum(words[:, 0], _LEAST_WORD), words[:, 1]), axis=1), axis=0)
    return words


def _empty(slots: int) -> NDArray[np.uint64]:
    return np.zeros((slots, 2), dtype=WORD)  # zeros: memory that nothing is written to is never really taken


def _slots_for(count: int, load: float) -> int:
    """How many slots so many digests are laid out in: a power of two, for a mask is quicker than a remainder."""
    return max(LEAST_SLOTS, 1 << int(count / load).bit_length())


def _home_lines(first: NDArray[np.uint64], lines: int) -> NDArray[np.intp]:
    """In which lines the searches for digests begin: a digest is uniform, so any bits of it will do."""
    home: NDArray[np.intp] = (first & WORD.type(lines - 1)).astype(np.intp)
    return home


def _look(
    lines: NDArray[np.uint64], line: NDArray[np.intp], first: NDArray[np.uint64], second: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Look for each digest in one line.

    Returns:
        Which are in it, and for which the search goes on: those that are not in it and it is full. It is unless its
        last slot is empty, for a line fills from its front and no slot of it is ever empty again.
    """
    rows = lines.take(line, axis=0)
    found = (rows[:, 0] == first) & (rows[:, 1] == second)
    for column in range(2, _LINE_SLOTS * 2, 2):  # numpy takes longer over a short second axis than over four columns
        found |= (rows[:, column] == first) & (rows[:, column + 1] == second)
    return found, (rows[:, -2] != _EMPTY) & ~found


def _slots_of(words: NDArray[np.uint64], digests: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The slots of those digests, which differ, that are in the table."""
    lines = words.reshape(-1, _LINE_SLOTS * 2)
    first, second = np.maximum(digests[:, 0], _LEAST_WORD), digests[:, 1]
    line = _home_lines(first, len(lines))
    rows = lines.take(line, axis=0)
    is_here = (rows[:, 0::2] == first[:, None]) & (rows[:, 1::2] == second[:, None])
    found = is_here.any(axis=1)
    slots = (line * _LINE_SLOTS + is_here.argmax(axis=1))[found]
    goes_on = np.flatnonzero((rows[:, -2] != _EMPTY) & ~found).tolist()
    further = (_slot_of(words, first.item(index), second.item(index)) for index in goes_on)
    return np.append(slots, [slot for slot in further if slot is not None]).astype(np.intp)


def _slot_of(words: NDArray[np.uint64], first: int, second: int) -> int | None:
    mask = len(words) - 1
    slot = first * _LINE_SLOTS & mask
    while (held := words.item(slot, 0)) != _EMPTY:
        if held == first and words.item(slot, 1) == second:
            return slot
        slot = (slot + 1) & mask
    return None


def _place(words: NDArray[np.uint64], digests: NDArray[np.uint64]) -> int:
    """Put digests, which differ and are not in the table, into the first line with a free slot for each.

    Returns:
        How many slots of removed digests were used.
    """
    lines = words.reshape(-1, _LINE_SLOTS * 2)
    left = np.stack((np.maximum(digests[:, 0], _LEAST_WORD), digests[:, 1]), axis=1)
    line = _home_lines(left[:, 0], len(lines))
    reused = 0
    while left.size:
        is_free = lines.take(line, axis=0)[:, 0::2] < _LEAST_WORD
        is_full = ~is_free.any(axis=1)
        tried = np.flatnonzero(~is_full)
        slots = (line * _LINE_SLOTS + is_free.argmax(axis=1))[tried]
        was_removed = words[slots, 0] == _REMOVED
        words[slots] = left[tried]  # of several digests for one slot the last is there then; the others try again
        is_placed = (words.take(slots, axis=0) == left[tried]).all(axis=1)
        reused += int(np.count_nonzero(was_removed & is_placed))
        line += is_full
        line &= len(lines) - 1
        goes_on = np.ones(len(left), dtype=np.bool_)
        goes_on[tried[is_placed]] = False
        left, line = left[goes_on], line[goes_on]
    return reused
