"""A local Braze for demos and tests."""

__version__ = "0.1.0"
SERVICE = "braze-sandbox"
