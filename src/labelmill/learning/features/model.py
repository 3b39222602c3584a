"""Which featurisers there are, and how one is fitted, kept and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from labelmill.errors import BadFile

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from labelmill.learning.features.matrix import Matrix
    from labelmill.learning.features.text import Chunks

    Read = Callable[[str], bytes]

#: The featuriser of a kind of records, unless the learner wants another one.
_BY_KIND: Final = {"text": "tfidf", "tabular": "table", "image": "hog"}


class Featuriser(Protocol):
    """Turns records into numbers. ``NAME`` and ``VERSION`` say how: other numbers are another version."""

    NAME: str
    VERSION: int

    def state(self) -> dict[str, Any]:
        """Return what it has learnt, as JSON."""
        ...

    def transform(self, contents: pl.Series) -> Matrix:
        """Return records x features, float32."""
        ...


#: Featurisers that learn nothing from the records: more of them are no reason to make a new one.
UNFITTED: Final = frozenset({"hog", "embeddings"})


def name_for(kind: str, wanted: str | None) -> str:
    """Return the featuriser for records of a kind; ``wanted`` is what a learner asks for, which holds for texts only."""
    return wanted if wanted and kind == "text" else _BY_KIND[kind]


def fit(name: str, chunks: Chunks, read: Read) -> Featuriser:
    """Return a featuriser that is fitted on contents; ``chunks`` gives them anew at each call, ``read`` the bytes of a blob."""
    kind = _kind(name)
    return kind.fit(chunks, read) if name == "hog" else kind.fit(chunks)  # type: ignore[no-any-return]


def dump(featuriser: Featuriser) -> bytes:
    """Return a featuriser as bytes."""
    about = {"name": featuriser.NAME, "version": featuriser.VERSION}
    return orjson.dumps(about | {"state": featuriser.state()})


def load(content: bytes, read: Read) -> Featuriser:
    """Return the featuriser that ``dump`` made bytes of; raises BadFile for one that this version cannot be."""
    try:
        kept = orjson.loads(content)
        kind = _kind(kept["name"])
        if kept["version"] != kind.VERSION:
            raise BadFile(f"These features are of version {kept['version']}, not {kind.VERSION}.", way_out="Train again.")
        return kind(read) if kept["name"] == "hog" else kind.load(kept["state"])  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile("This is no featuriser.", way_out="Train again.") from error


def _kind(name: str) -> Any:
    if name == "tfidf":
        from labelmill.learning.features.text import TextFeatures

        return TextFeatures
    if name == "counts":
        from labelmill.learning.features.counts import CountFeatures

        return CountFeatures
    if name == "table":
        from labelmill.learning.features.tabular import TabularFeatures

        return TabularFeatures
    if name == "hog":
        from labelmill.learning.features.images import ImageFeatures

        return ImageFeatures
    if name == "embeddings":
        from labelmill.learning.features.embeddings import EmbeddingFeatures

        return EmbeddingFeatures
    raise BadFile(f"There are no features called {name!r}.", way_out="Train again.")
