"""The text of a file in blocks of whole lines, decoded as it goes, in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from typing import IO, TYPE_CHECKING

from labelmill.db.bulk.encoding import MARK, encoding_of_start, guess_encoding
from labelmill.db.bulk.file_source import cannot_read
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 4 << 20  # bytes read at a time
LINE_LIMIT = 32_000_000  # characters, or bytes, that one line may have
#: CR CR LF is one line end: it is what text mode on Windows makes of CR LF.
_LINE = re.compile(r"[^\r\n]*(?:\r\r\n|\r\n|\n|\r)|[^\r\n]+")


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends; only CR and LF end a line."""
    return _LINE.findall(text)


def count_lines(text: str) -> int:
    """Return the number of line ends, as ``split_lines`` sees them."""
    return text.count("\n") + text.count("\r") - text.count("\r\n") - text.count("\r\r\n")


def byte_chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked where its name ends in ``.gz``."""
    try:
        with _open(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadFile(
            f"The gzip data is damaged or cut off: {error}.", where=str(path), way_out="Copy or compress the file again."
        ) from error
    except OSError as error:
        raise cannot_read(path, error) from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


class TextBlocks:
    """Iterate over the text of ``path``; each block but the last ends with a line end.

    ``encoding`` is None until the first byte beyond ASCII decides. Bytes that do not decode come as lone surrogates.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.encoding = encoding
        self._path = path
        self._decoder = self._make_decoder() if encoding else None
        self._read = 0

    def __iter__(self) -> Iterator[str]:
        held: list[str] = []
        length = 0
        for chunk in byte_chunks(self._path):
            text = self._decode(chunk)
            # The last line is held back, with its end: more of that end may follow.
            end = len(text.rstrip("\r\n"))
            cut = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1
            if cut:
                yield "".join(held) + text[:cut]
                held, length = [], 0
            held.append(text[cut:])
            length += len(text) - cut
            if length > LINE_LIMIT:
                raise self._too_long()
        if last := "".join(held) + self._decode(b"", final=True):
            yield last

    def _decode(self, chunk: bytes, *, final: bool = False) -> str:
        if self._decoder is None:
            if self._read == 0:
                self.encoding = encoding_of_start(chunk, str(self._path))
            if self.encoding is None and chunk.isascii():
                self._read += len(chunk)
                return chunk.decode("ascii")
            self.encoding = self.encoding or guess_encoding(chunk, str(self._path), place=self._read)
            self._decoder = self._make_decoder()
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeError as error:
            raise self._undecodable(error) from error
        self._read += len(chunk)
        return text

    def _make_decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self.encoding or "utf-8")(MARK)

    def _undecodable(self, error: UnicodeError) -> BadFile:
        offset = self._read + (error.start if isinstance(error, UnicodeDecodeError) else 0)
        return BadFile(
            f"The bytes at or after byte {offset:,} are not {self.encoding}.",
            where=str(self._path),
            way_out="Say which encoding it is with --encoding.",
        )

    def _too_long(self) -> TooLarge:
        return TooLarge(
            f"A line near byte {self._read:,} is longer than {LINE_LIMIT:,} characters.",
            where=str(self._path),
            way_out="Check that this is a text file with line ends, and split the line.",
        )
