"""A local Braze for demos and tests."""
