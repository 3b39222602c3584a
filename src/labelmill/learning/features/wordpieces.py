"""Texts as the pieces of words that a BERT model without upper case knows (Wu et al., 2016; Devlin et al., 2018)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Longer words are unknown, and more pieces are cut off, as the model was trained.
MOST_CHARACTERS: Final = 100
MOST_PIECES: Final = 256
#: Words whose pieces are remembered.
_REMEMBERED: Final = 100_000
_SPACES: Final = "\t\n\r"
#: Characters that are words of their own: Chinese, also as the Japanese and Koreans write it.
_HAN: Final = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPieces:
    """The numbers of a vocabulary's pieces, for texts."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._first, self._last, self._unknown = (self._numbers[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._known: dict[str, tuple[int, ...]] = {}

    def of(self, text: str) -> list[int]:
        """Return a text's pieces between those for its beginning and its end."""
        found = [self._first]
        # No character gives more than one piece that is kept, but what is cleaned away gives none.
        for word in words(text[: 20 * MOST_PIECES]):
            found += self._of_word(word)
            if len(found) >= MOST_PIECES:
                break
        return [*found[: MOST_PIECES - 1], self._last]

    def _of_word(self, word: str) -> tuple[int, ...]:
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = tuple(self._taken_apart(word))
            if len(self._known) > _REMEMBERED:
                self._known.clear()
        return known

    def _taken_apart(self, word: str) -> list[int]:
        """Return the longest piece that a word begins with, then of the rest, and so on; a rest without any makes it unknown."""
        found: list[int] = []
        start = 0
        while start < len(word) <= MOST_CHARACTERS:
            ends = range(len(word), start, -1)
            prefix = "##" if start else ""
            end = next((end for end in ends if prefix + word[start:end] in self._numbers), None)
            if end is None:
                return [self._unknown]
            found.append(self._numbers[prefix + word[start:end]])
            start = end
        return found or [self._unknown]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case without accents; each punctuation mark and each Chinese character is a word."""
    plain = "".join(_cleaned(text)).lower()
    plain = "".join(char for char in unicodedata.normalize("NFD", plain) if unicodedata.category(char) != "Mn")
    return "".join(f" {char} " if _is_punctuation(char) else char for char in plain).split()


def _cleaned(text: str) -> Iterator[str]:
    for char in text:
        if char in _SPACES or char.isspace():
            yield " "
        elif char == "\ufffd" or unicodedata.category(char).startswith("C"):
            continue
        elif any(low <= ord(char) <= high for low, high in _HAN):
            yield f" {char} "
        else:
            yield char


def _is_punctuation(char: str) -> bool:
    # Of ASCII everything that is neither letter, digit nor space counts, also what Unicode calls a symbol.
    return (char.isascii() and char.isprintable() and not char.isalnum() and char != " ") or unicodedata.category(
        char
    ).startswith("P")
