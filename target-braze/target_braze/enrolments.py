"""The audiences of all streams in one run: which stream has some, and who is told what of it (`enrolment.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_braze.audience_mapping import AudienceMapper
from target_braze.audiences import Audiences
from target_braze.enrolment import Enrolment

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from target_braze.audiences import Audience
    from target_braze.enrolment import Remembering
    from target_braze.run import Run
    from target_braze.schema import Schema
    from target_braze.stream_settings import StreamSettings
    from target_braze.updates import Update


class Enrolments:
    """The audiences of all streams in one run.

    Attributes:
        question: What a person has to decide, if anything.
        memberships: The numbers of what the ledger knows of memberships.

    Args:
        audiences: All audiences of the settings.
        run: The run.
        remembering: What it takes to know people again.
        now: The time of the run.
    """

    def __init__(self, audiences: Sequence[Audience], run: Run, remembering: Remembering, now: dt.datetime) -> None:
        self._audiences = Audiences(audiences)
        self._run = run
        self._remembering = remembering
        self._now = now
        self._by_stream: dict[str, Enrolment] = {}
        self.question: str | None = None
        self.memberships: frozenset[int] = frozenset()

    def of(self, stream: str, schema: Schema, settings: StreamSettings) -> Enrolment | None:
        """The audiences of a stream under a schema; None if it has none.

        Raises:
            SettingsError: If an audience does not fit the stream.
        """
        audiences = self._audiences.of_stream(stream)
        if not audiences:
            return None
        mapper = AudienceMapper(stream, schema, settings, audiences, self._now)
        enrolment = self._by_stream.get(stream)
        if enrolment is not None:
            enrolment.renew(mapper)
            return enrolment
        enrolment = Enrolment(self._run, self._remembering, mapper)
        self._by_stream[stream] = enrolment
        self.memberships = self._remembering.names.memberships
        return enrolment

    def state_came(self) -> None:
        """Note a STATE."""
        for enrolment in self._by_stream.values():
            enrolment.presence.state_came()

    def changed(self, key: bytes, digests: Mapping[int, bytes]) -> None:
        """Note that the digests of a person's records do not stand for them any more."""
        for enrolment in self._by_stream.values():
            enrolment.presence.trade(key, digests)

    def write(self) -> None:
        """Keep who enters, before a request leaves."""
        for enrolment in self._by_stream.values():
            enrolment.write()

    def accepted(self, objects: Iterable[Update]) -> None:
        """Count who entered and left by what Braze accepted; on the delivery's thread."""
        for update in objects:
            if (enrolment := self._by_stream.get(update.stream)) is not None:
                enrolment.accepted(update)

    def leave(self) -> None:
        """Let those leave who have no record that says so, when all else is delivered."""
        questions = [enrolment.leave(self._now) for enrolment in self._by_stream.values()]
        self.question = " ".join(filter(None, questions)) or None

    def close(self) -> None:
        """Keep what the next run has to know."""
        for enrolment in self._by_stream.values():
            enrolment.close()
