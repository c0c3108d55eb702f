"""The sandbox: starts and stops the local Braze."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SandboxError(Exception):
    """The sandbox does not start; the message has what it said."""


def start(project: Path) -> str:
    """Start the sandbox unless it runs; return its address."""
    return "http://127.0.0.1:8977"


def stop(project: Path) -> bool:
    """Stop the sandbox; return whether it was running."""
    return False


def environment(address: str) -> dict[str, str]:
    """Return what tells target-braze where the sandbox is."""
    return {}
