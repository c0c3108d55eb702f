"""How often an attribute may be updated: what makes its values coarser, and which of its changes are held. Pure.

Coarser values (`Rounding`, `Buckets`) are made in mapping, before anything is compared; changes are held (`Policy`) by
what the ledger remembers of the last delivery. A held change is not lost: it is found again whenever its record is
read again, and goes out once nothing holds it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from target_braze import values
from target_braze.limits import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DECIMALS: Final = 15
"""Decimals to round to, at most, on either side of the point: a double keeps no more."""
UNSUBSCRIBED: Final = b'"unsubscribed"'
_CONTEXT: Final = Context(prec=40)
"""Enough for 2^53 with all those decimals."""
_UNITS: Final = {decimals: Decimal(1).scaleb(-decimals) for decimals in range(-MAX_DECIMALS, MAX_DECIMALS + 1)}
_LARGEST: Final = Decimal(MAX_INTEGER)


class Last(NamedTuple):
    """What the ledger remembers of an attribute's last delivery.

    Attributes:
        is_known: Whether it was ever delivered, and not forgotten since.
        is_null: Whether a removal was delivered.
        number: What was delivered; kept only where a policy needs it, None if unknown or no number.
        accepted_at: When Braze accepted it, in Unix seconds; kept only where a policy needs it, None if unknown.
        is_unsubscribed: Whether `unsubscribed` was delivered.
    """

    is_known: bool
    is_null: bool
    number: float | None
    accepted_at: int | None
    is_unsubscribed: bool = False


@dataclass(frozen=True)
class Policy:
    """Which changes of an attribute are held. All that is set must let a change go.

    Attributes:
        tolerance: A change of a number by at most so much is held; None if any goes.
        is_share: Whether the tolerance is a share of the last number delivered (0.05 is 5 %).
        at_most_every_seconds: A change within this time after the last delivery is held; None if it goes at any time.
        only_if_empty: Whether a change is held once a value was delivered.
        keeps_unsubscribed: Whether a change is held that takes consent for given which was withdrawn.
    """

    tolerance: float | None = None
    is_share: bool = False
    at_most_every_seconds: int | None = None
    only_if_empty: bool = False
    keeps_unsubscribed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What is set, as the settings call it."""
        is_set = {
            "only_if_empty": self.only_if_empty,
            "tolerance": self.needs_number,
            "at_most_every": self.needs_time,
        }
        return tuple(name for name, is_one in is_set.items() if is_one)

    @property
    def needs_number(self) -> bool:
        """Whether the ledger has to keep the number that was delivered."""
        return self.tolerance is not None

    @property
    def needs_time(self) -> bool:
        """Whether the ledger has to keep when it was delivered."""
        return self.at_most_every_seconds is not None

    def held_by(self, value: bytes, last: Last, now: int) -> str | None:
        """What holds a change, as the settings call it; None if it goes.

        Args:
            value: The new value as JSON, which differs from the last one.
            last: What the ledger remembers of the last delivery.
            now: Unix seconds.
        """
        if not last.is_known:
            return None
        if self.keeps_unsubscribed and _is_resubscription(value, last):
            return "allow_resubscribe"
        if self.only_if_empty and not last.is_null:
            return "only_if_empty"
        if self.tolerance is not None and self._is_within(self.tolerance, value, last):
            return "tolerance"
        # the distance, not the difference: a clock that was wrong by years once does not hold a change for years
        every, then = self.at_most_every_seconds, last.accepted_at
        if every is not None and then is not None and abs(now - then) < every:
            return "at_most_every"
        return None

    def _is_within(self, tolerance: float, value: bytes, last: Last) -> bool:
        """Whether a number is that near to the last one **delivered**; from the last one read, drift would add up."""
        number = number_in(value)
        if number is None or last.number is None or last.is_null:
            return False
        # as they are written: in doubles 10.3 - 10 is more than 0.3
        before = _decimal(last.number)
        allowed = _decimal(tolerance) * (abs(before) if self.is_share else 1)
        return abs(_decimal(number) - before) <= allowed


RESUBSCRIPTION: Final = Policy(keeps_unsubscribed=True)
"""Moving somebody from unsubscribed to subscribed needs to be allowed."""


def _is_resubscription(value: bytes, last: Last) -> bool:
    """Whether somebody may be subscribed who was unsubscribed; of a list of groups only its change can be seen."""
    if value.startswith(b"["):
        return b'"subscribed"' in value
    return last.is_unsubscribed and value != UNSUBSCRIBED


def number_in(value: bytes) -> float | None:
    """The number that a value as JSON is, for `Last.number`; None for anything else."""
    try:
        return float(value)
    except ValueError:
        return None


@dataclass(frozen=True)
class Rounding:
    """Rounds a column's numbers.

    Halves go away from zero, as with `ROUND` in SQL, and are those of the number as it is written: 1.005 becomes 1.01,
    though its double is a little less. What is beyond 2^53 is not rounded: a double has no decimals there.

    Attributes:
        decimals: How many; 0 or less (tens, hundreds) make integers.
        convert: What brings a rounded number into the form Braze keeps.
    """

    decimals: int
    convert: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """The rounded number.

        Raises:
            RefusalError: If it is no number, or none that `convert` takes.
        """
        number = values.as_decimal(value, "not a number")
        if number.copy_abs() > _LARGEST:
            return self.convert(value)
        rounded = number.quantize(_UNITS[self.decimals], ROUND_HALF_UP, _CONTEXT)
        if self.decimals <= 0 and rounded.copy_abs() <= _LARGEST:
            return int(rounded)
        return self.convert(rounded or Decimal(0))  # -0.0 would be a change


@dataclass(frozen=True)
class Buckets:
    """Puts a label in the place of a column's numbers.

    Attributes:
        edges: Where one bucket ends and the next begins, ascending; an edge belongs to the bucket above it.
        labels: One more than edges.
    """

    edges: tuple[Decimal, ...]
    labels: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        """The label of the bucket that a number is in.

        Raises:
            RefusalError: If it is no number.
        """
        return self.labels[bisect_right(self.edges, values.as_decimal(value, "not a number"))]


def labels_of(edges: tuple[Decimal, ...]) -> tuple[str, ...]:
    """The labels of buckets that have none of their own: `<7`, `7-30`, `30-90`, `>=90`; `-5 to 0` below zero."""
    texts = [_text(edge) for edge in edges]
    dash = "-" if edges[0] >= 0 else " to "
    return (f"<{texts[0]}", *map(dash.join, pairwise(texts)), f">={texts[-1]}")


def _text(edge: Decimal) -> str:
    """A number without closing zeros: 7 and 7.0 are the same edge."""
    text = format(edge, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(number: float) -> Decimal:
    return Decimal(repr(number))
