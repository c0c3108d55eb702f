"""What of a record is sent, rule by rule. Laws for any records are in `test_changes_laws.py`."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("scripted_runs")
sys.path.append(str(Path(__file__).parent))
scripted = importlib.import_module("scripted_runs")

COLUMNS: dict[str, Any] = {
    "external_id": {"type": "string"},
    "a": {"type": ["number", "null"]},
    "b": {"type": ["string", "null"]},
    "country": {"type": ["string", "null"]},
    "seen": {},
}
ONE_AT_A_TIME = {"max_objects_per_request": 1}


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return scripted.World(tmp_path, {"people": COLUMNS, "orders": COLUMNS})


def p(name: str = "p", **fields: Any) -> bytes:
    return json.dumps({"external_id": name, **fields}).encode()


def heap(*records: bytes, stream: str = "people") -> tuple[str, list[bytes]]:
    return stream, list(records)


def sent(ended: Any, name: str = "p") -> list[dict[str, Any]]:
    """What a run sent of one person."""
    assert ended.failure is None, ended.failure
    return [
        {key: value for key, value in update.items() if key != "external_id"}
        for update in ended.objects
        if update["external_id"] == name
    ]


A, B = p(a=1), p(a=2)


def test_a_record_that_is_there_is_not_sent_again(world: Any) -> None:
    assert sent(world.run([heap(A)])) == [{"a": 1}]
    again = world.run([heap(A)])
    assert again.requests == []
    assert again.counts == {"unchanged": 1}


def test_only_what_changed_is_sent(world: Any) -> None:
    world.run([heap(p(a=1, b="x", country="DE"))])
    assert sent(world.run([heap(p(a=1, b="y", country="DE"))])) == [{"b": "y"}]


SKIPPING: dict[str, Any] = {"streams": {"people": {"nulls": "skip", "fields": {"b": {"nulls": "clear"}}}}}


def test_a_null_that_is_skipped_leaves_alone_what_braze_and_the_ledger_have(world: Any) -> None:
    world.run([heap(p(a=1, b="x", country="DE"))], **SKIPPING)
    assert world.run([heap(p(a=None, b="x", country=None))], **SKIPPING).requests == []
    assert sent(world.run([heap(p(a=None, b=None, country="FR"))], **SKIPPING)) == [{"b": None, "country": "FR"}]
    assert world.run([heap(p(a=1, b=None, country=None))], **SKIPPING).requests == []
    assert world.braze.visible() == {"p": {"a": 1, "country": "FR"}}
    assert world.untrue() == []


def test_of_two_records_in_one_request_a_null_that_is_skipped_takes_nothing_back(world: Any) -> None:
    ended = world.run([heap(p(a=1, b="x"), p(a=None, b="y"), p(a=None, b=None))], **SKIPPING)
    assert sent(ended) == [{"a": 1, "b": None}]


def test_what_nulls_do_may_change(world: Any) -> None:
    """A record of nulls that were skipped is looked at again once they are not, and the other way round."""
    records = heap(p(a=1)), heap(p(a=None))
    world.run([records[0]], **SKIPPING)
    assert world.run([records[1]], **SKIPPING).requests == []
    assert sent(world.run([records[1]])) == [{"a": None}]
    assert world.run([records[1]], **SKIPPING).requests == []


def test_a_deletion_clears_what_nulls_do_not(world: Any) -> None:
    settings = {"streams": {"people": {"nulls": "skip", "on_delete": "clear"}}}
    world.run([heap(p(a=1, b="x"))], **settings)
    world.run([heap(p(a=1, b="x", _sdc_deleted_at="2026-01-01T00:00:00Z"))], **settings)
    assert not world.braze.visible()["p"].keys() & {"a", "b"}


THERE_AND_BACK = {
    "in one heap": ([[heap(p("q", a=1), A, B, p("q", a=2), A)]], (0,)),
    "in heaps of their own": ([[heap(B), heap(A)]], (0,)),
    "while the first is in flight": ([[heap(B), heap(A)]], (9,)),
    "in runs of their own": ([[heap(B)], [heap(A)]], (0,)),
    "and the same record comes twice": ([[heap(A, B, A, B, A)]], (2,)),
}


@pytest.mark.parametrize(("runs", "lags"), THERE_AND_BACK.values(), ids=THERE_AND_BACK)
def test_there_and_back(world: Any, runs: Any, lags: Any) -> None:
    """A → B → A: the record of A was unchanged, and no longer is once B was asked for."""
    world.run([heap(A, p("q", a=1))], **ONE_AT_A_TIME)
    between = [heap(p("other", seen=number)) for number in range(3)]
    for each in runs:
        heaps = [part for one in each for part in (one, *between)]
        assert world.run(heaps, scripted.Script(lags), **ONE_AT_A_TIME).failure is None
    assert world.braze.profiles["p"] == {"a": 1}
    assert world.untrue() == []
    assert world.run([heap(A)]).requests == []


def test_there_and_back_is_sent_as_often_as_it_is_in_requests_of_its_own(world: Any) -> None:
    world.run([heap(A)])
    ended = world.run([heap(B), heap(p("q", a=1)), heap(A)], **ONE_AT_A_TIME)
    assert sent(ended) == [{"a": 2}, {"a": 1}]


def test_two_records_in_the_open_request_become_one_object(world: Any) -> None:
    world.run([heap(p(a=1, b="x"))])
    ended = world.run([heap(p(a=2), p(b="y"), p(a=3))])
    assert sent(ended) == [{"a": 3, "b": "y"}]
    assert ended.counts == {"delivered": 3}


def test_two_records_in_the_open_request_that_undo_each_other_become_nothing(world: Any) -> None:
    """Invariant 1: a STATE after them leaves, though there is no request to wait for."""
    world.run([heap(A)])
    ended = world.run([heap(B, A), 2])
    assert ended.requests == []
    assert ended.counts == {"unchanged": 2}
    assert ended.states == [2]
    assert world.run([heap(A)]).requests == []
    assert sent(world.run([heap(B)])) == [{"a": 2}]


def test_what_is_undone_beside_others_leaves_them(world: Any) -> None:
    world.run([heap(A, p("q", a=1))])
    ended = world.run([heap(B, p("q", a=2), A), 3])
    assert (sent(ended), sent(ended, "q"), ended.states) == ([], [{"a": 2}], [3])


def test_what_changes_parts_is_not_merged(world: Any) -> None:
    """Of two additions each has to arrive."""
    ended = world.run([heap(p(seen={"add": ["x"]}), p(seen={"add": ["y"]}))])
    assert sent(ended) == [{"seen": {"add": ["x"]}}, {"seen": {"add": ["y"]}}]
    assert len(ended.requests) == 2


SPELLINGS = {
    "keys in another order": (p(a=1, b="x"), b'{"b":"x","a":1,"external_id":"p"}'),
    "a number as a fraction": (p(a=1), b'{"external_id":"p","a":1.0}'),
    "a number with an exponent": (p(a=100), b'{"external_id":"p","a":1e2}'),
    "float noise": (p(a=0.1), b'{"external_id":"p","a":0.1000000000000000055}'),
    "a country in other letters": (p(country="DE"), p(country="de")),
    "a country by its name": (p(country="Germany"), p(country="DE")),
    "blanks": (p(a=1), b'{"external_id": "p",   "a" : 1}'),
    "fewer attributes": (p(a=1, b="x"), p(a=1)),
    "a key inside in another order": (p(seen={"x": 1, "y": 2}), p(seen={"y": 2, "x": 1})),
}


@pytest.mark.parametrize(("first", "second"), SPELLINGS.values(), ids=SPELLINGS)
def test_the_same_written_otherwise_is_not_sent(world: Any, first: bytes, second: bytes) -> None:
    """Invariant 7."""
    world.run([heap(first)])
    for record in (second, first, second, second):
        ended = world.run([heap(record)])
        assert (ended.requests, ended.counts) == ([], {"unchanged": 1})


def test_a_column_that_is_left_out_may_change(world: Any) -> None:
    settings = {"streams": {"people": {"fields": {"seen": None}}}}
    world.run([heap(p(a=1, seen=1))], **settings)
    assert world.run([heap(p(a=1, seen=2))], **settings).counts == {"unchanged": 1}


def test_a_null_is_sent_once(world: Any) -> None:
    assert sent(world.run([heap(p(a=None))])) == [{"a": None}]
    assert world.run([heap(p(a=None))]).requests == []
    assert sent(world.run([heap(p(a=1))])) == [{"a": 1}]


def test_streams_that_share_an_attribute_know_of_each_other(world: Any) -> None:
    world.run([heap(A)])
    assert world.run([heap(A, stream="orders")]).requests == []
    assert sent(world.run([heap(B, stream="orders")])) == [{"a": 2}]
    assert sent(world.run([heap(A)])) == [{"a": 1}]


def test_streams_that_disagree_send_at_each_turn(world: Any) -> None:
    """What two streams say differently of one attribute goes to and fro, and costs: the last one in the run wins."""
    for _ in range(2):
        assert sent(world.run([heap(A), heap(B, stream="orders")])) == [{"a": 1}, {"a": 2}]


def test_what_is_rejected_is_not_learned(world: Any) -> None:
    refused = p(a=2, b=scripted.REFUSED)
    world.run([heap(A)])
    for _ in range(2):
        ended = world.run([heap(refused)])
        assert (len(ended.requests), ended.counts) == (1, {"rejected": 1})
        assert world.untrue() == []
    assert world.run([heap(A)]).requests == []


def test_a_rejection_counts_all_records_in_the_object(world: Any) -> None:
    assert world.run([heap(A, p(b=scripted.REFUSED))]).counts == {"rejected": 2}


def test_what_follows_a_rejection_is_learned_alone(world: Any) -> None:
    """The later update was compared with the earlier one, which was rejected after all."""
    world.run([heap(p(a=1, b="x"))])
    records = [heap(p(a=2, b=scripted.REFUSED)), heap(p("q", a=1)), heap(p(a=3, b=scripted.REFUSED, country="DE"))]
    ended = world.run(records, scripted.Script((9,)), **ONE_AT_A_TIME)
    assert sent(ended)[1] == {"a": 3, "country": "DE"}
    assert world.untrue() == []
    assert sent(world.run([heap(p(a=2, b="z"))])) == [{"a": 2, "b": "z"}]


# Found by the laws


def test_an_unchanged_record_that_looks_otherwise_is_kept_at_the_end(world: Any) -> None:
    """It was in the table and not in the store, so that a change could not take it out: A → B → A was not sent."""
    world.run([heap(p(a=1, b="x"))])
    world.run([heap(A)])
    assert world.untrue() == []
    world.run([heap(B)])
    assert sent(world.run([heap(A)])) == [{"a": 1}]


def test_an_unchanged_record_is_not_written_over_a_change_after_it(world: Any) -> None:
    """The entry with the new digest, being written later, took the place of what Braze had accepted since."""
    world.run([heap(p(a=1, b="x"))])
    ended = world.run([heap(A, B, p("q", a=1)), heap(p("q", a=2))], **ONE_AT_A_TIME)
    assert sent(ended) == [{"a": 2}]
    assert world.untrue() == []
    assert sent(world.run([heap(A)])) == [{"a": 1}]


def test_a_rejection_while_the_next_update_is_open_is_not_learned_with_it(world: Any) -> None:
    world.run([heap(p(a=1, b="x"))])
    records = [
        heap(p(b=scripted.REFUSED), p("q", a=1), p("q2", a=1), p(a=2)),
        4,  # now the first request is answered, and the second one is open
        heap(p(a=3)),
    ]
    ended = world.run(records, scripted.Script((1, 0)), max_objects_per_request=2)
    assert sent(ended) == [{"b": scripted.REFUSED}, {"a": 3}]
    assert world.untrue() == []


def test_a_record_by_itself_after_a_heap_is_compared_with_what_was_accepted_since(world: Any) -> None:
    """What was read of a person for a heap was still believed after it."""
    world.run([heap(A)])
    by_itself = scripted.ITS_OWN_WAY + A
    world.run([heap(B, p("q", a=1), p("q2", a=1)), heap(by_itself)], **ONE_AT_A_TIME)
    assert world.braze.profiles["p"] == {"a": 1}
    assert world.untrue() == []


@pytest.mark.parametrize("is_applied", [True, False])
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_change_that_was_never_answered_is_in_doubt(world: Any, *, is_applied: bool, is_killed: bool) -> None:
    """Braze may have B; so A, should it come next, is sent, though the ledger had it."""
    world.run([heap(p(a=1, b="x")), heap(p("q", a=1))])
    script = scripted.Script((9,)) if is_killed else scripted.Script(fails_at=0, is_applied=is_applied)
    heaps = [heap(B), heap(p("q", a=1))]
    ended = world.run([*heaps, heap(p("q", a=3), p("q2", a=1)), scripted.Killed()], script, **ONE_AT_A_TIME)
    assert ended.failure is not None
    assert sent(world.run([heap(p(a=1, b="x"))])) == [{"a": 1}]
    assert world.braze.profiles["p"] == {"a": 1, "b": "x"}
    assert world.untrue() == []
    again = world.run([heap(p(a=1, b="x"))])
    assert again.requests == []


def test_records_that_all_have_other_attributes_do_not_fill_the_ledger_with_lists(world: Any) -> None:
    """There was one for each of them, and for each order they came in; all are read at the start."""
    world.max_lists = 3
    names = ["a", "b", "country", "seen"]
    some = [dict.fromkeys(chosen, "1") for count in range(1, 5) for chosen in itertools.permutations(names, count)]
    records = [p(str(number), **fields) for number, fields in enumerate(some)]
    assert len(records) == 64
    assert world.run([heap(*records)]).failure is None
    assert world.lists() <= 4
    assert world.run([heap(*records)]).requests == []
    assert sent(world.run([heap(p("63", a=2))]), "63") == [{"a": 2}]


# Settings


def held_by(**policy: Any) -> dict[str, Any]:
    return {"streams": {"people": {"fields": {"a": policy}}}}


POLICIES = {
    "tolerance": (held_by(tolerance=1), 2, 3),
    "at_most_every": (held_by(at_most_every="1h"), 2, None),
    "only_if_empty": (held_by(only_if_empty=True), 5, None),
}


@pytest.mark.parametrize(("settings", "held", "sent_later"), POLICIES.values(), ids=POLICIES)
def test_a_change_is_held(world: Any, settings: Any, held: Any, sent_later: Any) -> None:
    world.run([heap(p(a=1, b="x"))], **settings)
    for _ in range(2):
        ended = world.run([heap(p(a=held, b="x"))], **settings)
        assert (ended.requests, ended.counts) == ([], {"held": 1})
    if sent_later is not None:
        assert sent(world.run([heap(p(a=sent_later, b="x"))], **settings)) == [{"a": sent_later}]


def test_the_rest_of_a_record_goes_without_what_is_held(world: Any) -> None:
    settings = held_by(only_if_empty=True)
    world.run([heap(p(a=1, b="x"))], **settings)
    ended = world.run([heap(p(a=2, b="y"))], **settings)
    assert (sent(ended), ended.counts) == ([{"b": "y"}], {"delivered": 1})
    assert world.run([heap(p(a=2, b="y"))], **settings).counts == {"held": 1}


def test_what_time_held_goes_out_though_its_record_did_not_change(world: Any) -> None:
    settings = held_by(at_most_every="1h")
    world.run([heap(A)], **settings)
    assert world.run([heap(B)], **settings).counts == {"held": 1}
    world.now += 3600
    assert sent(world.run([heap(B)], **settings)) == [{"a": 2}]
    assert world.run([heap(B)], **settings).counts == {"unchanged": 1}


def test_an_attribute_left_out_is_forgotten(world: Any) -> None:
    """Somebody else may write it meanwhile; so it is sent when it is taken in again."""
    world.run([heap(p(a=1, b="x"))])
    assert (
        world.run([heap(p(a=1, b="x"))], streams={"people": {"only": ["a"]}, "orders": {"only": ["a"]}}).requests == []
    )
    assert sent(world.run([heap(p(a=1, b="x"))])) == [{"b": "x"}]


def test_an_attribute_that_another_stream_sends_is_not_forgotten(world: Any) -> None:
    world.run([heap(A), heap(A, stream="orders")])
    world.run([heap(A)], streams={"people": {"only": ["b"]}})
    assert world.run([heap(A)]).requests == []


def test_a_column_of_another_type_is_compared_anew(world: Any) -> None:
    world.run([heap(A)])
    ended = world.run([heap(A)], streams={"people": {"fields": {"a": {"type": "string"}}}})
    assert sent(ended) == [{"a": "1"}]


def test_a_full_resync_sends_all_once(world: Any) -> None:
    record = p(a=1, b="x")
    world.run([heap(record)])
    ended = world.run([heap(record), heap(record)], full_resync=True)
    assert sent(ended) == [{"a": 1, "b": "x"}]
    assert world.run([heap(record)]).requests == []


def test_a_full_resync_that_breaks_off_goes_on_without_being_asked(world: Any) -> None:
    world.run([heap(p("p", a=1), p("q", a=1))])
    world.run([heap(p("p", a=1)), RuntimeError()], full_resync=True)
    ended = world.run([heap(p("p", a=1), p("q", a=1))])
    assert sent(ended, "q") == [{"a": 1}]
    assert world.run([heap(p("p", a=1), p("q", a=1))]).requests == []


def test_events_happen_and_do_not_change(tmp_path: Path) -> None:
    """Beside attributes of the same person, they are compared with events alone; see `test_occurrences.py`."""
    columns = {"external_id": {"type": "string"}, "name": {"type": "string"}, "time": {"type": "string"}}
    world = scripted.World(tmp_path, {"visits": columns})
    days = ("2026-01-01", "2026-01-02")
    first, second = (json.dumps({"external_id": "p", "name": "visit", "time": day}).encode() for day in days)
    streams = {"visits": {"object": "events"}}
    assert world.run([heap(first, first, stream="visits")], streams=streams).counts == {"delivered": 1, "unchanged": 1}
    ended = world.run([heap(first, second, first, stream="visits")], streams=streams)
    assert ended.counts == {"delivered": 1, "unchanged": 2}
