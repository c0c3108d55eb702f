"""Where Braze's instances are: from what people write for one to its REST endpoint. Pure; opens no connection."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from target_braze.errors import SettingsError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

# Braze docs, "API overview", table of instances, 2026-09. It has no US-09; `base_url` takes any endpoint missing here.
# An explicit table, for no rule holds: iad-03, but us-10; fra-01 ends in .eu.
_REST_HOSTS: Final = {
    **{f"US-0{n}": f"rest.iad-0{n}.braze.com" for n in range(1, 9)},
    "US-10": "rest.us-10.braze.com",
    "EU-01": "rest.fra-01.braze.eu",
    "EU-02": "rest.fra-02.braze.eu",
    "AU-01": "rest.au-01.braze.com",
    "ID-01": "rest.id-01.braze.com",
    "JP-01": "rest.jp-01.braze.com",
    "KR-01": "rest.kr-01.braze.com",
}
_INSTANCE_OF_HOST: Final = {
    **{host: code for code, host in _REST_HOSTS.items()},
    **{f"dashboard-0{n}.braze.com": f"US-0{n}" for n in range(1, 9)},
    **{f"dashboard-0{n}.braze.eu": f"EU-0{n}" for n in (1, 2)},
    **{f"dashboard.{code.lower()}.braze.com": code for code in ("US-10", "AU-01", "ID-01", "JP-01", "KR-01")},
}
_LIKE_A_KEY: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)

SANDBOX: Final = "sandbox"
INSTANCES: Final = (*_REST_HOSTS, SANDBOX)


def rest_endpoint(instance: str) -> str:
    """The REST endpoint of an instance.

    Args:
        instance: A code such as `US-03`, or the address of its dashboard or of its REST endpoint.

    Returns:
        The endpoint's URL with no slash at its end.

    Raises:
        SettingsError: If it is none of Braze's instances.
    """
    text = instance.strip()
    code = re.sub(r"^([A-Z]{2})[-_ ]?(\d{2})$", r"\1-\2", text.upper())
    if code not in _REST_HOSTS:
        parts = _split(text if "//" in text else f"//{text}")
        code = _INSTANCE_OF_HOST.get((parts and parts.hostname) or "", "")
    if not code:
        raise SettingsError(
            f"Unknown instance {_shown(text)}. Set `instance` to one of {', '.join(INSTANCES)}, or to the address that "
            "the browser shows when you use Braze's dashboard (e.g. https://dashboard-03.braze.com). For an endpoint "
            "that is not in this list set `base_url`."
        )
    return f"https://{_REST_HOSTS[code]}"


def checked_base_url(base_url: str) -> str:
    """An endpoint given as `base_url`, checked and without the slash at its end.

    Raises:
        SettingsError: If it is no http(s) address, holds more than host, port and path, or is plain http to a host
            that is not this machine.
    """
    text = base_url.strip()
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            f"`base_url` is {_shown(text)}, which is not an address such as https://rest.iad-03.braze.com."
        )
    # HTTP libraries disagree on where the host of http://a\@b is; what they could read differently is refused
    if "@" in text or "\\" in text or parts.query or parts.fragment:
        raise SettingsError(
            "`base_url` holds a user name, a query or a fragment. Give scheme and host alone, such as "
            "https://rest.iad-03.braze.com; the key goes into `api_key`."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"`base_url` uses plain http to {parts.hostname}: the API key and customer data would travel unencrypted. "
            "Use https; plain http is allowed only to this machine (localhost, 127.0.0.1, [::1])."
        )
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # an impossible port is found only when asked for
    except ValueError:
        return None
    return None if re.search(r"\s", text) else parts


def _shown(text: str) -> str:
    """What a setting holds, for its error; not if a key was put into the wrong setting (invariant 5)."""
    return "(hidden, for it looks like an API key)" if _LIKE_A_KEY.search(text) else repr(text)
