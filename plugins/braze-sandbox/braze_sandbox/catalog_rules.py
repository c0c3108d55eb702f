"""What a catalog and its items may be, and the errors that say why one is not. Pure.

Braze docs, "Create catalog" and "Create", "Edit", "Replace" and "Delete multiple catalog items", 2026-09, have the
identifiers of errors, and the messages of four of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from braze_sandbox import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_ITEMS = 50
MAX_LENGTH = 250  # of a catalog's name and description, a field's name, an item's id
MAX_FIELDS = 500
MAX_VALUE_LENGTH = 5_000
MAX_LEVELS = 50
FIELD_TYPES = frozenset({"string", "number", "boolean", "time", "object", "array"})
INVALID_REQUEST = "Invalid Request"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
# Braze's page of each method has its own spelling.
NOT_STRINGS = {"PUT": "ids-not-string"}
# What is not in this table has its identifier for a message; `assumed` are all but the first four.
MESSAGES = {
    "catalog-name-already-exists": "A catalog with that name already exists",
    "invalid-fields": "Some of the fields given do not exist in the catalog",
    "items-missing-ids": "There are {count} item(s) that do not have ids",
    "invalid-cursor": "'cursor' is not valid",
    "catalog-not-found": "Could not find catalog",
}


class CatalogError(Exception):
    """A request is refused: with 404 if there is no such catalog, else with 400.

    Attributes:
        errors: The entries of `errors`.
        status: The answer's.
    """

    def __init__(self, *errors: dict[str, Any], status: int = 400) -> None:
        super().__init__(", ".join(error["id"] for error in errors))
        self.errors = list(errors)
        self.status = status


class Field(msgspec.Struct):
    """One field of a catalog's."""

    name: str
    type: str


class Catalog(msgspec.Struct):
    """A catalog without its items."""

    name: str
    description: str
    fields: list[Field]
    updated: float

    @property
    def types(self) -> dict[str, str]:
        """Field → type."""
        return {field.name: field.type for field in self.fields}


class Uncoercible(NamedTuple):
    """Stands where a value would that does not fit its field."""

    error: str


def entry(
    identifier: str, parameter: str | None = None, values: Iterable[Any] = (), *, count: int = 0
) -> dict[str, Any]:
    """Return one entry of `errors`."""
    text = MESSAGES.get(identifier, identifier.replace("-", " ")).format(count=count)
    return {
        "id": identifier,
        "message": text,
        "parameters": [parameter] if parameter else [],
        "parameter_values": list(values),
    }


def new_catalog(body: dict[str, Any], now: float) -> Catalog:
    """Return the one catalog that is to be created.

    Raises:
        CatalogError: If it cannot be.
    """
    catalogs = body.get("catalogs")
    if not isinstance(catalogs, list) or not catalogs or not all(isinstance(each, dict) for each in catalogs):
        raise CatalogError(entry("catalog-array-invalid", "catalogs"))
    if len(catalogs) > 1:
        raise CatalogError(entry("too-many-catalog-atoms", "catalogs"))
    (catalog,) = catalogs
    name, description = catalog.get("name"), catalog.get("description", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CatalogError(entry("invalid_catalog_name", "name", [name]))
    if len(name) > MAX_LENGTH:
        raise CatalogError(entry("catalog-name-too-large", "name", [name]))
    if not isinstance(description, str) or len(description) > MAX_LENGTH:
        raise CatalogError(entry("description-too-long", "description", [description]))
    return Catalog(name, description, _fields(catalog.get("fields")), now)


def _fields(fields: Any) -> list[Field]:
    if not isinstance(fields, list) or not all(
        isinstance(field, dict) and isinstance(field.get("name"), str) for field in fields
    ):
        raise CatalogError(entry("invalid-fields", "fields"))
    names = [field["name"] for field in fields]
    if not fields or names[0] != "id" or fields[0].get("type") != "string":
        raise CatalogError(entry("id-not-first-column", "fields"))
    checks: tuple[tuple[str, list[Any]], ...] = (
        ("invalid-field-names", [name for name in names if not _NAME.fullmatch(name)]),
        ("field-names-too-large", [name for name in names if len(name) > MAX_LENGTH]),
        ("field-names-not-unique", sorted({name for name in names if names.count(name) > 1})),
        ("invalid-field-types", [field["name"] for field in fields if str(field.get("type")) not in FIELD_TYPES]),
        ("too-many-fields", [len(fields)] if len(fields) > MAX_FIELDS else []),
    )
    errors = [entry(identifier, "fields", wrong) for identifier, wrong in checks if wrong]
    if errors:
        raise CatalogError(*errors)
    return [Field(field["name"], field["type"]) for field in fields]


def item_ids(body: dict[str, Any], method: str) -> list[str]:
    """Return the ids of the items in a request.

    Raises:
        CatalogError: If its items are none, too many, or not told apart by their ids.
    """
    items = body.get("items")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise CatalogError(entry("item-array-invalid", "items"))
    if len(items) > MAX_ITEMS:
        raise CatalogError(entry("request-includes-too-many-items", "items", [len(items)]))
    missing = sum(item.get("id") is None for item in items)
    if missing:
        raise CatalogError(entry("items-missing-ids", count=missing))
    ids = [item["id"] for item in items]
    strange = [each for each in ids if not isinstance(each, str)]
    if strange:
        raise CatalogError(entry(NOT_STRINGS.get(method, "ids-not-strings"), "id", strange))
    checks = (
        ("ids-not-unique", sorted({each for each in ids if ids.count(each) > 1})),
        ("ids-too-large", [each for each in ids if len(each) > MAX_LENGTH]),
        ("invalid-ids", [each for each in ids if not _NAME.fullmatch(each)]),
    )
    errors = [entry(identifier, "id", wrong) for identifier, wrong in checks if wrong]
    if errors:
        raise CatalogError(*errors)
    return ids


def items(body: dict[str, Any], catalog: Catalog, method: str) -> list[dict[str, Any]]:
    """Return the items of a request with values of the types of their fields.

    One bad item refuses them all.

    Raises:
        CatalogError: If it is refused.
    """
    item_ids(body, method)
    types = catalog.types
    wrong: dict[str, list[str]] = {}
    read = []
    for item in body["items"]:
        values = {name: _value(value, types.get(name), method) for name, value in item.items()}
        for value in values.values():
            if isinstance(value, Uncoercible) and item["id"] not in wrong.setdefault(value.error, []):
                wrong[value.error].append(item["id"])
        read.append(values)
    if wrong:
        raise CatalogError(*(entry(identifier, "id", ids) for identifier, ids in wrong.items()))
    return read


def edited(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return an item after a PATCH: fields that are named are written, arrays may be added to and removed from."""
    new = dict(item)
    for name, value in changes.items():
        if is_array_change(value):
            kept = [each for each in item.get(name) or [] if each not in value.get("$remove", ())]
            new[name] = kept + [each for each in value.get("$add", ()) if each not in kept]
        else:
            new[name] = value
    return new


def is_array_change(value: Any) -> bool:
    """Return whether a value adds to or removes from an array; Braze takes it with PATCH alone."""
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= {"$add", "$remove"}
        and all(isinstance(each, list) for each in value.values())
    )


def _value(value: Any, kind: str | None, method: str) -> Any:
    if kind is None:
        return Uncoercible("invalid-fields")
    if value is None:
        return None
    if method == "PATCH" and kind == "array" and is_array_change(value):
        return value
    if isinstance(value, (dict, list)):
        error = _nesting_error(value)
        if error:
            return Uncoercible(error)
    if len(value if isinstance(value, str) else msgspec.json.encode(value)) > MAX_VALUE_LENGTH:
        return Uncoercible("items-too-large")
    return _COERCE[kind](value)


def _nesting_error(value: Any) -> str | None:
    level = [value]
    for _ in range(MAX_LEVELS):
        objects = [each for each in level if isinstance(each, dict)]
        if any(mark in key for each in objects for key in each for mark in ".$"):
            return "invalid-keys-in-value-object"
        inner = [each for holder in level for each in (holder.values() if isinstance(holder, dict) else holder)]
        level = [each for each in inner if isinstance(each, (dict, list))]
        if not level:
            return None
    return "too-deep-nesting-in-value-object"


_UNFIT = Uncoercible("unable-to-coerce-value")


def _string(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, (bool, int, float)) else _UNFIT


def _number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        number = msgspec.json.decode(value) if isinstance(value, str) else None
    except msgspec.DecodeError:
        return _UNFIT
    return number if isinstance(number, (int, float)) and not isinstance(number, bool) else _UNFIT


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower(), _UNFIT) if isinstance(value, str) else _UNFIT


def _time(value: Any) -> Any:
    return value if times.is_time(value) else _UNFIT


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else _UNFIT


def _array(value: Any) -> Any:
    return value if isinstance(value, list) else _UNFIT


# Which values Braze converts is not documented (`unable-to-coerce-value` says that it does); these are assumed.
_COERCE: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "object": _object,
    "array": _array,
}
