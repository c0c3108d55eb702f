"""Singer tap for Braze Currents; not built yet (see README.md)."""
