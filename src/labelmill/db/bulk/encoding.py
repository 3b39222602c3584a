"""Which encoding the bytes of a text file are in: by byte-order mark, by UTF-8's own proof, else by how plausible the text is.

UTF-8 proves itself: text of other encodings is hardly ever valid. The others do not, so they are weighed by the share of their
characters that are common in the languages written in them, and a guess that is not clearly the best is refused.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import TYPE_CHECKING

from labelmill.errors import BadFile, BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that a guess looks at.
SAMPLE = 1_000_000
#: Name of the error handler that turns each undecodable byte into one lone surrogate, which no valid text holds.
MARK = "labelmill.mark"
_CLEAR = 0.85
_MARGIN = 0.1
_LONE_HIGH = 1.5
_DENSE_NUL = 0.2
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WAY_OUT = "Say which it is with --encoding, for example --encoding big5, shift_jis, gb18030 or cp1252."
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
#: Bytes that stand for letters, signs of money and typographic marks in Western European text.
_WESTERN = bytes({*range(0xC0, 0x100)} - {0xD7, 0xF7}) + bytes.fromhex(
    "808591929394959697998a8c8e9a9c9e9fa0a1a3a7a9aaabaeb0b2b3b4b7babbbcbdbebf"
)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARK, _mark)


def show_marks(text: str) -> str:
    r"""Return ``text`` with marked bytes written as ``\xNN``, so that it can be stored and shown."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\x{ord(found[0]) - 0xDC00 & 0xFF:02x}", text)


def check_encoding(name: str) -> str:
    """Return the name to decode with, or raise BadInput where Python knows no such text encoding."""
    try:
        "".encode(name)
        known = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise BadInput(f"There is no text encoding {name!r}.", where="--encoding", way_out=_WAY_OUT) from error
    return "utf-8-sig" if known == "utf-8" else known


def encoding_of_start(start: bytes, where: str) -> str | None:
    """Return the encoding that the first bytes of a file name by a byte-order mark, or None; refuse UTF-16 without one."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    head = start[:4096]
    if head.count(0) > len(head) * _DENSE_NUL:
        even = head[::2].count(0) > head[1::2].count(0)
        raise BadFile(
            "The file is full of NUL bytes: it is UTF-16 without a byte-order mark, or no text at all.",
            where=where,
            way_out=f"If it is text, try --encoding utf-16-{'be' if even else 'le'}.",
        )
    return None


def is_in_disguise(text: str, encoding: str | None) -> bool:
    """Tell whether text that was decoded as UTF-16 or UTF-32 is another's: its line ends are halves of other characters.

    Nearly all bytes decode as UTF-16: a file of many lines would pass for a header of one long name, without rows.
    """
    if not (encoding or "").startswith(("utf-16", "utf-32")) or re.search(r"[\r\n]", text):
        return False
    return re.search(rb"[\r\n]", text.encode("utf-16-le", "surrogatepass")) is not None


def guess_encoding(text: bytes, where: str, *, place: int = 0) -> str:
    """Return the encoding of bytes that are not all ASCII and stand at ``place`` of a file, or raise BadFile that asks for it."""
    first = next(found.start() for found in _HIGH_RUN.finditer(text))
    line = max(text.rfind(b"\n", 0, first), text.rfind(b"\r", 0, first)) + 1
    sample = text[line : first + SAMPLE]
    if _is_utf8(sample):
        return "utf-8"
    scores = Counter({name: score(sample) for name, score in _SCORES.items()})
    (best, share), (_, next_share) = scores.most_common(2)
    if share >= _CLEAR and share - next_share >= _MARGIN and best not in _ONLY_RIVALS:
        return best
    raise BadFile(
        f"The text is not UTF-8 (see byte {place + first:,}) and its encoding cannot be told with certainty.",
        where=where,
        way_out=_WAY_OUT,
    )


def _is_utf8(sample: bytes) -> bool:
    text = codecs.getincrementaldecoder("utf-8")(MARK).decode(sample)
    marked = len(re.findall("[\ud800-\udfff]", text))
    return len(text) - len(re.findall(r"[\x00-\x7f]", text)) - marked > marked if marked else True


def _western(sample: bytes) -> float:
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return 0.0
    runs = _HIGH_RUN.findall(sample)
    high = b"".join(runs)
    # Accented letters stand alone among ASCII ones; other scripts come in runs.
    return 1 - len(high.translate(None, _WESTERN)) / len(high) if len(high) / len(runs) <= _LONE_HIGH else 0.0


def _multibyte(codec: str, native: str, common: Callable[[bytes], bool]) -> Callable[[bytes], float]:
    """Return a measure: the share of characters beyond ASCII that are common ones of the encoding."""

    def score(sample: bytes) -> float:
        try:
            text = codecs.getincrementaldecoder(codec)("strict").decode(sample)
        except UnicodeDecodeError:
            return 0.0
        counts = Counter(char for char in text if not char.isascii())
        good = sum(number for char, number in counts.items() if common(char.encode(native, "ignore")))
        return good / max(counts.total(), 1)

    return score


def _pair(code: bytes, *leads: tuple[int, int]) -> bool:
    return len(code) > 1 and any(low <= code[0] <= high for low, high in leads)


_SCORES: dict[str, Callable[[bytes], float]] = {
    "cp1252": _western,
    "big5": _multibyte("cp950", "big5", lambda code: _pair(code, (0xA1, 0xA1), (0xA4, 0xC6))),
    "gb18030": _multibyte("gb18030", "gb2312", lambda code: _pair(code, (0xA1, 0xA1), (0xA3, 0xA3), (0xB0, 0xD7))),
    "cp932": _multibyte("cp932", "shift_jis", lambda code: _pair(code, (0x81, 0x83), (0x88, 0x97))),
    "euc_jp": _multibyte("euc_jp", "euc_jp", lambda code: _pair(code, (0xA1, 0xA1), (0xA4, 0xA5), (0xB0, 0xCF))),
    "euc_kr": _multibyte("euc_kr", "euc_kr", lambda code: _pair(code, (0xA1, 0xA1), (0xB0, 0xC8))),
}
#: Weighed only because their text also looks like one of the others; too close to it to be named.
_ONLY_RIVALS = frozenset({"euc_jp", "euc_kr"})
