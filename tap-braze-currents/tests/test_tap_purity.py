"""The pure modules stay pure: they import nothing that reads or writes anything, nor looks at a clock."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

PURE = [
    "bookmarks",
    "catalogs",
    "compiled_decoding",
    "container",
    "decoding",
    "errors",
    "events",
    "files",
    "floating",
    "general_decoding",
    "keys",
    "lineage",
    "progress",
    "records",
    "schemas",
    "settings",
    "spans",
]
FORBIDDEN = {
    "aiohttp",
    "asyncio",
    "botocore",
    "fsspec",
    "logging",
    "os",
    "pathlib",
    "random",
    "requests",
    "s3fs",
    "signal",
}
FORBIDDEN |= {"socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request"}
ALLOWED = {("floating", "sys")}


def imports(module: str) -> set[str]:
    spec = importlib.util.find_spec(f"tap_braze_currents.{module}")
    assert spec is not None
    assert spec.origin is not None
    found = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_does_no_io(module: str) -> None:
    bad = {name for name in imports(module) if name in FORBIDDEN and (module, name) not in ALLOWED}
    assert not bad


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_only_pure_ones_of_ours(module: str) -> None:
    ours = {name.rpartition(".")[2] for name in imports(module) if name.startswith("tap_braze_currents.")}
    assert ours <= set(PURE)
