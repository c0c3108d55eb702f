"""What the command line does not import, and that it is there all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from target_braze.starting import UNUSED, import_target

BEFORE = "import sys; from target_braze.starting import UNUSED, import_target; import_target(); "


def said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", BEFORE + code], check=True, capture_output=True, text=True).stdout


def test_the_target_is_there_without_what_a_run_may_not_need() -> None:
    code = "print('target_braze.target' in sys.modules, [name for name in (*UNUSED, 'aiohttp') if name in sys.modules])"
    assert said(code) == "True []\n"


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
        ("from singer_sdk.streams import rest; print(hasattr(rest.requests, 'no_such_thing'))", "False"),
        ("from singer_sdk.helpers import jsonpath; print(isinstance(1, jsonpath.Child))", "False"),
        ("from singer_sdk.helpers.jsonpath import extract_jsonpath as of; print(*of('$.a[*]', {'a': [1, 2]}))", "1 2"),
        (
            "from singer_sdk.helpers._batch import StorageTarget; print(StorageTarget.split_url('file:///a/b'))",
            "('file:///a', 'b')",
        ),
        (
            "from singer_sdk.helpers import _batch\nclass Path(_batch.UPath): pass\nprint(Path.__mro__[1])",
            "<class 'upath.core.UPath'>",
        ),
        (
            "from singer_sdk import about; print(about.Version.__name__, about.SpecifierSet('>=3').contains('3.1'))",
            "Version True",
        ),
        (
            "from target_braze import sandbox; import requests; print(sandbox.requests.Session is requests.Session)",
            "True",
        ),
        ("from target_braze import standard_fields; print(standard_fields._country('Germany'))", "DE"),
        ("import joblib; print(joblib.Parallel.__module__)", "joblib.parallel"),
        ("import gc; print(gc.isenabled())", "True"),
    ],
)
def test_what_was_left_out_comes_when_it_is_used(code: str, expected: str) -> None:
    assert said(code).strip() == expected


def test_nothing_is_replaced_where_it_was_imported_before() -> None:
    before = {name: sys.modules.get(name) for name in (*UNUSED, "singer_sdk")}
    import_target()
    assert {name: sys.modules.get(name) for name in before} == before
    code = "import joblib, sys; from target_braze.starting import import_target; import_target(); "
    code += "import singer_sdk; print('requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
