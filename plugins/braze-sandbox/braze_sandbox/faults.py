"""Faults on request: which one the next request to a path gets. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

Kind = Literal[
    "status",
    "timeout",
    "timeout_after_apply",
    "reset",
    "reset_after_apply",
    "not_success",
    "unparseable",
    "errors_without_index",
    "lost_update",
    "delay",
]
TRACK = "/users/track"
APPLIED = frozenset(
    {"timeout_after_apply", "reset_after_apply", "unparseable", "errors_without_index", "lost_update", "delay"}
)


class FaultError(ValueError):
    """A rule that is none; the message says what is wrong with it."""


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One rule.

    Attributes:
        kind: What happens.
        path: To requests to this path, or to all that match it as a pattern: `/catalogs/*`, or `*`.
        times: To how many requests; -1 is all that come.
        after: How many requests pass first, counted from when this rule's turn comes.
        status: For `status`: the answer's (default 503); for `unparseable` and the like: default 201.
        headers: Added to the answer.
        body: The answer's: a JSON value, or a string that is sent as it is.
        seconds: For `timeout` and `timeout_after_apply`: close the connection after that long (default: when the
            client gives up). For `delay`: wait that long before applying (default 1). For `lost_update`: wait at
            most that long for another request (default 5).
        apply: Whether the request is applied; by default what the kind's name says.
    """

    kind: Kind
    path: str = TRACK
    times: int = 1
    after: int = 0
    status: int | None = None
    headers: dict[str, str] = {}
    body: Any = None
    seconds: float | None = None
    apply: bool | None = None

    @property
    def is_applied(self) -> bool:
        """Whether a request that meets this fault takes effect."""
        return self.kind in APPLIED if self.apply is None else self.apply

    @property
    def holds(self) -> bool:
        """Whether the client waits in vain."""
        return self.kind in {"timeout", "timeout_after_apply"}

    @property
    def cuts(self) -> bool:
        """Whether the connection ends without an answer."""
        return self.holds or self.kind in {"reset", "reset_after_apply"}


class FaultQueue:
    """Rules, met one after the other: the first lets `after` requests pass, then takes `times`, then the next comes.

    Those that a path matches: each path has its own line.
    """

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, rules: Any) -> None:
        """Append rules.

        Raises:
            FaultError: If one is not a rule; then none is appended.
        """
        try:
            read = msgspec.convert(rules if isinstance(rules, list) else [rules], list[Fault])
        except msgspec.ValidationError as error:
            raise FaultError(str(error)) from None
        if any(rule.kind == "lost_update" and rule.path != TRACK for rule in read):
            raise FaultError(f"lost_update is for {TRACK} alone.")
        self._rules += read

    def clear(self) -> None:
        """Forget all rules."""
        self._rules = []

    def pending(self) -> list[Fault]:
        """Return what is left of the rules."""
        return [rule for rule in self._rules if rule.times != 0]

    def next(self, path: str) -> Fault | None:
        """Return the fault of the request that just came, if it gets one; rules for other paths wait for theirs."""
        self._rules = [rule for rule in self._rules if rule.times != 0]
        rule = next((rule for rule in self._rules if rule.path == path or fnmatchcase(path, rule.path)), None)
        if rule is None:
            return None
        if rule.after > 0:
            rule.after -= 1
            return None
        if rule.times > 0:
            rule.times -= 1
        return rule
