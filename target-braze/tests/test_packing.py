from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.packing import Packer, Place, Request
from target_braze.updates import TRACKED, Identity, ObjectKind, Shape, Update

KINDS = [kind.value for kind in TRACKED]
LIMIT = 1000


def packed(packer: Packer, updates: list[Update]) -> list[Request]:
    requests = [request for update in updates if (request := packer.add(update)) is not None]
    last = packer.close()
    return requests if last is None else [*requests, last]


@pytest.mark.parametrize(
    ("counts", "is_per_array", "sizes"),
    [
        pytest.param({}, False, [], id="nothing"),
        pytest.param({"attributes": 75}, False, [75], id="75 fit"),
        pytest.param({"attributes": 76}, False, [75, 1], id="C34: 76 do not"),
        pytest.param({"attributes": 75, "events": 75, "purchases": 75}, False, [75] * 3, id="C35 combined"),
        pytest.param({"attributes": 75, "events": 75, "purchases": 75}, True, [225], id="C35 per array"),
        pytest.param({"attributes": 30, "events": 30, "purchases": 16}, True, [76], id="C36: 76 people per array"),
        pytest.param({"attributes": 75, "events": 76}, True, [150, 1], id="one array is full"),
        pytest.param({"attributes": 25, "events": 25, "purchases": 25}, False, [75], id="C37: 75 mixed"),
        pytest.param({"attributes": 25, "events": 25, "purchases": 26}, False, [75, 1], id="C37: 76 mixed"),
    ],
)
def test_object_limit(update: Any, counts: dict[str, int], is_per_array: bool, sizes: list[int]) -> None:
    updates = [update(f"{kind}{number}", kind) for kind, count in counts.items() for number in range(count)]
    requests = packed(Packer(is_per_array=is_per_array), updates)
    assert [len(request.objects) for request in requests] == sizes


def test_lower_object_limit(update: Any) -> None:
    requests = packed(Packer(max_objects=2), [update(str(number)) for number in range(5)])
    assert [len(request.objects) for request in requests] == [2, 2, 1]


def test_byte_limit_is_met_to_the_byte(update: Any) -> None:
    frame = len('{"attributes":[],"events":[],"purchases":[]}')
    sizes = [400, LIMIT - frame - 2 - 400]
    exact = packed(Packer(max_bytes=LIMIT), [update(size=size) for size in sizes])
    over = packed(Packer(max_bytes=LIMIT), [update(size=sizes[0]), update(size=sizes[1] + 1)])
    assert [len(request.objects) for request in exact] == [2]
    assert [len(request.objects) for request in over] == [1, 1]


def test_default_byte_limit_is_4_mb(update: Any) -> None:
    updates = [update(str(number), size=100_000) for number in range(41)]
    requests = packed(Packer(), updates)
    assert [len(request.objects) for request in requests] == [39, 2]  # the frame and the commas count too
    assert all(len(request.body) <= 4_000_000 for request in requests)


@pytest.mark.parametrize("is_per_array", [False, True])
def test_limits_start_anew_with_each_request(update: Any, is_per_array: bool) -> None:
    packer = Packer(max_objects=2, max_bytes=LIMIT, is_per_array=is_per_array)
    updates = [update(str(number), size=400) for number in range(6)]
    assert [len(request.objects) for request in packed(packer, updates)] == [2, 2, 2]


def test_position_counts_what_was_taken(update: Any) -> None:
    packer = Packer(max_objects=2)
    assert packer.position == 0
    closed = [packer.add(update(str(number))) for number in range(3)]
    assert packer.position == 3
    assert closed[:2] == [None, None]
    assert closed[2] is not None
    assert [found.identity.value for found in closed[2].objects] == ["0", "1"]


def test_closing_twice_gives_a_request_once(update: Any) -> None:
    packer = Packer()
    packer.add(update())
    assert packer.close() is not None
    assert packer.close() is None


def test_a_closed_request_does_not_change(update: Any) -> None:
    packer = Packer()
    packer.add(update("first"))
    request = packer.close()
    packer.add(update("second"))
    assert request is not None
    assert [found.identity.value for found in request.objects] == ["first"]


def test_body_leaves_out_empty_arrays(update: Any) -> None:
    assert json.loads(Request([update("a")]).body) == {"attributes": [{"external_id": "a"}]}
    assert json.loads(Request([update("a", "events"), update("b", "purchases")]).body) == {
        "events": [{"external_id": "a"}],
        "purchases": [{"external_id": "b"}],
    }


def test_arrays_keep_the_order_of_their_objects(update: Any) -> None:
    kinds = ["events", "attributes", "events", "attributes"]
    request = Request([update(str(number), kind) for number, kind in enumerate(kinds)])
    assert json.loads(request.body) == {
        "attributes": [{"external_id": "1"}, {"external_id": "3"}],
        "events": [{"external_id": "0"}, {"external_id": "2"}],
    }


def test_places_are_by_array_as_sent(update: Any) -> None:
    kinds = ["events", "attributes", "events"]
    updates = [update(str(number), kind) for number, kind in enumerate(kinds)]
    request = Request(updates)
    assert request.places == {
        Place("attributes", 0): updates[1],
        Place("events", 0): updates[0],
        Place("events", 1): updates[2],
    }
    assert Place("events", 1) in request
    assert Place("events", 2) not in request
    assert Place("purchases", 0) not in request


def test_identities_are_each_there_once(update: Any) -> None:
    request = Request([update("a"), update("b"), update("a", "events")])
    assert request.identities == {Identity("external_id", "a"), Identity("external_id", "b")}


@pytest.mark.parametrize(("count", "sizes"), [(2, (1, 1)), (3, (1, 2)), (75, (37, 38))])
def test_halves_hold_the_same_objects(update: Any, count: int, sizes: tuple[int, int]) -> None:
    updates = [update(str(number)) for number in range(count)]
    first, second = Request(updates).halves()
    assert (len(first.objects), len(second.objects)) == sizes
    assert [*first.objects, *second.objects] == updates


SHAPE = Shape({})
UPDATES = st.lists(
    st.builds(
        lambda kind, name, text: Update(
            "people",
            ObjectKind(kind),
            Identity("external_id", name),
            json.dumps({"external_id": name, "text": text}).encode(),
            SHAPE,
        ),
        st.sampled_from(KINDS),
        st.sampled_from("abc"),
        st.text(max_size=30),
    ),
    max_size=40,
)


@given(UPDATES, st.integers(1, 8), st.booleans(), st.integers(300, 900))
def test_law_of_packing(updates: list[Update], max_objects: int, is_per_array: bool, max_bytes: int) -> None:
    """Every update is in exactly one request, in order, and no request is over a limit (invariants 4 and 6)."""
    requests = packed(Packer(max_objects, is_per_array=is_per_array, max_bytes=max_bytes), updates)
    assert [update for request in requests for update in request.objects] == updates
    for request in requests:
        counts = Counter(update.kind.value for update in request.objects)
        assert 1 <= (max(counts.values()) if is_per_array else counts.total()) <= max_objects
        assert len(request.body) <= max_bytes
        arrays = {
            kind: [json.loads(update.body) for update in request.objects if update.kind.value == kind] for kind in KINDS
        }
        assert json.loads(request.body) == {kind: array for kind, array in arrays.items() if array}
        assert len(request.places) == len(request.objects)
        assert all(
            json.loads(update.body) == arrays[place.array][place.number] for place, update in request.places.items()
        )


@given(UPDATES)
def test_law_that_no_request_is_closed_early(updates: list[Update]) -> None:
    """A request is closed only for an update that had no room in it."""
    requests = packed(Packer(3, max_bytes=600), updates)
    for request, following in itertools.pairwise(requests):
        together = Request([*request.objects, following.objects[0]])
        assert len(together.objects) > 3 or len(together.body) > 600 - len('"events":[],"purchases":[],') - 1


# Records of a person who is in the open request already


def names(request: Request | None) -> list[Any]:
    return [] if request is None else [update.identity.value for update in request.objects]


def test_an_update_takes_the_place_of_another(update: Any) -> None:
    """At the same place: what comes after it for others stays after it."""
    packer = Packer()
    first, second, better = update("a"), update("b"), update("a", plan="gold")
    packer.add(first)
    packer.add(second)
    packer.replace(first, better)
    assert packer.position == 3
    request = packer.close()
    assert request is not None
    assert list(request.objects) == [better, second]


def test_of_equal_updates_the_very_one_is_replaced(update: Any) -> None:
    packer = Packer()
    twins = [update("a"), update("a")]
    assert twins[0] == twins[1]
    for twin in twins:
        packer.add(twin)
    better = update("a", plan="gold")
    packer.replace(twins[1], better)
    request = packer.close()
    assert request is not None
    assert list(request.objects) == [twins[0], better]


def test_an_update_is_taken_out(update: Any) -> None:
    packer = Packer()
    first, second = update("a"), update("b")
    packer.add(first)
    packer.add(second)
    packer.replace(first, None)
    assert packer.position == 3
    assert names(packer.close()) == ["b"]


def test_a_request_of_which_all_was_taken_out_is_none(update: Any) -> None:
    packer = Packer()
    first = update("a")
    packer.add(first)
    packer.replace(first, None)
    assert packer.close() is None
    assert packer.position == 2


@pytest.mark.parametrize("is_per_array", [False, True])
def test_what_is_taken_out_makes_room(update: Any, is_per_array: bool) -> None:
    packer = Packer(max_objects=2, is_per_array=is_per_array)
    first, second, third = update("a"), update("b"), update("c")
    packer.add(first)
    packer.add(second)
    packer.replace(first, None)
    assert packer.add(third) is None
    assert names(packer.add(update("d"))) == ["b", "c"]


@pytest.mark.parametrize("is_per_array", [False, True])
def test_what_is_replaced_takes_no_more_room(update: Any, is_per_array: bool) -> None:
    packer = Packer(max_objects=2, is_per_array=is_per_array)
    first = update("a")
    packer.add(first)
    packer.replace(first, update("a", plan="gold"))
    assert packer.add(update("b")) is None
    assert names(packer.add(update("c"))) == ["a", "b"]


def test_bytes_are_counted_anew_with_what_replaces(update: Any) -> None:
    frame = len('{"attributes":[],"events":[],"purchases":[]}')
    packer = Packer(max_bytes=LIMIT)
    large, small = update("a", size=700), update("a", size=100)
    packer.add(large)
    assert not packer.has_room(LIMIT - frame - 701 + 1)
    assert packer.has_room(LIMIT - frame - 701)
    packer.replace(large, small)
    assert packer.has_room(LIMIT - frame - 101)
    assert not packer.has_room(LIMIT - frame - 101 + 1)
    packer.replace(small, None)
    assert packer.has_room(LIMIT - frame)
    assert not packer.has_room(LIMIT - frame + 1)


STEPS = st.lists(st.tuples(st.sampled_from(["add", "replace", "take out"]), st.integers(0, 9), st.integers(20, 250)))


@given(STEPS, st.integers(1, 5), st.booleans(), st.integers(300, 900))
def test_law_of_replacing(
    steps: list[tuple[str, int, int]], max_objects: int, is_per_array: bool, max_bytes: int
) -> None:
    """Each place holds what was put there last, in the order of places, and no request is over a limit."""
    packer = Packer(max_objects, is_per_array=is_per_array, max_bytes=max_bytes)
    open_: list[Update] = []
    expected, requests = [], []
    taken = 0
    for step, number, size in steps:
        kind = open_[number % len(open_)].kind if step != "add" and open_ else ObjectKind(KINDS[number % 3])
        body = b'{"external_id":"a","pad":"%b"}' % (b"x" * size)
        new = Update("people", kind, Identity("external_id", "a"), body, SHAPE)
        if step == "add" or not open_:
            closed = packer.add(new)
            if closed is not None:
                requests.append(closed)
                expected.append(open_)
                open_ = []
            open_.append(new)
        elif step == "take out":
            packer.replace(open_.pop(number % len(open_)), None)
        elif packer.has_room(len(body)):
            packer.replace(open_[number % len(open_)], new)
            open_[number % len(open_)] = new
        else:
            continue
        taken += 1
        assert packer.position == taken
    last = packer.close()
    requests += [] if last is None else [last]
    expected += [open_] if open_ else []
    assert [list(request.objects) for request in requests] == expected
    for request in requests:
        counts = Counter(update.kind.value for update in request.objects)
        assert (max(counts.values()) if is_per_array else counts.total()) <= max_objects
        assert len(request.body) <= max_bytes or len(request.objects) == 1
