"""Texts as numbers: words as scikit-learn has them, characters where a script has no spaces."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from labelmill.errors import BadFile
from labelmill.learning import features
from labelmill.learning.features.counts import CountFeatures
from labelmill.learning.features.text import SHAPE_WEIGHT, SHAPES, TextFeatures, shapes, spaceless_share

TEXTS = ["The cat sat on the Mat.", "a dog, the DOG and a cat", "", "naïve café 42 x", "dog's day: été"]


def fitted(texts: list[str]) -> TextFeatures:
    return TextFeatures.fit(lambda: [pl.Series(texts)])


def words(made: TextFeatures, texts: list[str | None]):
    """Return the columns of the words alone."""
    matrix = made.transform(pl.Series(texts, dtype=pl.String))
    return matrix[:, : matrix.shape[1] - SHAPES]


def test_the_shape_of_a_text_is_its_length_and_what_it_is_made_of():
    found = shapes(pl.Series(["", None, "abcd", "AB12", "ab!?", "x" * 400], dtype=pl.String)) / SHAPE_WEIGHT
    assert found[:2].tolist() == [[0] * SHAPES] * 2
    assert found[2:5, 1:].tolist() == [[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0.5]]
    assert found[5, 0] == 1
    assert 0 < found[2, 0] == found[3, 0] < 1


def test_texts_that_share_no_word_are_told_apart_by_their_shape():
    from labelmill.learning import learners

    texts = [
        f"WIN {number}00 NOW!!! CALL 0{number}55512{number}" if number % 2 else f"see you at noon word{number}"
        for number in range(60)
    ]
    matrix = fitted(texts).transform(pl.Series(texts))[:, -SHAPES:]
    made = learners.fit("tfidf-logreg", matrix[:20], np.arange(20) % 2 + 1).trained()
    assert (made.predict(matrix[20:]) == np.arange(20, 60) % 2 + 1).all()


def nothing(_name: str) -> bytes:
    raise AssertionError


def test_words_get_the_weights_that_scikit_learn_gives_them():
    made = fitted(TEXTS)
    expected = TfidfVectorizer()
    matrix = expected.fit_transform(TEXTS)
    assert made.state()["terms"] == expected.get_feature_names_out().tolist()
    np.testing.assert_allclose(words(made, TEXTS).toarray(), matrix.toarray(), atol=1e-6)


def test_upper_and_lower_case_are_one_word():
    made = fitted(["Good GOOD good", "bad"])
    assert made.state()["terms"] == ["bad", "good"]


def test_texts_without_a_known_word_are_all_zeros():
    made = fitted(["one two", "two three"])
    matrix = words(made, ["", "zzz", None, "two"])
    assert matrix.shape == (4, 3)
    assert np.diff(matrix.indptr).tolist() == [0, 0, 0, 1]


def test_no_texts_make_no_features():
    made = TextFeatures.fit(list)
    assert words(made, ["a word"]).shape == (1, 0)
    assert words(made, []).shape == (0, 0)


def test_chinese_sentences_that_share_a_word_are_alike():
    """Words by spaces would make one token of each sentence, which no other has."""
    made = fitted(["今天天气很好", "明天天气不好", "我喜欢吃苹果", "他不吃苹果"])
    matrix = words(made, ["天气怎么样", "苹果", "今天天气很好"]).toarray()
    weather, apple = matrix[2] @ matrix[0], matrix[2] @ matrix[1]
    assert weather > 0.2
    assert apple == 0
    assert {"天", "天气", "天气很"} <= set(made.state()["terms"])


def test_latin_words_stay_words_beside_chinese_characters():
    terms = fitted(["买 iPhone 手机", "卖手机"]).state()["terms"]
    assert "iphone" in terms
    assert "手机" in terms
    assert "ip" not in terms


def test_n_grams_end_where_the_script_ends():
    terms = fitted(["天气, 好吗", "天气好"]).state()["terms"]
    assert "气好" in terms
    assert "气好吗" not in terms


def test_the_share_of_spaceless_letters_decides():
    assert spaceless_share([pl.Series(["hello world"])]) == 0
    assert spaceless_share([pl.Series(["天气 ok"])]) == 0.5
    assert spaceless_share([pl.Series(["", "123"])]) == 0
    english = fitted(["plain english words here"] * 60 + ["天"])
    assert "天" not in english.state()["terms"]


def test_words_of_chinese_texts_are_told_apart_by_their_characters():
    """Ten words of two characters for each of two topics, in between characters that tell nothing, and never a space."""
    from labelmill.learning import learners

    draw = np.random.default_rng(1)
    characters = [chr(0x4E00 + number) for number in range(60)]
    topics = [["".join(draw.choice(characters, 2)) for _ in range(10)] for _ in range(2)]
    labels = np.arange(600) % 2
    texts = [
        "".join(draw.permutation([*draw.choice(topics[label], 3), *("".join(draw.choice(characters, 2)) for _ in range(4))]))
        for label in labels
    ]
    matrix = fitted(texts).transform(pl.Series(texts))
    made = learners.fit("tfidf-logreg", matrix[:200], labels[:200] + 1).trained()
    assert (made.predict(matrix[200:]) == labels[200:] + 1).mean() > 0.85


@pytest.mark.parametrize(("texts", "size"), [(2, 10_000_000), (20_000, 60), (20_000, 1)])
def test_how_many_texts_are_taken_apart_at_once_changes_nothing(monkeypatch, texts, size):
    """Neither for a bound on their number nor for one on their bytes, which a few long ones reach."""
    every = [*TEXTS, "long " * 40, "", "Ende", *TEXTS]
    whole = fitted(every).transform(pl.Series(every))
    monkeypatch.setattr("labelmill.learning.features.text.SLICE", texts)
    monkeypatch.setattr("labelmill.learning.features.text.SLICE_BYTES", size)
    made = fitted(every)
    assert (made.transform(pl.Series(every)) != whole).nnz == 0
    assert made.transform(pl.Series(every)[:0]).shape == (0, whole.shape[1])


def test_what_was_kept_makes_the_same_numbers():
    made = fitted(TEXTS)
    again = features.load(features.dump(made), nothing)
    assert (made.transform(pl.Series(TEXTS)) != again.transform(pl.Series(TEXTS))).nnz == 0


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"name": "nosuch", "version": 1}', b'{"name": "tfidf", "version": 99}', b"\x80\x04."]
)
def test_what_is_no_featuriser_is_refused(content):
    with pytest.raises(BadFile):
        features.load(content, nothing)


def test_l10_the_predecessors_counts_are_scikit_learns_to_the_last():
    made = CountFeatures.fit(lambda: [pl.Series(TEXTS[:2]), pl.Series(TEXTS[2:])])
    expected = CountVectorizer()
    matrix = expected.fit_transform(TEXTS)
    assert made.state()["terms"] == expected.get_feature_names_out().tolist()
    assert (made.transform(pl.Series(TEXTS)).toarray() == matrix.toarray()).all()


def test_counts_of_nothing_make_no_features():
    assert CountFeatures.fit(lambda: [pl.Series(["", "x"])]).transform(pl.Series(["a b"])).shape == (1, 0)


def test_a_million_different_words_are_cut_to_the_most_frequent(monkeypatch):
    monkeypatch.setattr("labelmill.learning.features.text.MOST_TERMS", 3)
    made = fitted(["aa bb cc dd", "aa bb cc", "aa bb", "aa"])
    assert made.state()["terms"] == ["aa", "bb", "cc"]
