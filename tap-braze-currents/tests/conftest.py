"""Buckets to read from: rclone for the ordinary, moto for faults, Ceph for the truth (`make soak`); all on loopback.

A test asks for `bucket` (rclone; a folder on disk, so that a file may have any time of change), `moto_bucket` (in this
process, with faults and a log of what was asked) or `ceph_bucket`. Each has `settings` for the tap and `put` for files,
and is the test's own. `from tests.conftest import Bucket` under TYPE_CHECKING gives their types.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KEY, SECRET = "MADEUPFORTESTS", "a-made-up-secret-for-tests"
PREFIX = "currents"
RCLONE = Path(sys.executable).with_name("rclone")
CEPH = Path(__file__).with_name("ceph.py")


@dataclass(frozen=True)
class S3:
    """A server: where it is and how to sign in.

    Attributes:
        folder: rclone's folder, in which each folder is a bucket.
    """

    endpoint_url: str
    folder: Path = Path()
    key: str = KEY
    secret: str = SECRET

    def settings(self, bucket: str) -> dict[str, Any]:
        """Return the settings by which the tap reads a bucket."""
        return {
            "path": f"s3://{bucket}/{PREFIX}/",
            "s3_endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
        }


class Bucket(Protocol):
    """A test's own bucket."""

    name: str
    settings: dict[str, Any]

    def put(self, key: str, content: bytes, modified: float | None = None) -> None:
        """Write an object, `currents/` before its key; with a time of change if the server lets one choose it."""

    def delete(self, key: str) -> None:
        """Remove an object."""


@dataclass
class FolderBucket:
    """A bucket of rclone's: `folder` is what the tap's `path` points to, on disk."""

    name: str
    settings: dict[str, Any]
    folder: Path

    def put(self, key: str, content: bytes, modified: float | None = None) -> None:
        """Write an object; `modified`, in seconds since 1970, becomes its LastModified, to the millisecond."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if modified is not None:
            os.utime(path, (modified, modified))

    def delete(self, key: str) -> None:
        """Remove an object."""
        (self.folder / key).unlink()


@dataclass
class Fault:
    """What goes wrong with some requests.

    Attributes:
        key: Glob for keys; listings have none, so `""` means them.
        times: How many requests it meets; -1 is all.
        status, code: The answer, unless it is None; then the usual answer is given, after what else is asked for here.
        cut_at: The connection ends after so many bytes of the body.
        before: Called before the answer is made, e.g. to take an object away that was just listed.
    """

    key: str = "*"
    times: int = 1
    status: int | None = None
    code: str = "InternalError"
    cut_at: int | None = None
    before: Callable[[], None] | None = None


@dataclass
class FaultyS3:
    """moto, with faults. It checks no signatures.

    Attributes:
        faults: What goes wrong; the first one that fits a request is taken, as often as it says.
        requests: What was asked, in its order: method, key (empty for a listing) and query.
        access_keys: The access keys that requests were signed with, in the same order.
    """

    endpoint_url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    access_keys: list[str] = field(default_factory=list)
    _moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, **fault: Any) -> None:
        """Let something go wrong: a `Fault` with these attributes, after those that are left."""
        self.faults.append(Fault(**fault))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")[2]
        with self._lock:
            self.requests.append((environ["REQUEST_METHOD"], key, environ.get("QUERY_STRING", "")))
            signed = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
            self.access_keys.append(signed.partition("/")[0])
            fault = next((fault for fault in self.faults if fault.times and fnmatch.fnmatchcase(key, fault.key)), None)
            if fault:
                fault.times -= 1
        if fault and fault.before:
            fault.before()
        if fault and fault.status:
            body = f"<Error><Code>{fault.code}</Code><Message>made to fail</Message></Error>"
            if environ["REQUEST_METHOD"] == "POST":  # STS, whose errors have a frame
                body = f"<ErrorResponse>{body}</ErrorResponse>"
            return Response(body, fault.status, content_type="application/xml")(environ, start_response)
        body = self._moto(environ, start_response)
        # The Content-Length stays, so that the client sees the connection end too early.
        return body if not fault or fault.cut_at is None else [b"".join(body)[: fault.cut_at]]


class QuietHandler(WSGIRequestHandler):
    """Logs nothing: what was asked is in `requests`."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 # werkzeug's name
        """Log nothing."""


@dataclass
class MotoBucket:
    """A bucket of moto's, and the server's faults and requests."""

    name: str
    settings: dict[str, Any]
    server: FaultyS3

    def put(self, key: str, content: bytes, modified: float | None = None) -> None:
        """Write an object; `modified`, in seconds since 1970, becomes its LastModified, to the second."""
        written = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.name, f"{PREFIX}/{key}", content)
        if modified is not None:
            written.last_modified = dt.datetime.fromtimestamp(modified, dt.timezone.utc).replace(tzinfo=None)

    def delete(self, key: str) -> None:
        """Remove an object."""
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].delete_object(self.name, f"{PREFIX}/{key}")


@dataclass
class RealBucket:
    """A bucket of a server that decides itself when an object was changed."""

    name: str
    settings: dict[str, Any]
    client: Any

    def put(self, key: str, content: bytes, modified: float | None = None) -> None:
        """Write an object, now."""
        assert modified is None, "a real server does not let one choose"
        self.client.put_object(Bucket=self.name, Key=f"{PREFIX}/{key}", Body=content)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.client.delete_object(Bucket=self.name, Key=f"{PREFIX}/{key}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Serve a folder by S3's protocol for the session, with rclone."""
    folder = tmp_path_factory.mktemp("rclone")
    command = [
        *(str(RCLONE), "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", f"{KEY},{SECRET}"),
        # What is written to the folder is seen at once.
        *("--dir-cache-time", "0s", "--config", str(folder / "no.conf"), str(folder)),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "Starting s3 server on" in line:
                break
        assert "[" in said, said
        # Nobody reads what it says later, and a full pipe would stop it.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield S3(said.rpartition("[")[2].partition("]")[0].rstrip("/"), folder)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def bucket(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FolderBucket]:
    """Make an empty bucket in rclone's server."""
    folder = tmp_path_factory.mktemp("bucket")
    name = f"bucket-{os.getpid()}-{folder.name.removeprefix('bucket')}"
    (s3_server.folder / name / PREFIX).mkdir(parents=True)
    yield FolderBucket(name, s3_server.settings(name), s3_server.folder / name / PREFIX)
    shutil.rmtree(s3_server.folder / name)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[FaultyS3]:
    """Serve what moto keeps in this process, for the session."""
    faulty = FaultyS3()
    server = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=QuietHandler)
    faulty.endpoint_url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield faulty
    server.shutdown()
    thread.join()


@pytest.fixture
def moto_bucket(moto_server: FaultyS3) -> Iterator[MotoBucket]:
    """Make an empty bucket in moto's server, which knows of no faults."""
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("bucket", "us-east-1")
    moto_server.faults.clear()
    moto_server.requests.clear()
    moto_server.access_keys.clear()
    yield MotoBucket("bucket", S3(moto_server.endpoint_url).settings("bucket"), moto_server)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()


@pytest.fixture(scope="session")
def ceph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Start a real S3 server for the session; for soak tests only, since it takes 12 seconds and Debian packages."""
    folder = tmp_path_factory.mktemp("ceph")
    started = subprocess.run([sys.executable, CEPH, "start", folder], stdout=subprocess.PIPE, text=True, check=False)
    try:
        if started.returncode:
            pytest.fail(f"{CEPH.name} said above why there is no Ceph to test against")
        yield S3(started.stdout.splitlines()[-1])
    finally:
        subprocess.run([sys.executable, CEPH, "stop", folder], check=False)


@pytest.fixture
def ceph_bucket(ceph_server: S3, request: pytest.FixtureRequest) -> RealBucket:
    """Make an empty bucket in Ceph's server."""
    client = boto3.client(
        "s3",
        endpoint_url=ceph_server.endpoint_url,
        aws_access_key_id=ceph_server.key,
        aws_secret_access_key=ceph_server.secret,
        region_name="us-east-1",
    )
    name = "-".join(word for word in request.node.name.lower().replace("[", "_").replace("]", "").split("_") if word)
    client.create_bucket(Bucket=name[-60:].lstrip("-"))
    return RealBucket(name[-60:].lstrip("-"), ceph_server.settings(name[-60:].lstrip("-")), client)
