"""Blobs in a bucket of any S3-compatible store: web and workers on several machines then share them without a folder."""

from __future__ import annotations

import hashlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from labelmill import clock
from labelmill.blobs.model import PIECE, check_name, is_name, missing
from labelmill.blobs.s3_errors import ABSENT, TAKEN, answering, code_of
from labelmill.errors import BadSettings, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from labelmill.blobs.cache import FileCache

#: Bytes from which a file goes in parts, and of each part.
PART: Final = 16 << 20
#: Bytes that a store copies in one go.
COPIED_WHOLE: Final = 4 << 30
#: How often something that broke off is tried before the caller hears of it; the library tries each request too.
TRIES: Final = 3
REQUEST_TRIES: Final = 4
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60
#: Seconds after which whoever was about to remove a blob must have died.
DOOM_SECONDS: Final = 30.0
#: In front of a blob's name: somebody is about to remove it. No blob's name begins like that.
_DOOMED: Final = ".doomed/"
_HASH: Final = "sha256"


class _Head(NamedTuple):
    size: int
    etag: str
    sha256: str
    """Empty for an object that somebody else has put there."""
    modified_at: datetime
    asked_at: datetime
    """By the store's clock, as is ``modified_at``."""


def connect(*, endpoint: str | None, region: str | None, access_key: str | None, secret_key: str | None) -> Any:
    """Return a client. Where no key is given, the usual places are asked: variables, ~/.aws, the machine's role."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": REQUEST_TRIES},
        signature_version="s3v4",
        # Only Amazon has a host for each bucket, and takes checksums that its older relatives do not know.
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with answering(endpoint or "S3"):
        session = boto3.session.Session(aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region)
        try:
            return session.client("s3", endpoint_url=endpoint, config=config, region_name=session.region_name or "us-east-1")
        except ValueError as error:
            raise BadSettings(
                "This is no address of an S3 store.", where="LABELMILL_BLOBS_URL", way_out="Correct it."
            ) from error


class S3Blobs:
    """``prefix`` is empty or ends with a slash."""

    def __init__(self, client: Any, bucket: str, prefix: str, cache: FileCache) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._cache = cache
        self._place_name = f"s3://{bucket}/{prefix}"
        self._transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
        self._copying = TransferConfig(multipart_threshold=COPIED_WHOLE, multipart_chunksize=PART * 16)
        self._has_bucket = False

    def put(self, name: str, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self._place(name, lambda key: self._put_new(key, content, sha256))

    def put_file(self, name: str, path: Path) -> None:
        if path.stat().st_size < PART:
            self.put(name, path.read_bytes())
        else:
            self._place(name, lambda key: self._put_parts(key, path))

    def get(self, name: str) -> bytes:
        return b"".join(self.stream(name))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        head = self._require(name)
        at, end = start, head.size if size is None else min(head.size, start + size)
        tries = 0
        while at < end:
            try:
                for piece in self._pieces(name, at, end):
                    at, tries = at + len(piece), 0
                    yield piece
            except Unavailable:
                # What came is not asked for again.
                tries += 1
                if tries == TRIES:
                    raise

    def exists(self, name: str) -> bool:
        return self._head(self._key(name), name) is not None

    def size(self, name: str) -> int:
        return self._require(name).size

    def path(self, name: str) -> Path:
        head = self._require(name)
        mark = head.sha256 or head.etag
        digest = ("sha256", head.sha256) if head.sha256 else None
        held = self._cache.find(name, mark, head.size)
        return held or self._cache.keep(name, mark, self.stream(name), size=head.size, digest=digest)

    def names(self, prefix: str = "") -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        with answering(self._place_name):
            for page in pages:
                found = (entry["Key"].removeprefix(self._prefix) for entry in page.get("Contents", ()))
                yield from filter(is_name, found)

    def remove(self, name: str) -> None:
        with answering(self._place_name, name):
            self._delete(self._key(name))

    def remove_older(self, name: str, moment: float) -> bool:
        key, mark = self._key(name), self._mark(name)
        if not self._is_older(name, moment):
            return False
        with answering(self._place_name, name):
            if not self._doomed(mark):
                return False
            try:
                # Looked at again: whoever puts it again from now on sees the mark, and waits.
                old = self._is_older(name, moment)
                if old:
                    self._delete(key)
            finally:
                self._delete(mark)
        return old

    def _place(self, name: str, send: Callable[[str], object]) -> None:
        key = self._key(name)
        deadline = clock.monotonic() + 2 * DOOM_SECONDS
        with answering(self._place_name, name):
            while clock.monotonic() < deadline:
                head = self._head(key, name)
                try:
                    if head is None:
                        send(key)
                        return
                    self._touch(key, head)
                except ClientError as error:
                    if code_of(error) not in TAKEN | ABSENT:
                        raise
                    continue
                # It may have been looked at just before, by somebody who removes what is old.
                self._wait_for_removal(self._mark(name), deadline)
                if self._head(key, name) is not None:
                    return
        raise Unavailable("Others put and remove this file all the time.", where=name, way_out="Try again in a moment.")

    def _put_new(self, key: str, content: bytes, sha256: str) -> None:
        values = {"Bucket": self._bucket, "Key": key, "Body": content, "Metadata": {_HASH: sha256}}
        try:
            self._client.put_object(**values, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) != "NotImplemented":
                raise
            self._client.put_object(**values)

    def _put_parts(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            metadata = {_HASH: hashlib.file_digest(file, "sha256").hexdigest()}
            file.seek(0)
            self._client.upload_fileobj(file, self._bucket, key, ExtraArgs={"Metadata": metadata}, Config=self._transfer)

    def _touch(self, key: str, head: _Head) -> None:
        """Let an object look new: somebody is about to refer to it. One may be copied onto itself where something about it changes."""
        metadata = {"touched": clock.now().isoformat()} | ({_HASH: head.sha256} if head.sha256 else {})
        changed = {"MetadataDirective": "REPLACE", "Metadata": metadata}
        self._client.copy({"Bucket": self._bucket, "Key": key}, self._bucket, key, ExtraArgs=changed, Config=self._copying)

    def _doomed(self, mark: str) -> bool:
        """Announce a removal; tell whether nobody else is at it."""
        head = self._head(mark)
        if head is not None:
            if (head.asked_at - head.modified_at).total_seconds() < DOOM_SECONDS:
                return False
            self._delete(mark)
        try:
            self._put_new(mark, b"", "")
        except ClientError as error:
            if code_of(error) in TAKEN:
                return False
            raise
        return True

    def _wait_for_removal(self, mark: str, deadline: float) -> None:
        while (head := self._head(mark)) is not None and clock.monotonic() < deadline:
            if (head.asked_at - head.modified_at).total_seconds() > DOOM_SECONDS:
                self._delete(mark)
                return
            clock.sleep(0.2)

    def _is_older(self, name: str, moment: float) -> bool:
        head = self._head(self._key(name), name)
        # Its time is a whole second, and may be rounded down.
        return head is not None and head.modified_at.timestamp() + 1 <= moment

    def _delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def _pieces(self, name: str, start: int, end: int) -> Iterator[bytes]:
        with answering(self._place_name, name):
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(name), Range=f"bytes={start}-{end - 1}")
            yield from found["Body"].iter_chunks(PIECE)

    def _head(self, key: str, name: str = "") -> _Head | None:
        with answering(self._place_name, name):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                absent = code_of(error) in ABSENT
                # An answer to this has no text: ask for something that gives the reason.
                self._require_bucket(again=not absent)
                if absent:
                    return None
                raise
        metadata = {key.lower(): value for key, value in found.get("Metadata", {}).items()}
        return _Head(
            size=found["ContentLength"],
            etag=found["ETag"].strip('"'),
            sha256=metadata.get(_HASH, ""),
            modified_at=found["LastModified"],
            asked_at=parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"]),
        )

    def _require(self, name: str) -> _Head:
        head = self._head(self._key(name), name)
        if head is None:
            raise missing(name)
        return head

    def _require_bucket(self, *, again: bool) -> None:
        """Raise the reason where the bucket cannot be used."""
        if self._has_bucket and not again:
            return
        with answering(self._place_name):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        self._has_bucket = True

    def _key(self, name: str) -> str:
        return self._prefix + check_name(name)

    def _mark(self, name: str) -> str:
        return f"{self._prefix}{_DOOMED}{name}"
