"""The catalog routes without their HTTP side."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec

from braze_sandbox import catalog_rules, exports, messages, outcome, times
from braze_sandbox.catalog_rules import Catalog, CatalogError, edited, entry
from braze_sandbox.gate import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_sandbox.braze import Braze
    from braze_sandbox.calls import Call
    from braze_sandbox.shelves import Shelves

SHELF = "catalogs"
ITEMS_PER_PAGE = 50


def items_shelf(catalog: str) -> str:
    """Return the shelf of a catalog's items."""
    return f"items of {catalog}"


def all_catalogs(shelves: Shelves) -> list[Catalog]:
    """Return all catalogs by name."""
    return [msgspec.convert(document, Catalog) for _, document in shelves.listed(SHELF)]


def found(shelves: Shelves, name: str) -> Catalog:
    """Return a catalog.

    Raises:
        CatalogError: If there is none of that name.
    """
    document = shelves.get(SHELF, name)
    if document is None:
        raise CatalogError(entry("catalog-not-found", "catalog_name", [name]), status=404)
    return msgspec.convert(document, Catalog)


def shown(shelves: Shelves, catalog: Catalog) -> dict[str, Any]:
    """Return a catalog as Braze gives it out."""
    return {
        "description": catalog.description,
        "fields": [{"name": field.name, "type": field.type} for field in catalog.fields],
        "name": catalog.name,
        "num_items": shelves.count(items_shelf(catalog.name)),
        "updated_at": times.iso(catalog.updated),
    }


def _refusing(work: Callable[[Braze, Call], Answer]) -> Callable[[Braze, Call], Answer]:
    """Answer a refusal in the shape that catalogs have for it."""

    def answered(braze: Braze, call: Call) -> Answer:
        try:
            return work(braze, call)
        except CatalogError as error:
            body = {"errors": error.errors, "message": catalog_rules.INVALID_REQUEST}
            return Answer(error.status, body, {})

    return answered


@_refusing
def create(braze: Braze, call: Call) -> Answer:
    """Answer `POST /catalogs`."""
    catalog = catalog_rules.new_catalog(call.body, call.now)
    if braze.shelves.get(SHELF, catalog.name) is not None:
        raise CatalogError(entry("catalog-name-already-exists", "name", [catalog.name]))
    braze.shelves.put(SHELF, catalog.name, catalog)
    call.outcome.step(outcome.CATALOG_CREATED, catalog.name, f"created with {len(catalog.fields)} fields")
    return Answer(201, {"catalogs": [shown(braze.shelves, catalog)], "message": messages.SUCCESS}, {})


@_refusing
def listed(braze: Braze, call: Call) -> Answer:  # noqa: ARG001 # as all of them
    """Answer `GET /catalogs`."""
    catalogs = [shown(braze.shelves, catalog) for catalog in all_catalogs(braze.shelves)]
    return Answer(200, {"catalogs": catalogs, "message": messages.SUCCESS}, {})


@_refusing
def delete(braze: Braze, call: Call) -> Answer:
    """Answer `DELETE /catalogs/{catalog_name}`."""
    catalog = found(braze.shelves, call.path["catalog_name"])
    braze.shelves.clear(items_shelf(catalog.name))
    braze.shelves.remove(SHELF, [catalog.name])
    call.outcome.step(outcome.CATALOG_DELETED, catalog.name, "deleted with its items")
    return Answer(200, {"message": messages.SUCCESS}, {})


@_refusing
def list_items(braze: Braze, call: Call) -> Answer:
    """Answer `GET /catalogs/{catalog_name}/items`: 50 by id, and where the others are in the `Link` header."""
    catalog = found(braze.shelves, call.path["catalog_name"])
    cursor = next(iter(call.query.get("cursor", ())), None)
    skip = exports.skip_of(cursor) if cursor else 0
    if skip is None:
        raise CatalogError(entry("invalid-cursor", "cursor", [cursor]))
    shelf = items_shelf(catalog.name)
    items = braze.shelves.listed(shelf, ITEMS_PER_PAGE, skip)
    links = [(skip - ITEMS_PER_PAGE, "prev")] if skip else []
    if skip + ITEMS_PER_PAGE < braze.shelves.count(shelf):
        links.append((skip + ITEMS_PER_PAGE, "next"))
    address = f"/catalogs/{catalog.name}/items?cursor="
    text = ",".join(f'<{address}{exports.cursor_of(max(0, to))}>; rel="{rel}"' for to, rel in links)
    body = {"items": [item for _, item in items], "message": messages.SUCCESS}
    return Answer(200, body, {"Link": text} if text else {})


@_refusing
def delete_items(braze: Braze, call: Call) -> Answer:
    """Answer `DELETE /catalogs/{catalog_name}/items`."""
    catalog = found(braze.shelves, call.path["catalog_name"])
    for each in catalog_rules.item_ids(call.body, "DELETE"):
        if braze.shelves.remove(items_shelf(catalog.name), [each]):
            call.outcome.step(outcome.ITEM_DELETED, f"{catalog.name}/{each}", "deleted")
        else:
            call.outcome.step(outcome.ITEM_IGNORED, f"{catalog.name}/{each}", "ignored: there is no such item")
    return _accepted(braze, call, catalog)


def _written(method: str, braze: Braze, call: Call) -> Answer:
    """Write items: POST makes new ones, PUT makes or replaces, PATCH changes those that are there.

    Braze docs, "Catalogs", 2026-09: it answers before it writes, so that what cannot be written is not in the answer.
    """
    catalog = found(braze.shelves, call.path["catalog_name"])
    shelf = items_shelf(catalog.name)
    for item in catalog_rules.items(call.body, catalog, method):
        had = braze.shelves.get(shelf, item["id"])
        name = f"{catalog.name}/{item['id']}"
        if (method == "POST" and had is not None) or (method == "PATCH" and had is None):
            there_is = "it is there" if had else "there is no such item"
            call.outcome.step(outcome.ITEM_IGNORED, name, f"ignored: {there_is}")
            continue
        whole = edited(had, item) if method == "PATCH" else item
        new = {name: value for name, value in whole.items() if value is not None}
        if had == new:
            call.outcome.unchanged += 1
        elif had is None:
            call.outcome.step(outcome.ITEM_CREATED, name, "created")
        else:
            fields = sorted(field for field in had.keys() | new.keys() if had.get(field) != new.get(field))
            call.outcome.step(outcome.ITEM_CHANGED, name, f"changed: {', '.join(fields)}")
        braze.shelves.put(shelf, item["id"], new)
    return _accepted(braze, call, catalog)


def _accepted(braze: Braze, call: Call, catalog: Catalog) -> Answer:
    catalog.updated = call.now
    braze.shelves.put(SHELF, catalog.name, catalog)
    return Answer(202, {"message": messages.SUCCESS}, {})


add_items, replace_items, update_items = (
    _refusing(functools.partial(_written, method)) for method in ("POST", "PUT", "PATCH")
)
