"""The routes of Braze's that the sandbox keeps, beside `/users/track`: scope, limit and what does the work.

Braze docs, "API keys" and "API limits", 2026-09.
"""

from __future__ import annotations

from braze_sandbox import catalogs, cohorts, readback, subscriptions, users
from braze_sandbox.calls import Route

CATALOG = "/catalogs/{catalog_name}"
ITEMS = CATALOG + "/items"
COHORTS = "/partners/{partner}/cohorts"

ROUTES = (
    Route("POST", "/users/delete", "users.delete", "users", users.delete),
    Route("POST", "/users/alias/new", "users.alias.new", "users", users.new_aliases),
    Route("POST", "/users/alias/update", "users.alias.update", "users", users.update_aliases),
    Route("POST", "/users/identify", "users.identify", "users", users.identify),
    Route("POST", "/users/merge", "users.merge", "users", users.merge),
    Route(
        "POST",
        "/users/external_ids/rename",
        "users.external_ids.rename",
        "external_ids.rename",
        users.rename_external_ids,
    ),
    Route(
        "POST",
        "/users/external_ids/remove",
        "users.external_ids.remove",
        "external_ids.remove",
        users.remove_external_ids,
    ),
    Route("POST", "/subscription/status/set", "subscription.status.set", "subscriptions", subscriptions.set_v1),
    Route("POST", "/v2/subscription/status/set", "subscription.status.set", "subscriptions", subscriptions.set_v2),
    Route(
        "GET",
        "/subscription/status/get",
        "subscription.status.get",
        "other",
        subscriptions.status,
        has_body=False,
        writes=False,
    ),
    Route(
        "GET",
        "/subscription/user/status",
        "subscription.groups.get",
        "other",
        subscriptions.groups,
        has_body=False,
        writes=False,
    ),
    Route("POST", "/catalogs", "catalogs.create", "catalogs", catalogs.create),
    Route("GET", "/catalogs", "catalogs.get", "catalogs", catalogs.listed, has_body=False, writes=False),
    Route("DELETE", CATALOG, "catalogs.delete", "catalogs", catalogs.delete, has_body=False),
    Route("POST", ITEMS, "catalogs.add_items", "catalog_items", catalogs.add_items),
    Route("PUT", ITEMS, "catalogs.replace_items", "catalog_items", catalogs.replace_items),
    Route("PATCH", ITEMS, "catalogs.update_items", "catalog_items", catalogs.update_items),
    Route("DELETE", ITEMS, "catalogs.delete_items", "catalog_items", catalogs.delete_items),
    Route("GET", ITEMS, "catalogs.get_items", "catalog_items_read", catalogs.list_items, has_body=False, writes=False),
    Route("POST", COHORTS, None, "other", cohorts.name_cohort, secrets=cohorts.SECRETS),
    Route("POST", COHORTS + "/users", None, "other", cohorts.change_members, secrets=cohorts.SECRETS),
    Route("POST", "/users/export/ids", "users.export.ids", "export", readback.export, writes=False),
    Route(
        "GET",
        "/custom_attributes",
        "custom_attributes.get",
        "custom_attributes",
        readback.custom_attributes,
        has_body=False,
        writes=False,
    ),
)
