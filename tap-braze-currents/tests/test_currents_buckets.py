"""The servers that other tests read from keep what those tests rely on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ResponseStreamingError

if TYPE_CHECKING:
    from tests.conftest import FolderBucket, MotoBucket, RealBucket

MODIFIED = 1_700_000_000
ODD = "dataexport.prod-01.S3.integration.1/event_type=users.X/date=2026-01-01-00/version=6/us-01/a+0+17.avro"


def client(settings: dict[str, Any]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings["s3_endpoint_url"],
        aws_access_key_id=settings["aws_access_key_id"],
        aws_secret_access_key=settings["aws_secret_access_key"],
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def listed(settings: dict[str, Any]) -> dict[str, tuple[int, float]]:
    bucket, _, prefix = settings["path"].removeprefix("s3://").partition("/")
    answer = client(settings).list_objects_v2(Bucket=bucket, Prefix=prefix)
    return {
        about["Key"].removeprefix(prefix): (about["Size"], about["LastModified"].timestamp())
        for about in answer.get("Contents", ())
    }


def read(settings: dict[str, Any], key: str) -> bytes:
    content: bytes = client(settings).get_object(Bucket="bucket", Key=f"currents/{key}")["Body"].read()
    return content


def test_rclone_tells_the_time_that_a_file_has(bucket: FolderBucket) -> None:
    bucket.put(ODD, b"abc", MODIFIED)
    assert listed(bucket.settings) == {ODD: (3, MODIFIED)}
    os.utime(bucket.folder / ODD, (MODIFIED + 60, MODIFIED + 60))
    assert listed(bucket.settings) == {ODD: (3, MODIFIED + 60)}
    bucket.put(ODD, b"abcd", MODIFIED)
    assert listed(bucket.settings) == {ODD: (4, MODIFIED)}
    bucket.delete(ODD)
    assert listed(bucket.settings) == {}


def test_rclone_checks_signatures(bucket: FolderBucket) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        listed(bucket.settings | {"aws_secret_access_key": "another"})


def test_moto_tells_the_time_it_is_told(moto_bucket: MotoBucket) -> None:
    moto_bucket.put(ODD, b"abc", MODIFIED)
    assert listed(moto_bucket.settings) == {ODD: (3, MODIFIED)}
    moto_bucket.delete(ODD)
    assert listed(moto_bucket.settings) == {}
    assert {method for method, _, _ in moto_bucket.server.requests} == {"GET"}


def test_moto_fails_as_it_is_told(moto_bucket: MotoBucket) -> None:
    moto_bucket.put(ODD, b"abcdef")
    moto_bucket.server.fail(key="*+17.avro", status=503, code="SlowDown")
    moto_bucket.server.fail(key="*+17.avro", cut_at=2)
    moto_bucket.server.fail(key="", before=lambda: moto_bucket.delete(ODD))
    with pytest.raises(ClientError, match="SlowDown"):
        read(moto_bucket.settings, ODD)
    with pytest.raises(ResponseStreamingError):
        read(moto_bucket.settings, ODD)
    assert read(moto_bucket.settings, ODD) == b"abcdef"
    assert listed(moto_bucket.settings) == {}
    assert [key for _, key, _ in moto_bucket.server.requests] == [f"currents/{ODD}"] * 3 + [""]


@pytest.mark.soak
def test_ceph_serves(ceph_bucket: RealBucket) -> None:
    ceph_bucket.put(ODD, b"abc")
    assert {key: size for key, (size, _) in listed(ceph_bucket.settings).items()} == {ODD: 3}
