"""The session of AWS that s3fs works in: who it is, and how it reads times.

botocore takes up a role by itself from a profile only; this gives it the same from the settings: credentials that are
asked of STS when they are first needed, and again before they expire. And botocore reads each time with dateutil, which
of a small file took as long as to decode it; S3 knows two ways to write one, and both are simple.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiobotocore.credentials import (  # type: ignore[import-untyped]
    AioAssumeRoleCredentialFetcher,
    AioCredentialResolver,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore.exceptions import NoCredentialsError
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY_REGION: Final = "us-east-1"
"""Where STS is asked when no region is configured: the one region that every account of the usual partition has."""


def with_session(s3: Mapping[str, Any]) -> dict[str, Any]:
    """Options of s3fs from those of the settings: the session instead of what it is made of.

    Args:
        s3: Options of s3fs, and a role (`role_arn`, `role_session_name`, `role_external_id`).
    """
    options = dict(s3)
    profile = options.pop("profile", None)
    session = AioSession(profile=profile)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_timestamp)
    if "role_arn" in options:
        before = AioSession(profile=profile)
        if "key" in options:
            before.set_credentials(options.pop("key"), options.pop("secret"), options.pop("token", None))
        asked = {
            "RoleSessionName": options.pop("role_session_name"),
            "ExternalId": options.pop("role_external_id", None),
        }
        role = _Role(options.pop("role_arn"), {name: value for name, value in asked.items() if value}, before)
        session.register_component("credential_provider", AioCredentialResolver([role]))
    return {**options, "session": session}


def read_timestamp(text: Any) -> dt.datetime:
    """A time as S3 writes it in listings (ISO 8601) or headers (RFC 822); any other as botocore reads it."""
    try:
        if text.endswith("Z"):
            return dt.datetime.fromisoformat(f"{text[:-1]}+00:00")
        if text.endswith(" GMT"):
            return email.utils.parsedate_to_datetime(text)
    except (AttributeError, ValueError):
        pass
    found: dt.datetime = parse_timestamp(text)
    return found


@dataclass(frozen=True)
class _Role:
    """What botocore asks for credentials.

    Attributes:
        arn: The role to take up.
        asked: What to ask for it with.
        before: A session with the credentials that may take it up.
    """

    METHOD: ClassVar = "assume-role"
    CANONICAL_NAME: ClassVar = "custom-tap-braze-currents"
    arn: str
    asked: dict[str, str]
    before: AioSession = field(repr=False)

    async def load(self) -> Any:
        source = await self.before.get_credentials()
        if source is None:
            raise NoCredentialsError
        region = self.before.get_config_variable("region") or _ANY_REGION
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=functools.partial(self.before.create_client, region_name=region),
            source_credentials=source,
            role_arn=self.arn,
            extra_args=self.asked,
        )
        return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)
