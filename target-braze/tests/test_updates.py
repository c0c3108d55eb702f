"""Attributes, and the objects made of some of them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze import updates
from target_braze.nested import encode_each
from target_braze.rejections import Rejection
from target_braze.updates import Attributes, Form, Identity, Mapped, ObjectKind

ANA = Identity("external_id", "ana")
RECORD = {"plan": "gold", "address": {"city": "Rome", "zip": "1"}, "tags": None}


def attributes(
    record: dict[str, Any] = RECORD,
    *,
    flags: dict[str, bool] | None = None,
    points: tuple[int, ...] | None = None,
    identity: Identity = ANA,
) -> Attributes:
    form = Form(tuple(record), (1,) * len(record), flags or {})
    named = json.dumps(identity.as_fields(), separators=(",", ":")).encode()[1:-1]
    return Attributes("people", identity, named, form, encode_each(list(record.values())), points)


@pytest.mark.parametrize(
    ("identity", "fields"),
    [
        (ANA, {"external_id": "ana"}),
        (Identity("user_alias", ("crm", "7")), {"user_alias": {"alias_name": "7", "alias_label": "crm"}}),
    ],
)
def test_the_whole_object(identity: Identity, fields: dict[str, Any]) -> None:
    update = attributes(flags={"_merge_objects": True}, identity=identity).whole()
    assert json.loads(update.body) == {**fields, **RECORD, "_merge_objects": True}
    assert (update.stream, update.kind, update.identity) == ("people", ObjectKind.ATTRIBUTES, identity)
    assert (update.records, update.lesson) == (1, None)


@pytest.mark.parametrize("chosen", [(), (0,), (2,), (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("flags", [{}, {"_update_existing_only": False}], ids=["plain", "steered"])
def test_an_object_has_what_was_chosen(chosen: tuple[int, ...], flags: dict[str, bool]) -> None:
    """What steers Braze is in every object."""
    update = attributes(flags=flags, points=(1, 2, 0)).update(chosen, records=3)
    names = [list(RECORD)[index] for index in chosen]
    assert json.loads(update.body) == {"external_id": "ana", **{name: RECORD[name] for name in names}, **flags}
    costs = {"plan": 1, "address": 2}
    assert update.shape.data_points == {name: costs[name] for name in names if name in costs}
    assert update.records == 3


def test_names_are_written_as_json() -> None:
    record = {'say "hi"': 1, "é\n": 2}
    assert json.loads(attributes(record).whole().body) == {"external_id": "ana", **record}


def test_shapes_are_shared_by_objects_that_cost_the_same() -> None:
    some = attributes()
    assert some.update((0, 1)).shape is some.update((0, 1)).shape
    assert some.update((0, 1)).shape is not some.update((0, 2)).shape
    form = some.form
    assert form.shape((0, 1), (1, 2, 1)) is form.shape((0, 1), (1, 2, 1))
    assert form.shape((0, 1), (1, 2, 1)) is not form.shape((0, 1), (1, 3, 1))


def test_shapes_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "_MAX_SHAPES", 3)
    form = attributes().form
    for size in range(10):
        assert form.shape((1,), (1, size, 1)).data_points == ({"address": size} if size else {})
        assert len(form._shapes) <= 3


def test_what_became_of_a_record() -> None:
    rejection = Rejection("people", None, "bad", None, {})
    nothing = Mapped()
    assert (nothing.is_empty, nothing.is_rejected) == (True, False)
    turned_down = Mapped(rejections=(rejection,))
    assert (turned_down.is_empty, turned_down.is_rejected) == (True, True)
    for part in (Mapped(None, attributes(), (rejection,)), Mapped(attributes().whole(), None, (rejection,))):
        assert (part.is_empty, part.is_rejected) == (False, False)


@given(
    st.dictionaries(st.text(min_size=1), st.text() | st.integers(-9, 9) | st.none(), min_size=1, max_size=4), st.data()
)
def test_law_that_any_choice_makes_an_object_of_no_more_than_the_size(
    record: dict[str, Any], data: st.DataObject
) -> None:
    """The size that is held against Braze's limit is that of the whole object, to the byte."""
    some = attributes(record, flags={"_merge_objects": True})
    assert len(some.whole().body) == some.size
    choices = [
        choice for length in range(len(record) + 1) for choice in itertools.combinations(range(len(record)), length)
    ]
    chosen = data.draw(st.sampled_from(choices))
    update = some.update(chosen)
    assert len(update.body) <= some.size
    assert json.loads(update.body).keys() == {"external_id", "_merge_objects"} | {list(record)[at] for at in chosen}
