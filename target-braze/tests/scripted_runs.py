"""Runs of the target in this process, against a Braze that is a dictionary and answers when it is told to.

Everything is the real thing but for HTTP and its thread: the target, its sinks, the run, and a ledger in a folder.
Answers come in order and late, so that records meet updates of the same person that have not ended.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from target_braze import entries, handover, ledger_owner, names, run, updates
from target_braze.errors import DeliveryError, TargetBrazeError
from target_braze.hashes import Hasher
from target_braze.ledger import Ledger
from target_braze.names import Names
from target_braze.packing import Place, Request
from target_braze.target import TargetBraze
from xxhash import xxh3_64_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

ENDPOINT = "http://127.0.0.1:1"
API_KEY = "made-up"
REFUSED = "refused"
"""An object that has this among its values is rejected."""
ITS_OWN_WAY = b" "
"""Begins a record that comes one by one from the SDK, as those do that went through its stream maps."""
OUTCOMES = ("delivered", "unchanged", "held", "rejected")


class Killed(BaseException):
    """The process is gone: nothing more of it runs."""


class Braze:
    """What Braze has: it applies objects one after the other."""

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, Any]] = {}
        """A null stays, so that it is known who was told to remove what."""
        self.repeats: list[tuple[str, str]] = []
        """Person and attribute of each value that was written though it was there."""
        self.rejected: list[dict[str, Any]] = []
        self.objects: list[dict[str, Any]] = []
        self.requests: list[Any] = []

    def apply(self, request: Any) -> list[Any]:
        """Apply a request; return the updates that it rejects."""
        objects = json.loads(request.body)
        self.requests.append(json.loads(request.body))
        rejected = []
        for index, body in enumerate(objects.get("attributes", ())):
            if REFUSED in body.values():
                rejected.append(request.places[Place("attributes", index)])
                self.rejected.append(body)
                continue
            self.objects.append(body)
            name = body.pop("external_id")
            known = self.profiles.setdefault(name, {})
            self.repeats += [(name, key) for key, value in body.items() if key in known and known[key] == value]
            for key, value in body.items():
                if isinstance(value, dict) and value.keys() == {"inc"}:
                    known[key] = (known.get(key) or 0) + value["inc"]
                    continue
                change = (value.get("add") or value.get("$add")) if isinstance(value, dict) else None
                known[key] = [*(known.get(key) or []), *change] if change else value
            body["external_id"] = name
        return rejected

    def visible(self) -> dict[str, dict[str, Any]]:
        """What can be seen of profiles."""
        return {
            name: {key: value for key, value in profile.items() if value is not None}
            for name, profile in self.profiles.items()
        }


@dataclass
class Script:
    """What happens to the requests of one run.

    Attributes:
        lags: How many requests may wait for their answer, after each request; over and over.
        fails_at: The request, from 0 on, at which delivery gives up; None for never.
        is_applied: Whether Braze has applied that one all the same.
        is_unanswered_at: The request, from 0 on, that is not answered; None for none.
    """

    lags: Sequence[int] = (0,)
    fails_at: int | None = None
    is_applied: bool = True
    is_unanswered_at: int | None = None


class ScriptedDelivery:
    """Stands in for delivery: applies and answers by a script, on the thread that reads."""

    def __init__(self, outcomes: Any, braze: Braze, script: Script) -> None:
        self.failure: BaseException | None = None
        self.waiting: deque[tuple[int, Any]] = deque()
        self._outcomes = outcomes
        self._braze = braze
        self._script = script
        self._lags = itertools.cycle(script.lags)
        self._answered = 0

    def submit(self, position: int, request: Any) -> None:
        self._raise_failure()
        people = [each["external_id"] for each in json.loads(request.body).get("attributes", ())]
        assert len(set(people)) == len(people)
        self._outcomes.submitted(position)
        self.waiting.append((position, request))
        self._answer_all_but(next(self._lags))

    def call(self, function: Callable[[], None]) -> None:
        self._answer_all_but(next(self._lags))
        self._raise_failure()
        function()

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        raise AssertionError("all that is safe leaves at once in these runs")

    def finish(self) -> None:
        self._answer_all_but(0)
        self._raise_failure()

    def close(self) -> bool:
        if self.failure is None:
            self._answer_all_but(next(self._lags))
        return True

    def _answer_all_but(self, count: int) -> None:
        while len(self.waiting) > count and self.failure is None:
            position, request = self.waiting.popleft()
            self._outcomes.sent(request, is_retry=False)
            if self._answered == self._script.fails_at:
                self.failure = DeliveryError("gave up")
                if self._script.is_applied:
                    self._braze.apply(request)
                return
            self._answered += 1
            if self._answered - 1 == self._script.is_unanswered_at:
                if self._script.is_applied:
                    self._braze.apply(request)
                careful = [update for update in request.objects if update.is_held_in_doubt]
                others = [update for update in request.objects if not update.is_held_in_doubt]
                request = type(request)([*others, *(self._outcomes.in_doubt(careful, "503") if careful else ())])
                if not request.objects:
                    self._outcomes.ended(position)
                    continue
                self._outcomes.sent(request, is_retry=True)
            rejected = self._braze.apply(request)
            if not rejected:
                self._outcomes.accepted(request)
            elif rest := [update for update in request.objects if update not in rejected]:
                self._outcomes.accepted(Request(rest))
            for update in rejected:
                self._outcomes.rejected(update, "refused")
            self._outcomes.ended(position)

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class Ended:
    """How a run ended.

    Attributes:
        summary: Its summary, empty if it was killed.
        states: The STATEs that left.
        failure: What ended it early.
        requests: The bodies of its requests.
    """

    summary: dict[str, Any] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    failure: BaseException | None = None
    requests: list[Any] = field(default_factory=list)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Its objects."""
        return [update for request in self.requests for update in request.get("attributes", ())]

    @property
    def counts(self) -> dict[str, int]:
        """What became of its records."""
        return {name: self.summary[name] for name in (*OUTCOMES, "unfinished") if self.summary[name]}


Heap = tuple[str, "list[bytes]"]
"""A stream, and records of it that are taken at once."""


class World:
    """A ledger in a folder and a Braze, for any number of runs.

    Args:
        folder: For the ledger and the reports.
        schemas: Stream → columns → JSON Schema; each run begins with all of them.
    """

    def __init__(self, folder: Path, schemas: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        self.braze = Braze()
        self.now = 1_700_000_000
        self.max_lists = names.MAX_LISTS
        self._schemas = schemas

    def run(
        self,
        heaps: Iterable[Heap | int | BaseException],
        script: Script | None = None,
        on_state: Callable[[int], None] = lambda _: None,
        **settings: Any,
    ) -> Ended:
        """Run to the end.

        Args:
            heaps: What comes: heaps of records, STATEs, and what breaks the run off.
            script: What becomes of requests.
            on_state: Is told of each STATE that leaves.
            settings: Settings of the run.
        """
        ended = Ended()

        def emit(state: int) -> None:
            ended.states.append(state)
            on_state(state)

        requests_before = len(self.braze.requests)
        with self._scripted(script or Script()):
            target = TargetBraze(config=self.config(settings))
            target.__dict__["run"] = current = run.Run(target.settings, ENDPOINT, emit)
            current._states.acknowledger.min_seconds = float("-inf")
            try:
                try:
                    self._feed(target, heaps)
                    ended.summary = current.finish()
                except Killed as killed:
                    ended.failure = killed
                    _die(current)
                except (TargetBrazeError, RuntimeError) as error:
                    ended.failure = error
                    ended.summary = current.abandon()
            except BaseException:
                _die(current)
                raise
        ended.requests = self.braze.requests[requests_before:]
        return ended

    def config(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings of a run."""
        own = {
            "base_url": ENDPOINT,
            "api_key": API_KEY,
            "report_path": str(self.folder / "reports"),
            "ledger": str(self.folder / "ledger"),
            "max_rejected": 10_000,
        }
        return {**own, **settings}

    def _feed(self, target: TargetBraze, heaps: Iterable[Heap | int | BaseException]) -> None:
        for stream, columns in self._schemas.items():
            schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": columns}, "key_properties": []}
            target._process_schema_message(schema)
        for heap in heaps:
            if isinstance(heap, int):
                target.run.receive(heap)
            elif isinstance(heap, BaseException):
                raise heap
            else:
                stream, records = heap
                if records[0].startswith(ITS_OWN_WAY):
                    for record in records:
                        target.get_sink(stream).process_record(json.loads(record), {})
                else:
                    target.message_reader.takers[stream](records)

    @contextmanager
    def _scripted(self, script: Script) -> Iterator[None]:
        started, clock = handover.Handover._started, time.time

        def scripted(current: handover.Handover) -> Any:
            return ScriptedDelivery(current._recorder, self.braze, script)

        scrypt, max_lists = dict(ledger_owner._SCRYPT), names.MAX_LISTS
        handover.Handover._started = scripted  # type: ignore[method-assign, assignment]
        time.time = lambda: self.now
        names.MAX_LISTS = self.max_lists  # type: ignore[misc]
        ledger_owner._SCRYPT.update(n=2)
        try:
            yield
        finally:
            handover.Handover._started = started  # type: ignore[method-assign]
            time.time = clock
            names.MAX_LISTS = max_lists  # type: ignore[misc]
            ledger_owner._SCRYPT.update(scrypt)

    # What the ledger holds

    def untrue(self) -> list[tuple[str, str]]:
        """Persons and attributes of which the ledger has another value than Braze; there must be none."""
        found = []
        with self.ledger() as ledger:
            known_names = Names(ledger.meta_get, ledger.meta_put)
            hasher = Hasher(ledger.key)
            numbers = {attribute.number: name for name, attribute in known_names._known.attributes.items()}
            people = {
                key: (name, seed)
                for name in self.braze.profiles
                for key, seed in [hasher.identity(updates.Identity("external_id", name))]
            }
            for key, value in ledger.items():
                name, seed = people[key]
                entry = entries.decode(value)
                for index, number in enumerate(known_names.numbers(entry.layout)):
                    known = entry.hashes[index * 8 : index * 8 + 8]
                    if number not in numbers or known == entries.NEVER:
                        continue
                    profile = self.braze.profiles[name]
                    attribute = numbers[number]
                    in_braze = msgspec.json.encode(profile.get(attribute, "never"))
                    if xxh3_64_digest(in_braze, seed) != known:
                        found.append((name, attribute))
            check = ledger.check()
            assert check.is_sound, check
        return found

    def contents(self) -> tuple[list[Any], dict[str, Any]]:
        """All that the ledger knows, and its names."""
        with self.ledger() as ledger:
            meta = {name: ledger.meta_get(name) for name in ("names", "layout:0", "layout:1", "layout:2")}
            return list(ledger.items()), meta

    def lists(self) -> int:
        """How many lists of attributes the ledger has."""
        with self.ledger() as ledger:
            return next(number for number in itertools.count() if ledger.meta_get(f"layout:{number}") is None)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, between runs."""
        with self._scripted(Script()):
            ledger = Ledger.open(self.folder / "ledger", endpoint=ENDPOINT, api_key=API_KEY, ledger_key=None)
            with ledger:
                yield ledger


def _die(current: run.Run) -> None:
    """Leave what a process leaves that is killed: what was written to the ledger, and no more."""
    ledger = current._ledger
    if not ledger._is_closed:
        ledger._is_closed = True
        ledger._store.close()
        if ledger._held is not None:
            os.close(ledger._held._file)


def record(**fields: Any) -> bytes:
    """A record as JSON."""
    return json.dumps(fields).encode()


def outcomes(summary: dict[str, Any]) -> Counter[str]:
    """What became of records."""
    return Counter({name: summary[name] for name in OUTCOMES})
