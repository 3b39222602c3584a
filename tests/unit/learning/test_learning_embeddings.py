"""Sentence embeddings: the pieces of words, the model's arithmetic, and the extra that brings the model."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import polars as pl
import pytest

from labelmill.errors import BadFile, BadInput
from labelmill.learning import features
from labelmill.learning.features import embeddings
from labelmill.learning.features.sentences import SentenceModel, read_weights
from labelmill.learning.features.wordpieces import MOST_PIECES, WordPieces, words
from left_out import leave_out
from tiny_bert import PIECES, write_model


def said(text: str) -> list[str]:
    return [PIECES[number] for number in WordPieces(PIECES).of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Ball SOUP", ["ball", "soup"]),
        ("cooking songs", ["cook", "##ing", "song", "##s"]),
        ("unbelievable!", ["un", "##believ", "##able", "!"]),
        ("unbelieved ball", ["[UNK]", "ball"]),
        ("café cafe\u0301", ["cafe", "cafe"]),
        ("ball中文soup", ["ball", "中", "文", "soup"]),
        ("ball\u200b\x00\ufffds\tsoup\u3000soup", ["ball", "##s", "soup", "soup"]),
        ("cook" * 30, ["[UNK]"]),
    ],
)
def test_a_text_is_taken_apart_into_the_longest_pieces(text, expected):
    assert said(text) == ["[CLS]", *expected, "[SEP]"]


def test_a_long_text_is_cut_off_where_the_model_ends():
    found = said("ball " * 10_000)
    assert len(found) == MOST_PIECES
    assert (found[0], found[-2], found[-1]) == ("[CLS]", "ball", "[SEP]")


def test_symbols_of_ascii_are_words_as_punctuation_is():
    assert words("a+b $5 «x» €9") == ["a", "+", "b", "$", "5", "«", "x", "»", "€9"]


def plainly(weights: dict[str, np.ndarray], pieces: list[int], heads: int, layers: int) -> np.ndarray:
    """Return a text's vector, one piece and one head after the other."""
    at = {name: np.asarray(array, dtype=np.float64) for name, array in weights.items()}

    def linear(name: str, value: np.ndarray) -> np.ndarray:
        return at[f"{name}.weight"] @ value + at[f"{name}.bias"]

    def normal(name: str, value: np.ndarray) -> np.ndarray:
        return (value - value.mean()) / value.std() * at[f"{name}.LayerNorm.weight"] + at[f"{name}.LayerNorm.bias"]

    words_, places, kinds = (at[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
    states = [normal("embeddings", words_[piece] + places[place] + kinds[0]) for place, piece in enumerate(pieces)]
    for number in range(layers):
        name = f"encoder.layer.{number}"
        query, key, value = ([linear(f"{name}.attention.self.{each}", x) for x in states] for each in ("query", "key", "value"))
        size, after = len(states[0]) // heads, []
        for place, state in enumerate(states):
            mixed = np.zeros_like(state)
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                weight = np.array([math.exp(query[place][part] @ other[part] / math.sqrt(size)) for other in key])
                mixed[part] = sum(share * other[part] for share, other in zip(weight / weight.sum(), value, strict=True))
            seen = normal(f"{name}.attention.output", state + linear(f"{name}.attention.output.dense", mixed))
            inner = np.array([x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in linear(f"{name}.intermediate.dense", seen)])
            after.append(normal(f"{name}.output", seen + linear(f"{name}.output.dense", inner)))
        states = after
    mean = np.mean(states, axis=0)
    return mean / np.linalg.norm(mean)


def test_the_model_computes_what_its_definition_says_whatever_the_lengths_of_the_texts(tmp_path):
    folder = write_model(tmp_path)
    texts = [[2, 4, 3], [2, 5, 8, 7, 3], [2, 6, 3], [2, 3]]
    found = SentenceModel(folder).vectors(texts)
    weights = read_weights(folder / "model.safetensors")
    assert found.dtype == np.float32
    for vector, pieces in zip(found, texts, strict=True):
        np.testing.assert_allclose(vector, plainly(weights, pieces, heads=2, layers=2), atol=1e-5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05\x00\x00\x00\x00\x00\x00\x00[1,2]",
        b"\xff" * 40,
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}"[:9],
        b"\x02\x00\x00\x00\x00\x00\x00\x00[]",
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BadFile):
        read_weights(tmp_path / "model.safetensors")


def test_where_the_extra_is_missing_its_name_is_told(monkeypatch):
    monkeypatch.setattr(embeddings, "PACKAGE", "there_is_no_such_package")
    with pytest.raises(BadInput) as told:
        features.fit("embeddings", list, lambda _: b"")
    assert "labelmill[embeddings]" in (told.value.way_out or "")


def test_the_real_model_gives_the_similarities_that_its_makers_print():
    """The three sentences of the documentation of sentence-transformers, and 0.6660, 0.1046, 0.1411 between them."""
    if importlib.util.find_spec(embeddings.PACKAGE) is None:
        leave_out("the extra embeddings", "make setup")
    texts = pl.Series(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    made = features.fit("embeddings", lambda: [texts], lambda _: b"")
    found = made.transform(texts)[:, :384]
    np.testing.assert_allclose((found @ found.T)[[0, 0, 1], [1, 2, 2]], [0.6660, 0.1046, 0.1411], atol=5e-5)
