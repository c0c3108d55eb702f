from __future__ import annotations

import errno
import json
import os
import stat
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from target_braze.errors import DeadLetterError, SettingsError
from target_braze.rejections import Rejection
from target_braze.reports import DEAD_LETTER, DeadLetter, Report

if TYPE_CHECKING:
    from pathlib import Path

IS_ROOT = os.geteuid() == 0


def rejection(value: Any = "x", attribute: str | None = "plan") -> Rejection:
    return Rejection("people", {"external_id": "a"}, "too long", attribute, {"plan": value})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]


def full_disk(report: Report) -> None:
    """Let the system itself say that there is no space left, whenever something is written to the dead letter."""
    (report.folder / DEAD_LETTER).symlink_to("/dev/full")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_the_users_alone(tmp_path: Path) -> None:
    """Rejected records are customer data."""
    previous = os.umask(0)
    try:
        report = Report(tmp_path / "reports")
        report.dead_letter.add([rejection()])
        report.dead_letter.close()
        summary = report.write_summary({"records": 1})
    finally:
        os.umask(previous)
    assert mode(report.folder) == 0o700
    assert mode(report.folder / DEAD_LETTER) == 0o600
    assert mode(summary) == 0o600


def test_latest_points_to_the_newest(tmp_path: Path) -> None:
    first, second = Report(tmp_path), Report(tmp_path)
    assert first.folder != second.folder
    assert (tmp_path / "latest").resolve() == second.folder.resolve()
    assert not (tmp_path / "latest").readlink().is_absolute()  # the folder may be moved or mounted elsewhere
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["latest", first.folder.name, second.folder.name])


def test_run_folders_sort_by_time(tmp_path: Path) -> None:
    folders = [Report(tmp_path).folder for _ in range(5)]
    assert sorted(folders) == folders


def test_summary_is_read_back(tmp_path: Path) -> None:
    report = Report(tmp_path)
    path = report.write_summary({"records": 1, "rejections": {"böse": 2}})
    assert path.samefile(tmp_path / "latest" / "summary.json")
    assert json.loads(path.read_text("utf-8")) == {"records": 1, "rejections": {"böse": 2}}
    assert "\n  " in path.read_text("utf-8")  # for people too


def test_no_dead_letter_without_a_rejection(tmp_path: Path) -> None:
    report = Report(tmp_path)
    report.dead_letter.add([])
    report.dead_letter.sync()
    report.dead_letter.close()
    assert not (report.folder / DEAD_LETTER).exists()


def test_lines_have_the_fixed_keys_in_order(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    letter.add([rejection(), Rejection("people", None, "missing identifier", None, {"plan": "x"})])
    letter.close()
    assert lines(letter.path) == [
        {
            "stream": "people",
            "identity": {"external_id": "a"},
            "reason": "too long",
            "attribute": "plan",
            "object": {"plan": "x"},
        },
        {
            "stream": "people",
            "identity": None,
            "reason": "missing identifier",
            "attribute": None,
            "object": {"plan": "x"},
        },
    ]
    assert [list(line) for line in lines(letter.path)] == [["stream", "identity", "reason", "attribute", "object"]] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Decimal("12345678901234567.890"), Decimal("12345678901234567.890"), id="decimal, all its digits"),
        pytest.param(Decimal("1E+400"), Decimal("1E+400"), id="decimal beyond a double"),
        pytest.param(10**30, 10**30, id="large integer"),
        pytest.param("Zoë\n\u2028\0", "Zoë\n\u2028\0", id="text"),
        pytest.param("half \ud83d of a pair", "half \ud83d of a pair", id="half of a surrogate pair"),
        pytest.param({"a": [{"b": "\ud83d"}]}, {"a": [{"b": "\ud83d"}]}, id="such a half deep inside"),
        pytest.param({"\ud83d": 1}, {"\ud83d": 1}, id="such a half as a key"),
        pytest.param(None, None, id="null"),
    ],
)
def test_values_are_kept_as_they_were(tmp_path: Path, value: Any, expected: Any) -> None:
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    letter.add([rejection(value)])
    letter.close()
    (line,) = letter.path.read_bytes().splitlines()
    assert json.loads(line, parse_float=Decimal)["object"] == {"plan": expected}


@pytest.mark.parametrize("name", ["stream", "identity", "reason", "attribute"])
def test_half_of_a_surrogate_pair_anywhere(tmp_path: Path, name: str) -> None:
    fields: dict[str, Any] = {"stream": "s", "identity": None, "reason": "r", "attribute": "a", "object": {}}
    fields[name] = {"external_id": "\ud83d"} if name == "identity" else "\ud83d"
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    letter.add([Rejection(**fields)])
    letter.close()
    assert lines(letter.path) == [fields]


def test_sync_makes_lines_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(letter.path.stat().st_size))
    letter.sync()
    assert synced == []
    letter.add([rejection()])
    letter.sync()
    assert synced == [letter.path.stat().st_size]
    assert synced[0] > 0
    letter.sync()  # nothing new
    assert len(synced) == 1
    letter.add([rejection()])
    letter.close()
    assert len(synced) == 2


def test_a_full_disk_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """Invariant 3."""
    report = Report(tmp_path)
    full_disk(report)
    report.dead_letter.add([rejection("secret")])
    with pytest.raises(DeadLetterError, match=r"No space left on device.*report_path") as caught:
        report.dead_letter.sync()
    assert "secret" not in str(caught.value)


def test_a_large_rejection_fails_on_a_full_disk_at_once(tmp_path: Path) -> None:
    report = Report(tmp_path)
    full_disk(report)
    with pytest.raises(DeadLetterError):
        report.dead_letter.add([rejection("x" * 100_000)])


def test_closing_on_a_full_disk_is_an_error_too(tmp_path: Path) -> None:
    report = Report(tmp_path)
    full_disk(report)
    report.dead_letter.add([rejection()])
    with pytest.raises(DeadLetterError):
        report.dead_letter.close()


def test_once_a_sync_failed_none_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells of a write-back error once: a second fsync says nothing of what the first one lost."""
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    letter.add([rejection()])
    with monkeypatch.context() as patched:

        def fail(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patched.setattr(os, "fsync", fail)
        with pytest.raises(DeadLetterError):
            letter.sync()
    with pytest.raises(DeadLetterError):
        letter.sync()
    with pytest.raises(DeadLetterError):
        letter.close()


def test_two_threads_open_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that reads and the one that delivers may have their first rejection at the same time."""
    from target_braze import reports

    opened: list[Path] = []
    both_came = threading.Event()
    usual_open = reports._open

    def slow_open(path: Path) -> Any:
        opened.append(path)
        both_came.wait(0.05)  # ends early only if the other thread opens it too
        if len(opened) > 1:
            both_came.set()
        return usual_open(path)

    monkeypatch.setattr(reports, "_open", slow_open)
    letter = DeadLetter(tmp_path / "rejected.jsonl")
    threads = [threading.Thread(target=letter.add, args=([rejection(name)],)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    letter.close()
    assert len(opened) == 1
    assert sorted(line["object"]["plan"] for line in lines(letter.path)) == ["a", "b"]


def test_a_report_path_that_is_a_file_is_a_setting_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"Set `report_path`"):
        Report(tmp_path / "file")


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_a_setting_to_change(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match=r"Permission denied.*`report_path`"):
        Report(tmp_path / "reports")


def test_a_latest_that_is_no_link_is_a_setting_to_change(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(SettingsError, match=r"`report_path`"):
        Report(tmp_path)


def test_a_summary_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    report = Report(tmp_path)
    (report.folder / "summary.json").symlink_to("/dev/full")
    with pytest.raises(SettingsError, match=r"No space left on device.*`report_path`"):
        report.write_summary({"records": 1})
