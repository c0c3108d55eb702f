"""The plan of a dry run: which habits cost more than they need, and how long it takes."""

from __future__ import annotations

from typing import Any

import pytest
from target_braze import endpoints
from target_braze.changes import Change
from target_braze.endpoints import TRACK
from target_braze.mapping import Source
from target_braze.plan import Plan
from target_braze.updates import Attributes, Form, Identity

NAMES = ("days_since_order", "churn_score", "tier")
FORM = Form(NAMES, (1, 1, 1), {})


def attributes(days: str = "3", score: str = "0.51", tier: str = '"gold"') -> Attributes:
    values = [value.encode() for value in (days, score, tier)]
    return Attributes("people", Identity("external_id", "1"), b'"external_id":"1"', FORM, values)


def plan(*changes: tuple[Attributes, tuple[int, ...]], is_known: bool = True) -> Plan:
    watching = Plan(1000)
    for said, chosen in changes:
        changed = tuple(NAMES[index] for index in chosen) if is_known else ()
        watching.note(said, Change(said.update(chosen), is_known=is_known, changed=changed))
    return watching


def habits(watching: Plan, policies: tuple[str, ...] = (), **counted: Any) -> list[tuple[str, str]]:
    stream = {"requests": 1, "unchanged": 0, "held": 0, "attributes": {}, **counted}
    found = watching.summary({"people": stream}, lambda _, name: Source(f"{name}_column", policies))["habits"]
    return [(habit["attribute"], habit["settings"].split(": ", 3)[3]) for habit in found]


@pytest.mark.parametrize(
    ("said", "chosen", "expected"),
    [
        pytest.param(
            attributes(),
            (0,),
            [("days_since_order", "{days_since_order_column: {bucket: [7, 30, 90]}}}}")],
            id="relative",
        ),
        pytest.param(attributes(days='"long"'), (0,), [], id="only its name is relative"),
        pytest.param(
            attributes(score="0.512464"), (1,), [("churn_score", "{churn_score_column: {round: 2}}}}")], id="fraction"
        ),
        pytest.param(attributes(score="0.51"), (1,), [], id="short fraction"),
        pytest.param(attributes(tier='"0.512464"'), (2,), [], id="text"),
    ],
)
def test_a_habit_is_told_with_the_line_that_mends_it(
    said: Attributes, chosen: tuple[int, ...], expected: list[tuple[str, str]]
) -> None:
    assert habits(plan((said, chosen))) == expected


@pytest.mark.parametrize(
    ("unchanged", "is_known", "is_told"),
    [
        pytest.param(18, True, True, id="most of those known"),
        pytest.param(20, True, False, id="half of them"),
        pytest.param(0, True, True, id="all"),
        pytest.param(0, False, False, id="people new to the ledger"),
    ],
)
def test_what_changes_for_most_people_is_told(unchanged: int, is_known: bool, is_told: bool) -> None:
    found = habits(plan(*[(attributes(), (2,))] * 20, is_known=is_known), unchanged=unchanged)
    assert found == ([("tier", "{tier_column: {at_most_every: 7d}}}}")] if is_told else [])


def test_what_has_a_policy_is_not_told() -> None:
    assert habits(plan((attributes(score="0.512464"), (1,))), policies=("tolerance",)) == []


def test_an_attribute_that_is_new_to_people_known_is_no_habit() -> None:
    watching = Plan(1000)
    for _ in range(20):
        watching.note(attributes(), Change(attributes().update((2,)), is_known=True))
    assert habits(watching) == []


def test_few_people_say_nothing() -> None:
    assert habits(plan(*[(attributes(), (2,))] * 19)) == []


DELETIONS, ITEMS = endpoints.DELETIONS["external_id"], endpoints.catalog_items("products", "upsert")


@pytest.mark.parametrize(
    ("sent", "minutes", "at_hourly_limit"),
    [
        pytest.param([TRACK] * 120_000, 4.0, 28.8, id="as the settings allow"),
        pytest.param([endpoints.RENAMINGS] * 5_000, 5.0, 5.0, id="1,000 a minute"),
        pytest.param([TRACK] * 30_000 + [endpoints.RENAMINGS] * 1_000, 2.0, 8.2, id="one after the other"),
        pytest.param([DELETIONS, endpoints.MERGES] * 10_000, 1.0, 1.0, id="a limit that is shared"),
        pytest.param([endpoints.RENAMINGS, endpoints.ID_REMOVALS] * 1_000, 1.0, 1.0, id="limits of their own, in turn"),
        pytest.param([TRACK, ITEMS] * 16_000, 1.07, 3.84, id="a slow one holds the other up"),
    ],
)
def test_how_long_it_takes(sent: list[endpoints.Endpoint], minutes: float, at_hourly_limit: float) -> None:
    plan = Plan(500)
    for endpoint in sent:
        plan.sent(endpoint)
    told = plan.summary({}, lambda _, name: Source(name, ()))
    assert (told["minutes"], told["minutes_at_hourly_limit"]) == pytest.approx((minutes, at_hourly_limit), abs=0.011)
