"""Singer target for Braze."""
