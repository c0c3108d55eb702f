"""Which treatment of an audience a person gets: always the same, and nobody keeps a list. Pure.

Every treatment draws a number for the person by a hash, and the smallest, weighed, wins (weighted rendezvous hashing).
So the shares are those of the weights, and a change moves as few people as it can: a new treatment takes its share
from all others and moves nobody between those; one that is taken away leaves only its own people to move; a weight
that grows only brings people in, and one that shrinks only lets some go. The order in the settings means nothing. With
ranges of one number instead, every border after a changed one would move, and the people at each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

from target_braze import values
from target_braze.errors import SettingsError
from target_braze.operands import name_of
from target_braze.rejections import RefusalError

_DRAW_BYTES: Final = 8
_DRAWS: Final = 2 ** (8 * _DRAW_BYTES)
_MAX_WEIGHT: Final = 10**9


@dataclass(frozen=True)
class Treatments:
    """The treatments of an audience.

    Attributes:
        audience: Its name; each audience divides people anew.
        weights: Treatment → its weight, more than 0; only their proportion counts.
    """

    audience: str
    weights: Mapping[str, float]

    def of(self, identity_key: bytes) -> str:
        """The treatment of a person.

        Args:
            identity_key: What stands for the person, the same in every run: not made with a key that may be lost, or
                with it everybody would be moved.
        """
        return min((self._wait(draw, weight, identity_key), name) for name, weight, draw in self._draws)[1]

    @cached_property
    def _draws(self) -> list[tuple[str, float, blake2b]]:
        """Treatment, weight and the hash that draws for it, keyed with both names."""
        draws = []
        for treatment, weight in self.weights.items():
            names = f"{len(self.audience)}:{self.audience}{treatment}".encode()
            key = blake2b(names, digest_size=blake2b.MAX_KEY_SIZE).digest()
            draws.append((treatment, weight, blake2b(digest_size=_DRAW_BYTES, key=key)))
        return draws

    @staticmethod
    def _wait(draw: blake2b, weight: float, identity_key: bytes) -> float:
        """How long the person would wait for a treatment, if each came at random at the rate of its weight."""
        draw = draw.copy()
        draw.update(identity_key)
        share = (int.from_bytes(draw.digest(), "big") + 0.5) / _DRAWS
        return -math.log(share) / weight


def read_treatments(entries: Any, audience: str, place: str) -> Treatments:
    """The treatments that the settings give an audience.

    Raises:
        SettingsError: If there is none, or one has no usable name or weight.
    """
    if not isinstance(entries, Mapping) or not entries:
        raise SettingsError(f"`{place}` is {name_of(entries)}; it takes {{treatment: weight}}, at least one.")
    for treatment, weight in entries.items():
        if not isinstance(treatment, str) or not treatment.strip():
            raise SettingsError(f"`{place}` has a name that is {name_of(treatment)}; write one in quotes.")
        try:
            values.to_string(treatment)
        except RefusalError as refusal:
            raise SettingsError(f"`{place}` has a name that is {refusal}.") from None
        is_number = isinstance(weight, int | float | Decimal) and not isinstance(weight, bool)
        if not is_number or not 0 < weight <= _MAX_WEIGHT:
            raise SettingsError(f"`{place}.{treatment}` is no weight: it takes a number above 0, such as 45.")
    return Treatments(audience, {treatment: float(weight) for treatment, weight in entries.items()})
