"""What the settings say about one stream and its columns, read into values that cannot change. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from target_braze.attribute_names import attribute_name
from target_braze.endpoints import OPERATIONS, PRIORITIES
from target_braze.errors import SettingsError
from target_braze.limits import MAX_STRING_CHARACTERS
from target_braze.occurrence_settings import DECLARED, REMEMBER_DAYS, occurrence_settings
from target_braze.policies import MAX_DECIMALS, Buckets, Policy, labels_of
from target_braze.schema import Kind
from target_braze.standard_fields import IDENTIFIERS, lookalike_of
from target_braze.updates import ObjectKind
from target_braze.values import is_unicode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_braze.kind_settings import Cohort

FIELD_TYPES: Final[dict[str, Kind]] = {
    **{kind.value: kind for kind in Kind if kind is not Kind.ANY},
    "varchar": Kind.STRING,
}
TOO_LONG_CHOICES: Final = ("reject", "truncate")
NULLS_CHOICES: Final = ("clear", "skip")
OBJECT_KINDS: Final = tuple(kind.value for kind in ObjectKind)
_FIELD = th.CustomType({"type": ["string", "null", "object"]})
STREAM: Final = th.ObjectType(
    th.Property("object", th.StringType(allowed_values=list(OBJECT_KINDS))),
    th.Property("fields", th.ObjectType(additional_properties=_FIELD)),
    th.Property("only", th.ArrayType(th.StringType)),
    th.Property("identify_by", th.ArrayType(th.StringType(allowed_values=list(IDENTIFIERS)))),
    th.Property("update_existing_only", th.BooleanType),
    th.Property("merge_objects", th.BooleanType),
    th.Property("nulls", th.StringType(allowed_values=list(NULLS_CHOICES))),
    th.Property("on_delete", th.StringType(allowed_values=["ignore", "clear", "delete_user"])),
    th.Property("allow_resubscribe", th.BooleanType),
    th.Property("operation", th.StringType(allowed_values=sorted({*chain.from_iterable(OPERATIONS.values())}))),
    th.Property("prioritization", th.ArrayType(th.StringType(allowed_values=list(PRIORITIES)))),
    th.Property("catalog", th.StringType),
    th.Property("cohort", th.StringType),
    th.Property("cohort_id", th.StringType),
    *DECLARED,
    additional_properties=False,
)
"""How `streams` declares one."""
NUMBER_POLICIES: Final = frozenset({"round", "bucket", "tolerance"})
"""Policies that only a number can have."""
_HOLD_POLICIES: Final = ("tolerance", "at_most_every", "only_if_empty")
_FIELD_OPERATIONS: Final = ("add", "remove", "inc", "$add", "$update", "$remove")
_FIELD_SETTINGS: Final = ("name", "type", "operation", "too_long", "nulls", "round", "bucket", *_HOLD_POLICIES)
_UNIT_SECONDS: Final = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60, "w": 7 * 24 * 60 * 60}


@dataclass(frozen=True)
class FieldSettings:
    """What the settings say about one column.

    Attributes:
        name: Its name in Braze; None keeps the column's.
        kind: The type to bring its values into; None takes it from the schema.
        is_truncated: Whether text that is too long is cut instead of rejected.
        decimals: How many decimals its numbers are rounded to; None leaves them.
        buckets: What puts a label in the place of its numbers, if anything does.
        policy: Which of its changes are held, if any.
        operation: What is done with its values to what Braze has; "" puts them in its place.
        nulls: Whether its nulls clear it in Braze or are skipped; "" goes by the stream.
    """

    name: str | None = None
    kind: Kind | None = None
    is_truncated: bool = False
    decimals: int | None = None
    buckets: Buckets | None = None
    policy: Policy | None = None
    operation: str = ""
    nulls: str = ""

    @property
    def policies(self) -> tuple[str, ...]:
        """What is set of how often it may be updated, as the settings call it."""
        is_set = {"round": self.decimals is not None, "bucket": self.buckets is not None}
        return (*(name for name, is_one in is_set.items() if is_one), *(self.policy.names if self.policy else ()))


_DEFAULT: Final = FieldSettings()


@dataclass(frozen=True)
class StreamSettings:
    """What the settings say about one stream.

    Attributes:
        object_kind: What its records become.
        fields: Column → its settings; None leaves it out.
        only: The columns to send; None sends all.
        identify_by: Identifiers in the order they are tried.
        update_existing_only: Whether profiles are never created.
        merge_objects: Whether nested attributes are merged into those Braze has instead of replacing them.
        nulls: Whether nulls clear attributes in Braze or are skipped, where a column does not say.
        lookalikes: What to do with look-alikes of standard fields.
        on_delete: What a record of attributes that was deleted at its source asks.
        allow_resubscribe: Whether people who were unsubscribed may be subscribed.
        operation: What is done, where a kind of object leaves a choice; "" where it leaves none.
        prioritization: How to choose among people who share an address.
        catalog: The catalog of its items.
        cohort: The cohort of its people.
        defaults: Field or property of an event or purchase → what it is where a record does not say.
        default_time_zone: Where times without an offset were written down, of events and purchases.
        in_doubt: What to do with events and purchases of which nobody knows whether Braze has them.
        remember_days: How long to remember which were sent.
    """

    object_kind: ObjectKind = ObjectKind.ATTRIBUTES
    fields: Mapping[str, FieldSettings | None] = field(default_factory=dict)
    only: frozenset[str] | None = None
    identify_by: tuple[str, ...] = ("external_id",)
    update_existing_only: bool = False
    merge_objects: bool = False
    nulls: str = "clear"
    lookalikes: str = "error"
    on_delete: str = "ignore"
    allow_resubscribe: bool = False
    operation: str = ""
    prioritization: tuple[str, ...] = ()
    catalog: str = ""
    cohort: Cohort | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    default_time_zone: str | None = None
    in_doubt: str = "resend"
    remember_days: int = REMEMBER_DAYS

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of `default_time_zone`."""
        return None if self.default_time_zone is None else ZoneInfo(self.default_time_zone)

    def excludes(self, name: str) -> bool:
        """Whether no column can become the attribute of this name in Braze."""
        sources = {name, *self.fields} if self.only is None else self.only
        return all(self._name_of(source) != name for source in sources)

    def _name_of(self, source: str) -> str | None:
        """What a column is called in Braze; None if it is left out."""
        field = self.fields.get(source, _DEFAULT)
        if field is None:
            return None
        return field.name or (lookalike_of(source) if self.lookalikes == "map" else None) or source


def read_stream_settings(entry: Mapping[str, Any], where: str, defaults: StreamSettings) -> StreamSettings:
    """The settings of a stream.

    Args:
        entry: What is given under `streams`.
        where: Its place in the settings, for errors.
        defaults: The settings of the whole run.

    Raises:
        SettingsError: If they make no sense.
    """
    own = given(entry)
    only = own.get("only")
    kind = ObjectKind(chosen(own.get("object", defaults.object_kind.value), OBJECT_KINDS, f"{where}.object"))
    return StreamSettings(
        object_kind=kind,
        fields={
            column: _field_settings(value, f"{where}.fields.{column}", kind)
            for column, value in own.get("fields", {}).items()
        },
        only=None if only is None else frozenset(only),
        identify_by=(
            identifiers(own["identify_by"], f"{where}.identify_by") if "identify_by" in own else defaults.identify_by
        ),
        update_existing_only=bool(own.get("update_existing_only", defaults.update_existing_only)),
        merge_objects=bool(own.get("merge_objects", defaults.merge_objects)),
        nulls=_nulls(own, where, kind) or defaults.nulls,
        lookalikes=defaults.lookalikes,
        allow_resubscribe=bool(own.get("allow_resubscribe", False)),
        **occurrence_settings(own, where, kind, defaults.remember_days),
    )


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that have a value: Meltano hands on an empty one as null, which means its default."""
    return {name: value for name, value in settings.items() if value is not None}


def identifiers(names: Collection[str], where: str) -> tuple[str, ...]:
    """The identifiers to try, in order.

    Raises:
        SettingsError: If there is none, an unknown one, or one twice.
    """
    tried = tuple(chosen(name, IDENTIFIERS, where) for name in names)
    if not tried or len(set(tried)) != len(tried):
        raise SettingsError(f"`{where}` names no identifier, or one twice; {', '.join(IDENTIFIERS)} can be tried.")
    return tried


def chosen(value: Any, choices: Collection[str], where: str) -> str:
    """A setting that is one of several words.

    Raises:
        SettingsError: If it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"`{where}` is {value!r}, which is none of {', '.join(choices)}.")
    return value


def _field_settings(value: Any, where: str, object_kind: ObjectKind) -> FieldSettings | None:
    if value is None:
        return None
    if isinstance(value, str):
        return FieldSettings(name=attribute_name(value, where))
    if unknown := set(value) - set(_FIELD_SETTINGS):
        raise SettingsError(f"`{where}` has {min(unknown)!r}, which is none of {', '.join(_FIELD_SETTINGS)}.")
    own = given(value)
    kind = FIELD_TYPES[chosen(own["type"], FIELD_TYPES, f"{where}.type")] if "type" in own else None
    too_long = chosen(own.get("too_long", "reject"), TOO_LONG_CHOICES, f"{where}.too_long")
    if "bucket" in own and (beside := own.keys() & {"round", "tolerance"}):
        raise SettingsError(
            f"`{where}.bucket` makes text of the number, of which nothing is left for `{min(beside)}`; take one out."
        )
    policy = _policy(own, where)
    if policy and object_kind is not ObjectKind.ATTRIBUTES:
        raise SettingsError(
            f"`{where}.{policy.names[0]}` holds changes of attributes; {object_kind.value} happen and do not change. "
            "Take it out."
        )
    operation = chosen(own.get("operation", ""), ("", *_FIELD_OPERATIONS), f"{where}.operation")
    beside = own.keys() & {"bucket", "round", "tolerance", "nulls"}
    if operation and (beside or object_kind is not ObjectKind.ATTRIBUTES):
        without = "without round, bucket, tolerance and nulls"
        raise SettingsError(f"`{where}.operation` is for attributes, {without}. Take it out.")
    return FieldSettings(
        name=attribute_name(own["name"], f"{where}.name") if "name" in own else None,
        kind=kind,
        is_truncated=too_long == "truncate",
        decimals=_decimals(own["round"], f"{where}.round") if "round" in own else None,
        buckets=_buckets(own["bucket"], f"{where}.bucket") if "bucket" in own else None,
        policy=policy,
        operation=operation,
        nulls=_nulls(own, where, object_kind),
    )


def _nulls(own: Mapping[str, Any], where: str, kind: ObjectKind) -> str:
    """What nulls do; "" if that is not said."""
    if "nulls" in own and kind is not ObjectKind.ATTRIBUTES:
        raise SettingsError(f"`{where}.nulls` says nothing of {kind.value}, only of attributes. Take it out.")
    return chosen(own.get("nulls", ""), ("", *NULLS_CHOICES), f"{where}.nulls")


def _decimals(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_DECIMALS:
        raise SettingsError(
            f"`{where}` is {value!r}; write how many decimals to keep, from 0 to {MAX_DECIMALS}, or -1 for tens, "
            f"-2 for hundreds, to -{MAX_DECIMALS}."
        )
    return value


def _buckets(value: Any, where: str) -> Buckets:
    is_plain = isinstance(value, list)
    if not is_plain and not (isinstance(value, dict) and "edges" in value and value.keys() <= {"edges", "labels"}):
        raise SettingsError(f"`{where}` is neither a list of edges, such as [7, 30, 90], nor {{edges, labels}}.")
    given_edges, labels = (value, None) if is_plain else (value["edges"], value.get("labels"))
    where_edges = where if is_plain else f"{where}.edges"
    if not isinstance(given_edges, list) or not given_edges or not all(map(_is_number, given_edges)):
        raise SettingsError(f"`{where_edges}` is {given_edges!r}; write numbers, such as [7, 30, 90].")
    edges = tuple(Decimal(repr(edge)) for edge in given_edges)
    if any(edge >= following for edge, following in pairwise(edges)):
        raise SettingsError(f"`{where_edges}` is {given_edges!r}, which does not ascend.")
    if labels is None:
        return Buckets(edges, labels_of(edges))
    if not isinstance(labels, list) or len(labels) != len(edges) + 1:
        raise SettingsError(
            f"`{where}.labels` has to be a list of {len(edges) + 1}: one for what is below each edge, in their order, "
            "and one for the rest."
        )
    for label in labels:
        if (
            not isinstance(label, str)
            or not label.strip()
            or len(label) > MAX_STRING_CHARACTERS
            or not is_unicode(label)
        ):
            raise SettingsError(
                f"`{where}.labels` has {label!r}; a label is text of 1 to {MAX_STRING_CHARACTERS} characters."
            )
    return Buckets(edges, tuple(labels))


def _policy(own: Mapping[str, Any], where: str) -> Policy | None:
    """Which changes are held; None if all go."""
    tolerance, is_share = _tolerance(own["tolerance"], f"{where}.tolerance") if "tolerance" in own else (None, False)
    only_if_empty = own.get("only_if_empty", False)
    if not isinstance(only_if_empty, bool):
        raise SettingsError(f"`{where}.only_if_empty` is {only_if_empty!r}; write true or false.")
    policy = Policy(
        tolerance=tolerance,
        is_share=is_share,
        at_most_every_seconds=(
            _duration(own["at_most_every"], f"{where}.at_most_every") if "at_most_every" in own else None
        ),
        only_if_empty=only_if_empty,
    )
    return policy if policy.names else None


def _tolerance(value: Any, where: str) -> tuple[float, bool]:
    """How much, and whether that is a share."""
    if _is_number(value) and value >= 0:
        return float(value), False
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip(), re.ASCII)):
        return float(Decimal(match[1]) / 100), True
    raise SettingsError(f"`{where}` is {value!r}; write a number such as 5, or a share of the last one such as `5%`.")


def _duration(value: Any, where: str) -> int:
    """Seconds."""
    match = re.fullmatch(r"([1-9][0-9]*)\s*([mhdw])", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise SettingsError(
            f"`{where}` is {value!r}; write a whole number and a unit: 30m (minutes), 12h, 7d or 2w (weeks)."
        )
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
