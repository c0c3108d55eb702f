"""The settings: what each becomes, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest
from tap_braze_currents.errors import SettingsError
from tap_braze_currents.settings import CONFIG, read_settings
from tap_braze_currents.tap import TapBrazeCurrents

KEYS = {"aws_access_key_id": "MADEUPFORTESTS", "aws_secret_access_key": "a-made-up-secret"}


def settings(**config: Any) -> Any:
    return read_settings({"path": "s3://bucket/currents/"} | config)


def test_by_default() -> None:
    made = settings()
    assert made.path == "s3://bucket/currents/"
    assert (made.selection.start_date, made.selection.end_date) == (None, None)
    assert (made.selection.settle_minutes, made.selection.late_arrival_days) == (60, 7)
    assert (made.max_parallel_files, made.is_set_aside, made.expand_json, made.integrations) == (
        16,
        False,
        set(),
        set(),
    )
    assert made.s3 == {}
    assert made.reads("users.messages.email.Send")


@pytest.mark.parametrize("name", sorted(CONFIG["properties"]))
def test_null_is_the_default(name: str) -> None:
    if name != "path":
        assert settings(**{name: None}) == settings()


@pytest.mark.parametrize(
    ("value", "hour"),
    [
        ("2026-01-31", "2026-01-31-00"),
        ("2026-01-31T05:59:59Z", "2026-01-31-05"),
        ("2026-01-31T05:00:00.123456Z", "2026-01-31-05"),
        ("2026-01-31T01:30:00+02:00", "2026-01-30-23"),
        ("2026-01-31T05:00:00", "2026-01-31-05"),
        (" 2026-01-31-05 ", "2026-01-31-05"),
        ("", None),
    ],
)
def test_start_date_is_an_hour(value: str, hour: str | None) -> None:
    assert settings(start_date=value).selection.start_date == hour
    assert settings(end_date=value).selection.end_date == hour


@pytest.mark.parametrize("value", ["yesterday", "31.01.2026", "2026-13-01"])
@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_what_is_no_date(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"`{name}`: '{value}' is no date: write 2026-01-31"):
        settings(**{name: value})


@pytest.mark.parametrize("end", ["2026-01-31", "2026-01-30"])
def test_dates_that_leave_nothing(end: str) -> None:
    with pytest.raises(SettingsError, match=r"`end_date` \(.*\) is not after `start_date`"):
        settings(start_date="2026-01-31", end_date=end)


@pytest.mark.parametrize("path", ["", "  "])
def test_no_path(path: str) -> None:
    with pytest.raises(SettingsError, match="`path` is empty"):
        settings(path=path)


def test_credentials_as_s3fs_names_them() -> None:
    made = settings(**KEYS, aws_session_token="a-token", s3_endpoint_url="http://127.0.0.1:1", requester_pays=True)
    assert made.s3 == {
        "key": "MADEUPFORTESTS",
        "secret": "a-made-up-secret",
        "token": "a-token",
        "endpoint_url": "http://127.0.0.1:1",
        "requester_pays": True,
    }
    assert settings(aws_profile="reader").s3 == {"profile": "reader"}
    assert "a-made-up-secret" not in repr(made)
    role = {"aws_role_arn": "arn:aws:iam::1:role/r", "aws_role_session_name": "nightly", "aws_role_external_id": "x"}
    assert settings(**role).s3 == {
        "role_arn": "arn:aws:iam::1:role/r",
        "role_session_name": "nightly",
        "role_external_id": "x",
    }
    assert settings(aws_role_arn="arn").s3 == {"role_arn": "arn", "role_session_name": "tap-braze-currents"}
    assert settings(**role | {"aws_role_arn": None}).s3 == {}


@pytest.mark.parametrize(
    "some",
    [
        ["aws_access_key_id"],
        ["aws_secret_access_key"],
        ["aws_session_token"],
        ["aws_session_token", "aws_access_key_id"],
    ],
)
def test_half_of_the_credentials(some: list[str]) -> None:
    with pytest.raises(SettingsError, match="belong together") as caught:
        settings(**dict.fromkeys(some, "a-made-up-secret"))
    assert "a-made-up-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("patterns", "event_type", "is_read"),
    [
        (["users.messages.*"], "users.messages.email.Send", True),
        (["users.messages.*"], "users.behaviors.CustomEvent", False),
        (["*.Click", "*.Open"], "users.messages.email.Open", True),
        (["users.messages.email.send"], "users.messages.email.Send", False),
        ([], "agentconsole.AgentExecuted", True),
    ],
)
def test_event_types_are_globs(patterns: list[str], event_type: str, *, is_read: bool) -> None:
    assert settings(event_types=patterns).reads(event_type) is is_read


def test_the_other_settings() -> None:
    made = settings(
        on_unreadable_file="set_aside",
        expand_json=["properties"],
        integrations=["1", "2"],
        max_parallel_files=3,
        settle_minutes=0,
        late_arrival_days=0,
    )
    assert made.is_set_aside
    assert (made.expand_json, made.integrations, made.max_parallel_files) == ({"properties"}, {"1", "2"}, 3)
    assert (made.selection.settle_minutes, made.selection.late_arrival_days) == (0, 0)
    assert settings(full_listing=True, late_arrival_days=3).selection.late_arrival_days is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "'path' is a required property"),
        ({"path": "x", "on_unreadable_file": "ignore"}, "'ignore' is not"),
        ({"path": "x", "max_parallel_files": 0}, "0 is less than the minimum of 1"),
        ({"path": "x", "settle_minutes": -1}, "-1 is less than the minimum"),
        ({"path": "x", "event_types": "users.*"}, "'users.*' is not"),
    ],
)
def test_what_the_schema_refuses(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match="Config validation failed") as caught:
        TapBrazeCurrents(config=wrong)
    assert said in str(getattr(caught.value, "errors", caught.value))
