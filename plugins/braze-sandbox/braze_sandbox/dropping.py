"""What Braze drops in silence: the reasons, as values. Pure.

Braze reports success for such values; the sandbox does too, but keeps the reason for its page and `/sandbox/stats`.
"""

from __future__ import annotations

from typing import NamedTuple

TOO_LONG = "string longer than 255 characters"
TOO_LARGE = "larger than 100 KB"
BAD_NESTED = "null or other invalid value inside"
BAD_INCREMENT = "increment of something that is not an integer"
WRONG_TYPE = "not of the attribute's type"
FORCED_TYPE = "cannot be turned into the forced type"
BLOCKLISTED = "blocklisted"
BAD_TIME_ZONE = "no such time zone"
UNKNOWN_COUNTRY = "no such country; stored as null"
BAD_FIELD = "not a value of this standard field"
KNOWN_DEVICE = "push token that somebody has"
IGNORED_FIELD = "field that Braze ignores"


class Dropped(NamedTuple):
    """Stands where a value would, when there is none to store."""

    reason: str
