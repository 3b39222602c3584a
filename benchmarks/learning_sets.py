"""Real records with their right labels, as the features of the product: what learning is measured on."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array

import labelmill
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


#: Where features and scores are kept between runs.
KEPT = Path(__file__).resolve().parent / "out"


@cache
def load(name: str) -> Set:
    """Return a set, whose features are made once for each state of the code that makes them."""
    path = KEPT / f"features-{name.replace(', ', '-')}-{state_of('learning/features', __file__)}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        _write(path, SETS[name]())
    return _read(path, name)


@cache
def state_of(*sources: str) -> str:
    """Return a name for what stands in these files, or files of these folders, of labelmill or of the benchmarks."""
    root, found = Path(labelmill.__file__).parent, hashlib.sha256()
    for source in sources:
        place = root / source
        for file in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            found.update(file.read_bytes())
    return found.hexdigest()[:12]


def _write(path: Path, made: Set) -> None:
    arrays: dict[str, Any] = {"pool_labels": made.pool_labels, "test_labels": made.test_labels}
    for part, matrices in (("pool", made.pool), ("test", made.test)):
        for kind, matrix in matrices.items():
            dense = isinstance(matrix, np.ndarray)
            whole = {"values": matrix} if dense else {each: getattr(matrix, each) for each in ("data", "indices", "indptr")}
            arrays |= {f"{part} {kind} {each}": array for each, array in (whole | {"shape": matrix.shape}).items()}
    part_file = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(part_file, **arrays)
    part_file.replace(path)


def _read(path: Path, name: str) -> Set:
    with np.load(path) as file:
        arrays = dict(file)
    found: dict[str, dict[str, Any]] = {"pool": {}, "test": {}}
    for part, kind, each in (key.split(" ") for key in arrays if key.endswith(("values", "data"))):
        parts = [arrays[f"{part} {kind} {field}"] for field in ("data", "indices", "indptr")] if each == "data" else []
        shape = tuple(arrays[f"{part} {kind} shape"].tolist())
        found[part][kind] = csr_array(tuple(parts), shape=shape) if parts else arrays[f"{part} {kind} values"]
    return Set(name, found["pool"], found["test"], arrays["pool_labels"], arrays["test_labels"])


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
    state = state_of(*(f"learning/features/{each}.py" for each in ("embeddings", "sentences", "wordpieces")))
    path = KEPT / f"embeddings-{name}-{state}.npy"
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
