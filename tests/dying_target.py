"""The target's own command line in a process that kills itself (SIGKILL) at a place in the code.

    dying_target.py MODULE:CLASS.METHOD before|after N [arguments of target-braze]

It dies at the N-th call of the method (or of the function MODULE:FUNCTION), just before it or just after it.
Everything else is the real thing. With `MAPS_AHEAD` in the environment, the process that maps ahead is there from the
first record on, as it would be after many.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
import time
from typing import Any


def arm(place: str, when: str, count: int) -> None:
    """Let the process die at a place."""
    module, _, name = place.partition(":")
    *classes, method = name.split(".")
    owner: Any = importlib.import_module(module)
    for class_name in classes:
        owner = getattr(owner, class_name)
    original = getattr(owner, method)
    if when == "after" and inspect.iscoroutinefunction(original):
        raise SystemExit(f"{place} returns before it has done anything: name what it awaits.")
    calls = 0

    @functools.wraps(original)
    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, dying)


def map_ahead_at_once() -> None:
    """Start the process that maps ahead with the first records, and wait for it."""
    from target_braze import mapping_ahead

    mapping_ahead.MANY, mapping_ahead.FEW = -1, 1  # type: ignore[misc]
    mapping_ahead._is_possible = lambda: True
    mapping_ahead._load = lambda: 0.0
    watch = mapping_ahead.MappingAhead._watch

    def watch_and_wait(ahead: Any, unknown: int) -> None:
        watch(ahead, unknown)
        deadline = time.monotonic() + 60
        while ahead._process is not None and not ahead._process.is_ready():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    mapping_ahead.MappingAhead._watch = watch_and_wait  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    _, place, when, count, *arguments = sys.argv
    if "MAPS_AHEAD" in os.environ:
        map_ahead_at_once()
    arm(place, when, int(count))
    sys.argv = ["target-braze", *arguments]
    from target_braze.__main__ import main

    main()
