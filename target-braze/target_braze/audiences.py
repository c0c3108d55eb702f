"""Audiences as the settings describe them: who is meant, what members are given, how it is written to Braze. Pure.

Whatever is wrong in one is an error that names the place, before the first record: names that two audiences share,
attributes that Braze would refuse, and an array that several streams would have to write (see `Encoding`).
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from target_braze import comparables, values
from target_braze.attribute_names import name_problem
from target_braze.conditions import compile_condition
from target_braze.errors import SettingsError
from target_braze.leaving import DEFAULT_MAX_LEAVING, LeavingLimit, read_leaving_limit
from target_braze.operands import name_of
from target_braze.rejections import RefusalError
from target_braze.standard_fields import ALIAS_FIELDS, IDENTIFIERS, STANDARD_FIELDS
from target_braze.stream_settings import chosen, given
from target_braze.treatments import Treatments, read_treatments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEYS: Final = (
    "name", "stream", "where", "attributes", "encode", "array_attribute", "treatments", "start", "end", "retired",
    "full_table", "max_leaving",
)  # fmt: skip
"""What an entry of `audiences` may hold."""
AUDIENCES: Final = th.Property(
    "audiences",
    th.ArrayType(th.ObjectType(additional_properties=True)),
    default=[],
    title="Audiences",
    description=(
        "People of a stream who enter, stay in and leave an audience: name, stream, where (a condition as data), "
        "encode (boolean or array), array_attribute, attributes, treatments, start, end, retired, full_table, "
        "max_leaving. See docs/audiences.md."
    ),
)
"""How the settings declare them."""
DEFAULT_ARRAY: Final = "audiences"
TREATMENT_SUFFIX: Final = "_treatment"
MAX_ARRAY_ELEMENTS: Final = 500
"""Elements of an array attribute; one more pushes out the first, silently. Braze docs, "Data types", 2026-09."""

_NEVER_BY_AUDIENCE: Final = STANDARD_FIELDS.keys() | {*IDENTIFIERS, *ALIAS_FIELDS}


class Encoding(str, enum.Enum):
    """How membership is written.

    `BOOLEAN` is an attribute of the audience's name: true for who is in, false for who left, nothing for all others, so
    that nobody costs a data point who was never in.

    `ARRAY` is an element of an attribute that several audiences share. Its whole value is written each time, the sorted
    names of all that the person is in, and null when there is none. Braze could also be told to add and remove single
    elements; but then the ledger could not compare what is there with what is to be, a repeat after a crash would
    depend on what came between, and an audience that was taken from the settings would stay in the array for ever. The
    price: the array is ours, and elements that others put there are lost; and only one stream can know all that
    belongs in it, so that audiences of several streams need an array each.
    """

    BOOLEAN = "boolean"
    ARRAY = "array"


class Phase(str, enum.Enum):
    """Where an audience is in its time; before and after it runs, nobody is in it."""

    UPCOMING = "upcoming"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True)
class Audience:
    """One audience.

    Attributes:
        name: Its name.
        stream: The stream its people are in: a name or a glob.
        place: Its place in the settings, for errors.
        where: The condition, as data that `compile_condition` takes; None if everybody in the stream is meant.
        encode: How membership is written.
        array_attribute: The array its name goes into; None unless it is written so.
        constants: Attribute → value, for everybody who is in.
        copies: Attribute → column, likewise.
        treatments: Its treatments, if it has some.
        start: Nobody is in it before.
        end: Nobody is in it from here on.
        is_retired: Whether everybody has to leave.
        full_table: Whether the stream always brings everybody, so that who is absent has left.
        max_leaving: How many people may leave at once.
    """

    name: str
    stream: str
    place: str
    where: Any = None
    encode: Encoding = Encoding.BOOLEAN
    array_attribute: str | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    treatments: Treatments | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    is_retired: bool = False
    full_table: bool = False
    max_leaving: LeavingLimit = field(default_factory=LeavingLimit)

    @property
    def treatment_attribute(self) -> str:
        """The attribute that holds a member's treatment."""
        return self.name + TREATMENT_SUFFIX

    @property
    def own_attributes(self) -> tuple[str, ...]:
        """Every attribute that this audience alone writes."""
        own = [self.name] if self.encode is Encoding.BOOLEAN else []
        own += [self.treatment_attribute] if self.treatments else []
        return (*own, *self.constants, *self.copies)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that it writes."""
        return self.own_attributes if self.array_attribute is None else (*self.own_attributes, self.array_attribute)

    def phase(self, now: dt.datetime) -> Phase:
        """Where it is in its time."""
        if self.is_retired or (self.end is not None and now >= self.end):
            return Phase.OVER
        return Phase.UPCOMING if self.start is not None and now < self.start else Phase.RUNNING


class Audiences:
    """All audiences of a run, and which stream each belongs to.

    Args:
        audiences: What `read_audiences` made of the settings.
    """

    def __init__(self, audiences: Sequence[Audience]) -> None:
        self.all = tuple(audiences)
        self._stream_of: dict[str, str] = {}

    def of_stream(self, stream: str) -> tuple[Audience, ...]:
        """The audiences of a stream.

        Raises:
            SettingsError: If one of them is already of another: a person in both would enter by one and leave by the
                other, again and again.
        """
        found = tuple(audience for audience in self.all if fnmatchcase(stream, audience.stream))
        for audience in found:
            other = self._stream_of.setdefault(audience.name, stream)
            if other != stream:
                raise SettingsError(
                    f"`{audience.place}.stream` is {audience.stream!r}, which is both {other!r} and {stream!r}; an "
                    "audience has one stream. Name it in full, and make another audience of the other."
                )
        return found


def read_audiences(entries: Any, where: str = "audiences") -> tuple[Audience, ...]:
    """The audiences of the settings.

    Args:
        entries: The list of them.
        where: Its place in the settings, for errors.

    Raises:
        SettingsError: If one makes no sense, or two do not go together.
    """
    if not isinstance(entries, list):
        raise SettingsError(f"`{where}` is {name_of(entries)}; it takes a list of audiences.")
    audiences = tuple(_audience(entry, f"{where}[{at}]") for at, entry in enumerate(entries))
    _check_together(audiences)
    return audiences


def _audience(entry: Any, place: str) -> Audience:
    if not isinstance(entry, Mapping):
        raise SettingsError(f"`{place}` is {name_of(entry)}; an audience is {{name: …, stream: …, where: …}}.")
    if unknown := [name for name in entry if name not in KEYS]:
        raise SettingsError(f"`{place}` has {unknown[0]!r}, which is none of {', '.join(KEYS)}.")
    own = given(entry)
    name = _text(own, "name", place)
    encode = Encoding(chosen(own.get("encode", Encoding.BOOLEAN.value), tuple(Encoding), f"{place}.encode"))
    _check_attribute(name, f"{place}.name", is_attribute=encode is Encoding.BOOLEAN)
    if "array_attribute" in own and encode is not Encoding.ARRAY:
        raise SettingsError(f"`{place}.array_attribute` is for `encode: array`; say that too, or leave it out.")
    array = None
    if encode is Encoding.ARRAY:
        array = _text(own, "array_attribute", place) if "array_attribute" in own else DEFAULT_ARRAY
        _check_attribute(array, f"{place}.array_attribute")
    if "where" in own:
        compile_condition(own["where"], f"{place}.where", {})  # what is wrong whatever the columns are
    constants, copies = _extra_attributes(own.get("attributes", {}), f"{place}.attributes")
    if "treatments" in own:
        _check_attribute(name + TREATMENT_SUFFIX, f"{place}.treatments")
    start = _moment(own["start"], f"{place}.start") if "start" in own else None
    end = _moment(own["end"], f"{place}.end", is_end=True) if "end" in own else None
    if start is not None and end is not None and start >= end:
        raise SettingsError(f"`{place}.end` is not after `{place}.start`, so nobody would ever be in.")
    return Audience(
        name=name,
        stream=_text(own, "stream", place),
        place=place,
        where=own.get("where"),
        encode=encode,
        array_attribute=array,
        constants=constants,
        copies=copies,
        treatments=read_treatments(own["treatments"], name, f"{place}.treatments") if "treatments" in own else None,
        start=start,
        end=end,
        is_retired=_flag(own, "retired", place),
        full_table=_flag(own, "full_table", place),
        max_leaving=read_leaving_limit(own.get("max_leaving", DEFAULT_MAX_LEAVING), f"{place}.max_leaving"),
    )


def _check_together(audiences: Sequence[Audience]) -> None:
    """Make sure that no two audiences are in each other's way."""
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    arrays: dict[str, list[Audience]] = {}
    for audience in audiences:
        other = names.setdefault(audience.name, audience.place)
        if other != audience.place:
            raise SettingsError(f"`{audience.place}.name` is {audience.name!r}, as `{other}.name` is.")
        if audience.array_attribute is not None:
            arrays.setdefault(audience.array_attribute, []).append(audience)
    for attribute, place in _owned(audiences):
        other = owners.setdefault(attribute, place)
        if attribute in arrays or other != place:
            other = f"{arrays[attribute][0].place}.array_attribute" if attribute in arrays else other
            raise SettingsError(f"`{place}` writes the attribute {attribute!r}, and so does `{other}`. Rename one.")
    for attribute, sharing in arrays.items():
        first = sharing[0]
        if len(sharing) > MAX_ARRAY_ELEMENTS:
            raise SettingsError(
                f"More than {MAX_ARRAY_ELEMENTS} audiences in the array {attribute!r}; Braze loses one."
            )
        if apart := [audience for audience in sharing if audience.stream != first.stream]:
            raise SettingsError(
                f"`{apart[0].place}` and `{first.place}` are of different streams and share the array {attribute!r}, "
                f"but a stream writes all of it. Add to one: `array_attribute: {attribute}_of_{apart[0].name}`, or "
                "`encode: boolean`."
            )


def _owned(audiences: Sequence[Audience]) -> Iterator[tuple[str, str]]:
    """Every attribute that one audience alone may write, with the place that says so."""
    for audience in audiences:
        if audience.encode is Encoding.BOOLEAN:
            yield audience.name, f"{audience.place}.name"
        if audience.treatments is not None:
            yield audience.treatment_attribute, f"{audience.place}.treatments"
        for attribute in (*audience.constants, *audience.copies):
            yield attribute, f"{audience.place}.attributes.{attribute}"


def _text(own: Mapping[str, Any], key: str, place: str) -> str:
    text = own.get(key)
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        found = "missing" if text is None else name_of(text)
        raise SettingsError(f"`{place}.{key}` is {found}; it takes text that is not blank, with none around it.")
    return text


def _flag(own: Mapping[str, Any], key: str, place: str) -> bool:
    flag = own.get(key, False)
    if not isinstance(flag, bool):
        raise SettingsError(f"`{place}.{key}` is {name_of(flag)}; it takes true or false.")
    return flag


def _check_attribute(name: str, place: str, *, is_attribute: bool = True) -> None:
    problem = name_problem(name)
    if is_attribute and name in _NEVER_BY_AUDIENCE:
        problem = f"{name!r} is one of Braze's own fields, which people would lose when they leave."
    if problem:
        raise SettingsError(f"`{place}`: {problem}")


def _extra_attributes(entries: Any, place: str) -> tuple[dict[str, Any], dict[str, str]]:
    if not isinstance(entries, Mapping):
        raise SettingsError(f"`{place}` is {name_of(entries)}; it takes {{attribute: value or {{field: column}}}}.")
    constants: dict[str, Any] = {}
    copies: dict[str, str] = {}
    for attribute, value in entries.items():
        at = f"{place}.{attribute}"
        _check_attribute(str(attribute), at)
        if isinstance(value, Mapping):
            column = value.get("field")
            if len(value) != 1 or not isinstance(column, str) or not column:
                raise SettingsError(f"`{at}` is an object; it takes one value, or {{field: column}}.")
            copies[str(attribute)] = column
        else:
            constants[str(attribute)] = _constant(value, at)
    return constants, copies


def _constant(value: Any, place: str) -> Any:
    try:
        if isinstance(value, bool):
            return value
        if isinstance(value, dt.date):
            return values.to_datetime(value) if isinstance(value, dt.datetime) else values.to_date(value)
        if isinstance(value, int):
            return values.to_integer(value)
        if isinstance(value, float | Decimal):
            return values.to_float(value)
        if isinstance(value, str):
            return values.to_string(value)
    except RefusalError as refusal:
        raise SettingsError(f"`{place}`: {refusal}.") from None
    raise SettingsError(f"`{place}` is {name_of(value)}; it takes one value, or {{field: column}}.")


def _moment(value: Any, place: str, *, is_end: bool = False) -> dt.datetime:
    """A moment; of a day its first, or as an end the first that is not in it any more."""
    if isinstance(value, str):
        value = comparables.iso(value, dt.date) or comparables.iso(value, dt.datetime)
    if not isinstance(value, dt.date):
        raise SettingsError(f"`{place}` is no time; write a day such as 2026-01-31, or 2026-01-31T12:00:00Z.")
    if is_end and not isinstance(value, dt.datetime):
        try:
            value += dt.timedelta(days=1)
        except OverflowError:
            raise SettingsError(f"`{place}` is the last day there is; leave it out.") from None
    return comparables.moment(value)
