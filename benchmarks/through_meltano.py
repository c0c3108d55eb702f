"""A Meltano project whose tap is `cat`: what is left of the speed when `meltano run` passes the lines on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import own_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

MELTANO = Path(sys.executable).with_name("meltano")
TAP, TARGET = "tap-lines", "target-braze"


def is_there() -> bool:
    """Whether Meltano is installed."""
    return MELTANO.exists()


def command(lines: Path, target: str, config: Mapping[str, Any], folder: Path) -> list[str]:
    """Make the project; return what runs it.

    Neither plugin has a `pip_url`, so that Meltano installs nothing and asks nobody.
    """
    tap = folder / "tap.sh"
    tap.write_text(f"#!/bin/sh\nexec cat '{lines}'\n")
    tap.chmod(0o700)
    loader = {
        "name": TARGET,
        "namespace": "target_braze",
        "executable": target,
        "settings": [{"name": name} for name in config],
        "config": config,
    }
    project = {
        "project_id": "benchmark",
        "send_anonymous_usage_stats": False,
        "default_environment": "benchmark",
        "environments": [{"name": "benchmark"}],
        "plugins": {
            "extractors": [{"name": TAP, "namespace": "tap_lines", "executable": str(tap)}],
            "loaders": [loader],
        },
    }
    (folder / "meltano.yml").write_text(json.dumps(project))  # YAML, too
    return [str(MELTANO), "--cwd", str(folder), "run", TAP, TARGET]


def environment() -> dict[str, str]:
    """The environment, in which Meltano asks no hub."""
    nowhere = "http://127.0.0.1:9"
    return own_environment() | {"MELTANO_HUB_API_ROOT": nowhere, "MELTANO_HUB_URL": nowhere, "NO_COLOR": "1"}
