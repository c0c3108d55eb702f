"""What a route is, and what it is given when a request to it has passed the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_sandbox.braze import Braze
    from braze_sandbox.gate import Answer
    from braze_sandbox.limits import Group
    from braze_sandbox.outcome import Outcome


class Call(NamedTuple):
    """One request, read.

    Attributes:
        body: Its body; empty if the route has none.
        path: The variable parts of its path.
        query: Parameter → values; the brackets that some clients put after a name are gone.
        address: Where this sandbox is, for links.
        outcome: Where the route notes what it does.
        now: Seconds since 1970.
    """

    body: dict[str, Any]
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    address: str
    outcome: Outcome
    now: float


class Route(NamedTuple):
    """One route of Braze's.

    Attributes:
        method: Its method.
        path: Its path, with `{variable}` parts.
        scope: What a key must be allowed; `None` if the route takes its keys from the body.
        limit: The rate limit that it shares with others.
        work: Does it, within a transaction.
        has_body: Whether it reads one.
        writes: Whether it changes anything.
        secrets: What in the body must not be recorded.
    """

    method: str
    path: str
    scope: str | None
    limit: Group
    work: Callable[[Braze, Call], Answer]
    has_body: bool = True
    writes: bool = True
    secrets: tuple[str, ...] = ()
