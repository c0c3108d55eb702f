"""The pure modules stay pure: they import nothing that reads or writes anything."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

PURE = [
    "acknowledgement",
    "additions",
    "attribute_names",
    "audience_mapping",
    "audiences",
    "backoff",
    "braze_attributes",
    "changes",
    "columns",
    "comparables",
    "comparison",
    "compiled",
    "conditions",
    "costs",
    "differences",
    "digests",
    "endpoints",
    "errands",
    "doubts",
    "ecommerce",
    "entries",
    "errors",
    "findings",
    "hashes",
    "identities",
    "instances",
    "kind_settings",
    "layouts",
    "leaving",
    "limits",
    "mapped_ahead",
    "mapped_streams",
    "mapping",
    "memberships",
    "moments",
    "names",
    "newcomers",
    "nested",
    "object_forms",
    "occurrence_objects",
    "occurrence_settings",
    "occurrences",
    "operands",
    "outcome",
    "pace",
    "packing",
    "plan",
    "policies",
    "presence",
    "record_table",
    "rejections",
    "responses",
    "roll",
    "schema",
    "sealing",
    "settings",
    "standard_fields",
    "statements",
    "stream_settings",
    "tally",
    "time_zones",
    "treatments",
    "updates",
    "values",
]
FORBIDDEN = {
    "aiohttp", "asyncio", "http", "io", "logging", "msvcrt", "fcntl", "multiprocessing", "os", "pathlib", "random",
    "requests", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib.request", "urllib3", "uuid.uuid4",
}  # fmt: skip
ALLOWED = {
    ("names", "threading"),
    ("newcomers", "threading"),
    ("record_table", "threading"),
    ("sealing", "threading"),
    ("settings", "os"),
    ("settings", "pathlib"),
    ("outcome", "pathlib"),
    ("tally", "threading"),
    ("responses", "http"),
}
"""The environment variable of the Meltano project, read once; paths that are never opened; locks; names of
statuses."""
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "read_text", "write_text", "mkdir", "now", "today"}
ALLOWED_CALLS = {("differences", "self._sealer.open"), ("roll", "self._sealer.open")}
"""Opens what was sealed, not a file."""
MAX_LINES = {"changes": 540, "differences": 370, "settings": 400}
"""What a record is compared with, and what is still under way of a person, cannot be read apart; the declarations of
settings are one table."""

MAX_LINES_WITH_IO = {"delivery": 470}
"""Of those that are not pure. Who waits for what on the delivery's loop, and what each answer sets free, is one
account: apart, nobody could see that no object is in two requests in flight."""


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
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = {call for call in calls if call.split(".")[-1] in FORBIDDEN_CALLS}
    assert not {call for call in found if (module, call) not in ALLOWED_CALLS}


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_only_pure_ones_of_ours(module: str) -> None:
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    ours = {name.split(".")[1] for name in imports(tree) if name.startswith("target_braze.")}
    assert ours <= set(PURE)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_is_short_enough_to_read(module: str) -> None:
    assert len(source_of(module).read_text(encoding="utf-8").splitlines()) < MAX_LINES.get(module, 350)


def test_every_other_module_is_short_enough_too() -> None:
    lengths = {
        path.stem: len(path.read_text(encoding="utf-8").splitlines())
        for path in source_of("mapping").parent.glob("*.py")
        if path.stem not in PURE
    }
    limits = {name: MAX_LINES_WITH_IO.get(name, 400) for name in lengths}
    assert {name: length for name, length in lengths.items() if length >= limits[name]} == {}


def test_every_module_that_says_it_is_pure_is_held_to_it() -> None:
    said = {
        path.stem
        for path in source_of("mapping").parent.glob("*.py")
        if re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    }
    assert said <= set(PURE)
