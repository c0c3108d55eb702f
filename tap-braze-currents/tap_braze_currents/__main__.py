"""The command line, `tap-braze-currents` or `python -m tap_braze_currents`: turns what ended a run to exit codes."""

from __future__ import annotations

import gc
import sys

from tap_braze_currents.starting import import_sdk

SIGNAL_BASE = 128
"""A shell's exit code for a process that a signal ended is this and the signal's number."""


GARBAGE_THRESHOLDS = (200_000, 50, 50)
"""Events come and go by reference counts and hold no cycles: to look for some every 700 objects costs some per cent."""


def main() -> None:
    """Run the tap; exit with 0, with 1 after an error, with 143 or 130 after SIGTERM or SIGINT."""
    import_sdk()
    from singer_sdk.exceptions import ConfigValidationError  # noqa: PLC0415 - after the line above, as the next two

    from tap_braze_currents.errors import TapBrazeCurrentsError, TerminatedError  # noqa: PLC0415
    from tap_braze_currents.tap import TapBrazeCurrents  # noqa: PLC0415

    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(*GARBAGE_THRESHOLDS)

    def say_unless_terminated(unraisable: sys.UnraisableHookArgs) -> None:
        """A second signal may come while a generator is closed, where none can be raised; the run ends all the same."""
        if not isinstance(unraisable.exc_value, TerminatedError):
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = say_unless_terminated
    try:
        TapBrazeCurrents.cli()
    except TerminatedError as error:
        TapBrazeCurrents.logger.warning("%s", error)
        sys.exit(SIGNAL_BASE + error.signal_number)
    except ConfigValidationError as error:  # the SDK shows them for a run and for --discover, not for --test
        for message in error.errors:
            TapBrazeCurrents.logger.error("Config validation error: %s", message)  # as below
        sys.exit(1)
    except TapBrazeCurrentsError as error:
        TapBrazeCurrents.logger.error("%s", error)  # for a person: where in our code it was raised is of no use
        sys.exit(1)


if __name__ == "__main__":
    main()
