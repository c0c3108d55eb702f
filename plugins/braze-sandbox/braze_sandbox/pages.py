"""The page for people: profiles, requests, catalogs, cohorts, one of each, and data points.

Everything is made on the server, with no script and nothing from elsewhere, so that it also works on a machine that
reaches nothing.
"""

from __future__ import annotations

from typing import Any

import jinja2
from aiohttp import web

from braze_sandbox import __version__, catalogs, cohorts, presentation
from braze_sandbox.braze import now
from braze_sandbox.catalog_rules import CatalogError
from braze_sandbox.exchange import BRAZE
from braze_sandbox.identities import Identity
from braze_sandbox.type_registry import LABELS
from braze_sandbox.users import GONE

ROWS = 50
SIDE_ROWS = 6
MAX_SEARCH_LENGTH = 200
# Nothing is fetched or run; a value that slipped through the escaping could do nothing either.
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("braze_sandbox"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
for _filter in (
    presentation.number,
    presentation.moment,
    presentation.clock,
    presentation.age,
    presentation.json,
    presentation.pretty,
    presentation.counted,
    presentation.objects,
    presentation.is_track,
    presentation.errors,
    presentation.message,
    presentation.effect,
    presentation.last_change,
    presentation.bars,
):
    _TEMPLATES.filters[_filter.__name__] = _filter


def add_routes(app: web.Application) -> None:
    """Put the page into an application."""
    app.router.add_get("/", _profiles)
    app.router.add_get("/profiles/{braze_id}", _profile)
    # Not `/catalogs`, which is Braze's.
    app.router.add_get("/browse/catalogs", _catalogs)
    app.router.add_get("/browse/catalogs/{catalog_name}", _catalog)
    app.router.add_get("/browse/cohorts", _cohorts)
    app.router.add_get("/browse/cohorts/{partner}/{cohort_id:.+}", _cohort)
    app.router.add_get("/requests", _requests)
    app.router.add_get("/requests/{number:[0-9]{1,15}}", _request)
    app.router.add_get("/data-points", _data_points)


async def _profiles(request: web.Request) -> web.Response:
    braze = request.app[BRAZE]
    search = request.query.get("search", "").strip()[:MAX_SEARCH_LENGTH]
    matches = braze.store.count(search)
    page, pages = _page(request, matches)
    return _page_of(
        request,
        "profiles.html",
        search=search,
        matches=matches,
        page=page,
        pages=pages,
        profiles=braze.store.listed(search, newest_first=True, limit=ROWS, offset=(page - 1) * ROWS),
        came=braze.journal.came,
        recent=braze.journal.listed(newest_first=True, limit=SIDE_ROWS, bodies=False),
        top=presentation.bars(braze.counters.attribute_points)[:SIDE_ROWS],
    )


async def _profile(request: web.Request) -> web.Response:
    braze = request.app[BRAZE]
    found = braze.store.found(Identity("braze_id", request.match_info["braze_id"]))
    if not found:
        gone = braze.shelves.get(GONE, request.match_info["braze_id"])
        return _page_of(request, "missing.html", status=404, what="profile", gone=gone)
    profile = found[0]
    forced, detected = braze.settings.forced_types, braze.registry.detected
    rows = [(name, value, "Braze field") for name, value in sorted(profile.standard.items())]
    rows += [
        (name, value, LABELS[forced.get(name) or detected.get(name) or "string"])
        for name, value in sorted(profile.custom.items())
    ]
    gone = sorted(profile.changed.keys() - profile.standard.keys() - profile.custom.keys())
    names = {key: (braze.shelves.get(cohorts.SHELF, key) or {}).get("name", key) for key in profile.cohorts}
    return _page_of(request, "profile.html", profile=profile, rows=rows, gone=gone, cohort_names=names)


async def _catalogs(request: web.Request) -> web.Response:
    shelves = request.app[BRAZE].shelves
    rows = [(catalog, shelves.count(catalogs.items_shelf(catalog.name))) for catalog in catalogs.all_catalogs(shelves)]
    return _page_of(request, "catalogs.html", rows=rows)


async def _catalog(request: web.Request) -> web.Response:
    shelves = request.app[BRAZE].shelves
    try:
        catalog = catalogs.found(shelves, request.match_info["catalog_name"])
    except CatalogError:
        return _page_of(request, "missing.html", status=404, what="catalog", gone=None)
    shelf = catalogs.items_shelf(catalog.name)
    count = shelves.count(shelf)
    page, pages = _page(request, count)
    items = [item for _, item in shelves.listed(shelf, ROWS, (page - 1) * ROWS)]
    return _page_of(request, "catalog.html", catalog=catalog, count=count, items=items, page=page, pages=pages)


async def _cohorts(request: web.Request) -> web.Response:
    return _page_of(request, "cohorts.html", rows=cohorts.listed(request.app[BRAZE]))


async def _cohort(request: web.Request) -> web.Response:
    braze, info = request.app[BRAZE], request.match_info
    key = cohorts.key_of(info["partner"], info["cohort_id"])
    cohort = braze.shelves.get(cohorts.SHELF, key)
    if cohort is None:
        return _page_of(request, "missing.html", status=404, what="cohort", gone=None)
    count = braze.store.count_members(key)
    page, pages = _page(request, count)
    members = braze.store.members(key, limit=ROWS, offset=(page - 1) * ROWS)
    return _page_of(
        request, "cohort.html", cohort=cohort, key=key, count=count, members=members, page=page, pages=pages
    )


async def _requests(request: web.Request) -> web.Response:
    journal = request.app[BRAZE].journal
    kept = journal.count()
    page, pages = _page(request, kept)
    records = journal.listed(newest_first=True, limit=ROWS, offset=(page - 1) * ROWS, bodies=False)
    return _page_of(request, "requests.html", records=records, kept=kept, page=page, pages=pages)


async def _request(request: web.Request) -> web.Response:
    record = request.app[BRAZE].journal.one(int(request.match_info["number"]))
    if record is None:
        return _page_of(request, "missing.html", status=404, what="request", gone=None)
    return _page_of(request, "request.html", record=record)


async def _data_points(request: web.Request) -> web.Response:
    counters = request.app[BRAZE].counters
    kinds = (
        ("Attributes", counters.attribute_points),
        ("Events", counters.event_points),
        ("Purchases", counters.purchase_points),
        ("Cohorts", counters.cohort_points),
    )
    return _page_of(request, "data_points.html", kinds=[(title, presentation.bars(kind)) for title, kind in kinds])


def _page(request: web.Request, rows: int) -> tuple[int, int]:
    """Return which page is asked for, and how many there are."""
    pages = max(1, -(-rows // ROWS))
    text = request.query.get("page", "1")
    return min(max(1, int(text) if text.isdecimal() and len(text) < 10 else 1), pages), pages  # noqa: PLR2004


def _page_of(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    braze = request.app[BRAZE]
    html = _TEMPLATES.get_template(template).render(
        now=now(),
        address=str(request.url.origin()),
        version=__version__,
        here=request.path,
        stats=braze.counters.as_json(braze.store.count()),
        **values,
    )
    return web.Response(text=html, status=status, content_type="text/html", headers=SECURITY)
