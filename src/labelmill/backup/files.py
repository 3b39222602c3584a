"""The files beside the database: blobs, and what jobs keep of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from labelmill.backup.container import CHUNK_BYTES
from labelmill.backup.model import BLOBS, WORK
from labelmill.db.bulk.sink import writing
from labelmill.errors import Conflict, NotFound
from labelmill.ids import new_id
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from labelmill.backup.container import Reader, Writer
    from labelmill.backup.model import Member
    from labelmill.blobs import Blobs

#: Below the folder of jobs: the blob store itself, if it is a folder, and copies of blobs that lie elsewhere.
NO_WORK: Final = frozenset({"kept", "copies"})
#: Blobs up to this size are held in memory.
SMALL_BYTES: Final = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where an installation keeps what is not in its database."""

    blobs: Blobs
    work_root: Path
    #: What went away between the look and the reading.
    vanished: list[str] = field(default_factory=list)

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of all blobs, and the paths of all files of jobs that are complete."""
        found = (
            path.relative_to(self.work_root) for path in self.work_root.rglob("*") if path.is_file() and not path.is_symlink()
        )
        whole = (
            path for path in found if path.parts[0] not in NO_WORK and not any(part.startswith(".") for part in path.parts)
        )
        return list(self.blobs.names()), sorted(path.as_posix() for path in whole)

    def write_blob(self, backup: Writer, name: str) -> None:
        pieces = self.blobs.stream(name)
        try:
            first = next(pieces, b"")
        except NotFound:
            self.vanished.append(name)
            return
        backup.add(f"{BLOBS}/{name}", chain([first], pieces))

    def write_work(self, backup: Writer, name: str) -> None:
        try:
            file = (self.work_root / name).open("rb")
        except FileNotFoundError:
            self.vanished.append(name)
            return
        with file:
            backup.add(f"{WORK}/{name}", iter(lambda: file.read(CHUNK_BYTES), b""))

    def restore(self, backup: Reader, tell: Callable[[int], None]) -> None:
        """Bring all blobs and files of jobs back; those that are there already, from a restore that broke off, stay.

        Raises Conflict where another one has the name, Unavailable for a full disk.
        """
        for member in backup.manifest.below(BLOBS):
            self._restore_blob(backup, member, member.name.removeprefix(f"{BLOBS}/"))
            passing("restore.file-restored")
            tell(1)
        for member in backup.manifest.below(WORK):
            self._restore_work(backup, member, self.work_root / member.name.removeprefix(f"{WORK}/"))
            passing("restore.file-restored")
            tell(1)

    def _restore_blob(self, backup: Reader, member: Member, name: str) -> None:
        if self.blobs.exists(name):
            _require_same(backup, member, self.blobs.stream(name), name)
        elif member.bytes <= SMALL_BYTES:
            self.blobs.put(name, b"".join(backup.chunks(member)))
        else:
            with writing(self.work_root):
                self.work_root.mkdir(parents=True, exist_ok=True)
            temporary = self.work_root / f".{new_id()}"
            try:
                _extract(backup, member, temporary)
                self.blobs.put_file(name, temporary)
            finally:
                temporary.unlink(missing_ok=True)

    def _restore_work(self, backup: Reader, member: Member, path: Path) -> None:
        if path.exists():
            with path.open("rb") as file:
                _require_same(backup, member, iter(lambda: file.read(CHUNK_BYTES), b""), str(path))
            return
        temporary = path.with_name(f".{new_id()}")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _extract(backup, member, temporary)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


def _extract(backup: Reader, member: Member, path: Path) -> None:
    with writing(path), path.open("xb") as file:
        for chunk in backup.chunks(member):
            file.write(chunk)


def _require_same(backup: Reader, member: Member, there: Iterator[bytes], where: str) -> None:
    """Raise Conflict unless a file that is there already is the one that would be restored."""
    if _digest(there) != member.sha256:
        raise Conflict(
            f"There is another file with this name already, not that of {backup.path.name}: this is no empty installation.", where=where,
            way_out="Restore into an empty folder (LABELMILL_DATA_DIR, LABELMILL_BLOB_DIR, LABELMILL_BLOBS_URL).",
        )  # fmt: skip


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
