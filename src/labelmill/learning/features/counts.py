"""The predecessor's features, exactly: scikit-learn's CountVectorizer as it is by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_array

    from labelmill.learning.features.text import Chunks


class CountFeatures:
    """How often each word occurs; the words of all texts, in alphabetical order."""

    NAME: Final = "counts"
    VERSION: Final = 1

    def __init__(self, terms: list[str]) -> None:
        self._terms = terms

    @classmethod
    def fit(cls, chunks: Chunks) -> Self:
        """Learn the words of all texts."""
        from sklearn.feature_extraction.text import CountVectorizer

        analyse = CountVectorizer().build_analyzer()
        found: set[str] = set()
        for texts in chunks():
            for text in texts:
                found.update(analyse(text or ""))
        return cls(sorted(found))

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        return cls(state["terms"])

    def state(self) -> dict[str, Any]:
        return {"terms": self._terms}

    def transform(self, texts: pl.Series) -> csr_array:
        """Return texts x words, float32."""
        import numpy as np
        from scipy.sparse import csr_array
        from sklearn.feature_extraction.text import CountVectorizer

        if not self._terms:
            return csr_array((len(texts), 0), dtype=np.float32)
        vectoriser = CountVectorizer(vocabulary=self._terms, dtype=np.float32)
        return csr_array(vectoriser.transform(texts.fill_null("").to_list()))
