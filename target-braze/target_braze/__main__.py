"""The command line, `target-braze` or `python -m target_braze`: turns what ended a run into exit code and message."""

from __future__ import annotations

import sys

from singer_sdk.exceptions import InvalidJSONSchema, MissingKeyPropertiesError, RecordsWithoutSchemaException

from target_braze.errors import TargetBrazeError, TerminatedError
from target_braze.target import TargetBraze

SIGNAL_BASE = 128
"""A shell's exit code for a process that a signal ended is this and the signal's number."""


def main() -> None:
    """Run the target; exit with 0, with 1 after an error, with 143 or 130 after SIGTERM or SIGINT."""
    try:
        TargetBraze.cli()
    except TerminatedError as error:
        TargetBraze.logger.warning("%s", error)
        sys.exit(SIGNAL_BASE + error.signal_number)
    except (
        TargetBrazeError,
        RecordsWithoutSchemaException,
        MissingKeyPropertiesError,
        InvalidJSONSchema,
    ) as error:
        TargetBraze.logger.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
