"""What the sandbox may be told: once at its start (port, database) and at any time (everything else).

Responsible for names, defaults and checks of settings. It applies none of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from braze_sandbox.limits import Group  # noqa: TC001 # msgspec reads the annotation

HOST = "127.0.0.1"  # never another: the sandbox asks for no account, so no one else may reach it
DEFAULT_PORT = 8977

ValueType = Literal["string", "number", "boolean", "time", "array", "object", "object_array"]
Channel = Literal["email", "sms", "whatsapp"]


class SettingsError(ValueError):
    """A setting has no such name or not such a value; the message says which."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How this Braze behaves; `PUT /sandbox/settings` changes any of it.

    Attributes:
        max_objects_per_request: Objects that fit into one request.
        object_limit: Whether that number holds for the three arrays together or for each of them.
        max_body_bytes: A larger body is answered with 413.
        hourly_limit: Requests to `/users/track` in one window of `window_seconds`.
        window_seconds: Length of that window; windows are aligned to the clock.
        burst_limit: Requests to `/users/track` in one window of `burst_seconds`.
        burst_seconds: Length of the burst window.
        reset_style: `X-RateLimit-Reset` as seconds since 1970 or as seconds that remain.
        retry_after: Whether a 429 has `X-Ratelimit-Retry-After` in place of the three limit headers.
        error_style: Whether `errors[].type` is Braze's code or its sentence, where there are both.
        api_keys: The keys that are let in; `None` lets in any.
        scopes: What the keys may do; `None` is everything.
        delay_ms: Time each answer takes, before anything is applied.
        route_limits: Limit → requests in one window, in place of Braze's, for the routes beside `/users/track`.
        partners: Who may import cohorts; `None` lets in anybody.
        partner_api_keys: The keys partners are let in with; `None` lets in any.
        client_secrets: The data import keys they are let in with; `None` lets in any.
        subscription_groups: Groups that there are, and their channel; `None` is any that looks like one, for e-mail.
        forced_types: Custom attribute → the type an administrator forced on it.
        lock_detected_types: Whether the first value ever received decides an attribute's type for good.
        blocklist: Names of custom attributes and events that are silently not collected.
        blacklisted_external_ids: People whose objects are refused.
        max_array_elements: Older elements leave an array that grows beyond this.
        require_fields_to_export: Whether `/users/export/ids` insists on `fields_to_export`.
        keep_requests: Newest requests that stay listed.
        keep_bodies: Newest requests whose bodies stay too.
    """

    # Braze docs, "API limits", 2026-09: 75 over the three arrays; older contracts 75 in each, or 50 in all.
    max_objects_per_request: int = 75
    object_limit: Literal["combined", "per_array"] = "combined"
    # Braze docs, "API limits", 2026-09: 4 MB. Read as decimal, the narrower of the two readings.
    max_body_bytes: int = 4_000_000
    # Braze docs, "API limits", 2026-09: 3,000 requests per 3 seconds; 250,000 per hour where nothing else is said.
    hourly_limit: int = 250_000
    window_seconds: float = 3600
    burst_limit: int = 3000
    burst_seconds: float = 3
    reset_style: Literal["epoch", "delta"] = "epoch"
    retry_after: bool = True
    error_style: Literal["enum", "sentence"] = "enum"
    api_keys: list[str] | None = None
    scopes: list[str] | None = None
    delay_ms: float = 0
    route_limits: dict[Group, int] = {}
    partners: list[str] | None = None
    partner_api_keys: list[str] | None = None
    client_secrets: list[str] | None = None
    subscription_groups: dict[str, Channel] | None = None
    forced_types: dict[str, ValueType] = {}
    lock_detected_types: bool = True
    blocklist: list[str] = []
    blacklisted_external_ids: list[str] = []
    # Braze docs, "Data types", 2026-09: 500 by default.
    max_array_elements: int = 500
    require_fields_to_export: bool = False
    keep_requests: int = 100_000
    keep_bodies: int = 10_000


def changed(settings: Settings, part: Any) -> Settings:
    """Return `settings` with the values of a partial JSON object put in.

    Raises:
        SettingsError: If a name or value is not one of a setting.
    """
    if not isinstance(part, dict):
        raise SettingsError("Settings are a JSON object.")
    try:
        return msgspec.convert({**msgspec.to_builtins(settings), **part}, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None


def port_from_environment() -> int:
    """Return the port that Meltano or a person asks for."""
    text = os.environ.get("BRAZE_SANDBOX_PORT", "").strip()
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004
        raise SettingsError(f"BRAZE_SANDBOX_PORT is not a port: {text!r}")
    return int(text)


def database_from_environment() -> Path:
    """Return where profiles are kept unless the command line says so."""
    text = os.environ.get("BRAZE_SANDBOX_DATABASE", "").strip()
    if text:
        return Path(text).expanduser().absolute()
    meltano = os.environ.get("MELTANO_SYS_DIR_ROOT", "").strip()
    folder = Path(meltano) / "braze-sandbox" if meltano else Path(".braze-sandbox")
    return (folder / "sandbox.sqlite").absolute()
