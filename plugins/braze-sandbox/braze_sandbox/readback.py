"""`POST /users/export/ids` and `GET /custom_attributes` without their HTTP side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox import exports, messages
from braze_sandbox.gate import Answer, refused
from braze_sandbox.identities import Identity, normal_phone

if TYPE_CHECKING:
    from braze_sandbox.braze import Braze
    from braze_sandbox.calls import Call
    from braze_sandbox.profiles import Profile


def export(braze: Braze, call: Call) -> Answer:
    """Answer `/users/export/ids`."""
    body = call.body
    fields = body.get("fields_to_export")
    if fields is None and braze.settings.require_fields_to_export:
        return refused("'fields_to_export' is required")
    if fields is not None and not (isinstance(fields, list) and all(isinstance(name, str) for name in fields)):
        return refused("'fields_to_export' must be an array of strings")
    wanted = _identities(body)
    if wanted is None:
        return refused("'external_ids' and 'user_aliases' must be arrays of identifiers")
    if not wanted:
        return refused("'external_ids', 'user_aliases', 'braze_id', 'email_address' or 'phone' is required")
    if sum(each.kind in {"external_id", "user_alias"} for each, _ in wanted) > exports.MAX_EXPORT_IDS:
        return refused(f"a single request may not contain more than {exports.MAX_EXPORT_IDS} ids")
    profiles: dict[int, Profile] = {}
    unknown: list[Any] = []
    for identity, as_sent in wanted:
        found = braze.store.found(identity)
        profiles.update((profile.id, profile) for profile in found)
        if not found:
            unknown.append(as_sent)
    answer: dict[str, Any] = {
        "message": messages.SUCCESS,
        "users": [exports.exported(profile, fields) for profile in profiles.values()],
    }
    if unknown:
        answer["invalid_user_ids"] = unknown
    return Answer(201, answer, {})


def custom_attributes(braze: Braze, call: Call) -> Answer:
    """Answer `/custom_attributes`: 50 by name, and the address of the next 50 in the `Link` header."""
    cursor, address = next(iter(call.query.get("cursor", ())), None), call.address
    page = exports.attribute_page(braze.registry, braze.settings, cursor)
    if page is None:
        return refused("Invalid cursor")
    attributes, following = page
    headers = {"Link": f'<{address}/custom_attributes?cursor={following}>; rel="next"'} if following else {}
    return Answer(200, {"message": messages.SUCCESS, "attributes": attributes}, headers)


def _identities(body: dict[str, Any]) -> list[tuple[Identity, Any]] | None:
    wanted: list[tuple[Identity, Any]] = []
    external_ids, aliases = body.get("external_ids") or [], body.get("user_aliases") or []
    if not isinstance(external_ids, list) or not isinstance(aliases, list):
        return None
    wanted.extend((Identity("external_id", str(each)), each) for each in external_ids)
    for alias in aliases:
        if not isinstance(alias, dict) or not {"alias_label", "alias_name"} <= alias.keys():
            return None
        wanted.append((Identity("user_alias", (str(alias["alias_label"]), str(alias["alias_name"]))), alias))
    for key, kind in (("braze_id", "braze_id"), ("email_address", "email"), ("phone", "phone")):
        if body.get(key):
            value = str(body[key])
            normal = {"email": value.strip().lower(), "phone": normal_phone(value)}.get(kind, value)
            wanted.append((Identity(kind, normal), value))
    return wanted
