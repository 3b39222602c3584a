"""What the regex engine (Rust's, reached through polars) makes of a pattern.

It has no look-around and no back-references, and in return its time is linear in the text: a pattern that it refuses is refused
here, never run in another engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import polars as pl

_IGNORE_CASE: Final = "(?i)"
_WAYS_OUT: Final = {
    "look-around": "Write what shall match instead of what shall not, or use several rules.",
    "backreferences": "Write the repeated part out.",
    "size limit": "Make the counted repetitions smaller, or split the rule.",
}


@dataclass(frozen=True)
class Refusal:
    """Why the engine does not take a pattern; ``position`` is the 1-based character, None where it names none."""

    reason: str
    position: int | None

    @property
    def message(self) -> str:
        return f"{self.reason} (at character {self.position})" if self.position else self.reason

    @property
    def way_out(self) -> str:
        return next((way_out for word, way_out in _WAYS_OUT.items() if word in self.reason), "Correct the pattern.")


def effective(pattern: str, *, case_sensitive: bool) -> str:
    """Return the pattern that is searched in the text as it is written: it ignores case by the engine's simple case folding."""
    return pattern if case_sensitive else _IGNORE_CASE + pattern


def refusal(pattern: str, *, case_sensitive: bool) -> Refusal | None:
    """Return why the engine refuses ``pattern``, or None when it takes it."""
    if not pattern:
        return Refusal("the pattern is empty", None)
    for candidate in (pattern, effective(pattern, case_sensitive=case_sensitive)):
        try:
            matches(pl.Series([""]), candidate)
        except pl.exceptions.ComputeError as error:
            return _read(str(error), pattern)
    return None


def matches(texts: pl.Series, pattern: str) -> pl.Series:
    """Return for each text whether the engine finds ``pattern`` in it; null stays null."""
    return texts.str.contains(pattern, literal=False, strict=True)


def _read(report: str, pattern: str) -> Refusal:
    """Take reason and place out of the engine's report: lines of the pattern with carets below the place, then ``error: reason``."""
    lines = report.partition("\n\nThis error occurred")[0].splitlines()
    reason = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), "")
    carets = next((number for number, line in enumerate(lines) if number and re.fullmatch(r" +\^+\s*", line)), None)
    if carets is None:
        return Refusal(reason or lines[0].removeprefix("regex error: "), None)
    numbered = re.match(r" *(\d+): ", lines[carets - 1])
    indent = len(lines[carets]) - len(lines[carets].lstrip())
    if numbered is None:
        return Refusal(reason, indent - 4 + 1)
    above = pattern.split("\n")[: int(numbered[1]) - 1]
    return Refusal(reason, sum(len(line) + 1 for line in above) + indent - numbered.end() + 1)
