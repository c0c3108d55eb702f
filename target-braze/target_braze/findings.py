"""What a check finds, as values, and the lines in which a person reads them. Pure.

A finding holds names of settings, streams, columns and attributes, never a key and never a value (invariant 5).
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Level(str, enum.Enum):
    """What a finding means for a run."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing to do."""
    WARNING = "warning"
    """A run works, but perhaps not as meant."""
    ERROR = "error"
    """A run would stop, or lose what it sends."""


MARKS: Final = {Level.OK: "✓", Level.NOTE: "·", Level.WARNING: "!", Level.ERROR: "✗"}
PLAIN_MARKS: Final = {Level.OK: "+", Level.NOTE: "-", Level.WARNING: "!", Level.ERROR: "x"}
"""For terminals that cannot show the others."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: What it means.
        topic: What was looked at, in a word or two.
        text: What was found, and whose problem it is.
        stream: The stream it is about, if it is about one.
        attribute: The name in Braze it is about, if it is about one.
        advice: What to do, where the text does not say it.
    """

    level: Level
    topic: str
    text: str
    stream: str | None = None
    attribute: str | None = None
    advice: str | None = None

    def lines(self, marks: dict[Level, str]) -> list[str]:
        """The finding in a line or two, set in below its stream's heading if it is about one."""
        margin = "  " if self.stream is not None else ""
        said = [f"{margin}{marks[self.level]} {self.topic}: {self.text}"]
        return said if self.advice is None else [*said, f"{margin}    {self.advice}"]


def heading(stream: str) -> str:
    """The line above the findings about a stream."""
    return f"Stream {stream!r}"


def verdict(findings: Iterable[Finding]) -> str:
    """The last line: how many errors and warnings there are."""
    levels = [finding.level for finding in findings]
    errors, warnings = levels.count(Level.ERROR), levels.count(Level.WARNING)
    return f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}."


def is_good(findings: Iterable[Finding]) -> bool:
    """Whether there is no error among them."""
    return all(finding.level is not Level.ERROR for finding in findings)


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """The findings for a program."""
    listed = list(findings)
    return {"is_good": is_good(listed), "findings": [asdict(finding) for finding in listed]}


def settings_line(stream: str, column: str, means: str | None) -> str:
    """The line of the settings that says what becomes of a column.

    Args:
        stream: The stream's name.
        column: The column's.
        means: What is to stand beside the column: a name, `{type: float}`, or None to leave it out.
    """
    return f"streams: {{{yaml_name(stream)}: {{fields: {{{yaml_name(column)}: {means or 'null'}}}}}}}"


def yaml_name(name: str) -> str:
    """A name as it can stand in YAML."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else json.dumps(name)


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
