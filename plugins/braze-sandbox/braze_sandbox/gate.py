"""What every request to Braze passes before its route looks at it: key, scope, rate limit, content type, size, syntax.

Pure but for counting against the limits. The order is that in which Braze's own answers suggest it checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from braze_sandbox import limits, messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_sandbox.braze import Braze
    from braze_sandbox.limits import Group


class Answer(NamedTuple):
    """A status, a JSON body and headers."""

    status: int
    body: Any
    headers: dict[str, str]


class Pass(NamedTuple):
    """Admitted; these headers belong in the answer."""

    headers: dict[str, str]


def refused(message: str) -> Answer:
    """Return the refusal of a whole request."""
    return Answer(400, {"message": message}, {})


def enter(braze: Braze, limit: Group | None, scope: str | None, authorization: str, now: float) -> Answer | Pass:
    """Check key, scope and rate limit.

    Args:
        braze: The state.
        limit: The rate limit that the route shares with others; `None` is that of `/users/track`.
        scope: What the key must be allowed; `None` if the route takes its keys from the body.
        authorization: The header, or an empty string.
        now: Seconds since 1970.

    Returns:
        The refusal, or a pass with the rate limit's headers.
    """
    settings = braze.settings
    key = bearer(authorization)
    if scope is not None:
        if not key or (settings.api_keys is not None and key not in settings.api_keys):
            # Recorded answers echo the key and have the limit headers, empty.
            return Answer(401, {"message": messages.INVALID_KEY.format(key=key)}, limits.NO_HEADERS)
        if settings.scopes is not None and scope not in settings.scopes:
            return Answer(403, {"message": messages.ACCESS_DENIED}, {})
    if limit is None:
        decision = braze.limit("track").decide(
            now, settings.hourly_limit, settings.window_seconds, settings.burst_limit, settings.burst_seconds
        )
    else:
        most, seconds = limits.LIMITS[limit]
        decision = braze.limit(limit).decide(now, settings.route_limits.get(limit, most), seconds)
    if not decision.is_allowed:
        refusal = limits.refusal_headers(decision, now, settings.reset_style, retry_after=settings.retry_after)
        return Answer(429, {"message": messages.RATE_LIMITED}, refusal)
    return Pass(limits.headers(decision, now, settings.reset_style))


def bearer(authorization: str) -> str:
    """Return the key in an Authorization header, or an empty string.

    Braze docs, "API basics", 2026-09: the scheme's case does not matter, the key's does.
    """
    scheme, _, key = authorization.partition(" ")
    return key if scheme.lower() == "bearer" else ""


def read(
    braze: Braze, headers: Mapping[str, str], body: bytes, max_body_bytes: int | None = None
) -> Answer | dict[str, Any]:
    """Return the body as an object, or the refusal of it; one limit is the settings', another that of a route."""
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return Answer(415, {"message": messages.WRONG_CONTENT_TYPE}, {})
    if len(body) > braze.settings.max_body_bytes:
        return Answer(413, {"message": messages.TOO_LARGE}, {})
    if max_body_bytes is not None and len(body) > max_body_bytes:
        return refused(messages.TOO_LARGE)  # Braze docs, "API limits", 2026-09: 413 or 400, depending on the route
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        # Braze docs, "API errors", 2026-09: this text alone is in `error`, not in `message`.
        return Answer(400, {"error": messages.UNPARSEABLE}, {})
    return parsed
