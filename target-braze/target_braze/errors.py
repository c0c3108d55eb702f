"""What can go wrong with a run as a whole, as exceptions.

Part of a batch going wrong is a value (`rejections.py`), never one of these. Every message says what happened, whose
problem it is and what to do. None holds a key, an attribute value or an answer's body (invariant 5). None is one of
the SDK's: to import those takes half a second, and the process that maps ahead has no use for the rest of it.
"""

from __future__ import annotations


class TargetBrazeError(Exception):
    """A run cannot go on; what Braze has accepted until then stays acknowledged."""


class SettingsError(TargetBrazeError):
    """The settings, or the settings with a stream's schema, do not make sense; nothing of that stream was sent."""


class InputError(TargetBrazeError):
    """The tap sent something that is not a Singer message, or a schema that is none."""


class DeliveryError(TargetBrazeError):
    """Braze cannot be reached, or answered in a way that no retry can mend."""


class DeadLetterError(TargetBrazeError):
    """A rejection could not be kept, or there are more of them than `max_rejected` (invariant 3)."""


class LedgerError(TargetBrazeError):
    """The ledger cannot be used, or is not that of this workspace; what Braze accepted stays as it is."""


class DataPointLimitError(TargetBrazeError):
    """The next request would pass `max_data_points`."""


class AudienceError(TargetBrazeError):
    """More people than `max_leaving` would leave an audience at once; all else of the run was delivered."""


class TerminatedError(BaseException):
    """A signal asked the run to end.

    Not an `Exception`, as KeyboardInterrupt is none: it is raised in whatever the signal interrupts, and `logging` for
    one swallows every `Exception` of its own.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Ended by signal {signal_number}; run again to send what was left.")
        self.signal_number = signal_number
