"""What the memberships of a record's person add to what it says."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from target_braze.audience_mapping import FLAG, AudienceMapper, MemberForm, treatment_key
from target_braze.audiences import read_audiences
from target_braze.errors import SettingsError
from target_braze.stream_settings import StreamSettings, read_stream_settings
from target_braze.updates import Identity

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.timezone.utc)
ADA = Identity("external_id", "ada")
COLUMNS = {
    "external_id": {"type": "string"},
    "plan": {"type": "string"},
    "seen_at": {"type": "string", "format": "date-time"},
    "seen_on": {"type": "string", "format": "date"},
}
GOLD: dict[str, Any] = {"name": "gold", "stream": "people", "where": {"field": "plan", "eq": "gold"}}
RECORD = {"external_id": "ada", "plan": "gold"}


def mapper(*entries: dict[str, Any], now: dt.datetime = NOW, **stream: Any) -> AudienceMapper:
    settings = read_stream_settings(stream, "streams.people", StreamSettings())
    return AudienceMapper("people", {"properties": COLUMNS}, settings, read_audiences(list(entries or (GOLD,))), now)


def said(of: AudienceMapper, record: dict[str, Any], was_in: tuple[str, ...] = ()) -> dict[str, Any]:
    mapped = of.joined(of.map(record), ADA, of.contribution(record, ADA, was_in))
    if mapped.attributes is None:
        return {}
    values = [json.loads(value) for value in mapped.attributes.values]
    return dict(zip(mapped.attributes.form.names, values, strict=True))


def test_a_flag_is_said_of_who_is_in_or_left_and_of_nobody_else() -> None:
    assert said(mapper(), RECORD) == {"plan": "gold", "gold": True, FLAG + "gold": True}
    none = {**RECORD, "plan": "none"}
    assert said(mapper(), none) == {"plan": "none"}
    assert said(mapper(), none, ("gold",)) == {"plan": "none", "gold": False, FLAG + "gold": False}


def test_a_flag_is_never_sent() -> None:
    of = mapper()
    mapped = of.joined(of.map(RECORD), ADA, of.contribution(RECORD, ADA, ()))
    assert mapped.attributes is not None
    whole = mapped.attributes.whole()
    assert json.loads(whole.body) == {"external_id": "ada", "plan": "gold", "gold": True}
    assert whole.shape.data_points == {"plan": 1, "gold": 1}


def test_where_a_flag_alone_differs_what_the_audience_writes_goes_again() -> None:
    form = MemberForm(("plan", "gold", FLAG + "gold"), {}, {"gold"})
    assert form.body(b'"external_id":"ada"', [b"1", b"2", b"3"], (2,)) == b'{"external_id":"ada","gold":2}'
    assert form.shape((2,), None).data_points == {"gold": 1}


def test_who_leaves_without_a_record_is_not_created() -> None:
    leave = mapper({**GOLD, "attributes": {"offer": "X"}}).leave(ADA, {"gold"}, {"gold"})
    update = leave.whole()
    flags = {"_update_existing_only": True}
    assert json.loads(update.body) == {"external_id": "ada", "gold": False, "offer": None, **flags}
    assert update.records == 0


def test_a_record_that_is_refused_as_a_whole_stays_so() -> None:
    of = mapper({**GOLD, "attributes": {"offer": {"field": "plan"}}})
    record = {**RECORD, "plan": "gold" * 1000}
    assert "gold" not in said(of, record)


@pytest.mark.parametrize(
    ("where", "has_digests", "is_daily"),
    [
        ({"field": "plan", "eq": "gold"}, True, False),
        ({"field": "seen_on", "within": "90d"}, True, True),
        ({"field": "seen_at", "within": "90d"}, False, False),
        (
            {"any": [{"field": "seen_at", "gt": "2026-01-01"}, {"not": {"field": "seen_on", "before": "2d"}}]},
            True,
            True,
        ),
    ],
)
def test_digests_hold_as_long_as_answers_do(where: dict[str, Any], *, has_digests: bool, is_daily: bool) -> None:
    today, tomorrow = (mapper({**GOLD, "where": where}, now=NOW + dt.timedelta(days=days)) for days in (0, 1))
    assert today.has_digests is has_digests
    assert (today.fingerprint({}) != tomorrow.fingerprint({})) is is_daily
    assert today.fingerprint({}) == mapper({**GOLD, "where": where}, now=NOW + dt.timedelta(hours=1)).fingerprint({})


def test_digests_end_with_a_phase_and_with_the_settings_that_matter() -> None:
    usual = mapper({**GOLD, "end": "2026-11-25"}).fingerprint({})
    assert mapper({**GOLD, "end": "2026-11-25"}, now=NOW + dt.timedelta(days=1)).fingerprint({}) != usual
    assert mapper({**GOLD, "end": "2026-11-25", "attributes": {"offer": 1}}).fingerprint({}) != usual
    assert mapper({**GOLD, "end": "2026-11-25", "max_leaving": 5, "full_table": True}).fingerprint({}) == usual


def test_a_column_that_nobody_announced_is_no_audiences_attribute() -> None:
    of = mapper()
    with pytest.raises(SettingsError, match="'gold', which an audience writes"):
        of.map({**RECORD, "gold": 1})


def test_a_treatment_hangs_on_kind_and_value() -> None:
    people = [ADA, Identity("email", "ada"), Identity("user_alias", ("a", "b")), Identity("user_alias", ("b", "a"))]
    assert len({treatment_key(person) for person in people}) == len(people)
