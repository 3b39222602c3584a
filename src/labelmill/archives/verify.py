"""Whether an archive is what was made: every member against the manifest."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from labelmill.archives.zipping import MANIFEST
from labelmill.errors import BadFile

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK: Final = 1 << 20
#: A manifest is smaller than this, whatever the archive holds.
_LARGEST_MANIFEST: Final = 16 << 20
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """An archive that is whole."""

    archive: str
    dataset: str
    as_of: int
    members: int
    bytes: int


def verify(path: Path) -> Verified:
    """Compare every member of an archive with its manifest. Raises BadFile, which names each member that is damaged."""
    try:
        file = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise BadFile("There is no such file.", where=str(path)) from error
    except _BROKEN as error:
        raise BadFile(
            f"It is no ZIP, or its end is missing: {error}.", where=str(path), way_out="Download it again."
        ) from error
    with file:
        manifest = _manifest(file, path)
        names = file.namelist()
        damaged = {name: found for name, about in manifest["members"].items() if (found := _fault(file, name, about))}
        damaged |= {name: "it is not in the manifest" for name in names if name not in manifest["members"] and name != MANIFEST}
        damaged |= {name: "it is there twice" for name in names if names.count(name) > 1}
    if damaged:
        told = "; ".join(f"{name}: {reason}" for name, reason in damaged.items())
        raise BadFile(f"It is damaged. {told}.", where=str(path), way_out="Download it again.", damaged=sorted(damaged))
    size = sum(about["bytes"] for about in manifest["members"].values())
    known = {name: manifest[name] for name in ("archive", "dataset", "as_of")}
    return Verified(**known, members=len(manifest["members"]), bytes=size)


def _manifest(file: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        with file.open(MANIFEST) as member:
            manifest: dict[str, Any] = orjson.loads(member.read(_LARGEST_MANIFEST))
        members = manifest["members"]
        if (
            all(isinstance(each["bytes"], int) and isinstance(each["sha256"], str) for each in members.values())
            and "as_of" in manifest
        ):
            return manifest
    except (KeyError, TypeError, AttributeError, *_BROKEN):
        pass
    raise BadFile(f"It has no {MANIFEST} that can be read.", where=str(path), way_out="Is it an archive of labelmill?")


def _fault(file: zipfile.ZipFile, name: str, about: dict[str, Any]) -> str | None:
    """Return what is wrong with a member, None for nothing. No more is unpacked than it should hold."""
    digest, size = hashlib.sha256(), 0
    try:
        with file.open(name) as member:
            while size <= about["bytes"] and (chunk := member.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
    except KeyError:
        return "it is missing"
    except _BROKEN as error:
        return f"it cannot be read ({error})"
    if size != about["bytes"]:
        return f"it has not the {about['bytes']} bytes that it should have"
    return None if digest.hexdigest() == about["sha256"] else "its content was changed"
