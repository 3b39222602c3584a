"""Patterns of file names: ``2020-*.parquet``, ``data/**/*.jsonl``, or a folder, which means the files directly in it.

What is matched never depends on the machine: names are compared as Unicode in one form, and come in the order of their characters.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Self
from unicodedata import normalize

from labelmill.db.bulk.file_source import cannot_read
from labelmill.errors import BadSource, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_FILES = 10_000
_ANY_DEPTH = "**"
_WILD = re.compile(r"[*?\[]")
_WILD_WORD = re.compile(r"\*+|\?|\[[^]]*\]")


@dataclass(frozen=True)
class Pattern:
    """``folder`` is fixed, ``parts`` are matched below it, name by name; ``**`` stands for any number of folders.

    Hidden files and folders are left out, and ``**`` follows no links. With ``within``, nothing is matched that lies outside of
    that folder once all links are followed.
    """

    folder: Path
    parts: tuple[str, ...]
    within: Path | None = None

    @classmethod
    def of(cls, path: Path, *, ending: str = "", within: Path | None = None) -> Self | None:
        """Return the pattern that ``path`` is, or None. Where a file or folder has just this name, it is a name and no pattern.

        Of a folder the files with this ``ending`` are meant.
        """
        fixed = Path(path.anchor)
        names = path.parts[1:] if path.anchor else path.parts
        for place, name in enumerate(names):
            if _WILD.search(name) and not _exists(fixed / name):
                return cls(fixed, _settled(names[place:]), within)
            fixed /= name
        return cls(fixed, (f"*{ending}",), within) if _is_folder(path) else None

    @property
    def name(self) -> str:
        """What the files have in common, for people: the fixed words of the last name, else the folder's name."""
        words = _WILD_WORD.sub("", self.parts[-1].removesuffix(".gz").rpartition(".")[0] or self.parts[-1])
        return words.strip(" ._-") or self.folder.absolute().name or "files"

    def files(self) -> tuple[str, ...]:
        """Return the matching files in order, relative to ``folder``, with ``/`` between names on every system.

        Raises BadSource where there is none or no such folder, and TooLarge for more than 10,000.
        """
        found: list[str] = []
        for name in self._walk(self.folder, "", self._begin()):
            found.append(name)
            if len(found) > MOST_FILES:
                way_out = "Join them, or name fewer at a time."
                raise TooLarge(f"More than {MOST_FILES:,} files match.", where=str(self), way_out=way_out)
        if not found:
            way_out = "Check the folder and the pattern: * and ? stay within one name, ** stands for folders, capitals count."
            raise BadSource("No file matches.", where=str(self), way_out=way_out)
        return tuple(sorted(found))

    def path_of(self, file: str) -> Path:
        """Return where a file of ``files`` is; raises BadSource where it leads out of ``within`` by now."""
        path = self.folder.joinpath(*file.split("/"))
        if not self._is_within(path):
            raise BadSource(
                "This file leads out of the folder for files.", where=str(path), way_out="Put the file itself there."
            )
        return path

    def takes(self, path: Path) -> bool:
        """Tell whether ``path`` is one of the files, or would be if it were there."""
        itself = path.resolve()
        if any(self._fits(each) for each in (itself, path.parent.resolve() / path.name)):
            return True
        try:
            return any(self.path_of(file).resolve() == itself for file in self.files())
        except (BadSource, Unavailable):  # there are no files
            return False

    def __str__(self) -> str:
        return str(self.folder.joinpath(*self.parts))

    def _fits(self, path: Path) -> bool:
        folder = self.folder.resolve()
        if not path.is_relative_to(folder):
            return False
        places = self._begin()
        for name in path.relative_to(folder).parts:
            places = frozenset() if name.startswith(".") else self._after(places, name, deeper=True)
        return len(self.parts) in places

    def _walk(self, folder: Path, above: str, places: frozenset[int]) -> Iterator[str]:
        """Yield the files below ``folder`` that match from one of these places of the pattern on."""
        if self._is_hidden(folder):
            return
        for entry in _entries(folder):
            after = self._after(places, entry.name, deeper=not entry.is_symlink())
            if entry.name.startswith(".") or not after or not self._is_within(Path(entry.path)):
                continue
            if _is_folder(entry.path):
                if min(after) < len(self.parts):
                    yield from self._walk(Path(entry.path), f"{above}{entry.name}/", after)
            # A link to nowhere is a file that is missing, which somebody should hear of; a pipe or a device is no file.
            elif len(self.parts) in after and (_is_file(entry.path) or not _exists(entry.path)):
                yield _spellable(f"{above}{entry.name}", folder)

    def _begin(self) -> frozenset[int]:
        return self._closed({0})

    def _after(self, places: frozenset[int], name: str, *, deeper: bool) -> frozenset[int]:
        """Return the places in the pattern after one more name; ``deeper`` lets ``**`` take it as a folder."""
        plain = normalize("NFC", name)
        stay = {place for place in places if deeper and self._is_any_depth(place)}
        fit = {place + 1 for place in places if not self._is_any_depth(place) and self._matches(place, plain)}
        return self._closed(stay | fit)

    def _matches(self, place: int, name: str) -> bool:
        return place < len(self.parts) and fnmatch(name, normalize("NFC", self.parts[place]))

    def _is_any_depth(self, place: int) -> bool:
        return place < len(self.parts) and self.parts[place] == _ANY_DEPTH

    def _closed(self, places: set[int]) -> frozenset[int]:
        # Two ** never follow each other, so one step beyond is enough.
        return frozenset(places | {place + 1 for place in places if self._is_any_depth(place)})

    def _is_hidden(self, folder: Path) -> bool:
        """Tell whether a folder below ``within`` is hidden; elsewhere, who names a hidden folder means it."""
        inner = folder.relative_to(self.within).parts if self.within and folder.is_relative_to(self.within) else ()
        return any(name.startswith(".") for name in inner)

    def _is_within(self, path: Path) -> bool:
        try:
            return self.within is None or path.resolve().is_relative_to(self.within)
        except (OSError, RuntimeError):  # links that lead to each other
            return False


def _exists(path: Path | str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - unlike Path's it is false, not an error, for what no file can be named


def _is_folder(path: Path | str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - as above


def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - as above


def _settled(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts without ``**`` twice in a row; ``**`` at the end means every file below."""
    kept = [part for place, part in enumerate(parts) if part != _ANY_DEPTH or parts[place - 1 : place] != (_ANY_DEPTH,)]
    return tuple([*kept, "*"] if kept[-1] == _ANY_DEPTH else kept)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError) as error:
        way_out = "Check the name and the folder that it is looked up in."
        raise BadSource("There is no such folder.", where=str(folder), way_out=way_out) from error
    except OSError as error:
        raise cannot_read(folder, error) from error


def _spellable(file: str, folder: Path) -> str:
    try:
        file.encode()
    except UnicodeEncodeError as error:
        shown = file.encode(errors="backslashreplace").decode()
        raise BadSource(f"The name of the file {shown} is not Unicode.", where=str(folder), way_out="Rename it.") from error
    return file
