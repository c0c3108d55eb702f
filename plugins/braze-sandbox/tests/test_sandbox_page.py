"""The page, as a browser shows it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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
        "Event Times First Last Opened 1 02 Jan 2026, 03:04:05",
        "1 purchased product Revenue 6.00 EUR Product Pieces First Last SKU 3",
    ):
        assert part in page
    assert "1 purchase 201" in text_of(fetched(braze, "/requests"))
    assert "3 pieces bought" in text_of(fetched(braze, "/requests/1"))
    assert "every piece bought" in text_of(fetched(braze, "/data-points"))


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


GROUP = "3f2a0000-0000-4000-8000-000000000001"
KEYS = {"partner_api_key": "k", "client_secret": "s", "cohort_id": "big spenders/1"}


@pytest.fixture
def shop(braze: Client) -> Client:
    """Somebody who was identified, merged, renamed, subscribed and put into a cohort; and a catalog."""
    alias = {"alias_label": "web", "alias_name": "s1"}
    braze.attributes({"external_id": "p", "first_name": "Ada"}, {"external_id": "old", "shoe": 38})
    braze.post("/users/alias/new", {"user_aliases": [alias, {"external_id": "p"}]})
    braze.post("/users/identify", {"aliases_to_identify": [{"external_id": "p", "user_alias": alias}]})
    update = {"identifier_to_merge": {"external_id": "old"}, "identifier_to_keep": {"external_id": "p"}}
    braze.post("/users/merge", {"merge_updates": [update]})
    renames = [
        {"current_external_id": "p", "new_external_id": "q"},
        {"current_external_id": "x", "new_external_id": "y"},
    ]
    braze.post("/users/external_ids/rename", {"external_id_renames": renames})
    group = {"subscription_group_id": GROUP, "subscription_state": "unsubscribed", "external_ids": ["q"]}
    braze.post("/v2/subscription/status/set", {"subscription_groups": [group]})
    braze.post("/partners/acme/cohorts", {**KEYS, "name": "Big spenders", "created_at": "2026-01-01"})
    braze.post("/partners/acme/cohorts/users", {**KEYS, "cohort_changes": [{"user_ids": ["q"]}]})
    fields = [{"name": "id", "type": "string"}, {"name": "price", "type": "number"}]
    braze.post("/catalogs", {"catalogs": [{"name": "products", "description": "Sold", "fields": fields}]})
    braze.send("PUT", "/catalogs/products/items", {"items": [{"id": f"SKU-{n:02d}", "price": n} for n in range(50)]})
    last = [{"id": "SKU-99", "price": 5}, {"id": "SKU-98", "price": 9.5}]
    braze.send("PUT", "/catalogs/products/items", {"items": last})
    braze.send("PUT", "/catalogs/products/items", {"items": [{"id": "SKU-01", "colour": "red"}]})
    return braze


def test_a_profile_shows_groups_cohorts_aliases_and_what_became_of_it(shop: Client) -> None:
    page = text_of(fetched(shop, f"/profiles/{shop.profile('q')['braze_id']}"))
    for part in (
        "External id q Deprecated external id p Alias web: s1",
        f"1 subscription group Group State Since {GROUP} unsubscribed",
        "1 cohort Name Cohort Since Big spenders acme/big spenders/1",
        "shoe 38 Number",
        "identified: took over web: s1",
        "merged: took over old",
        "external id renamed from p to q",
    ):
        assert part in page


def test_requests_of_every_route_are_counted(shop: Client) -> None:
    assert f"Requests {len(shop.requests())} Objects" in text_of(fetched(shop, "/"))


def test_requests_say_in_words_what_they_were_and_did(shop: Client) -> None:
    page = text_of(fetched(shop, "/requests"))
    for part in (
        "POST /users/alias/new 2 aliases 201 · 1 error 1 new profile; 1 alias added 0",
        "POST /users/identify 1 alias to identify 201 1 profile identified 0",
        "POST /users/merge 1 merge 202 1 value in shoe; 1 profile merged 0",
        "POST /users/external_ids/rename 2 renamings 201 · 1 error 1 external id renamed 0",
        "POST /v2/subscription/status/set 1 subscription group 201 1 unsubscribed 0",
        "POST /partners/acme/cohorts/users 1 change 201 1 joined 1",
        "POST /catalogs 1 catalog 201 1 catalog created 0",
        "PUT /catalogs/products/items 50 items 202 50 items created 0",
        "PUT /catalogs/products/items 1 item 400 Invalid Request: invalid-fields",
    ):
        assert part in page
    numbers = {each["path"]: each["number"] for each in shop.requests()}
    renamed = text_of(fetched(shop, f"/requests/{numbers['/users/external_ids/rename']}"))
    assert "external_id_renames 1 'current_external_id' is not the primary external_id of any user" in renamed
    assert "q external id p became q" in renamed
    refused = text_of(fetched(shop, f"/requests/{numbers['/catalogs/products/items']}"))
    assert "invalid-fields: Some of the fields given do not exist in the catalog (SKU-01)" in refused


def test_catalogs_and_cohorts_have_pages(shop: Client, tmp_path: Path) -> None:
    page = shown(f"{shop.address}/browse/catalogs/products?page=2", tmp_path)
    assert "products Sold 52 items" in page
    assert "id string price number SKU-98 9.5 SKU-99 5" in page
    assert "SKU-07 7" in text_of(fetched(shop, "/browse/catalogs/products"))
    assert "1 catalog" in text_of(fetched(shop, "/browse/catalogs"))
    cohorts = fetched(shop, "/browse/cohorts")
    assert "Big spenders acme big spenders/1 1 2026-01-01" in text_of(cohorts)
    (path,) = re.findall(r'href="(/browse/cohorts/[^"]+)"', cohorts)
    assert "Ada q" in text_of(fetched(shop, path))
    assert "Cohorts Big spenders 1" in text_of(fetched(shop, "/data-points"))


def test_a_profile_that_is_gone_says_where_it_went(shop: Client) -> None:
    kept = shop.profile("q")["braze_id"]
    (gone,) = re.findall(r"took over old \((\w+)\)", str(shop.profile("q")["notes"]))
    shop.post("/users/delete", {"external_ids": ["q"]})
    for braze_id, part in ((gone, "This profile was merged"), (kept, "This profile was deleted")):
        answer = shop.session.get(f"{shop.address}/profiles/{braze_id}", timeout=20)
        assert (answer.status_code, part in text_of(answer.text)) == (404, True)


def test_what_is_not_there_yet_says_so(braze: Client) -> None:
    assert "No catalogs yet." in text_of(fetched(braze, "/browse/catalogs"))
    assert "No cohorts yet." in text_of(fetched(braze, "/browse/cohorts"))


@pytest.mark.parametrize(
    "body",
    [{"errors": [{"id": 1}, 5]}, {"errors": {}}, {"rename_errors": [[1], 2, [3, None]]}, {"errors": ["text"]}, "text"],
    ids=str,
)
def test_an_answer_of_any_shape_can_be_shown(braze: Client, body: Any) -> None:
    braze.faults({"kind": "not_success", "path": "/users/delete", "body": body})
    braze.post("/users/delete", {"external_ids": ["p"]})
    for path in ("/", "/requests", "/requests/1"):
        fetched(braze, path)


@pytest.mark.parametrize("path", ["/profiles/none", "/requests/99", "/browse/catalogs/a", "/browse/cohorts/a/b"])
def test_what_is_not_there_is_404(braze: Client, path: str) -> None:
    answer = braze.session.get(braze.address + path, timeout=20)
    assert answer.status_code == 404
    assert "No such" in answer.text


def test_people_are_found_by_an_attribute_of_a_value(braze: Client) -> None:
    braze.attributes(
        {"external_id": "one", "win_back": True, "audiences": ["gold", "new"], "visits": 3},
        {"external_id": "two", "win_back": False, "audiences": ["new"], "visits": 31, "first_name": "Ada"},
        {"external_id": "a=b"},
    )

    def found(search: str) -> list[str]:
        page = fetched(braze, f"/?search={quote(search)}")
        return sorted(re.findall(r"<td>(one|two|a=b)</td>", page))

    assert found("win_back = true") == ["one"]
    assert found("win_back=false") == ["two"]
    assert found("audiences = new") == ["one", "two"]
    assert found("audiences = gold") == ["one"]
    assert found("visits = 3") == ["one"]
    assert found("first_name = Ada") == ["two"]
    assert found("a=b") == ["a=b"]
    assert found("win_back = ") == []
    assert found("nothing = true") == []
    [profile] = braze.profiles(external_id="one")
    page = fetched(braze, f"/profiles/{profile['braze_id']}")
    [link] = re.findall(r'href="(/[?]search=[^"]*)">who else', page)
    assert "1 profile found" in text_of(fetched(braze, html.unescape(link)))
