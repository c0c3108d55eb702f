"""`target-braze check`: says before the first run what would go wrong, with whose problem it is and what to do.

It writes nothing to Braze and delivers nothing. Responsible for the order of the questions and for what is printed;
`inquiry.py` asks Braze, `schema_reading.py` reads what a tap says of its streams, `mapped_streams.py` maps,
`comparison.py` compares.
"""

from __future__ import annotations

import json
import logging
import sys
from difflib import get_close_matches
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.exceptions import ConfigValidationError, InvalidJSONSchema
from singer_sdk.mapper import RemoveRecordTransform

from target_braze import sandbox
from target_braze.audiences import Audiences
from target_braze.braze_attributes import BrazeAttribute, read_attributes
from target_braze.comparison import MappedStream, compared
from target_braze.errors import DeliveryError, SettingsError, TargetBrazeError
from target_braze.findings import MARKS, PLAIN_MARKS, Finding, Level, as_json, heading, is_good, verdict
from target_braze.inquiry import MAX_PAGES, Inquiry, Reply
from target_braze.mapped_streams import TOPIC as MAPPING
from target_braze.mapped_streams import mapped, misfits, named_in_settings, unknown_names, unknown_streams
from target_braze.responses import Action, resolve
from target_braze.schema_reading import SchemaReading
from target_braze.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_braze.settings import Settings

_TRACK: Final = "users.track"
_ATTRIBUTES: Final = "custom_attributes.get"
_KEY: Final = "api_key"
_DENIED: Final = (401, 403)
_HOW_TO_ALLOW: Final = (
    "A key's permissions cannot be changed: have a new key made (in Braze: Settings > APIs and Identifiers)"
)


def run(
    config: dict[str, Any], *, parse_env: bool, file_input: IO[Any] | None, is_json: bool, read_seconds: float
) -> bool:
    """Check, and print what was found.

    Args:
        config: The settings from files.
        parse_env: Whether settings come from the environment too.
        file_input: Where SCHEMA messages are read from; None for standard input, unless that is a terminal.
        is_json: Whether a program reads what is printed.
        read_seconds: How long to go on reading once every stream that came has begun.

    Returns:
        Whether no error was found.
    """
    for name in (TargetBraze.name, "singer_sdk"):
        logging.getLogger(name).setLevel(logging.WARNING)  # how settings are read is no finding
    report = Report(is_json=is_json)
    report.add(*_check(report, config, parse_env=parse_env, file_input=file_input, read_seconds=read_seconds))
    return report.finish()


class Report:
    """Prints findings, for a person as they come.

    Args:
        is_json: Whether a program reads them; then they are printed at the end, in one object.
    """

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._findings: list[Finding] = []
        self._stream: str | None = None
        self._marks = MARKS if _can_print("".join(MARKS.values())) else PLAIN_MARKS

    def add(self, *findings: Finding) -> None:
        """Take findings."""
        self._findings += findings
        if self._is_json:
            return
        for finding in findings:
            if finding.stream is not None and finding.stream != self._stream:
                _print(heading(finding.stream))
            self._stream = finding.stream
            for line in finding.lines(self._marks):
                _print(line)

    def finish(self) -> bool:
        """Say how it went; return whether there was no error."""
        _print(json.dumps(as_json(self._findings), indent=2) if self._is_json else verdict(self._findings))
        return is_good(self._findings)


def _check(
    report: Report,
    config: dict[str, Any],
    *,
    parse_env: bool,
    file_input: IO[Any] | None,
    read_seconds: float,
) -> list[Finding]:
    try:
        target = TargetBraze(config=config, parse_env_config=parse_env, validate_config=True)
        settings = target.settings
        endpoint = settings.base_url or sandbox.running_sandbox()
    except SettingsError as error:
        return [Finding(Level.ERROR, "settings", _without_secrets(str(error)))]
    except ConfigValidationError as error:
        return [Finding(Level.ERROR, "settings", _without_secrets(text)) for text in error.errors]
    report.add(Finding(Level.OK, "settings", f"to deliver to {endpoint}"), *_unknown_settings(target))
    known = _ask(report, endpoint, settings)
    streams, found = _streams(target, file_input, read_seconds)
    attributes, is_complete = known or (None, True)
    found += compared(streams, attributes, is_complete=is_complete)
    order = [*dict.fromkeys(finding.stream for finding in found if finding.stream is not None), None]
    return sorted(found, key=lambda finding: order.index(finding.stream))


def _unknown_settings(target: TargetBraze) -> Iterator[Finding]:
    declared = list(target.config_jsonschema["properties"])
    for name in target.config:
        if name not in declared:
            similar = get_close_matches(name, declared, n=1)
            meant = f"; is `{similar[0]}` meant?" if similar else ""
            yield Finding(Level.WARNING, "settings", f"there is no setting {name!r}, it does nothing{meant}")


# Braze


def _ask(report: Report, endpoint: str, settings: Settings) -> tuple[dict[str, BrazeAttribute], bool] | None:
    """Ask Braze; return its custom attributes and whether these are all, None if it could not be asked."""
    with Inquiry(endpoint, settings.api_key, settings.request_timeout_seconds) as inquiry:
        try:
            track = inquiry.track_nothing()
            pages = list(inquiry.attribute_pages())
        except DeliveryError as error:
            report.add(Finding(Level.ERROR, "connection", str(error)))
            return None
    report.add(Finding(Level.OK, "connection", f"{endpoint} answers"))
    is_known = _knows_the_key(track) or _knows_the_key(pages[0])
    report.add(*_key_and_track(track, is_known=is_known))
    return _attributes(report, pages) if is_known else None


def _knows_the_key(reply: Reply) -> bool:
    """Whether Braze answers as it does to a key that it knows: by doing, or by refusing for another reason than that.

    A key without a permission is answered with 403, in some accounts with 401 too (Braze docs, "Errors & responses",
    2026-09); then only another question tells it from a key that is wrong.
    """
    is_known_status = reply.status in (400, 403, 429) or HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES
    return is_known_status and _is_brazes(reply.body)


def _key_and_track(track: Reply, *, is_known: bool) -> list[Finding]:
    """What the answer to a delivery of nothing says of the key and of its first permission."""
    if track.status == HTTPStatus.UNAUTHORIZED and not is_known:
        return [Finding(Level.ERROR, _KEY, resolve(track.status, track.body, ()).reason)]
    key = [Finding(Level.OK, _KEY, "Braze knows it, so it belongs to this instance")] if is_known else []
    return [*key, _track(track, is_known=is_known)]


def _track(track: Reply, *, is_known: bool) -> Finding:
    resolution = resolve(track.status, track.body, ())
    level, text, advice = Level.ERROR, resolution.reason, None
    if track.status in _DENIED and is_known:
        text = (
            f"the key lacks the permission `{_TRACK}`, or does not allow this machine's address: nothing can be sent."
        )
        advice = f"{_HOW_TO_ALLOW} with `{_TRACK}`."
    elif track.status == HTTPStatus.TOO_MANY_REQUESTS:
        level, text = Level.WARNING, f"not found out: {_later(track)}"
    elif track.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"{resolution.reason}, and again when asked again. Nothing here can mend it."
        advice = "See Braze's status page, and try later."
    elif not _is_brazes(track.body) and track.status in (400, 403):
        text = f"what answers ({track.status}) does not do so in Braze's JSON: a proxy or firewall, or another server."
        advice = "Check `base_url`, proxies and firewalls."
    elif resolution.action not in (Action.STOP, Action.RETRY):
        level, text = Level.OK, "allowed (asked with an empty request; nothing was written)"
    return Finding(level, _TRACK, text, advice=advice)


def _attributes(report: Report, pages: list[Reply]) -> tuple[dict[str, BrazeAttribute], bool] | None:
    """The custom attributes of all pages, and whether none is missing."""
    known: dict[str, BrazeAttribute] = {}
    problem: str | None = None
    for page in pages:
        listed = read_attributes(_decoded(page.body)) if page.status == HTTPStatus.OK else None
        if listed is None:
            problem = _why_no_attributes(page)
            break
        known |= {attribute.name: attribute for attribute in listed}
    else:
        if pages[-1].cursor is not None:
            problem = f"there are more than {MAX_PAGES} pages of them, or the pages repeat"
    if problem is None:
        report.add(Finding(Level.OK, _ATTRIBUTES, f"allowed; Braze has {len(known)} custom attributes"))
        return known, True
    part = f"only the first {len(known)} custom attributes could be compared" if known else "types are not compared"
    is_permission = not known and pages[0].status in _DENIED
    level, advice = (Level.NOTE, f"{_HOW_TO_ALLOW}.") if is_permission else (Level.WARNING, None)
    report.add(Finding(level, _ATTRIBUTES, f"{part}: {problem}", advice=advice))
    return (known, False) if known else None


def _why_no_attributes(page: Reply) -> str:
    if page.status in _DENIED:
        return (
            f"the key lacks the permission `{_ATTRIBUTES}`. A run does not need it; with it, type conflicts and "
            "blocklisted names are found here."
        )
    if page.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _later(page)
    return f"Braze answered {page.status} when asked for them, or not in its JSON. Try again later."


def _later(reply: Reply) -> str:
    wait = f" in {reply.wait_seconds:.0f} seconds" if reply.wait_seconds is not None else " later"
    return f"Braze's rate limit is met (429); others use it up too. Try again{wait}."


def _is_brazes(body: bytes) -> bool:
    answer = _decoded(body)
    return isinstance(answer, dict) and any(isinstance(answer.get(name), str) for name in ("message", "error"))


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


# Streams


def _streams(
    target: TargetBraze, file_input: IO[Any] | None, read_seconds: float
) -> tuple[list[MappedStream], list[Finding]]:
    """The streams that come, mapped, or if none comes those that the settings name; and what is wrong with them."""
    reading = SchemaReading(read_seconds)
    found: list[Finding] = []
    source = _source(file_input)
    if source is not None:
        try:
            reading.read(source)
        except (TargetBrazeError, InvalidJSONSchema) as error:
            found.append(Finding(Level.ERROR, "input", str(error)))
    streams, found_in_streams = (
        _mapped_from_schemas(target, reading) if reading.messages else _named_in_settings(target.settings)
    )
    return streams, found + found_in_streams


def _named_in_settings(settings: Settings) -> tuple[list[MappedStream], list[Finding]]:
    text = "no SCHEMA message came, so only the columns that the settings name are checked."
    advice = "To check all of them: any-tap | target-braze --config … check"
    found = [Finding(Level.NOTE, "streams", text, advice=advice)]
    streams = []
    for pattern, _ in settings.streams:
        stream, found_in_stream = named_in_settings(pattern, settings.stream(pattern))
        streams.append(stream)
        found += found_in_stream
    return streams, found


def _mapped_from_schemas(target: TargetBraze, reading: SchemaReading) -> tuple[list[MappedStream], list[Finding]]:
    streams: list[MappedStream] = []
    found: list[Finding] = []
    schemas: dict[str, Any] = {}
    audiences = Audiences(target.settings.audiences)
    for name, message in reading.messages.items():
        try:
            target.mapper.register_raw_stream_schema(name, message["schema"], message.get("key_properties"))
        except Exception as error:  # noqa: BLE001 - the SDK's mapper runs expressions of the settings
            found.append(Finding(Level.ERROR, MAPPING, f"`stream_maps`: {type(error).__name__}: {error}", name))
            continue
        for stream_map in target.mapper.stream_maps[name]:
            if isinstance(stream_map, RemoveRecordTransform):
                continue
            alias, schema = stream_map.stream_alias, stream_map.transformed_schema
            schemas[alias] = schema
            stream, errors = mapped(alias, schema, target.settings.stream(alias))
            streams.append(stream)
            sent = sum(column is not None for column in stream.columns)
            columns = f"{sent} of {len(schema['properties'])} columns are sent"
            found += errors or [Finding(Level.OK, MAPPING, columns, alias)]
            if not errors:
                found += misfits(alias, schema, target.settings.stream(alias), audiences)
    found += unknown_names(target.settings, schemas)
    found += unknown_streams(audiences.all, list(schemas))
    if reading.is_cut:
        text = "reading stopped before the end of the input: a stream that comes later is not checked."
        found.append(Finding(Level.NOTE, "streams", text, advice="--read-seconds reads on for longer."))
    return streams, found


def _source(file_input: IO[Any] | None) -> IO[Any] | None:
    """What to read SCHEMA messages from; None if there is nothing but a terminal."""
    if file_input is not None:
        return file_input
    try:
        return None if sys.stdin.isatty() else getattr(sys.stdin, "buffer", sys.stdin)
    except (AttributeError, ValueError):  # closed, or none at all
        return None


# What is printed


def _without_secrets(text: str) -> str:
    """The SDK's complaint of a setting, which quotes what was given: not of the key (invariant 5)."""
    return "`api_key` is not text." if "config['api_key']" in text else text


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201
