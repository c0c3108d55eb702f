from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_braze.packing import Place
from target_braze.responses import UNNAMED, Action, Resolution, resolve, without_values

PLACES = {Place("attributes", 0), Place("attributes", 1), Place("events", 0)}
FIRST, SECOND, EVENT = Place("attributes", 0), Place("attributes", 1), Place("events", 0)
NO_VALID_DATA = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
BAD_EMAIL = "The value provided for the 'email' field is not a valid email."
KEY = "0123-the-key"


def error(reason: Any, array: Any = "attributes", index: Any = 0) -> dict[str, Any]:
    return {"type": reason, "input_array": array, "index": index}


def success(*errors: Any, **more: Any) -> dict[str, Any]:
    return {"message": "success", "attributes_processed": 1, "errors": list(errors), **more}


def answer(status: int, body: Any) -> Resolution:
    return resolve(status, body if isinstance(body, bytes) else json.dumps(body).encode(), PLACES)


@pytest.mark.parametrize(
    ("status", "body", "action", "rejected"),
    [
        pytest.param(201, {"message": "success"}, Action.ACCEPT, {}, id="C49: success"),
        pytest.param(200, {"message": "success"}, Action.ACCEPT, {}, id="success as 200"),
        pytest.param(202, {"message": "success"}, Action.ACCEPT, {}, id="success as 202"),
        pytest.param(201, success(), Action.ACCEPT, {}, id="no errors"),
        pytest.param(201, success(errors=None), Action.ACCEPT, {}, id="errors is null"),
        pytest.param(
            201, success(error("BAD_LOCATION_UPDATE", index=1)), Action.ACCEPT, {SECOND: "BAD_LOCATION_UPDATE"},
            id="C50: a code",
        ),
        pytest.param(201, success(error(BAD_EMAIL)), Action.ACCEPT, {FIRST: BAD_EMAIL}, id="C50: a sentence"),
        pytest.param(
            201, success(error("a"), error("b", "events")), Action.ACCEPT, {FIRST: "a", EVENT: "b"},
            id="C51: by array, the same index in two",
        ),
        pytest.param(201, success(error("a"), error("b")), Action.ACCEPT, {FIRST: "a; b"}, id="two about one object"),
        pytest.param(201, success(error("a"), error("a")), Action.ACCEPT, {FIRST: "a"}, id="the same twice"),
        pytest.param(
            201, success(error("a"), error("b", index=1)), Action.ACCEPT, {FIRST: "a", SECOND: "b"},
            id="C53: each object its own",
        ),
        pytest.param(201, success(error(None)), Action.ACCEPT, {FIRST: UNNAMED}, id="no reason"),
        pytest.param(201, success(error(["a"])), Action.ACCEPT, {FIRST: UNNAMED}, id="a reason that is no text"),
        pytest.param(
            201, success({"message": "a", "input_array": "attributes", "index": 0}), Action.ACCEPT, {FIRST: "a"},
            id="reason in message",
        ),
        pytest.param(201, success({"type": "a"}), Action.SPLIT, {}, id="C61: no place"),
        pytest.param(
            201, success(error("a"), {"type": "b"}), Action.SPLIT, {FIRST: "a"}, id="C61: one with a place, one without"
        ),
        pytest.param(201, success(error("a", index=2)), Action.SPLIT, {}, id="an index that was not sent"),
        pytest.param(201, success(error("a", index=-1)), Action.SPLIT, {}, id="a negative index"),
        pytest.param(201, success(error("a", "purchases")), Action.SPLIT, {}, id="an array that was not sent"),
        pytest.param(201, success(error("a", index="0")), Action.SPLIT, {}, id="index as text"),
        pytest.param(201, success(error("a", index=True)), Action.SPLIT, {}, id="index as boolean"),
        pytest.param(201, success(error("a", array=None)), Action.SPLIT, {}, id="array is null"),
        pytest.param(201, success("a"), Action.SPLIT, {}, id="errors as strings"),
        pytest.param(201, success(17), Action.SPLIT, {}, id="errors as numbers"),
        pytest.param(201, success(errors="a"), Action.SPLIT, {}, id="errors as one string"),
        pytest.param(201, success(errors=error("a")), Action.ACCEPT, {FIRST: "a"}, id="errors as one object"),
        pytest.param(201, success(errors={"0": "a"}), Action.SPLIT, {}, id="errors as another object"),
        pytest.param(201, {"message": "queued"}, Action.RETRY, {}, id="C55: another message"),
        pytest.param(201, {"attributes_processed": 2}, Action.RETRY, {}, id="C55: no message"),
        pytest.param(201, {"message": "no", "errors": [error("a")]}, Action.RETRY, {}, id="C55: with errors"),
        pytest.param(201, b"", Action.RETRY, {}, id="C58: empty"),
        pytest.param(201, b"<html>Sign in</html>", Action.RETRY, {}, id="a page"),
        pytest.param(201, b"\xff\xfe", Action.RETRY, {}, id="no text"),
        pytest.param(201, b'"success"', Action.RETRY, {}, id="a string"),
        pytest.param(201, b'["success"]', Action.RETRY, {}, id="a list"),
        pytest.param(204, b"", Action.RETRY, {}, id="204"),
        pytest.param(302, b"", Action.STOP, {}, id="302"),
        pytest.param(304, b"", Action.STOP, {}, id="304"),
        pytest.param(400, {"message": NO_VALID_DATA}, Action.REJECT, {}, id="C54: none valid"),
        pytest.param(
            400, {"message": NO_VALID_DATA, "errors": [error("a"), error("b", index=1)]}, Action.REJECT,
            {FIRST: "a", SECOND: "b"}, id="C54: none valid, with errors",
        ),
        pytest.param(400, {"error": "Error while parsing request body."}, Action.SPLIT, {}, id="no JSON"),
        pytest.param(400, {"message": "Max Input Length Exceeded"}, Action.SPLIT, {}, id="too many"),
        pytest.param(400, {"message": "Bad"}, Action.SPLIT, {}, id="another 400"),
        pytest.param(400, {"message": "Bad", "errors": [error("a")]}, Action.SPLIT, {FIRST: "a"}, id="400, one named"),
        pytest.param(400, b"", Action.SPLIT, {}, id="400, empty"),
        pytest.param(400, b"<html>", Action.SPLIT, {}, id="400, a page"),
        pytest.param(400, b"[]", Action.SPLIT, {}, id="400, a list"),
        pytest.param(401, {"message": f"Invalid API key: {KEY}"}, Action.STOP, {}, id="C56: 401"),
        pytest.param(402, b"", Action.STOP, {}, id="402"),
        pytest.param(403, {"message": "Forbidden"}, Action.STOP, {}, id="403"),
        pytest.param(404, b"", Action.STOP, {}, id="404"),
        pytest.param(405, b"", Action.STOP, {}, id="405: not Braze"),
        pytest.param(407, b"", Action.STOP, {}, id="407: a proxy"),
        pytest.param(408, b"", Action.RETRY, {}, id="408"),
        pytest.param(413, b"", Action.SPLIT, {}, id="413"),
        pytest.param(415, b"", Action.STOP, {}, id="415"),
        pytest.param(422, {"message": "Unprocessable", "errors": [error("a")]}, Action.SPLIT, {FIRST: "a"}, id="422"),
        pytest.param(429, {"message": "Rate Limited"}, Action.RETRY, {}, id="C57: 429"),
        pytest.param(500, b"", Action.RETRY, {}, id="C58: 500"),
        pytest.param(502, b"<html>", Action.RETRY, {}, id="502"),
        pytest.param(503, b"", Action.RETRY, {}, id="C58: 503"),
        pytest.param(504, b"", Action.RETRY, {}, id="C58: 504"),
        pytest.param(529, b"", Action.RETRY, {}, id="529"),
        pytest.param(500, {"message": "success"}, Action.RETRY, {}, id="500 that says success"),
    ],
)  # fmt: skip
def test_resolution(status: int, body: Any, action: Action, rejected: dict[Place, str]) -> None:
    resolution = answer(status, body)
    assert resolution.action is action
    assert dict(resolution.rejected) == rejected
    assert resolution.is_limit == (status == 429)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(201, success({"type": "who knows"}), "who knows", id="an error without a place"),
        pytest.param(201, success("who knows"), "who knows", id="an error as a string"),
        pytest.param(201, success({"a": 1}), UNNAMED, id="an error that says nothing"),
        pytest.param(400, {"message": NO_VALID_DATA}, NO_VALID_DATA, id="Braze's message"),
        pytest.param(400, {"error": "no JSON"}, "no JSON", id="Braze's other name for it"),
        pytest.param(400, {"message": "  Bad \n"}, "Bad", id="trimmed"),
        pytest.param(400, {"message": "x" * 5000}, "x" * 300, id="cut"),
        pytest.param(400, b"", "status 400", id="none"),
        pytest.param(400, {"message": {"a": 1}}, "status 400", id="no text"),
        pytest.param(413, b"", "object too large for a request (413)", id="413"),
    ],
)
def test_reason_for_the_dead_letter(status: int, body: Any, reason: str) -> None:
    assert answer(status, body).reason == reason


def test_401_names_key_and_instance() -> None:
    reason = answer(401, {"message": f"Invalid API key: {KEY}"}).reason
    assert "`api_key`" in reason
    assert "`instance`" in reason


@pytest.mark.parametrize(
    ("status", "words"),
    [(302, "`base_url`"), (403, "users.track"), (404, "`base_url`"), (405, "`base_url`"), (415, "Content-Type")],
)
def test_what_stops_a_run_says_what_to_do(status: int, words: str) -> None:
    resolution = answer(status, b"")
    assert resolution.action is Action.STOP
    assert words in resolution.reason
    assert str(status) in resolution.reason


@given(
    st.sampled_from([*range(200, 210), 301, 302, 307, 401, 403, 404, 405, 408, 415, 418, 429, 500, 502, 503, 504]),
    st.sampled_from(["message", "error", "errors"]),
    st.booleans(),
)
def test_law_that_what_is_logged_holds_nothing_of_the_body(status: int, name: str, is_list: bool) -> None:
    """Reasons for RETRY and STOP go into logs and errors; the body can echo the key or values (invariant 5)."""
    resolution = answer(status, {name: [{"type": KEY}] if is_list else KEY})
    if resolution.action in (Action.RETRY, Action.STOP):
        assert KEY not in resolution.reason
        assert not resolution.rejected


@given(st.integers(200, 599), st.binary(max_size=50))
def test_law_that_every_answer_has_a_resolution(status: int, body: bytes) -> None:
    assert resolve(status, body, PLACES).action in Action


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["success", "attributes", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "errors", "error", "type", "input_array", "index"]), inner)
    ),
)


@given(st.sampled_from([200, 201, 400, 422]), JSON)
def test_law_that_only_what_was_sent_is_rejected(status: int, body: Any) -> None:
    resolution = answer(status, body)
    assert set(resolution.rejected) <= PLACES
    if resolution.action is Action.ACCEPT:
        assert body["message"] == "success"
        assert status < 300


@pytest.mark.parametrize(
    ("reason", "redacted"),
    [
        ("EMAIL_BAD_FORMAT", "EMAIL_BAD_FORMAT"),
        (BAD_EMAIL, BAD_EMAIL),
        ('properties ["sku_abcd"] outside of the schema', 'properties ["…"] outside of the schema'),
        ('properties ["a", "b"] outside', 'properties ["…"] outside'),
        ('is "5\\" tall", too long', 'is "…"'),
        ('value "cut off at the e', 'value "…"'),
        ('value "a", then "cut off', 'value "…"'),
    ],
)
def test_values_in_quotes_are_left_out_of_what_is_logged(reason: str, redacted: str) -> None:
    assert without_values(reason) == redacted


@given(st.text(alphabet="xyz", min_size=3), st.text(alphabet='ab" '))
def test_law_that_no_quoted_value_is_logged(value: str, around: str) -> None:
    assert value not in without_values(f'it is "{value}{around}')
