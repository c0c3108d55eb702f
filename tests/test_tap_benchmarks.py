"""The tap's benchmark: it runs, its tables are whole, what is wrong does not count. No times."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # benchmarks are not installed, and pytest may run from anywhere

from benchmarks import events, slow_bucket, tap_processes  # noqa: E402
from benchmarks.processes import WrongResultError  # noqa: E402


def test_a_small_run_fills_all_tables() -> None:
    sizes = {"--records": 2_000, "--plain-records": 500, "--files": 30, "--rounds": 1, "--delay": 1}
    command = [sys.executable, "benchmarks/run_tap.py", *(str(word) for pair in sizes.items() for word in pair)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)

    assert run.returncode == 0, run.stderr
    rows = [line.split("|")[1].strip() for line in run.stdout.splitlines() if line.startswith("| ")]
    decoding = ["fastavro and msgspec, 1 core"]
    decoding += [f"tap, {source}, {cores}" for source in ("folder", "S3") for cores in ("1 core", "2 cores")]
    decoding += ["plain SDK tap, folder, 1 core"]
    goals = [
        *(f"{place}, 1 core: at least 1.0 x fastavro" for place in ("folder", "S3")),
        *(f"{place}, 2 cores: at least 1.5 x fastavro" for place in ("folder", "S3")),
        "folder, 1 core: better still, at least 1.8 x fastavro",
        "folder, 1 core: at least 3 x the plain SDK tap",
    ]
    assert rows == [
        "large files",
        *(f"null: {label}" for label in decoding),
        "null: tap, folder, 1 core, start and end",
        "null: tap, S3, 1 core, start and end",
        "null: tap, S3, 3 x the input",
        *(f"deflate: {label}" for label in decoding),
        "small files",
        "tap, 16 files at once (default)",
        "tap, 64 files at once",
        "one GET after another",
        "goal",
        *(f"{codec}, {goal}" for codec in ("null", "deflate") for goal in goals),
        "small files, 16 at once: at least 8 x one GET after another",
        "small files, 64 at once: at least 8 x one GET after another",
        "less than 300 MB of memory",
        "less than 300 MB of memory, 3 x the input",
    ]
    assert "nan" not in run.stdout


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_records_are_counted_however_the_pipe_cuts_them(size: int) -> None:
    last = b'{"type":"STATE","value":{}}\n'
    written = b'{"type":"RECORD","stream":"s","record":{}}\n' * 3 + last
    counter = tap_processes.Counter()
    for start in range(0, len(written), size):
        counter.take(written[start : start + size])

    assert (counter.records, counter.size, b"".join(counter.last_line)) == (3, len(written), last)


def test_a_process_that_fails_has_no_speed(tmp_path: Path) -> None:
    with pytest.raises(WrongResultError, match="exited 3"):
        tap_processes.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, 1)


def test_the_slow_bucket_lists_all_keys_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = slow_bucket.Objects(events.prepare_small(25), 0)
    monkeypatch.setattr(slow_bucket, "PAGE_KEYS", 10)
    query: dict[str, Any] = {"prefix": ["dataexport"]}
    found: list[str] = []
    pages = 0
    while pages == 0 or "continuation-token" in query:
        page = objects.page(query).decode()
        found += re.findall("<Key>(.*?)</Key>", page)
        token = re.search("<NextContinuationToken>(.*?)</", page)
        query = {"prefix": ["dataexport"]} | ({"continuation-token": [token[1]]} if token else {})
        pages += 1

    assert pages == 3
    assert found == objects.keys


def test_the_slow_bucket_lists_folders_and_from_a_key_on() -> None:
    objects = slow_bucket.Objects(events.prepare_small(25), 0)
    folder = objects.keys[0].partition("/date=")[0]
    folders = objects.page(parse_qs(f"prefix={folder}/&delimiter=/")).decode()
    rest = objects.page({"prefix": [folder], "start-after": [f"{folder}/date=2026-01-01-20"]}).decode()

    assert folders.count("<CommonPrefixes>") == 25
    assert "<Contents>" not in folders
    assert rest.count("<Contents>") == 5
