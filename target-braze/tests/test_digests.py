"""What stands for a whole record: the same for the same, and for what differs only where nothing is sent."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_braze.digests import Digests, unknown
from target_braze.hashes import RECORD_BYTES
from target_braze.mapping import Mapper
from target_braze.record_table import RecordTable
from target_braze.stream_settings import FieldSettings, StreamSettings

COLUMNS = ("external_id", "plan", "score", "extracted_at")
SCHEMA: dict[str, Any] = {"properties": {name: {} for name in COLUMNS}}
WITHOUT = StreamSettings(fields={"extracted_at": None})
RECORD = {"external_id": "1", "plan": "gold", "score": 1.5, "extracted_at": "2026-01-01"}


def digests(settings: StreamSettings = WITHOUT, seed: int = 7, schema: dict[str, Any] = SCHEMA) -> Digests:
    return Digests(Mapper("people", schema, settings), seed)


def as_json(record: Any) -> bytes:
    return json.dumps(record).encode()


def one(record: Any, settings: StreamSettings = WITHOUT) -> bytes | None:
    (digest,) = digests(settings).of([record if isinstance(record, bytes) else as_json(record)])
    return digest


@pytest.mark.parametrize("settings", [WITHOUT, StreamSettings()], ids=["a column left out", "all sent"])
def test_the_same_record_has_the_same_digest(settings: StreamSettings) -> None:
    digest = one(RECORD, settings)
    assert digest is not None
    assert len(digest) == RECORD_BYTES
    assert one(RECORD, settings) == digest


def test_a_column_that_is_not_sent_does_not_matter() -> None:
    """Else the time of extraction would make every record look changed."""
    assert one({**RECORD, "extracted_at": "2026-01-02"}) == one(RECORD)
    assert one({**RECORD, "extracted_at": {"deep": [1]}}) == one(RECORD)
    without = {name: value for name, value in RECORD.items() if name != "extracted_at"}
    assert one(without) == one(RECORD)


@pytest.mark.parametrize(
    "change", [{"plan": "silver"}, {"score": 1.6}, {"score": None}, {"external_id": "2"}, {"plan": "gold "}], ids=str
)
@pytest.mark.parametrize("settings", [WITHOUT, StreamSettings()], ids=["a column left out", "all sent"])
def test_a_column_that_is_sent_does(change: dict[str, Any], settings: StreamSettings) -> None:
    assert one({**RECORD, **change}, settings) != one(RECORD, settings)


def test_where_all_is_sent_every_column_does() -> None:
    assert one({**RECORD, "extracted_at": "2026-01-02"}, StreamSettings()) != one(RECORD, StreamSettings())


def test_absent_is_not_null() -> None:
    """Null removes, absent leaves alone."""
    absent = {name: value for name, value in RECORD.items() if name != "plan"}
    found = {one(absent), one({**RECORD, "plan": None}), one({**RECORD, "plan": ""}), one({**RECORD, "plan": "null"})}
    assert len(found) == 4


def test_values_do_not_run_into_one_another() -> None:
    absent = {"external_id": "1"}
    assert one({**absent, "plan": 12}) != one({**absent, "score": 12})
    assert one({**absent, "plan": 1, "score": 23}) != one({**absent, "plan": 12, "score": 3})


@pytest.mark.parametrize("settings", [WITHOUT, StreamSettings()], ids=["a column left out", "all sent"])
def test_keys_in_another_order_cost_a_closer_look_at_most(settings: StreamSettings) -> None:
    """Where columns are left out they do not even cost that."""
    turned = dict(reversed(RECORD.items()))
    assert (one(turned, settings) == one(RECORD, settings)) == (settings is WITHOUT)


def test_a_column_nobody_announced_is_looked_at() -> None:
    """It may be one that is sent."""
    assert one({**RECORD, "new": 1}) is None


@pytest.mark.parametrize("record", [b"[]", b"17", b"{", b'{"plan":}', b'{"plan":NaN}', b'"\\ud800"'], ids=repr)
def test_what_cannot_be_read_is_looked_at(record: bytes) -> None:
    assert one(record) is None


def test_one_odd_record_does_not_make_the_others_odd() -> None:
    records = [as_json(RECORD), as_json({**RECORD, "new": 1}), b"[]", as_json({**RECORD, "plan": "silver"})]
    found = digests().of(records)
    assert found == [one(RECORD), None, None, one({**RECORD, "plan": "silver"})]


def test_a_stream_of_one_column_that_is_sent() -> None:
    """The digest is then that of the whole, which only costs closer looks."""
    settings = StreamSettings(only=frozenset())
    assert one(RECORD, settings) == one(RECORD, settings)
    assert one({**RECORD, "external_id": "2"}, settings) != one(RECORD, settings)


def test_another_seed_makes_other_digests() -> None:
    """Each way of mapping has its own: after a change of the settings everything is looked at."""
    record = [as_json(RECORD)]
    assert digests(seed=7).of(record) != digests(seed=8).of(record)


def test_no_records() -> None:
    assert digests().of([]) == []
    assert unknown([], RecordTable()) == []


@pytest.mark.parametrize("name", ["__class__", "column_0", "values", "é", "", "a b"])
def test_columns_may_have_any_name(name: str) -> None:
    schema: dict[str, Any] = {"properties": {"external_id": {}, name or " ": {}, "extracted_at": {}}}
    settings = StreamSettings(fields={"extracted_at": None, name or " ": FieldSettings(name="plan")})
    made = digests(settings, schema=schema)
    first, second, third = made.of(
        [
            as_json({"external_id": "1", name or " ": value, "extracted_at": at})
            for value, at in ((1, 1), (1, 2), (2, 1))
        ]
    )
    assert first == second != third


@pytest.mark.parametrize("name", ['with "quotes"', "back\\slash", "a\tb", "\ud800"], ids=ascii)
def test_beside_a_column_with_an_odd_name_every_column_matters(name: str) -> None:
    """It cannot be told apart, which only costs closer looks."""
    schema: dict[str, Any] = {"properties": {"external_id": {}, "plan": {}, name: {}}}
    made = digests(StreamSettings(fields={name: None}), schema=schema)
    record = {"external_id": "1", "plan": 1, name: 1}
    same, other, left_out = made.of([as_json(each) for each in (record, {**record, "plan": 2}, {**record, name: 2})])
    assert made.of([as_json(record)]) == [same]
    assert len({same, other, left_out}) == 3


values = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.lists(st.integers(0, 3), max_size=2)
records = st.dictionaries(st.sampled_from(COLUMNS), values, max_size=4)


@given(records, records)
@example({"plan": None}, {})
def test_law_that_equal_digests_mean_equal_records(first: dict[str, Any], second: dict[str, Any]) -> None:
    """But for what is not sent."""
    sent = [{name: value for name, value in each.items() if name != "extracted_at"} for each in (first, second)]
    assert (one(first) == one(second)) == (as_json_sorted(sent[0]) == as_json_sorted(sent[1]))


def as_json_sorted(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


# Looking them up


def digest_of(number: int) -> bytes:
    return number.to_bytes(RECORD_BYTES, "big")


@given(
    st.lists(st.none() | st.integers(2**70, 2**70 + 20).map(digest_of), max_size=30),
    st.frozensets(st.integers(2**70, 2**70 + 20).map(digest_of)),
)
def test_law_of_the_unknown(heap: list[bytes | None], settled: frozenset[bytes]) -> None:
    """Those not in the table, in order; what has no digest is never in it."""
    table = RecordTable()
    table.add_all(list(settled))
    assert unknown(heap, table) == [index for index, digest in enumerate(heap) if digest not in settled]


def test_what_has_no_digest_is_unknown_whatever_is_in_the_table() -> None:
    table = RecordTable()
    table.add_all([bytes(RECORD_BYTES)])
    assert unknown([None], table) == [0]
    assert unknown([bytes(RECORD_BYTES), None], table) == [1]


def test_indexes_are_pythons_own() -> None:
    """They go on to places where numpy's would be slow or wrong."""
    (index,) = unknown([digest_of(2**70)], RecordTable())
    assert type(index) is int
    assert not isinstance(index, np.integer)
