"""What a stream's settings say of how often columns may be updated, and which attributes they keep from being sent.

The rest of them is in test_settings.py.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as assume_any
from hypothesis import strategies as st
from target_braze.columns import Columns
from target_braze.errors import SettingsError
from target_braze.layouts import LAYOUTS
from target_braze.policies import Buckets, Policy
from target_braze.settings import read_settings
from target_braze.stream_settings import FieldSettings, StreamSettings


def field(**given: Any) -> FieldSettings:
    settings = read_settings({"instance": "sandbox", "streams": {"people": {"fields": {"ltv": given}}}}, {})
    found = settings.stream("people").fields["ltv"]
    assert found is not None
    return found


MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"round": 2}, FieldSettings(decimals=2), id="decimals"),
        pytest.param({"round": 0}, FieldSettings(decimals=0), id="integers"),
        pytest.param({"round": -15}, FieldSettings(decimals=-15), id="before the point"),
        pytest.param(
            {"bucket": [7, 30.5]},
            FieldSettings(buckets=Buckets((Decimal(7), Decimal("30.5")), ("<7", "7-30.5", ">=30.5"))),
            id="edges",
        ),
        pytest.param(
            {"bucket": {"edges": [7, 30], "labels": ["week", "month", "older"]}},
            FieldSettings(buckets=Buckets((Decimal(7), Decimal(30)), ("week", "month", "older"))),
            id="edges and labels",
        ),
        pytest.param(
            {"bucket": {"edges": [7], "labels": None}},
            FieldSettings(buckets=Buckets((Decimal(7),), ("<7", ">=7"))),
            id="edges and no labels",
        ),
        pytest.param({"tolerance": 5}, FieldSettings(policy=Policy(tolerance=5.0)), id="tolerance"),
        pytest.param({"tolerance": 0.5}, FieldSettings(policy=Policy(tolerance=0.5)), id="tolerance with decimals"),
        pytest.param({"tolerance": 0}, FieldSettings(policy=Policy(tolerance=0.0)), id="no tolerance"),
        pytest.param(
            {"tolerance": " 2.5 % "}, FieldSettings(policy=Policy(tolerance=0.025, is_share=True)), id="share"
        ),
        pytest.param({"at_most_every": "30m"}, FieldSettings(policy=Policy(at_most_every_seconds=30 * MINUTE)), id="m"),
        pytest.param({"at_most_every": "12h"}, FieldSettings(policy=Policy(at_most_every_seconds=12 * HOUR)), id="h"),
        pytest.param({"at_most_every": " 7 d "}, FieldSettings(policy=Policy(at_most_every_seconds=7 * DAY)), id="d"),
        pytest.param({"at_most_every": "2w"}, FieldSettings(policy=Policy(at_most_every_seconds=14 * DAY)), id="w"),
        pytest.param({"only_if_empty": True}, FieldSettings(policy=Policy(only_if_empty=True)), id="only if empty"),
        pytest.param({"only_if_empty": False}, FieldSettings(), id="not only if empty"),
        pytest.param({"round": None, "tolerance": None, "bucket": None}, FieldSettings(), id="empty settings"),
        pytest.param(
            {"round": 1, "tolerance": "5%", "at_most_every": "7d", "only_if_empty": True},
            FieldSettings(
                decimals=1,
                policy=Policy(tolerance=0.05, is_share=True, at_most_every_seconds=7 * DAY, only_if_empty=True),
            ),
            id="together",
        ),
        pytest.param(
            {"bucket": [0], "at_most_every": "7d"},
            FieldSettings(buckets=Buckets((Decimal(0),), ("<0", ">=0")), policy=Policy(at_most_every_seconds=7 * DAY)),
            id="buckets now and then",
        ),
    ],
)
def test_policies(given: dict[str, Any], expected: FieldSettings) -> None:
    assert field(**given) == expected


@pytest.mark.parametrize("entry", [{"nulls": "skip"}, {"fields": {"a": {"nulls": "skip"}}}], ids=["stream", "field"])
def test_nulls_are_a_matter_of_attributes(entry: dict[str, Any]) -> None:
    for kind in ("events", "catalog_items"):
        config = {"instance": "sandbox", "streams": {"s": {"object": kind, **entry}}}
        with pytest.raises(SettingsError, match=rf"nulls` says nothing of {kind}, only of attributes"):
            read_settings(config, {})
    assert field(nulls="skip") == FieldSettings(nulls="skip")


def test_what_an_update_does_with_the_rest_of_an_element_has_to_be_said() -> None:
    fields = {"bookings": {"operation": "$update"}}
    with pytest.raises(SettingsError, match=r"`streams\.people\.merge_objects: true` changes only what"):
        read_settings({"instance": "sandbox", "streams": {"people": {"fields": fields}}}, {})
    for merge_objects in (True, False):
        config = {"instance": "sandbox", "streams": {"people": {"fields": fields, "merge_objects": merge_objects}}}
        assert read_settings(config, {}).stream("people").merge_objects is merge_objects


def test_which_policies_are_given() -> None:
    together = field(round=1, tolerance=5, at_most_every="7d", only_if_empty=True)
    assert together.policies == ("round", "only_if_empty", "tolerance", "at_most_every")
    assert field(bucket=[0]).policies == ("bucket",)
    assert field(name="x").policies == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"round": True}, r"ltv\.round` is True; write how many decimals", id="round: a boolean"),
        pytest.param({"round": 1.5}, r"ltv\.round` is 1\.5", id="round: no whole number"),
        pytest.param({"round": "2"}, r"ltv\.round` is '2'", id="round: text"),
        pytest.param({"round": 16}, r"ltv\.round` is 16; .* from 0 to 15", id="round: more than a double has"),
        pytest.param({"bucket": 7}, r"ltv\.bucket` is neither a list of edges", id="bucket: a number"),
        pytest.param({"bucket": {"labels": []}}, r"ltv\.bucket` is neither", id="bucket: no edges given"),
        pytest.param({"bucket": {"edges": [1], "names": []}}, r"nor \{edges, labels\}", id="bucket: unknown setting"),
        pytest.param({"bucket": []}, r"ltv\.bucket` is \[\]; write numbers", id="bucket: no edges"),
        pytest.param({"bucket": [1, True]}, r"ltv\.bucket` is \[1, True\]; write numbers", id="bucket: a boolean"),
        pytest.param({"bucket": {"edges": "7"}}, r"ltv\.bucket\.edges` is '7'; write numbers", id="bucket: text"),
        pytest.param({"bucket": [float("inf")]}, r"ltv\.bucket` is \[inf\]; write numbers", id="bucket: infinity"),
        pytest.param({"bucket": [30, 7]}, r"ltv\.bucket` is \[30, 7\], which does not ascend", id="bucket: unsorted"),
        pytest.param(
            {"bucket": {"edges": [7, 7.0]}}, r"bucket\.edges` .* does not ascend", id="bucket: one edge twice"
        ),
        pytest.param(
            {"bucket": {"edges": [7, 30], "labels": ["a", "b"]}}, r"bucket\.labels` has to be a list of 3", id="labels"
        ),
        pytest.param({"bucket": {"edges": [7], "labels": "ab"}}, r"has to be a list of 2", id="labels: text"),
        pytest.param({"bucket": {"edges": [7], "labels": ["a", 1]}}, r"labels` has 1; a label is text", id="label: 1"),
        pytest.param({"bucket": {"edges": [7], "labels": ["a", " "]}}, r"labels` has ' '", id="label: blank"),
        pytest.param({"bucket": {"edges": [7], "labels": ["a", "x" * 256]}}, r"1 to 255 characters", id="label: long"),
        pytest.param({"bucket": {"edges": [7], "labels": ["a", "\ud800"]}}, r"a label is text", id="label: no Unicode"),
        pytest.param(
            {"bucket": [7], "round": 0}, r"ltv\.bucket` .* nothing is left for `round`", id="bucket and round"
        ),
        pytest.param(
            {"bucket": [7], "tolerance": 1}, r"ltv\.bucket` .* left for `tolerance`", id="bucket and tolerance"
        ),
        pytest.param({"nulls": "keep"}, r"ltv\.nulls` is 'keep', which is none of", id="nulls: another word"),
        pytest.param({"nulls": "skip", "operation": "inc"}, r"operation` is for .*nulls", id="nulls of an operation"),
        pytest.param({"tolerance": -1}, r"ltv\.tolerance` is -1; write a number such as 5", id="tolerance: negative"),
        pytest.param({"tolerance": "-5%"}, r"ltv\.tolerance` is '-5%'", id="tolerance: negative share"),
        pytest.param({"tolerance": True}, r"ltv\.tolerance` is True", id="tolerance: a boolean"),
        pytest.param({"tolerance": "5"}, r"ltv\.tolerance` is '5'; .* such as `5%`", id="tolerance: text"),
        pytest.param({"tolerance": float("nan")}, r"ltv\.tolerance` is nan", id="tolerance: NaN"),
        pytest.param({"at_most_every": "7"}, r"ltv\.at_most_every` is '7'; .*7d", id="time without a unit"),
        pytest.param({"at_most_every": 7}, r"ltv\.at_most_every` is 7; .*7d", id="time: a number"),
        pytest.param({"at_most_every": "1y"}, r"ltv\.at_most_every` is '1y'; .*30m", id="time: unknown unit"),
        pytest.param({"at_most_every": "0d"}, r"ltv\.at_most_every` is '0d'", id="time: none"),
        pytest.param({"at_most_every": "-1d"}, r"ltv\.at_most_every` is '-1d'", id="time: negative"),
        pytest.param({"only_if_empty": "yes"}, r"ltv\.only_if_empty` is 'yes'; write true", id="only if empty: text"),
        pytest.param({"rounding": 1}, r"fields\.ltv` has 'rounding', which is none of name, .*only_if", id="unknown"),
    ],
)
def test_policies_that_make_no_sense_are_found_before_the_first_record(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        field(**given)
    assert str(caught.value).startswith("`streams.people.fields.ltv")


@pytest.mark.parametrize("kind", ["events", "purchases"])
@pytest.mark.parametrize(
    ("given", "setting"),
    [({"tolerance": 1}, "tolerance"), ({"at_most_every": "1d"}, "at_most_every"), ({"only_if_empty": True}, "only_if")],
)
def test_what_happened_is_not_held(kind: str, given: dict[str, Any], setting: str) -> None:
    entry = {"object": kind, "fields": {"total": {"type": "decimal", **given}}}
    message = rf"`streams\.shop\.fields\.total\.{setting}.* {kind} happen and do not change"
    with pytest.raises(SettingsError, match=message):
        read_settings({"instance": "sandbox", "streams": {"shop": entry}}, {})


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        pytest.param(StreamSettings(), "plan", False, id="any column"),
        pytest.param(StreamSettings(fields={"plan": None}), "plan", True, id="left out"),
        pytest.param(StreamSettings(fields={"plan": FieldSettings(decimals=2)}), "plan", False, id="its own name"),
        pytest.param(StreamSettings(fields={"plan": FieldSettings(name="tier")}), "plan", True, id="renamed"),
        pytest.param(StreamSettings(fields={"plan": FieldSettings(name="tier")}), "tier", False, id="its new name"),
        pytest.param(
            StreamSettings(fields={"plan": FieldSettings(name="tier"), "tier": None}), "tier", False, id="in its place"
        ),
        pytest.param(StreamSettings(only=frozenset({"tier"})), "plan", True, id="not among those"),
        pytest.param(StreamSettings(only=frozenset({"plan"})), "plan", False, id="among those"),
        pytest.param(
            StreamSettings(fields={"plan": FieldSettings(name="tier")}, only=frozenset({"plan"})),
            "tier",
            False,
            id="among those by its old name",
        ),
        pytest.param(
            StreamSettings(fields={"plan": FieldSettings(name="tier")}, only=frozenset({"other"})),
            "tier",
            True,
            id="renamed and not among those",
        ),
        pytest.param(StreamSettings(only=frozenset({"Email"}), lookalikes="map"), "email", False, id="look-alike"),
        pytest.param(StreamSettings(only=frozenset({"Email"}), lookalikes="send"), "email", True, id="sent as it is"),
    ],
)
def test_what_can_never_be_sent(settings: StreamSettings, name: str, expected: bool) -> None:
    """Of such attributes the ledger forgets what it knows."""
    assert settings.excludes(name) is expected


SOURCES = ["plan", "tier", "email", "Email", "E-Mail"]


@assume_any(
    fields=st.dictionaries(
        st.sampled_from(SOURCES),
        st.none() | st.builds(FieldSettings, name=st.none() | st.sampled_from(["plan", "tier", "email"])),
    ),
    only=st.none() | st.frozensets(st.sampled_from(SOURCES)),
    lookalikes=st.sampled_from(["map", "send"]),
)
def test_law_that_what_is_excluded_has_no_column(fields: Any, only: frozenset[str] | None, lookalikes: str) -> None:
    """And what is not excluded has one. Left out as well are names that only a look-alike could have."""
    settings = StreamSettings(fields=fields, only=only, lookalikes=lookalikes)
    layout = LAYOUTS[settings.object_kind]
    named: set[str] = set()
    for source in SOURCES:
        plan = Columns("people", settings, layout)
        plan.add(source, {})
        named |= plan.sources.keys()
    for name in ("plan", "tier", "email"):
        if name != "email" or only is not None or lookalikes == "send":
            assert settings.excludes(name) == (name not in named)
