"""Trainings on sentence embeddings: their features are made in steps and kept, and a missing extra is named."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelmill.errors import BadInput
from labelmill.learning import features, service
from tiny_bert import write_model


def metrics(lab, dataset):
    return lab.read(service.list_classifiers, dataset.id)[0]


def test_sentence_embeddings_are_learnt_from_and_made_once(lab, monkeypatch, tmp_path):
    """They are steps of the training, each kept when it is done; more records only add to them, however many they are."""
    folder = write_model(tmp_path / "model")
    for module in ("learners", "features.embeddings"):
        monkeypatch.setattr(f"labelmill.learning.{module}.require_installed", lambda: folder)
    monkeypatch.setattr("labelmill.learning.featuring._SLOW_PARTS", {"embeddings": 16})
    dataset = lab.dataset(0, labels=("sport", "food"), learner="embeddings-logreg")
    words = {"sport": "ball", "food": "soup"}
    lab.gold |= {" ".join([word] * number): label for number in range(1, 21) for label, word in words.items()}
    lab.add_contents(dataset, list(lab.gold))
    lab.answer_right(dataset, 12)
    assert lab.train(dataset).state == "succeeded"
    first = metrics(lab, dataset).parameters["features"]
    assert (first["name"], [part["records"] for part in first["parts"]]) == ("embeddings", [16, 16, 8])
    ids, kept = features.open_part(lab.app.blobs.path(first["parts"][1]["blob"]))
    contents = lab.ids(dataset)
    expected = features.fit("embeddings", list, lab.app.blobs.get).transform(
        pl.Series([contents[each] for each in ids.tolist()])
    )
    np.testing.assert_array_equal(kept, expected)
    assert len(lab.read(service.predictions, lab.app.blobs, dataset.id, list(contents))) == 40
    lab.add(dataset, 100, ("sport",))
    lab.train(dataset)
    second = metrics(lab, dataset).parameters["features"]
    assert second["blob"] == first["blob"]
    assert second["parts"][:3] == first["parts"]


def test_a_training_that_lacks_the_extra_says_which(lab, monkeypatch):
    present = {"learner": "embeddings-logreg"}
    with monkeypatch.context() as there:
        there.setattr("labelmill.learning.learners.require_installed", lambda: None)
        dataset = lab.dataset(10, **present)
    monkeypatch.setattr("labelmill.learning.features.embeddings.PACKAGE", "there_is_no_such_package")
    with pytest.raises(BadInput) as told:
        lab.dataset(10, **present)
    assert "labelmill[embeddings]" in (told.value.way_out or "")
    lab.answer_right(dataset, 6)
    job = lab.train(dataset)
    assert job.state == "failed"
    assert "labelmill[embeddings]" in str(job.error)
