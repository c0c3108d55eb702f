"""The command line, `target-braze` or `python -m target_braze`: turns what ended a run into exit code and message."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import click

from target_braze.errors import TargetBrazeError, TerminatedError
from target_braze.starting import import_target

if TYPE_CHECKING:
    from typing import IO

SIGNAL_BASE = 128
"""A shell's exit code for a process that a signal ended is this and the signal's number."""


SWITCH_SECONDS = 0.001
"""How long one thread may keep the interpreter from the other. With Python's 5 ms, an answer waits that long for each
step of being taken in while records are read; measured, 1 ms is a tenth faster in all."""
GARBAGE_THRESHOLDS = (200_000, 50, 50)
"""Records come and go by reference counts and hold no cycles: looking for some every 700 objects costs a tenth."""
READ_SECONDS = 5.0
"""How long a check goes on reading once every stream that came has begun: the next stream's SCHEMA may come after many
records of this one, or never."""


def share_the_process() -> None:
    """Set what holds for the whole process, which is ours here and only here."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def with_check(command: click.Command) -> click.Command:
    """The SDK's command line, which also takes the word `check`, before or after its options."""
    deliver = command.callback
    assert deliver is not None

    def deliver_or_check(
        action: str | None, read_seconds: float, file_input: IO[Any] | None, about_format: str | None, **options: Any
    ) -> None:
        config = options.get("config")
        if action is None or options.get("about"):
            deliver(file_input=file_input, about_format=about_format, **options)
            return
        from target_braze import check  # noqa: PLC0415 - half as much again as a run has to import

        if not check.run(
            {} if config is None else config.config,
            parse_env=config is not None and config.parse_env,
            file_input=file_input,
            is_json=about_format == "json",
            read_seconds=read_seconds,
        ):
            sys.exit(1)

    command.callback = deliver_or_check
    command.params += [
        click.Argument(["action"], required=False, type=click.Choice(["check"]), metavar="[check]"),
        click.Option(
            ["--read-seconds"],
            type=click.FloatRange(min=0),
            default=READ_SECONDS,
            show_default=True,
            help="With check: how long to read on for further streams once all that came have begun.",
        ),
    ]
    command.help = (
        "Deliver the records of a Singer tap to Braze.\n\nWith `check`, deliver nothing: say what would go wrong with "
        "connection, key, permissions and attributes, the latter of the SCHEMA messages on standard input (any-tap | "
        "target-braze --config config.json check) or else of the settings. `--format json` is for programs. The exit "
        "code is 1 if a run would fail."
    )
    return command


def main() -> None:
    """Run the target; exit with 0, with 1 after an error, with 143 or 130 after SIGTERM or SIGINT."""
    import_target()
    from singer_sdk.exceptions import (  # noqa: PLC0415 - after the line above, as the next one
        InvalidJSONSchema,
        MissingKeyPropertiesError,
        RecordsWithoutSchemaException,
    )

    from target_braze.target import TargetBraze  # noqa: PLC0415

    share_the_process()
    try:
        with_check(TargetBraze.cli)()
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
