"""The second act: people answer what Braze sent them, Currents writes it to a bucket, and the warehouse learns of it.

The first run makes up the events of a day. Each later one adds some of the current hour, so that there is something new
to read, and only that is read.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from demo import s3, sandbox

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

VIEW_SQL = Path(__file__).with_name("engagement.sql")
FIRST_EVENTS, FIRST_HOURS = 20_000, 24
LATER_EVENTS, LATER_HOURS = 2_000, 1
SCHEMA = "braze"
ATTRIBUTES = 3  # of engagement.sql
SHOWN = {
    "users.messages.email.Send": "e-mails sent",
    "users.messages.email.Open": "e-mails opened",
    "users.messages.email.Click": "e-mails clicked",
    "users.messages.pushnotification.Open": "push messages opened",
    "users.messages.sms.ShortLinkClick": "text messages clicked",
    "users.behaviors.Purchase": "purchases",
}


class CurrentsError(Exception):
    """The sandbox wrote no events; the message has what it said."""


class Engagement(NamedTuple):
    """What the warehouse knows of it.

    Attributes:
        events: How many events there are, by table.
        customers: How many customers there are.
        engaged: How many of them answered or visited.
        channels: How many prefer each channel.
    """

    events: dict[str, int]
    customers: int
    engaged: int
    channels: dict[str, int]


def happens(project: Path, bucket: s3.Server) -> str:
    """Let the people whom the sandbox knows answer; return what was written.

    Raises:
        CurrentsError: nothing was written.
    """
    is_first = not any((bucket.buckets / s3.BUCKET).iterdir())
    events, hours = (FIRST_EVENTS, FIRST_HOURS) if is_first else (LATER_EVENTS, LATER_HOURS)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("braze-sandbox")), "currents"),
            *("--database", str(project / sandbox.DATABASE), "--to", str(bucket.buckets / s3.BUCKET / s3.PREFIX)),
            *("--events", str(events), "--hours", str(hours), "--seed", str(time.time_ns())),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CurrentsError(f"The sandbox wrote no events. {done.stderr.strip()}")
    return done.stdout.splitlines()[-1]


def look(connection: Connection) -> Engagement:
    """Make the view of the attributes, and return what the warehouse knows by now."""
    with connection, connection.cursor() as cursor:
        cursor.execute(VIEW_SQL.read_text(encoding="utf-8"))
        cursor.execute("SELECT count(*) FROM shop.customers")
        [[customers]] = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM marketing.engagement")
        [[engaged]] = cursor.fetchall()
        cursor.execute("SELECT preferred_channel, count(*) FROM marketing.engagement GROUP BY 1 ORDER BY 2 DESC")
        channels = {channel: count for channel, count in cursor.fetchall() if channel}
        return Engagement(_counted(connection), customers, engaged, channels)


def _counted(connection: Connection) -> dict[str, int]:
    """Return how many events of each type the warehouse holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (SCHEMA,))
        tables = [table for (table,) in cursor.fetchall() if table.startswith(("users_", "agentconsole_"))]
        counted = {}
        for table in sorted(tables):
            cursor.execute(f'SELECT count(*) FROM {SCHEMA}."{table}"')
            [[counted[table]]] = cursor.fetchall()
        return counted


def told(known: Engagement) -> list[str]:
    """Say in lines what the warehouse knows."""
    counts = {label: known.events.get(name.lower().replace(".", "_"), 0) for name, label in SHOWN.items()}
    others = sum(known.events.values()) - sum(counts.values())
    width = max(len(f"{sum(known.events.values()):,}"), 9)
    channels = ", ".join(f"{channel} {count:,}" for channel, count in known.channels.items())
    return [
        f"  {sum(known.events.values()):>{width},}  events of {len(known.events)} types in the warehouse, among them",
        *(f"  {count:>{width},}  {label}" for label, count in counts.items()),
        f"  {others:>{width},}  others",
        f"  {known.engaged:>{width},}  of {known.customers:,} customers answered or visited; they prefer {channels}",
    ]
