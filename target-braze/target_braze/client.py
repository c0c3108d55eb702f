"""Sends one request to Braze and says what came of it. Owns HTTP.

Whatever happens on the way is a resolution, never an exception: to try again is the usual answer to a network.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from target_braze import __version__
from target_braze.endpoints import TRACK
from target_braze.instances import is_loopback
from target_braze.pace import announced_wait
from target_braze.responses import Action, Resolution, resolve

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from target_braze.packing import Request

PATH: Final = TRACK.path
USER_AGENT: Final = f"partner-TargetBraze-TargetBraze/{__version__}"
"""In the form that Braze asks partners for. Braze docs, "API partner", 2026-03."""
_KEEP_ALIVE_SECONDS: Final = 60


class Answer(NamedTuple):
    """What came of one attempt.

    Attributes:
        resolution: What it means for the objects of the request.
        announced_seconds: How long Braze asks to wait, if it does.
    """

    resolution: Resolution
    announced_seconds: float | None = None


class Client:
    """Braze's REST endpoint, to be used in one event loop as an asynchronous context manager.

    Args:
        endpoint: The endpoint, no slash at its end.
        api_key: The key; it goes into one header and nowhere else.
        connections: Most connections at once.
        timeout_seconds: How long to wait for an answer.

    Attributes:
        was_reached: Whether anything has ever answered there.
    """

    def __init__(self, endpoint: str, api_key: str, connections: int, timeout_seconds: float) -> None:
        self.was_reached = False
        self._endpoint = endpoint
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy(self._endpoint),
        )
        # It would send a PUT or DELETE again by itself when a used connection breaks: unpaced and uncounted.
        self._session._retry_connection = False  # noqa: SLF001 - there is no setting for it
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, request: Request) -> Answer:
        """Send a request once."""
        endpoint = request.endpoint
        has_left = True
        try:
            async with self._session.request(
                endpoint.method, self._endpoint + endpoint.path, data=request.body, allow_redirects=False
            ) as response:
                body = await response.read()
        except asyncio.TimeoutError:
            reason = f"no answer within {self._timeout_seconds:g} seconds (`request_timeout_seconds`)"
        except aiohttp.ClientConnectorError as error:
            has_left = False
            reason = f"{self._endpoint} cannot be reached ({_cause(error)}): check `instance`, network and proxies"
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # the last: a host that no name can be
            reason = f"the connection to {self._endpoint} broke ({_cause(error)})"
        else:
            self.was_reached = True
            announced = announced_wait(response.headers, time.time())
            return Answer(resolve(response.status, body, request, endpoint), announced)
        return Answer(Resolution(Action.RETRY, reason, is_in_doubt=has_left))


def _proxy(endpoint: str) -> str | None:
    """The proxy that the environment names for the world outside.

    aiohttp's own `trust_env` would look it up for every request anew, on other threads, and let `~/.netrc` in, with
    which it refuses to send a header that has the key.
    """
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    return None if is_loopback(host) or proxy_bypass(host) else getproxies().get(parts.scheme)


def _cause(error: Exception) -> str:
    """What went wrong, in the system's words and without what was sent."""
    inner = getattr(error, "os_error", error)
    return getattr(inner, "strerror", None) or type(inner).__name__
