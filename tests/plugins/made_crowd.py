"""Answers of a made crowd: people who err each in their own way, some of them twice, about items whose right label is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How often each kind of person is right where each of two labels is: careful, blind to one label, and answering as they like.
KINDS = ((0.9, 0.9), (0.95, 0.35), (0.35, 0.95), (0.5, 0.5))


def made_crowd(
    items: int, *, people: int = 20, answers: int = 4, again: float = 0.1, labels: Sequence[str] = ("no", "yes"), seed: int = 1
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return answers in the order in which they were given, columns worker, item and label, and each item's right label.

    Each item is answered by so many of the people, and the part ``again`` of the answers is given a second time, perhaps otherwise.
    An even number of answers makes ties.
    """
    draw = np.random.default_rng(seed)
    right = draw.integers(0, 2, items)
    pairs = np.array([(item, who) for item in range(items) for who in draw.permutation(people)[:answers]])
    pairs = np.concatenate([draw.permutation(pairs), pairs[draw.random(len(pairs)) < again]])
    item, who = pairs.T
    chances = np.array([KINDS[each % len(KINDS)] for each in range(people)])
    said = np.where(draw.random(len(pairs)) < chances[who, right[item]], right[item], 1 - right[item])
    frame = pl.DataFrame(
        {
            "worker": [f"worker {each}" for each in who],
            "item": [f"item {each}" for each in item],
            "label": [labels[each] for each in said],
        }
    )
    return frame, {f"item {number}": labels[each] for number, each in enumerate(right)}
