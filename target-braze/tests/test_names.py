"""Numbers for names: the same as long as they mean the same, and never the same for another meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.errors import LedgerError
from target_braze.names import Names


class Kept(dict[str, bytes]):
    """What a ledger keeps; `puts` is how often it was given something."""

    puts = 0

    def open(self) -> Names:
        return Names(self.get, self.put)

    def put(self, name: str, value: bytes) -> None:
        self.puts += 1
        self[name] = value


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_numbers_stay_the_same(kept: Kept) -> None:
    first = kept.open()
    people, orders = first.stream("people"), first.stream("orders")
    numbers = first.attributes(people, ["plan", "score"], afresh=False)
    layout = first.layout((numbers["plan"], numbers["score"]))
    for names in (first, kept.open(), kept.open()):
        assert (names.stream("people"), names.stream("orders")) == (people, orders)
        assert names.attributes(people, ["score", "plan"], afresh=False) == numbers
        assert names.layout((numbers["plan"], numbers["score"])) == layout
        assert list(names.numbers(layout)) == [numbers["plan"], numbers["score"]]
        assert names.live == set(numbers.values())


def test_every_name_has_its_own(kept: Kept) -> None:
    """Streams and attributes too, so that no digest of a record is taken for an attribute's mark."""
    names = kept.open()
    numbers = [names.stream("plan"), names.stream("people")]
    numbers += names.attributes(numbers[0], ["plan", "people", "score"], afresh=False).values()
    assert len(set(numbers)) == 5


def test_nothing_is_written_if_nothing_is_new(kept: Kept) -> None:
    names = kept.open()
    people = names.stream("people")
    names.layout(tuple(names.attributes(people, ["plan"], afresh=False).values()))
    puts = kept.puts
    for again in (names, kept.open()):
        again.layout(tuple(again.attributes(again.stream("people"), ["plan"], afresh=False).values()))
    assert kept.puts == puts


def test_an_attribute_that_is_dropped_and_comes_back_is_another(kept: Kept) -> None:
    """What the ledger knew of its values is thereby forgotten, of everybody at once."""
    names = kept.open()
    people = names.stream("people")
    before = names.attributes(people, ["plan", "score"], afresh=False)
    assert names.attributes(people, ["score"], lambda name: name == "plan", afresh=False) == {"score": before["score"]}
    assert names.live == {before["score"]}
    for again in (names, kept.open()):
        after = again.attributes(people, ["plan", "score"], afresh=False)
        assert after["score"] == before["score"]
        assert after["plan"] not in before.values()
    assert kept.open().live == set(after.values())


def test_an_attribute_that_is_only_not_there_keeps_its_number(kept: Kept) -> None:
    """A tap may leave a column out of one run's schema; it is the settings that drop it."""
    names = kept.open()
    people = names.stream("people")
    before = names.attributes(people, ["plan", "score"], afresh=False)
    names.attributes(people, ["score"], afresh=False)
    assert names.live == set(before.values())
    assert kept.open().attributes(people, ["plan"], afresh=False) == {"plan": before["plan"]}


def test_two_streams_may_send_one_attribute(kept: Kept) -> None:
    """It is one thing in Braze; as long as one of them sends it, what is known of it holds."""
    names = kept.open()
    people, orders = names.stream("people"), names.stream("orders")
    number = names.attributes(people, ["plan"], afresh=False)["plan"]
    assert names.attributes(orders, ["plan"], afresh=False) == {"plan": number}
    names.attributes(people, [], lambda _: True, afresh=False)
    assert names.live == {number}
    assert names.attributes(people, ["plan"], afresh=False) == {"plan": number}
    for stream in (people, orders):
        names.attributes(stream, [], lambda _: True, afresh=False)
    assert names.live == set()
    assert names.attributes(orders, ["plan"], afresh=False)["plan"] > number


def test_what_one_stream_never_sent_it_cannot_drop(kept: Kept) -> None:
    names = kept.open()
    people, orders = names.stream("people"), names.stream("orders")
    number = names.attributes(people, ["plan"], afresh=False)["plan"]
    names.attributes(orders, [], lambda _: True, afresh=False)
    assert names.live == {number}


def test_what_is_sent_is_not_dropped_whatever_the_settings_say(kept: Kept) -> None:
    names = kept.open()
    people = names.stream("people")
    before = names.attributes(people, ["plan"], afresh=False)
    assert names.attributes(people, ["plan"], lambda _: True, afresh=False) == before


def test_a_full_resync_forgets_each_attribute_once_in_a_run(kept: Kept) -> None:
    """Schemas come again, and records of other forms: only the first time is a new beginning."""
    people = kept.open().stream("people")
    before = kept.open().attributes(people, ["plan", "score", "other"], afresh=False)
    run = kept.open()
    orders = run.stream("orders")
    after = run.attributes(people, ["plan", "score"], afresh=True)
    assert not set(after.values()) & set(before.values())
    assert run.attributes(people, ["score", "plan"], afresh=True) == after
    assert run.attributes(orders, ["plan"], afresh=True) == {"plan": after["plan"]}
    assert run.live == {*after.values(), before["other"]}
    assert kept.open().attributes(people, ["plan", "score"], afresh=False) == after
    assert kept.open().attributes(people, ["plan"], afresh=True)["plan"] > max(after.values())


def test_a_full_resync_keeps_who_sends_what(kept: Kept) -> None:
    names = kept.open()
    people, orders = names.stream("people"), names.stream("orders")
    for stream in (people, orders):
        names.attributes(stream, ["plan"], afresh=False)
    number = kept.open().attributes(people, ["plan"], afresh=True)["plan"]
    names = kept.open()
    names.attributes(people, [], lambda _: True, afresh=False)
    assert names.live == {number}  # orders still send it


def test_layouts_have_numbers_from_nought(kept: Kept) -> None:
    names = kept.open()
    assert [names.layout(numbers) for numbers in [(1, 2), (2, 1), (), (1, 2), (3,)]] == [0, 1, 2, 0, 3]
    again = kept.open()
    assert [tuple(again.numbers(layout)) for layout in range(4)] == [(1, 2), (2, 1), (), (3,)]
    assert again.layout((4,)) == 4


def test_a_layout_is_kept_before_it_is_used() -> None:
    """An entry that refers to one that is not there could not be read."""
    kept = Kept()

    def put(name: str, value: bytes) -> None:
        if name.startswith("layout"):
            raise LedgerError("the disk is full")
        kept.put(name, value)

    names = Names(kept.get, put)
    for _ in range(2):
        with pytest.raises(LedgerError, match="full"):
            names.layout((1, 2))
    assert kept.open().layout((3,)) == 0


@pytest.mark.parametrize("layout", [0, 5])
def test_a_layout_that_is_not_there_is_damage(kept: Kept, layout: int) -> None:
    with pytest.raises(LedgerError, match=r"damaged.*run again") as caught:
        kept.open().numbers(layout)
    assert caught.value.__suppress_context__


def test_names_of_earlier_versions_are_read() -> None:
    """A change of their form needs another version of the ledger, and an upgrade; these are from 2026-11."""
    kept = Kept(
        {
            "names": bytes.fromhex("930481a670656f706c650182a4706c616e92029101a573636f726592039101"),
            "layout:0": bytes.fromhex("920203"),
        }
    )
    names = kept.open()
    assert names.stream("people") == 1
    assert names.attributes(1, ["plan", "score"], afresh=False) == {"plan": 2, "score": 3}
    assert names.layout((2, 3)) == 0
    assert names.stream("orders") == 4


NAMES = st.sampled_from(["plan", "score", "tier"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["people", "orders"]), st.frozensets(NAMES), st.frozensets(NAMES), st.booleans()),
    max_size=12,
)


@given(STEPS)
def test_law_of_numbers(steps: list[tuple[str, frozenset[str], frozenset[str], bool]]) -> None:
    """A number means one attribute for ever, and an attribute that is dropped by all its streams is never it again."""
    kept = Kept()
    meant: dict[str, int] = {}
    ended: set[int] = set()
    names = kept.open()
    senders: dict[str, set[str]] = {}
    for stream, sent, dropped, is_new_run in steps:
        names = kept.open() if is_new_run else names
        numbers = names.attributes(names.stream(stream), sent, dropped.__contains__, afresh=False)
        for name in dropped - sent:
            if stream in senders.get(name, ()):
                senders[name].discard(stream)
                if not senders[name]:
                    ended.add(meant.pop(name))
        for name in sent:
            senders.setdefault(name, set()).add(stream)
            assert meant.setdefault(name, numbers[name]) == numbers[name]
        assert numbers.keys() == sent
        assert names.live == set(meant.values())
        assert not ended & set(meant.values())
