"""Where Braze's instances are: from what people write for an instance to its REST endpoint. Pure; opens no connection."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from target_braze.errors import SettingsError

# Braze docs, "API overview", table of instances, 2026-09. US-09 is not in that table; `base_url` takes any endpoint that is missing here.
_REST_HOSTS = {
    **{f"US-0{n}": f"rest.iad-0{n}.braze.com" for n in range(1, 9)},
    "US-10": "rest.us-10.braze.com",
    "EU-01": "rest.fra-01.braze.eu",
    "EU-02": "rest.fra-02.braze.eu",
    "AU-01": "rest.au-01.braze.com",
    "ID-01": "rest.id-01.braze.com",
    "JP-01": "rest.jp-01.braze.com",
    "KR-01": "rest.kr-01.braze.com",
}
_DASHBOARD_HOSTS = {
    **{f"dashboard-0{n}.braze.com": f"US-0{n}" for n in range(1, 9)},
    **{f"dashboard-0{n}.braze.eu": f"EU-0{n}" for n in (1, 2)},
    **{f"dashboard.{code.lower()}.braze.com": code for code in ("US-10", "AU-01", "ID-01", "JP-01", "KR-01")},
}

SANDBOX = "sandbox"
INSTANCES = (*_REST_HOSTS, SANDBOX)


def rest_endpoint(instance: str) -> str:
    """The REST endpoint of an instance.

    Args:
        instance: A code such as `US-03`, or the address of its dashboard or of its REST endpoint.

    Returns:
        The endpoint's URL with no slash at its end.

    Raises:
        SettingsError: If it is none of Braze's instances.
    """
    code = instance.strip().upper().replace("_", "-")
    if re.fullmatch(r"[A-Z]{2}\d{2}", code):
        code = f"{code[:2]}-{code[2:]}"
    host = _REST_HOSTS.get(code)
    if host is None:
        text = instance.strip().lower()
        address = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        host = _REST_HOSTS.get(_DASHBOARD_HOSTS.get(address, "")) or (
            address if address in _REST_HOSTS.values() else None
        )
    if host is None:
        msg = (
            f"Unknown instance {instance!r}. Set `instance` to one of {', '.join(INSTANCES)}, or to the address you see in the browser "
            "when you use Braze's dashboard (e.g. https://dashboard-03.braze.com). For an endpoint that is not in this list set "
            "`base_url`."
        )
        raise SettingsError(msg)
    return f"https://{host}"


def checked_base_url(base_url: str) -> str:
    """An endpoint given as `base_url`, checked and without the slash at its end.

    Raises:
        SettingsError: If it is no http(s) address, or plain http to a host that is not this machine.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"`base_url` is {base_url!r}, which is not an address such as https://rest.iad-03.braze.com."
        raise SettingsError(msg)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        msg = (
            f"`base_url` uses plain http to {parts.hostname}: the API key and customer data would travel unencrypted. Use https; plain "
            "http is allowed only to this machine (localhost, 127.0.0.1, [::1])."
        )
        raise SettingsError(msg)
    return base_url.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
