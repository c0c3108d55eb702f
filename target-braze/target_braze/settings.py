"""The settings: declared once, as the SDK's config schema, and read once, into values that cannot change. Pure.

README, `meltano.yml` and `--about` are held against `CONFIG` by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from singer_sdk import typing as th

from target_braze import instances
from target_braze.errors import SettingsError
from target_braze.limits import MAX_OBJECTS_PER_REQUEST, MAX_STRING_CHARACTERS
from target_braze.schema import Kind
from target_braze.standard_fields import CONTROL_KEYS, IDENTIFIERS, REFUSED_NAMES
from target_braze.updates import ObjectKind

FIELD_TYPES: Final[dict[str, Kind]] = {
    **{kind.value: kind for kind in Kind if kind is not Kind.ANY},
    "varchar": Kind.STRING,
}
LOOKALIKE_CHOICES: Final = ("error", "map", "send")
OBJECT_LIMITS: Final = ("combined", "per_array")
TOO_LONG_CHOICES: Final = ("reject", "truncate")

_FIELD = th.CustomType({"type": ["string", "null", "object"]})
_STREAM = th.ObjectType(
    th.Property("object", th.StringType(allowed_values=[kind.value for kind in ObjectKind])),
    th.Property("fields", th.ObjectType(additional_properties=_FIELD)),
    th.Property("only", th.ArrayType(th.StringType)),
    th.Property("identify_by", th.ArrayType(th.StringType(allowed_values=list(IDENTIFIERS)))),
    th.Property("update_existing_only", th.BooleanType),
    th.Property("merge_objects", th.BooleanType),
    additional_properties=False,
)

CONFIG: Final = th.PropertiesList(
    th.Property(
        "instance",
        th.StringType,
        title="Instance",
        description=(
            "Your Braze instance: US-01 to US-08, US-10, EU-01, EU-02, AU-01, ID-01, JP-01 or KR-01, the address of its dashboard or REST "
            "endpoint, or `sandbox` for the local braze-sandbox, which is started when none runs. Required unless base_url is set."
        ),
    ),
    th.Property(
        "base_url",
        th.StringType,
        title="Base URL",
        description="Any REST endpoint, instead of instance. Plain http only to this machine.",
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="REST API key with the permission users.track. Required unless instance is `sandbox`.",
    ),
    th.Property(
        "identify_by",
        th.ArrayType(th.StringType(allowed_values=list(IDENTIFIERS))),
        default=["external_id"],
        title="Identify by",
        description=(
            "Which identifiers to try for each record, in this order: external_id, braze_id, user_alias (columns alias_name and "
            "alias_label), email, phone. The first one a record has is used."
        ),
    ),
    th.Property(
        "update_existing_only",
        th.BooleanType,
        default=False,
        title="Update existing profiles only",
        description="Never create a profile. Braze reports success also for people it does not know.",
    ),
    th.Property(
        "streams",
        th.ObjectType(additional_properties=_STREAM),
        default={},
        title="Streams",
        description=(
            "Per stream name or glob (the first match wins): object (attributes, events or purchases), fields (column: Braze name, or "
            "{name, type, too_long}, or null to leave it out), only (columns to send), identify_by, update_existing_only, merge_objects."
        ),
    ),
    th.Property(
        "lookalikes",
        th.StringType(allowed_values=list(LOOKALIKE_CHOICES)),
        default="error",
        title="Look-alikes of standard fields",
        description=(
            "What to do with a column that looks like a standard field but is not named as one (birthdate, Email, given_name): stop with "
            "an error that names the line to add, map it to the standard field, or send it as a custom attribute."
        ),
    ),
    th.Property(
        "max_objects_per_request",
        th.IntegerType(minimum=1, maximum=MAX_OBJECTS_PER_REQUEST),
        default=MAX_OBJECTS_PER_REQUEST,
        title="Objects per request",
        description="Most objects in one request; some contracts have less than Braze's usual 75.",
    ),
    th.Property(
        "object_limit",
        th.StringType(allowed_values=list(OBJECT_LIMITS)),
        default="combined",
        title="What the object limit counts",
        description="Whether max_objects_per_request holds for the three arrays together or, in legacy contracts, for each of them.",
    ),
    th.Property(
        "max_requests_per_second",
        th.IntegerType(minimum=1),
        default=1000,
        title="Requests per second",
        description="Never send more requests than this in any second, whatever Braze would allow.",
    ),
    th.Property(
        "max_connections",
        th.IntegerType(minimum=1, maximum=1024),
        default=256,
        title="Connections",
        description="Most requests under way at once.",
    ),
    th.Property(
        "request_timeout_seconds",
        th.IntegerType(minimum=1),
        default=30,
        title="Request timeout",
        description="Seconds to wait for the answer to one request before it is tried again.",
    ),
    th.Property(
        "max_retry_seconds",
        th.IntegerType(minimum=0),
        default=600,
        title="Patience",
        description="Seconds to go on retrying one request, waits that Braze asks for included, before the run stops.",
    ),
    th.Property(
        "report_path",
        th.StringType,
        title="Report folder",
        description=(
            "Each run writes <report_path>/<run id>/summary.json and rejected.jsonl; <report_path>/latest points to the newest. Default: "
            "target-braze/reports under the Meltano project's .meltano, or ./.target-braze/reports outside one."
        ),
    ),
    th.Property(
        "max_rejected",
        th.CustomType({"type": ["string", "integer"]}),
        default="5%",
        title="Most rejections",
        description=(
            "How many records may have something rejected before the run stops: a number, or a share of the records read such as `1%` (then "
            "at least 100)."
        ),
    ),
).to_dict()

_FIRST_SHARE_LIMIT = 100


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


@dataclass(frozen=True)
class RejectionLimit:
    """How many records may have a rejection.

    Attributes:
        count: A number of records; with a share, the least that it comes to.
        share: A share of the records read, 0 to 1, or None.
    """

    count: int
    share: float | None = None

    def is_passed(self, rejected: int, records: int) -> bool:
        """Whether so many of so many records are too many."""
        return rejected > max(self.count, (self.share or 0) * records)


@dataclass(frozen=True)
class Settings:
    """All settings of a run, checked. Times are in seconds; see `CONFIG` for what each means."""

    base_url: str | None
    api_key: str
    streams: tuple[tuple[str, Mapping[str, Any]], ...]
    identify_by: tuple[str, ...]
    update_existing_only: bool
    lookalikes: str
    max_objects_per_request: int
    is_object_limit_per_array: bool
    max_requests_per_second: int
    max_connections: int
    request_timeout_seconds: int
    max_retry_seconds: int
    report_path: Path
    max_rejected: RejectionLimit

    @property
    def is_sandbox(self) -> bool:
        """Whether this run delivers to the local sandbox, which is to be found or started."""
        return self.base_url is None

    def stream(self, name: str) -> StreamSettings:
        """The settings of a stream: those of the first entry of `streams` that matches, over those of the whole run.

        Raises:
            SettingsError: If they make no sense.
        """
        entry: Mapping[str, Any] = next(
            (entry for pattern, entry in self.streams if fnmatchcase(name, pattern)), {}
        )
        where = f"streams.{name}"
        only = entry.get("only")
        return StreamSettings(
            object_kind=ObjectKind(entry.get("object", ObjectKind.ATTRIBUTES)),
            fields={
                column: _field_settings(value, f"{where}.fields.{column}")
                for column, value in (entry.get("fields") or {}).items()
            },
            only=None if only is None else frozenset(only),
            identify_by=_identify_by(entry["identify_by"], where)
            if entry.get("identify_by")
            else self.identify_by,
            update_existing_only=bool(entry.get("update_existing_only", self.update_existing_only)),
            merge_objects=bool(entry.get("merge_objects", False)),
            lookalikes=self.lookalikes,
        )


def read_settings(config: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a run from the SDK's config, which has been held against `CONFIG` before.

    Args:
        config: The SDK's config.
        environment: Where Meltano says which project this is.

    Raises:
        SettingsError: If they make no sense together.
    """
    instance = config.get("instance") or ""
    base_url = config.get("base_url")
    is_sandbox = instance.strip().lower() == instances.SANDBOX and not base_url
    if not instance and not base_url:
        raise SettingsError(
            "Neither `instance` nor `base_url` is set: say where to deliver, e.g. `instance: EU-01`, or `instance: sandbox` to try it out."
        )
    api_key = config.get("api_key") or ("sandbox" if is_sandbox else "")
    if not api_key.strip():
        raise SettingsError(
            "`api_key` is not set. Make a REST API key with the permission users.track in Braze (Settings > APIs and Identifiers) and "
            "give it as TARGET_BRAZE_API_KEY."
        )
    if api_key != api_key.strip() or not api_key.isprintable() or not api_key.isascii():
        raise SettingsError(
            "`api_key` has blanks or unusual characters at its ends or inside; copy the key alone, without quotes."
        )
    if base_url:
        endpoint: str | None = instances.checked_base_url(base_url)
    else:
        endpoint = None if is_sandbox else instances.rest_endpoint(instance)
    settings = Settings(
        base_url=endpoint,
        api_key=api_key,
        streams=tuple((config.get("streams") or {}).items()),
        identify_by=_identify_by(config.get("identify_by") or ["external_id"], "identify_by"),
        update_existing_only=bool(config.get("update_existing_only", False)),
        lookalikes=config.get("lookalikes", "error"),
        max_objects_per_request=config.get("max_objects_per_request", MAX_OBJECTS_PER_REQUEST),
        is_object_limit_per_array=config.get("object_limit", "combined") == "per_array",
        max_requests_per_second=config.get("max_requests_per_second", 1000),
        max_connections=config.get("max_connections", 256),
        request_timeout_seconds=config.get("request_timeout_seconds", 30),
        max_retry_seconds=config.get("max_retry_seconds", 600),
        report_path=Path(config.get("report_path") or default_folder(environment) / "reports"),
        max_rejected=_rejection_limit(config.get("max_rejected", "5%")),
    )
    for pattern, _ in settings.streams:
        settings.stream(pattern)  # what is wrong in an entry is said before the first record
    return settings


def default_folder(environment: Mapping[str, str]) -> Path:
    """Where a run keeps its files: in the Meltano project it runs in, else in the working directory."""
    project = environment.get("MELTANO_SYS_DIR_ROOT")
    return Path(project) / "target-braze" if project else Path(".target-braze")


def _identify_by(identifiers: list[str], where: str) -> tuple[str, ...]:
    if len(set(identifiers)) != len(identifiers):
        raise SettingsError(f"`{where}` names an identifier twice.")
    return tuple(identifiers)


def _field_settings(value: Any, where: str) -> FieldSettings | None:
    if value is None:
        return None
    if isinstance(value, str):
        return FieldSettings(name=_braze_name(value, where))
    if unknown := set(value) - {"name", "type", "too_long"}:
        raise SettingsError(f"`{where}` has {sorted(unknown)[0]!r}, which is none of name, type, too_long.")
    kind = value.get("type")
    if kind is not None and kind not in FIELD_TYPES:
        raise SettingsError(f"`{where}.type` is {kind!r}, which is none of {', '.join(FIELD_TYPES)}.")
    too_long = value.get("too_long", "reject")
    if too_long not in TOO_LONG_CHOICES:
        raise SettingsError(
            f"`{where}.too_long` is {too_long!r}, which is none of {', '.join(TOO_LONG_CHOICES)}."
        )
    name = value.get("name")
    return FieldSettings(
        name=None if name is None else _braze_name(name, where),
        kind=None if kind is None else FIELD_TYPES[kind],
        is_truncated=too_long == "truncate",
    )


def _braze_name(name: Any, where: str) -> str:
    if problem := name_problem(name if isinstance(name, str) else ""):
        raise SettingsError(f"`{where}`: {problem}")
    return str(name)


def name_problem(name: str) -> str | None:
    """What is wrong with a name as an attribute's, or None. Source: Braze docs, "Custom events" and "User attributes object", 2025-11."""
    if not name.strip():
        return "an attribute's name cannot be blank."
    if len(name) > MAX_STRING_CHARACTERS:
        return f"an attribute's name has at most {MAX_STRING_CHARACTERS} characters."
    if name.startswith("$"):
        return f"an attribute's name cannot begin with $ ({name!r})."
    if name in CONTROL_KEYS:
        return f"{name!r} steers Braze and is not an attribute; there are settings for it (update_existing_only, merge_objects)."
    if name in REFUSED_NAMES:
        return f"Braze rejects every object that has {name!r}."
    return None


def _rejection_limit(value: Any) -> RejectionLimit:
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return RejectionLimit(count=int(text))
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text):
        return RejectionLimit(count=_FIRST_SHARE_LIMIT, share=float(match[1]) / 100)
    raise SettingsError(f"`max_rejected` is {text!r}; write a number such as 50 or a share such as `1%`.")
