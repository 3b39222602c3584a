"""Features of many records as one file: the records' ids and a sparse or dense matrix, read by mapping it into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labelmill.errors import BadFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    #: Records x features, float32: a csr_array of scipy, which tells no types, or a numpy array.
    Matrix = Any
    Ids = npt.NDArray[np.int64]

_MAGIC: Final = b"labelmill-features-1\n"
#: Arrays begin at multiples of this, as processors like them.
_ALIGN: Final = 64


def write_part(path: Path, ids: Ids, matrix: Matrix) -> None:
    """Write the features of records; ``ids`` rise and belong to the matrix's rows."""
    is_dense = isinstance(matrix, np.ndarray)
    arrays: dict[str, Any] = {"ids": np.ascontiguousarray(ids, dtype=np.int64)}
    if is_dense:
        arrays["values"] = np.ascontiguousarray(matrix, dtype=np.float32)
    else:
        arrays |= {"data": matrix.data.astype(np.float32, copy=False), "indices": matrix.indices, "indptr": matrix.indptr}
    about = {name: {"type": array.dtype.str, "shape": array.shape} for name, array in arrays.items()}
    header = orjson.dumps({"shape": matrix.shape, "arrays": about})
    with path.open("wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for array in arrays.values():
            file.write(bytes(-file.tell() % _ALIGN))
            file.write(array.data)


def open_part(path: Path) -> tuple[Ids, Matrix]:
    """Return the ids and the features of a file, mapped into memory and read-only; raises BadFile."""
    from scipy.sparse import csr_array

    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BadFile("This is no file of features.", where=path.name)
        header = orjson.loads(file.read(int.from_bytes(file.read(8), "little")))
        place = file.tell()
    arrays = {}
    for name, about in header["arrays"].items():
        place += -place % _ALIGN
        kind, shape = np.dtype(about["type"]), tuple(about["shape"])
        size = int(np.prod(shape)) * kind.itemsize
        arrays[name] = np.memmap(path, dtype=kind, mode="r", offset=place, shape=shape) if size else np.empty(shape, kind)
        place += size
    if "values" in arrays:
        return arrays["ids"], arrays["values"]
    matrix = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=tuple(header["shape"]), copy=False)
    return arrays["ids"], matrix


def take(parts: Sequence[tuple[Ids, Matrix]], ids: Ids) -> tuple[Ids, Matrix]:
    """Return those of ``ids`` (rising) that have features, and their rows in the same order."""
    found, rows = [], []
    for known, matrix in parts:
        if not len(known):
            continue
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        there = known[places] == ids
        found.append(ids[there])
        rows.append(matrix[places[there]])
    if not rows:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    together = np.concatenate(found)
    order = np.argsort(together, kind="stable")
    return together[order], stack(rows)[order]


def stack(matrices: Sequence[Matrix]) -> Matrix:
    """Return matrices with the same features one below the other."""
    if len(matrices) == 1:
        return matrices[0]
    if all(isinstance(matrix, np.ndarray) for matrix in matrices):
        return np.vstack(matrices)
    from scipy.sparse import vstack

    return vstack(matrices, format="csr")
