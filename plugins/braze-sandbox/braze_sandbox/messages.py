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


class RefusedError(Exception):
    """A whole request is refused with 400; the message is what Braze says."""


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


# Whole requests to the routes beside /users/track. Braze docs, "Merge users" and "Update user's subscription group
# status", 2026-09, have the texts that are not marked.
IDENTIFIERS_REQUIRED = (
    "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an "
    "object, 'email' property that is a string, or 'phone' property that is a string"
)
ONLY_TWO_IDENTIFIERS = "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"
EMAIL_OR_PHONE = "Either an email address or a phone number should be provided, but not both."
INVALID_GROUP = "Invalid subscription group ID"  # as recorded
INVALID_STATE = "'subscription_state' must be 'subscribed' or 'unsubscribed'"  # assumed
INVALID_EMAIL = "Invalid email address"  # assumed
INVALID_PHONE = "Phone numbers must be in E.164 format"  # assumed
STRINGS_REQUIRED = "'{name}' must be an array of strings"  # assumed
ONE_OF_REQUIRED = "{names} is required"  # assumed
ONLY_ONE_OF = "only one of {names} may be provided"  # assumed
PRIORITIZATION_REQUIRED = (  # assumed
    "'prioritization' must be an ordered array of {names}, with only one of 'identified' and 'unidentified'"
)
TOO_MANY = "a single request may not contain more than {most} {what}"  # the text of /users/merge; assumed elsewhere
EMPTY = "'{name}' must not be empty"  # assumed

# Single objects of these routes; Braze's pages say that there are errors, not how they read.
EXTERNAL_ID_REQUIRED = ItemError(None, "'external_id' is required")  # assumed
ALIAS_UPDATE_REQUIRED = ItemError(  # assumed
    None, "'alias_label', 'old_alias_name' and 'new_alias_name' are required"
)
BAD_PRIORITIZATION = ItemError(  # assumed
    None, PRIORITIZATION_REQUIRED.format(names="'identified', 'unidentified', 'most_recently_updated', …")
)
RENAME_REQUIRED = "'current_external_id' and 'new_external_id' must be strings"  # assumed
RENAME_SAME = "'current_external_id' and 'new_external_id' cannot be the same"  # assumed
RENAME_UNKNOWN = "'current_external_id' is not the primary external_id of any user"  # assumed
RENAME_TAKEN = "'new_external_id' is already in use"  # assumed
REMOVE_NOT_DEPRECATED = "only deprecated external_ids can be removed"  # assumed

# Braze docs, "Partner cohort import integration", 2026-09.
INVALID_PARTNER_KEY = "Invalid Partner API key"
INVALID_CLIENT_SECRET = "Invalid client secret"  # noqa: S105 # a text
PARTNER_NOT_ENABLED = "Partner not enabled for client with client secret: {secret}"
BAD_COHORT_ID = "`cohort_id` must be a valid string"
BAD_COHORT_CHANGES = (
    "`cohort_changes` must be an array of objects each with key `user_ids` and/or `device_ids` mapping to an array "
    "of strings, or an `aliases` object"
)
TOO_MANY_COHORT_IDS = "Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request"
BAD_COHORT_NAME = "`name` must be a non-empty string"
BAD_CREATED_AT = "`created_at` must be a valid time as an ISO-8601 string"


def nothing_valid(names: Iterable[str]) -> str:
    """Return what is said if no object is valid (assumed, after that of `/users/track`)."""
    return f"Valid data must be provided in the {one_of(names)} fields."


def one_of(names: Iterable[str]) -> str:
    """Return names as Braze lists them."""
    *first, last = [f"'{name}'" for name in names]
    return f"{', '.join(first)} or {last}" if first else last


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
