"""Where blobs may be kept, written as one URL: a folder, a bucket, or labelmill's own database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from labelmill.blobs.model import is_name

FORMS: Final = "file:///folder, s3://bucket/prefix?endpoint=https://host:port&region=name, or database:"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OPTIONS: Final = frozenset({"endpoint", "region"})


class Store(StrEnum):
    FOLDER = "file"
    S3 = "s3"
    DATABASE = "database"


@dataclass(frozen=True, kw_only=True)
class BlobPlace:
    """``folder`` is for FOLDER only; the others are for S3: ``prefix`` is empty or ends with a slash."""

    store: Store
    folder: Path = Path()
    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


def parse_place(url: str) -> BlobPlace:
    """Return what a URL names; raises ValueError, saying what it must be."""
    parts = urlsplit(url)
    if url == "database:":
        return BlobPlace(store=Store.DATABASE)
    if parts.scheme == "file":
        return _parse_folder(url)
    if parts.scheme == "s3":
        return _parse_bucket(url)
    raise ValueError(f"it must be {FORMS}")


def _parse_folder(url: str) -> BlobPlace:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ValueError("it must name a folder in full, as in file:///srv/labelmill/files")
    return BlobPlace(store=Store.FOLDER, folder=Path(unquote(parts.path)))


def _parse_bucket(url: str) -> BlobPlace:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("it must hold no key; set LABELMILL_S3_ACCESS_KEY and LABELMILL_S3_SECRET_KEY")
    if _BUCKET.fullmatch(parts.netloc) is None:
        raise ValueError(
            "it must name a bucket (3 to 63 lower-case letters, digits, dots and dashes), as in s3://bucket/prefix"
        )
    prefix = parts.path.strip("/")
    if prefix and not is_name(prefix):
        raise ValueError("its prefix must be of lower-case letters, digits, `.`, `_` and `-`, with slashes between them")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"it has an option {unknown[0]!r}; there are endpoint and region")
    return BlobPlace(
        store=Store.S3, bucket=parts.netloc, prefix=f"{prefix}/" if prefix else "",
        endpoint=_parse_endpoint(options.get("endpoint")), region=options.get("region") or None,
    )  # fmt: skip


def _parse_endpoint(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query or parts.path.strip("/"):
        raise ValueError("its endpoint must be an address such as https://s3.example.org:9000, without a key")
    return url.rstrip("/")
