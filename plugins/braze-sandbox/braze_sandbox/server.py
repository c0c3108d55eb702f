"""The HTTP server: routes, and its life from listening to the clean end."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from braze_sandbox import SERVICE, __version__, control, messages, pages
from braze_sandbox.braze import Braze
from braze_sandbox.exchange import (
    BRAZE,
    HARD_LIMIT_BYTES,
    STOPPING,
    answered,
    close,
    opened,
    response,
    tracked,
)
from braze_sandbox.gate import Answer
from braze_sandbox.routes import ROUTES
from braze_sandbox.settings import HOST
from braze_sandbox.track import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
SHUTDOWN_SECONDS = 2.0


def application(braze: Braze) -> web.Application:
    """Return the whole sandbox as an aiohttp application."""
    app = web.Application(middlewares=[_only_from_here, _unknown_routes], client_max_size=HARD_LIMIT_BYTES)
    app[BRAZE] = braze
    app[STOPPING] = asyncio.Event()
    for variant in VARIANTS:
        app.router.add_post(variant.path, functools.partial(tracked, variant=variant))
    for route in ROUTES:
        app.router.add_route(route.method, route.path, functools.partial(answered, route=route))
    app.router.add_get("/health", _health)
    control.add_routes(app)
    pages.add_routes(app)
    return app


async def serve(path: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        path: The database.
        port: Where to listen; 0 is any free port.
        ready: Called with the address once requests are answered.

    Raises:
        DatabaseInUseError: If another sandbox has the database.
        OSError: If the port is taken.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    braze = Braze(path)
    app = application(braze)
    # A client that hangs up ends what is done for it: so a held answer (a fault) is let go at once.
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=75
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, HOST, port, backlog=1024)
        await site.start()
        ready(f"http://{HOST}:{runner.addresses[0][1]}")
        await stop.wait()
        app[STOPPING].set()
    finally:
        await runner.cleanup()
        braze.close()


async def _health(request: web.Request) -> web.Response:
    about = {
        "service": SERVICE,
        "version": __version__,
        "pid": os.getpid(),
        "database": str(request.app[BRAZE].path),
        "workspace": request.app[BRAZE].workspace,
    }
    return web.Response(body=msgspec.json.encode(about), content_type="application/json")


@web.middleware
async def _only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page of another site might make a browser on this machine send."""
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    origin = request.headers.get("Origin")
    if host not in LOCAL_NAMES or (origin is not None and origin != f"http://{request.host}"):
        return web.Response(status=403, text="The sandbox answers this machine only.")
    return await handler(request)


@web.middleware
async def _unknown_routes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what is no route the way Braze does, and record it: a client may have built a wrong address."""
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        answer = Answer(404, {"message": messages.INVALID_URL}, {})
        if request.path != "/favicon.ico":
            braze, record = request.app[BRAZE], opened(request)
            body = await request.read()
            with braze.transaction():
                close(braze, record, answer, body, ())
        return response(answer)
