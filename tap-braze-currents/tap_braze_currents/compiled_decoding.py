"""Decode the records of flat schemas, which all of Braze's are, by code made for the schema.

fastavro takes 15 µs for a record of 22 fields, most of it for nullable unions. Code that knows the fields beforehand
takes half, in Python alone. It accepts nothing that fastavro would refuse: each length, union branch and boolean is
checked, and a block must end exactly where its last record does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tap_braze_currents.container import read_long
from tap_braze_currents.floating import finite, shortest

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    DecodeBlock = Callable[[bytes, int, Counter[str]], list[dict[str, Any]]]

SCALARS = frozenset({"string", "int", "long", "float", "double", "boolean"})


class DamagedRecordsError(ValueError):
    """The bytes of a block are not its records."""


def compile_decoder(schema: dict[str, Any]) -> DecodeBlock | None:
    """Make a decoder for the blocks of a writer schema.

    Args:
        schema: The schema as a dict.

    Returns:
        A function of a block's bytes, its number of records and a counter of the numbers that JSON does not have (by
        field), which returns the records. It raises ValueError, IndexError or struct.error if the bytes are not
        exactly these records. None if the schema is not flat.
    """
    try:
        fields = [(field["name"], _flat(field["type"])) for field in schema["fields"]]
    except (KeyError, TypeError, _NotFlatError):
        return None
    if schema.get("type") != "record" or not fields or len(dict(fields)) < len(fields):
        return None
    names: dict[str, Any] = {
        "read_long": read_long,
        "read_length": _read_length,
        "read_count": _read_count,
        "read_float": struct.Struct("<f").unpack_from,
        "read_double": struct.Struct("<d").unpack_from,
        "shortest": shortest,
        "finite": finite,
        "Damaged": DamagedRecordsError,
        "BOOLEANS": (False, True),
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


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    """Read the length of a text.

    Returns:
        Twice the length (as it is coded) and the position after it.
    """
    length, position = read_long(data, position)
    if length < 0:
        raise DamagedRecordsError("a negative length")
    return length << 1, position


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
        "    records = []",
        "    add = records.append",
        "    for _ in range(count):",
    ]
    for number, (name, flat) in enumerate(fields):
        lines += ["        " + line for line in _field_source(f"v{number}", repr(name), flat)]
    pairs = ", ".join(f"{name!r}: v{number}" for number, (name, _) in enumerate(fields))
    lines += [
        f"        add({{{pairs}}})",
        "    if at != len(data):",
        "        raise Damaged('records that do not end where their block does')",
        "    return records",
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
    return lines if flat.null is None else _union_source(variable, flat.null, lines)


def _value_source(variable: str, name: str, scalar: str, null: int | None) -> list[str]:
    lines = _scalar_source(variable, name, scalar)
    return lines if null is None else _union_source(variable, null, lines)


def _union_source(variable: str, null: int, lines: list[str]) -> list[str]:
    """Read the branch of a union of null and something else, and that if it is not null."""
    return [
        f"if data[at] == {2 * null}:",
        f"    {variable} = None",
        "    at += 1",
        f"elif data[at] == {2 - 2 * null}:",
        "    at += 1",
        *("    " + line for line in lines),
        "else:",
        "    raise Damaged('a branch that the union does not have')",
    ]


def _scalar_source(variable: str, name: str, scalar: str) -> list[str]:
    if scalar == "string":
        return [
            "size = data[at]",
            # 129: the bit that says that another byte follows, and the one that says that the number is negative.
            "if size & 129:",
            "    size, at = read_length(data, at)",
            "else:",
            "    at += 1",
            "size = at + (size >> 1)",
            f"{variable} = data[at:size].decode()",
            "at = size",
        ]
    if scalar == "boolean":
        return [f"{variable} = BOOLEANS[data[at]]", "at += 1"]
    if scalar == "float":
        return [f"{variable} = shortest(read_float(data, at)[0], {name}, not_finite)", "at += 4"]
    if scalar == "double":
        return [f"{variable} = finite(read_double(data, at)[0], {name}, not_finite)", "at += 8"]
    return [f"{variable}, at = read_long(data, at)"]
