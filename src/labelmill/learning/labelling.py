"""One classifier, new or old, applied to records: for those who want its word on each of them, whatever is shown meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from labelmill.learning import features, learners, ranking
from labelmill.learning.model import Takes
from labelmill.learning.standalone import classifier_of, pipeline_of, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.blobs import Blobs
    from labelmill.learning.model import Classifier


#: What classifiers take whose features can be made without labelmill, by the featuriser's name.
_TAKES: Final = {"tfidf": Takes.TEXTS, "counts": Takes.TEXTS, "table": Takes.ROWS, "hog": Takes.IMAGES}


class Labelling:
    """Opened when it is first needed: a classifier whose predictions are all kept is never."""

    def __init__(self, blobs: Blobs, classifier: Classifier) -> None:
        self._blobs = blobs
        self._classifier = classifier
        self._opened: tuple[features.Featuriser, learners.Trained] | None = None

    @property
    def takes(self) -> Takes | None:
        """What it labels without labelmill: with scikit-learn's own classes and a script."""
        return _TAKES.get(self._classifier.parameters["features"]["name"])

    @property
    def is_slow(self) -> bool:
        """Whether each record has to be looked at for long."""
        return self.takes in (None, Takes.IMAGES)

    def frame(self, ids: pl.Series, contents: pl.Series) -> pl.DataFrame:
        """Return what it says of records, with the columns of a generation's file."""
        if self._opened is None:
            loaded = features.load(self._blobs.get(self._classifier.parameters["features"]["blob"]), self._blobs.get)
            self._opened = (loaded, self._trained())
        featuriser, trained = self._opened
        probabilities = trained.probabilities(featuriser.transform(contents))
        scores = ranking.scored(probabilities)
        columns: dict[str, Any] = {
            "record_id": ids, "label_id": trained.classes[scores.best], "confidence": scores.confidence, "margin": scores.margin,
        }  # fmt: skip
        return pl.DataFrame(columns | {f"p_{label}": probabilities[:, place] for place, label in enumerate(trained.classes)})

    def standalone(self, names: Mapping[int, str]) -> Any:
        """Return it as scikit-learn's own objects: a pipeline that takes texts, what ``table_of`` says for rows, else a rule of features."""
        trained = self._trained()
        labels = [names.get(int(label), str(label)) for label in trained.classes]
        makes = {Takes.TEXTS: pipeline_of, Takes.ROWS: table_of}
        if self.takes in makes:
            featuriser = self._blobs.get(self._classifier.parameters["features"]["blob"])
            return makes[self.takes](featuriser, trained, labels)
        return classifier_of(np.asarray(trained.weights), trained.bias, labels)

    def _trained(self) -> learners.Trained:
        return learners.load(self._blobs.get(self._classifier.blob)).trained()
