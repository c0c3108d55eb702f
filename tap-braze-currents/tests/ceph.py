"""A throw-away Ceph gateway on loopback: a real S3 server, for proofs against more than a stand-in.

    python ceph.py start FOLDER     prints the endpoint; access key and secret are those of conftest.py
    python ceph.py stop FOLDER

One monitor, one storage daemon in memory, one gateway; about 12 seconds. It needs Debian's packages ceph-mon, ceph-osd,
radosgw and ceph-common, not the rest of Ceph.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph", "radosgw-admin", "ceph-authtool", "monmaptool")
MISSING = """\
The soak tests against a real S3 server need Ceph, and {programs} not on PATH. On Debian or Ubuntu:

    apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common

Everything else: make soak PYTEST_ADDOPTS='-k "not ceph"'"""
KEY, SECRET = "MADEUPFORTESTS", "a-made-up-secret-for-tests"
COMMAND_SECONDS = 90

CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor},v1:127.0.0.1:{old_monitor}
mon initial members = a
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# One daemon holds everything, once, in memory.
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw enable usage log = false
"""


def main(arguments: list[str]) -> int:
    command, folder = arguments[0], Path(arguments[1]).absolute()
    if command == "stop":
        stop(folder)
        return 0
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        sys.stderr.write(MISSING.format(programs=f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'}") + "\n")
        return 1
    sys.stdout.write(f"{start(folder)}\n")
    return 0


def start(folder: Path) -> str:
    """Start it in a folder that is empty or not there; return the endpoint."""
    for name in ("mon", "osd"):
        (folder / name).mkdir(parents=True)
    gateway, monitor, old_monitor = free_ports(3)
    identity = str(uuid.uuid4())
    (folder / "ceph.conf").write_text(
        CONFIGURATION.format(folder=folder, fsid=identity, gateway=gateway, monitor=monitor, old_monitor=old_monitor)
    )
    keyring, monitors = folder / "keyring", folder / "monmap"
    may_all = [word for daemon in ("mon", "osd", "mgr") for word in ("--cap", daemon, "allow *")]
    run(folder, "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    run(folder, "ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *may_all)
    run(
        *(folder, "ceph-authtool", keyring, "--gen-key", "-n", "osd.0"),
        *("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"),
    )
    addresses = f"[v2:127.0.0.1:{monitor},v1:127.0.0.1:{old_monitor}]"
    run(folder, "monmaptool", "--create", "--fsid", identity, "--addv", "a", addresses, monitors)
    run(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
    run(folder, "ceph-mon", "-i", "a", "--pid-file", folder / "mon.pid")
    osd = str(uuid.uuid4())
    run(folder, "ceph", "osd", "new", osd)
    run(folder, "ceph", "auth", "import", "-i", keyring)
    run(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
    run(folder, "ceph-osd", "-i", "0", "--pid-file", folder / "osd.pid")
    run(folder, "ceph", "osd", "crush", "add", "0", "1.0", "root=default", "host=local")
    # Goes on in the background once it serves.
    run(folder, "radosgw", "-n", "client.admin", "--pid-file", folder / "rgw.pid")
    run(
        *(folder, "radosgw-admin", "-n", "client.admin", "user", "create", "--uid", "tests", "--display-name", "tests"),
        *("--access-key", KEY, "--secret-key", SECRET),
    )
    return f"http://127.0.0.1:{gateway}"


def stop(folder: Path) -> None:
    """Stop what was started in a folder; it keeps nothing that is worth a gentle end."""
    for name in ("rgw", "osd", "mon"):
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            os.kill(int((folder / f"{name}.pid").read_text()), signal.SIGKILL)


def run(folder: Path, *command: object) -> None:
    said = folder / "commands.log"
    with said.open("a") as log:
        done = subprocess.run(
            [str(part) for part in command],
            env=os.environ | {"CEPH_CONF": str(folder / "ceph.conf")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed; what it said is the end of {said}:\n{said.read_text()[-2000:]}")


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
