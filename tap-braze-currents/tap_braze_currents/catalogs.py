"""The columns that a catalog knows: what files of earlier runs had. Pure.

A run reads the new files only. Were their columns all it knew, a column that is text because of an older file would be
a number again in this run and text in the next, and the table it goes to would refuse one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_braze_currents.lineage import LINEAGE_SCHEMA
from tap_braze_currents.schemas import NOTHING, Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def known_columns(json_schema: Mapping[str, Any], made: Iterable[str] = ()) -> dict[str, Column]:
    """Return the columns of a stream in a catalog, but for those that this tap makes.

    Args:
        json_schema: The stream's schema in the catalog.
        made: Columns that are made of others.
    """
    return {
        name: _column(schema)
        for name, schema in json_schema.get("properties", {}).items()
        if name not in LINEAGE_SCHEMA and name not in made
    }


def with_refinements(schema: dict[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a catalog says of a column where it is of the same type: somebody may have said more, as a length."""
    if known is None or _column(known) != _column(schema):
        return schema
    return dict(known)


def _column(schema: Mapping[str, Any]) -> Column:
    named = schema.get("type", [])
    kinds = [kind for kind in ([named] if isinstance(named, str) else named) if kind != "null"]
    if len(kinds) != 1:  # nothing that this tap wrote; what the files say then counts
        return NOTHING
    return Column(kinds[0], _column(schema.get("items", {})) if kinds[0] == "array" else None)
