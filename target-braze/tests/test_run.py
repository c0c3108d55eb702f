from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from target_braze import reports
from target_braze.errors import DataPointLimitError, DeadLetterError, DeliveryError, SettingsError
from target_braze.rejections import Rejection, RejectionLimit
from target_braze.run import Run
from target_braze.settings import read_settings
from target_braze.updates import Mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BAD = {"type": "BAD", "input_array": "attributes", "index": 0}
NOBODY = Rejection("people", None, "missing identifier", None, {"plan": "secret"})


@pytest.fixture
def states() -> list[Any]:
    return []


@pytest.fixture
def start(braze: Any, tmp_path: Path, states: list[Any]) -> Iterator[Callable[..., Run]]:
    """Start a run with a request for each object; it is abandoned at the end."""
    started: list[Run] = []

    def start(*, emit: Callable[[Any], None] = states.append, **settings: Any) -> Run:
        config = {
            "base_url": braze.url,
            "api_key": "key",
            "report_path": str(tmp_path / "reports"),
            "max_objects_per_request": 1,
            **settings,
        }
        run = Run(read_settings(config), braze.url, emit)
        started.append(run)
        return run

    yield start
    braze.release()
    for run in started:
        run._handover.close()
        run._ledger.close()


def take(run: Run, update: Any = None, *rejections: Rejection, records: int = 1) -> None:
    run.tally.streams["people"].records += records
    run.intake.take(Mapped(update=update, rejections=rejections), "people")


def dead_letter(run: Run) -> list[dict[str, Any]]:
    path = run.summary_path.with_name("rejected.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_everything_ends_delivered_and_acknowledged(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    run = start()
    for number in range(5):
        take(run, update(str(number)))
    run.receive({"bookmark": 5})
    summary = run.finish()
    assert states == [{"bookmark": 5}]
    assert (summary["records"], summary["delivered"], summary["unfinished"]) == (5, 5, 0)
    assert sorted(braze.names) == list("01234")
    assert json.loads(run.summary_path.read_text()) == summary


def test_a_record_that_asks_nothing_is_unchanged(start: Any, states: list[Any]) -> None:
    run = start()
    take(run)
    run.receive(1)
    summary = run.finish()
    assert (summary["unchanged"], summary["requests"]) == (1, 0)
    assert states == [1]


def test_what_is_left_out_is_counted(start: Any, update: Any) -> None:
    run = start()
    run.tally.streams["people"].records += 1
    run.intake.take(Mapped(update=update("a"), left_out=(("address", 2),)), "people")
    assert run.finish()["streams"]["people"]["left_out"] == {"address": 2}


def test_a_rejected_record_is_in_the_dead_letter_before_its_state_leaves(start: Any) -> None:
    """Invariant 1."""
    seen: list[Any] = []
    run: Run = start(emit=lambda state: seen.append((state, dead_letter(run))))
    take(run, None, NOBODY)
    run.receive("after")
    summary = run.finish()
    ((state, kept),) = seen
    assert state == "after"
    assert [line["reason"] for line in kept] == ["missing identifier"]
    assert summary["rejected"] == 1


def test_an_object_that_braze_rejects_is_too(start: Any, update: Any, braze: Any) -> None:
    seen: list[Any] = []
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": [BAD]})
    run: Run = start(emit=lambda state: seen.append((state, dead_letter(run))))
    take(run, update("a", plan="gold"))
    run.receive("after")
    summary = run.finish()
    line = {
        "stream": "people",
        "identity": {"external_id": "a"},
        "reason": "BAD",
        "attribute": None,
        "object": {"external_id": "a", "plan": "gold"},
    }
    assert seen == [("after", [line])]
    assert (summary["rejected"], summary["delivered"], summary["rejections"]) == (1, 0, {"BAD": 1})


def test_a_rejected_attribute_leaves_the_rest_delivered(start: Any, update: Any) -> None:
    run = start()
    take(run, update("a"), replace(NOBODY, attribute="plan"))
    summary = run.finish()
    assert (summary["delivered"], summary["rejected"], summary["rejections"]) == (1, 0, {"missing identifier": 1})


def test_states_leave_while_the_run_goes_on(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    """Meltano persists nothing that comes after it was told to end."""

    def emit(state: Any) -> None:
        states.append(state)
        braze.release()

    run = start(emit=emit, request_timeout_seconds=1, max_retry_seconds=0)
    braze.holds = lambda call: call.names == ["2"]
    for number in range(4):  # the last one closes the request of "2"
        take(run, update(str(number)))
        run.receive(number)
    run._handover.finish()
    assert states[:1] in ([0], [1])
    run.finish()
    assert states[-1] == 3


@pytest.mark.parametrize("is_delivering", [True, False])
def test_a_state_leaves_when_it_comes_and_when_it_is_time(start: Any, states: list[Any], is_delivering: bool) -> None:
    """Though nothing else happens: the tap may have nothing to say for hours."""
    came = threading.Semaphore(0)

    def emit(state: Any) -> None:
        states.append(state)
        came.release()

    run = start(emit=emit)
    if is_delivering:
        run._handover._begin(run._handover._started())
    run._states.acknowledger.min_seconds = 0.05
    run.receive(1)
    assert came.acquire(timeout=20)
    run.receive(2)
    run.receive(3)
    run.rest()  # as the reader does before it waits for the tap
    assert came.acquire(timeout=20)
    run.finish()
    assert states[0] == 1
    assert states[-1] == 3


def test_no_state_passes_a_request_in_flight(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    braze.holds = lambda call: call.names == ["0"]
    run = start()
    run._handover._begin(run._handover._started())
    run._handover._delivery._client.was_reached = True
    for number in range(4):
        take(run, update(str(number)))
        run.receive(number)
    braze.wait_for(lambda: len(braze.calls) == 3)
    assert states == []
    braze.release()
    run.finish()
    assert states[-1] == 3


def test_no_state_passes_a_request_that_failed(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    """But what was safe before it leaves all the same."""
    braze.holds = lambda call: call.names in (["0"], ["1"])
    braze.script = lambda call: braze.Reply(401 if call.names == ["1"] else 201)
    run = start()
    run._handover._begin(run._handover._started())
    run._handover._delivery._client.was_reached = True
    for number in range(3):
        take(run, update(str(number)))
        run.receive(number)
    braze.wait_for(lambda: len(braze.calls) == 2)
    braze.release()
    with pytest.raises(DeliveryError, match="401"):
        run.finish()
    summary = run.abandon()
    assert states[-1:] == [0]
    assert (summary["delivered"], summary["unfinished"]) == (1 + braze.names.count("2"), 2 - braze.names.count("2"))
    assert json.loads(run.summary_path.read_text()) == summary


def test_abandoning_delivers_nothing_more(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    run = start(max_objects_per_request=2)
    for number in range(3):
        take(run, update(str(number)))
        run.receive(number)
    braze.wait_for(lambda: braze.calls)
    summary = run.abandon()
    assert braze.names == ["0", "1"]
    assert states[-1:] == [1]
    assert (summary["delivered"], summary["unfinished"]) == (2, 1)


@pytest.mark.parametrize("limit", ["2", 2], ids=["text", "number"])
def test_more_rejections_than_allowed_stop_the_run(start: Any, states: list[Any], limit: Any) -> None:
    """Invariant 3."""
    run = start(max_rejected=limit)
    for _ in range(2):
        take(run, None, NOBODY, NOBODY)
    with pytest.raises(DeadLetterError, match=r"3 of 3 records.*`max_rejected`.*rejected\.jsonl") as caught:
        take(run, None, NOBODY)
    assert "secret" not in str(caught.value)
    run.abandon()
    assert len(dead_letter(run)) == 5
    assert states == []


def test_more_rejections_by_braze_than_allowed_stop_the_run(
    start: Any, states: list[Any], update: Any, braze: Any
) -> None:
    braze.script = lambda _: braze.Reply(201, {"message": "success", "errors": [BAD]})
    run = start(max_rejected=0)
    take(run, update("a"))
    run.receive("after")
    with pytest.raises(DeadLetterError, match="1 of 1 records"):
        run.finish()
    run.abandon()
    assert states == []
    assert [line["reason"] for line in dead_letter(run)] == ["BAD"]


def test_a_share_is_of_the_records_read(start: Any) -> None:
    run = start(max_rejected="10%")
    assert run._settings.max_rejected == RejectionLimit(100, 0.1)
    for _ in range(100):
        take(run, None, NOBODY)
    take(run, None, NOBODY, records=910)  # 101 of 1010
    with pytest.raises(DeadLetterError, match="102 of 1,011"):
        take(run, None, NOBODY)


def fill_disk(run: Run) -> None:
    """The system itself says that there is no space left for the dead letter."""
    run.summary_path.with_name("rejected.jsonl").symlink_to("/dev/full")


def test_no_state_leaves_while_the_disk_is_full(start: Any, states: list[Any], update: Any, braze: Any) -> None:
    """Invariants 1 and 3."""
    braze.holds = lambda call: call.names == ["1"]
    run = start()
    fill_disk(run)
    take(run, None, NOBODY)
    take(run, update("1"))
    take(run, update("2"))
    braze.wait_for(lambda: braze.calls)
    run.receive("after all")
    braze.release()
    with pytest.raises(DeadLetterError, match="No space left on device"):
        run.finish()
    summary = run.abandon()
    assert states == []
    assert summary["rejected"] == 1


def test_a_sync_that_failed_once_lets_no_state_pass(
    start: Any, states: list[Any], update: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system reports a write-back error once."""
    failures = [OSError(5, "Input/output error")]

    def fsync(_: int) -> None:
        if failures:
            raise failures.pop()

    run = start()
    monkeypatch.setattr(os, "fsync", fsync)
    take(run, None, NOBODY)
    with pytest.raises(DeadLetterError, match="Input/output error"):  # noqa: PT012 - it may come at any of them
        run.receive("first")
        take(run, update("1"))
        run.receive("second")
        run.finish()
    run.abandon()
    assert states == []


def test_abandoning_on_a_full_disk_lets_the_cause_go_on(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    """That the summary cannot be written either is said beside it, not instead of it."""
    run = start()
    fill_disk(run)
    run.summary_path.symlink_to("/dev/full")
    with pytest.raises(DeadLetterError):
        take(run, None, replace(NOBODY, object="x" * 100_000))
    summary = run.abandon()
    assert summary["records"] == 1
    assert "The summary of this run could not be written" in caplog.text


def test_a_summary_that_cannot_be_written_fails_a_run_that_is_delivered(start: Any, states: list[Any]) -> None:
    run = start()
    run.summary_path.symlink_to("/dev/full")
    run.receive(1)
    with pytest.raises(SettingsError, match="acknowledged"):
        run.finish()
    assert states == [1]


@pytest.mark.parametrize("is_delivering", [True, False])
def test_a_state_that_cannot_be_passed_on_stops_the_run(start: Any, update: Any, is_delivering: bool) -> None:
    def fail(_: Any) -> None:
        raise DeliveryError("whoever started this target is gone")

    run = start(emit=fail)
    if is_delivering:
        run._handover._begin(run._handover._started())
    with pytest.raises(DeliveryError, match="is gone"):  # noqa: PT012 - it may come at any of them
        run.receive(1)
        take(run, update("a"))
        run.finish()
    assert isinstance(run.failure, DeliveryError) == is_delivering


def test_a_run_stops_before_the_request_that_would_cost_too_much(
    start: Any, states: list[Any], update: Any, braze: Any
) -> None:
    """Each object costs one data point; those before are delivered and acknowledged."""
    run = start(max_data_points=2)
    with pytest.raises(DataPointLimitError, match=r"2 of 2 are used, and it costs 1"):  # noqa: PT012 - at the last one
        for number in range(4):
            take(run, update(str(number)))
            run.receive(number)
    summary = run.abandon()
    assert braze.names == ["0", "1"]
    assert states[-1] == 1
    assert (summary["data_points"], summary["unfinished"]) == (2, 2)


def test_a_limit_that_is_met_is_not_passed(start: Any, update: Any) -> None:
    run = start(max_data_points=2)
    for number in range(2):
        take(run, update(str(number)))
    assert run.finish()["data_points"] == 2


def test_a_dry_run_sends_nothing_and_lets_no_state_leave(
    start: Any, states: list[Any], update: Any, braze: Any
) -> None:
    run = start(dry_run=True)
    take(run, update("a"))
    take(run, None, NOBODY)
    run.receive(1)
    summary = run.finish()
    assert braze.calls == []
    assert states == []
    assert (summary["dry_run"], summary["delivered"], summary["rejected"], summary["requests"]) == (True, 1, 1, 1)
    assert len(dead_letter(run)) == 1


def test_legacy_contracts_have_the_limit_per_array(start: Any, update: Any, braze: Any) -> None:
    run = start(object_limit="per_array")
    take(run, update("a"))
    take(run, update("b", "events"))
    run.finish()
    assert [call.names for call in braze.calls] == [["a", "b"]]


def test_the_same_input_gives_the_same_requests_in_the_same_order(start: Any, update: Any, braze: Any) -> None:
    """Invariant 6, with one request at a time so that the server sees the order they start in."""
    runs = []
    for _ in range(2):
        braze.calls.clear()
        run = start(max_objects_per_request=3, max_connections=1)
        for number in range(20):
            take(run, update(str(number % 7), number=number))
        run.finish()
        runs.append([call.body for call in braze.calls])
    assert runs[0] == runs[1]
    assert len(runs[0]) == 7


def test_dead_letter_files_are_named_alike() -> None:
    assert (reports.DEAD_LETTER, reports.SUMMARY) == ("rejected.jsonl", "summary.json")
