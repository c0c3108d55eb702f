"""What an answer of Braze means: one table from status and body to resolution. Pure.

201 is not "all accepted": objects that failed are named inside a success, by index of their array as sent. Sources:
Braze docs, "User track" and "Errors & responses", 2026-09; answers of older accounts differ in wording and are
understood too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_braze.endpoints import TRACK, Endpoint, Naming
from target_braze.packing import Place

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_SUCCESS: Final = "success"
_TOO_MANY: Final = "max input length exceeded"
_MAX_REASON_CHARACTERS: Final = 300
UNNAMED: Final = "rejected without a reason"


class Action(enum.Enum):
    """What to do with a request's objects; those that the answer names are rejected, but with `RETRY` and `STOP`."""

    ACCEPT = "accept"
    """The others were accepted."""
    SPLIT = "split"
    """The others go again in two halves, a single one is rejected: the answer does not say which it is about."""
    REJECT = "reject"
    """The others are rejected too."""
    RETRY = "retry"
    """All go again, later."""
    STOP = "stop"
    """No request will fare better; the run ends."""


@dataclass(frozen=True)
class Resolution:
    """What to do after an answer.

    Attributes:
        action: What to do.
        reason: Why. For objects: Braze's words, for the dead letter. For `RETRY` and `STOP`: ours, what happened and
            what to do; it holds nothing of the body, which can echo the key or values (invariant 5).
        rejected: The objects the answer names, and Braze's reason for each.
        is_limit: Whether it is the rate limit, which is everybody's, that was met.
        is_in_doubt: Whether Braze may have done what it does not name, and did not say so. With `RETRY`, `STOP` and
            `SPLIT`, where this is false Braze has certainly done nothing.
    """

    action: Action
    reason: str = ""
    rejected: Mapping[Place, str] = field(default_factory=dict)
    is_limit: bool = False
    is_in_doubt: bool = False

    @property
    def accepts_all(self) -> bool:
        """Whether Braze has taken each object."""
        return self.action is Action.ACCEPT and not self.rejected and not self.is_in_doubt


_BY_STATUS: Final[dict[int, Resolution]] = {
    401: Resolution(
        Action.STOP,
        "Invalid credentials (401): Braze does not know this API key. The two usual causes: the key is wrong, "
        "deleted or of another workspace (check `api_key`; in Braze: Settings > APIs and Identifiers), or "
        "`instance` is not the one the key belongs to (a right key on a wrong instance is answered just so; "
        "compare it with the address of your dashboard).",
    ),
    404: Resolution(
        Action.STOP,
        "Not found (404): no Braze REST endpoint answers there. Check `base_url`, or set `instance` instead.",
    ),
    408: Resolution(Action.RETRY, "Braze did not receive the request in time (408)", is_in_doubt=True),
    413: Resolution(Action.SPLIT, "object too large for a request (413)"),
    415: Resolution(
        Action.STOP,
        "Unsupported media type (415): something between here and Braze changes the Content-Type header. "
        "Check proxies.",
    ),
    429: Resolution(Action.RETRY, "Braze's rate limit was met (429)", is_limit=True),
}
"""Statuses that say it all; the body of a 401 echoes the key and is not looked at."""

_DENIED: Final = (
    "Access denied (403): the API key lacks the permission `{}`, or does not allow this machine's "
    "address. A key's permissions cannot be changed: create a new one (in Braze: Settings > APIs and "
    "Identifiers)."
)
_WRONG_KEYS: Final = "Invalid credentials (401): Braze does not take {}. Check them, and `instance`."
_BAD_REQUEST: Final = frozenset({400, 422})
"""Statuses that are about the objects. Braze documents the first; the other is the same elsewhere."""


def resolve(status: int, body: bytes, places: Container[Place], endpoint: Endpoint = TRACK) -> Resolution:
    """The resolution of one answer.

    Args:
        status: The HTTP status.
        body: The answer's body as received.
        places: Where the request's objects stood; an error that names no such place is one without a place.
        endpoint: What answered.
    """
    told = _told_by_endpoint(status, endpoint) or _BY_STATUS.get(status)
    if told is not None:
        return told
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Braze docs, "Errors & responses", 2026-09: a 504 may have been processed; of the others it is silent
        return Resolution(Action.RETRY, f"Braze answered {status}, a failure on its side", is_in_doubt=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Resolution(
            Action.STOP,
            f"The endpoint redirects ({status}), which Braze never does; following it could give away the key. "
            "Check `base_url`.",
        )
    answer = _decoded(body)
    rejected, unplaced = _errors(answer, places, endpoint)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return _resolve_success(answer, rejected, unplaced, status, endpoint)
    if status in _BAD_REQUEST:
        return _resolve_bad_request(answer, rejected, status, unplaced if endpoint.naming is Naming.NOT else None)
    return Resolution(
        Action.STOP,
        f"The endpoint answers {status}, which Braze never does: something else answers there, or a proxy does. "
        "Check `base_url`, network and proxies.",
    )


def _told_by_endpoint(status: int, endpoint: Endpoint) -> Resolution | None:
    """What a status says that another endpoint's would not."""
    if status == HTTPStatus.FORBIDDEN:
        return Resolution(Action.STOP, _DENIED.format(endpoint.permission))
    if status == HTTPStatus.UNAUTHORIZED and endpoint.keys is not None:
        return Resolution(Action.STOP, _WRONG_KEYS.format(endpoint.keys))
    if status == HTTPStatus.NOT_FOUND and endpoint.not_found is not None:
        return Resolution(Action.STOP, f"Not found (404): {endpoint.not_found}.")
    return None


def _resolve_success(
    answer: dict[str, Any] | None, rejected: dict[Place, str], unplaced: str | None, status: int, endpoint: Endpoint
) -> Resolution:
    if answer is None:
        return Resolution(
            Action.RETRY,
            f"the answer ({status}) is not Braze's JSON: something else answers there, or a proxy does",
            is_in_doubt=True,
        )
    if answer.get("message") != _SUCCESS and endpoint.says_success:
        return Resolution(
            Action.RETRY,
            f"the answer ({status}) does not say `success`, so nothing in it counts as accepted",
            is_in_doubt=True,
        )
    if unplaced is not None:
        return Resolution(Action.SPLIT, unplaced, rejected, is_in_doubt=True)
    return Resolution(Action.ACCEPT, rejected=rejected)


def _resolve_bad_request(
    answer: dict[str, Any] | None, rejected: dict[Place, str], status: int, told: str | None
) -> Resolution:
    message = _text((answer or {}).get("message")) or _text((answer or {}).get("error")) or f"status {status}"
    if told is not None:
        return Resolution(Action.SPLIT, f"{message}: {told}")
    if _TOO_MANY in message.lower():
        return Resolution(Action.SPLIT, message)
    if "valid data must be provided" in message.lower():
        return Resolution(Action.REJECT, message, rejected)  # Braze says: not one of the objects is valid
    return Resolution(Action.SPLIT, message, rejected)


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return answer if isinstance(answer, dict) else None


def _errors(
    answer: dict[str, Any] | None, places: Container[Place], endpoint: Endpoint
) -> tuple[dict[Place, str], str | None]:
    """The errors that name an object of the request, several for one joined, and the first that names none."""
    found: dict[Place, list[str]] = {}
    unplaced: str | None = None
    errors = (answer or {}).get(endpoint.errors) or []
    for error in errors if isinstance(errors, list) else [errors]:
        if endpoint.naming is Naming.BY_INDEX and isinstance(error, list) and len(error) == len(("index", "reason")):
            error = {"input_array": endpoint.array, "index": error[0], "type": error[1]}  # noqa: PLW2901
        reason = _reason(error) or UNNAMED
        place = None if endpoint.naming is Naming.NOT else _place(error)
        if place is None or place not in places:
            unplaced = unplaced or reason
        elif reason not in found.setdefault(place, []):
            found[place].append(reason)
    return {place: "; ".join(reasons) for place, reasons in found.items()}, unplaced


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return _text(error)
    return _text(error.get("type")) or _text(error.get("message"))


def _place(error: Any) -> Place | None:
    if not isinstance(error, dict):
        return None
    array, number = error.get("input_array"), error.get("index")
    if not isinstance(array, str) or not isinstance(number, int) or isinstance(number, bool):
        return None
    return Place(array, number)


def _text(value: Any) -> str:
    return value.strip()[:_MAX_REASON_CHARACTERS] if isinstance(value, str) else ""


def without_values(reason: str) -> str:
    """A reason fit to be logged and counted by: Braze's may quote what was sent (invariant 5).

    All from the first quote to the last goes, for a value may have quotes in it, and to the end where one is open.
    """
    head, quote, rest = reason.partition('"')
    if not quote:
        return reason
    is_open = reason.count('"') % 2 == 1
    return f'{head}"…"{"" if is_open else rest.rpartition(chr(34))[2]}'
