"""The demo, as `make demo` runs it: a real PostgreSQL, plugins that are not ours, Meltano, ours, sandbox and bucket."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from braze_sandbox.testing import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))  # the demo is not installed
from demo import database, engagement, jobs, purchases, s3, sandbox, screen, warehouse  # noqa: E402

CUSTOMERS = 23_570
PURCHASES, PIECES, ON_THE_LAST_DAY = 69_659, 167_881, 58
BOUGHT = "marketing-purchases"
PARTS = ("demo", "plugins", "tap-braze-currents", "target-braze", "meltano.yml")
SECONDS = 400
FIRST_EVENTS, LATER_EVENTS = 20_000, 2_000
# What can change of a customer who orders again.
DERIVED = {
    *("last_order_date", "lifecycle_stage", "order_count", "items_bought", "one_and_done", "days_between_orders"),
    *("lifetime_revenue", "average_order_value", "largest_order_value", "value_tier"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project in a folder with a blank in its name, where nothing has been made yet."""
    folder = tmp_path_factory.mktemp("demo") / "a project"
    for part in PARTS:
        source = PROJECT / part
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        (shutil.copytree(source, folder / part, ignore=ignored) if source.is_dir() else shutil.copy(source, folder))
    yield folder
    demo(folder, "--stop")


def demo(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(folder / "demo" / "run.py"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def summary(folder: Path, stream: str = "marketing-Braze Customer Attributes") -> dict[str, Any]:
    """The summary of the newest run that delivered a stream."""
    reports = folder / ".meltano" / "target-braze" / "reports"
    every = [json.loads(path.read_text()) for path in sorted(reports.glob("2*/summary.json"))]
    content: dict[str, Any] = [each for each in every if stream in each["streams"]][-1]
    return content


def told(printed: str, what: str) -> int:
    """The number that was printed before some words."""
    found = re.search(rf"([\d,]+) +{what}", printed)
    assert found, printed
    return int(found[1].replace(",", ""))


def address(printed: str) -> str:
    found = re.search(r"Profiles in the sandbox +(http://127\.0\.0\.1:\d+)", printed)
    assert found
    return found[1]


@pytest.mark.timeout(2 * SECONDS)
def test_the_demo_delivers_every_customer_and_does_so_again(project: Path) -> None:
    printed = demo(project)

    assert told(printed, "delivered") == CUSTOMERS
    first = summary(project)
    assert (first["records"], first["delivered"], first["rejected"], first["unfinished"]) == (
        CUSTOMERS,
        CUSTOMERS,
        0,
        0,
    )
    braze = Client(address(printed))
    assert braze.stats()["profiles"] == CUSTOMERS
    assert braze.stats()["dropped"] == {}
    back = summary(project, "marketing-engagement")
    segment = summary(project, "marketing-win_back")
    members = told(printed, "entered, 0 left")
    assert segment["streams"]["marketing-win_back"]["audiences"]["win_back"]["members"] == members > 1000
    assert_purchases_were_sent(project, printed, braze, sent=PURCHASES, before=0)
    every = (first, summary(project, BOUGHT), segment, back)
    assert braze.stats()["data_points"]["total"] == sum(each["data_points"] for each in every)

    attributes = braze.values("00004")  # the first customer of CDNOW who ordered more than once
    # all eight types of the mission
    assert attributes["one_and_done"] is False
    assert attributes["first_order_date"] == "1997-01-01"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", attributes["customer_since"])
    assert attributes["lifetime_revenue"] == 100.5
    assert isinstance(attributes["days_between_orders"], float)
    assert attributes["order_count"] == 4
    assert attributes["value_tier"] == "silver"
    assert re.fullmatch(r"[A-Z]{2}", attributes["country"])

    # and what came back
    assert told(printed, "events of 16 types in the warehouse") == FIRST_EVENTS
    engaged = told(printed, "of 23,570 customers")
    assert 1_000 < engaged < CUSTOMERS / 2
    assert (back["records"], back["delivered"], back["rejected"]) == (engaged, engaged, 0)
    assert back["data_points"] <= 3 * engaged, "last_engagement_date, preferred_channel, emails_opened_90_days"
    profiles = [profile["attributes"] for profile in braze.profiles(limit=CUSTOMERS)]
    answered = [attributes for attributes in profiles if "last_engagement_date" in attributes]
    assert len(answered) == engaged
    assert {each["preferred_channel"] for each in answered if "preferred_channel" in each} == {"email", "push", "sms"}
    assert {each["emails_opened_90_days"] for each in answered} <= {"none", "1", "2 to 4", "5 or more"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", each["last_engagement_date"]) for each in answered)

    assert_the_segment_is_divided([attributes for attributes in profiles if attributes.get("win_back")], members)

    again = demo(project, "--new-orders", "100")

    assert address(again) == address(printed)
    assert braze.stats()["profiles"] == CUSTOMERS
    assert_only_what_changed_was_sent(summary(project), again, first["data_points"])
    assert_purchases_were_sent(project, again, braze, sent=100, before=ON_THE_LAST_DAY)
    assert told(again, "events of 16 types in the warehouse") == FIRST_EVENTS + LATER_EVENTS
    assert events_read(project) == LATER_EVENTS, "nothing is read twice"
    later = summary(project, "marketing-engagement")
    assert later["records"] > engaged
    assert 0 < later["delivered"] <= LATER_EVENTS
    assert later["delivered"] + later["unchanged"] == later["records"]

    assert_nothing_is_sent_without_news(project, address(printed), first["data_points"])
    stopped = demo(project, "--stop")
    assert all(f"{what} stopped" in stopped for what in ("PostgreSQL", "Braze sandbox", "S3 server"))


def events_read(project: Path) -> int:
    """How many events the tap has read in the demo's last run."""
    log = (project / ".demo" / "meltano.log").read_text()
    read = re.findall(r"tap-braze-currents METRIC +metric_name=record_count metric_value=(\d+)", log)
    return sum(map(int, read))


def ended(found: dict[str, Any]) -> tuple[int, int, int]:
    """How many records a run read, sent and did not send again."""
    return found["records"], found["delivered"], found["unchanged"]


def assert_purchases_were_sent(project: Path, printed: str, braze: Client, *, sent: int, before: int) -> None:
    """Those and no other; and those of each person come to what the attributes of the same warehouse say."""
    found = summary(project, BOUGHT)
    assert ended(found) == (sent + before, sent, before)
    assert f"purchases: {sent + before:,} read, {sent:,} sent{f', {before} sent before' if before else ' '}" in printed
    pieces = found["data_points"]
    assert f"{sent:,} purchases, {pieces:,} albums: {pieces:,} data points" in printed
    assert pieces == (100 if before else PIECES)
    assert braze.stats()["data_points"]["purchases"] == {"album": PIECES + (pieces if before else 0)}
    for person in braze.profiles(limit=CUSTOMERS):
        [album] = person["purchases"]
        assert album["count"] == person["attributes"]["items_bought"]
        assert person["revenue"]["USD"] == pytest.approx(person["attributes"]["lifetime_revenue"], abs=0.01)


def assert_the_segment_is_divided(profiles: list[dict[str, Any]], members: int) -> None:
    assert len(profiles) == members
    treatments = Counter(attributes["win_back_treatment"] for attributes in profiles)
    assert treatments.keys() == {"email_offer", "push_offer", "control"}
    assert treatments["control"] < treatments["email_offer"] / 2


def assert_only_what_changed_was_sent(second: dict[str, Any], printed: str, all_points: int) -> None:
    assert (second["records"], second["delivered"], second["unchanged"]) == (CUSTOMERS, 100, CUSTOMERS - 100)
    [changed] = second["streams"].values()
    assert set(changed["attribute_updates"]) <= DERIVED
    assert changed["attribute_updates"]["items_bought"] == 100
    points = f"{second['data_points']:,}"
    assert f"100 customers, {points} attributes: {points} data points instead of {all_points:,}" in printed


def meltano_in(project: Path, address: str) -> Callable[..., str]:
    """Runs Meltano as the demo does; returns what it prints."""
    server, bucket = database.Server(project / ".demo" / "postgres"), s3.Server(project / ".demo")
    variables = jobs.environment(server.url, address, bucket.start())

    def meltano(*arguments: str) -> str:
        command = [str(jobs.MELTANO), "--environment=sandbox", "--log-level=warning", *arguments]
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return meltano


def assert_nothing_is_sent_without_news(project: Path, address: str, all_points: int) -> None:
    meltano = meltano_in(project, address)
    meltano("run", "customer-attributes")
    found = summary(project)
    assert (found["unchanged"], found["requests"], found["data_points"]) == (CUSTOMERS, 0, 0)
    in_words = f"nothing has changed, so nothing was sent: 0 data points instead of {all_points:,}"
    assert screen.taken(found, all_points // CUSTOMERS) == in_words
    assert json.loads(meltano("invoke", "target-braze--ledger", "stats", "--json"))["identities"] == CUSTOMERS

    meltano("run", "purchases")
    found = summary(project, BOUGHT)
    assert ended(found) == (ON_THE_LAST_DAY + 100, 0, ON_THE_LAST_DAY + 100)
    assert (found["requests"], found["data_points"]) == (0, 0)
    assert screen.bought(found) == "nobody has bought anything since, so nothing was sent: 0 data points"


CORRECTION_SQL = "UPDATE shop.purchases SET amount = amount + 1, quantity = quantity + 1 WHERE purchased_on = %s"


@pytest.mark.timeout(2 * SECONDS)
def test_a_purchase_is_known_by_its_key_whatever_is_corrected(project: Path) -> None:
    """Without its key it is known by all it says, and a corrected one is sent twice; so it must come with SCHEMA."""
    server = database.Server(project / ".demo" / "postgres")
    server.start()
    with contextlib.closing(server.connect()) as connection:
        warehouse.fill(connection, purchases.read(purchases.fetch(project / ".demo" / "cdnow")))
        warehouse.build(connection)
    braze = Client(sandbox.start(project))
    meltano = meltano_in(project, braze.address)
    meltano("install", "extractor", "tap-postgres")
    meltano("install", "loader", "target-braze")
    meltano("run", "purchases")
    counted = braze.stats()["data_points"]["purchases"]
    assert counted["album"] >= PIECES

    with contextlib.closing(server.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(CORRECTION_SQL, (purchases.LAST_DAY,))
        corrected = cursor.rowcount
        cursor.execute("SELECT count(*) FROM shop.purchases")
        [[all_of_them]] = cursor.fetchall()
    assert corrected >= ON_THE_LAST_DAY
    meltano("run", "purchases")
    assert ended(summary(project, BOUGHT)) == (corrected, 0, corrected)
    meltano("run", "--full-refresh", "purchases")
    assert ended(summary(project, BOUGHT)) == (all_of_them, 0, all_of_them)
    assert braze.stats()["data_points"]["purchases"] == counted


def ids(path: Path) -> set[str]:
    with path.open("rb") as file:
        records: Any = fastavro.reader(file)
        return {record["id"] for record in records}


DYING_TAP = """\
#!{python}
# The real tap, which is killed in the middle of a file, after so many lines.
import os, signal, subprocess, sys
if "--discover" in sys.argv:
    os.execv({tap!r}, [{tap!r}, *sys.argv[1:]])
process = subprocess.Popen([{tap!r}, *sys.argv[1:]], stdout=subprocess.PIPE)
for number, line in enumerate(process.stdout):
    if number == {lines}:
        os.kill(process.pid, signal.SIGKILL)
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.buffer.write(line)
"""


@pytest.mark.timeout(2 * SECONDS)
def test_no_event_is_missing_after_the_tap_was_killed(project: Path) -> None:
    """SIGKILL in the middle of a file, through `meltano run`, twice at other places; the third run gets through."""
    server, bucket = database.Server(project / ".demo" / "postgres"), s3.Server(project / ".demo")
    server.start()
    address = sandbox.start(project)
    variables = jobs.environment(server.url, address, bucket.start())
    for _ in range(3):
        engagement.happens(project, bucket)
    written = set[str]().union(*map(ids, bucket.buckets.rglob("*.avro")))
    command = [str(jobs.MELTANO), "--environment=sandbox", "run", "engagement-events"]
    program = project / ".meltano" / "extractors" / "tap-braze-currents" / "venv" / "bin" / "tap-braze-currents"
    real = program.with_name("tap-braze-currents.real")
    program.rename(real)
    for lines in (700, 1900):
        program.write_text(DYING_TAP.format(python=sys.executable, tap=str(real), lines=lines))
        program.chmod(0o755)
        killed = subprocess.run(command, cwd=project, env=variables, capture_output=True, timeout=SECONDS, check=False)
        assert killed.returncode == 1, killed.stderr
    real.replace(program)

    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, timeout=SECONDS, check=False)

    assert done.returncode == 0, done.stderr
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (engagement.SCHEMA,))
        tables = [table for (table,) in cursor.fetchall()]
        cursor.execute(" UNION ALL ".join(f'SELECT id FROM {engagement.SCHEMA}."{table}"' for table in tables))
        loaded = [row for (row,) in cursor.fetchall()]
    assert written - set(loaded) == set()
    assert len(loaded) == len(set(loaded)), "the key puts together what came twice"
