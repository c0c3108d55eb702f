"""The settings: declared once, as the SDK's config schema, and read once, into values that cannot change.

Pure: of its surroundings it reads only the environment variable that says which Meltano project this is. README,
`meltano.yml` and `--about` are held against `CONFIG` by a test.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from target_braze import instances
from target_braze.audiences import AUDIENCES, Audience, read_audiences
from target_braze.errors import SettingsError
from target_braze.kind_settings import COHORT_PROPERTIES, CohortKeys, cohort_keys, with_kind
from target_braze.limits import MAX_OBJECTS_PER_REQUEST
from target_braze.occurrence_settings import REMEMBER_DAYS, REMEMBERED
from target_braze.rejections import RejectionLimit, rejection_limit
from target_braze.standard_fields import IDENTIFIERS
from target_braze.stream_settings import (
    STREAM,
    StreamSettings,
    chosen,
    given,
    identifiers,
    read_stream_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOKALIKE_CHOICES: Final = ("error", "map", "send")
OBJECT_LIMITS: Final = ("combined", "per_array")

CONFIG: Final = th.PropertiesList(
    th.Property(
        "instance",
        th.StringType,
        title="Instance",
        description=(
            "Your Braze instance: US-01 to US-08, US-10, EU-01, EU-02, AU-01, ID-01, JP-01 or KR-01, the address of "
            "its dashboard or REST endpoint, or `sandbox` for the local braze-sandbox, which is started when none "
            "runs. Required unless base_url is set."
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
            "Which identifiers to try for each record, in this order: external_id, braze_id, user_alias (columns "
            "alias_name and alias_label), email, phone. The first one a record has is used."
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
        th.ObjectType(additional_properties=STREAM),
        default={},
        title="Streams",
        description=(
            "Per stream name or glob (the first match wins): object (attributes, events, purchases, delete_users, "
            "user_aliases, identify, merge, external_id_rename, external_id_remove, subscription_groups, catalog_items "
            "or cohorts), fields (column: Braze name, or {name, type, operation, too_long, nulls, round, bucket, "
            "tolerance, at_most_every, only_if_empty}, or null to leave it out), only (columns to send), identify_by, "
            "update_existing_only, merge_objects, nulls (clear or skip), on_delete, allow_resubscribe, operation, "
            "prioritization, catalog, cohort, cohort_id; in_doubt (resend or hold) of events, purchases and what `inc` "
            "and `$add` add; of events and purchases: defaults, default_time_zone, remember_days."
        ),
    ),
    *COHORT_PROPERTIES,
    th.Property(
        "lookalikes",
        th.StringType(allowed_values=list(LOOKALIKE_CHOICES)),
        default="error",
        title="Look-alikes of standard fields",
        description=(
            "What to do with a column that looks like a standard field but is not named as one (birthdate, Email, "
            "given_name): stop with an error that names the line to add, map it to the standard field, or send it as "
            "a custom attribute."
        ),
    ),
    th.Property(
        "ledger",
        th.StringType,
        title="Ledger",
        description=(
            "The folder of the ledger, which knows what Braze has, so that only changes are sent. One for each "
            "workspace. Default: target-braze/ledger/<host> under the Meltano project's .meltano, or "
            "./.target-braze/ledger/<host> outside one."
        ),
    ),
    th.Property(
        "ledger_key",
        th.StringType,
        secret=True,
        title="Ledger key",
        description=(
            "Keys the hashes of the ledger; without it nobody can tell whom it is about. Made and kept in the ledger's "
            "folder if absent."
        ),
    ),
    th.Property(
        "full_resync",
        th.BooleanType,
        default=False,
        title="Full resync",
        description=(
            "Send all attributes of this run's streams again, as if the ledger did not know them, and learn them anew."
        ),
    ),
    REMEMBERED,
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
        description=(
            "Whether max_objects_per_request holds for the three arrays together (combined) or, in legacy contracts, "
            "for each of them (per_array)."
        ),
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
        description=(
            "Seconds one request may go on failing before the run stops; waits that Braze asks for are not counted."
        ),
    ),
    th.Property(
        "report_path",
        th.StringType,
        title="Report folder",
        description=(
            "Each run writes <report_path>/<run id>/summary.json and rejected.jsonl; <report_path>/latest points to "
            "the newest. Default: target-braze/reports under the Meltano project's .meltano, or "
            "./.target-braze/reports outside one."
        ),
    ),
    th.Property(
        "max_rejected",
        th.CustomType({"type": ["string", "number"]}),  # of "integer" the SDK takes no share from the environment
        default="5%",
        title="Most rejections",
        description=(
            "How many records may have something rejected before the run stops: a number, or a share of the records "
            "read such as `1%` (then at least 100)."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Do everything but deliver: the summary says what would be sent and cost. No STATE leaves.",
    ),
    AUDIENCES,
    th.Property(
        "max_data_points",
        th.IntegerType(minimum=0),
        title="Most data points",
        description="Stop before the request that would pass this many data points; what was delivered is kept.",
    ),
).to_dict()

_DEFAULTS: Final[dict[str, Any]] = {
    name: declared["default"] for name, declared in CONFIG["properties"].items() if "default" in declared
}


@dataclass(frozen=True)
class Settings:
    """All settings of a run, checked. Times are in seconds; see `CONFIG` for what each means."""

    base_url: str | None
    api_key: str = field(repr=False)
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
    ledger: Path
    ledger_key: str | None = field(default=None, repr=False)
    remember_days: int = REMEMBER_DAYS
    full_resync: bool = False
    dry_run: bool = False
    max_data_points: int | None = None
    audiences: tuple[Audience, ...] = ()
    cohort_keys: CohortKeys | None = None

    @property
    def is_sandbox(self) -> bool:
        """Whether this run delivers to the local sandbox, which is to be found or started."""
        return self.base_url is None

    def in_workspace(self, name: str) -> Settings:
        """These settings with a ledger for one life of the sandbox, which knows nothing of what came before it."""
        return replace(self, ledger=self.ledger / name)

    def stream(self, name: str) -> StreamSettings:
        """The settings of a stream: those of the first entry of `streams` that matches, over those of the whole run.

        Raises:
            SettingsError: If they make no sense.
        """
        entry: Mapping[str, Any] = next((entry for pattern, entry in self.streams if fnmatchcase(name, pattern)), {})
        defaults = StreamSettings(
            identify_by=self.identify_by,
            update_existing_only=self.update_existing_only,
            lookalikes=self.lookalikes,
            remember_days=self.remember_days,
        )
        where = f"streams.{name}"
        return with_kind(read_stream_settings(entry or {}, where, defaults), entry or {}, where, self.cohort_keys)


def read_settings(config: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a run from the SDK's config, which has been held against `CONFIG` before.

    Args:
        config: The SDK's config.
        environment: Where Meltano says which project this is.

    Raises:
        SettingsError: If they make no sense together.
    """
    own = {**_DEFAULTS, **given(config)}
    endpoint = _endpoint(own)
    settings = Settings(
        base_url=endpoint,
        api_key=_api_key(own.get("api_key", ""), is_sandbox=endpoint is None),
        streams=tuple(own["streams"].items()),
        identify_by=identifiers(own["identify_by"], "identify_by"),
        update_existing_only=bool(own["update_existing_only"]),
        lookalikes=chosen(own["lookalikes"], LOOKALIKE_CHOICES, "lookalikes"),
        max_objects_per_request=own["max_objects_per_request"],
        is_object_limit_per_array=chosen(own["object_limit"], OBJECT_LIMITS, "object_limit") == "per_array",
        max_requests_per_second=own["max_requests_per_second"],
        max_connections=own["max_connections"],
        request_timeout_seconds=own["request_timeout_seconds"],
        max_retry_seconds=own["max_retry_seconds"],
        report_path=Path(own.get("report_path") or default_folder(environment) / "reports"),
        max_rejected=rejection_limit(own["max_rejected"]),
        ledger=Path(own.get("ledger") or default_folder(environment) / "ledger" / _host(endpoint)),
        ledger_key=own.get("ledger_key", "").strip() or None,
        remember_days=own["remember_days"],
        full_resync=own["full_resync"],
        dry_run=own["dry_run"],
        max_data_points=own.get("max_data_points"),
        audiences=read_audiences(own["audiences"]),
        cohort_keys=cohort_keys(own),
    )
    for pattern, _ in settings.streams:
        settings.stream(pattern)  # what is wrong in an entry is said before the first record
    return settings


def _endpoint(own: Mapping[str, Any]) -> str | None:
    """The REST endpoint, None for the sandbox."""
    instance = str(own.get("instance", "")).strip()
    if base_url := str(own.get("base_url", "")).strip():
        return instances.checked_base_url(base_url)
    if not instance:
        raise SettingsError(
            "Neither `instance` nor `base_url` is set: say where to deliver, e.g. `instance: EU-01`, or "
            "`instance: sandbox` to try it out."
        )
    return None if instance.lower() == instances.SANDBOX else instances.rest_endpoint(instance)


def _host(endpoint: str | None) -> str:
    """A name for the endpoint that a folder can have."""
    return instances.SANDBOX if endpoint is None else re.sub(r"[^\w.-]+", "_", endpoint.split("://")[-1])


def _api_key(given: str, *, is_sandbox: bool) -> str:
    api_key = given.strip() or (instances.SANDBOX if is_sandbox else "")
    if not api_key:
        raise SettingsError(
            "Invalid credentials: `api_key` is not set. Make a REST API key with the permission users.track in Braze "
            "(Settings > APIs and Identifiers) and give it as TARGET_BRAZE_API_KEY."
        )
    if not re.fullmatch(r"[!-~]+", api_key) or api_key[0] in "\"'":
        raise SettingsError(
            "Invalid credentials: `api_key` has quotes around it, or blanks or unusual characters inside; copy the "
            "key alone."
        )
    return api_key


def default_folder(environment: Mapping[str, str]) -> Path:
    """Where a run keeps its files: in the Meltano project it runs in, else in the working directory."""
    project = environment.get("MELTANO_SYS_DIR_ROOT")
    return Path(project) / "target-braze" if project else Path(".target-braze")
