"""Which file or table a label task means: what is stored with the task is a reference, what is opened is a location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import Location, at_url, parse_location
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.fernet import Fernet
    from sqlalchemy.engine import URL

    from labelmill.labeltasks.model import LabelTask


@dataclass(frozen=True)
class Box:
    """Keeps the password of a URL that was given on the command line: it is stored with the task, but not in clear."""

    fernet: Callable[[], Fernet]

    def lock(self, text: str) -> str:
        return self.fernet().encrypt(text.encode()).decode()

    def unlock(self, token: str) -> str:
        return self.fernet().decrypt(token.encode()).decode()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Turns references into locations.

    A reference is ``{"text"}`` from the local command line (any file or URL; a URL's password lies encrypted in ``locked``),
    ``{"connection", "schema", "table"}``, or ``{"path"}`` below the data folder: the last two from everywhere. ``{"setting", "schema",
    "table"}`` is the database that the settings name as ``input`` or ``output``.
    """

    #: Gives the location of a table of a named connection: (name, schema, table, whether it is written to).
    resolve: Callable[[str, str | None, str | None, bool], Location]
    #: Gives the location of a path below the data folder.
    below: Callable[[str], Location]
    box: Box
    #: Gives the location of a table of the database that a setting names: (input or output, schema, table).
    configured: Callable[[str, str | None, str | None], Location]

    def source(self, task: LabelTask) -> Location:
        return self.locate(task.source, write=False)

    def sink(self, task: LabelTask) -> Location:
        return self.locate(task.sink, write=True)

    def reference(self, text: str) -> dict[str, Any]:
        """Return the reference for what somebody wrote on the command line: ``@connection::schema.table``, a URL or a path."""
        if text.startswith("@"):
            name, _, table = text[1:].partition("::")
            schema, _, table = table.rpartition(".")
            return {"connection": name, "schema": schema or None, "table": table or None}
        location = parse_location(text)
        if location.url is None or location.url.password is None:
            return {"text": _absolute(location, text)}
        return {"text": str(location), "locked": self.box.lock(location.url.password)}

    def locate(self, reference: dict[str, Any], *, write: bool) -> Location:
        """Return where a reference leads; raises NotFound, Forbidden or BadSource."""
        if "connection" in reference:
            return self.resolve(reference["connection"], reference.get("schema"), reference.get("table"), write)
        if "setting" in reference:
            return _named(
                self.configured(reference["setting"], reference.get("schema"), reference.get("table")), reference["setting"]
            )
        if "path" in reference:
            return self.below(reference["path"])
        if "text" not in reference:
            raise BadSource("This names no place.", way_out="Give a path, or a connection and a table.")
        return self._parsed(reference)

    def _parsed(self, reference: dict[str, Any]) -> Location:
        place, separator, table = str(reference["text"]).partition("::")
        if "locked" in reference:
            url = make_url(place).set(password=self.box.unlock(reference["locked"]))
            place = url.render_as_string(hide_password=False)
        return parse_location(place + separator + table)


def in_schema(url: URL, schema: str | None, table: str | None) -> Location:
    """Return a table's location in a schema of a database, which on MariaDB is a database of the server.

    Raises BadSource for a schema of SQLite, which has none: only the name of the file stands for it.
    """
    backend = url.get_backend_name()
    if backend in ("mysql", "mariadb"):
        return at_url(url.set(database=schema) if schema else url, table=table)
    place = at_url(url, table=table, schema=None if backend == "sqlite" else schema)
    if backend == "sqlite" and schema and place.path is not None and schema not in ("main", place.path.name, place.path.stem):
        raise BadSource(
            f"A SQLite file has no schema {schema!r}.", where=str(place), way_out=f"Leave it out, or say {place.path.stem}."
        )
    return place


def _named(location: Location, side: str) -> Location:
    """Return the location of a setting's table; raises BadSource where neither a reference nor the settings name MariaDB's database."""
    if location.format == "mysql" and location.url is not None and not location.url.database:
        name = f"LABELMILL_{side.upper()}_SCHEMA"
        raise BadSource(f"The {side} schema is not set.", where=name, way_out=f"Set {name}, or name a schema in the request.")
    return location


def _absolute(location: Location, text: str) -> str:
    """Return the text with a path that means the same file wherever a worker runs."""
    if location.path is None:
        return text
    _, separator, table = text.partition("::")
    path = location.path.absolute()
    if location.url is None:
        return str(path)
    return f"{location.url.set(database=str(path)).render_as_string(hide_password=False)}{separator}{table}"
