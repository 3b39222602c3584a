"""A JSON array of objects as a source of rows, in bounded memory: its elements are read as if each were a line of JSON Lines."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING

from labelmill.db.bulk.jsonl import JsonLinesFile
from labelmill.db.bulk.text_blocks import LINE_LIMIT, byte_chunks
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


class JsonArrayFile(JsonLinesFile):
    """Elements that are no sound objects are refused one by one; ``place`` is the number of the element.

    A text stands for an object with the one key ``text``.
    """

    def _lines(self) -> Iterator[bytes]:
        for element in elements(self.path):
            yield b'{"text":%b}' % element if element.startswith(b'"') else element


def elements(path: Path) -> Iterator[bytes]:
    """Yield each element of the array in ``path`` as one line; raises BadFile where the array itself is not well formed."""
    text = _Text(path)
    text.skip()
    if not text.take("["):
        raise text.bad("it does not begin with [")
    text.skip()
    while not text.take("]"):
        yield text.element()
        text.skip()
        if not text.take(","):
            text.skip()
            if not text.take("]"):
                raise text.bad("after an element there is neither a comma nor the end")
            break
        text.skip()
    text.skip()
    if not text.at_end():
        raise text.bad("something follows the end of the array")


class _Text:
    """The text of a file from a place that moves on; what lies behind it is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks = byte_chunks(path)
        # Bytes that are not UTF-8 pass as lone surrogates, so that only the element that holds them is refused.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._held, self._at = "", 0
        self._ended = False
        self.count = 0

    def skip(self) -> None:
        """Go on to the next character that is not blank."""
        while True:
            found = _BLANK.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held) or not self._more():
                return

    def take(self, char: str) -> bool:
        if self._held.startswith(char, self._at):
            self._at += 1
            return True
        return False

    def at_end(self) -> bool:
        return self._at >= len(self._held) and self._ended

    def element(self) -> bytes:
        """Return the bytes of the value that begins here, on one line."""
        self.count += 1
        wanted = 0
        while True:
            try:
                _, end = _DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                # What is cut off looks like what is broken: only the rest of the text tells.
                wanted = max(2 * wanted, 1 << 20)
                if not self._gather(wanted):
                    raise self.bad(error.msg.lower(), error.pos) from error
                continue
            except RecursionError as error:
                raise self.bad("it is nested too deeply") from error
            if end == len(self._held) and self._more():
                continue  # a number may go on
            line = self._held[self._at : end]
            self._at = end
            return line.replace("\n", " ").encode("utf-8", "surrogateescape")

    def _gather(self, wanted: int) -> bool:
        """Read about ``wanted`` more characters; tell whether there were any."""
        before = len(self._held) - self._at
        if before > LINE_LIMIT:
            message = f"Element {self.count:,} is longer than {LINE_LIMIT:,} characters, or broken."
            raise TooLarge(message, where=str(self._path), way_out="Check that it is JSON, and split it.")
        while len(self._held) - self._at < before + wanted and self._more():
            pass
        return len(self._held) - self._at > before

    def _more(self) -> bool:
        """Read on; tell whether there was more."""
        if self._ended:
            return False
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        new = self._decoder.decode(chunk or b"", final=self._ended)
        self._held, self._at = self._held[self._at :] + new, 0
        return bool(new) or not self._ended

    def bad(self, reason: str, at: int | None = None) -> BadFile:
        near = self._held[(at or self._at) : (at or self._at) + 30].encode("utf-8", "backslashreplace").decode()
        place = f"element {self.count:,}" if self.count else "the beginning"
        return BadFile(
            f"The file is no JSON array: at {place} {reason}{f', near {near!r}' if near else ''}.",
            where=str(self._path),
            way_out="Write one array of objects, or one object a line in a file that ends in .jsonl.",
        )
