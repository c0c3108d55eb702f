from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from target_braze.acknowledgement import MIN_SECONDS_BETWEEN_STATES, Acknowledger


def test_a_state_before_any_update_leaves_at_once() -> None:
    acknowledger = Acknowledger()
    acknowledger.received(0, "start")
    assert acknowledger.due(0.0) == "start"


def test_a_state_waits_for_the_request_that_covers_it() -> None:
    acknowledger = Acknowledger()
    acknowledger.received(3, "three")
    acknowledger.opened(5)
    assert acknowledger.due(0.0, at_once=True) is None
    acknowledger.ended(5)
    assert acknowledger.due(0.0, at_once=True) == "three"


def test_a_state_after_an_ended_request_waits_for_the_next_one() -> None:
    acknowledger = Acknowledger()
    acknowledger.opened(5)
    acknowledger.received(6, "six")
    acknowledger.ended(5)
    assert acknowledger.due(0.0, at_once=True) is None
    acknowledger.opened(7)
    acknowledger.ended(7)
    assert acknowledger.due(0.0, at_once=True) == "six"


def test_a_state_waits_for_every_request_before_it() -> None:
    acknowledger = Acknowledger()
    for position in (5, 10, 15):
        acknowledger.opened(position)
    acknowledger.received(15, "all")
    for position in (15, 10):
        acknowledger.ended(position)
        assert acknowledger.due(0.0, at_once=True) is None
    acknowledger.ended(5)
    assert acknowledger.due(0.0, at_once=True) == "all"


@pytest.mark.parametrize("positions", [(1, 2, 3), (3, 3, 3)], ids=["as it grows", "with nothing between"])
def test_the_newest_safe_state_wins(positions: tuple[int, ...]) -> None:
    acknowledger = Acknowledger()
    for number, position in enumerate(positions):
        acknowledger.received(position, number)
    acknowledger.opened(3)
    acknowledger.received(4, "not safe yet")
    acknowledger.ended(3)
    assert acknowledger.due(0.0) == len(positions) - 1
    assert acknowledger.due(10.0) is None
    assert not acknowledger.is_waiting


def test_states_leave_at_most_once_a_second() -> None:
    acknowledger = Acknowledger()
    acknowledger.received(0, "first")
    assert acknowledger.due(100.0) == "first"
    acknowledger.received(0, "second")
    assert acknowledger.is_waiting
    assert acknowledger.next_due == 100.0 + MIN_SECONDS_BETWEEN_STATES
    assert acknowledger.due(100.0 + MIN_SECONDS_BETWEEN_STATES - 0.001) is None
    assert acknowledger.due(100.0 + MIN_SECONDS_BETWEEN_STATES) == "second"


def test_the_last_state_does_not_wait_for_the_rhythm() -> None:
    acknowledger = Acknowledger()
    acknowledger.received(0, "first")
    acknowledger.due(100.0)
    acknowledger.received(0, "last")
    assert acknowledger.due(100.0, at_once=True) == "last"


def test_rhythm_is_about_a_second() -> None:
    """Each STATE costs Meltano 10 to 80 ms of standing still; and whoever waits for one wants it soon."""
    assert 1.0 <= MIN_SECONDS_BETWEEN_STATES <= 10.0


def test_nothing_is_kept_of_what_has_left() -> None:
    acknowledger = Acknowledger()
    for position in range(1, 100):
        acknowledger.opened(position)
        acknowledger.received(position, position)
        acknowledger.ended(position)
        assert acknowledger.due(0.0, at_once=True) == position
    assert not acknowledger._open
    assert not acknowledger._ended
    assert not acknowledger._states


def test_of_states_with_nothing_between_them_one_is_kept() -> None:
    """However many a tap sends while a request is in flight."""
    acknowledger = Acknowledger()
    for number in range(100):
        acknowledger.received(1, number)
    assert len(acknowledger._states) == 1


class AcknowledgerModel(RuleBasedStateMachine):
    """Against a model that remembers everything (invariant 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledger = Acknowledger()
        self.now = 0.0
        self.position = 0
        self.opened: list[int] = []
        self.unended: set[int] = set()
        self.received_at: list[int] = []
        self.emitted: list[tuple[float, int]] = []

    @rule(count=st.integers(1, 4))
    def take_updates(self, count: int) -> None:
        self.position += count

    @precondition(lambda self: self.position > self.opened_to)
    @rule(data=st.data())
    def open_request(self, data: st.DataObject) -> None:
        self._open(data.draw(st.integers(self.opened_to + 1, self.position)))

    @precondition(lambda self: self.unended)
    @rule(data=st.data())
    def end_request(self, data: st.DataObject) -> None:
        self._end(data.draw(st.sampled_from(sorted(self.unended))))

    @rule()
    def receive_state(self) -> None:
        self.acknowledger.received(self.position, len(self.received_at))
        self.received_at.append(self.position)

    @rule(seconds=st.floats(0, 2), at_once=st.booleans())
    def emit(self, seconds: float, at_once: bool) -> None:
        self.now += seconds
        state = self.acknowledger.due(self.now, at_once=at_once)
        last_time, last = self.emitted[-1] if self.emitted else (float("-inf"), -1)
        is_time = at_once or self.now >= last_time + MIN_SECONDS_BETWEEN_STATES
        expected = self.newest_safe if is_time and self.newest_safe > last else None
        assert state == expected
        if state is not None:
            self.emitted.append((self.now, state))

    def teardown(self) -> None:
        """Once all has ended, the last STATE has left."""
        if self.position > self.opened_to:
            self._open(self.position)
        for position in list(self.unended):
            self._end(position)
        self.emit(0.0, at_once=True)
        assert [state for _, state in self.emitted][-1:] == [*range(len(self.received_at))][-1:]

    def _open(self, position: int) -> None:
        self.acknowledger.opened(position)
        self.opened.append(position)
        self.unended.add(position)

    def _end(self, position: int) -> None:
        self.acknowledger.ended(position)
        self.unended.remove(position)

    @property
    def opened_to(self) -> int:
        return self.opened[-1] if self.opened else 0

    @property
    def newest_safe(self) -> int:
        """The newest STATE before which everything is in requests that have ended; -1 if there is none."""
        ended = [0, *takewhile(lambda position: position not in self.unended, self.opened)]
        return max((number for number, position in enumerate(self.received_at) if position <= ended[-1]), default=-1)


AcknowledgerModel.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAcknowledgerModel = AcknowledgerModel.TestCase
