"""Blobs in memory, for tests and notebooks: the same behaviour, gone with the process."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from labelmill import clock
from labelmill.blobs.model import check_name, missing

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemoryBlobs:
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._put_at: dict[str, float] = {}
        self._folder: Path | None = None

    def put(self, name: str, content: bytes) -> None:
        self._kept.setdefault(check_name(name), bytes(content))
        self._put_at[name] = clock.now().timestamp()

    def put_file(self, name: str, path: Path) -> None:
        self.put(name, path.read_bytes())

    def get(self, name: str) -> bytes:
        try:
            return self._kept[check_name(name)]
        except KeyError as error:
            raise missing(name) from error

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        content = self.get(name)
        yield content[start:] if size is None else content[start : start + size]

    def exists(self, name: str) -> bool:
        return check_name(name) in self._kept

    def size(self, name: str) -> int:
        return len(self.get(name))

    def path(self, name: str) -> Path:
        content = self.get(name)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp())
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def names(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(name for name in self._kept if name.startswith(prefix))

    def remove(self, name: str) -> None:
        self._kept.pop(check_name(name), None)

    def remove_older(self, name: str, moment: float) -> bool:
        old = self.exists(name) and self._put_at[name] < moment
        if old:
            self.remove(name)
        return old
