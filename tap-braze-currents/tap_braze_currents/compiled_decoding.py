"""Decode the records of flat schemas, which all of Braze's are, by code made for the schema.

fastavro takes 15 µs for a record of 22 fields, most of it for nullable unions. Code that knows the fields beforehand
takes half, in Python alone. It accepts nothing that fastavro would refuse: each length, union branch and boolean is
checked, and a block must end exactly where its last record does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tap_braze_currents.container import read_long
from tap_braze_currents.events import event_class
from tap_braze_currents.floating import finite, shortest

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tap_braze_currents.events import Event

    DecodeBlock = Callable[[bytes, int, Counter[str]], list[Event]]

SCALARS = frozenset({"string", "int", "long", "float", "double", "boolean"})


# The number that a byte is, or None where it is no text's whole length: another byte follows, or it is negative.
SIZES = tuple(None if byte & 129 else byte >> 1 for byte in range(256))
LONGS_KEPT = 100_000


class DamagedEventsError(ValueError):
    """The bytes of a block are not its events."""


class _FiveByteLongs(dict[bytes, "int | None"]):
    """Five bytes → the number they are, or None if they are not exactly one.

    Seconds since 1970 take five bytes until 2038 and long after, and the events of a file share theirs: to look them up
    takes a fifth of the time.
    """

    def __missing__(self, data: bytes) -> int | None:
        if len(data) != 5 or data[4] > 127 or min(data[:4]) < 128:  # noqa: PLR2004 - each byte but the last has the bit
            return None
        if len(self) >= LONGS_KEPT:
            self.clear()
        number, _ = read_long(data, 0)
        self[data] = number
        return number


_LONGS = _FiveByteLongs()


def compile_decoder(schema: dict[str, Any]) -> DecodeBlock | None:
    """Make a decoder for the blocks of a writer schema.

    Args:
        schema: The schema as a dict.

    Returns:
        A function of a block's bytes, its number of records and a counter of the numbers that JSON does not have (by
        field), which returns the events. It raises ValueError, IndexError or struct.error if the bytes are not
        exactly these events. None if the schema is not flat.
    """
    try:
        fields = [(field["name"], _flat(field["type"])) for field in schema["fields"]]
        new_event = event_class([name for name, _ in fields])
    except (KeyError, TypeError, ValueError, _NotFlatError):
        return None
    if schema.get("type") != "record" or not fields or len(dict(fields)) < len(fields):
        return None
    names: dict[str, Any] = {
        "read_long": read_long,
        "read_size": _read_size,
        "read_count": _read_count,
        "read_float": struct.Struct("<f").unpack_from,
        "read_double": struct.Struct("<d").unpack_from,
        "shortest": shortest,
        "finite": finite,
        "Damaged": DamagedEventsError,
        "BOOLEANS": (False, True),
        "SIZES": SIZES,
        "LONGS": _LONGS,
        "Event": new_event,
    }
    # The only parts of the source that come from the file are the fields' names, each as the literal of a string.
    exec(_source(fields), names)  # noqa: S102 - a decoder made for the schema is what makes it fast
    decoder: DecodeBlock = names["decode_block"]
    return decoder


class _NotFlatError(Exception):
    """The schema needs more than the compiled decoder can do."""


class _Flat:
    """A type that the compiled decoder can do.

    Attributes:
        scalar: The type, or that of an array's items.
        null: The branch of the union that is null, or None.
        items_null: The same of an array's items.
        is_array: Whether it is an array.
    """

    def __init__(self, scalar: str, null: int | None, items_null: int | None, *, is_array: bool) -> None:
        self.scalar = scalar
        self.null = null
        self.items_null = items_null
        self.is_array = is_array


def _flat(avro_type: Any) -> _Flat:
    inner, null = _nullable(avro_type)
    if isinstance(inner, dict) and inner.get("type") == "array":
        item, items_null = _nullable(inner["items"])
        return _Flat(_scalar(item), null, items_null, is_array=True)
    return _Flat(_scalar(inner), null, None, is_array=False)


def _nullable(avro_type: Any) -> tuple[Any, int | None]:
    if not isinstance(avro_type, list):
        return avro_type, None
    if len(avro_type) != 2 or avro_type.count("null") != 1:  # noqa: PLR2004 - null and one other
        raise _NotFlatError
    null = avro_type.index("null")
    return avro_type[1 - null], null


def _scalar(avro_type: Any) -> str:
    """Return the name of a scalar type, also if an object wraps it as Kafka Connect does."""
    while isinstance(avro_type, dict) and "type" in avro_type:
        avro_type = avro_type["type"]
    if not isinstance(avro_type, str) or avro_type not in SCALARS:
        raise _NotFlatError
    return avro_type


def _read_size(data: bytes, position: int) -> tuple[int, int]:
    """Read the number of a text's bytes."""
    size, position = read_long(data, position)
    if size < 0:
        raise DamagedEventsError("a negative length")
    return size, position


def _read_count(data: bytes, position: int) -> tuple[int, int]:
    """Read the number of items of the next part of an array."""
    count, position = read_long(data, position)
    if count < 0:  # then its size in bytes follows, for readers that skip it
        count = -count
        _, position = read_long(data, position)
    return count, position


def _source(fields: list[tuple[str, _Flat]]) -> str:
    lines = [
        "def decode_block(data, count, not_finite):",
        "    at = 0",
        "    events = []",
        "    add = events.append",
        "    for _ in range(count):",
    ]
    for number, (name, flat) in enumerate(fields):
        lines += ["        " + line for line in _field_source(f"v{number}", name, flat)]
    lines += [
        f"        add(Event({', '.join(f'v{number}' for number in range(len(fields)))}))",
        "    if at != len(data):",
        "        raise Damaged('events that do not end where their block does')",
        "    return events",
    ]
    return "\n".join(lines)


def _field_source(variable: str, name: str, flat: _Flat) -> list[str]:
    if not flat.is_array:
        return _value_source(variable, name, flat.scalar, flat.null)
    lines = [
        f"{variable} = []",
        "items, at = read_count(data, at)",
        "while items:",
        "    for _ in range(items):",
        *("        " + line for line in _value_source("item", name, flat.scalar, flat.items_null)),
        f"        {variable}.append(item)",
        "    items, at = read_count(data, at)",
    ]
    return lines if flat.null is None else _union_source(variable, flat.null, ["at += 1", *lines])


def _value_source(variable: str, name: str, scalar: str, null: int | None) -> list[str]:
    if null is None:
        return _scalar_source(variable, name, scalar, 0)
    return _union_source(variable, null, _scalar_source(variable, name, scalar, 1))


def _union_source(variable: str, null: int, lines: list[str]) -> list[str]:
    """Look at the branch of a union of null and something else; `lines` read its byte too if it is not null."""
    return [
        "branch = data[at]",
        f"if branch == {2 - 2 * null}:",  # more values are there than not
        *("    " + line for line in lines),
        f"elif branch == {2 * null}:",
        f"    {variable} = None",
        "    at += 1",
        "else:",
        "    raise Damaged('a branch that the union does not have')",
    ]


def _scalar_source(variable: str, name: str, scalar: str, ahead: int) -> list[str]:
    """Read a value that begins `ahead` bytes further on."""
    at = f"at + {ahead}" if ahead else "at"
    if scalar == "string":
        return [
            f"size = SIZES[data[{at}]]",
            "if size is None:",
            f"    size, at = read_size(data, {at})",
            "else:",
            f"    at += {ahead + 1}",
            "size += at",
            f"{variable} = data[at:size].decode()",
            "at = size",
        ]
    if scalar == "boolean":
        return [f"{variable} = BOOLEANS[data[{at}]]", f"at += {ahead + 1}"]
    if scalar == "float":
        return [f"{variable} = shortest(read_float(data, {at})[0], {name!r}, not_finite)", f"at += {ahead + 4}"]
    if scalar == "double":
        return [f"{variable} = finite(read_double(data, {at})[0], {name!r}, not_finite)", f"at += {ahead + 8}"]
    return [
        f"{variable} = LONGS[data[{at}:at + {ahead + 5}]]",
        f"if {variable} is None:",
        f"    {variable}, at = read_long(data, {at})",
        "else:",
        f"    at += {ahead + 5}",
    ]
