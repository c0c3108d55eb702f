"""The objects that a record of an event or a purchase becomes, and what it is known by. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze import costs, ecommerce
from target_braze.findings import settings_line
from target_braze.limits import MAX_NUMBER_DIGITS, MAX_OBJECT_BYTES, MAX_PROPERTIES, MAX_QUANTITY, TOO_LARGE
from target_braze.nested import encode
from target_braze.rejections import RefusalError
from target_braze.schema import Kind, kind_of
from target_braze.updates import FREE, ObjectKind, Update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze.columns import Column
    from target_braze.layouts import Layout
    from target_braze.stream_settings import StreamSettings
    from target_braze.updates import Identity, Shape


class OccurrenceObjects:
    """Makes the objects of one stream.

    Args:
        stream: The stream's name.
        settings: What the settings say about it.
        layout: The form of its objects.
        key_properties: What tells its records from each other; empty if nothing but all they say.
    """

    def __init__(
        self, stream: str, settings: StreamSettings, layout: Layout, key_properties: Sequence[str] = ()
    ) -> None:
        self._stream = stream
        self._kind = settings.object_kind
        self._defaults = settings.defaults
        self._layout = layout
        self._properties = str(layout.properties)
        self._key_properties = key_properties

    def updates(
        self, identity: Identity, parts: dict[str, Any], refused: Mapping[str, str], flags: Mapping[str, bool]
    ) -> tuple[Update, ...]:
        """The objects of one record: one, or of a purchase of many pieces several.

        Args:
            identity: Whom it is about.
            parts: Name in Braze → value, converted and not encoded.
            refused: Name in Braze → why its value was turned down.
            flags: What steers Braze.

        Raises:
            RefusalError: If Braze would refuse or discard it.
        """
        for name, value in self._defaults.items():
            if name not in parts and name not in refused:
                parts[name] = value
        for name in self._layout.required:
            if name not in parts:
                missing = f"missing, and Braze refuses {self._kind.value} without it"
                raise RefusalError(f"{name}: {refused.get(name, missing)}")
        if "quantity" in refused and self._kind is ObjectKind.PURCHASES:
            raise RefusalError(f"quantity: {refused['quantity']}")  # without it, Braze would take it for one piece
        fields = self._arranged(parts, refused)
        objects = [fields]
        if self._kind is ObjectKind.PURCHASES and fields.get("quantity", 1) > MAX_QUANTITY:
            objects = [{**fields, "quantity": part} for part in parts_of(fields["quantity"], MAX_QUANTITY)]
        bodies = [encode({**identity.as_fields(), **each, **flags}) for each in objects]
        if max(map(len, bodies)) > MAX_OBJECT_BYTES:
            raise RefusalError(TOO_LARGE)
        return tuple(
            Update(self._stream, self._kind, identity, body, self._cost(each))
            for each, body in zip(objects, bodies, strict=True)
        )

    def warnings(self, columns: Mapping[str, Column | None]) -> tuple[str, ...]:
        """What to say before the first record, if two records of the stream may well be alike and not the same.

        Events with a time of day are hardly alike in all they say; two hats in an order are, and two visits in a day.
        """
        times = [kind_of(column.schema) for column in columns.values() if column and column.name == "time"]
        has_time_of_day = not {Kind.DATE, Kind.STRING, Kind.ANY}.intersection(times) and bool(times)
        if self._key_properties or (self._kind is ObjectKind.EVENTS and has_time_of_day):
            return ()
        warning = (
            f"Stream {self._stream!r} has no key properties, so its records are known by all that is sent of them, and "
            f"of two that say the same only one is sent. If both happened, let the tap say what tells them apart: in "
            f"Meltano, `metadata: {{{self._stream}: {{table-key-properties: [id]}}}}` of the tap; else "
            f"`stream_maps: {{{self._stream}: {{__key_properties__: [id]}}}}` here. It need not be sent: "
            f"`{settings_line(self._stream, 'id', None)}`."
        )
        return (warning,)

    def known_by(self, record: Mapping[str, Any], columns: Mapping[str, Column | None]) -> bytes:
        """What a record is known by: its keys, or where it has none all of it that is sent.

        What it says, not what becomes of that: a column that is renamed makes no second event of it.
        """
        keys = {name: record[name] for name in self._key_properties if record.get(name) is not None}
        sent = {name: value for name, value in record.items() if columns[name] is not None}
        return known_by(self._kind.value, self._stream, keys or sent)

    def _cost(self, fields: Mapping[str, Any]) -> Shape:
        """What an object costs."""
        if self._kind is ObjectKind.PURCHASES:
            return costs.purchase(fields.get("quantity", 1))
        # Braze docs, "eCommerce recommended events", 2026-09: they consume no data points
        return FREE if ecommerce.is_recommended(fields["name"]) else costs.EVENT

    def _arranged(self, parts: dict[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
        """An event's or purchase's own fields, and all others as its properties."""
        fields = {name: part for name, part in parts.items() if name in self._layout.fields}
        properties = dict(parts.get(self._properties, {}))
        properties.update(
            {name: part for name, part in parts.items() if name not in fields and name != self._properties}
        )
        if self._kind is ObjectKind.EVENTS and ecommerce.is_recommended(fields["name"]):
            properties = ecommerce.checked(fields["name"], properties, refused)
        if len(properties) > MAX_PROPERTIES:
            raise RefusalError(f"more than {MAX_PROPERTIES} properties, of which Braze ignores the rest")
        most = self._layout.max_properties_bytes
        if most is not None and len(encode(properties)) > most:
            raise RefusalError(f"properties larger than {most} bytes")
        if properties:
            fields[self._properties] = properties
        return fields


def known_by(kind: str, stream: str, columns: Mapping[str, Any]) -> bytes:
    """What an occurrence is known by.

    Args:
        kind: Event or purchase: a stream that becomes the other is sent anew.
        stream: Its stream.
        columns: What tells it from the others of its stream: of its record, the key properties or all that is sent.
    """
    return _encode_plain([kind, stream, _plain(columns)])


_encode_plain: Final = msgspec.json.Encoder(order="sorted", enc_hook=str, decimal_format="number").encode


def _plain(value: Any) -> Any:
    """A value without what says nothing: how its numbers are written, and parts of it that are null."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > MAX_NUMBER_DIGITS:
            return str(value)
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return Decimal("0" if text == "-0" else text)
    return value


def parts_of(quantity: int, most: int) -> list[int]:
    """A quantity in parts that Braze takes: 250 of at most 100 are 100, 100 and 50 (vector C83)."""
    whole, rest = divmod(quantity, most)
    return [most] * whole + ([rest] if rest else [])
