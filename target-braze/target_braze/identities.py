"""Whom a record is about: the first identifier, in the order the settings give, that the record has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze import standard_fields
from target_braze.rejections import RefusalError
from target_braze.standard_fields import ALIAS_FIELDS, is_blank
from target_braze.updates import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONVERSIONS: Final[dict[str, Callable[[Any], str]]] = {
    "external_id": standard_fields.identifier,
    "braze_id": standard_fields.identifier,
    "email": standard_fields.email,
    "phone": standard_fields.phone,
    "device_id": standard_fields.identifier,  # of cohorts alone
}


class Identities:
    """Finds the identity of each record of one stream.

    Args:
        identify_by: The identifiers, in the order they are tried.
        sources: Name in Braze → column; it may grow while records arrive.
        called: What an identifier is called, where it is not by its own name, to say that it is missing or wrong.
    """

    def __init__(
        self, identify_by: tuple[str, ...], sources: Mapping[str, str], called: Callable[[str], str] = str
    ) -> None:
        self._identify_by = identify_by
        self._sources = sources
        self._called = called

    def identify(self, record: Mapping[str, Any]) -> Identity:
        """Whom the record is about.

        Raises:
            RefusalError: If it has none of the identifiers, or the first one it has is unusable: to try another then
                could reach, or make, somebody else.
        """
        for kind in self._identify_by:
            value = self._alias(record) if kind == "user_alias" else self._value(kind, record)
            if is_blank(value):
                continue
            try:
                if kind == "user_alias":
                    alias = standard_fields.user_alias(value)
                    return Identity(kind, (alias["alias_label"], alias["alias_name"]))
                return Identity(kind, _CONVERSIONS[kind](value))
            except RefusalError as refusal:
                raise RefusalError(f"{self._called(kind)}: {refusal}") from None
        raise RefusalError(
            f"missing identifier: the record has none of {', '.join(map(self._called, self._identify_by))}"
        )

    def _value(self, kind: str, record: Mapping[str, Any]) -> Any:
        source = self._sources.get(kind)
        return None if source is None else record.get(source)

    def _alias(self, record: Mapping[str, Any]) -> Any:
        """The alias of one column or two; None if a part of it is missing, for then it names nobody (vector C05)."""
        if "user_alias" in self._sources:
            value = self._value("user_alias", record)
        else:
            value = {part: self._value(part, record) for part in ALIAS_FIELDS}
        if isinstance(value, dict) and any(is_blank(value.get(part)) for part in ALIAS_FIELDS):
            return None
        return value
