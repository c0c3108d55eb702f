"""A file as the bucket lists it: what tells its versions apart, and where it stands in the order of reading.

Responsible for the identity and the order of files. Promises that both depend on nothing but what the bucket said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_braze_currents.keys import Place


@dataclass(frozen=True)
class File:
    """One object in the bucket that is a Currents file.

    Attributes:
        key: Its key in the bucket, prefix included, so that the bookmark outlives a change of the `path` setting.
        size: In bytes.
        etag: As the bucket gives it, with or without quotation marks; empty where there is none.
        modified: When the bucket says it was written: for a multipart upload that is its beginning, which may be long
            before anybody could see it.
        place: What the key says.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    place: Place

    def __post_init__(self) -> None:
        """Refuse a time without a zone: compared with the bookmark's it would fail much later, or be hours off."""
        if self.modified.tzinfo is None:
            raise ValueError(f"{self.key}: a file's time needs a zone")

    @property
    def order(self) -> tuple[datetime, str]:
        """Where the file stands in the order of reading: by time of writing, by key within one second."""
        return self.modified, self.key

    @property
    def fingerprint(self) -> str:
        """A short mark of the content: the beginning of its ETag and its size."""
        return f"{self.etag.strip(chr(34))[:8]}-{self.size}"

    @property
    def version(self) -> str:
        """What is new whenever the file is written again, be it with the same content: time and fingerprint."""
        return f"{write_time(self.modified)} {self.fingerprint}"


def write_time(moment: datetime) -> str:
    """Write a time as state holds it: UTC, `Z`, fractions of a second only where there are any."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """Read what `write_time` wrote.

    Raises:
        ValueError: The text is no such time.
    """
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment
