"""Posts on three topics, made by a seeded generator: easy to tell apart for the most part, and some that are not."""

# ruff: noqa: RUF001 - Chinese sentences have Chinese punctuation

from __future__ import annotations

import random
from typing import Final

import polars as pl

#: What is said about each topic; ``{}`` is one of its things.
TOPICS: Final = {
    "food": (
        ("The {} here is the best in town.", "Who has a good recipe for {}?", "I cooked {} for eight people last night.", "這家的{}真好吃。",
         "A bowl of {} for lunch, and I was happy for the day.", "The {} was cold when it came to the table.", "有人推薦好吃的{}嗎？"),
        ("noodles", "dumplings", "beef soup", "fried rice", "牛肉麵", "curry", "pancakes", "小籠包", "hot pot", "bread"),
    ),
    "travel": (
        ("We took the night train to {}.", "Three days in {}: what should we see?", "The hotel in {} had a view of the harbour.", "週末想去{}走走。",
         "Is it easy to get around {} by bus?", "My flight to {} was four hours late.", "{}的住宿有推薦的嗎？"),
        ("Tainan", "Kyoto", "Lisbon", "花蓮", "Vienna", "the islands", "Hanoi", "日月潭", "Porto", "the coast"),
    ),
    "money": (
        ("Is now a good time to look at {}?", "My bank wants a fee for {}.", "I lost half of my savings with {}.", "{}的手續費也太高了。",
         "How do you declare {} in your taxes?", "{} went up by two percent again.", "請問{}要怎麼開始？"),
        ("index funds", "a mortgage", "credit cards", "基金", "gold", "shares", "a pension plan", "信用卡", "bonds", "a loan"),
    ),
}  # fmt: skip
ASIDES: Final = (
    "Thank you all for your help!", "大家覺得呢？", "I would do it again.", "求推薦，預算五千以內。", "Any advice is welcome.", "The queue was long, but it was worth it.",
    "昨天試了一下，覺得普通。", "My sister told me about it.",
)  # fmt: skip
#: The share of posts that speak of a second topic as well.
MIXED: Final = 0.12


def make_topic_posts(rows: int, seed: int = 7) -> pl.DataFrame:
    """Return ``rows`` posts: given_id, content, topic, and ``other``, the second topic of those that have one, else null."""
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    found = []
    for number in range(rows):
        topic, other = draw.sample(list(TOPICS), 2)
        mixed = draw.random() < MIXED
        said = [_sentence(draw, topic), draw.choice(ASIDES), *([_sentence(draw, other)] if mixed else [])]
        draw.shuffle(said)
        found.append((f"post-{number + 1:05d}", " ".join(said), topic, other if mixed else None))
    schema = dict.fromkeys(("given_id", "content", "topic", "other"), pl.String)
    return pl.DataFrame(found, schema=schema, orient="row")


def _sentence(draw: random.Random, topic: str) -> str:
    sentences, things = TOPICS[topic]
    text = draw.choice(sentences).format(draw.choice(things))
    return text[:1].upper() + text[1:]
