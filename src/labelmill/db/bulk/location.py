"""Where rows come from and go to: a file, or a table behind a database URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from labelmill.db.bulk.file_pattern import Pattern
from labelmill.errors import BadSource

FILE_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
#: Formats of text that may be compressed: ``posts.csv.gz``.
_TEXT_FORMATS = frozenset({"csv", "tsv", "jsonl"})
SQLITE_SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
_DIALECTS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
#: What people write instead of a driver's name.
_WORDS = {"postgresql+psycopg": "postgresql", "mysql+pymysql": "mariadb"}
#: Names in the query of a URL whose values are for nobody to see.
_SECRET = re.compile("pass|secret|token|key", re.IGNORECASE)
#: Of these, the ones that only say which file holds the secret.
_FILES_OF_SECRETS = frozenset({"passfile", "sslkey", "ssl_key"})
_MASK = "***"
_URL = re.compile(r"^[a-z][a-z0-9+]*://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Location:
    """Files (``format`` is csv, tsv, jsonl or parquet) or one database (``format`` is sqlite, postgresql or mysql).

    Written ``posts.parquet``, ``posts.db::posts``, ``postgresql://ann@host/shop::public.posts``. ``table`` and ``schema`` are
    what the user asked for: they are only ever looked up in the inspected catalogue. A path may be a pattern of several files
    (``posts/2020-*.parquet``, ``posts/``); where it leaves their ending open, ``format`` is empty until they are looked for.
    """

    format: str
    path: Path | None = None
    url: URL | None = None
    table: str | None = None
    schema: str | None = None
    #: A folder that no file of a pattern leads out of, whatever links there are; already without links itself.
    within: Path | None = None

    @property
    def is_file(self) -> bool:
        return self.url is None

    @property
    def name(self) -> str:
        """A short name for people: the table or the file's stem."""
        if self.table:
            return self.table
        if pattern := self.pattern:
            return pattern.name
        if self.path and self.path.suffix.lower() == ".gz":
            return Path(self.path.stem).stem
        return self.path.stem if self.path else str(self.url.database if self.url else "")

    @property
    def pattern(self) -> Pattern | None:
        """The pattern that the path is, or None where it is that of one file, there or not."""
        if self.path is None or not self.is_file:
            return None
        return Pattern.of(self.path, ending=self.path.suffix if self.format else "", within=self.within)

    def paths(self) -> tuple[Path, ...]:
        """Return the files that are meant, none for a server; raises BadSource where a pattern matches nothing."""
        if pattern := self.pattern:
            return tuple(map(pattern.path_of, pattern.files()))
        return (self.path,) if self.path else ()

    def takes(self, path: Path) -> bool:
        """Tell whether ``path`` is one of the files that are meant, or would be if it were there: it is not one to write to."""
        if pattern := self.pattern:
            return pattern.takes(path)
        return self.path is not None and self.path.resolve() == path.resolve()

    def same_database(self, other: Location) -> bool:
        """Tell whether both are the same database, as far as their names show it, whatever table they mean."""
        if self.url is None or other.url is None or self.format != other.format:
            return False
        if self.path is not None and other.path is not None:
            return self.path.resolve() == other.path.resolve()
        mine, others = self.url, other.url
        return (mine.host, mine.port, mine.database) == (others.host, others.port, others.database)

    def __str__(self) -> str:
        place = str(self.path) if self.url is None else shown_url(self.url)
        table = ".".join(part for part in (self.schema, self.table) if part)
        return f"{place}::{table}" if table else place


def parse_location(text: str) -> Location:
    """Return the location that ``text`` names; raise BadSource where it names none."""
    place, _, table = text.partition("::")
    schema, _, name = table.rpartition(".")
    if _URL.match(place):
        return at_url(_parse_url(place), table=name or None, schema=schema or None)
    path = Path(place)
    suffix = path.suffix.lower()
    if suffix in SQLITE_SUFFIXES:
        return at_url(URL.create("sqlite", database=str(path)), table=table or None)
    known = format_of(path)
    if known is None and not (place and Pattern.of(path)):
        raise _unknown(place, suffix)
    return Location(format=known or "", path=path)


def format_of(path: PurePath) -> str | None:
    """Return the format that a file's ending means, or None."""
    suffix = path.suffix.lower()
    packed = FILE_FORMATS.get(PurePath(path.stem).suffix.lower()) if suffix == ".gz" else None
    return packed if packed in _TEXT_FORMATS else FILE_FORMATS.get(suffix)


def at_url(url: URL, *, table: str | None, schema: str | None = None) -> Location:
    """Return the location of a table behind an already checked URL."""
    dialect = url.get_backend_name()
    if dialect not in _DIALECTS:
        raise BadSource(
            f"Databases of the kind {dialect!r} are not supported.",
            where=shown_url(url),
            way_out=_ways(),
        )
    driver = _DIALECTS[dialect]
    path = Path(url.database) if dialect == "sqlite" and url.database else None
    return Location(format=driver.partition("+")[0], url=url.set(drivername=driver), path=path, table=table, schema=schema)


def file_at(path: PurePath) -> Location:
    """Return the location of one file or database, from its ending."""
    location = parse_location(str(path))
    if not location.format:
        raise _unknown(str(path), path.suffix)
    return location


def shown_url(url: URL) -> str:
    """Return the URL for people to see, in the words that they write: without its password, also where that is in the query."""
    worded = url.set(drivername=_WORDS.get(url.drivername, url.drivername))
    masked = worded.update_query_dict({name: _MASK for name in url.query if _SECRET.search(name)})
    return masked.render_as_string(hide_password=True).replace(quote_plus(_MASK), _MASK)


def secrets_of(url: URL) -> list[str]:
    """Return the texts of the URL that nobody may see, the longest first."""
    values = (value for name, value in url.query.items() if _SECRET.search(name))
    texts = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    return sorted(filter(None, [str(url.password or ""), *texts]), key=len, reverse=True)


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise BadSource("This is not a database URL.", where=text.partition("://")[0] + "://...", way_out=_ways()) from error
    secret = next((name for name in url.query if _SECRET.search(name) and name.lower() not in _FILES_OF_SECRETS), None)
    if secret is not None:
        # The query is kept and passed on as it is, the password is not.
        raise BadSource(
            f"The query of a database URL may not hold a secret ({secret!r}).",
            where=shown_url(url),
            way_out=f"Write the password before the host: {url.get_backend_name()}://user:password@host/database.",
        )
    return url


def _unknown(place: str, suffix: str) -> BadSource:
    message = f"The ending {suffix!r} is not one of a format that is known." if suffix else "This names no file or database."
    return BadSource(message, where=place, way_out=_ways())


def _ways() -> str:
    endings = ", ".join(sorted(FILE_FORMATS | dict.fromkeys(SQLITE_SUFFIXES, "sqlite")))
    return f"Name a file ending in {endings} (text also with .gz after it), or a URL: sqlite:///posts.db::posts, postgresql://user@host/db::table, mariadb://user@host/db::table."
