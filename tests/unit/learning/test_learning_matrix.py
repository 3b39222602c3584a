"""Features of many records as one file that is mapped into memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from labelmill.errors import BadFile
from labelmill.learning import features


def sparse(rows: int, columns: int = 7) -> csr_array:
    return csr_array(random_array((rows, columns), density=0.4, rng=np.random.default_rng(rows), dtype=np.float32).tocsr())


@pytest.mark.parametrize(
    "matrix", [sparse(20), sparse(0), csr_array((3, 0), dtype=np.float32), np.ones((4, 5), np.float32)], ids=str
)
def test_what_is_written_is_read(tmp_path, matrix):
    ids = np.arange(matrix.shape[0], dtype=np.int64) * 3
    features.write_part(tmp_path / "part", ids, matrix)
    found, again = features.open_part(tmp_path / "part")
    assert (found == ids).all()
    assert again.shape == matrix.shape
    assert (features.stack([again]) != matrix).sum() == 0


def test_a_file_is_mapped_and_not_read(tmp_path):
    features.write_part(tmp_path / "part", np.arange(20), sparse(20))
    ids, matrix = features.open_part(tmp_path / "part")
    assert isinstance(ids, np.memmap)
    assert all(_is_mapped(array) for array in (matrix.data, matrix.indices))


def _is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def test_another_file_is_refused(tmp_path):
    (tmp_path / "part").write_bytes(b"\x80\x04cposix\nsystem\n")
    with pytest.raises(BadFile):
        features.open_part(tmp_path / "part")


def test_rows_are_taken_from_several_parts_in_the_order_of_their_ids():
    whole = sparse(30)
    ids = np.arange(100, 130)
    parts = [(ids[20:], whole[20:]), (ids[:20], whole[:20])]
    found, rows = features.take(parts, np.array([5, 101, 119, 120, 129, 400]))
    assert found.tolist() == [101, 119, 120, 129]
    assert (rows.toarray() == whole.toarray()[[1, 19, 20, 29]]).all()


def test_nothing_is_taken_from_nothing():
    found, rows = features.take([], np.array([1, 2]))
    assert len(found) == 0
    assert rows.shape[0] == 0
