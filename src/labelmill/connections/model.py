"""What a named connection is. Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.errors import BadInput, BadSource, Forbidden

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: SQLite knows one schema of a file.
SQLITE_SCHEMA = "main"
MOST_SCHEMAS = 100
LONGEST_SCHEMA = 128


@dataclass(frozen=True, kw_only=True)
class NamedConnection:
    """A database by name. ``url`` has no password; ``confined`` files lie below the data folder's ``files``."""

    id: str
    name: str
    url: str
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    confined: bool
    created_at: datetime
    created_by: str | None

    @property
    def kind(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql``."""
        backend = self.url.partition(":")[0].partition("+")[0]
        return {"postgres": "postgresql", "mariadb": "mysql"}.get(backend, backend)

    def schema(self, wanted: str | None, *, write: bool) -> str:
        """Return the schema to use: ``wanted``, or the only one allowed; raises Forbidden or BadSource."""
        allowed = self.writable if write else tuple(dict.fromkeys((*self.readable, *self.writable)))
        verb = "written to" if write else "read"
        way_out = f"These may be {verb}: {', '.join(allowed)}." if allowed else "An administrator can add the connection anew."
        if wanted is None:
            if len(allowed) == 1:
                return allowed[0]
            raise BadSource(
                f"Several or no schemas of this connection may be {verb}; name one.", where=self.name, way_out=way_out
            )
        if wanted not in allowed:
            raise Forbidden(f"The schema {wanted!r} of this connection may not be {verb}.", where=self.name, way_out=way_out)
        return wanted


def checked_name(name: str) -> str:
    """Return a connection's name; raises BadInput for one that could not be typed everywhere."""
    if not _NAME.fullmatch(name):
        way_out = "Use 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit."
        raise BadInput("This is no name for a connection.", where="name", way_out=way_out)
    return name


def checked_schemas(readable: Sequence[str], writable: Sequence[str], kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the schemas that may be read and written, without repetitions; raises BadInput where there is none."""
    both = tuple(tuple(dict.fromkeys(text.strip() for text in part if text.strip())) for part in (readable, writable))
    if not any(both):
        raise BadInput(
            "No schema may be read or written.", where="readable", way_out=f"Name at least one; of SQLite {SQLITE_SCHEMA!r}."
        )
    for schema in (*both[0], *both[1]):
        if len(schema) > LONGEST_SCHEMA or not schema.isprintable() or len(both[0]) + len(both[1]) > MOST_SCHEMAS:
            raise BadInput("This is no list of schemas.", where="readable")
        if kind == "sqlite" and schema != SQLITE_SCHEMA:
            raise BadInput(f"SQLite has the schema {SQLITE_SCHEMA!r} only.", where="readable")
    return both[0], both[1]
