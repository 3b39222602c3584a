"""A rule set as one file that travels: JSON, CSV, or the folder in a ZIP."""

from __future__ import annotations

import io
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from labelmill.errors import BadFile, LabelmillError, TooLarge
from labelmill.rules.files import load, save
from labelmill.rules.readers.loaded import Loaded, Note
from labelmill.rules.readers.text import LARGEST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelmill.rules.model import RuleSet

#: Files in a ZIP; a model has one for each label.
MOST_FILES: Final = 20_000
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)


class Wrapping(StrEnum):
    """The kind of file."""

    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    ZIP = "zip"


def wrap(rule_set: RuleSet, wrapping: Wrapping) -> tuple[bytes, tuple[str, ...]]:
    """Return the file's bytes, and one sentence for each thing that it cannot hold. Raises BadRules where a folder cannot be made."""
    with tempfile.TemporaryDirectory() as name, _hidden(Path(name)):
        if wrapping is Wrapping.ZIP:
            folder = Path(name) / "rules"
            lost = save(rule_set, folder)
            return _zipped(folder), lost
        path = Path(name) / f"rules.{wrapping}"
        lost = save(rule_set, path)
        return path.read_bytes(), lost


def unwrap(
    content: bytes, file_name: str, *, name: str, predict_type: str | None = None, dictionary: Mapping[str, str] | None = None
) -> Loaded:
    """Read an uploaded file, whose kind its name's ending tells. Raises BadFile, BadRules and TooLarge with its name and line."""
    wrapping = wrapping_of(file_name)
    with tempfile.TemporaryDirectory() as folder, _hidden(Path(folder)):
        path = Path(folder) / f"{_plain(file_name)}"
        if wrapping is Wrapping.ZIP:
            path = Path(folder) / "rules"
            _unzip(content, path)
        else:
            path.write_bytes(content)
        loaded = load(path, name=name, predict_type=predict_type, dictionary=dictionary)
        return _placed(loaded, f"{folder}/")


def wrapping_of(file_name: str) -> Wrapping:
    """Return the kind of a file; raises BadFile for an ending that is none."""
    suffix = PurePosixPath(file_name).suffix.lower().removeprefix(".")
    if suffix in set(Wrapping):
        return Wrapping(suffix)
    way_out = "Send .json, .csv, .tsv, or the folder in a .zip."
    raise BadFile(f"Rules cannot be read from a file ending in {suffix[:20]!r}.", where=file_name[:100], way_out=way_out)


def _plain(file_name: str) -> str:
    """Return a name that can stand in a folder of ours, and in a message."""
    stem = "".join(
        character if character.isalnum() or character in "-_" else "_" for character in PurePosixPath(file_name).stem
    )
    return f"{stem[:60] or 'rules'}.{wrapping_of(file_name)}"


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.txt")):
            # A fixed time: the same rules are the same bytes.
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _FIXED_TIME)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _unzip(content: bytes, folder: Path) -> None:
    """Write the text files of a ZIP below ``folder``: nothing outside of it, and no more than one rule file may hold in all."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and _is_text(entry.filename)]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST_FILE:
                way_out = f"At most {MOST_FILES:,} files of {LARGEST_FILE >> 20} MiB in all are read."
                raise TooLarge("The ZIP holds too much.", where="file", way_out=way_out)
            folder.mkdir()
            for entry in entries:
                _extract(archive, entry, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        way_out = "Pack the folder <model>/<label>/<predict type>.txt as a plain ZIP without a password."
        raise BadFile(f"The ZIP cannot be read: {error}.", where="file", way_out=way_out) from error


def _is_text(name: str) -> bool:
    return name.endswith(".txt") and "__MACOSX" not in name


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    if not parts or entry.filename.startswith("/") or any(part in {"..", "."} or ":" in part or "\0" in part for part in parts):
        way_out = "Pack the folder itself, with paths like keyword_model/female/author_name.txt."
        raise BadFile("A path in the ZIP leads out of it.", where=entry.filename[:200], way_out=way_out)
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as file:
        # The size that the ZIP tells is not believed: a file that is longer was made to fill the disk.
        data = file.read(entry.file_size + 1)
    if len(data) > entry.file_size:
        raise BadFile("A file in the ZIP is longer than the ZIP says.", where=entry.filename[:200], way_out="Pack it again.")
    path.write_bytes(data)


@contextmanager
def _hidden(folder: Path) -> Iterator[None]:
    """Let errors name the file as its sender knows it, not the folder of ours in which it was read."""
    try:
        yield
    except LabelmillError as error:
        for field in ("message", "where", "way_out"):
            setattr(error, field, getattr(error, field).replace(f"{folder}/", ""))
        raise


def _placed(loaded: Loaded, folder: str) -> Loaded:
    rules = tuple(replace(rule, place=rule.place.removeprefix(folder)) for rule in loaded.rule_set.rules)
    notes = tuple(Note(note.where.removeprefix(folder), note.message) for note in loaded.notes)
    return Loaded(replace(loaded.rule_set, rules=rules), notes)
