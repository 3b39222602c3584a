"""Which texts are like another: by the words they share, rare ones counting more. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A word of letters and digits; of scripts that write without spaces each pair of neighbours.
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+")
#: Characters of a text that are looked at.
LONGEST = 5_000


def most_similar(wanted: str, texts: Sequence[str], limit: int) -> list[int]:
    """Return the places of the texts that are most like ``wanted``, best first; those that share nothing with it are left out.

    The measure is the cosine of what words weigh: how rare each is among ``texts``.
    """
    bags = [words(text) for text in texts]
    seen = Counter(word for bag in bags for word in bag)
    weight = {word: math.log((1 + len(texts)) / (1 + seen[word])) + 1 for word in seen}
    target = {word: weight[word] for word in words(wanted) if word in weight}
    scored = [(_cosine(target, bag, weight), place) for place, bag in enumerate(bags)]
    best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1]))
    return [place for _, place in best[:limit]]


def words(text: str) -> set[str]:
    """Return the words of a text in lower case."""
    found: set[str] = set()
    for word in _WORD.findall(text[:LONGEST].lower()):
        unspaced = _UNSPACED.findall(word)
        found.update(run[place : place + 2] for run in unspaced for place in range(max(1, len(run) - 1)))
        found.update(part for part in _UNSPACED.split(word) if part)
    return found


def _cosine(target: dict[str, float], bag: set[str], weight: dict[str, float]) -> float:
    shared = sum(target[word] ** 2 for word in target.keys() & bag)
    if not shared:
        return 0.0
    lengths = math.sqrt(sum(each**2 for each in target.values()) * sum(weight[word] ** 2 for word in bag))
    return shared / lengths
