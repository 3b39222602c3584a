"""What every featuriser is held to, whatever it makes numbers of."""

from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from labelmill.learning import features
from labelmill.learning.features import embeddings
from tiny_bert import write_model

BLOBS: dict[str, bytes] = {}
TEXTS = ["ball goal match", "soup and cooking!", "", "a song, a song", "ball soup 42", "中文 ball"]
ROWS = [json.dumps({"price": number * 1.5, "kind": "ab"[number % 2], "note": text}) for number, text in enumerate(TEXTS)]
IMAGES = [json.dumps({"blob": f"{number}.png"}) for number in range(6)]
CONTENTS = {"tfidf": TEXTS, "counts": TEXTS, "embeddings": TEXTS, "table": ROWS, "hog": IMAGES}


@pytest.fixture(params=CONTENTS)
def made(request, tmp_path, monkeypatch):
    """Give each featuriser, fitted on six records, with these."""
    folder = write_model(tmp_path / "model")
    monkeypatch.setattr(embeddings, "require_installed", lambda: folder)
    for number in range(6):
        out = io.BytesIO()
        Image.new("RGB", (30, 20), (40 * number, 90, 200 - 30 * number)).save(out, "PNG")
        BLOBS[f"{number}.png"] = out.getvalue()
    contents = pl.Series(CONTENTS[request.param])
    return features.fit(request.param, lambda: [contents[:4], contents[4:]], BLOBS.__getitem__), contents


def dense(matrix) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def test_it_gives_a_row_of_float32_for_each_record(made):
    featuriser, contents = made
    found = featuriser.transform(contents)
    assert found.shape[0] == len(contents)
    assert found.dtype == np.float32
    assert np.isfinite(dense(found)).all()


def test_a_record_has_the_same_features_whatever_comes_with_it(made):
    featuriser, contents = made
    whole = dense(featuriser.transform(contents))
    alone = np.vstack([dense(featuriser.transform(contents[place : place + 1])) for place in range(len(contents))])
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def test_no_records_give_no_rows_of_as_many_features(made):
    featuriser, contents = made
    assert featuriser.transform(contents[:0]).shape == (0, featuriser.transform(contents).shape[1])


def test_one_that_was_kept_and_opened_again_gives_the_same(made):
    featuriser, contents = made
    again = features.load(features.dump(featuriser), BLOBS.__getitem__)
    assert (again.NAME, again.VERSION) == (featuriser.NAME, featuriser.VERSION)
    np.testing.assert_array_equal(dense(again.transform(contents)), dense(featuriser.transform(contents)))


def test_records_that_differ_differ_in_their_features(made):
    featuriser, contents = made
    found = dense(featuriser.transform(contents))
    assert len(np.unique(found.round(5), axis=0)) == len(contents)


@pytest.mark.parametrize("made", sorted(features.UNFITTED), indirect=True)
def test_those_that_learn_nothing_are_the_same_whatever_they_are_fitted_on(made):
    featuriser, contents = made
    other = features.fit(featuriser.NAME, lambda: [contents[:1]], BLOBS.__getitem__)
    np.testing.assert_array_equal(dense(other.transform(contents)), dense(featuriser.transform(contents)))
