"""Real records with their right labels, as the features of the product: what learning is measured on."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelmill.learning import features
from labelmill.learning.features.embeddings import PACKAGE
from labelmill.learning.features.images import ImageFeatures

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

#: Texts with their labels.
Pairs = list[tuple[str, str]]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass
class Set:
    """Records with their right labels: ``pool`` may be asked for, ``test`` may not. Features by the name of their featuriser."""

    name: str
    pool: dict[str, Any]
    test: dict[str, Any]
    pool_labels: npt.NDArray[np.int64]
    test_labels: npt.NDArray[np.int64]


def banking() -> tuple[Pairs, Pairs]:
    """Return 77 intentions of bank customers: its train part to ask for, which is sorted by label; its test part to score on."""
    train, test = (
        [(row["text"], row["category"]) for row in rows("banking77", f"{part}.csv.gz")] for part in ("train", "test")
    )
    return train, test


def sms() -> tuple[Pairs, Pairs]:
    """Return spam or not, a half to ask for, in the order of the file."""
    content = gzip.decompress((DATA / "sms_spam" / "SMSSpamCollection.tsv.gz").read_bytes()).decode()
    pairs = [line.split("\t", 1)[::-1] for line in content.splitlines()[1:] if "\t" in line]
    pool, test = ([(pairs[at][0], pairs[at][1]) for at in half] for half in _halves(len(pairs)))
    return pool, test


def digits() -> Set:
    """Return scikit-learn's handwritten digits, as images."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    images = [Image.fromarray((pixels * 15.9).astype(np.uint8)) for pixels in found.images]
    return _images("digits", images, found.target.astype(str).tolist())


def clothing() -> Set:
    """Return photos of ten kinds of clothes."""
    from PIL import Image

    images, labels = [], []
    with zipfile.ZipFile(DATA / "clothing_photos" / "clothing_test_372.zip") as archive:
        for name in sorted(each for each in archive.namelist() if each.endswith(".jpg")):
            images.append(Image.open(io.BytesIO(archive.read(name))))
            labels.append(Path(name).parent.name)
    return _images("clothing", images, labels)


SETS: dict[str, Callable[[], Set]] = {
    "clothing": clothing,
    "digits": digits,
    "sms": lambda: _texts("sms", *sms()),
    "banking77": lambda: _texts("banking77", *banking()),
    "sms, vectors": lambda: _vectors("sms", *sms()),
    "banking77, vectors": lambda: _vectors("banking77", *banking()),
}


#: Where sentence vectors are kept between runs: they are most of the work.
KEPT = Path(__file__).resolve().parent / "out"


@cache
def load(name: str) -> Set:
    """Return a set, made once in each process."""
    return SETS[name]()


def rows(folder: str, name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    content = gzip.decompress((DATA / folder / name).read_bytes()).decode()
    return list(csv.DictReader(io.StringIO(content)))


def none(_name: str) -> bytes:
    """Be the store of files that texts do not have."""
    raise KeyError


def _halves(count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def _texts(name: str, pool: Pairs, test: Pairs) -> Set:
    texts = pl.Series([text for text, _ in (*pool, *test)])
    made: list[dict[str, Any]] = [{}, {}]
    for kind in ("tfidf", "counts"):
        matrix = features.fit(kind, lambda: [texts], none).transform(texts)
        made[0][kind], made[1][kind] = matrix[: len(pool)], matrix[len(pool) :]
    labels = _numbers([label for _, label in (*pool, *test)])
    return Set(name, made[0], made[1], labels[: len(pool)], labels[len(pool) :])


def has_embeddings() -> bool:
    """Tell whether the model of sentence vectors is installed."""
    return find_spec(PACKAGE) is not None


def _vectors(name: str, pool: Pairs, test: Pairs) -> Set:
    """Return a set of texts as sentence vectors, which are the only features that it has."""
    path = KEPT / f"embeddings-{name}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        texts = pl.Series([text for text, _ in (*pool, *test)])
        np.save(path.with_suffix(".part.npy"), features.fit("embeddings", list, none).transform(texts))
        path.with_suffix(".part.npy").replace(path)
    vectors, labels = np.load(path), _numbers([label for _, label in (*pool, *test)])
    cut = len(pool)
    return Set(name, {"embeddings": vectors[:cut]}, {"embeddings": vectors[cut:]}, labels[:cut], labels[cut:])


def _images(name: str, images: list[Any], labels: list[str]) -> Set:
    blobs = {}
    for number, image in enumerate(images):
        out = io.BytesIO()
        image.save(out, "PNG")
        blobs[str(number)] = out.getvalue()
    contents = pl.Series([json.dumps({"blob": each}) for each in blobs])
    matrix = ImageFeatures(blobs.__getitem__).transform(contents)
    pool, test = _halves(len(images))
    numbers = _numbers(labels)
    return Set(name, {"hog": matrix[pool]}, {"hog": matrix[test]}, numbers[pool], numbers[test])


def _numbers(labels: list[str]) -> npt.NDArray[np.int64]:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64) + 1
