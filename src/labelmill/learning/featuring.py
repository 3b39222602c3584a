"""The features of a dataset's records: made once, in parts that never change, and opened by mapping them into memory."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from labelmill.errors import BadFile, NotFound
from labelmill.learning import features, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import polars as pl

    from labelmill.blobs import Blobs
    from labelmill.datasets.model import Dataset
    from labelmill.db.database import Database
    from labelmill.learning.features.matrix import Ids, Matrix

#: Records of one part: a step of some seconds.
PART_RECORDS: Final = 50_000
#: Of features that take so much longer that a step of some seconds, or a minute, has no more.
_SLOW_PARTS: Final = {"embeddings": 2_000}
#: A featuriser is fitted anew once the records have become so many times more.
GROWTH: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class Part:
    """The features of the records after one id and up to another; ``init`` for init records, which have ids of their own."""

    after: int
    to: int
    records: int
    blob: str
    init: bool = False


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """One featuriser, and what it has been applied to. A classifier names its own."""

    name: str
    #: The blob that holds the featuriser.
    blob: str
    #: Records that it was fitted on, init records included.
    fitted: int
    parts: tuple[Part, ...] = ()

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored | {"parts": tuple(Part(**each) for each in stored["parts"])})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"parts": [asdict(each) for each in self.parts]}

    def reaches(self, *, init: bool) -> int:
        """Return the last id that the parts hold."""
        return max((each.to for each in self.parts if each.init == init), default=0)


class FeatureStore:
    """Makes and opens feature sets."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._opened: tuple[str, features.Featuriser] | None = None

    def fit(self, dataset: Dataset, name: str, blob: str, going_on: Callable[[], None]) -> FeatureSet:
        """Return a new featuriser that is fitted on all records and init records, without parts.

        ``going_on`` is called after each slice and may raise to end it.
        """
        with self._database.read() as connection:
            extent = reading.extent(connection, dataset.id)

        def chunks() -> Iterator[pl.Series]:
            for init in (False, True):
                for _ids, contents in reading.slices(self._database, dataset.id, to=extent.newest(init=init), init=init):
                    yield contents
                    going_on()

        made = features.fit(name, chunks, self._blobs.get)
        self._blobs.put(blob, features.dump(made))
        return FeatureSet(name=name, blob=blob, fitted=extent.records + extent.init_records)

    def still_fits(self, known: FeatureSet, dataset: Dataset, name: str) -> bool:
        """Tell whether a feature set can be added to: the same features, of as many records, none of which came in late."""
        if known.name != name or not self._blobs.exists(known.blob) or not self._is_of_this_version(known):
            return False
        with self._database.read() as connection:
            extent = reading.extent(connection, dataset.id)
            if name not in features.UNFITTED and extent.records + extent.init_records > GROWTH * known.fitted:
                return False
            # Ids of two imports at once may become visible out of order: what came in between is missing from a part.
            return all(
                reading.count_between(connection, dataset.id, each.after, each.to, init=each.init) == each.records
                for each in known.parts
            )

    def _is_of_this_version(self, known: FeatureSet) -> bool:
        try:
            self._featuriser(known)
        except BadFile:
            return False
        return True

    def missing(self, known: FeatureSet, dataset: Dataset, folder: str) -> list[Part]:
        """Return the parts that a feature set lacks; their blobs go to ``folder``."""
        found, size = [], _SLOW_PARTS.get(known.name, PART_RECORDS)
        with self._database.read() as connection:
            for init in (False, True):
                after = known.reaches(init=init)
                for start, to, records in reading.bounds(connection, dataset.id, after, size, init=init):
                    blob = f"{folder}/{'init' if init else 'rows'}-{start}-{to}"
                    found.append(Part(after=start, to=to, records=records, blob=blob, init=init))
        return found

    def make(self, known: FeatureSet, dataset: Dataset, part: Part) -> None:
        """Make the features of one part and store them."""
        ids, matrix = self._transformed(known, dataset, part)
        with tempfile.TemporaryDirectory(prefix="labelmill-") as folder:
            path = Path(folder) / "part"
            features.write_part(path, ids, matrix)
            self._blobs.put_file(part.blob, path)

    def parts(self, known: FeatureSet, dataset: Dataset, *, init: bool = False) -> Iterator[tuple[Ids, Matrix]]:
        """Yield ids and features of the records, or init records, part by part; one whose file is gone is made anew in memory."""
        for part in known.parts:
            if part.init == init:
                try:
                    yield features.open_part(self._blobs.path(part.blob))
                except NotFound:
                    yield self._transformed(known, dataset, part)

    def newer(self, known: FeatureSet, dataset: Dataset, to: int) -> Iterator[tuple[Ids, Matrix]]:
        """Yield ids and features of the records that came after the parts were made."""
        after = known.reaches(init=False)
        featuriser = self._featuriser(known)
        for ids, contents in reading.slices(self._database, dataset.id, after=after, to=to):
            yield ids, featuriser.transform(contents)

    def rows(self, known: FeatureSet, dataset: Dataset, ids: Ids, *, init: bool = False) -> tuple[Ids, Matrix]:
        """Return those of ``ids`` (rising) that have features, and their features."""
        return features.take(list(self.parts(known, dataset, init=init)), ids)

    def drop_parts(self, known: FeatureSet) -> None:
        """Remove the parts of a feature set that another one replaced; its featuriser stays with the classifiers that name it."""
        for part in known.parts:
            self._blobs.remove(part.blob)

    def _transformed(self, known: FeatureSet, dataset: Dataset, part: Part) -> tuple[Ids, Matrix]:
        featuriser, ids, made = self._featuriser(known), [], []
        for some, contents in reading.slices(self._database, dataset.id, after=part.after, to=part.to, init=part.init):
            ids.append(some)
            made.append(featuriser.transform(contents))
        return np.concatenate(ids), features.stack(made)

    def _featuriser(self, known: FeatureSet) -> features.Featuriser:
        if self._opened is None or self._opened[0] != known.blob:
            self._opened = (known.blob, features.load(self._blobs.get(known.blob), self._blobs.get))
        return self._opened[1]


def with_parts(known: FeatureSet, parts: Iterable[Part]) -> FeatureSet:
    """Return a feature set with more parts."""
    return replace(known, parts=(*known.parts, *parts))
