"""Which modules may touch the outside."""

from __future__ import annotations

import ast
from pathlib import Path

import braze_sandbox
import pytest

PACKAGE = Path(braze_sandbox.__file__).parent
PURE = (
    "calls",
    "catalog_rules",
    "codes",
    "cohort_rules",
    "counters",
    "currents/campaigns",
    "currents/events",
    "currents/filler",
    "currents/schemas",
    "custom_attributes",
    "data_points",
    "dropping",
    "ecommerce",
    "engine",
    "exports",
    "faults",
    "identities",
    "limits",
    "merging",
    "messages",
    "outcome",
    "presentation",
    "profiles",
    "standard_fields",
    "subscribing",
    "subscription_rules",
    "times",
    "type_registry",
    "user_rules",
    "validation",
)
OUTSIDE = {
    "aiohttp",
    "asyncio",
    "fsspec",
    "os",
    "pathlib",
    "requests",
    "socket",
    "sqlite3",
    "subprocess",
    "time",
    "urllib",
}
IMPURE = {path.stem for path in PACKAGE.glob("*.py")} - set(PURE) - {"__init__"}


def imported(module: str) -> set[str]:
    """Return what a module imports when it runs, not merely for its types."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "braze_sandbox":
            names |= {f"braze_sandbox.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_touches_nothing_outside(module: str) -> None:
    names = imported(module)
    assert not {name.partition(".")[0] for name in names} & OUTSIDE
    assert not {name.removeprefix("braze_sandbox.") for name in names if name.startswith("braze_sandbox.")} & IMPURE


def test_nothing_but_tests_needs_the_client_for_tests() -> None:
    assert not [module for module in IMPURE - {"testing"} if "braze_sandbox.testing" in imported(module)]


def test_modules_stay_small() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.glob("*.py")}
    assert not {name: length for name, length in lengths.items() if length > 350}
