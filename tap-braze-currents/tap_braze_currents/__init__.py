"""Singer tap for Braze Currents."""

from importlib.metadata import version

__version__ = version("tap-braze-currents")
