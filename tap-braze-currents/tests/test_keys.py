"""Keys: all layouts Braze has had, what lies beside them, and the hour to list from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_braze_currents.keys import Place, event_type_folder, floor_hour, hour_of, parse, start_after, stream_name

EMAIL_CLICK = "users.messages.email.Click"
TOPIC = "dataexport.prod-03.S3.integration.0123456789abcdef01234567"
AZURE = "dataexport.prod-05.AzureBlob.integration.59"
HOUR = f"event_type={EMAIL_CLICK}/date=2018-06-02-17"
PLACE = Place("0123456789abcdef01234567", EMAIL_CLICK, "2018-06-02-17", None, 316, "prod-03", 0, 72378, "prod-03", "S3")
NAMELESS = Place("", EMAIL_CLICK, "2018-06-02-17", None, None, "", None, None, None, "")


PLACES = {
    "B: schema id": (f"currents/{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro", PLACE),
    "B: no prefix": (f"{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro", PLACE),
    "B: deep prefix": (f"a/b=c/d e/{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro", PLACE),
    "B: absolute path": (f"/home/me/{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro", PLACE),
    "B: prefix of the same words": (
        f"event_type=old/date=2017-01-01-00/{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro",
        PLACE,
    ),
    "C: version, offset not padded": (
        f"currents/{TOPIC}/{HOUR}/version=12/us-01/{TOPIC}+11+123456.avro",
        replace(PLACE, version=12, schema_id=None, zone="us-01", partition=11, offset=123456),
    ),
    "C: other cloud, other kind of type": (
        f"{AZURE}/event_type=agentconsole.agent.AgentExecuted/date=2026-01-31-00/version=5/eu/{AZURE}+2+10.avro",
        Place("59", "agentconsole.agent.AgentExecuted", "2026-01-31-00", 5, None, "eu", 2, 10, "prod-05", "AzureBlob"),
    ),
    "A: no cluster": (
        f"currents/dataexport.S3.integration.59/{HOUR}/7/p/dataexport.S3.integration.59+2+0000035465.avro",
        Place("59", EMAIL_CLICK, "2018-06-02-17", None, 7, "p", 2, 35465, None, "S3"),
    ),
    "A: told by the file's name alone": (
        f"exports/{HOUR}/dataexport.S3.integration.59+2+0000035465.avro",
        Place("59", EMAIL_CLICK, "2018-06-02-17", None, None, "", 2, 35465, None, "S3"),
    ),
    "zone is a number": (f"{TOPIC}/{HOUR}/316/42/{TOPIC}+0+72378.avro", replace(PLACE, zone="42")),
    "both version and schema id": (
        f"{TOPIC}/{HOUR}/316/version=13/prod-03/{TOPIC}+0+72378.avro",
        replace(PLACE, version=13),
    ),
    "unknown: no folder, other name": (f"{HOUR}/part-0.avro", NAMELESS),
    "unknown: by day": (
        f"event_type={EMAIL_CLICK}/date=2018-06-02/x/part-0.avro",
        replace(NAMELESS, hour="2018-06-02-00", zone="x"),
    ),
    "unknown: connector's folder alone": (
        f"{TOPIC}/{HOUR}/part-0.avro",
        replace(PLACE, schema_id=None, zone="", partition=None, offset=None),
    ),
}


@pytest.mark.parametrize(("key", "place"), PLACES.values(), ids=PLACES.keys())
def test_key_tells_its_place(key: str, place: Place) -> None:
    assert parse(key) == place


FOREIGN = {
    "empty": "",
    "settings": "currents/config.json",
    "manifest": f"currents/{TOPIC}/manifest.avro",
    "other ending": f"{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.avro.partial",
    "other case": f"{TOPIC}/{HOUR}/316/prod-03/{TOPIC}+0+0000072378.AVRO",
    "folder": f"{TOPIC}/{HOUR}/",
    "folder called avro": f"{TOPIC}/{HOUR}/x.avro/",
    "beside the file on macOS": f"{TOPIC}/{HOUR}/316/prod-03/._{TOPIC}+0+0000072378.avro",
    "no event type": f"{TOPIC}/date=2018-06-02-17/316/prod-03/{TOPIC}+0+0000072378.avro",
    "empty event type": f"{TOPIC}/event_type=/date=2018-06-02-17/316/prod-03/{TOPIC}+0+0000072378.avro",
    "no date": f"{TOPIC}/event_type={EMAIL_CLICK}/316/prod-03/{TOPIC}+0+0000072378.avro",
    "no such month": f"event_type={EMAIL_CLICK}/date=2018-13-02-17/x.avro",
    "no such hour": f"event_type={EMAIL_CLICK}/date=2018-12-02-24/x.avro",
    "other digits": f"event_type={EMAIL_CLICK}/date=２０18-12-02-23/x.avro",  # noqa: RUF001
    "URL-encoded": f"event_type%3D{EMAIL_CLICK}/date%3D2018-06-02-17/x.avro",
}


@pytest.mark.parametrize("key", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_object_is_no_file(key: str) -> None:
    assert parse(key) is None


@given(st.text())
def test_no_key_is_an_error(text: str) -> None:
    parse(text)
    parse(f"event_type={text}/date=2018-06-02-17/{text}.avro")


@pytest.mark.parametrize(
    ("event_type", "stream"),
    [
        ("users.messages.email.Click", "users_messages_email_click"),
        ("users.UserDeleteRequest", "users_userdeleterequest"),
        ("agentconsole.agent.AgentExecuted", "agentconsole_agent_agentexecuted"),
    ],
)
def test_stream_is_named_as_the_loading_guides_name_its_table(event_type: str, stream: str) -> None:
    assert stream_name(event_type) == stream


@pytest.mark.parametrize(
    "folder", [f"currents/{TOPIC}/event_type=users.X", "event_type=users.X"], ids=["deep", "at the top"]
)
def test_folder_of_a_file(folder: str) -> None:
    assert event_type_folder(f"{folder}/date=2018-06-02-17/version=6/us-01/x+0+1.avro") == folder


@pytest.mark.parametrize("slash", ["", "/"])
def test_listing_starts_before_all_of_the_floors_hour(slash: str) -> None:
    after = start_after(f"p/event_type=users.X{slash}", "2018-06-02-17")
    assert after == "p/event_type=users.X/date=2018-06-02-17"
    below = ["/1/a+0+1.avro", "/version=10/a+10+1.avro", "/999/a+2+1.avro"]
    assert all(after < f"p/event_type=users.X/date=2018-06-02-17{key}" for key in below)
    assert after < "p/event_type=users.X/date=2018-06-02/by-day.avro"
    assert not any(after < f"p/event_type=users.X/date=2018-06-02-16{key}" for key in below)


def test_listing_without_a_floor_starts_at_the_beginning() -> None:
    assert start_after("event_type=users.X/", None) is None


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-31", "2026-01-31-00"),
        ("2026-01-31-05", "2026-01-31-05"),
        (" 2026-01-31-05 ", "2026-01-31-05"),
        ("2026-01-31T05:59:59Z", "2026-01-31-05"),
        ("2026-01-31T05:59:59.123456Z", "2026-01-31-05"),
        ("2026-01-31 05:59", "2026-01-31-05"),
        ("2026-01-31T05:30:00+09:00", "2026-01-30-20"),
    ],
)
def test_date_in_a_setting_is_floored_to_its_utc_hour(text: str, hour: str) -> None:
    assert floor_hour(text) == hour


@pytest.mark.parametrize("text", ["", "yesterday", "2026", "2026-13-01", "2026-01-31-24", "2026-02-30", "31.01.2026"])
def test_what_is_no_date_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-01-31"):
        floor_hour(text)


def test_hour_is_utc() -> None:
    assert hour_of(datetime(2026, 1, 1, 2, 59, tzinfo=timezone(timedelta(hours=3)))) == "2025-12-31-23"
