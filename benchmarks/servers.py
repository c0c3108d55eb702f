"""Starts what the tap reads from: rclone, an S3 that answers at once, and the slow bucket, one that is far away."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.processes import Stub

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, SECRET = "MADEUPFORBENCHMARKS", "a-made-up-secret-for-benchmarks"
_STARTED: Final = "Starting s3 server on"


def s3_settings(bucket: str, endpoint_url: str) -> dict[str, Any]:
    """The tap's settings for a bucket on this machine."""
    return {
        "path": f"s3://{bucket}",
        "s3_endpoint_url": endpoint_url,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
    }


@contextmanager
def running_rclone(folder: Path) -> Iterator[str]:
    """`rclone serve s3`, in which each folder is a bucket, until the end of the block; yields its address."""
    command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", "127.0.0.1:0"]
    command += ["--auth-key", f"{KEY},{SECRET}", "--config", str(folder / "no.conf"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if _STARTED in line), "")
        # nobody reads what it says later, and a full pipe would stop it
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            assert said, "rclone did not start"
            yield said.rpartition("[")[2].partition("]")[0].rstrip("/")
        finally:
            process.terminate()


@contextmanager
def running_slow_bucket(folder: Path, delay_ms: float) -> Iterator[Stub]:
    """The slow bucket with what is in a folder, until the end of the block."""
    command = [sys.executable, str(Path(__file__).with_name("slow_bucket.py")), str(folder), "--delay", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Stub(int(process.stdout.readline()))
        finally:
            process.terminate()
