"""The command line: serve in the foreground, or start, stop and ask for a server in the background."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path

import click

from braze_sandbox import __version__, background
from braze_sandbox.settings import SettingsError, database_from_environment, port_from_environment

_database = click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where profiles are kept. [default: $BRAZE_SANDBOX_DATABASE or .braze-sandbox/sandbox.sqlite]",
)
_port = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port on this machine; 0 is any free one. [default: $BRAZE_SANDBOX_PORT or 8977]",
)


@click.group(invoke_without_command=True)
@click.version_option(__version__, prog_name="braze-sandbox")
@click.pass_context
def main(context: click.Context) -> None:
    """A local Braze that keeps the HTTP contract of /users/track, with a page to look at.

    Without a command it starts, so that `meltano invoke braze-sandbox` does.
    """
    if context.invoked_subcommand is None:
        context.invoke(start)


@main.command()
@_port
@_database
def serve(port: int | None, database: Path | None) -> None:
    """Serve in the foreground until SIGTERM or SIGINT; the address is the first line printed."""
    # Here and not above: the other commands are done before the server's libraries would be read.
    import asyncio  # noqa: PLC0415

    from braze_sandbox import server  # noqa: PLC0415
    from braze_sandbox.database import DatabaseInUseError  # noqa: PLC0415

    port, database = _port_or_default(port), _database_or_default(database)

    def ready(address: str) -> None:
        background.write_note(database, address)
        click.echo(address)
        sys.stdout.flush()

    try:
        asyncio.run(server.serve(database, port, ready))
    except DatabaseInUseError:
        click.echo(f"Error: {database} is in use by another braze-sandbox.", err=True)
        sys.exit(background.IN_USE)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise click.ClickException(background.port_taken(port)) from None
    # Only a server that wrote the note comes here.
    background.remove_note(database)


@main.command()
@_port
@_database
def start(port: int | None, database: Path | None) -> None:
    """Start in the background unless one runs; the address is the last line printed."""
    port, database = _port_or_default(port), _database_or_default(database)
    try:
        found, is_new = background.start(database, port)
    except background.BackgroundError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"braze-sandbox {'started' if is_new else 'already runs'} (process {found.pid}, {found.database})")
    click.echo(found.address)


@main.command()
@_database
def stop(database: Path | None) -> None:
    """Stop the server in the background; profiles stay."""
    try:
        found = background.stop(_database_or_default(database))
    except background.BackgroundError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"braze-sandbox stopped ({found.address})" if found else "braze-sandbox was not running")


@main.command()
@_database
def status(database: Path | None) -> None:
    """Say whether a server runs (exit code 0) or not (exit code 1)."""
    found = background.running(_database_or_default(database))
    if not found:
        click.echo("braze-sandbox is not running")
        sys.exit(1)
    click.echo(f"braze-sandbox runs (process {found.pid}, {found.database})")
    click.echo(found.address)


@main.command()
@_database
@click.option("--to", required=True, metavar="FOLDER_OR_URL", help="A folder, or e.g. s3://bucket/currents.")
@click.option("--events", type=click.IntRange(0), default=20_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one makes up other events.")
@click.option("--from-hour", help="First hour in UTC, such as 2026-01-31-09. [default: so that the last one ends now]")
@click.option("--hours", type=click.IntRange(1), default=24, show_default=True, help="How many hours.")
def currents(*, database: Path | None, to: str, events: int, seed: int, from_hour: str | None, hours: int) -> None:
    """Write Avro files of Braze Currents: made-up engagement of the people this sandbox knows.

    The same people, seed and hours give the same files. A bucket's endpoint and keys are taken from AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else AWS's programs look for them.
    """
    try:
        from braze_sandbox.currents import events as made_up  # noqa: PLC0415
        from braze_sandbox.currents import people, writing  # noqa: PLC0415
    except ImportError as error:
        raise click.ClickException(f"{error}; install braze-sandbox[currents]") from None
    try:
        begin = writing.seconds_of(from_hour) if from_hour else int(time.time()) // 3600 * 3600 - (hours - 1) * 3600
        known = people.known_to(_database_or_default(database))
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    if not known:
        raise click.ClickException("The sandbox knows nobody yet; deliver some profiles first.")
    made = made_up.engagement(known, events, begin=begin, seconds=hours * 3600, seed=seed)
    written = writing.write(writing.files(made), to)
    for event_type, count in sorted(written.events.items()):
        click.echo(f"{count:>9,}  {event_type}")
    click.echo(f"{sum(written.events.values()):,} events in {written.files:,} files, {written.size:,} bytes")


def _port_or_default(port: int | None) -> int:
    try:
        return port_from_environment() if port is None else port
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _database_or_default(database: Path | None) -> Path:
    return database_from_environment() if database is None else database.absolute()


if __name__ == "__main__":
    main()
