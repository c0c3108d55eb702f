"""A second process that maps ahead changes nothing but the pace, whatever becomes of it."""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_braze import entries, mapped_ahead, mapping_ahead, mapping_process, run, sink
from target_braze.compiled import CompiledMapper
from target_braze.entries import Entry
from target_braze.hashes import Hasher, value_hashes
from target_braze.mapped_ahead import BETWEEN, FRAME, NOBODY, Heap, MapperAhead, Way, decode, decode_heap, encode
from target_braze.mapping import Mapper
from target_braze.mapping_ahead import MappingAhead
from target_braze.sealing import Cover
from target_braze.settings import read_settings
from target_braze.stream_settings import StreamSettings
from target_braze.target import TargetBraze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.register_assert_rewrite("scripted_runs")
sys.path.append(str(Path(__file__).parent))
scripted = importlib.import_module("scripted_runs")
laws = importlib.import_module("test_changes_laws")

KEY = b"k" * 32
COLUMNS = {
    "external_id": {"type": "string"},
    "plan": {"type": ["string", "null"]},
    "visits": {"type": ["integer", "null"]},
    "spent": {"type": ["number", "null"], "multipleOf": 0.01},
    "seen_at": {"type": ["string", "null"], "format": "date-time"},
    "tags": {"type": ["array", "null"]},
    "extra": {"type": ["object", "null"]},
}
VALUES = {
    "plan": st.none() | st.text(max_size=5) | st.integers(),
    "visits": st.none() | st.integers(-(2**60), 2**60) | st.text(max_size=3),
    "spent": st.none() | st.decimals(-100, 100, places=2).map(float) | st.booleans(),
    "seen_at": st.none() | st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00", "soon"]),
    "tags": st.none() | st.lists(st.text(max_size=3) | st.integers(), max_size=3) | st.text(max_size=3),
    "extra": st.none() | st.dictionaries(st.sampled_from(["a", "$add"]), st.lists(st.integers(), max_size=2)),
}
RECORDS = st.lists(
    st.fixed_dictionaries({"external_id": st.text(max_size=3) | st.integers() | st.none(), **VALUES}).map(
        lambda record: json.dumps(record).encode()
    ),
    min_size=1,
    max_size=5,
)
OPTIONS = st.builds(StreamSettings, merge_objects=st.booleans(), update_existing_only=st.booleans())


def heap_of(records: list[bytes]) -> Heap:
    return Heap(BETWEEN.join(records), [b"digest of 16 byt"] * len(records))


@given(records=RECORDS, options=OPTIONS, layout=st.sampled_from([(3, 1), (300, 70_000), None]))
@settings(max_examples=300, deadline=None)
def test_it_says_what_this_process_would_find_out(
    records: list[bytes], options: StreamSettings, layout: tuple[int, int] | None
) -> None:
    """A law, for any records; what needs judgement is left alone."""
    mapper, hasher, cover = (
        CompiledMapper(Mapper("people", {"properties": COLUMNS}, options), ()),
        Hasher(KEY),
        Cover(KEY),
    )
    other = MapperAhead(CompiledMapper(Mapper("people", {"properties": COLUMNS}, options), ()), hasher, cover, layout)
    heap = decode(encode(other.map(decode_heap(encode(heap_of(records))))))
    assert len(heap) == len(records)
    for index, (record, ahead) in enumerate(zip(records, heap.mapped(), strict=True)):
        mapped = mapper.map(record)
        if mapped is None or ahead is None:
            assert mapped is None
            assert ahead is None
            assert heap.keys[index] == NOBODY
            continue
        key, seed = hasher.identity(mapped.identity)
        is_plain = mapped.points is None and mapped.is_mergeable
        assert heap.keys[index] == (key if is_plain else NOBODY)
        if layout is not None:
            entry = Entry(layout[0], value_hashes(mapped.values, seed), {layout[1]: b"digest of 16 byt"})
            assert cover.uncover([heap.learned[index]]) == [entries.encode(entry)]
        said = mapper.attributes(ahead)
        for name in ("stream", "identity", "named", "form", "points", "is_mergeable", "size"):
            assert getattr(said, name) == getattr(mapped, name)
        assert [*said.values] == [*mapped.values]
        assert len(said.values) == len(mapped.values)
        assert said.values[0] == mapped.values[0]
        everything = tuple(range(len(mapped.values)))
        for chosen in (everything, everything[1:]):
            assert said.update(chosen) == mapped.update(chosen)
        assert ahead.person == (key, seed)
        assert ahead.details.hashes == value_hashes(mapped.values, seed)


# The process itself


def way(**fields: Any) -> Way:
    config = {"api_key": "made-up", "base_url": "http://127.0.0.1:1", "streams": {"people": {"fields": fields}}}
    return Way("people", {"properties": COLUMNS}, read_settings(config).stream("people"), ("external_id",), (1, 2))


def record(number: int, **fields: Any) -> bytes:
    nothing = dict.fromkeys(COLUMNS)
    return json.dumps({**nothing, "external_id": f"p{number}", "visits": number, **fields}).encode()


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[MappingAhead]:
    monkeypatch.setattr(mapping_ahead, "MANY", -1)
    monkeypatch.setattr(mapping_ahead, "FEW", 1)
    monkeypatch.setattr(mapping_ahead, "_is_possible", lambda: True)
    monkeypatch.setattr(mapping_ahead, "_load", lambda: 0.0)
    made = MappingAhead(KEY)
    yield made
    made.close()


def begin(ahead: MappingAhead) -> subprocess.Popen[bytes]:
    """Wait until the process is ready."""
    deadline = time.monotonic() + 30
    while not ahead.is_worth(10):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert ahead._process is not None
    return ahead._process._popen


class Finished(list[Any]):
    """What came of heaps, in order."""

    def heap(self, number: int) -> Callable[[Any], None]:
        return lambda heap: self.append((number, heap.mapped()))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"plan": {"name": "tier"}, "extra": None},
        {"spent": {"round": 1}, "visits": {"bucket": [1, 5]}},
        {"spent": {"tolerance": "5%", "at_most_every": "7d"}, "plan": {"only_if_empty": True}},
    ],
)
def test_heaps_are_finished_in_order_with_what_it_says(ahead: MappingAhead, fields: dict[str, Any]) -> None:
    begin(ahead)
    finished, this = Finished(), way(**fields)
    heaps = [[record(10 * heap + number) for number in range(3)] for heap in range(9)]
    for number, heap in enumerate(heaps):
        ahead.put(this, heap_of(heap), finished.heap(number))
        assert len(ahead._line) <= mapping_ahead._DEPTH
    ahead.catch_up()
    mapper = CompiledMapper(Mapper(this.stream, this.schema, this.settings), this.key_properties)
    alone = MapperAhead(mapper, Hasher(KEY), Cover(KEY), this.layout)
    expected = [(number, alone.map(heap_of(heap)).mapped()) for number, heap in enumerate(heaps)]
    assert all(each is not None for _, answers in expected for each in answers)
    assert [number for number, _ in finished] == [*range(9)]
    assert encode([answers for _, answers in finished]) == encode([answers for _, answers in expected])


def test_large_heaps_do_not_lock_the_two_up(ahead: MappingAhead) -> None:
    begin(ahead)
    finished, this = Finished(), way()
    heap = [record(number, plan="x" * 250, tags=["y" * 200] * 40) for number in range(900)]
    assert sum(map(len, heap)) > 4 * mapping_ahead._PIPE_BYTES
    for number in range(6):
        ahead.put(this, heap_of(heap), finished.heap(number))
    ahead.catch_up()
    assert [len(answers) for _, answers in finished] == [900] * 6


def test_ways_are_told_again_when_there_were_too_many(ahead: MappingAhead) -> None:
    begin(ahead)
    finished = Finished()
    ways = [way(plan={"name": f"plan_{number}"}) for number in range(mapping_process.MAX_WAYS + 3)]
    for number, each in enumerate([*ways, *ways]):
        ahead.put(each, heap_of([record(number)]), finished.heap(number))
    ahead.catch_up()
    names = [b"plan_%d" % (number % len(ways)) for number in range(len(finished))]
    assert [name in answers[0].body for name, (_, answers) in zip(names, finished, strict=True)] == [True] * len(names)
    assert len(finished) == 2 * len(ways)


def test_another_way_of_mapping_overtakes_nothing(ahead: MappingAhead) -> None:
    begin(ahead)
    finished = Finished()
    ahead.put(way(), heap_of([record(1)]), finished.heap(0))
    ahead.put(way(), heap_of([record(2)]), finished.heap(1))
    assert [number for number, _ in finished] == [0]


@pytest.mark.parametrize("end", ["killed", "hung", "nonsense", "columns that differ", "another heap", "too little"])
def test_what_becomes_of_it_is_no_matter(
    ahead: MappingAhead, end: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = begin(ahead)
    finished, this = Finished(), way()
    ahead.put(this, heap_of([record(1)]), finished.heap(0))
    ahead.catch_up()
    assert ahead._process is not None
    with caplog.at_level(logging.WARNING):
        if end == "killed":
            process.kill()
            process.wait()
        elif end == "hung":
            monkeypatch.setattr(mapping_ahead, "_PATIENCE_SECONDS", 0.05)
            os.kill(process.pid, signal.SIGSTOP)
        else:
            another = mapped_ahead.MappedHeap(["p"], [NOBODY], [0], b"", [], encode([None]))
            another = mapped_ahead.MappedHeap(["p"], [NOBODY], [0], b"", [], encode([None]))
            frames = {
                "nonsense": (2, b"nonsense"),
                "columns that differ": (2, encode((["p", "q"], [NOBODY], [0], b"", [], b""))),
                "another heap": (7, encode(another)),
                "too little": (2, encode(mapped_ahead.NOTHING)),
            }
            frame = frames[end]
            monkeypatch.setattr(ahead._process, "read", lambda: frame)
        for number in range(1, 8):
            ahead.put(this, heap_of([record(number)]), finished.heap(number))
        ahead.catch_up()
    assert [number for number, _ in finished] == [*range(8)]
    assert not any(answers for _, answers in finished[1:])
    assert len(caplog.records) == 1
    assert "Nothing is lost" in caplog.text
    assert not ahead.is_worth(10_000)
    process.wait(5)


def test_it_outlives_signals_and_not_the_pipe(ahead: MappingAhead) -> None:
    process = begin(ahead)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    finished = Finished()
    ahead.put(way(), heap_of([record(1)]), finished.heap(0))
    ahead.catch_up()
    assert finished[0][1][0].name == "p1"
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def test_its_key_is_nowhere_to_be_seen(ahead: MappingAhead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_BRAZE_LEDGER_KEY", "made-up-secret")
    process = begin(ahead)
    for name in ("cmdline", "environ"):
        seen = Path(f"/proc/{process.pid}/{name}").read_bytes()
        assert KEY not in seen
        assert b"made-up-secret" not in seen


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, target_braze.mapping_process as process\n"
        "try: process.main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    hello = FRAME.pack(len(KEY), 0, 0) + KEY
    ended = subprocess.run([sys.executable, "-c", code], input=hello, capture_output=True, check=True)
    assert ended.stdout == FRAME.pack(0, 0, 0)
    found = {*ended.stderr.decode().split()}
    assert "target_braze.compiled" in found
    heavy = {"singer_sdk.typing", "numpy", "aiohttp", "rocksdict", "requests", "target_braze.run"}
    assert not heavy & found


def test_it_is_not_started_for_few_or_slow_records(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(mapping_ahead, "_is_possible", lambda: True)
    ahead = MappingAhead(KEY)
    for _ in range(50):  # many in all, and never many in a short time
        assert not ahead.is_worth(mapping_ahead.MANY // 2)
        now[0] += mapping_ahead.SHORT_SECONDS
    assert ahead._process is None
    monkeypatch.setattr(mapping_ahead, "_is_possible", lambda: False)
    alone = MappingAhead(KEY)
    for _ in range(50):
        assert not alone.is_worth(mapping_ahead.MANY)
    assert alone._process is None


def test_it_is_not_started_on_a_machine_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    load = [2.5]
    monkeypatch.setattr(mapping_ahead, "_is_possible", lambda: True)
    monkeypatch.setattr(mapping_ahead, "_Process", InThisProcess)
    monkeypatch.setattr(os, "getloadavg", lambda: (load[0] * (os.cpu_count() or 1), 0.0, 0.0))
    ahead = MappingAhead(KEY)
    assert not any(ahead.is_worth(mapping_ahead.MANY) for _ in range(5))
    assert ahead._process is None
    load[0] = 1.5
    assert [ahead.is_worth(mapping_ahead.MANY) for _ in range(4)][-1]


def test_one_processor_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert not MappingAhead(KEY)._is_possible


# In whole runs


class InThisProcess:
    """Stands in for the process: maps the same way, and is lost when so many heaps were read or written."""

    lost_after = -1

    def __init__(self) -> None:
        self._frames: list[tuple[int, bytes]] = []
        self._mappers: dict[int, MapperAhead] = {}
        self._key = b""
        self._left = self.lost_after

    def is_ready(self) -> bool:
        return True

    def write(self, number: int, heap: int, body: bytes) -> None:
        self._count()
        if not self._key:
            self._key = body
        elif heap == 0:
            told: Way = pickle.loads(body)
            mapper = CompiledMapper(Mapper(told.stream, told.schema, told.settings), told.key_properties)
            self._mappers[number] = MapperAhead(mapper, Hasher(self._key), Cover(self._key), told.layout)
        else:
            self._frames.append((heap, encode(self._mappers[number].map(decode_heap(body)))))

    def read(self) -> tuple[int, bytes]:
        self._count()
        return self._frames.pop(0)

    def end(self) -> None:
        pass

    def _count(self) -> None:
        if self._left == 0:
            raise mapping_ahead._LostError("is lost")
        self._left -= 1


@pytest.fixture(scope="module")
def folders() -> Iterator[Any]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as root:
        yield (Path(root) / str(number) for number in itertools.count())


NEW = st.builds(
    laws.Record,
    st.just("people"),
    st.sampled_from("abcdefghij"),
    st.fixed_dictionaries({"a": st.sampled_from([1, 2, None]), "b": st.sampled_from(["x", "y", scripted.REFUSED])}),
    st.sampled_from([0, 0, 0, 1]),  # few that need judgement
)
SAID = st.one_of(
    st.lists(laws.records(laws.PLAIN), min_size=1, max_size=12),
    st.lists(NEW, min_size=4, max_size=20),
    st.lists(NEW, min_size=4, max_size=20, unique_by=lambda record: record.person),
    st.lists(st.one_of(NEW, NEW, NEW, laws.records(laws.PLAIN)), min_size=4, max_size=20),
)
RUN = st.tuples(
    SAID,
    st.sets(st.integers(0, 20), max_size=4),
    laws.LAGS,
    st.integers(1, 5),
    st.booleans(),
    st.just(-1) | st.integers(0, 12),
)


@given(runs=st.lists(RUN, min_size=1, max_size=3), fewest=st.sampled_from([1, 1, 3]))
@settings(max_examples=150, deadline=None)
def test_runs_are_the_same_with_and_without_it(folders: Any, runs: list[Any], fewest: int) -> None:
    """What is sent, in which order, what is acknowledged and counted; A to B to A in heaps under way included.

    New people many at once too, whatever comes of them later: said more of, rejected, sent with others.
    """
    worlds = [scripted.World(next(folders), laws.SCHEMAS) for _ in range(2)]
    for said, cuts, lags, size, states, lost_after in runs:
        options = {"max_objects_per_request": size, **laws.USUAL}
        alone = worlds[0].run(laws.heaps(said, cuts, states=states), scripted.Script(lags), **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mapping_ahead, "MANY", -1)
            patch.setattr(mapping_ahead, "FEW", 0)
            patch.setattr(mapping_ahead, "_is_possible", lambda: True)
            patch.setattr(mapping_ahead, "_load", lambda: 0.0)
            patch.setattr(mapping_ahead, "_Process", InThisProcess)
            patch.setattr(InThisProcess, "lost_after", lost_after)
            patch.setattr(sink, "FEWEST", fewest)
            ahead = worlds[1].run(laws.heaps(said, cuts, states=states), scripted.Script(lags), **options)
        assert ahead.requests == alone.requests
        assert ahead.states == alone.states
        assert {**ahead.summary, "seconds": 0} == {**alone.summary, "seconds": 0}
        assert worlds[1].braze.profiles == worlds[0].braze.profiles
        assert worlds[1].untrue() == []
        assert contents(worlds[1]) == contents(worlds[0])


def contents(world: Any) -> Any:
    """What can be compared of two ledgers: how much is known of people, and of which records that they are settled."""
    with world.ledger() as ledger:
        known = [entries.decode(value) for _, value in ledger.items()]
        return sorted((len(entry.hashes), settled(entry, ledger.table)) for entry in known)


def settled(entry: Entry, table: Any) -> list[tuple[int, bool]]:
    return sorted((stream, digest in table) for stream, digest in entry.records.items())


def lines(count: int) -> list[bytes]:
    schema = {"type": "SCHEMA", "stream": "people", "schema": {"properties": COLUMNS}, "key_properties": []}
    made = [json.dumps(schema).encode()]
    for number in range(count):
        made.append(b'{"type":"RECORD","stream":"people","record":%b}' % record(number % (count - count // 10)))
        if number % 5000 == 4999:
            made.append(b'{"type":"STATE","value":%d}' % (number + 1))
    return [line + b"\n" for line in made]


def listen(world: Any, source: Any, **options: Any) -> Any:
    """A run of the real reader."""
    ended = scripted.Ended()
    with world._scripted(scripted.Script((3, 0))):
        target = TargetBraze(config=world.config(options))
        target.__dict__["run"] = current = run.Run(target.settings, scripted.ENDPOINT, ended.states.append)
        current._states.acknowledger.min_seconds = float("-inf")
        target.process_lines(source)
        ended.summary = current.finish()
    ended.requests = world.braze.requests
    return ended


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is there from the first heap on."""
    monkeypatch.setattr(mapping_ahead, "MANY", -1)
    monkeypatch.setattr(mapping_ahead, "FEW", 1)
    monkeypatch.setattr(mapping_ahead, "_is_possible", lambda: True)
    monkeypatch.setattr(mapping_ahead, "_load", lambda: 0.0)
    watch = MappingAhead._watch

    def wait(ahead: MappingAhead, unknown: int) -> None:
        watch(ahead, unknown)
        deadline = time.monotonic() + 30
        while ahead._process is not None and not ahead._process.is_ready():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    monkeypatch.setattr(MappingAhead, "_watch", wait)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("is_killed", [False, True])
def test_the_real_reader_with_the_real_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_killed: bool
) -> None:
    """Also if it is killed in the middle: everything is sent once, and nothing else."""
    path = tmp_path / "lines"
    path.write_bytes(b"".join(lines(20_000)))
    schemas: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(mapping_ahead, "_is_possible", lambda: False)
        alone = listen(scripted.World(tmp_path / "alone", schemas), file)
    read, answers = mapping_ahead._Process.read, []

    def read_and_kill(process: Any) -> Any:
        answers.append(read(process))
        if len(answers) == 4 and is_killed:
            os.kill(process._popen.pid, signal.SIGKILL)
        return answers[-1]

    monkeypatch.setattr(mapping_ahead._Process, "read", read_and_kill)
    with path.open("rb") as file, caplog.at_level(logging.WARNING):
        ended = listen(scripted.World(tmp_path / "ahead", schemas), file)
    assert len(answers) >= (4 if is_killed else 10)
    assert ended.requests == alone.requests
    assert ended.states == alone.states == [5000, 10_000, 15_000, 20_000]
    assert {**ended.summary, "seconds": 0} == {**alone.summary, "seconds": 0}
    assert ended.counts == {"delivered": 18_000, "unchanged": 2000}
    assert caplog.text.count("ended (exit code -9)") == is_killed


@pytest.mark.usefixtures("eager")
def test_no_record_waits_in_line_for_an_idle_tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    is_taken = threading.Event()
    finish = MappingAhead._finish_first
    finished = []

    def finish_first(ahead: MappingAhead) -> None:
        finish(ahead)
        finished.append(ahead)
        if not ahead._line:
            is_taken.set()

    def feed() -> None:
        with os.fdopen(writing, "wb") as tap:
            for chunk in (lines(3000)[:2900], lines(3000)[2900:3001]):  # no STATE among them
                is_taken.clear()
                tap.write(b"".join(chunk))
                tap.flush()
                assert is_taken.wait(30)

    monkeypatch.setattr(MappingAhead, "_finish_first", finish_first)
    tap = threading.Thread(target=feed)
    tap.start()
    with os.fdopen(reading, "rb") as source:
        ended = listen(scripted.World(tmp_path, {}), source)
    tap.join()
    assert finished
    assert ended.summary["records"] == 3000
