"""The demo, as `make demo` runs it: a real PostgreSQL, plugins that are not ours, Meltano, ours, sandbox and bucket."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent
CUSTOMERS = 23_570
PARTS = ("demo", "plugins", "tap-braze-currents", "target-braze", "meltano.yml")
SECONDS = 400
FIRST_EVENTS, LATER_EVENTS = 20_000, 2_000


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
    assert braze.stats()["data_points"]["total"] == first["data_points"] + back["data_points"]

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

    again = demo(project, "--new-orders", "100")

    assert address(again) == address(printed)
    assert summary(project)["delivered"] == CUSTOMERS
    assert braze.stats()["profiles"] == CUSTOMERS
    assert told(again, "events of 16 types in the warehouse") == FIRST_EVENTS + LATER_EVENTS
    log = (project / ".demo" / "meltano.log").read_text()
    read = re.findall(r"tap-braze-currents METRIC +metric_name=record_count metric_value=(\d+)", log)
    assert sum(map(int, read)) == LATER_EVENTS, "nothing is read twice"
    assert summary(project, "marketing-engagement")["delivered"] > engaged
    stopped = demo(project, "--stop")
    assert all(f"{what} stopped" in stopped for what in ("PostgreSQL", "Braze sandbox", "S3 server"))
