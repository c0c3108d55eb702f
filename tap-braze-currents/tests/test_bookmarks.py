"""The bookmark, scenario by scenario: the files of a bucket and a state, the files read and the next state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest
from tap_braze_currents.bookmarks import Bookmark, BookmarkError, Selection
from tap_braze_currents.files import File
from tap_braze_currents.keys import event_type_folder, parse

FOLDER = "currents/dataexport.prod-01.S3.integration.59/event_type=users.X"
OTHER = "currents/dataexport.prod-01.S3.integration.60/event_type=users.X"


def moment(text: str) -> datetime:
    """Read `10 12:30`, a day of March 2026 and a time."""
    return datetime.strptime(f"2026-03-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)


def a_file(
    name: str,
    modified: str,
    *,
    hour: str = "",
    etag: str = "e1",
    size: int = 10,
    folder: str = FOLDER,
    below: str = "9",
) -> File:
    """Make a file; its hour is the one it was written in, unless said."""
    hour = hour or f"2026-03-{modified[:5].replace(' ', '-')}"
    key = f"{folder}/date={hour}/{below}/us-01/{name}.avro"
    place = parse(key)
    assert place
    return File(key, size, etag, moment(modified), place)


def name_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".avro")


@dataclass(frozen=True)
class Run:
    """A run: the bucket's clock, what it lists, and the names of the files it must read, in order."""

    now: str
    files: list[File]
    reads: list[str]
    settings: Selection = field(default_factory=Selection)
    dies_at: str = ""
    unreadable: frozenset[str] = frozenset()


def run(bookmark: Bookmark, step: Run) -> list[str]:
    folders = sorted({event_type_folder(file.key) for file in step.files} | {FOLDER})
    floors = {folder: bookmark.listing_floor(folder, step.settings) or "" for folder in folders}
    listed = [file for file in step.files if file.place.hour >= floors[event_type_folder(file.key)]]
    reads = []
    for file in bookmark.select(listed, moment(step.now), step.settings, folders):
        reads.append(name_of(file.key))
        if reads[-1] == step.dies_at:
            break
        if reads[-1] in step.unreadable:
            bookmark.set_aside(file, "cut short")
        else:
            bookmark.read(file)
    return reads


def state_after(*steps: Run) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for number, step in enumerate(steps):
        bookmark = Bookmark.from_state(state)
        assert run(bookmark, step) == step.reads, f"run {number + 1}"
        state = json.loads(json.dumps(bookmark.to_state()))
    return state


def summary(state: dict[str, Any], folder: str = FOLDER) -> tuple[list[str], list[str]]:
    """Name the file each position is at and the files seen."""
    held = state["folders"].get(folder, {"spans": []})
    return [name_of(span["key"]) for span in held["spans"]], [name_of(key) for key in held.get("seen", {})]


a, b, c = a_file("a", "10 08:00"), a_file("b", "10 08:00"), a_file("c", "10 08:01")
late = a_file("late", "10 10:30", hour="2026-03-10-06")
old = a_file("old", "10 09:00", hour="2024-01-01-00")
slow = a_file("slow", "10 10:10")
recent = a_file("recent", "10 11:30")
january = [a_file(f"jan{day}", "10 08:00", hour=f"2026-01-{day}-00") for day in (10, 20, 30)]
EVERYTHING = Selection(late_arrival_days=None)
FROM_MARCH = Selection(start_date="2026-03-01")
FROM_JANUARY = Selection(start_date="2026-01-15")

# Each: the runs, then the file each position is at, then the files seen.
SCENARIOS: dict[str, tuple[list[Run], list[str], list[str]]] = {
    "nothing there": ([Run("10 12:00", [], [])], [], []),
    "settled files: one position": ([Run("10 12:00", [c, b, a], ["a", "b", "c"])], ["c"], []),
    "second run reads nothing": ([Run("10 12:00", [a, b], ["a", "b"]), Run("10 12:01", [a, b], [])], ["b"], []),
    "recent file is remembered": ([Run("10 12:00", [a, recent], ["a", "recent"])], ["a"], ["recent"]),
    "file exactly as old as what settles is settled": ([Run("10 12:30", [recent], ["recent"])], ["recent"], []),
    "recent file settles": (
        [Run("10 12:00", [a, recent], ["a", "recent"]), Run("10 14:00", [a, recent], [])],
        ["recent"],
        [],
    ),
    "one second split across runs": (
        [Run("10 08:00", [a], ["a"]), Run("10 08:30", [a, b], ["b"]), Run("10 12:00", [a, b], [])],
        ["b"],
        [],
    ),
    "one second split across runs, the later key first": (
        [Run("10 08:00", [b], ["b"]), Run("10 08:30", [a, b], ["a"]), Run("10 12:00", [a, b], [])],
        ["b"],
        [],
    ),
    "late file of an older hour": (
        [Run("10 10:00", [a, c], ["a", "c"]), Run("10 12:00", [a, c, late], ["late"])],
        ["late"],
        [],
    ),
    "upload that comes to light after a later file": (
        [
            Run("10 10:50", [a, late], ["a", "late"]),
            Run("10 11:05", [a, late, slow], ["slow"]),
            Run("10 12:00", [a, late, slow], []),
        ],
        ["late"],
        [],
    ),
    "in key order version 10 precedes 9, and partition 10 precedes 2": (
        [
            Run("10 12:00", [a_file("t+2+1", "10 08:00", below="version=9")], ["t+2+1"]),
            Run("10 12:30", [a_file("t+10+1", "10 12:20", hour="2026-03-10-08", below="version=10")], ["t+10+1"]),
        ],
        ["t+2+1"],
        ["t+10+1"],
    ),
    "recent file written again, shorter": (
        [
            Run("10 12:00", [recent], ["recent"]),
            Run("10 12:10", [a_file("recent", "10 11:30", etag="e2", size=9)], ["recent"]),
            Run("10 12:20", [a_file("recent", "10 11:30", etag="e2", size=9)], []),
        ],
        [],
        ["recent"],
    ),
    "recent file written again, the same": (
        [Run("10 12:00", [recent], ["recent"]), Run("10 12:10", [a_file("recent", "10 11:31")], ["recent"])],
        [],
        ["recent"],
    ),
    "settled file written again, longer": (
        [
            Run("10 12:00", [a, c], ["a", "c"]),
            Run("12 12:00", [a_file("a", "12 09:00", hour="2026-03-10-08", etag="e2", size=11), c], ["a"]),
        ],
        ["a"],
        [],
    ),
    "recent file deleted": (
        [Run("10 12:00", [a, recent], ["a", "recent"]), Run("10 12:10", [a], [])],
        ["a"],
        [],
    ),
    "run that dies reads again only the file in flight": (
        [Run("10 12:00", [a, b, c], ["a", "b"], dies_at="b"), Run("10 12:00", [a, b, c], ["b", "c"])],
        ["c"],
        [],
    ),
    "clock that goes back loses nothing and reads nothing twice": (
        [
            Run("10 12:00", [a, b], ["a", "b"]),
            Run("10 07:00", [a, b, c], ["c"]),
            Run("10 07:00", [a, b, c], []),
            Run("10 12:00", [a, b, c], []),
        ],
        ["c"],
        [],
    ),
    "file from the future is remembered": (
        [Run("10 07:00", [a], ["a"]), Run("10 07:00", [a], []), Run("10 12:00", [a], [])],
        ["a"],
        [],
    ),
    "bucket copied in one second, run that dies: the old hours are still listed": (
        [Run("10 12:00", january, ["jan10", "jan20"], dies_at="jan20"), Run("10 12:00", january, ["jan20", "jan30"])],
        ["jan30"],
        [],
    ),
    "hour older than late_arrival_days is not listed": (
        [Run("10 12:00", [b], ["b"]), Run("11 12:00", [b, old], [])],
        ["b"],
        [],
    ),
    "but is with everything listed": (
        [Run("10 12:00", [b], ["b"]), Run("11 12:00", [b, old], ["old"], EVERYTHING)],
        ["old"],
        [],
    ),
    "start_date is inclusive, end_date exclusive": (
        [
            Run(
                "10 12:00",
                [a_file(str(hour), "10 08:00", hour=f"2026-03-0{hour}-00") for hour in (1, 2, 3, 4)],
                ["2", "3"],
                Selection("2026-03-02", "2026-03-04"),
            )
        ],
        ["3"],
        [],
    ),
    "start_date moved back: the added hours, whenever written": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 12:00", [*january, c], ["jan20", "jan30"], FROM_JANUARY),
            Run("10 12:00", [*january, c], [], FROM_JANUARY),
        ],
        ["c"],
        [],
    ),
    "back-fill that dies goes on where it was": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 12:00", [*january, c], ["jan10", "jan20"], Selection(), dies_at="jan20"),
            Run("10 12:00", [*january, c], ["jan20", "jan30"]),
        ],
        ["c"],
        [],
    ),
    "back-fill of a gap that dies before its first file": (
        [
            Run("10 12:00", [*january, c], ["jan10"], Selection(end_date="2026-01-15")),
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 12:00", [*january, c], ["jan20"], dies_at="jan20"),
            Run("10 12:00", [*january, c], ["jan20", "jan30"]),
        ],
        ["c"],
        [],
    ),
    "back-fill with a recent file of its own is one span again": (
        [
            Run("10 12:00", [c], ["c"], FROM_MARCH),
            Run("10 12:00", [c, a_file("copied", "10 11:50", hour="2026-01-01-00")], ["copied"]),
        ],
        ["c"],
        ["copied"],
    ),
    "back-fill under a clock that is behind stays a span of its own": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 09:00", [*january, c], ["jan20", "jan30"], FROM_JANUARY),
        ],
        ["jan30", "c"],
        [],
    ),
    "start_date moved on excludes, moved back again goes on": (
        [
            Run("10 12:00", [a, *january], ["jan10", "jan20", "jan30", "a"]),
            Run("10 12:00", [a, b, *january], ["b"], FROM_MARCH),
            Run("12 12:00", [a, b, *january, a_file("new", "11 08:00", hour="2026-02-01-00")], [], FROM_MARCH),
            Run("12 12:00", [a, b, *january, a_file("new", "11 08:00", hour="2026-02-01-00")], ["new"], EVERYTHING),
        ],
        ["new"],
        [],
    ),
    "end_date lifted: what it kept out is read although it was written before": (
        [
            Run("10 12:00", [a, late], ["late"], Selection(end_date="2026-03-10-07")),
            Run("10 12:00", [a, late], ["a"]),
        ],
        ["late"],
        [],
    ),
    "end_date before start_date: nothing": (
        [Run("10 12:00", [a, b], [], Selection("2026-03-11", "2026-03-01")), Run("10 12:00", [a], ["a"])],
        ["a"],
        [],
    ),
    "unreadable file is passed over and tried by every run": (
        [
            Run("10 12:00", [a, b, c], ["a", "b", "c"], unreadable=frozenset("b")),
            Run("10 12:00", [a, b, c], ["b"], unreadable=frozenset("b")),
            Run("30 12:00", [a, b, c], ["b"]),
            Run("30 12:00", [a, b, c], []),
        ],
        ["c"],
        [],
    ),
    "unreadable file corrected long after": (
        [
            Run("10 12:00", [a, january[0], c], ["jan10", "a", "c"], unreadable=frozenset({"jan10"})),
            Run("20 12:00", [a, a_file("jan10", "20 09:00", hour="2026-01-10-00", etag="e2"), c], ["jan10"]),
        ],
        ["jan10"],
        [],
    ),
    "unreadable file deleted": (
        [
            Run("10 12:00", [a, b], ["a", "b"], unreadable=frozenset("ab")),
            Run("10 12:00", [b], ["b"], unreadable=frozenset("b")),
        ],
        ["b"],
        [],
    ),
    "folder that comes in sight later is read whole": (
        [Run("10 12:00", [c], ["c"]), Run("10 12:00", [c, a_file("x", "09 08:00", folder=OTHER)], ["x"])],
        ["c"],
        [],
    ),
    "files of two folders are read in one order": (
        [Run("10 12:00", [c, a, a_file("x", "10 08:00", folder=OTHER)], ["a", "x", "c"])],
        ["c"],
        [],
    ),
}


@pytest.mark.parametrize(("steps", "positions", "seen"), SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario_reads_these_files_and_leaves_this_state(
    steps: list[Run], positions: list[str], seen: list[str]
) -> None:
    assert summary(state_after(*steps)) == (positions, seen)


def test_state_of_a_fresh_bookmark_is_empty_and_starts_at_start_date() -> None:
    bookmark = Bookmark.from_state({})
    assert bookmark.to_state() == {"version": 1, "folders": {}}
    assert bookmark.listing_floor(FOLDER, Selection()) is None
    assert bookmark.listing_floor(FOLDER, FROM_MARCH) == "2026-03-01-00"


def test_state_says_all_in_words() -> None:
    step = Run(
        "10 12:00", [*january[1:], b, recent], ["b", "jan20", "jan30", "recent"], FROM_JANUARY, "", frozenset("b")
    )
    step = Run(step.now, step.files, ["jan20", "jan30", "b", "recent"], step.settings, "", step.unreadable)
    assert state_after(step) == {
        "version": 1,
        "folders": {
            FOLDER: {
                "spans": [
                    {
                        "from": "2026-01-15-00",
                        "modified": "2026-03-10T08:00:00Z",
                        "key": "date=2026-03-10-08/9/us-01/b.avro",
                    }
                ],
                "seen": {"date=2026-03-10-11/9/us-01/recent.avro": "2026-03-10T11:30:00Z e1-10"},
                "set_aside": {"date=2026-03-10-08/9/us-01/b.avro": "cut short"},
            }
        },
    }


def test_state_is_the_same_whatever_the_order_of_listing_and_survives_a_round_trip() -> None:
    files = [a, b, c, recent, late, a_file("x", "10 11:40", folder=OTHER)]
    states = []
    for listed in (files, files[::-1]):
        bookmark = Bookmark.from_state({})
        run(bookmark, Run("10 12:00", listed, []))
        states.append(json.dumps(bookmark.to_state()))
    assert states[0] == states[1] == json.dumps(Bookmark.from_state(json.loads(states[0])).to_state())


FLOORS: dict[str, tuple[list[Run], Selection, str | None]] = {
    "position less the days": ([Run("10 12:00", [c], ["c"])], Selection(), "2026-03-03-08"),
    "other days": ([Run("10 12:00", [c], ["c"])], Selection(late_arrival_days=1), "2026-03-09-08"),
    "start_date, if later": ([Run("10 12:00", [c], ["c"])], Selection(start_date="2026-03-09"), "2026-03-09-00"),
    "everything": ([Run("10 12:00", [c], ["c"])], EVERYTHING, None),
    "everything from start_date": (
        [Run("10 12:00", [c], ["c"])],
        Selection(start_date="2026-03-09", late_arrival_days=None),
        "2026-03-09-00",
    ),
    "only recent files": ([Run("10 12:00", [recent], ["recent"])], FROM_MARCH, "2026-03-01-00"),
    "back-fill": ([Run("10 12:00", [c], ["c"], FROM_MARCH)], FROM_JANUARY, "2026-01-15-00"),
    "back-fill of all": ([Run("10 12:00", [c], ["c"], FROM_MARCH)], Selection(), None),
    "back-fill half-way": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 12:00", [*january, c], ["jan10", "jan20"], Selection(), dies_at="jan20"),
        ],
        Selection(),
        "2026-01-20-00",
    ),
    "back-fill done": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run("10 12:00", [*january, c], ["jan10", "jan20", "jan30"]),
        ],
        Selection(),
        "2026-03-03-08",
    ),
    "back-fill done but for a recent file of an old hour": (
        [
            Run("10 12:00", [c], ["c"], FROM_MARCH),
            Run("10 12:00", [c, a_file("copied", "10 11:50", hour="2026-01-01-00")], ["copied"]),
        ],
        Selection(),
        "2026-01-01-00",
    ),
    "back-fill done, a recent file of an old hour after it": (
        [
            Run("10 12:00", [*january, c], ["c"], FROM_MARCH),
            Run(
                "10 12:00",
                [*january, c, a_file("copied", "10 11:50", hour="2026-03-01-05")],
                ["jan10", "jan20", "jan30", "copied"],
            ),
        ],
        Selection(),
        "2026-03-01-05",
    ),
    "file set aside": (
        [Run("10 12:00", [*january, c], ["jan10", "jan20", "jan30", "c"], unreadable=frozenset({"jan20"}))],
        Selection(),
        "2026-01-20-00",
    ),
    "file set aside, but excluded": (
        [Run("10 12:00", [*january, c], ["jan10", "jan20", "jan30", "c"], unreadable=frozenset({"jan20"}))],
        FROM_MARCH,
        "2026-03-03-08",
    ),
}


@pytest.mark.parametrize(("steps", "settings", "floor"), FLOORS.values(), ids=FLOORS.keys())
def test_listing_begins_at(steps: list[Run], settings: Selection, floor: str | None) -> None:
    assert Bookmark.from_state(state_after(*steps)).listing_floor(f"{FOLDER}/", settings) == floor


def test_files_set_aside_are_told_with_their_reasons() -> None:
    state = state_after(Run("10 12:00", [a, b], ["a", "b"], unreadable=frozenset("b")))
    assert Bookmark.from_state(state).files_set_aside == {b.key: "cut short"}


@pytest.mark.parametrize(("left", "told"), [([a], []), ([a, b], [b.key])], ids=["deleted", "still there"])
def test_file_set_aside_is_told_until_it_is_deleted(left: list[File], told: list[str]) -> None:
    broken = frozenset("b")
    state = state_after(
        Run("10 12:00", [a, b], ["a", "b"], unreadable=broken),
        Run("10 12:00", left, ["b"] if b in left else [], unreadable=broken),
    )
    assert list(Bookmark.from_state(state).files_set_aside) == told


def test_files_read_out_of_order_do_not_carry_the_position_over_one_that_is_not() -> None:
    bookmark = Bookmark.from_state({})
    bookmark.select([a, b, c], moment("10 12:00"), Selection())
    bookmark.read(c)
    bookmark.read(a)
    assert summary(bookmark.to_state()) == (["a"], ["c"])
    bookmark.read(b)
    assert summary(bookmark.to_state()) == (["c"], [])


def test_state_of_a_hundred_thousand_files_of_one_second_is_one_position() -> None:
    files = [a_file(f"{number:06}", "10 08:00") for number in range(100_000)]
    bookmark = Bookmark.from_state({})
    for file in bookmark.select(files, moment("10 12:00"), Selection()):
        bookmark.read(file)
    assert summary(bookmark.to_state()) == (["099999"], [])
    assert len(json.dumps(bookmark.to_state())) < 300


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_state_of_another_version_is_refused_with_what_to_do(version: object) -> None:
    with pytest.raises(BookmarkError, match=r"install the version that wrote it, or remove this stream's bookmark"):
        Bookmark.from_state({"version": version, "folders": {}})


@pytest.mark.parametrize(
    "folders",
    [
        None,
        [],
        {FOLDER: None},
        {FOLDER: {"spans": [{"key": "x"}]}},
        {FOLDER: {"spans": [{"key": "x", "modified": "yesterday"}]}},
        {FOLDER: {"spans": [{"key": "x", "modified": "2026-03-10T08:00:00"}]}},
        {FOLDER: {"spans": [{"key": 1, "modified": "2026-03-10T08:00:00Z"}]}},
        {FOLDER: {"seen": ["x"]}},
    ],
    ids=str,
)
def test_damaged_state_is_refused_with_what_to_do(folders: object) -> None:
    with pytest.raises(BookmarkError, match=r"is damaged .* restore it, or remove this stream's bookmark"):
        Bookmark.from_state({"version": 1, "folders": folders})


def test_state_without_a_bookmark_is_fresh() -> None:
    assert Bookmark.from_state({"replication_key": "_sdc_source_modified"}).to_state()["folders"] == {}


def test_dates_of_a_selection_are_whole_hours() -> None:
    selection = Selection("2026-03-01", "2026-04-01T10:30:00+02:00")
    assert (selection.start_date, selection.end_date) == ("2026-03-01-00", "2026-04-01-08")
    with pytest.raises(ValueError, match="is no date"):
        Selection(start_date="soon")
