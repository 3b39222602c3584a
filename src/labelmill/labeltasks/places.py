"""Which file or table a label task means: what is stored with the task is a reference, what is opened is a location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import Location, parse_location
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.fernet import Fernet

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
    ``{"connection", "schema", "table"}``, or ``{"path"}`` below the data folder: the last two from everywhere.
    """

    #: Gives the location of a table of a named connection: (name, schema, table, whether it is written to).
    resolve: Callable[[str, str | None, str | None, bool], Location]
    #: Gives the location of a path below the data folder.
    below: Callable[[str], Location]
    box: Box

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


def _absolute(location: Location, text: str) -> str:
    """Return the text with a path that means the same file wherever a worker runs."""
    if location.path is None:
        return text
    _, separator, table = text.partition("::")
    path = location.path.absolute()
    if location.url is None:
        return str(path)
    return f"{location.url.set(database=str(path)).render_as_string(hide_password=False)}{separator}{table}"
