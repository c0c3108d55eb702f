"""The command line `target-braze-ledger`: looks into the ledger, and changes what a run must not change by itself.

It takes the settings that the runs take, delivers nothing and starts nothing. It never prints an identifier or a key.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click
from singer_sdk.exceptions import ConfigValidationError

from target_braze import instances, ledger_files, sandbox
from target_braze.changes import SAID, said_of
from target_braze.errors import LedgerError, SettingsError, TargetBrazeError, TerminatedError
from target_braze.hashes import Hasher
from target_braze.identities import Identities
from target_braze.ledger import Ledger, is_ledger
from target_braze.names import Names
from target_braze.rejections import RefusalError
from target_braze.standard_fields import ALIAS_FIELDS
from target_braze.target import TargetBraze

if TYPE_CHECKING:
    from pathlib import Path

    from target_braze.settings import Settings
    from target_braze.updates import Identity

_SIGNAL_BASE: Final = 128
_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
_UNIT_BYTES: Final = 1024
_AS_JSON: Final = click.option("--json", "is_json", is_flag=True, help="For programs.")


def _read_config(context: click.Context, parameter: click.Option, files: tuple[str, ...]) -> Any:
    """What the SDK makes of `--config` for the target."""
    try:
        return TargetBraze.cb_config(context, parameter, files)
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"The settings cannot be read: {error}") from None


@click.group(help="The ledger of target-braze, which knows what Braze has.")
@click.option(
    "--config",
    multiple=True,
    callback=_read_config,
    metavar="FILE",
    help="The settings of target-braze, or 'ENV' to take them from environment variables.",
)
@click.pass_context
def command(context: click.Context, config: Any) -> None:
    """Remember where the settings are; they are read by the commands that need them."""
    context.obj = config


@command.command()
@click.option("--external-id", metavar="ID")
@click.option("--braze-id", metavar="ID")
@click.option("--email", metavar="ADDRESS")
@click.option("--phone", metavar="NUMBER")
@click.option("--alias-name", metavar="NAME", help="Together with --alias-label.")
@click.option("--alias-label", metavar="LABEL", help="Together with --alias-name.")
@click.pass_obj
def forget(config: Any, /, **identifiers: str | None) -> None:
    """Forget what Braze has of a person.

    Name the person by what the settings identify people by; it takes several identifiers of one person. It is for
    people whose data is to be deleted, or was deleted in Braze: the next record about them is sent whole.
    """
    identities = _identities({name: value for name, value in identifiers.items() if value is not None})
    with _open(_settings(config)) as ledger:
        hasher = Hasher(ledger.key)
        said = Names(ledger.meta_get, ledger.meta_put).beginning_with(SAID)
        for identity in identities:
            people = [identity, *(said_of(identity, name) for name in said)]
            is_known = sum(ledger.delete(hasher.identity(each)[0]) for each in people) > 0
            click.echo(f"{identity.kind}: {'forgotten' if is_known else 'not known, nothing to forget'}")


@command.command()
@_AS_JSON
@click.pass_obj
def stats(config: Any, *, is_json: bool) -> None:
    """Say how much is in it."""
    settings = _settings(config)
    with _open(settings, is_rehearsal=True) as ledger:
        found = ledger.stats()
    if is_json:
        click.echo(json.dumps({"ledger": str(settings.ledger), **asdict(found)}))
        return
    written_at = "never"
    if found.written_at is not None:
        written_at = f"{dt.datetime.fromtimestamp(found.written_at, dt.timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"Ledger:           {settings.ledger}")
    click.echo(f"People:           {found.identities:,}")
    click.echo(f"Settled records:  {found.records:,}")
    click.echo(f"Events:           {found.occurrences:,} and purchases; {found.in_doubt:,} in doubt")
    click.echo(f"On disk:          {_size(found.bytes_on_disk)}")
    click.echo(f"Format:           {found.version}")
    click.echo(f"Last changed:     {written_at}")


@command.command()
@_AS_JSON
@click.pass_obj
def check(config: Any, *, is_json: bool) -> None:
    """Read all of it, and say whether it is as it was written; exit with 1 if it is not."""
    settings = _settings(config)
    with _open(settings, is_rehearsal=True) as ledger:
        found = ledger.check()
    if is_json:
        click.echo(json.dumps({"ledger": str(settings.ledger), "is_sound": found.is_sound, **asdict(found)}))
    else:
        click.echo(f"{found.identities:,} people with {found.records:,} settled records.")
        if found.missing:
            click.echo(f"{found.missing:,} of them are looked up once more in the next run; that is no harm.")
        if found.stray:
            click.echo(
                f"{found.stray:,} records count as settled and are not, so that a change to one of them would not be "
                f"sent. Delete {settings.ledger / ledger_files.TABLE}; the next run makes it anew."
            )
        if found.undecodable:
            click.echo(
                f"{found.undecodable:,} people's entries cannot be read. Move {settings.ledger} away; everything is "
                "then sent once more, as in a first run, and costs as much."
            )
        if found.is_sound:
            click.echo("Sound.")
    if not found.is_sound:
        sys.exit(1)


@command.command("accept-api-key")
@click.pass_obj
def accept_api_key(config: Any) -> None:
    """Say that the API key in the settings is for the same workspace as the one before it."""
    settings = _settings(config)
    with _open(settings, accepts_api_key=True):
        click.echo(f"The ledger in {settings.ledger} goes with this API key from now on.")


def _settings(config: Any) -> Settings:
    logging.getLogger("singer_sdk").setLevel(logging.WARNING)
    TargetBraze.logger.setLevel(logging.WARNING)
    settings = TargetBraze(config=config.config, parse_env_config=config.parse_env).settings
    if not settings.is_sandbox:
        return settings
    address = sandbox.found_sandbox()
    if address is None:
        raise LedgerError(
            f"No sandbox runs. Each life of a sandbox has a ledger of its own in {settings.ledger}, and the sandbox "
            "knows which: start it with `braze-sandbox start`."
        )
    return settings.in_workspace(sandbox.workspace(address))


def _open(settings: Settings, *, is_rehearsal: bool = False, accepts_api_key: bool = False) -> Ledger:
    folder: Path = settings.ledger
    if not is_ledger(folder):
        raise LedgerError(f"There is no ledger in {folder} yet: the first run of target-braze makes it.")
    return Ledger.open(
        folder,
        endpoint=settings.base_url or instances.SANDBOX,
        api_key=settings.api_key,
        ledger_key=settings.ledger_key,
        is_rehearsal=is_rehearsal,
        accepts_api_key=accepts_api_key,
    )


def _identities(given: dict[str, str]) -> list[Identity]:
    """The identities that a run would find in records with these identifiers."""
    if not given:
        raise click.UsageError("Say whom to forget, e.g. --external-id ID.")
    parts = [part for part in ALIAS_FIELDS if part in given]
    if len(parts) == 1:
        raise click.UsageError("--alias-name and --alias-label go together.")
    kinds = [name for name in given if name not in ALIAS_FIELDS] + (["user_alias"] if parts else [])
    try:
        return [Identities((kind,), {name: name for name in given}).identify(given) for kind in kinds]
    except RefusalError as refusal:
        raise SettingsError(f"Nobody can be meant: {refusal}.") from None


def _size(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < _UNIT_BYTES:
            return f"{size:,.0f} {unit}" if unit == _UNITS[0] else f"{size:,.1f} {unit}"
        size /= _UNIT_BYTES
    return f"{size:,.1f} {_UNITS[-1]}"


def main() -> None:
    """Run a command; exit with 0, with 1 after an error, with 2 if it is not called as it should be."""
    try:
        command(prog_name="target-braze-ledger")
    except TerminatedError as error:
        sys.exit(_SIGNAL_BASE + error.signal_number)
    except ConfigValidationError as error:
        for message in error.errors:
            click.echo(f"Error: {message}", err=True)
        sys.exit(1)
    except TargetBrazeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
