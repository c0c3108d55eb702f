"""The command line, `target-braze` or `python -m target_braze`: turns what ended a run into exit code and message."""

from __future__ import annotations

import gc
import sys

from singer_sdk.exceptions import InvalidJSONSchema, MissingKeyPropertiesError, RecordsWithoutSchemaException

from target_braze.errors import TargetBrazeError, TerminatedError
from target_braze.target import TargetBraze

SIGNAL_BASE = 128
"""A shell's exit code for a process that a signal ended is this and the signal's number."""


SWITCH_SECONDS = 0.001
"""How long one thread may keep the interpreter from the other. With Python's 5 ms, an answer waits that long for each
step of being taken in while records are read; measured, 1 ms is a tenth faster in all."""
GARBAGE_THRESHOLDS = (200_000, 50, 50)
"""Records come and go by reference counts and hold no cycles: looking for some every 700 objects costs a tenth."""


def share_the_process() -> None:
    """Set what holds for the whole process, which is ours here and only here."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def main() -> None:
    """Run the target; exit with 0, with 1 after an error, with 143 or 130 after SIGTERM or SIGINT."""
    share_the_process()
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
