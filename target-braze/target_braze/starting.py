"""Imports the target without what it may never need, which is two fifths of the time until the first record.

`import singer_sdk` brings all the SDK has: for targets joblib, for files in batches upath and fsspec, for REST APIs
requests, backoff and more. A run in which nothing changed uses none of it. While the target is imported, stand-ins are
in their place, which bring the real thing as soon as anybody uses it: nothing is missing, it only comes later. For the
command line alone: where something has imported the SDK or one of these before, as in a test, nothing is replaced.
"""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType
from typing import Any, Final

UNUSED: Final = (
    "backoff",
    "joblib",
    "jsonpath_ng",
    "jsonpath_ng.ext",
    "packaging.specifiers",
    "packaging.version",
    "pycountry",
    "requests",
    "requests.adapters",
    "requests.exceptions",
    "simplejson",
    "upath",
    "urllib3",
)
"""Each is used by attribute, called, subclassed or asked about with `isinstance`; none of their names that are imported
alone stands behind an `except`, where a stand-in would not do."""
_TARGET: Final = "target_braze.target"


def import_target() -> None:
    """Import `target_braze.target`, and the SDK with it."""
    if "singer_sdk" in sys.modules or any(name in sys.modules for name in UNUSED):
        importlib.import_module(_TARGET)
        return
    was_collecting = gc.isenabled()
    gc.disable()  # nothing that is imported is garbage, and to look for some takes a tenth of the time
    stand_ins = {name: _StandIn(name) for name in UNUSED}
    sys.modules.update(stand_ins)
    try:
        importlib.import_module(_TARGET)
    finally:
        for name, stand_in in stand_ins.items():
            del sys.modules[name]
            stand_in.is_awaited = False
        if was_collecting:
            gc.enable()


class _StandIn(ModuleType):
    """In the place of a module that is not imported yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # it may have modules below it
        self.is_awaited = True

    def __getattr__(self, attribute: str) -> Any:
        """The attribute of the real module; while that is not wanted yet, what finds it when it is used."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if not self.is_awaited:
            return getattr(importlib.import_module(self.__name__), attribute)
        return sys.modules.get(f"{self.__name__}.{attribute}") or _Later(self.__name__, attribute)


class _Later:
    """A function or a class of a module, which is imported when it is first used."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _real(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._real()(*arguments, **named)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._real(), attribute)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._real())

    def __mro_entries__(self, _: tuple[object, ...]) -> tuple[Any, ...]:
        return (self._real(),)
