"""A session of AWS that acts in a role, as a bucket in another account wants it.

botocore takes up a role by itself from a profile only; this gives it the same from the settings: credentials that are
asked of STS when they are first needed, and again before they expire.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from aiobotocore.session import AioSession  # type: ignore[import-untyped]

_ANY_REGION: Final = "us-east-1"
"""Where STS is asked when no region is configured: the one region that every account of the usual partition has."""


@dataclass(frozen=True)
class Role:
    """A role to take up.

    Attributes:
        arn: Which.
        session_name: How it is called in the bucket owner's logs.
        external_id: What the role may ask for beside the credentials.
        profile: A profile that has the credentials to begin with.
        keys: Key, secret and token to begin with; without, and without a profile, those of the usual places.
    """

    arn: str
    session_name: str = "tap-braze-currents"
    external_id: str | None = None
    profile: str | None = None
    keys: tuple[str, str, str | None] | None = field(default=None, repr=False)

    def session(self) -> AioSession:
        """A session for s3fs whose credentials are those of the role."""
        # Not for those who read a folder
        from aiobotocore.credentials import AioCredentialResolver  # type: ignore[import-untyped] # noqa: PLC0415
        from aiobotocore.session import AioSession  # noqa: PLC0415

        before = AioSession(profile=self.profile)
        if self.keys:
            before.set_credentials(*self.keys)
        session = AioSession(profile=self.profile)
        session.register_component("credential_provider", AioCredentialResolver([_Provider(self, before)]))
        return session


@dataclass(frozen=True)
class _Provider:
    """What botocore asks for credentials.

    Attributes:
        role: The role.
        before: A session with the credentials that may take it up.
    """

    METHOD: ClassVar = "assume-role"
    CANONICAL_NAME: ClassVar = "custom-tap-braze-currents"
    role: Role
    before: AioSession

    async def load(self) -> Any:
        from aiobotocore.credentials import (  # noqa: PLC0415
            AioAssumeRoleCredentialFetcher,
            AioDeferredRefreshableCredentials,
        )
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

        source = await self.before.get_credentials()
        if source is None:
            raise NoCredentialsError
        region = self.before.get_config_variable("region") or _ANY_REGION
        asked = {"RoleSessionName": self.role.session_name}
        if self.role.external_id:
            asked["ExternalId"] = self.role.external_id
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=functools.partial(self.before.create_client, region_name=region),
            source_credentials=source,
            role_arn=self.role.arn,
            extra_args=asked,
        )
        return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)
