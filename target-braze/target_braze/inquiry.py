"""Asks Braze what a check wants to know, and writes nothing there. Owns the HTTP that is not delivery.

It goes the way delivery goes (the same proxy, the same certificates, the same key in the same header), or it would
find other troubles than a run. The key goes to the endpoint of the settings and nowhere else: not to the instances
that the settings do not name, not where an answer points to.
"""

from __future__ import annotations

import random
import socket
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter

from target_braze.backoff import backoff_seconds
from target_braze.client import PATH, USER_AGENT
from target_braze.client import _proxy as proxy_for
from target_braze.errors import DeliveryError
from target_braze.pace import announced_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

ATTRIBUTES_PATH: Final = "/custom_attributes"
MAX_ATTEMPTS: Final = 3
MAX_WAIT_SECONDS: Final = 10.0
"""A longer wait is not waited for: a person is waiting too."""
MAX_PAGES: Final = 500
"""25,000 attributes, half of what the hour's limit of 1,000 requests allows. Braze docs, "API limits", 2026-09."""
_NOTHING: Final = b"{}"
"""A request for nothing: no object that could be written or cost anything. Braze answers it as the key may do it or
not, with 400 and "Valid data must be provided" if it may (Braze docs, "Errors & responses", 2026-09)."""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: The HTTP status.
        body: The body; it can echo the key.
        wait_seconds: How long Braze asks to wait, if it does.
        cursor: Where the next page begins, if there is one.
    """

    status: int
    body: bytes
    wait_seconds: float | None = None
    cursor: str | None = None

    @property
    def is_retryable(self) -> bool:
        """Whether the same question may get another answer later."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class _SameTrust(HTTPAdapter):
    """Trusts what delivery trusts, the system's certificates or those of `SSL_CERT_FILE`; requests has its own list."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=ssl.create_default_context(), **options)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        return super().proxy_manager_for(*arguments, ssl_context=ssl.create_default_context(), **options)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Add no certificates to those of the context, which verifies."""


class Inquiry:
    """Questions to one endpoint, as a context manager.

    Args:
        endpoint: The endpoint, no slash at its end.
        api_key: The key; it goes into one header and nowhere else.
        timeout_seconds: How long to wait for a connection, and for an answer.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._proxy = proxy_for(endpoint)
        self._session = requests.Session()
        self._session.trust_env = False  # no ~/.netrc, which would send another Authorization
        self._session.mount("https://", _SameTrust())
        self._session.proxies = {"http": self._proxy, "https": self._proxy} if self._proxy else {}
        self._session.headers.update(
            {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json", "User-Agent": USER_AGENT}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def track_nothing(self) -> Reply:
        """What Braze answers to a delivery of nothing.

        Raises:
            DeliveryError: If nothing answers; the message says why.
        """
        return self._ask("POST", PATH, body=_NOTHING)

    def attribute_pages(self) -> Iterator[Reply]:
        """The pages of the custom attributes; the last is the first that has no successor or is no success.

        Raises:
            DeliveryError: If nothing answers; the message says why.
        """
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            reply = self._ask("GET", ATTRIBUTES_PATH, params={"cursor": cursor} if cursor else {})
            yield reply
            cursor = reply.cursor
            if reply.status != HTTPStatus.OK or cursor is None or cursor in seen:
                return
            seen.add(cursor)

    def _ask(self, method: str, path: str, *, body: bytes | None = None, params: Any = None) -> Reply:
        attempts = 0
        while True:
            attempts += 1
            reply = self._ask_once(method, path, body, params)
            wait = reply.wait_seconds
            if wait is None:
                wait = backoff_seconds(attempts, random.random)
            if not reply.is_retryable or attempts >= MAX_ATTEMPTS or wait > MAX_WAIT_SECONDS:
                return reply
            self._sleep(wait)

    def _ask_once(self, method: str, path: str, body: bytes | None, params: Any) -> Reply:
        try:
            (urlsplit(self._endpoint).hostname or "").encode("idna")  # else its error is one that requests lets through
            answer = self._session.request(
                method,
                self._endpoint + path,
                data=body,
                params=params,
                timeout=self._timeout_seconds,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError, UnicodeError) as error:  # the last: a host that no name can be
            raise DeliveryError(self._why(error)) from None
        return Reply(
            answer.status_code,
            answer.content,
            announced_wait({name.lower(): value for name, value in answer.headers.items()}, time.time()),
            _cursor(answer.links),
        )

    def _why(self, error: BaseException) -> str:  # noqa: PLR0911
        """Why nothing answered, whose problem it is and what to do."""
        causes = list(_causes(error))
        where = self._endpoint
        if self._proxy and _is_any(causes, requests.exceptions.ProxyError):
            return (
                f"the proxy {_without_user(self._proxy)} does not let through to {where} ({_words(causes)}). It is the "
                "one the environment names (HTTPS_PROXY, HTTP_PROXY); mend it, or except the host in NO_PROXY."
            )
        if untrusted := _first(causes, ssl.SSLCertVerificationError):
            return (
                f"{where} shows a certificate that this machine does not trust "
                f"({untrusted.verify_message.rstrip('.')}). If your company's proxy opens TLS, name its certificate in "
                "SSL_CERT_FILE; else somebody else answers there."
            )
        if secure := _first(causes, ssl.SSLError):
            return (
                f"{where} does not speak TLS as it should ({secure.reason or 'handshake failed'}): plain http answers "
                "there, or something between here and Braze cuts in. Check `base_url` and proxies."
            )
        if _is_any(causes, requests.exceptions.ConnectTimeout):
            return (
                f"{where} cannot be reached within {self._timeout_seconds:g} seconds (`request_timeout_seconds`): no "
                "firewall says no, but none lets through either. Check `base_url`, and that this machine may go out."
            )
        if _is_any(causes, requests.exceptions.Timeout, socket.timeout):
            return (
                f"{where} takes the connection but does not answer within {self._timeout_seconds:g} seconds "
                "(`request_timeout_seconds`). Try again; if it stays so, something else answers there."
            )
        if _is_any(causes, socket.gaierror, UnicodeError):
            return (
                f"{where}: no such host is known here (DNS). Check `instance` or `base_url` for a slip, and that this "
                "machine may go out."
            )
        if _is_any(causes, ConnectionRefusedError):
            return f"{where} refuses connections: nothing listens there. Check `base_url`, host and port."
        return (
            f"the connection to {where} broke ({_words(causes)}). Check `base_url`, network and proxies, and try again."
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it; libraries keep it in various places."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _first(causes: list[BaseException], kind: type[ssl.SSLError]) -> Any:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _is_any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _words(causes: list[BaseException]) -> str:
    """What went wrong, in the system's words and without what was sent."""
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return said[-1] if said else type(causes[-1]).__name__


def _without_user(proxy: str) -> str:
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _cursor(links: dict[str, dict[str, str]]) -> str | None:
    """The cursor in the address of the next page; of that address nothing else is used, the key goes with it."""
    query = urlsplit(links.get("next", {}).get("url", "")).query
    return next(iter(parse_qs(query).get("cursor", [])), None)
