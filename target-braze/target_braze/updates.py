"""An update is what a record asks of Braze, after mapping: whom it is about and the object to send. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from target_braze.rejections import Rejection


class ObjectKind(str, enum.Enum):
    """The array of a `/users/track` request that an object goes into."""

    ATTRIBUTES = "attributes"
    EVENTS = "events"
    PURCHASES = "purchases"


class Identity(NamedTuple):
    """Whom an update is about: which identifier, and its value (of an alias: label and name).

    Equal for the same person named by the same identifier, for the value is in the form Braze stores.
    """

    kind: str
    value: str | tuple[str, str]

    def as_fields(self) -> dict[str, Any]:
        """The identifier as an object holds it."""
        if isinstance(self.value, str):
            return {self.kind: self.value}
        label, name = self.value
        return {self.kind: {"alias_name": name, "alias_label": label}}


class Shape:
    """What writing an object costs, shared by objects with the same attributes.

    Equal only to itself, so that it is quick to count.

    Attributes:
        data_points: Attribute name → data points that writing it costs.
    """

    __slots__ = ("data_points",)

    def __init__(self, data_points: dict[str, int]) -> None:
        self.data_points = data_points


class Update(msgspec.Struct, frozen=True, gc=False):
    """One object, ready to be packed.

    Attributes:
        stream: The stream its record came from.
        kind: The array it goes into.
        identity: Whom it is about.
        body: The object as JSON.
        shape: What it costs.
    """

    stream: str
    kind: ObjectKind
    identity: Identity
    body: bytes
    shape: Shape


@dataclass(frozen=True)
class Mapped:
    """What mapping made of one record.

    Attributes:
        update: What to send; None if there is nothing to send or the record is rejected.
        rejections: What was turned down: the record (then `update` is None) or single attributes of it.
        left_out: Attribute → how many parts inside its nested value were left out.
    """

    update: Update | None
    rejections: tuple[Rejection, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def is_rejected(self) -> bool:
        """Whether nothing of the record could be sent, for something in it was turned down."""
        return self.update is None and bool(self.rejections)
