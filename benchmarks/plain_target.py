"""What the same job looks like with the Singer SDK as it comes: the target to be compared with.

It is written the way the SDK's own documentation suggests, with the SDK's defaults and nothing that slows it
down: a `BatchSink`, batches of as many records as a request may hold, one `requests.Session` whose connection
stays open, one request at a time.

With `discard` it delivers nothing: what is left is what the SDK does with a record before anybody can look at it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any, ClassVar

import requests
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target

OBJECTS_PER_REQUEST = 75


def to_json(value: object) -> object:
    """The JSON form of what the SDK makes of a record's decimals, dates and date-times."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


class PlainSink(BatchSink):
    """Posts each batch as one request."""

    MAX_SIZE_DEFAULT = OBJECTS_PER_REQUEST

    def setup(self) -> None:
        """Open the session that all requests of the run share."""
        self.session = requests.Session()
        self.session.headers.update(
            {"Authorization": f"Bearer {self.config['api_key']}", "Content-Type": "application/json"}
        )

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver one batch.

        Raises:
            RuntimeError: If the answer is anything but plain success.
        """
        if self.config.get("discard"):
            return
        response = self.session.post(
            f"{self.config['base_url']}/users/track",
            data=json.dumps({"attributes": context["records"]}, default=to_json),
            timeout=30,
        )
        response.raise_for_status()
        if response.json().get("message") != "success":
            raise RuntimeError("a request was not a plain success")


class PlainTarget(Target):
    """The SDK's target with nothing changed but its sink."""

    name = "plain-target"
    default_sink_class = PlainSink
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("discard", th.BooleanType),
    ).to_dict()


if __name__ == "__main__":
    PlainTarget.cli()
