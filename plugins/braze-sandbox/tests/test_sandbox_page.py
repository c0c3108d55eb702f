"""The page, as a browser shows it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from braze_sandbox.testing import Client

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def shown(address: str, profile: Path) -> str:
    """Return the text of a page as a browser has it once it is loaded."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.fail("No browser to look at the page with; get it with: apt-get install chromium")
    done = subprocess.run(
        [browser, *QUIET, f"--user-data-dir={profile}", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return text_of(done.stdout)


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def fetched(braze: Client, path: str) -> str:
    answer = braze.session.get(braze.address + path, timeout=20)
    assert answer.status_code == 200
    return answer.text


def people(braze: Client, count: int) -> None:
    for start in range(0, count, 75):
        braze.attributes(
            *(
                {
                    "external_id": f"C{n:04d}",
                    "first_name": "Ada",
                    "last_name": f"Number{n:04d}",
                    "email": f"ada{n}@example.com",
                    "loyalty_tier": "gold",
                }
                for n in range(start, min(start + 75, count))
            )
        )


def test_a_browser_shows_people_requests_and_data_points(braze: Client, tmp_path: Path) -> None:
    people(braze, 120)
    braze.attributes({"external_id": "C0007", "loyalty_tier": "platinum"}, {"external_id": "x", "email": ""})
    page = shown(f"{braze.address}/?search=C0007", tmp_path)
    assert "1 profile found" in page
    assert "Ada Number0007 C0007 ada7@example.com 4" in page
    assert "2 attributes objects 201 · 1 error" in page
    assert "1 value in loyalty_tier" in page
    assert re.search(r"Data points by attribute All loyalty_tier 121 email 120", page)


def test_an_empty_sandbox_says_how_to_begin(braze: Client) -> None:
    page = text_of(fetched(braze, "/"))
    assert "No profiles yet." in page
    assert f"curl {braze.address}/users/track" in page
    for path in ("/requests", "/data-points"):
        assert "yet" in text_of(fetched(braze, path))


@pytest.mark.parametrize("search", ["C0042", "ada42@", "number0042", "Ada Number0042"])
def test_people_are_found_by_id_email_and_name(braze: Client, search: str) -> None:
    people(braze, 60)
    page = text_of(fetched(braze, f"/?search={search}"))
    assert "1 profile found" in page
    assert "C0042" in page


@pytest.mark.parametrize("search", ["nobody", "%", "_", "\\"])
def test_a_search_means_what_it_says(braze: Client, search: str) -> None:
    people(braze, 3)
    assert "Nobody matches" in text_of(fetched(braze, f"/?search={search.replace('%', '%25')}"))


def test_people_come_fifty_a_page(braze: Client) -> None:
    people(braze, 120)
    braze.attributes({"external_id": "C0000", "loyalty_tier": "silver"})
    first, last = text_of(fetched(braze, "/")), text_of(fetched(braze, "/?page=3"))
    assert "Page 1 of 3" in first
    assert "Ada Number0000" in first  # written last
    assert "Page 3 of 3" in last
    assert "Ada Number0001" in last
    for page in ("99", "0", "x", "-1"):
        assert "of 3" in text_of(fetched(braze, f"/?page={page}"))


def test_a_profile_shows_everything_about_a_person(braze: Client) -> None:
    braze.track(
        attributes=[
            {"external_id": "p", "first_name": "Ada", "tags": ["a", "b"], "size": {"shoe": 38}, "old": 1, "none": ""},
            {"external_id": "p", "old": None},
        ],
        events=[{"external_id": "p", "name": "Opened", "time": "2026-01-02T03:04:05Z"}],
        purchases=[
            {
                "external_id": "p",
                "product_id": "SKU",
                "currency": "EUR",
                "price": 2,
                "time": "2026-01-02",
                "quantity": 3,
            }
        ],
    )
    page = text_of(fetched(braze, f"/profiles/{braze.profile()['braze_id']}"))
    for part in (
        "External id p",
        "first_name Ada Braze field",
        "tags a b Array",
        'size {"shoe":38} Object',
        "none empty String",
        "old removed",
        "Opened 1 02 Jan 2026, 03:04:05",
        "SKU 3",
        "Revenue 6.00 EUR",
    ):
        assert part in page


def test_a_request_shows_what_changed_what_was_refused_and_what_was_dropped(braze: Client) -> None:
    braze.attributes({"external_id": "p", "tier": "silver"})
    braze.attributes({"external_id": "p", "tier": "gold", "bad": {"x": None}}, {"a": 1})
    page = text_of(fetched(braze, "/requests/2"))
    for part in (
        "1 value in tier; 1 value dropped silently",
        "p tier silver gold",
        "attributes 1 'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required",
        "attributes 0 bad null or other invalid value inside",
        "authorization: [redacted]",
    ):
        assert part in page
    listed = text_of(fetched(braze, "/requests"))
    assert "201 · 1 error" in listed
    assert "Dropped silently" in text_of(fetched(braze, "/data-points"))


def test_requests_that_failed_are_shown_too(braze: Client) -> None:
    braze.faults({"kind": "status", "status": 503})
    braze.attributes({"external_id": "p"})
    braze.track()
    braze.post("/nothing", {})
    page = text_of(fetched(braze, "/requests"))
    assert "503" in page
    assert "fault: status" in page
    assert "Valid data must be provided" in page
    assert "POST /nothing 404" in page
    for number in (1, 2, 3):
        fetched(braze, f"/requests/{number}")


def test_nothing_that_people_send_becomes_part_of_the_page(braze: Client) -> None:
    attack = '"><script>alert(1)</script>'
    braze.settings(lock_detected_types=False)
    braze.track(
        attributes=[
            {"external_id": attack, "first_name": attack, attack: attack, "list": [attack], "object": {"a": attack}}
        ],
        events=[{"external_id": attack, "name": attack, "time": "2026-01-01"}, {"external_id": "p", "name": attack}],
    )
    (profile,) = braze.profiles()
    paths = ("/", f"/?search={attack}", f"/profiles/{profile['braze_id']}", "/requests", "/requests/1", "/data-points")
    for path in paths:
        page = fetched(braze, path)
        assert "alert(1)" in page or path == "/requests"
        assert "<script" not in page


def test_the_page_fetches_and_runs_nothing(braze: Client) -> None:
    answer = braze.session.get(braze.address, timeout=20)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)


@pytest.mark.parametrize("path", ["/profiles/none", "/requests/99"])
def test_what_is_not_there_is_404(braze: Client, path: str) -> None:
    answer = braze.session.get(braze.address + path, timeout=20)
    assert answer.status_code == 404
    assert "No such" in answer.text
