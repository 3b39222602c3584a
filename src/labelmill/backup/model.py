"""What stands in a backup, and what its manifest says of it. Pure values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import orjson

from labelmill.errors import BadFile, Conflict

#: Rises when a file of the new kind cannot be read by older versions.
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TABLES: Final = "tables"
BLOBS: Final = "blobs"
WORK: Final = "work"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file inside of the backup. ``rows`` is 0 for what is no table."""

    name: str
    sha256: str
    bytes: int
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What the file holds: written last, so that a file with one is whole."""

    labelmill: str
    #: Of the schema; the tables are loaded into that one and brought up to date afterwards.
    revision: str
    #: In ISO form: the moment whose state the tables are.
    made_at: str
    #: The kind of database that it was read from; it may be restored into any.
    dialect: str
    #: Tells whether another installation has the same secret, and nothing of it; empty where none is known.
    secret_mark: str
    #: Rows by table.
    tables: dict[str, int]
    #: Blobs and files of jobs that went away while they were read.
    vanished: list[str]
    members: list[Member]

    def dumped(self) -> bytes:
        return orjson.dumps({"format": FORMAT, **asdict(self)}, option=orjson.OPT_INDENT_2)

    def of_table(self, table: str) -> list[Member]:
        """Return the slices of a table in their order."""
        return [each for each in self.members if each.name.startswith(f"{TABLES}/{table}/")]

    def below(self, folder: str) -> list[Member]:
        """Return the members of one folder."""
        return [each for each in self.members if each.name.startswith(f"{folder}/")]


def read_manifest(content: bytes, where: str) -> Manifest:
    """Return what a manifest says; raises BadFile for one that makes no sense, and Conflict for one of a newer version."""
    try:
        found: dict[str, Any] = orjson.loads(content)
        if (form := int(found.pop("format"))) > FORMAT:
            raise Conflict(
                f"The backup has format {form}, this version reads up to {FORMAT}.", where=where,
                way_out=f"A newer version made it ({found.get('labelmill')}): restore it with that one.",
            )  # fmt: skip
        members = [Member(**each) for each in found.pop("members")]
        manifest = Manifest(**found, members=members)
        tables = {str(name): int(rows) for name, rows in manifest.tables.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _senseless(where) from error
    sums = {name: sum(each.rows for each in manifest.of_table(name)) for name in tables}
    if sums != tables or len({each.name for each in members}) < len(members):
        raise _senseless(where)
    if not all(_is_safe(each.name, tables) for each in members):
        raise _senseless(where)
    return manifest


def slice_name(table: str, number: int) -> str:
    """Return the name of a table's slice; names sort as the slices do."""
    return f"{TABLES}/{table}/{number:06d}.parquet"


def _is_safe(name: str, tables: dict[str, int]) -> bool:
    """Tell whether a name leads nowhere but where its folder is put."""
    path = PurePosixPath(name)
    parts = path.parts
    if len(parts) < 2 or str(path) != name or path.is_absolute() or ".." in parts or "\\" in name or "\0" in name:  # noqa: PLR2004
        return False
    return parts[0] in (BLOBS, WORK) or (parts[0] == TABLES and parts[1] in tables)


def _senseless(where: str) -> BadFile:
    return BadFile("The backup's manifest makes no sense.", where=where, way_out="Take another copy of the backup.")
