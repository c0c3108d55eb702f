"""What the peers' connectors do, as data: each vector runs through the real command line and the real sandbox.

A vector is an entry of `vectors/*.yaml`; `docs/vectors.md` lists them. What an entry may hold:

- `id`, `says` (one sentence), `class` (A: any client must; B: a good convention; X: a peer's defect, to be done
  better), `differs` (where we do otherwise, and why).
- `settings` of the target; `braze`: `settings` and `faults` of the sandbox, and what it has before: what is `known` of
  people, `catalogs`, and their `items`.
- `schema` (column: word of `TYPES`) and `records`, of the stream `people`; or `input`, with both for each stream. A
  record with `record` and `repeat`, `arrays` or `texts` is made here, `{n}` in it counts from 1.
- `expect`: see `CHECKS`. Exit code 0 and a STATE at the end are expected unless it says otherwise, and every run is
  held to the laws of `laws_broken`.
- `any_order`: the requests may arrive in another order than they are written down in.
- `then`: later runs, with the same ledger and the same sandbox. Each says what is not as in the run before: `settings`
  (one by one), `records` or `input` (a stream's schema only where it is another), and its own `braze` and `expect`.
"""

from __future__ import annotations

import copy
import json
import queue
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from target_braze.instances import INSTANCES, SANDBOX, rest_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "vectors.md"
ALL = {f"C{number:02}" for number in range(1, 86)}
STEP_KEYS = {"settings", "braze", "schema", "records", "input", "any_order", "expect"}
KEYS = {"id", "says", "class", "differs", "then"} | STEP_KEYS
TYPES: dict[str, Any] = {
    **{name: {"type": [name, "null"]} for name in ("string", "integer", "number", "boolean", "array", "object")},
    "date": {"type": ["string", "null"], "format": "date"},
    "date-time": {"type": ["string", "null"], "format": "date-time"},
    "any": {},
}
OWN_OF_COHORTS = {"partner_api_key", "client_secret", "created_at"}
FAR = 1_000_000_000


def vectors() -> list[dict[str, Any]]:
    entries = [
        entry
        for path in sorted((HERE / "vectors").glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    return sorted(entries, key=lambda entry: str(entry["id"]))


VECTORS = vectors()
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])


# Running one


@dataclass
class Seen:
    """What became of a run.

    Attributes:
        outcome: How it ended; an `Outcome` of conftest.
        requests: What the sandbox recorded of it.
        profiles: What the sandbox has, as `plain_profile` puts it.
        catalogs: The sandbox's catalogs: name → id → item.
        cohorts: The sandbox's cohorts: id → external ids of who is in it.
        stats: What the sandbox counted.
        state: The STATE that went in at the end.
    """

    outcome: Any
    requests: list[dict[str, Any]]
    profiles: list[dict[str, Any]]
    catalogs: dict[str, dict[str, Any]]
    cohorts: dict[str, list[str | None]]
    stats: dict[str, Any]
    state: dict[str, Any]


def made(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The records that an item of `records` stands for."""
    if "record" not in item:
        yield item
        return
    template = json.dumps(item["record"])
    texts = {name: "m" * characters for name, characters in item.get("texts", {}).items()}
    for n in range(1, item.get("repeat", 1) + 1):
        arrays = {
            name: [str(place % 10) * size["characters"] for place in range(size["items"])]
            for name, size in item.get("arrays", {}).items()
        }
        yield {**json.loads(template.replace("{n}", str(n))), **arrays, **texts}


def runs_of(vector: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each run of a vector, with all it needs; see `then` above."""
    run = {name: value for name, value in vector.items() if name in STEP_KEYS}
    run["input"] = inputs(run, {})
    yield run
    for later in vector.get("then", ()):
        settings = {**run.get("settings", {}), **later.get("settings", {})}
        run = {**later, "settings": settings, "input": inputs(later, run["input"])}
        yield run


def inputs(run: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Stream → its schema and records."""
    given = {name: run[name] for name in ("schema", "records") if name in run}
    streams: dict[str, Any] = run.get("input") or ({"people": given} if given else before)
    return {name: {**before.get(name, {}), **stream} for name, stream in streams.items()}


def messages(run: dict[str, Any], state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The target's input."""
    for name, stream in run["input"].items():
        columns = {column: TYPES[word] for column, word in stream["schema"].items()}
        yield {"type": "SCHEMA", "stream": name, "schema": {"properties": columns}, "key_properties": []}
        for item in stream["records"]:
            for record in made(item):
                yield {"type": "RECORD", "stream": name, "record": record}
    yield {"type": "STATE", "value": state}


def run_all(vector: dict[str, Any], sandbox: Any, target: Any) -> list[Seen]:
    """Run a vector's runs one after the other."""
    sandbox.reset()
    prepare(vector.get("braze", {}), sandbox)
    seen, before = [], len(sandbox.requests())
    for number, run in enumerate(runs_of(vector), 1):
        braze = run.get("braze", {})
        sandbox.settings(**braze.get("settings", {}))
        sandbox.faults(*braze.get("faults", ()))
        state = {"bookmarks": {"people": {"replication_key_value": f"{vector['id']}.{number}"}}}
        outcome = target.run(run.get("settings", {}), messages(run, state))
        requests = sandbox.requests()[before:]
        before += len(requests)
        seen.append(
            Seen(
                outcome,
                requests,
                in_order(plain_profile(profile) for profile in sandbox.profiles(limit=1000)),
                {name: sandbox.catalog_items(name) for name in sandbox.catalogs()},
                {each["cohort_id"]: members(sandbox, each) for each in sandbox.cohorts()},
                sandbox.stats(),
                state,
            )
        )
    return seen


def prepare(braze: dict[str, Any], sandbox: Any) -> None:
    """Put into the sandbox what it has before the first run."""
    if "known" in braze:
        sandbox.track(**braze["known"]).raise_for_status()
    if "catalogs" in braze:
        sandbox.post("/catalogs", {"catalogs": braze["catalogs"]}).raise_for_status()
    for name, items in braze.get("items", {}).items():
        sandbox.send("PUT", f"/catalogs/{name}/items", {"items": items}).raise_for_status()


def members(sandbox: Any, cohort: dict[str, Any]) -> list[str | None]:
    """Who is in a cohort."""
    found: list[str | None] = sandbox.cohort_members(cohort["partner"], cohort["cohort_id"])
    return found


def plain_profile(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile without times and without what it has nothing of."""
    plain = {name: profile[name] for name in ("external_id", "user_aliases", "attributes", "subscription_groups")}
    for name in ("events", "purchases"):
        plain[name] = {summary["name"]: summary["count"] for summary in profile[name]}
    return {name: value for name, value in plain.items() if value}


def in_order(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


@pytest.fixture(scope="module")
def seen(
    request: pytest.FixtureRequest, sandboxes: list[Any], make_target: Callable[[Any], Any]
) -> Iterator[Callable[[dict[str, Any]], list[Seen]]]:
    """What became of a vector. Those that were asked for run once each, as many at a time as there are sandboxes."""
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for sandbox in sandboxes:
        free.put(sandbox)

    def result(vector: dict[str, Any]) -> list[Seen]:
        sandbox = free.get()
        try:
            return run_all(vector, sandbox, make_target(sandbox))
        finally:
            free.put(sandbox)

    items = (item for item in request.session.items if item.path == request.path)
    chosen = {vector["id"] for item in items if (vector := callspec(item).get("vector"))}
    pool = ThreadPoolExecutor(len(sandboxes))
    results = {vector["id"]: pool.submit(result, vector) for vector in VECTORS if vector["id"] in chosen}
    yield lambda vector: results[vector["id"]].result()
    pool.shutdown(cancel_futures=True)


def callspec(item: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters


# Comparing


def matched(requests: list[dict[str, Any]], expected: list[Any]) -> list[dict[str, Any]]:
    """Recorded requests in the order in which they are expected, as far as they are."""
    left, found = list(requests), []
    for body in expected:
        request = next((request for request in left if request["body"] == body), None)
        if request is not None:
            left.remove(request)
            found.append(request)
    return found + left


def request_at(requests: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return requests[number - 1] if 1 <= number <= len(requests) else {"arrived": float("nan"), "answered": float("nan")}


def waits_kept(requests: list[dict[str, Any]], waits: list[dict[str, Any]]) -> bool:
    return all(
        request_at(requests, wait["before"])["arrived"] - request_at(requests, wait["after"])["answered"]
        >= wait["at_least"]
        for wait in waits
    )


def all_apart(requests: list[dict[str, Any]], pairs: list[list[int]]) -> bool:
    """Whether the second of each pair arrived after the first was answered."""
    return all(
        request_at(requests, first)["answered"] <= request_at(requests, second)["arrived"] for first, second in pairs
    )


def all_together(requests: list[dict[str, Any]], pairs: list[list[int]]) -> bool:
    """Whether both of each pair were under way at once."""
    return all(
        request_at(requests, one)["arrived"] < request_at(requests, other)["answered"]
        for pair in pairs
        for one, other in (pair, pair[::-1])
    )


def as_rejected(line: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """A line of the dead letter, in as much detail as the vector gives."""
    always = ("identity", "attribute", "reason")
    return {name: line[name] for name in (*always, *expected) if name in always or name in line}


def rejected_as(expected: list[dict[str, Any]], lines: list[dict[str, Any]]) -> bool:
    return len(lines) == len(expected) and all(
        as_rejected(line, entry) == {"identity": None, "attribute": None, **entry}
        for line, entry in zip(lines, expected, strict=True)
    )


def holds(summary: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a summary has these values; a name with points is a path."""
    return all(at(summary, path) == value for path, value in expected.items())


def at(summary: Any, path: str) -> Any:
    for name in path.split("."):
        summary = summary.get(name) if isinstance(summary, dict) else None
    return summary


def sizes_within(requests: list[dict[str, Any]], bounds: list[dict[str, int]]) -> bool:
    sizes = [int(request["headers"]["content-length"]) for request in requests]
    return len(sizes) == len(bounds) and all(
        bound["at_least"] <= size <= bound["at_most"] for size, bound in zip(sizes, bounds, strict=True)
    )


def says(text: str, expected: dict[str, list[str]]) -> bool:
    return all(part in text for part in expected.get("has", ())) and not any(
        part in text for part in expected.get("lacks", ())
    )


def called(request: dict[str, Any]) -> str:
    return f"{request['method']} {request['path']}"


def plain_body(request: dict[str, Any]) -> dict[str, Any]:
    """A body without what is another in each run, or a key."""
    return {name: value for name, value in request["body"].items() if name not in OWN_OF_COHORTS}


CHECKS: dict[str, Callable[[Any, Seen], bool]] = {
    "exit": lambda expected, seen: seen.outcome.exit == expected,
    # bodies as recorded, all of them, in the order of arrival
    "requests": lambda expected, seen: [request["body"] for request in seen.requests] == expected,
    # the same with where they went: method and path → body, without keys and the time of the run
    "calls": lambda expected, seen: [{called(request): plain_body(request)} for request in seen.requests] == expected,
    # only where they went
    "called": lambda expected, seen: [called(request) for request in seen.requests] == expected,
    # array → objects, for each request
    "objects": lambda expected, seen: [request["objects"] for request in seen.requests] == expected,
    "statuses": lambda expected, seen: [request["status"] for request in seen.requests] == expected,
    "bytes": lambda expected, seen: sizes_within(seen.requests, expected),
    # seconds between an answer and the arrival of a later request; requests count from 1
    "waits": lambda expected, seen: waits_kept(seen.requests, expected),
    "apart": lambda expected, seen: all_apart(seen.requests, expected),
    "together": lambda expected, seen: all_together(seen.requests, expected),
    # everybody Braze has in the end, with everything
    "profiles": lambda expected, seen: seen.profiles == in_order(expected),
    # name → id → item, all of them
    "catalogs": lambda expected, seen: seen.catalogs == expected,
    # id → external ids of who is in it, all of them
    "cohorts": lambda expected, seen: seen.cohorts == expected,
    "stats": lambda expected, seen: holds(seen.stats, expected),
    # all lines of rejected.jsonl; `stream` and `object` are compared where they are given
    "rejected": lambda expected, seen: rejected_as(expected, seen.outcome.rejections),
    # as much of summary.json as is given
    "summary": lambda expected, seen: holds(seen.outcome.summary, expected),
    "stderr": lambda expected, seen: says(seen.outcome.stderr, expected),
    # instance → REST endpoint, all of them
    "endpoints": lambda expected, _: {code: rest_endpoint(code) for code in INSTANCES if code != SANDBOX} == expected,
}


def unmet(expect: dict[str, Any], run: dict[str, Any], seen: Seen) -> list[str]:
    """The names of the expectations that were not met."""
    if run.get("any_order"):
        seen = replace(seen, requests=matched(seen.requests, expect["requests"]))
    return [name for name, expected in {"exit": 0, **expect}.items() if not CHECKS[name](expected, seen)]


def laws_broken(run: dict[str, Any], seen: Seen, key: str) -> list[str]:
    """What every run must keep to and this one did not."""
    outcome, summary = seen.outcome, seen.outcome.summary
    records = sum(message["type"] == "RECORD" for message in messages(run, {}))
    maps = run.get("settings", {}).get("stream_maps", {})
    records *= 1 + sum("__source__" in each for each in maps.values())  # a stream that is made of another
    ends = ("delivered", "unchanged", "held", "rejected", "unfinished")
    whole = [line for line in outcome.rejections if line["attribute"] is None]
    laws = {
        "STATE leaves at the end of a run that ends well, and of no other": outcome.states
        == ([] if outcome.exit else [seen.state]),
        "every record ends in exactly one way": not summary or sum(summary[end] for end in ends) == summary["records"],
        "a run that ends well leaves no record unfinished": bool(outcome.exit)
        or (summary["records"] == records and summary["unfinished"] == 0),
        "every rejected record is in the dead letter": not summary or len(whole) == summary["rejected"],
        "every request is counted": not summary or summary["requests"] == len(seen.requests),
        "nobody is in two requests at once": seen.stats["identities_in_flight_twice"] == 0,
        "no key in the log or the output": key not in outcome.stderr + json.dumps(outcome.states),
    }
    return [law for law, is_kept in laws.items() if not is_kept]


# The tests


@each_vector
def test_vector(vector: dict[str, Any], seen: Callable[[dict[str, Any]], list[Seen]], api_key: str) -> None:
    for number, (run, result) in enumerate(zip(runs_of(vector), seen(vector), strict=True), 1):
        broken = unmet(run["expect"], run, result) + laws_broken(run, result, api_key)

        assert not broken, f"{vector['says']}\nrun {number}: {broken}\n{as_text(result)}"


def as_text(seen: Seen) -> str:
    """What became of a run, in as many characters as a person reads."""
    shown = {
        "requests": [(called(request), request["body"]) for request in seen.requests],
        "statuses": [request["status"] for request in seen.requests],
        "times": [(request["arrived"], request["answered"]) for request in seen.requests],
        "sizes": [request["headers"].get("content-length") for request in seen.requests],
        "profiles": seen.profiles,
        "catalogs": seen.catalogs,
        "cohorts": seen.cohorts,
        "rejected": seen.outcome.rejections,
        "summary": seen.outcome.summary,
        "states": seen.outcome.states,
    }
    lines = (f"{name}: {str(value)[:3000]}" for name, value in shown.items())
    return "\n".join([f"exit: {seen.outcome.exit}", *lines, seen.outcome.stderr])


def changes(expect: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every single value of an expectation, as the path to it and another value in its place."""
    if isinstance(expect, dict | list) and expect:
        parts = expect.items() if isinstance(expect, dict) else enumerate(expect)
        for name, part in parts:
            yield from changes(part, (*path, name))
    elif "lacks" in path:
        yield path, ""  # any text has that
    elif path[-1] == "at_most":
        yield path, -1
    elif isinstance(expect, int | float):
        yield path, expect + FAR
    else:
        yield path, "something else"


def changed(expect: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(expect)
    *way, last = path
    reduce(lambda part, name: part[name], way, result)[last] = value
    return result


@each_vector
def test_expectation_decides(vector: dict[str, Any], seen: Callable[[dict[str, Any]], list[Seen]]) -> None:
    """Each single value of an expectation is looked at: with another in its place, the vector fails."""
    idle = [
        path
        for run, result in zip(runs_of(vector), seen(vector), strict=True)
        for path, value in changes(run["expect"])
        if not unmet(changed(run["expect"], path, value), run, result)
    ]

    assert idle == []


def test_each_vector_is_run_once_or_listed_with_its_reason() -> None:
    ids = [
        *(str(vector["id"]) for vector in VECTORS),
        *(row.split(" | ")[0].removeprefix("| ") for row in rows("left")),
    ]

    assert sorted(ids) == sorted(ALL)
    assert f"Of the {len(ALL)} that were found, {len(VECTORS)} are run;" in DOCUMENT.read_text(encoding="utf-8")


@each_vector
def test_entry_is_well_formed(vector: dict[str, Any]) -> None:
    assert vector.keys() <= KEYS
    assert vector["says"].endswith(".")
    assert vector["class"] in {"A", "B", "X"}
    for later in vector.get("then", ()):
        assert later.keys() <= STEP_KEYS
    for run in runs_of(vector):
        assert run["expect"].keys() <= CHECKS.keys()
        assert run["expect"].keys() & {"requests", "calls", "called", "objects", "rejected", "exit"}
    assert vector["class"] != "X" or "differs" in vector, "a peer's defect: say what is done instead"


def rows(which: str) -> list[str]:
    """The lines of a table of the document: of what is run, or of what is left out."""
    run, left = DOCUMENT.read_text(encoding="utf-8").split("\n## What does not apply\n")
    return [line for line in {"run": run, "left": left}[which].splitlines() if line.startswith("| C")]


def test_document_says_what_the_data_say() -> None:
    assert rows("run") == [
        f"| {vector['id']} | {vector['says']} | {vector['class']} | {vector.get('differs', '-')} |"
        for vector in VECTORS
    ]
