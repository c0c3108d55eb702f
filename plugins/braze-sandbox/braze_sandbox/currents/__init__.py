"""Braze Currents as the sandbox plays it: Avro files of engagement events in a bucket or folder."""
