"""What can go wrong with a run as a whole, and with one file, as exceptions.

Every message says what happened, whose problem it is and what to do, and holds nothing of a record or a key.
"""

from __future__ import annotations

from singer_sdk.exceptions import ConfigValidationError


class TapBrazeCurrentsError(Exception):
    """The run cannot go on, or did not read all it should have."""


class SettingsError(TapBrazeCurrentsError, ConfigValidationError):
    """The settings make no sense, or what they name is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.errors = [message]  # what the SDK's command line shows
        self.schema: dict[str, object] = {}


class BucketError(TapBrazeCurrentsError):
    """The bucket cannot be listed."""


class IncompleteError(TapBrazeCurrentsError):
    """Some streams were not read to their end."""


class FileError(TapBrazeCurrentsError):
    """One file cannot be read; `on_unreadable_file` says what then."""


class GoneError(FileError):
    """One file was listed and cannot be found any more."""


class TerminatedError(BaseException):
    """A signal asked the run to end, and asked again."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Ended by signal {signal_number}; run again to go on where STATE says.")
        self.signal_number = signal_number
