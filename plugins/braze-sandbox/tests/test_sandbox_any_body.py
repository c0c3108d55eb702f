"""Whatever a body says, the sandbox answers it as Braze does and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_sandbox.ecommerce import SCHEMAS
from braze_sandbox.standard_fields import NEVER_ATTRIBUTES, NORMALISERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["2026-01-02", "a@example.com", "+4930123456", "EUR", "Germany", "Europe/Berlin", "opted_in", *SCHEMAS]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
KEYS = TEXTS | st.sampled_from(["inc", "add", "remove", "$add", "$remove", "$update", "$time", "$identifier_key"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
NAMES = TEXTS | st.sampled_from(
    [
        *NORMALISERS,
        *NEVER_ATTRIBUTES,
        *("name", "time", "properties", "product_id", "price", "currency", "quantity", "a", "b", "bio"),
    ]
)
GOOD = st.fixed_dictionaries(
    {
        "external_id": st.sampled_from(["p", "q", 1]),
        "name": st.just("e") | st.sampled_from(sorted(SCHEMAS)),
        "time": st.just("2026-01-02"),
        "product_id": st.just("s"),
        "price": st.floats(allow_nan=False, allow_infinity=False),
        "currency": st.just("EUR"),
    }
)
OTHERS = st.dictionaries(NAMES, VALUES, max_size=5)
ITEMS = st.builds(lambda good, others: {**good, **others}, GOOD, OTHERS) | OTHERS | VALUES
BODIES = st.dictionaries(
    st.sampled_from(["attributes", "events", "purchases"]), st.lists(ITEMS, max_size=4) | VALUES, max_size=3
)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=BODIES)
def test_any_body_is_answered(braze: Client, body: dict[str, Any]) -> None:
    # Not reset between the examples: what one leaves behind, the next must cope with.
    answer = braze.track(**body)
    assert answer.status_code in {201, 400}, answer.text
    said = answer.json()
    if answer.status_code == 201:
        assert said["message"] == "success"
        refused = {(error["input_array"], error["index"]) for error in said.get("errors", [])}
        for array, items in body.items():
            if isinstance(items, list):
                accepted = said.get(f"{array}_processed", 0)
                assert accepted + sum(each == array for each, _ in refused) == len(items)
    number = braze.stats()["requests"]
    for path in ("/", f"/requests/{number}", "/data-points"):
        assert braze.session.get(braze.address + path, timeout=20).status_code == 200
    for profile in braze.profiles(limit=3):
        page = braze.session.get(f"{braze.address}/profiles/{profile['braze_id']}", timeout=20)
        assert page.status_code == 200
