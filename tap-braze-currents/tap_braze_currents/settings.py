"""The settings: declared once, as the SDK's config schema, and read once, into values that cannot change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from tap_braze_currents.bookmarks import Selection
from tap_braze_currents.errors import SettingsError
from tap_braze_currents.keys import floor_hour

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE_CHOICES: Final = ("stop", "set_aside")

CONFIG: Final = th.PropertiesList(
    th.Property(
        "path",
        th.StringType,
        required=True,
        title="Path",
        description=(
            "Where Currents writes: a bucket and folder such as s3://bucket/currents/ (gs:// and az:// with the extras "
            "of these names), or a local folder. Everything below it that Braze wrote is found, whatever its layout."
        ),
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "Read events that reached Braze in this hour (UTC) or later. It is the hour of arrival in the file's key, "
            "not the time of the event. Moved back later on, the hours before are read too. Default: everything."
        ),
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="Read events that reached Braze before this hour (UTC). Default: no end.",
    ),
    th.Property(
        "event_types",
        th.ArrayType(th.StringType),
        title="Event types",
        description="Event types to read, as Braze writes them, or globs such as users.messages.*. Default: all.",
    ),
    th.Property(
        "integrations",
        th.ArrayType(th.StringType),
        title="Integrations",
        description=(
            "Identifiers of the Currents connectors to read, as in dataexport.….integration.<identifier>. Default: all "
            "below the path; two connectors that export the same event types carry the same events."
        ),
    ),
    th.Property(
        "s3_endpoint_url",
        th.StringType,
        title="S3 endpoint",
        description="Address of an S3-compatible store, instead of AWS.",
    ),
    th.Property(
        "aws_access_key_id",
        th.StringType,
        title="AWS access key",
        description="Default: the usual places (environment, profile, role of the machine).",
    ),
    th.Property(
        "aws_secret_access_key",
        th.StringType,
        secret=True,
        title="AWS secret key",
        description="The secret that belongs to the access key.",
    ),
    th.Property(
        "aws_session_token",
        th.StringType,
        secret=True,
        title="AWS session token",
        description="For temporary credentials.",
    ),
    th.Property(
        "aws_profile",
        th.StringType,
        title="AWS profile",
        description="A profile of the AWS configuration files; it may assume a role.",
    ),
    th.Property(
        "aws_role_arn",
        th.StringType,
        title="AWS role",
        description=(
            "ARN of a role to read the bucket in, as for one of another account. It is assumed with the credentials "
            "above, and again before it expires."
        ),
    ),
    th.Property(
        "aws_role_session_name",
        th.StringType,
        default="tap-braze-currents",
        title="AWS role session",
        description="What the session in that role is called in the logs of AWS.",
    ),
    th.Property(
        "aws_role_external_id",
        th.StringType,
        title="AWS role's external ID",
        description="The external ID, if the role asks for one.",
    ),
    th.Property(
        "requester_pays",
        th.BooleanType,
        default=False,
        title="Requester pays",
        description="Whether the bucket's owner lets readers pay.",
    ),
    th.Property(
        "max_parallel_files",
        th.IntegerType(minimum=1, maximum=256),
        default=16,
        title="Parallel files",
        description="Most files to fetch at once.",
    ),
    th.Property(
        "late_arrival_days",
        th.IntegerType(minimum=0),
        default=7,
        title="Late arrival",
        description=(
            "How many days after its hour a file may still appear; older hours are not listed again. Braze holds "
            "events for five days when it cannot write."
        ),
    ),
    th.Property(
        "full_listing",
        th.BooleanType,
        default=False,
        title="Full listing",
        description="List all hours in this run, as after copying old files into the bucket by hand.",
    ),
    th.Property(
        "settle_minutes",
        th.IntegerType(minimum=0),
        default=60,
        title="Settling time",
        description=(
            "How many minutes after its time of modification a file may still become visible. Files younger than that "
            "are remembered one by one, older ones by a bookmark."
        ),
    ),
    th.Property(
        "on_unreadable_file",
        th.StringType(allowed_values=list(UNREADABLE_CHOICES)),
        default="stop",
        title="Unreadable files",
        description=(
            "What to do with a file that cannot be read: stop its stream before it and end with an error (stop), or go "
            "on without it, remember it in STATE and try again each run (set_aside)."
        ),
    ),
    th.Property(
        "expand_json",
        th.ArrayType(th.StringType),
        title="Expand JSON",
        description=(
            "Fields that hold JSON as text, such as properties: what the text says is sent beside it, under the "
            "field's name with _object behind it."
        ),
    ),
).to_dict()


@dataclass(frozen=True)
class Settings:
    """All settings of a run, checked; see `CONFIG` for what each means."""

    path: str
    selection: Selection
    event_types: tuple[str, ...]
    integrations: frozenset[str]
    s3: Mapping[str, Any] = field(repr=False)
    max_parallel_files: int = 16
    is_set_aside: bool = False
    expand_json: frozenset[str] = frozenset()

    def reads(self, event_type: str) -> bool:
        """Whether an event type is to be read."""
        return not self.event_types or any(fnmatchcase(event_type, pattern) for pattern in self.event_types)


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings of a run from the SDK's config, which has been held against `CONFIG` before.

    Raises:
        SettingsError: If they make no sense together.
    """
    path = str(config["path"]).strip()
    if not path:
        raise SettingsError("`path` is empty: say where Currents writes, e.g. s3://bucket/currents/.")
    start, end = _hour(config.get("start_date"), "start_date"), _hour(config.get("end_date"), "end_date")
    if start is not None and end is not None and end <= start:
        raise SettingsError(f"`end_date` ({end}) is not after `start_date` ({start}): nothing would be read.")
    secret_of = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "aws_session_token": "token"}
    s3 = {name: config[setting] for setting, name in secret_of.items() if config.get(setting)}
    if s3 and not {"key", "secret"} <= s3.keys():
        raise SettingsError(
            "`aws_access_key_id` and `aws_secret_access_key` belong together, with `aws_session_token` if they are "
            "temporary; one of them is missing."
        )
    if config.get("aws_profile"):
        s3["profile"] = config["aws_profile"]
    if config.get("aws_role_arn"):
        s3["role_arn"] = config["aws_role_arn"]
        s3["role_session_name"] = (
            config.get("aws_role_session_name") or CONFIG["properties"]["aws_role_session_name"]["default"]
        )
        if config.get("aws_role_external_id"):
            s3["role_external_id"] = config["aws_role_external_id"]
    if config.get("s3_endpoint_url"):
        s3["endpoint_url"] = config["s3_endpoint_url"]
    if config.get("requester_pays"):
        s3["requester_pays"] = True
    return Settings(
        path=path,
        selection=Selection(
            start_date=start,
            end_date=end,
            settle_minutes=_number(config, "settle_minutes"),
            late_arrival_days=None if config.get("full_listing") else _number(config, "late_arrival_days"),
        ),
        event_types=tuple(config.get("event_types") or ()),
        integrations=frozenset(config.get("integrations") or ()),
        s3=s3,
        max_parallel_files=_number(config, "max_parallel_files"),
        is_set_aside=config.get("on_unreadable_file") == "set_aside",
        expand_json=frozenset(config.get("expand_json") or ()),
    )


def _number(config: Mapping[str, Any], name: str) -> int:
    """A number, or what it is by default: also for null, which is how some say that they do not set it."""
    value = config.get(name)
    default: int = CONFIG["properties"][name]["default"]
    return default if value is None else int(value)


def _hour(value: Any, name: str) -> str | None:
    """The hour of a date-time, as Braze writes it into keys."""
    if not value:
        return None
    try:
        return floor_hour(str(value))
    except ValueError as error:
        raise SettingsError(f"`{name}`: {error}.") from None
