"""What the settings say about one stream and its columns, read into values that cannot change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from target_braze.errors import SettingsError
from target_braze.limits import MAX_STRING_CHARACTERS
from target_braze.schema import Kind
from target_braze.standard_fields import CONTROL_KEYS, IDENTIFIERS, REFUSED_NAMES
from target_braze.updates import ObjectKind
from target_braze.values import is_unicode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FIELD_TYPES: Final[dict[str, Kind]] = {
    **{kind.value: kind for kind in Kind if kind is not Kind.ANY},
    "varchar": Kind.STRING,
}
TOO_LONG_CHOICES: Final = ("reject", "truncate")
OBJECT_KINDS: Final = tuple(kind.value for kind in ObjectKind)


@dataclass(frozen=True)
class FieldSettings:
    """What the settings say about one column.

    Attributes:
        name: Its name in Braze; None keeps the column's.
        kind: The type to bring its values into; None takes it from the schema.
        is_truncated: Whether text that is too long is cut instead of rejected.
    """

    name: str | None = None
    kind: Kind | None = None
    is_truncated: bool = False


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
        lookalikes: What to do with look-alikes of standard fields.
    """

    object_kind: ObjectKind = ObjectKind.ATTRIBUTES
    fields: Mapping[str, FieldSettings | None] = field(default_factory=dict)
    only: frozenset[str] | None = None
    identify_by: tuple[str, ...] = ("external_id",)
    update_existing_only: bool = False
    merge_objects: bool = False
    lookalikes: str = "error"


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
    return StreamSettings(
        object_kind=ObjectKind(chosen(own.get("object", defaults.object_kind.value), OBJECT_KINDS, f"{where}.object")),
        fields={
            column: _field_settings(value, f"{where}.fields.{column}")
            for column, value in own.get("fields", {}).items()
        },
        only=None if only is None else frozenset(only),
        identify_by=(
            identifiers(own["identify_by"], f"{where}.identify_by") if "identify_by" in own else defaults.identify_by
        ),
        update_existing_only=bool(own.get("update_existing_only", defaults.update_existing_only)),
        merge_objects=bool(own.get("merge_objects", defaults.merge_objects)),
        lookalikes=defaults.lookalikes,
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


def _field_settings(value: Any, where: str) -> FieldSettings | None:
    if value is None:
        return None
    if isinstance(value, str):
        return FieldSettings(name=_braze_name(value, where))
    if unknown := set(value) - {"name", "type", "too_long"}:
        raise SettingsError(f"`{where}` has {min(unknown)!r}, which is none of name, type, too_long.")
    own = given(value)
    kind = FIELD_TYPES[chosen(own["type"], FIELD_TYPES, f"{where}.type")] if "type" in own else None
    too_long = chosen(own.get("too_long", "reject"), TOO_LONG_CHOICES, f"{where}.too_long")
    return FieldSettings(
        name=_braze_name(own["name"], f"{where}.name") if "name" in own else None,
        kind=kind,
        is_truncated=too_long == "truncate",
    )


def _braze_name(name: Any, where: str) -> str:
    if problem := name_problem(name if isinstance(name, str) else ""):
        raise SettingsError(f"`{where}`: {problem}")
    return str(name)


def name_problem(name: str) -> str | None:
    """What is wrong with a name as an attribute's, or None.

    Source: Braze docs, "Custom events" and "User attributes object", 2025-11.
    """
    problems = {
        "an attribute's name cannot be blank.": not name.strip(),
        f"an attribute's name has at most {MAX_STRING_CHARACTERS} characters.": len(name) > MAX_STRING_CHARACTERS,
        "an attribute's name has to be valid Unicode.": not is_unicode(name),
        f"an attribute's name cannot begin with $ ({name!r}).": name.startswith("$"),
        f"{name!r} steers Braze; see update_existing_only and merge_objects instead.": name in CONTROL_KEYS,
        f"Braze rejects every object that has {name!r}.": name in REFUSED_NAMES,
    }
    return next((problem for problem, is_so in problems.items() if is_so), None)
