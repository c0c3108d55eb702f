"""The bucket: lists it and fetches files. Owns all access to it, through fsspec.

S3 is listed page by page with `StartAfter`, so that hours that are settled are not listed again, and its own clock is
what the bookmarks go by; other file systems are walked.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import posixpath
import re
from typing import TYPE_CHECKING, Any, Final

import fsspec

from tap_braze_currents import __version__
from tap_braze_currents.errors import BucketError, FileError, GoneError, SettingsError
from tap_braze_currents.files import File
from tap_braze_currents.keys import event_type_folder, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADER_BYTES: Final = 16_384
"""More than any file's header: Avro schema and all."""
_EXTRAS: Final = {"gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
_EVENT_TYPE: Final = "event_type="
_INTEGRATION: Final = re.compile(r"dataexport\..*\bintegration\.([^/]+)")
_DEPTH: Final = 2
"""How far below the path the folders of connectors are looked for: `path` may be a bucket with several folder paths."""
_S3_CONFIG: Final = {
    # Compatible stores send no checksum for a part of a file, or the whole file's, which then does not fit
    "response_checksum_validation": "when_required",
    "request_checksum_calculation": "when_required",
    "retries": {"mode": "adaptive", "max_attempts": 8},
    # botocore's own says so much of the machine that to write it anew for each request takes as long as to sign it
    "user_agent": f"tap-braze-currents/{__version__}",
}


class Bucket:
    """Where Currents writes.

    Args:
        path: A URL or a local folder.
        s3: Options of s3fs: credentials, endpoint; and a role, see `sessions.py`.
        connections: Most connections at once.

    Raises:
        SettingsError: If nothing here can read such a path.
    """

    def __init__(self, path: str, s3: Mapping[str, Any], connections: int) -> None:
        self.path = path
        protocol = path.partition("://")[0] if "://" in path else "file"
        self._is_local = protocol == "file"
        self._is_s3 = protocol in {"s3", "s3a"}
        options: dict[str, Any] = {}
        if self._is_s3:
            from tap_braze_currents.sessions import with_session  # noqa: PLC0415 - for S3 alone: it takes its time

            s3 = with_session(s3)
            endpoint = s3.pop("endpoint_url", None)
            options = {
                **s3,
                "endpoint_url": endpoint,
                "config_kwargs": {**_S3_CONFIG, "max_pool_connections": connections + 2},
                "use_listings_cache": False,
                "skip_instance_cache": True,
                "max_concurrency": 1,  # for parts of one file, each of which would be asked for its size first
            }
        try:
            self._files, root = fsspec.core.url_to_fs(path, **options)
        except ImportError:
            extra = _EXTRAS.get(protocol)
            raise SettingsError(
                f"`path` is {path!r}, for which a package is missing: install tap-braze-currents[{extra}]."
                if extra
                else f"`path` is {path!r}; it begins with none of s3://, gs://, az://, nor is it a folder."
            ) from None
        except ValueError as error:
            raise SettingsError(f"`path` is {path!r}, which cannot be used: {error}.") from None
        # State has the keys: they must not depend on how somebody spells a folder.
        self._root = posixpath.normpath(root) if self._is_local else str(root).rstrip("/")
        self._has_foreign = False
        self._logger = logging.getLogger("tap-braze-currents")
        self._bucket = self._root.partition("/")[0]
        # A store that tells no time is asked when nothing has been listed yet: what appears meanwhile is later
        self._now = None if self._is_s3 else dt.datetime.now(dt.timezone.utc)

    @property
    def now(self) -> dt.datetime:
        """The time by the store's own clock when it was first listed, by this machine's where it tells none."""
        return self._now or dt.datetime.now(dt.timezone.utc)

    def event_types(self, integrations: frozenset[str]) -> dict[str, list[str]]:
        """Event type → the folders that have its files, one for each integration.

        Args:
            integrations: Identifiers of the integrations to look at; none for all.

        Raises:
            BucketError: If the bucket cannot be listed.
        """
        found: dict[str, list[str]] = {}
        for folder in self._folders_of_integrations(integrations):
            for path in self._folders(folder):
                name = posixpath.basename(path)
                if name.startswith(_EVENT_TYPE):
                    found.setdefault(name[len(_EVENT_TYPE) :], []).append(path)
        return found

    def _folders_of_integrations(self, integrations: frozenset[str]) -> list[str]:
        """The folders named dataexport.….integration.<id>: the path itself, or one or two levels below it."""
        found: list[str] = []
        level = [self._root]
        for depth in range(_DEPTH + 1):
            here = {path: _integration(path) for path in level}
            found += [path for path, integration in here.items() if integration]
            others = [path for path, integration in here.items() if not integration]
            level = [inner for path in others for inner in self._folders(path)] if depth < _DEPTH else []
        return [path for path in found if not integrations or _integration(path) in integrations]

    def files(self, folder: str, start_hour: str | None) -> Iterator[File]:
        """The files of one event type of one integration, from an hour on.

        Args:
            folder: As `event_types` gives it.
            start_hour: `YYYY-MM-DD-HH`, or None for all.

        Yields:
            Files that Braze wrote. What else lies there is passed over.

        Raises:
            BucketError: If the bucket cannot be listed.
        """
        for key, size, etag, modified in self._objects(folder, start_hour):
            place = parse(key)
            if place is None:
                self._pass_over(key)
            elif start_hour is None or place.hour >= start_hour:
                yield File(key, size, etag, modified, place)

    def _pass_over(self, key: str) -> None:
        """Say once that there are objects that Braze did not write."""
        if not self._has_foreign:
            self._has_foreign = True
            self._logger.warning("%s and other objects like it are not Braze's; they are passed over.", key)

    def is_deleted(self, file: File) -> bool:
        """Whether new listings have no such file any more, in no version, but others of its event type.

        Without others it is not known: a disk that is no longer mounted has none either.

        Raises:
            BucketError: If the bucket cannot be listed.
        """
        if any(key == file.key for key, *_ in self._objects(posixpath.dirname(file.key), None)):
            return False
        return next(self.files(event_type_folder(file.key), None), None) is not None

    def fetch(self, file: File) -> bytes:
        """All of a file.

        Raises:
            GoneError: If it is there no more.
            FileError: If it cannot be had; the message says why.
        """
        return self._fetch(file, None)

    def head(self, file: File) -> bytes:
        """The beginning of a file, long enough for its header.

        Raises:
            FileError: If it cannot be had.
        """
        return self._fetch(file, HEADER_BYTES)

    def _fetch(self, file: File, size: int | None) -> bytes:
        try:
            data: bytes = self._files.cat_file(file.key, start=None if size is None else 0, end=size)
        except FileNotFoundError:
            raise GoneError("it is gone: it was listed and cannot be found any more") from None
        except Exception as error:  # noqa: BLE001 # what it may be is up to each store's library
            if _code(error) == "InvalidObjectState":
                raise FileError("it is archived (Glacier): restore it, or let `start_date` begin after it") from None
            if isinstance(error, PermissionError):
                raise FileError(
                    f"access denied: reading it needs s3:GetObject, and kms:Decrypt if it is encrypted ({_code(error)})"
                ) from None
            raise FileError(f"it cannot be fetched ({_code(error)})") from None
        return data

    def _folders(self, path: str) -> list[str]:
        try:
            if self._is_s3:
                return [
                    f"{self._bucket}/{prefix['Prefix'].rstrip('/')}"
                    for page in self._pages(path + "/", Delimiter="/")
                    for prefix in page.get("CommonPrefixes", ())
                ]
            entries = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return []
        except BucketError:
            raise
        except Exception as error:  # noqa: BLE001 # as in `_fetch`
            raise self._not_listed(error) from None
        return sorted(str(entry["name"]).rstrip("/") for entry in entries if entry["type"] == "directory")

    def _objects(self, folder: str, start_hour: str | None) -> Iterator[tuple[str, int, str, dt.datetime]]:
        if self._is_s3:
            start = {} if start_hour is None else {"StartAfter": f"{_in_bucket(folder)}/date={start_hour}"}
            for page in self._pages(folder + "/", **start):
                for entry in page.get("Contents", ()):
                    key = f"{self._bucket}/{entry['Key']}"
                    yield key, entry["Size"], entry["ETag"].strip('"'), entry["LastModified"]
            return
        try:
            entries = list(self._walked(folder) if self._is_local else self._files.find(folder, detail=True).values())
        except FileNotFoundError:
            return  # as an S3 that has nothing there
        except Exception as error:  # noqa: BLE001 # as in `_fetch`
            raise self._not_listed(error) from None
        for entry in entries:
            yield str(entry["name"]), int(entry["size"] or 0), _etag(entry), _modified(entry)

    def _walked(self, folder: str) -> Iterator[Mapping[str, Any]]:
        """All below a local folder. fsspec's own walk leaves out, and does not say so, what may not be listed."""
        try:
            entries = self._files.ls(folder, detail=True)
        except FileNotFoundError:
            return  # gone while we looked
        for entry in entries:
            if entry["type"] == "directory":
                yield from self._walked(entry["name"])
            else:
                yield entry

    def _pages(self, prefix: str, **options: Any) -> Iterator[dict[str, Any]]:
        """The pages of a listing; the first ever tells the store's time."""
        token: dict[str, str] = {}
        while True:
            try:
                page = self._files.call_s3(
                    "list_objects_v2", Bucket=self._bucket, Prefix=_in_bucket(prefix), **{**options, **token}
                )
            except Exception as error:  # noqa: BLE001 # as in `_fetch`
                raise self._not_listed(error) from None
            if self._now is None:
                self._now = _date(page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _not_listed(self, error: Exception) -> BucketError:
        return BucketError(
            f"{self.path} cannot be listed ({_code(error)}). Check `path`, the credentials (they need s3:ListBucket "
            "and s3:GetObject) and `s3_endpoint_url`."
        )


def _integration(path: str) -> str:
    """The connector whose folder this is; nothing if it is none."""
    match = _INTEGRATION.fullmatch(posixpath.basename(path))
    return match[1] if match else ""


def _in_bucket(path: str) -> str:
    """A path without its bucket."""
    return path.partition("/")[2]


def _etag(entry: Mapping[str, Any]) -> str:
    """What changes when a file is written anew; a local file has no more than its times."""
    etag = entry.get("ETag") or entry.get("etag") or entry.get("md5Hash") or entry.get("mtime") or ""
    return str(etag).strip('"')


def _modified(entry: Mapping[str, Any]) -> dt.datetime:
    for name in ("LastModified", "last_modified", "updated", "mtime"):
        value = entry.get(name)
        if isinstance(value, dt.datetime):
            return value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
        if isinstance(value, int | float):
            return dt.datetime.fromtimestamp(value, dt.timezone.utc)
        if isinstance(value, str) and value:
            return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
    raise BucketError(f"{entry.get('name')}: the store does not say when it was written.")


def _date(text: str | None) -> dt.datetime | None:
    return email.utils.parsedate_to_datetime(text) if text else None


def _code(error: BaseException) -> str:
    """What the store says, in a word."""
    cause = error.__cause__ or error
    response = getattr(cause, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code") or type(cause).__name__)
    return getattr(error, "strerror", None) or type(error).__name__
