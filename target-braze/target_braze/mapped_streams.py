"""What becomes of the columns of a stream, with everything that is wrong in place of the first error. Pure.

A run stops at the first thing that does not fit; whoever sets one up wants to know all of them at once.
"""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from target_braze.columns import Columns
from target_braze.comparison import MappedStream
from target_braze.errors import InputError, SettingsError
from target_braze.findings import Finding, Level
from target_braze.layouts import LAYOUTS
from target_braze.memberships import Memberships, check_kind
from target_braze.schema import Schema, columns
from target_braze.standard_fields import lookalike_of
from target_braze.statements import mapper_of
from target_braze.updates import TRACKED, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_braze.audiences import Audience, Audiences
    from target_braze.settings import Settings
    from target_braze.stream_settings import StreamSettings

TOPIC = "mapping"
AUDIENCES = "audiences"


def mapped(stream: str, schema: Schema, settings: StreamSettings) -> tuple[MappedStream, list[Finding]]:
    """A stream mapped as a run would map it, and what a run would stop at.

    Args:
        stream: The stream's name.
        schema: Its JSON Schema.
        settings: What the settings say about it.

    Returns:
        The columns that can be mapped, and an error for each that cannot.
    """
    is_attributes = settings.object_kind is ObjectKind.ATTRIBUTES
    try:
        mapper = mapper_of(stream, schema, settings)
    except (SettingsError, InputError) as error:
        plan, found = _planned(stream, schema, settings, checks_identifiers=True)
        return MappedStream(stream, tuple(plan), is_attributes), found or [_error(stream, error)]
    return MappedStream(stream, tuple(mapper.columns.values()), is_attributes), []


def misfits(stream: str, schema: Schema, settings: StreamSettings, audiences: Audiences) -> list[Finding]:
    """What a run would stop at in the audiences of a stream that can be mapped."""
    try:
        found = audiences.of_stream(stream)
        if found:
            check_kind(found, stream, settings)
            Memberships(found, stream, schema, settings, mapper_of(stream, schema, settings).names)
    except SettingsError as error:
        return [Finding(Level.ERROR, AUDIENCES, str(error), stream)]
    return []


def unknown_streams(audiences: Sequence[Audience], streams: Sequence[str]) -> Iterator[Finding]:
    """The audiences of which no stream came."""
    for audience in audiences:
        if not any(fnmatchcase(stream, audience.stream) for stream in streams):
            similar = _similar(audience.stream, streams)
            meant = f"; is {similar!r} meant?" if similar else ", which may well be for another tap."
            text = f"no stream that came matches `{audience.place}.stream`, {audience.stream!r}{meant}"
            yield Finding(Level.NOTE, AUDIENCES, text)


def named_in_settings(pattern: str, settings: StreamSettings) -> tuple[MappedStream, list[Finding]]:
    """A stream of which no schema is known, as far as the settings name its columns."""
    names = [column for column, field in settings.fields.items() if field is not None]
    schema: Schema = {"properties": {name: {} for name in dict.fromkeys([*names, *sorted(settings.only or ())])}}
    plan, found = _planned(pattern, schema, settings, checks_identifiers=False)
    return MappedStream(pattern, tuple(plan), settings.object_kind is ObjectKind.ATTRIBUTES), found


def _planned(
    stream: str, schema: Schema, settings: StreamSettings, *, checks_identifiers: bool
) -> tuple[list[Any], list[Finding]]:
    if settings.object_kind not in TRACKED:
        return [], []
    plan = Columns(stream, settings, LAYOUTS[settings.object_kind])
    found: list[Finding] = []
    failed: list[str] = []
    try:
        listed = columns(schema)
    except InputError as error:
        return [], [_error(stream, error)]
    for source, column_schema in listed.items():
        if (problem := _error_of(stream, plan.add, source, column_schema)) is not None:
            failed.append(source)
            found.append(problem)
    # a column that would be the identifier if it were mapped is said already
    meant = {lookalike_of(source) or source for source in failed}
    if checks_identifiers and not meant & {*settings.identify_by}:
        problem = _error_of(stream, plan.check_identifiers, schema)
        found += [] if problem is None else [problem]
    return list(plan.by_source.values()), found


def unknown_names(settings: Settings, schemas: Mapping[str, Schema]) -> Iterator[Finding]:
    """What the settings name and the tap does not have: columns under `fields` and `only`, and streams.

    Args:
        settings: All settings.
        schemas: Stream → its JSON Schema, of all streams that came.
    """
    taken: set[str] = set()
    for pattern, entry in settings.streams:
        streams = [stream for stream in schemas if stream not in taken and fnmatchcase(stream, pattern)]
        taken.update(streams)
        if streams:
            yield from _unknown_columns(pattern, entry or {}, streams, schemas)
        else:
            yield Finding(Level.NOTE, "streams", _no_such_stream(pattern, [*schemas]))


def _unknown_columns(
    pattern: str, entry: Mapping[str, Any], streams: Sequence[str], schemas: Mapping[str, Schema]
) -> Iterator[Finding]:
    """The columns that an entry names and none of its streams has."""
    if any(schemas[stream].get("additionalProperties") is True for stream in streams):
        return  # columns may come that no schema announces
    known = [str(name) for stream in streams for name in schemas[stream].get("properties") or ()]
    for setting in ("fields", "only"):
        for column in entry.get(setting) or ():
            if column not in known:
                similar = _similar(column, known)
                yield Finding(
                    Level.WARNING,
                    "column",
                    f"no column of this name: {column!r}, under `streams.{pattern}.{setting}`, is not in the schema"
                    f"{f'; is {similar!r} meant?' if similar else '.'}",
                    streams[0],
                )


def _no_such_stream(pattern: str, streams: Sequence[str]) -> str:
    similar = _similar(pattern, streams)
    return (
        f"none that came matches `streams.{pattern}`"
        f"{f'; is {similar!r} meant?' if similar else ', which may well be for another tap.'}"
    )


def _similar(name: str, known: Sequence[str]) -> str | None:
    by_case = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), by_case, n=1, cutoff=0.7)
    return by_case[found[0]] if found else None


def _error_of(stream: str, step: Callable[..., None], *arguments: Any) -> Finding | None:
    try:
        step(*arguments)
    except (SettingsError, InputError) as error:
        return _error(stream, error)
    return None


def _error(stream: str, error: Exception) -> Finding:
    return Finding(Level.ERROR, TOPIC, str(error), stream)
