"""What the settings say about a stream of events or purchases, read and checked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from target_braze.errors import SettingsError
from target_braze.layouts import LAYOUTS
from target_braze.nested import scalar
from target_braze.rejections import RefusalError
from target_braze.updates import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_DOUBT_CHOICES: Final = ("resend", "hold")
REMEMBER_DAYS: Final = 400
"""A year and a month, so that what happened a year ago can be read again."""
_NAMES: Final = ("defaults", "default_time_zone", "in_doubt", "remember_days")
REMEMBERED: Final = th.Property(
    "remember_days",
    th.IntegerType(minimum=1),
    default=REMEMBER_DAYS,
    title="Remember events and purchases",
    description=(
        "For how many days to remember which events and purchases were sent, so that none is sent twice. Also per "
        "stream."
    ),
)
"""How the settings of the whole run declare it."""
DECLARED: Final = (
    th.Property(
        "defaults", th.ObjectType(additional_properties=th.CustomType({"type": ["string", "number", "boolean"]}))
    ),
    th.Property("default_time_zone", th.StringType),
    th.Property("in_doubt", th.StringType(allowed_values=list(IN_DOUBT_CHOICES))),
    th.Property("remember_days", th.IntegerType(minimum=1)),
)
"""How a stream declares them."""


def occurrence_settings(own: Mapping[str, Any], where: str, kind: ObjectKind, remember_days: int) -> dict[str, Any]:
    """The settings that only events and purchases have; `in_doubt`, attributes too, for what adds to Braze's.

    Args:
        own: What is given for the stream.
        where: Its place in the settings, for errors.
        kind: What its records become.
        remember_days: What holds for the whole run.

    Raises:
        SettingsError: If they make no sense.
    """
    in_doubt = own.get("in_doubt", IN_DOUBT_CHOICES[0])
    if in_doubt not in IN_DOUBT_CHOICES:
        raise SettingsError(f"`{where}.in_doubt` is {in_doubt!r}; write one of {', '.join(IN_DOUBT_CHOICES)}.")
    if kind not in (ObjectKind.EVENTS, ObjectKind.PURCHASES):
        is_attributes = kind is ObjectKind.ATTRIBUTES
        for name in _NAMES:
            if name in own and not (is_attributes and name == "in_doubt"):
                raise SettingsError(
                    f"`{where}.{name}` says nothing of {kind.value}, only of events, purchases. Take it out."
                )
        return {"in_doubt": in_doubt} if is_attributes else {}
    return {
        "defaults": {name: _default(name, value, where, kind) for name, value in own.get("defaults", {}).items()},
        "default_time_zone": _zone(own.get("default_time_zone"), f"{where}.default_time_zone"),
        "in_doubt": in_doubt,
        "remember_days": own.get("remember_days", remember_days),
    }


def _default(name: str, value: Any, where: str, kind: ObjectKind) -> Any:
    """What stands where no column says something, in the form Braze keeps."""
    layout = LAYOUTS[kind]
    place = f"`{where}.defaults.{name}`"
    if name in ("time", layout.properties):
        raise SettingsError(f"{place}: this is not the same for all records; name the column that has it.")
    if name in layout.reserved and name not in layout.fields:
        raise SettingsError(f"{place}: {name!r} is reserved among the properties.")
    try:
        return (layout.fields.get(name) or scalar)(value)
    except RefusalError as refusal:
        raise SettingsError(f"{place}: {refusal}.") from None


def _zone(name: str | None, where: str) -> str | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):  # there is none, or it is no name of one, or one of a folder of them
        raise SettingsError(
            f"`{where}` is {name!r}, which is no time zone; write one such as Europe/Berlin or UTC."
        ) from None
