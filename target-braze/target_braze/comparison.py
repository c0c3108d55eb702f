"""What streams send beside what Braze has: types, names that look alike, and what is new. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from target_braze.braze_attributes import BrazeAttribute, conflict, custom_columns, sent_types, type_conflicts
from target_braze.findings import Finding, Level, settings_line, yaml_name
from target_braze.standard_fields import STANDARD_FIELDS, lookalike_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_braze.columns import Column

_MAX_LISTED: Final = 20


@dataclass(frozen=True)
class MappedStream:
    """A stream of attributes, events or purchases, mapped.

    Attributes:
        name: The stream's name.
        columns: What is sent of it; columns that are left out are None or missing.
        is_attributes: Whether its records become attributes; the custom attributes of Braze concern no others.
    """

    name: str
    columns: tuple[Column | None, ...]
    is_attributes: bool = True


def compared(
    streams: Sequence[MappedStream], braze_attributes: Mapping[str, BrazeAttribute] | None, *, is_complete: bool = True
) -> Iterator[Finding]:
    """All that is to be said of what streams send and what Braze has.

    Args:
        streams: The streams.
        braze_attributes: Name → custom attribute that Braze has; None if it could not be asked.
        is_complete: Whether these are all; else a name that is not among them may still not be new.
    """
    attribute_streams = [stream for stream in streams if stream.is_attributes]
    yield from _among_ourselves(attribute_streams)
    for stream in attribute_streams:
        if braze_attributes is not None:
            yield from type_conflicts(stream.columns, braze_attributes, stream=stream.name)
            yield from _lookalikes(stream, braze_attributes)
            yield from _standard_fields(stream, braze_attributes)
            yield from _known_and_new(stream, braze_attributes, is_complete=is_complete)


def _among_ourselves(streams: Sequence[MappedStream]) -> Iterator[Finding]:
    """Names of our own that look alike, and one name for two types."""
    senders: dict[str, list[tuple[str, Column]]] = defaultdict(list)
    for stream in streams:
        for column in custom_columns(stream.columns):
            senders[column.name].append((stream.name, column))
    alike: dict[str, list[str]] = defaultdict(list)
    for name, sent_by in senders.items():
        alike[_without_marks(name)].append(name)
        yield from _two_types(name, sent_by)
    for names in alike.values():
        if len(names) > 1:
            listed = " and ".join(f"{name!r} (stream {senders[name][0][0]!r})" for name in names)
            yield Finding(
                Level.WARNING,
                "look-alike",
                f"{listed} differ only in case, blanks, - or _, and are different attributes in Braze.",
                attribute=names[0],
                advice="If they mean the same, give them one name under `fields`.",
            )


def _two_types(name: str, sent_by: Sequence[tuple[str, Column]]) -> Iterator[Finding]:
    first_stream, first = sent_by[0]
    for stream, column in sent_by[1:]:
        one, other = sent_types(first), sent_types(column)
        if one and other and not one & other:
            yield Finding(
                Level.ERROR,
                "type",
                f"{name!r} is sent as {' or '.join(sorted(kind.value for kind in one))} by stream {first_stream!r}, "
                f"but as {' or '.join(sorted(kind.value for kind in other))} by this one; Braze keeps one type.",
                stream,
                name,
                f"Give both one type: `{settings_line(stream, column.source, '{type: …}')}`, or another name.",
            )


def _lookalikes(stream: MappedStream, braze_attributes: Mapping[str, BrazeAttribute]) -> Iterator[Finding]:
    """Attributes that Braze has under a name that differs from ours in case, blanks, `-` or `_` only."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, attribute in braze_attributes.items():
        if not attribute.is_blocklisted:
            alike[_without_marks(name)].append(name)
    for column in custom_columns(stream.columns):
        others = [name for name in alike[_without_marks(column.name)] if name != column.name]
        if others:
            has_it = column.name in braze_attributes
            yield Finding(
                Level.WARNING,
                "look-alike",
                f"Braze has {_listed(others)}, which differs from {column.name!r} only in case, blanks, - or _"
                f"{'' if has_it else ', and would get a second attribute beside it'}.",
                stream.name,
                column.name,
                f"If they mean the same: `{settings_line(stream.name, column.source, yaml_name(others[0]))}`.",
            )


def _standard_fields(stream: MappedStream, braze_attributes: Mapping[str, BrazeAttribute]) -> Iterator[Finding]:
    """Custom attributes in Braze that look like a standard field which this stream fills."""
    resembling: dict[str, list[str]] = defaultdict(list)
    for name, attribute in braze_attributes.items():
        field = name if name in STANDARD_FIELDS else lookalike_of(name)
        if field is not None and not attribute.is_blocklisted:
            resembling[field].append(name)
    filled = [
        column.name for column in stream.columns if column is not None and (column.is_field or column.is_identifier)
    ]
    for field in dict.fromkeys(filled):
        if resembling[field]:
            yield Finding(
                Level.WARNING,
                "standard field",
                f"Braze has a custom attribute {_listed(resembling[field])} beside its standard field {field!r}, which "
                "this stream fills: segments and messages that read the custom one see nothing of what is sent here.",
                stream.name,
                field,
            )


def _known_and_new(
    stream: MappedStream, braze_attributes: Mapping[str, BrazeAttribute], *, is_complete: bool
) -> Iterator[Finding]:
    new, same, unknown = [], 0, []
    for column in custom_columns(stream.columns):
        attribute = braze_attributes.get(column.name)
        if attribute is None:
            new.append(column.name)
        elif attribute.is_blocklisted or conflict(column, attribute) is not None:
            continue
        elif attribute.type is None or not sent_types(column):
            unknown.append(column.name)
        else:
            same += 1
    if same:
        yield Finding(Level.OK, "types", f"{same} in Braze with the same type", stream.name)
    if unknown:
        yield Finding(
            Level.NOTE,
            "types",
            f"not compared, since only the values tell: {_listed(unknown)}. To settle it, say `type` under `fields`.",
            stream.name,
        )
    if new:
        what = "Braze has no such attribute yet, and takes its type from the first value"
        if not is_complete:
            what = "not among the attributes that could be read"
        yield Finding(Level.NOTE, "new", f"{_listed(new)}: {what}.", stream.name)


def _without_marks(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_LISTED
    return ", ".join(repr(name) for name in names[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
