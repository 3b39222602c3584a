"""Kinds of values that a setting may have: a type, the check and the words for what is accepted."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from labelmill.blobs.places import FORMS, parse_place

#: No count, size or time needs more; larger numbers overflow timers and C integers somewhere below.
LARGEST = 1_000_000_000
SECRET_LENGTH = 32
SECRET_VARIETY = 8
WEAK_WORDS = (
    "better_secret",
    "change",
    "default",
    "example",
    "letmein",
    "password",
    "qwerty",
    "secret",
    "123456789",
    "abcdefghi",
)
DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")
BROKERS = ("amqp", "amqps", "redis", "rediss")
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://[^:/@]*):.*@", re.IGNORECASE | re.DOTALL)
_SECRET_OPTION = re.compile(r"([?&][^=&]*(?:passw|passfile|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)
MASK = "********"


@dataclass(frozen=True)
class Accepts:
    """What a value must be, said so that it completes "it must be"."""

    words: str


def accepted(annotation: Any) -> str:
    """Return the words of the first Accepts inside an annotation, however deep."""
    for part in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        words = part.words if isinstance(part, Accepts) else accepted(part)
        if words:
            return words
    return ""


def mask_url(url: str) -> str:
    """Return a URL whose password, in front of the host or among the options, is masked."""
    return _SECRET_OPTION.sub(rf"\1{MASK}", _CREDENTIALS.sub(rf"\1:{MASK}@", url))


def _check_database(url: str) -> str:
    backend = _scheme(url, DATABASES).partition("+")[0]
    if backend == "sqlite":
        return _check_sqlite(url)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("it must be written scheme://user:password@host:port/database, with a port that is a number") from None
    if not parsed.host and "host" not in parsed.query:
        raise ValueError("it must name the host")
    if not parsed.database:
        raise ValueError("it must name the database after the host")
    return url


def _check_sqlite(url: str) -> str:
    file = url.partition("://")[2].partition("?")[0]
    if file in {"", "/", "/:memory:"}:
        raise ValueError(
            "it must name a file, as in sqlite:////data/labelmill.db: a database in memory is seen by one process only"
        )
    return url


def _check_broker(url: str) -> str:
    _scheme(url, BROKERS)
    return _check_host(url)


def _check_redis(url: str) -> str:
    _scheme(url, ("redis", "rediss"))
    return _check_host(url)


def _check_blobs(url: str) -> str:
    parse_place(url)
    return url


def _check_web(url: str) -> str:
    _scheme(url, ("http", "https"))
    return _check_host(url).rstrip("/")


def _scheme(url: str, allowed: tuple[str, ...]) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.partition("+")[0] not in allowed:
        raise ValueError(f"it must begin with {_either([f'{name}://' for name in allowed if name != 'postgres'])}")
    return scheme


def _check_host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("it must hold a host and a port from 0 to 65535") from None
    if not host:
        raise ValueError("it must name the host")
    return url


def _check_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < SECRET_LENGTH:
        raise ValueError(
            f"it has {len(text)} characters and must have at least {SECRET_LENGTH}; `openssl rand -hex 32` makes one"
        )
    if len(set(text)) < SECRET_VARIETY or any(word in text.casefold() for word in WEAK_WORDS):
        raise ValueError("it can be guessed; `openssl rand -hex 32` makes one that cannot")
    return secret


def _expand(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("it begins with ~ and there is no home directory; write the path in full") from None


def _check_data_dir(path: Path) -> Path:
    if "?" in str(path):
        raise ValueError("it must not hold a question mark, which would end the path in the database's URL")
    mode = _mode(path)
    if mode and not stat.S_ISDIR(mode):
        raise ValueError("it must be a folder, and there is a file at that path")
    if mode and not os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise ValueError("it must be a folder that may be written to; change its permissions or name another")
    return path


def _check_folder(path: Path) -> Path:
    if not stat.S_ISDIR(_mode(path)):
        raise ValueError("there is no such folder")
    return path


def _check_file(path: Path) -> Path:
    if not stat.S_ISREG(_mode(path)):
        raise ValueError("there is no such file")
    return path


def _mode(path: Path) -> int:
    """Return what is at a path, 0 for nothing; raises ValueError where that cannot be known (too long, not allowed ...)."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise ValueError(f"the path cannot be used ({error.strerror})") from None


def _check_network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8, 192.168.1.7 or ::1") from None


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


Count = Annotated[int, Field(ge=1, le=LARGEST), Accepts(f"a whole number from 1 to {LARGEST}")]
Workers = Annotated[int, Field(ge=0, le=1024), Accepts("a whole number from 0 to 1024")]
Processes = Annotated[int, Field(ge=1, le=1024), Accepts("a whole number from 1 to 1024")]
Memory = Annotated[int, Field(ge=128, le=LARGEST), Accepts(f"a whole number from 128 to {LARGEST}")]
Port = Annotated[int, Field(ge=1, le=65535), Accepts("a port: a whole number from 1 to 65535")]
Seconds = Annotated[
    float, Field(ge=0.01, le=LARGEST, allow_inf_nan=False), Accepts(f"a number of seconds from 0.01 to {LARGEST}")
]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), Accepts("a number from 0 to 1")]
Flag = Annotated[bool, Accepts("true or false")]
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\s\x00-\x1f]+$"), Accepts("text without spaces")]
DatabaseUrl = Annotated[str, AfterValidator(_check_database), Accepts("the URL of a database")]
BrokerUrl = Annotated[str, AfterValidator(_check_broker), Accepts("the URL of a broker")]
RedisUrl = Annotated[str, AfterValidator(_check_redis), Accepts("the URL of a Redis")]
BlobsUrl = Annotated[str, AfterValidator(_check_blobs), Accepts(FORMS)]
WebUrl = Annotated[str, AfterValidator(_check_web), Accepts("a URL that begins with http:// or https://")]
Secret = Annotated[
    SecretStr, AfterValidator(_check_secret), Accepts(f"at least {SECRET_LENGTH} characters that cannot be guessed")
]
Password = Annotated[SecretStr, Accepts("a password")]
AnyPath = Annotated[Path, AfterValidator(_expand), Accepts("a path")]
DataDir = Annotated[Path, AfterValidator(_expand), AfterValidator(_check_data_dir), Accepts("a folder that may be written to")]
Folder = Annotated[Path, AfterValidator(_expand), AfterValidator(_check_folder), Accepts("a folder that exists")]
File = Annotated[Path, AfterValidator(_expand), AfterValidator(_check_file), Accepts("a file that exists")]
Queue = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Queues = Annotated[
    tuple[Queue, ...],
    BeforeValidator(_split),
    Field(min_length=1),
    Accepts("names of queues (letters, digits, `_`, `-`, `.`) with commas between them"),
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...],
    BeforeValidator(_split),
    Accepts("networks (10.0.0.0/8, 192.168.1.7, ::1) with commas between them"),
]
DatasetName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$"), Accepts("the name or the id of a dataset")
]
CompatStatus = Annotated[Literal["honest", "200"], BeforeValidator(_lower), Accepts("honest or 200")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], BeforeValidator(_lower), Accepts("debug, info, warning or error")
]
LogFormat = Annotated[Literal["console", "json"], BeforeValidator(_lower), Accepts("console or json")]
