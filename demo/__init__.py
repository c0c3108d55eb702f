"""The demo: a warehouse with real purchase history, a local Braze, and one Meltano run between them.

Everything it makes lives in `.demo/` (the database, the downloaded data, logs) and `.meltano/`; `make clean`
removes both.
"""
