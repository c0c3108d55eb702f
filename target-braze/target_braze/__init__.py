"""Singer target for Braze."""

from importlib.metadata import version

__version__ = version("target-braze")
