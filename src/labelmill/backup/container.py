"""The file that a backup is: a ZIP whose members are written and read as streams, each with its SHA-256."""

from __future__ import annotations

import hashlib
import os
import zipfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from labelmill.backup.model import MANIFEST, Manifest, Member, read_manifest
from labelmill.db.bulk.sink import writing
from labelmill.errors import BadFile, BadInput, BadSource, Conflict
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

CHUNK_BYTES: Final = 1 << 20
#: A ZIP's own: of everything else the file is as old as its manifest says.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_OWNER_ONLY: Final = 0o600
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, ValueError)


class Writer:
    """A backup that is being made."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members: list[Member] = []

    def add(self, name: str, chunks: Iterable[bytes], *, rows: int = 0) -> None:
        """Write one member as its bytes come."""
        digest, size = hashlib.sha256(), 0
        # Stored as it is: tables are packed already, and so are most images.
        about = zipfile.ZipInfo(name, _DATE)
        about.external_attr = _OWNER_ONLY << 16
        with self._archive.open(about, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.members.append(Member(name=name, sha256=digest.hexdigest(), bytes=size, rows=rows))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the file whole."""
        self._archive.writestr(zipfile.ZipInfo(MANIFEST, _DATE), manifest.dumped())


@contextmanager
def new_backup(path: Path, *, replace: bool) -> Iterator[Writer]:
    """Give a writer whose file is at ``path`` once the block has ended, for its owner only; after an error nothing of it is left.

    Raises Conflict where there is a file already, Unavailable for a full disk, BadSource where nothing may be written.
    """
    _check_target(path, replace=replace)
    part = path.with_name(f".{path.name}.{new_id()}.part")
    try:
        with writing(path):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
            with _file(descriptor) as file, _archive(file) as archive:
                yield Writer(archive)
            _check_target(path, replace=replace)
            part.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def _check_target(path: Path, *, replace: bool) -> None:
    if path.is_dir():
        raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name a file in it.")
    if path.exists() and not replace:
        raise Conflict(
            "This file is there already.", where=str(path), way_out="Name another one, or add --force to replace it."
        )


@contextmanager
def _file(descriptor: int) -> Iterator[IO[bytes]]:
    file = os.fdopen(descriptor, "wb")
    try:
        yield file
        file.flush()
        os.fsync(descriptor)
        file.close()
    except BaseException:
        with suppress(OSError):  # what is not written yet has no room either
            file.close()
        raise


@contextmanager
def _archive(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
    try:
        yield archive
        archive.close()
    except BaseException:
        with suppress(OSError, ValueError):
            archive.close()
        raise


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Reader:
    """A backup that is read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._archive = archive

    def verify(self, tell: Callable[[int], None]) -> None:
        """Read all of the file and raise BadFile that names the first member which is not as it was written; tell bytes."""
        done = 0
        for member in self.manifest.members:
            digest, size = hashlib.sha256(), 0
            for chunk in self.chunks(member):
                digest.update(chunk)
                size += len(chunk)
                done += len(chunk)
                tell(done)
            if size != member.bytes or digest.hexdigest() != member.sha256:
                raise self._damaged(member.name)

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member; raises BadFile where they cannot be read."""
        try:
            with self._archive.open(member.name) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk
        except (*_BROKEN, OSError) as error:
            raise self._damaged(member.name) from error

    def _damaged(self, name: str) -> BadFile:
        return BadFile(f"The backup is damaged: {name} is not as it was written.", where=str(self.path), way_out=_ANOTHER)


_ANOTHER: Final = "Take another copy of the backup; nothing was changed."


@contextmanager
def open_backup(path: Path) -> Iterator[Reader]:
    """Give a reader of a backup. Raises BadInput where there is none, BadFile for a file that is no whole one, Conflict for a newer one."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise BadInput(
            "There is no such file.", where=str(path), way_out="Name a file that `labelmill backup` made."
        ) from error
    except (*_BROKEN, OSError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        message = f"This is no backup of labelmill, or its end is missing{reason}."
        raise BadFile(message, where=str(path), way_out="Name a file that `labelmill backup` made.") from error
    with archive:
        yield Reader(path, archive, _manifest(path, archive))


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    names = archive.namelist()
    try:
        content = archive.read(MANIFEST)
    except KeyError as error:
        raise BadFile(
            "This ZIP is no backup of labelmill.", where=str(path), way_out="Name a file that `labelmill backup` made."
        ) from error
    except (*_BROKEN, OSError) as error:
        raise BadFile("The backup is damaged: its manifest cannot be read.", where=str(path), way_out=_ANOTHER) from error
    manifest = read_manifest(content, str(path))
    if sorted(names) != sorted([MANIFEST, *(each.name for each in manifest.members)]):
        raise BadFile("The backup does not hold what its manifest says.", where=str(path), way_out=_ANOTHER)
    return manifest
