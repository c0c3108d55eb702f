"""The control API under `/sandbox`: settings, faults, and everything a test may want to look at. It needs no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from braze_sandbox import catalogs, cohorts, exports
from braze_sandbox.exchange import BRAZE
from braze_sandbox.faults import FaultError
from braze_sandbox.identities import Identity
from braze_sandbox.settings import Settings, SettingsError, changed

if TYPE_CHECKING:
    from braze_sandbox.journal import Record

DEFAULT_LIMIT = 1000
MAX_LIMIT = 100_000


def add_routes(app: web.Application) -> None:
    """Put the control API into an application."""
    app.router.add_get("/sandbox/settings", show_settings)
    app.router.add_put("/sandbox/settings", change_settings)
    app.router.add_get("/sandbox/faults", show_faults)
    app.router.add_post("/sandbox/faults", add_faults)
    app.router.add_delete("/sandbox/faults", clear_faults)
    app.router.add_get("/sandbox/requests", show_requests)
    app.router.add_get("/sandbox/stats", show_stats)
    app.router.add_get("/sandbox/profiles", show_profiles)
    app.router.add_get("/sandbox/catalogs", show_catalogs)
    app.router.add_get("/sandbox/catalogs/{catalog_name}/items", show_items)
    app.router.add_get("/sandbox/cohorts", show_cohorts)
    app.router.add_get("/sandbox/cohorts/members", show_members)
    app.router.add_post("/sandbox/reset", reset)


async def show_settings(request: web.Request) -> web.Response:
    """Answer with all settings."""
    return _json(request.app[BRAZE].settings)


async def change_settings(request: web.Request) -> web.Response:
    """Change some settings; answer with all; `null` alone means the defaults."""
    part = await _body(request)
    try:
        settings = Settings() if part is None else changed(request.app[BRAZE].settings, part)
    except SettingsError as error:
        return _json({"message": str(error)}, 400)
    request.app[BRAZE].settings = settings
    return _json(settings)


async def show_faults(request: web.Request) -> web.Response:
    """Answer with the rules that are still to be met."""
    return _json({"faults": request.app[BRAZE].faults.pending()})


async def add_faults(request: web.Request) -> web.Response:
    """Append rules."""
    rules = await _body(request)
    faults = request.app[BRAZE].faults
    try:
        faults.add(rules)
    except FaultError as error:
        return _json({"message": str(error)}, 400)
    return _json({"faults": faults.pending()}, 201)


async def clear_faults(request: web.Request) -> web.Response:
    """Forget all rules."""
    request.app[BRAZE].faults.clear()
    return _json({"faults": []})


async def show_requests(request: web.Request) -> web.Response:
    """Answer with recorded requests, the oldest first."""
    journal = request.app[BRAZE].journal
    limit, offset = _page(request)
    bodies = request.query.get("bodies", "true") != "false"
    records = journal.listed(limit=limit, offset=offset, bodies=bodies)
    return _json({"total": journal.count(), "requests": [_shown(record) for record in records]})


async def show_stats(request: web.Request) -> web.Response:
    """Answer with all counts."""
    braze = request.app[BRAZE]
    return _json(braze.counters.as_json(braze.store.count()))


async def show_profiles(request: web.Request) -> web.Response:
    """Answer with all profiles in the order of their creation, or with those that one identifier names."""
    store = request.app[BRAZE].store
    query = request.query
    for kind in ("external_id", "email", "phone", "braze_id"):
        if kind in query:
            found = store.found(Identity(kind, query[kind]))
            return _json({"total": len(found), "profiles": [exports.listed(profile) for profile in found]})
    if "alias_name" in query and "alias_label" in query:
        found = store.found(Identity("user_alias", (query["alias_label"], query["alias_name"])))
        return _json({"total": len(found), "profiles": [exports.listed(profile) for profile in found]})
    limit, offset = _page(request)
    profiles = store.listed(limit=limit, offset=offset)
    return _json({"total": store.count(), "profiles": [exports.listed(profile) for profile in profiles]})


async def show_catalogs(request: web.Request) -> web.Response:
    """Answer with all catalogs, without their items."""
    shelves = request.app[BRAZE].shelves
    return _json({"catalogs": [catalogs.shown(shelves, catalog) for catalog in catalogs.all_catalogs(shelves)]})


async def show_items(request: web.Request) -> web.Response:
    """Answer with the items of a catalog, by id; with none if there is no such catalog."""
    shelves, shelf = request.app[BRAZE].shelves, catalogs.items_shelf(request.match_info["catalog_name"])
    limit, offset = _page(request)
    items = [item for _, item in shelves.listed(shelf, limit, offset)]
    return _json({"total": shelves.count(shelf), "items": items})


async def show_cohorts(request: web.Request) -> web.Response:
    """Answer with all cohorts and how many are in each."""
    return _json({"cohorts": cohorts.listed(request.app[BRAZE])})


async def show_members(request: web.Request) -> web.Response:
    """Answer with the profiles in one cohort, in the order of their creation."""
    key = cohorts.key_of(request.query.get("partner", ""), request.query.get("cohort_id", ""))
    members = request.app[BRAZE].store.members(key)
    return _json({"total": len(members), "profiles": [exports.listed(profile) for profile in members]})


async def reset(request: web.Request) -> web.Response:
    """Forget everything."""
    request.app[BRAZE].reset()
    return _json({"message": "success"})


def _shown(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(record)
    return shown


def _page(request: web.Request) -> tuple[int, int]:
    try:
        limit = int(request.query.get("limit", DEFAULT_LIMIT))
        offset = int(request.query.get("offset", 0))
    except ValueError:
        raise web.HTTPBadRequest(text="limit and offset are integers") from None
    return max(0, min(limit, MAX_LIMIT)), max(0, offset)


async def _body(request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from None


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
