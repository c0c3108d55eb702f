"""The target's own command line in a process that kills itself (SIGKILL) at a place in the code.

    dying_target.py MODULE:CLASS.METHOD before|after N [arguments of target-braze]

It dies at the N-th call of the method (or of the function MODULE:FUNCTION), just before it or just after it.
Everything else is the real thing.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
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


if __name__ == "__main__":
    _, place, when, count, *arguments = sys.argv
    arm(place, when, int(count))
    sys.argv = ["target-braze", *arguments]
    from target_braze.__main__ import main

    main()
