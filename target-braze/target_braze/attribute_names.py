"""What Braze takes as the name of an attribute, and what it does not. Pure."""

from __future__ import annotations

from typing import Any

from target_braze.errors import SettingsError
from target_braze.limits import MAX_STRING_CHARACTERS
from target_braze.standard_fields import CONTROL_KEYS, REFUSED_NAMES
from target_braze.values import is_unicode


def attribute_name(name: Any, where: str) -> str:
    """A name that the settings give.

    Raises:
        SettingsError: If Braze does not take it.
    """
    if problem := name_problem(name if isinstance(name, str) else ""):
        raise SettingsError(f"`{where}`: {problem}")
    return str(name)


def name_problem(name: str) -> str | None:
    """What is wrong with a name as an attribute's, or None.

    Source: Braze docs, "Custom events" and "User attributes object", 2025-11.
    """
    problems = {
        "an attribute's name cannot be blank.": not name.strip(),
        f"an attribute's name has at most {MAX_STRING_CHARACTERS} characters.": len(name) > MAX_STRING_CHARACTERS,
        "an attribute's name has to be valid Unicode.": not is_unicode(name),
        f"an attribute's name cannot begin with $ ({name!r}).": name.startswith("$"),
        f"{name!r} steers Braze; see update_existing_only and merge_objects instead.": name in CONTROL_KEYS,
        f"Braze rejects every object that has {name!r}.": name in REFUSED_NAMES,
    }
    return next((problem for problem, is_so in problems.items() if is_so), None)
