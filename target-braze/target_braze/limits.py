"""Braze's limits, each once, with where Braze states it. Pure constants."""

from __future__ import annotations

from typing import Final

MAX_OBJECTS_PER_REQUEST: Final = 75
"""Objects in one request, over the three arrays together (legacy contracts: in each).

Braze docs, "API limits", 2026-09.
"""

MAX_REQUEST_BYTES: Final = 4_000_000
"""Bytes of a request's body; Braze says 4 MB, and the smaller reading of it is safe under both.

Braze docs, "API limits", 2026-09.
"""

MAX_OBJECT_BYTES: Final = 102_400
"""Bytes of one object: 100 KB for an event's properties and for a nested attribute.

Braze docs, "Recommended events" and "Data types", 2026-09.
"""

TOO_LARGE: Final = f"object larger than {MAX_OBJECT_BYTES} bytes"
"""What is said of an object that is."""

MAX_STRING_CHARACTERS: Final = 255
"""Characters of a string and of a name; a longer string is silently not stored. Braze docs, "Data types", 2026-09."""

MAX_EXTERNAL_ID_BYTES: Final = 987
"""Bytes of an external_id. Braze docs, "User track", error EXTERNAL_USER_ID_TOO_LARGE, 2026-09."""

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly. Braze states no range and rounds large numbers in filters."""

MAX_EXACT_DIGITS: Final = 15
"""Decimal digits that a double always keeps."""

MAX_NUMBER_DIGITS: Final = 400
"""Digits before the point beyond which a number is not even written out as text: 1e999999999 has a billion."""

MAX_DEPTH: Final = 100
"""Levels of a nested value. Ours, not Braze's: no attribute is that deep, and Python's own limit is not far beyond."""

MAX_YEAR: Final = 3000
"""A time beyond it is kept as text, not as a time. Braze docs, "User attributes object", 2025-11."""

MAX_IMAGE_URL_CHARACTERS: Final = 1024
"""Braze docs, "Standard attributes", 2026-08."""

MIN_DEVICE_ID_BYTES: Final = 8
MAX_DEVICE_ID_BYTES: Final = 255
"""Bytes of a push token's device_id. Braze docs, "User track", error BAD_DEVICE_ID, 2026-09."""

MAX_ITEM_NAME_CHARACTERS: Final = 250
"""Characters of an item's id and of a field's name in a catalog. Braze docs, "Create catalog", 2026-09."""

MAX_ITEM_STRING_CHARACTERS: Final = 5_000
"""Characters of a text in a catalog's item. Braze docs, "Create multiple catalog items", 2026-09."""

MAX_QUANTITY: Final = 100
"""Most pieces in one purchase object; a purchase of more becomes several. Braze docs, "Purchase object", 2025-11."""

MAX_PURCHASE_QUANTITY: Final = 7_500
"""Most pieces in one record of a purchase: what fits into one request. Amperity's limit, too ("Braze Purchases")."""

MAX_PROPERTIES: Final = 256
"""Properties of an event; Braze ignores the others. Braze docs, "Event object", 2025-11."""

MAX_PURCHASE_PROPERTIES_BYTES: Final = 51_200
"""Bytes of a purchase's properties. Braze docs, "Purchase object", 2025-11."""

FREE_ATTRIBUTES: Final = frozenset(
    {
        "external_id",
        "braze_id",
        "user_alias",
        "email_subscribe",
        "push_subscribe",
        "subscription_groups",
        "push_tokens",
    }
)
"""Written without a data point. Braze docs, "Data points", 2026-03."""
