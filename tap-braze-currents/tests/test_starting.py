"""What the command line does not import, and that it is there all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tap_braze_currents.starting import UNUSED, import_sdk

BEFORE = "import sys; from tap_braze_currents.starting import UNUSED, import_sdk; import_sdk(); "


def said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", BEFORE + code], check=True, capture_output=True, text=True).stdout


def test_the_sdk_is_there_without_what_a_tap_does_not_use() -> None:
    assert said("import singer_sdk; print([name for name in UNUSED if name in sys.modules])") == "[]\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "from singer_sdk import target_base; print(target_base.delayed(len)('ab'))",
            "(<built-in function len>, ('ab',), {})",
        ),
        (
            "from singer_sdk.streams import rest; import requests as r; print(rest.requests.HTTPError is r.HTTPError)",
            "True",
        ),
        ("from singer_sdk.streams import rest; print(rest.requests.exceptions.Timeout.__name__)", "Timeout"),
        ("from singer_sdk.streams import rest; print(rest.requests.Session().trust_env)", "True"),
        ("from singer_sdk.streams import rest; print(hasattr(rest.requests, 'no_such_thing'))", "False"),
        ("import joblib; print(joblib.Parallel.__module__)", "joblib.parallel"),
        ("import singer_sdk.sql, gc; print(gc.isenabled())", "True"),
    ],
)
def test_what_was_left_out_comes_when_it_is_used(code: str, expected: str) -> None:
    assert said(code).strip() == expected


def test_nothing_is_replaced_where_it_was_imported_before() -> None:
    before = {name: sys.modules.get(name) for name in (*UNUSED, "singer_sdk")}
    import_sdk()
    assert {name: sys.modules.get(name) for name in before} == before
    code = "import joblib, sys; from tap_braze_currents.starting import import_sdk; import_sdk(); "
    code += "print('singer_sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
