"""Where Braze's instances are, and that no key travels unencrypted."""

from __future__ import annotations

import pytest
from target_braze.errors import SettingsError
from target_braze.instances import INSTANCES, checked_base_url, is_loopback, rest_endpoint

ENDPOINTS = {
    **{f"US-0{n}": f"https://rest.iad-0{n}.braze.com" for n in range(1, 9)},
    "US-10": "https://rest.us-10.braze.com",
    "EU-01": "https://rest.fra-01.braze.eu",
    "EU-02": "https://rest.fra-02.braze.eu",
    "AU-01": "https://rest.au-01.braze.com",
    "ID-01": "https://rest.id-01.braze.com",
    "JP-01": "https://rest.jp-01.braze.com",
    "KR-01": "https://rest.kr-01.braze.com",
}


@pytest.mark.parametrize(("instance", "endpoint"), ENDPOINTS.items())
def test_codes(instance: str, endpoint: str) -> None:
    """Vector C82."""
    assert rest_endpoint(instance) == endpoint


def test_all_instances_are_named() -> None:
    assert (*ENDPOINTS, "sandbox") == INSTANCES


@pytest.mark.parametrize(
    ("instance", "endpoint"),
    [
        (" eu-01 ", ENDPOINTS["EU-01"]),
        ("us03", ENDPOINTS["US-03"]),
        ("US_03", ENDPOINTS["US-03"]),
        ("https://dashboard-03.braze.com/sign_in?x=1", ENDPOINTS["US-03"]),
        ("dashboard-02.braze.eu", ENDPOINTS["EU-02"]),
        ("https://dashboard.kr-01.braze.com", ENDPOINTS["KR-01"]),
        ("https://REST.iad-05.braze.com/", ENDPOINTS["US-05"]),
        ("http://rest.us-10.braze.com", ENDPOINTS["US-10"]),
    ],
)
def test_other_spellings(instance: str, endpoint: str) -> None:
    assert rest_endpoint(instance) == endpoint


@pytest.mark.parametrize(
    "instance",
    [
        "US-09",
        "US-11",
        "EU-03",
        "braze",
        "https://dashboard-03.braze.com.example.com",
        "https://[",
        "rest.iad-09.braze.com",
    ],
)
def test_unknown_instances(instance: str) -> None:
    with pytest.raises(SettingsError, match=r"Unknown instance .*US-01.*base_url"):
        rest_endpoint(instance)


def test_a_key_in_the_wrong_setting_is_not_repeated() -> None:
    """Invariant 5."""
    key = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    for check in (rest_endpoint, checked_base_url):
        with pytest.raises(SettingsError, match="looks like an API key") as caught:
            check(key)
        assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        (" https://rest.iad-03.braze.com/ ", "https://rest.iad-03.braze.com"),
        ("https://gateway.example.com:8443/braze//", "https://gateway.example.com:8443/braze"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("http://127.0.0.1:8001/", "http://127.0.0.1:8001"),
        ("http://[::1]:8001", "http://[::1]:8001"),
    ],
)
def test_base_urls(base_url: str, expected: str) -> None:
    assert checked_base_url(base_url) == expected


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("http://rest.iad-03.braze.com", "plain http to rest.iad-03.braze.com"),
        ("HTTP://10.0.0.1", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://0.0.0.0", "plain http"),
        ("http://example.com\\@localhost", "user name"),
        ("http://localhost@example.com", "user name"),
        ("https://user:secret@example.com", "user name"),
        ("https://example.com\\x", "user name"),
        ("https://example.com/?key=1", "a query"),
        ("https://example.com/#x", "a fragment"),
        ("rest.iad-03.braze.com", "not an address"),
        ("ftp://example.com", "not an address"),
        ("https://", "not an address"),
        ("https://exam ple.com", "not an address"),
        ("https://example.com:99999", "not an address"),
        ("https://[::1", "not an address"),
    ],
)
def test_base_urls_that_are_refused(base_url: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        checked_base_url(base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("me", False)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
