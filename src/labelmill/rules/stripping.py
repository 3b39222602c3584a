"""One vectorised pass that removes from a column of texts what the rules of a set match; where a match begins is the matcher's say.

Keywords are found in the folded text, and what is removed is cut out of the text as it was written. Both are of one length in
bytes, unless the text holds one of a few dozen capitals whose small form is longer or shorter: those rows are cut in Python.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

import polars as pl

from labelmill.errors import BadInput, BadRules
from labelmill.rules import patterns
from labelmill.rules.casing import fold, fold_column
from labelmill.rules.matcher import compile_rules
from labelmill.rules.model import Kind, Match, Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Bytes of text that one thread takes at a time, on the average; more where the keywords, whose automaton is built anew, weigh more.
_SLICE_BYTES: Final = 4 << 20
_SLICE_PER_PATTERN: Final = 32
#: What may serve as an anchor or mark: one byte in UTF-8 and without case, the least usual first.
_SIGNS: Final = tuple(map(chr, (*range(0x01, 0x09), *range(0x0E, 0x20), 0x7F, 0x0B, 0x0C, *range(0x21, 0x30))))


class Stripper:
    """A rule set made ready to remove what it matches. It holds no state and may be used by threads.

    Keywords go first, in one pass from left to right: at each place the longest that matches there is removed, and the search goes
    on behind it. ``start``, ``end`` and ``exactly`` mean the text as it came. Then each regex, once and in the order of the rules,
    removes all of its matches from what the rules before it have left. Labels have no say. A character that a keyword matches in
    part (the small form of one capital has two characters) is removed.
    """

    def __init__(self, rule_set: RuleSet) -> None:
        """Raise BadRules that names the first rule that cannot be used."""
        self.rule_set = rule_set
        keywords = [rule for rule in compile_rules(rule_set).rules if rule.kind is Kind.KEYWORD]
        self._start, self._end, self._mark, stand_in = _signs(rule_set.name, keywords)
        self._exchanged = {self._start: stand_in, self._end: stand_in, self._mark: stand_in}
        self._patterns = self._by_length(keywords)
        self._masks = [self._masked(pattern) for pattern in self._patterns]
        self._regexes = [
            patterns.effective(content, case_sensitive=rule_set.case_sensitive)
            for content in dict.fromkeys(rule.content for rule in rule_set.rules if rule.kind is Kind.REGEX)
        ]

    def strip(self, texts: pl.Series) -> pl.Series:
        """Return each text without what the rules match; null stays null, and a text of which nothing is left is "".

        Raises BadInput where the column is not text.
        """
        if texts.dtype != pl.String:
            raise BadInput(
                f"The column {texts.name!r} holds {texts.dtype}, not text.", way_out="Choose a column of text, or cast it."
            )
        slices = list(self._slices(texts.rechunk()))
        with ThreadPoolExecutor(min(pl.thread_pool_size(), len(slices) or 1)) as pool:
            return pl.concat([texts.clear(), *pool.map(self._strip_slice, slices)], rechunk=True)

    def _slices(self, texts: pl.Series) -> Iterator[pl.Series]:
        most_bytes = max(_SLICE_BYTES, _SLICE_PER_PATTERN * sum(map(len, self._patterns)))
        size = int(texts.str.len_bytes().cast(pl.UInt64).sum())
        rows = max(1, len(texts) * most_bytes // max(size, 1))
        return (texts.slice(first, rows) for first in range(0, len(texts), rows))

    def _strip_slice(self, texts: pl.Series) -> pl.Series:
        stripped = self._without_keywords(texts) if self._patterns else texts
        for pattern in self._regexes:
            stripped = stripped.str.replace_all(pattern, "")
        return stripped

    def _without_keywords(self, texts: pl.Series) -> pl.Series:
        folded = fold_column(texts, case_sensitive=self.rule_set.case_sensitive, exchanged=self._exchanged)
        # polars formats a series of several chunks wrongly, or panics, when one of them is empty.
        wrapped = pl.select(pl.format(f"{self._start}{{}}{self._end}", folded.rechunk())).to_series()
        masked = wrapped.str.replace_many(self._patterns, self._masks, leftmost=True)
        rows = masked.str.contains(self._mark, literal=True).arg_true()
        if rows.is_empty():
            return texts
        masks = masked.gather(rows).str.strip_prefix(self._start).str.strip_suffix(self._end)
        return texts.clone().scatter(rows, self._cut(texts.gather(rows), masks))

    def _cut(self, texts: pl.Series, masks: pl.Series) -> pl.Series:
        """Return the characters of each text at whose place in the mask there is no mark."""
        if self.rule_set.case_sensitive:
            return _cut_columns(texts, masks, self._mark)
        uneven = texts.str.contains_any(_uneven())
        cut = _cut_columns(masks.zip_with(uneven, texts), masks, self._mark)
        pairs = zip(texts.filter(uneven), masks.filter(uneven), strict=True)
        return cut.scatter(uneven.arg_true(), [_cut_one(text, mask, self._mark) for text, mask in pairs])

    def _by_length(self, keywords: Iterable[Rule]) -> list[str]:
        """Return the wrapped keywords, the longest first: of those at one place the engine takes the first."""
        wrapped: dict[str, int] = {}
        anchored = any(rule.match in {Match.START, Match.EXACTLY} for rule in keywords)
        for rule in keywords:
            content = fold(rule.content, case_sensitive=self.rule_set.case_sensitive)
            at_end = content + (self._end if rule.match in {Match.END, Match.EXACTLY} else "")
            if rule.match in {Match.PARTIALLY, Match.END}:
                wrapped[at_end] = len(content)
            # A match that begins with the anchor is found before all others, however long: so all begin with it there.
            if anchored:
                wrapped[self._start + at_end] = len(content)
        return sorted(wrapped, key=wrapped.__getitem__, reverse=True)

    def _masked(self, pattern: str) -> str:
        """Return what is put in place of a keyword: the anchors as they are, a mark for each other byte."""
        start = self._start if pattern.startswith(self._start) else ""
        end = self._end if pattern.endswith(self._end) else ""
        return start + self._mark * (len(pattern.encode()) - len(start) - len(end)) + end


def _signs(name: str, keywords: Iterable[Rule]) -> tuple[str, str, str, str]:
    """Return four caseless characters of one byte that no keyword holds: two anchors, the mark, and what stands in for them."""
    used = set(chain.from_iterable(rule.content for rule in keywords))
    free = tuple(islice((sign for sign in _SIGNS if sign not in used), 4))
    if len(free) < 4:  # noqa: PLR2004
        way_out = "Take the control characters out of the keywords, or write those as regexes."
        raise BadRules("The keywords hold nearly all control characters.", where=name, way_out=way_out)
    return free[0], free[1], free[2], free[3]


def _cut_columns(texts: pl.Series, masks: pl.Series, mark: str) -> pl.Series:
    """Return what is left of texts that have as many bytes as their masks, each with a mark somewhere."""
    row = pl.int_range(len(texts), dtype=pl.UInt32, eager=True).alias("row")
    pieces = masks.str.extract_all(f"{_escaped(mark)}+|[^{_escaped(mark)}]+").alias("mask")
    size = pl.col("mask").str.len_bytes()
    kept = (
        pl.DataFrame([row, texts.cast(pl.Binary).alias("text"), pieces])
        .explode("mask")
        .with_columns(size=size, offset=size.cum_sum().over("row") - size)
        .filter(~pl.col("mask").str.starts_with(mark))
        .select("row", piece=pl.col("text").bin.slice("offset", "size").cast(pl.String))
        .group_by("row", maintain_order=True)
        .agg(pl.col("piece").str.join())
    )
    nothing = pl.Series([""], dtype=pl.String).new_from_index(0, len(texts))
    return nothing.scatter(kept["row"], kept["piece"])


def _escaped(sign: str) -> str:
    return rf"\x{ord(sign):02x}"


def _cut_one(text: str, mask: str, mark: str) -> str:
    """Do the same for one text, some of whose characters have a small form of another length."""
    marks, place, kept = mask.encode(), 0, []
    for character in text:
        size = len(character.lower().encode())
        if mark.encode() not in marks[place : place + size]:
            kept.append(character)
        place += size
    return "".join(kept)


@cache
def _uneven() -> list[str]:
    """Return the characters whose small form has more or fewer bytes than they have."""
    capitals = (character for character in map(chr, range(0x80, 0x110000)) if character.lower() != character)
    return [character for character in capitals if len(character.lower().encode()) != len(character.encode())]
