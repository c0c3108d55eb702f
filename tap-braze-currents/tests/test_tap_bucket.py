"""What a bucket shows and hands out, and in which words it refuses: on disk, by rclone's S3 and by moto's."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
import s3fs
from botocore.loaders import JSONFileLoader
from botocore.utils import parse_timestamp
from braze_sandbox.currents import filler, schemas
from braze_sandbox.currents.writing import avro_file
from fsspec.implementations.local import LocalFileSystem
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import AssumedRole, sts_backends
from tap_braze_currents import bucket as bucket_module
from tap_braze_currents.bucket import HEADER_BYTES, Bucket
from tap_braze_currents.errors import BucketError, FileError, GoneError, SettingsError
from tap_braze_currents.sessions import read_timestamp
from tap_braze_currents.settings import read_settings
from tap_braze_currents.tap import TapBrazeCurrents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_braze_currents.files import File

    from tests.conftest import FolderBucket, MotoBucket

FIRST, SECOND = "dataexport.prod-01.S3.integration.aaa1", "dataexport.S3.integration.bbb2"
CLICK, SEND = "users.messages.email.Click", "users.messages.email.Send"
THEN = 1_767_268_800  # 2026-01-01T12:00:00Z
ALL: frozenset[str] = frozenset()


def key(
    number: int = 1, connector: str = FIRST, event_type: str = CLICK, hour: str = "2026-01-01-11", below: str = ""
) -> str:
    return f"{connector}/event_type={event_type}/date={hour}/version=6/us-01/{below}{connector}+0+{number:010}.avro"


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture(autouse=True, scope="module")
def models_read_once() -> Iterator[None]:
    """Each session of botocore reads megabytes of JSON; ours need them once."""
    load = JSONFileLoader.load_file
    read: dict[str, Any] = {}

    def load_once(self: JSONFileLoader, path: str) -> Any:
        if path not in read:
            read[path] = load(self, path)
        return read[path]

    JSONFileLoader.load_file = load_once
    yield
    JSONFileLoader.load_file = load


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once."""
    patience = {"retries": {"mode": "standard", "total_max_attempts": 1}}
    monkeypatch.setattr(bucket_module, "_S3_CONFIG", bucket_module._S3_CONFIG | patience)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)


def opened(config: dict[str, Any], **more: Any) -> Bucket:
    made = read_settings(config | more)
    return Bucket(made.path, made.s3, made.max_parallel_files)


def in_bucket(config: dict[str, Any], path: str) -> Bucket:
    """Open the bucket at another path."""
    name = config["path"].removeprefix("s3://").partition("/")[0]
    return opened(config, path=f"s3://{name}{path}")


def files(bucket: Bucket, start_hour: str | None = None, integrations: frozenset[str] = ALL) -> list[File]:
    return [
        file
        for folders in bucket.event_types(integrations).values()
        for folder in folders
        for file in bucket.files(folder, start_hour)
    ]


def keys(bucket: Bucket, start_hour: str | None = None) -> list[str]:
    return [file.key for file in files(bucket, start_hour)]


def put_on_disk(root: Path, at: str, content: bytes = b"abc", modified: float = THEN) -> Path:
    path = root / at
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


# Where the files are


@pytest.mark.parametrize("path", ["", "/", "/currents", "/currents/", f"/currents/{FIRST}", f"/currents/{FIRST}/"])
def test_connectors_are_found_below_the_path(bucket: FolderBucket, path: str) -> None:
    bucket.put(key(), b"abc")
    assert in_bucket(bucket.settings, path).event_types(ALL) == {
        CLICK: [f"{bucket.name}/currents/{FIRST}/event_type={CLICK}"]
    }
    assert keys(in_bucket(bucket.settings, path)) == [f"{bucket.name}/currents/{key()}"]


@pytest.mark.parametrize("path", ["", "a", "a/", f"a/{FIRST}", f"a/../a/{FIRST}/"])
def test_connectors_are_found_below_a_local_folder(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = put_on_disk(tmp_path, f"a/{key()}")
    for way in (f"{tmp_path}/{path}", f"file://{tmp_path}/{path}"):
        assert keys(opened({"path": way})) == [str(written)]
    monkeypatch.chdir(tmp_path)
    assert keys(opened({"path": path or "."})) == [str(written)]


def test_connectors_at_several_depths_are_all_found(tmp_path: Path) -> None:
    for at, event_type in enumerate(["A", "B", "too.deep"]):
        put_on_disk(tmp_path, "/".join([*["folder"] * at, key(event_type=event_type)]))
    assert set(opened({"path": str(tmp_path)}).event_types(ALL)) == {"A", "B"}


def test_a_bucket_that_is_named_like_a_connector_is_none(tmp_path: Path) -> None:
    root = tmp_path / "acme.integration.data"
    put_on_disk(root, key())
    put_on_disk(root, "not.integration.braze/event_type=X/date=2026-01-01-00/1/a/a+0+1.avro")
    assert opened({"path": str(root)}).event_types(ALL).keys() == {CLICK}


def test_nothing_is_there(bucket: FolderBucket, tmp_path: Path) -> None:
    assert opened(bucket.settings).event_types(ALL) == {}
    assert opened({"path": str(tmp_path / "none")}).event_types(ALL) == {}
    assert opened({"path": str(put_on_disk(tmp_path, "file"))}).event_types(ALL) == {}


def test_event_types_of_several_connectors(bucket: FolderBucket) -> None:
    bucket.put(key(connector=FIRST), b"abc")
    bucket.put(key(connector=SECOND), b"abc")
    bucket.put(key(connector=SECOND, event_type=SEND), b"abc")
    bucket.put(f"{FIRST}/other/folder.avro", b"abc")
    made = opened(bucket.settings)
    folder = f"{bucket.name}/currents/{{}}/event_type={{}}".format
    found = made.event_types(ALL)
    assert {event_type: sorted(folders) for event_type, folders in found.items()} == {
        CLICK: sorted([folder(FIRST, CLICK), folder(SECOND, CLICK)]),
        SEND: [folder(SECOND, SEND)],
    }
    assert made.event_types(frozenset({"aaa1"})) == {CLICK: [folder(FIRST, CLICK)]}
    assert made.event_types(frozenset({"none"})) == {}
    by_path = in_bucket(bucket.settings, f"/currents/{FIRST}")
    assert by_path.event_types(frozenset({"bbb2"})) == {}


FOREIGN = ["manifest.json", f"{FIRST}+0+1.avro.crc", ".part.avro", "_SUCCESS"]


def test_what_braze_did_not_write_is_passed_over(bucket: FolderBucket, tmp_path: Path) -> None:
    folder = key().rpartition("/")[0]
    for name in [*(f"{folder}/{name}" for name in FOREIGN), f"{FIRST}/event_type={CLICK}/copy.avro", key()]:
        bucket.put(name, b"abc", THEN)
        put_on_disk(tmp_path, name)
    assert keys(opened(bucket.settings)) == [f"{bucket.name}/currents/{key()}"]
    assert keys(opened({"path": str(tmp_path)})) == [f"{tmp_path}/{key()}"]


def test_layouts_lie_side_by_side(bucket: FolderBucket) -> None:
    start = f"{FIRST}/event_type={CLICK}/date=2026-01-01-11"
    every = [f"{start}/315/prod-03/{FIRST}+2+0000000071.avro", f"{start}/version=12/us-01/{FIRST}+0+123.avro", key()]
    for name in every:
        bucket.put(name, b"abc")
    assert sorted(keys(opened(bucket.settings))) == sorted(f"{bucket.name}/currents/{name}" for name in every)


def test_a_file_is_as_the_bucket_says(bucket: FolderBucket, moto_bucket: MotoBucket, tmp_path: Path) -> None:
    for made in (bucket, moto_bucket):
        made.put(key(), b"abcdef", THEN)
        (file,) = files(opened(made.settings))
        assert (file.size, file.modified) == (6, dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc))
        assert (file.place.event_type, file.place.integration) == (CLICK, "aaa1")
        assert file.etag
        assert '"' not in file.etag
    put_on_disk(tmp_path, key(), b"abcdef", THEN + 0.25)
    (file,) = files(opened({"path": str(tmp_path)}))
    assert (file.size, file.modified.timestamp()) == (6, THEN + 0.25)


def test_a_file_written_anew_has_another_version(moto_bucket: MotoBucket, tmp_path: Path) -> None:
    versions = set()
    for content, modified in ((b"abc", THEN), (b"xyz", THEN), (b"xyz", THEN + 1)):
        moto_bucket.put(key(), content, modified)
        versions.add(files(opened(moto_bucket.settings))[0].version)
    assert len(versions) == 3
    versions = set()
    for content, modified in ((b"abc", THEN), (b"abcd", THEN), (b"abcd", THEN + 1)):
        put_on_disk(tmp_path, key(), content, modified)
        versions.add(files(opened({"path": str(tmp_path)}))[0].version)
    assert len(versions) == 3


# Hours and pages


@pytest.mark.parametrize("start_hour", [None, "2026-01-01-10", "2026-01-01-11", "2026-01-01-12", "2026-01-02-00"])
def test_listing_begins_with_an_hour(
    bucket: FolderBucket, moto_bucket: MotoBucket, tmp_path: Path, start_hour: str | None
) -> None:
    hours = ["2025-12-31-23", "2026-01-01-10", "2026-01-01-11", "2026-01-01-12"]
    for hour in hours:
        bucket.put(key(hour=hour), b"abc")
        moto_bucket.put(key(hour=hour), b"abc")
        put_on_disk(tmp_path, key(hour=hour))
    expected = [hour for hour in hours if hour >= (start_hour or "")]
    for config in (bucket.settings, moto_bucket.settings, {"path": str(tmp_path)}):
        assert sorted(file.place.hour for file in files(opened(config), start_hour)) == expected


def test_hours_before_are_not_even_asked_for(moto_bucket: MotoBucket) -> None:
    for number in range(1_100):
        moto_bucket.put(key(number, hour="2026-01-01-10"), b"abc")
    for number in range(2_100):
        moto_bucket.put(key(number), b"abc")
    made = opened(moto_bucket.settings)
    (folder,) = made.event_types(ALL)[CLICK]
    moto_bucket.server.requests.clear()
    assert [file.place.offset for file in made.files(folder, "2026-01-01-11")] == list(range(2_100))
    queries = [query for _, _, query in moto_bucket.server.requests]
    assert len(queries) == 3
    assert all("date%3D2026-01-01-11" in query and "start-after" in query for query in queries)


def test_more_event_types_than_a_page_holds(moto_bucket: MotoBucket) -> None:
    for number in range(1_005):
        moto_bucket.put(key(event_type=f"users.T{number}"), b"abc")
    assert len(opened(moto_bucket.settings).event_types(ALL)) == 1_005


# The clock


def test_now_is_the_stores_time_of_the_first_listing(moto_bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(moto_bucket.settings)
    pages = iter([{"date": "Thu, 01 Jan 2026 12:00:00 GMT"}, {"date": "Thu, 01 Jan 2026 13:00:00 GMT"}])
    call = made._files.call_s3

    def dated(*arguments: Any, **options: Any) -> Any:
        page = call(*arguments, **options)
        page["ResponseMetadata"]["HTTPHeaders"] |= next(pages)
        return page

    monkeypatch.setattr(made._files, "call_s3", dated)
    made.event_types(ALL)
    made.event_types(ALL)
    assert made.now == dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)


def test_now_is_this_machines_where_the_store_tells_none(tmp_path: Path) -> None:
    before = dt.datetime.now(dt.timezone.utc)
    made = opened({"path": str(tmp_path)})
    made.event_types(ALL)
    assert before <= made.now <= dt.datetime.now(dt.timezone.utc)


# Fetching


def test_a_file_is_fetched_whole_or_its_head(bucket: FolderBucket, moto_bucket: MotoBucket, tmp_path: Path) -> None:
    content = os.urandom(3 * HEADER_BYTES)
    small = b"abc"
    for made in (bucket, moto_bucket):
        made.put(key(1), content)
        made.put(key(2), small)
    put_on_disk(tmp_path, key(1), content)
    put_on_disk(tmp_path, key(2), small)
    for config in (bucket.settings, moto_bucket.settings, {"path": str(tmp_path)}):
        opened_bucket = opened(config)
        large_file, small_file = sorted(files(opened_bucket), key=lambda file: file.key)
        assert opened_bucket.fetch(large_file) == content
        assert opened_bucket.head(large_file) == content[:HEADER_BYTES]
        assert opened_bucket.fetch(small_file) == opened_bucket.head(small_file) == small


def test_a_file_that_went_after_the_listing(bucket: FolderBucket, moto_bucket: MotoBucket, tmp_path: Path) -> None:
    for made in (bucket, moto_bucket):
        for number in (1, 2):
            made.put(key(number), b"abc")
        opened_bucket = opened(made.settings)
        first, second = sorted(files(opened_bucket), key=lambda file: file.key)
        assert not opened_bucket.is_deleted(first)
        made.delete(key(1))
        with pytest.raises(GoneError, match="it is gone: it was listed and cannot be found any more"):
            opened_bucket.fetch(first)
        assert opened_bucket.is_deleted(first)
        made.put(key(1), b"another version")
        assert not opened_bucket.is_deleted(first)
        for number in (1, 2):
            made.delete(key(number))
        assert not opened_bucket.is_deleted(first)
        assert not opened_bucket.is_deleted(second)
    paths = [put_on_disk(tmp_path, key(number)) for number in (1, 2)]
    local = opened({"path": str(tmp_path)})
    file = next(file for file in files(local) if file.key == str(paths[0]))
    paths[0].unlink()
    with pytest.raises(GoneError, match="it is gone"):
        local.fetch(file)
    assert local.is_deleted(file)
    shutil.rmtree(tmp_path / FIRST)
    assert not local.is_deleted(file)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDenied", r"access denied: reading it needs s3:GetObject, and kms:Decrypt .*\(AccessDenied\)"),
        (403, "InvalidObjectState", r"it is archived \(Glacier\): restore it"),
        (500, "InternalError", r"it cannot be fetched \(InternalError\)"),
        (503, "SlowDown", r"it cannot be fetched \(SlowDown\)"),
        (418, "SomethingNew", r"it cannot be fetched \(SomethingNew\)"),
    ],
)
def test_a_file_that_the_store_does_not_give(moto_bucket: MotoBucket, status: int, code: str, said: str) -> None:
    moto_bucket.put(key(), b"abc")
    made = opened(moto_bucket.settings)
    (file,) = files(made)
    moto_bucket.server.fail(key="*.avro", status=status, code=code)
    with pytest.raises(FileError, match=said):
        made.fetch(file)
    assert made.fetch(file) == b"abc"


def test_a_connection_that_ends_in_mid_file(moto_bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(100_000)
    moto_bucket.put(key(), content)
    made = opened(moto_bucket.settings)
    (file,) = files(made)
    moto_bucket.server.fail(key="*.avro", cut_at=50_000)
    with pytest.raises(FileError, match="it cannot be fetched"):
        made.fetch(file)
    moto_bucket.server.fail(key="*.avro", cut_at=50_000)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
    assert made.fetch(file) == content


def test_a_file_costs_one_request(moto_bucket: MotoBucket) -> None:
    moto_bucket.put(key(), b"abc")
    made = opened(moto_bucket.settings)
    (file,) = files(made)
    moto_bucket.server.requests.clear()
    made.fetch(file)
    made.head(file)
    assert [(method, asked) for method, asked, _ in moto_bucket.server.requests] == [("GET", f"currents/{key()}")] * 2


def test_whatever_a_stores_library_raises_is_that_files_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_disk(tmp_path, key())
    made = opened({"path": str(tmp_path)})
    (file,) = files(made)

    class HttpError(Exception):
        """As gcsfs has one."""

    def fails(*_: Any, **__: Any) -> bytes:
        raise HttpError("token=abc")

    monkeypatch.setattr(made._files, "cat_file", fails)
    with pytest.raises(FileError, match=r"^it cannot be fetched \(HttpError\)$"):
        made.fetch(file)
    monkeypatch.setattr(made._files, "ls", fails)
    with pytest.raises(BucketError, match=r"cannot be listed \(HttpError\)"):
        made.event_types(ALL)
    with pytest.raises(BucketError, match=r"cannot be listed \(HttpError\)"):
        list(made.files(str(tmp_path), None))


# Listing, refused


def refused(made: Bucket, code: str) -> str:
    with pytest.raises(BucketError, match=rf"cannot be listed \({code}\)\. Check `path`, the credentials") as caught:
        files(made)
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_a_listing_that_is_denied(moto_bucket: MotoBucket) -> None:
    moto_bucket.put(key(), b"abc")
    moto_bucket.server.fail(key="", status=403, code="AccessDenied")
    made = opened(moto_bucket.settings)
    assert "s3:ListBucket" in refused(made, "AccessDenied")
    (folder,) = made.event_types(ALL)[CLICK]
    moto_bucket.server.fail(key="", status=403, code="AccessDenied")
    with pytest.raises(BucketError, match="AccessDenied"):
        list(made.files(folder, None))


def test_a_bucket_that_is_not_there(bucket: FolderBucket) -> None:
    refused(opened(bucket.settings, path="s3://no-such-bucket/currents"), "NoSuchBucket")


def test_a_wrong_secret(bucket: FolderBucket) -> None:
    bucket.put(key(), b"abc")
    said = refused(opened(bucket.settings, aws_secret_access_key="wrong-but-secret"), "SignatureDoesNotMatch")
    assert "secret" not in said
    assert bucket.settings["aws_access_key_id"] not in said


def test_no_credentials(bucket: FolderBucket) -> None:
    refused(opened({name: bucket.settings[name] for name in ("path", "s3_endpoint_url")}), "NoCredentialsError")


def test_a_profile_that_is_not_there(bucket: FolderBucket) -> None:
    some = {name: bucket.settings[name] for name in ("path", "s3_endpoint_url")}
    refused(opened(some, aws_profile="nobody"), "ProfileNotFound")


def test_a_profile_is_used(bucket: FolderBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put(key(), b"abc")
    credentials = tmp_path / "credentials"
    access, secret = bucket.settings["aws_access_key_id"], bucket.settings["aws_secret_access_key"]
    credentials.write_text(f"[reader]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    some = {name: bucket.settings[name] for name in ("path", "s3_endpoint_url")}
    assert len(keys(opened(some, aws_profile="reader"))) == 1


ROLE = "arn:aws:iam::123456789012:role/currents-reader"


@pytest.fixture
def roles_taken_up(moto_bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[AssumedRole]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_bucket.server.endpoint_url)
    backend = sts_backends[DEFAULT_ACCOUNT_ID]["aws"]
    yield backend.assumed_roles
    backend.reset()


@pytest.mark.parametrize("source", ["settings", "profile", "environment"])
def test_a_role_is_taken_up(
    moto_bucket: MotoBucket,
    roles_taken_up: list[AssumedRole],
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moto_bucket.put(key(), b"abc")
    access, secret = moto_bucket.settings["aws_access_key_id"], moto_bucket.settings["aws_secret_access_key"]
    config = dict(moto_bucket.settings)
    if source != "settings":
        del config["aws_access_key_id"], config["aws_secret_access_key"]
    if source == "profile":
        (tmp_path / "credentials").write_text(
            f"[reader]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        config["aws_profile"] = "reader"
    if source == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    moto_bucket.server.access_keys.clear()
    made = opened(config, aws_role_arn=ROLE, aws_role_session_name="nightly", aws_role_external_id="an-id")
    (file,) = files(made)
    assert made.fetch(file) == b"abc"
    (role,) = roles_taken_up
    assert (role.role_arn, role.session_name, role.external_id) == (ROLE, "nightly", "an-id")
    asked, *rest = moto_bucket.server.access_keys
    assert asked == access
    assert len(rest) > 1
    assert set(rest) == {role.access_key_id}


def test_a_role_is_taken_up_again_before_it_expires(
    moto_bucket: MotoBucket, roles_taken_up: list[AssumedRole], monkeypatch: pytest.MonkeyPatch
) -> None:
    moto_bucket.put(key(), b"abc")
    soon = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) + dt.timedelta(minutes=5)
    expiration = property(lambda _: soon, lambda *_: None)
    monkeypatch.setattr(AssumedRole, "expiration", expiration, raising=False)
    made = opened(moto_bucket.settings, aws_role_arn=ROLE)
    (file,) = files(made)
    before = len(roles_taken_up)
    assert made.fetch(file) == b"abc"
    assert len(roles_taken_up) > before
    assert {role.session_name for role in roles_taken_up} == {"tap-braze-currents"}


def test_a_role_that_is_refused(moto_bucket: MotoBucket, roles_taken_up: list[AssumedRole]) -> None:
    moto_bucket.server.fail(key="", status=403, code="AccessDenied")
    refused(opened(moto_bucket.settings, aws_role_arn=ROLE), "AccessDenied")
    assert roles_taken_up == []


def test_a_role_without_credentials_to_take_it_up(moto_bucket: MotoBucket) -> None:
    some = {name: moto_bucket.settings[name] for name in ("path", "s3_endpoint_url")}
    refused(opened(some, aws_role_arn=ROLE), "NoCredentialsError")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00.123456Z",
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "20260131T120000Z",
        "Sat, 31 Jan 2026 12:00:00 GMT",
        "Saturday, 31-Jan-26 12:00:00 GMT",
        "1769860800",
        1769860800,
    ],
)
def test_times_are_read_as_botocore_reads_them(text: Any) -> None:
    assert read_timestamp(text) == parse_timestamp(text)
    assert read_timestamp(text).tzinfo is not None


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="noon"):
        read_timestamp("noonZ")


def test_requester_pays_is_said_with_every_request(moto_bucket: MotoBucket) -> None:
    made = opened(moto_bucket.settings, requester_pays=True)
    assert made._files.req_kw == {"RequestPayer": "requester"}
    assert opened(moto_bucket.settings)._files.req_kw == {}


def test_nobody_listens_there(bucket: FolderBucket) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        refused(opened(bucket.settings, s3_endpoint_url=f"http://127.0.0.1:{port}"), "EndpointConnectionError")


def test_an_endpoint_that_is_no_address(bucket: FolderBucket) -> None:
    refused(opened(bucket.settings, s3_endpoint_url="not-an-address"), "ValueError")


def test_a_local_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever runs the tests may be root, whom no folder refuses.
    put_on_disk(tmp_path, key(1))
    hidden = put_on_disk(tmp_path, key(2, hour="2026-01-01-12")).parent
    listed = LocalFileSystem.ls

    def ls(self: LocalFileSystem, path: str, *arguments: Any, **options: Any) -> Any:
        if str(path).rstrip("/") == str(hidden):
            raise PermissionError(13, "Permission denied")
        return listed(self, path, *arguments, **options)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    refused(opened({"path": str(tmp_path)}), "Permission denied")


# Paths that nothing here can read


def missing(name: str) -> Callable[..., Any]:
    def url_to_fs(*_: Any, **__: Any) -> Any:
        raise ImportError(f"Please install {name}")

    return url_to_fs


@pytest.mark.parametrize(
    ("path", "extra"),
    [("gs://b/c", "gs"), ("gcs://b", "gs"), ("az://b/c", "az"), ("abfs://b", "az"), ("abfss://b", "az")],
)
def test_a_missing_extra_is_named(path: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.core, "url_to_fs", missing("it"))
    with pytest.raises(SettingsError, match=rf"install tap-braze-currents\[{extra}\]\."):
        opened({"path": path})


def test_a_missing_package_for_what_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.core, "url_to_fs", missing("it"))
    with pytest.raises(SettingsError, match="begins with none of s3://, gs://, az://, nor is it a folder"):
        opened({"path": "hdfs://cluster/currents"})


def test_an_unknown_protocol() -> None:
    with pytest.raises(SettingsError, match=r"`path` is 'ftq://x', which cannot be used: Protocol not known: ftq"):
        opened({"path": "ftq://x"})


def test_a_path_without_a_bucket(bucket: FolderBucket) -> None:
    refused(opened(bucket.settings, path="s3://"), "ParamValidationError")


def test_a_store_that_does_not_say_when() -> None:
    with pytest.raises(BucketError, match="the store does not say when it was written"):
        bucket_module._modified({"name": "x", "size": 3})


# The whole tap


def test_a_refused_file_is_read_by_the_next_run(
    moto_bucket: MotoBucket, capsysbinary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TapBrazeCurrents, "_setup_signal_handlers", lambda _: None)  # they would stay
    schema = schemas.avro_schema(CLICK)
    for number in range(3):
        moto_bucket.put(key(number), avro_file(schema, [filler.record(schema, number)]), THEN + number)
    denied = {"status": 403, "code": "AccessDenied", "key": f"*{key(1)}", "times": -1}

    def run(state: dict[str, Any] | None = None) -> tuple[list[int], dict[str, Any], TapBrazeCurrents]:
        tap = TapBrazeCurrents(config=moto_bucket.settings, state=state)
        tap.sync_all()
        messages = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
        read = [message["record"]["_braze_offset"] for message in messages if message["type"] == "RECORD"]
        states = [message["value"] for message in messages if message["type"] == "STATE"]
        return read, states[-1], tap

    moto_bucket.server.fail(**denied)
    first, state, tap = run()
    assert first == [0]
    assert tap.incomplete == ["users_messages_email_click"]
    moto_bucket.server.faults.clear()
    second, state, tap = run(state)
    assert second == [1, 2]
    assert tap.incomplete == []
    assert run(state)[0] == []
