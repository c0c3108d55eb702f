"""The README against what it describes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest
from braze_sandbox import faults
from braze_sandbox.limits import LIMITS
from braze_sandbox.routes import ROUTES
from braze_sandbox.settings import Settings
from braze_sandbox.track import VARIANTS

if TYPE_CHECKING:
    from braze_sandbox.testing import Client

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_setting_is_there_with_its_default() -> None:
    told: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \| [^|]+ \|$", README, re.MULTILINE):
        told |= dict(zip(re.findall(r"`(\w+)`", names), re.split(r", ", defaults.replace("`", "")), strict=False))
    defaults = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in msgspec.to_builtins(Settings()).items()
    }
    assert {name: told.get(name) for name in defaults} == {
        name: value.removesuffix(".0") for name, value in defaults.items()
    }


def test_every_route_is_there_with_its_scope_and_limit() -> None:
    row = re.compile(
        r"^\| `([A-Z]+) (/[^`]+)`[^|]*\| (?:`([^`]+)`|keys in the body) \| [^|`]*`?([a-z_.]+)?`? ?\|$", re.MULTILINE
    )
    told = {match[:4] for match in row.findall(README)}
    kept: set[tuple[str, str, str, str]] = {
        (route.method, route.path, route.scope or "", route.limit) for route in ROUTES
    }
    kept |= {("POST", each.path, each.scope, each.limit or "") for each in VARIANTS}
    assert {each if each[3] != "see" else (*each[:3], "") for each in told} == kept


def test_the_limits_are_those_of_the_table() -> None:
    for group, (most, seconds) in LIMITS.items():
        text = f"{most:,}{ {1: ' a second', 60: '', 3600: ' an hour'}[int(seconds)] } `{group}`"
        assert text in README


@pytest.mark.parametrize("kind", get_args(faults.Kind))
def test_every_fault_is_there(kind: str) -> None:
    assert re.search(rf"^\| .*`{kind}`", README, re.MULTILINE)


def test_the_first_example_answers_as_it_says(braze: Client) -> None:
    body = re.search(r"-d '(\{\"attributes\".*?\})'\n(\{.*\})", README)
    assert body is not None
    assert braze.post("/users/track", json.loads(body[1])).text == body[2]


def test_the_other_examples_are_accepted(braze: Client) -> None:
    settings = re.search(r"/sandbox/settings -d '(\{.*?\})'", README)
    rules = re.search(r"/sandbox/faults -d '(\[.*?\])'", README, re.DOTALL)
    assert settings is not None
    assert rules is not None
    braze.settings(**json.loads(settings[1]))
    braze.faults(*json.loads(rules[1]))


def test_the_fields_of_the_control_api_are_told(braze: Client) -> None:
    braze.attributes({"external_id": "p"})
    shown = [braze.stats(), braze.requests()[0], braze.profile()]
    assert not [name for each in shown for name in each if not re.search(rf"\b{name}\b", README)]
