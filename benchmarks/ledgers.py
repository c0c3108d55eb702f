"""Ledgers that runs begin with: filled once by a run of target-braze, kept in the cache, and copied for each run."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import target_braze

from benchmarks import lines
from benchmarks.processes import WrongResultError, own_environment

if TYPE_CHECKING:
    from benchmarks.processes import Stub

TARGET: Final = str(Path(sys.executable).with_name("target-braze"))
_UNCHANGING: Final = (".sst", ".table")
"""Endings of files that are never written to once they are there, only replaced: two ledgers may share them."""


def prepare(customers: int, settings: dict[str, Any], stub: Stub) -> Path:
    """The ledger after so many customers were delivered as they are at first.

    Args:
        customers: How many.
        settings: What shapes the records: settings beside connection and files.
        stub: Where it delivers; a ledger knows where.

    Raises:
        WrongResultError: If it could not be filled.
    """
    version = _version()
    for old in lines.FOLDER.glob("ledger-*"):
        if version not in old.name:
            shutil.rmtree(old, ignore_errors=True)
    shaped_by = zlib.crc32(json.dumps([settings, stub.base_url]).encode())
    folder = lines.FOLDER / f"ledger-{version}-{customers}-{shaped_by:08x}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        print(f"filling a ledger with {customers:,} customers ...", file=sys.stderr)
        _fill(unfinished, customers, settings, stub)
        unfinished.replace(folder)
    return folder / "ledger"


@functools.cache
def _version() -> str:
    """What stands for all that made a ledger: much of target-braze shapes what is in it."""
    sources = sorted(Path(target_braze.__file__).parent.glob("*.py"))
    made_by = zlib.crc32(b"".join(source.read_bytes() for source in sources))
    return f"{lines.version()}-{made_by:08x}"


def _fill(folder: Path, customers: int, settings: dict[str, Any], stub: Stub) -> None:
    config = folder / "config.json"
    own = {"ledger": str(folder / "ledger"), "report_path": str(folder / "reports"), "max_requests_per_second": 5000}
    config.write_text(json.dumps({"base_url": stub.base_url, "api_key": "benchmark", **own, **settings}))
    # not from a file: of five million customers it would be three gigabytes
    written = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.lines", str(customers)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    with written:
        done = subprocess.run(
            [TARGET, "--config", str(config)],
            stdin=written.stdout,
            cwd=folder,
            env=own_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or written.returncode:
        raise WrongResultError(f"the ledger could not be filled:\n{done.stderr[-3000:]}")


def copy(ledger: Path, to: Path) -> None:
    """Copy a ledger, at once, however large it is."""

    def copied(source: str, target: str) -> str:
        if source.endswith(_UNCHANGING):
            os.link(source, target)
            return target
        return str(shutil.copy2(source, target))

    shutil.copytree(ledger, to, copy_function=copied)
