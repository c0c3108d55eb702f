"""The pure modules stay pure: they import nothing that reads or writes anything.

Extend `PURE` by every module that says so in its docstring.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

PURE = [
    "acknowledgement",
    "backoff",
    "braze_attributes",
    "columns",
    "comparison",
    "compiled",
    "costs",
    "errors",
    "findings",
    "identities",
    "instances",
    "layouts",
    "limits",
    "mapped_streams",
    "mapping",
    "nested",
    "outcome",
    "pace",
    "packing",
    "policies",
    "rejections",
    "responses",
    "schema",
    "settings",
    "standard_fields",
    "stream_settings",
    "tally",
    "time_zones",
    "updates",
    "values",
]
FORBIDDEN = {
    "aiohttp", "asyncio", "http", "io", "logging", "msvcrt", "fcntl", "multiprocessing", "os", "pathlib", "random",
    "requests", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib.request", "urllib3", "uuid.uuid4",
}  # fmt: skip
ALLOWED = {
    ("settings", "os"),
    ("settings", "pathlib"),
    ("outcome", "pathlib"),
    ("tally", "threading"),
    ("responses", "http"),
}
"""The environment variable of the Meltano project, read once; paths that are never opened; the lock of what
counts; names of statuses."""
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "read_text", "write_text", "mkdir", "now", "today"}


def source_of(module: str) -> Path:
    spec = importlib.util.find_spec(f"target_braze.{module}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_does_no_io(module: str) -> None:
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    names = {".".join(name.split(".")[:length]) for name in imports(tree) for length in (1, 2)}
    assert not {name for name in names & FORBIDDEN if (module, name) not in ALLOWED}
    calls = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & FORBIDDEN_CALLS


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_only_pure_ones_of_ours(module: str) -> None:
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    ours = {name.split(".")[1] for name in imports(tree) if name.startswith("target_braze.")}
    assert ours <= set(PURE)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_is_short_enough_to_read(module: str) -> None:
    assert len(source_of(module).read_text(encoding="utf-8").splitlines()) < 350
