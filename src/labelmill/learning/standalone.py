"""A classifier as a pipeline of scikit-learn's own classes: whoever has it needs nothing of labelmill to label with it."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import polars as pl

from labelmill.learning.features import tabular, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelmill.learning.learners import Trained

#: A term of the vocabulary that is longer is left out: in the file all of them take the room of the longest.
LONGEST_TERM: Final = 64
_SURROGATES: Final = range(0xD800, 0xE000)


def pipeline_of(featuriser: bytes, trained: Trained, names: Sequence[str]) -> Any:
    """Return a fitted pipeline that takes texts and gives ``names`` of labels, in the order of the classifier's classes.

    ``featuriser`` is what ``features.dump`` made of ``tfidf`` or ``counts``.
    """
    from sklearn.pipeline import Pipeline

    kept = orjson.loads(featuriser)
    if kept["name"] == "counts":
        features, weights = _counts(kept["state"], trained.weights)
    else:
        features, weights = _tfidf(kept["state"], trained.weights)
    return Pipeline([("features", features), ("classifier", classifier_of(weights, trained.bias, names))])


def table_of(featuriser: bytes, trained: Trained, names: Sequence[str]) -> dict[str, Any]:
    """Return the ``fields`` of a table and the ``classifier`` of their features side by side; a field of text has its ``features``."""
    fields, blocks, start = [], [], 0
    for each in orjson.loads(featuriser)["state"]["fields"]:
        field, width = dict(each), _width(each)
        weights = trained.weights[start : start + width]
        start += width
        if field["kind"] == "text":
            field["features"], weights = _tfidf(field.pop("text"), weights)
        elif field["kind"] == "date":
            field.setdefault("format", tabular.DATES[0])
        fields.append(field)
        blocks.append(weights)
    return {"fields": fields, "classifier": classifier_of(np.vstack(blocks), trained.bias, names)}


def _width(field: dict[str, Any]) -> int:
    """Return the number of features of a table's field."""
    if field["kind"] == "text":
        return len(field["text"]["idf"]) + text.SHAPES
    return len(field["values"]) if field["kind"] == "category" else {"number": 10, "date": 14}[field["kind"]]


def classifier_of(weights: Any, bias: Any, names: Sequence[str]) -> Any:
    """Return a fitted classifier of features that says what the linear rule features @ weights + bias, softmax, says."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    if len(names) == 1:
        return DummyClassifier(strategy="most_frequent").fit(np.zeros((1, 1)), list(names))
    if len(names) == 2:  # noqa: PLR2004 - of two classes scikit-learn keeps one row, which speaks for the second
        weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    made = LogisticRegression()
    made.classes_ = np.array(list(names))
    made.coef_, made.intercept_ = np.ascontiguousarray(weights.T), np.asarray(bias)
    made.n_features_in_ = weights.shape[0]
    return made


def _counts(state: dict[str, Any], weights: Any) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import CountVectorizer

    kept = [place for place, term in enumerate(state["terms"]) if len(term) <= LONGEST_TERM]
    terms = np.array([state["terms"][place] for place in kept] or [" "])
    return CountVectorizer(vocabulary=terms), weights[kept] if kept else np.zeros((1, weights.shape[1]), np.float32)


def _tfidf(state: dict[str, Any], weights: Any) -> tuple[Any, Any]:
    """Return what counts terms and looks at a text's shape, and the weights in the order of its columns."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.pipeline import FeatureUnion, Pipeline

    idf, grams = np.asarray(state["idf"], dtype=np.float32), state["grams"]
    counters, order = _counters(state["terms"], grams=grams)
    words, shapes = weights[: len(idf)], weights[len(idf) :]
    if not order:
        return _shape(), _shape_weights(shapes)
    tfidf = TfidfTransformer()
    tfidf.idf_ = idf[order].astype(np.float64)
    features = FeatureUnion([("words", Pipeline([("counts", counters), ("tfidf", tfidf)])), ("shape", _shape())])
    return features, np.vstack([words[order], _shape_weights(shapes)])


def _counters(terms: Sequence[str], *, grams: bool) -> tuple[Any, list[int]]:
    """Return what counts the terms of texts, and the terms' places in the order of its columns."""
    from sklearn.pipeline import FeatureUnion

    word, spaceless = "[" + _characters(r"\w") + "]", "[" + _characters(text.SPACELESS) + "]"
    patterns = {0: f"{word}{{2,}}"}
    if grams:
        patterns[0] = f"(?:(?!{spaceless}){word}){{2,}}"
        # Looked for ahead, so that those which overlap are found too.
        patterns |= {length: f"(?=({spaceless}{{{length}}}))" for length in (1, 2, 3)}
    is_spaceless = (
        pl.Series(terms, dtype=pl.String).str.contains(f"^{text.SPACELESS}+$").to_list() if grams else [False] * len(terms)
    )
    groups: dict[int, list[int]] = {}
    for place, (term, spaced) in enumerate(zip(terms, is_spaceless, strict=True)):
        if len(term) <= LONGEST_TERM:
            groups.setdefault(len(term) if spaced else 0, []).append(place)
    made = [(f"terms{kind}", _counter([terms[place] for place in places], patterns[kind])) for kind, places in groups.items()]
    return FeatureUnion(made), [place for places in groups.values() for place in places]


def _counter(terms: list[str], pattern: str) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(vocabulary=np.array(terms), token_pattern=pattern, dtype=np.float32)


def _shape() -> Any:
    """Return what gives the logarithm of a text's length, then its shares of digits, upper case, punctuation, and the rest."""
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import FunctionTransformer, Normalizer

    kinds = [_characters(pattern) for pattern in text.SHARES]
    patterns = [*(f"[{kind}]" for kind in kinds), f"[^{''.join(kinds)}]"]
    length = Pipeline([("characters", _occurrences("(?s:.)")), ("log", FunctionTransformer(np.log1p, accept_sparse=True))])
    each = FeatureUnion([(f"kind{number}", _occurrences(pattern)) for number, pattern in enumerate(patterns)])
    return FeatureUnion([("length", length), ("shares", Pipeline([("counts", each), ("share", Normalizer("l1"))]))])


def _occurrences(pattern: str) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=1, norm=None, alternate_sign=False, lowercase=False, token_pattern=pattern)


def _shape_weights(weights: Any) -> Any:
    """Return the weights of ``_shape``'s columns for those of ``text.shapes``, which are scaled; the rest says nothing."""
    scaled = weights * np.float32(text.SHAPE_WEIGHT)
    scaled[0] /= np.float32(np.log1p(text.LONG))
    return np.vstack([scaled, np.zeros((1, weights.shape[1]), np.float32)]).astype(np.float32)


@cache
def _characters(pattern: str) -> str:
    """Return the characters that a pattern of polars matches, as ranges for a class of Python's ``re``, which knows fewer kinds."""
    every = [code for code in range(sys.maxunicode + 1) if code not in _SURROGATES]
    matches = pl.Series([chr(code) for code in every]).str.contains(f"^{pattern}$")
    codes = np.array(every)[matches.to_numpy()]
    breaks = np.flatnonzero(np.diff(codes) > 1) + 1
    runs = ((int(run[0]), int(run[-1])) for run in np.split(codes, breaks))
    return "".join(_escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}" for first, last in runs)


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"
