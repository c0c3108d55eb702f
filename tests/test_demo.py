"""The demo, as `make demo` runs it: a real PostgreSQL, a tap that is not ours, Meltano, the target and the sandbox."""

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
PARTS = ("demo", "plugins", "target-braze", "meltano.yml")
SECONDS = 240


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


def summary(folder: Path) -> dict[str, Any]:
    path = folder / ".meltano" / "target-braze" / "reports" / "latest" / "summary.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def address(printed: str) -> str:
    found = re.search(r"Profiles in the sandbox +(http://127\.0\.0\.1:\d+)", printed)
    assert found
    return found[1]


@pytest.mark.timeout(2 * SECONDS)
def test_the_demo_delivers_every_customer_and_does_so_again(project: Path) -> None:
    printed = demo(project)

    assert f"{CUSTOMERS:>9,}  delivered" in printed
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
    assert braze.stats()["data_points"]["total"] == first["data_points"]

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

    again = demo(project, "--new-orders", "100")

    assert address(again) == address(printed)
    assert summary(project)["delivered"] == CUSTOMERS
    assert braze.stats()["profiles"] == CUSTOMERS
