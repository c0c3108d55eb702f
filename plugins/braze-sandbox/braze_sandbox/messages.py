"""What Braze says when it refuses: whole requests and single objects.

Responsible for wording only. Texts that no public source shows are marked `assumed`; a client must not rely on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# Braze docs, "API errors", 2026-09, except where a comment says otherwise.
UNPARSEABLE = "Error while parsing request body. Please check your syntax."
TOO_MANY_OBJECTS = "Max Input Length Exceeded"
NOTHING_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
INVALID_KEY = "Invalid API key: {key}"  # as recorded from real answers, which echo the key
ACCESS_DENIED = "Access Denied"
RATE_LIMITED = "Rate Limited"
INVALID_URL = "Invalid URL"  # assumed
TOO_LARGE = "Request body is too large"  # assumed
WRONG_CONTENT_TYPE = "Content-Type must be application/json"  # assumed
SUCCESS = "success"


class ItemError(NamedTuple):
    """Why one object is refused, in Braze's two styles; either may be missing."""

    code: str | None
    sentence: str | None

    def text(self, style: str) -> str:
        """Return it in `style`, or in the other where Braze has but one."""
        first, second = (self.code, self.sentence) if style == "enum" else (self.sentence, self.code)
        return first or second or ""


# Codes: Braze docs, "POST /users/track", 2026-09. Sentences: as seen by the connectors of others.
IDENTIFIER_REQUIRED = ItemError(None, "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required")
ONE_IDENTIFIER = ItemError(  # assumed
    None, "only one of 'external_id', 'braze_id' or 'user_alias' may be provided"
)
BAD_ALIAS = ItemError(None, "'user_alias' must have an 'alias_name' and an 'alias_label'")  # assumed
BAD_PHONE = ItemError(None, "The value provided for the 'phone' field is not a valid phone number.")  # assumed
EXTERNAL_ID_TOO_LARGE = ItemError("EXTERNAL_USER_ID_TOO_LARGE", "'external_id' must be fewer than 988 bytes")
BLACKLISTED = ItemError("BLACKLISTED_EXTERNAL_USER_ID", "provided external_id is blacklisted and disallowed")
EMAIL_BAD_FORMAT = ItemError("EMAIL_BAD_FORMAT", "The value provided for the 'email' field is not a valid email.")
BAD_EMAIL_SUBSCRIPTION_STATE = ItemError("BAD_EMAIL_SUBSCRIPTION_STATE", None)
BAD_PUSH_SUBSCRIPTION_STATE = ItemError("BAD_PUSH_SUBSCRIPTION_STATE", None)
BAD_SUBSCRIPTION_INFO = ItemError("INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO", None)
BAD_GROUP_ARRAY = ItemError("BAD_SUBSCRIPTION_GROUP_ARRAY", None)
BAD_GROUP_HASH = ItemError("BAD_SUBSCRIPTION_GROUP_HASH", None)
BAD_GROUP_ID = ItemError("BAD_SUBSCRIPTION_GROUP_ID", None)
BAD_GROUP_STATE = ItemError("BAD_SUBSCRIPTION_GROUP_STATE", None)
BAD_LOCATION = ItemError("BAD_LOCATION_UPDATE", None)
BAD_PUSH_TOKEN_VALUE = ItemError("BAD_PUSH_TOKEN_VALUE", None)
BAD_PUSH_TOKEN_STRING = ItemError("BAD_PUSH_TOKEN_STRING", None)
BAD_PUSH_TOKEN_APP_ID = ItemError("BAD_PUSH_TOKEN_APP_ID", None)
BAD_PUSH_TOKEN_IMPORT = ItemError("BAD_PUSH_TOKEN_IMPORT", None)
BAD_DEVICE_ID = ItemError("BAD_DEVICE_ID", None)
NAME_REQUIRED = ItemError(None, "'name' is required")  # assumed
TIME_REQUIRED = ItemError(None, "'time' is required")  # assumed
BAD_TIME = ItemError(None, "'time' is not valid")  # assumed
PRODUCT_REQUIRED = ItemError(None, "'product_id' is required")  # assumed
BAD_PRODUCT = ItemError(None, "'product_id' is not valid")  # assumed
PRICE_REQUIRED = ItemError(None, "'price' is required")  # assumed
BAD_PRICE = ItemError(None, "'price' is not valid")  # assumed
BAD_CURRENCY = ItemError(None, "'currency' must be an ISO 4217 currency")
BAD_QUANTITY = ItemError(None, "'quantity' is not valid")
BAD_PROPERTIES = ItemError(None, "Invalid 'properties' field")
NOT_AN_OBJECT = ItemError(None, "must be an object")  # assumed


def array_required(name: str) -> str:
    """Return what is said of an array that is none (assumed, after `'merge_updates' must be …`)."""
    return f"'{name}' must be an array of objects"


class Refusal(NamedTuple):
    """One object that was refused: which, and why."""

    array: str
    position: int
    error: ItemError

    def as_json(self, style: str) -> dict[str, Any]:
        """Return the entry of `errors` for it."""
        return {"type": self.error.text(style), "input_array": self.array, "index": self.position}


def entries(refusals: Iterable[Refusal], style: str) -> list[dict[str, Any]]:
    """Return the `errors` of an answer."""
    return [refusal.as_json(style) for refusal in refusals]
