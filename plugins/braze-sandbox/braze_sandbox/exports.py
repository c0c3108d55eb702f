"""Profiles and attributes in the shape in which Braze gives them out. Pure.

Braze docs, "POST /users/export/ids" and "GET /custom_attributes", 2026-09.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from braze_sandbox import times
from braze_sandbox.type_registry import LABELS

if TYPE_CHECKING:
    from braze_sandbox.profiles import Profile, Summary
    from braze_sandbox.settings import Settings
    from braze_sandbox.type_registry import TypeRegistry

MAX_EXPORT_IDS = 50
ATTRIBUTES_PER_PAGE = 50


def exported(profile: Profile, fields: list[str] | None) -> dict[str, Any]:
    """Return a profile as `/users/export/ids` gives it: fields that have no value are left out."""
    user: dict[str, Any] = {
        "external_id": profile.external_id,
        "user_aliases": aliases_of(profile),
        "braze_id": profile.braze_id,
        "created_at": times.iso(profile.created),
        **profile.standard,
        "custom_attributes": profile.custom,
        "custom_events": _summaries(profile.events),
        "purchases": _summaries(profile.purchases),
        # Not converted to USD, as Braze would: the sandbox knows no rates.
        "total_revenue": round(sum(profile.revenue.values()), 6) if profile.revenue else None,
    }
    return {
        name: value
        for name, value in user.items()
        if value not in (None, [], {}) and (fields is None or name in fields)
    }


def aliases_of(profile: Profile) -> list[dict[str, str]]:
    """Return a profile's aliases."""
    return [{"alias_name": name, "alias_label": label} for label, name in profile.aliases.items()]


def listed(profile: Profile) -> dict[str, Any]:
    """Return a profile as `/sandbox/profiles` gives it: everything, attributes of both kinds in one object."""
    return {
        "braze_id": profile.braze_id,
        "external_id": profile.external_id,
        "user_aliases": aliases_of(profile),
        "attributes": {**profile.standard, **profile.custom},
        "changed_at": {name: times.iso(moment) for name, moment in profile.changed.items()},
        "events": _summaries(profile.events),
        "purchases": _summaries(profile.purchases),
        "revenue": profile.revenue,
        "deprecated_ids": profile.deprecated_ids,
        "subscription_groups": {group: each.state for group, each in profile.groups.items()},
        "cohorts": list(profile.cohorts),
        "notes": [{"at": times.iso(moment), "what": what} for moment, what in profile.notes],
        "created_at": times.iso(profile.created),
        "updated_at": times.iso(profile.updated),
    }


def results(profile: Profile, array: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return what one object of a synchronous request led to: the custom attributes, event or product it names."""
    if array == "attributes":
        named = {name: profile.custom[name] for name in item if name in profile.custom}
        return {"custom_attributes": named}
    is_event = array == "events"
    key, title = ("name", "custom_events") if is_event else ("product_id", "purchase_events")
    summaries = profile.events if is_event else profile.purchases
    each = summaries.get(item[key])
    if each is None:
        return {title: []}
    first, last = times.iso(each.first), times.iso(each.last)
    return {title: [{key: item[key], "first": first, "last": last, "count": each.count}]}


def attribute_page(
    registry: TypeRegistry, settings: Settings, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None] | None:
    """Return one page of custom attributes by name and the cursor of the next; `None` if the cursor is none."""
    skip = skip_of(cursor) if cursor else 0
    if skip is None:
        return None
    names = sorted({*registry.detected, *settings.forced_types, *settings.blocklist})
    page = [_attribute(name, registry, settings) for name in names[skip : skip + ATTRIBUTES_PER_PAGE]]
    more = skip + ATTRIBUTES_PER_PAGE
    return page, cursor_of(more) if more < len(names) else None


def _attribute(name: str, registry: TypeRegistry, settings: Settings) -> dict[str, Any]:
    kind = settings.forced_types.get(name) or registry.detected.get(name) or "string"
    return {
        "array_length": settings.max_array_elements if kind == "array" else None,
        "data_type": LABELS[kind],
        "description": None,
        "name": name,
        "status": "Blocklisted" if name in settings.blocklist else "Active",
        "tag_names": [],
    }


def cursor_of(skip: int) -> str:
    """Return the cursor that skips so many."""
    return base64.urlsafe_b64encode(f"skip:{skip}".encode()).decode()


def skip_of(cursor: str) -> int | None:
    """Return how many a cursor skips; `None` if it is none."""
    try:
        word, _, number = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return int(number) if word == "skip" and number.isdecimal() else None


def _summaries(summaries: dict[str, Summary]) -> list[dict[str, Any]]:
    return [
        {"name": name, "first": times.iso(each.first), "last": times.iso(each.last), "count": each.count}
        for name, each in summaries.items()
    ]
