"""Parquet files that are put together from pieces, as polars reads them."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from labelmill.exports.writers import thrift
from labelmill.exports.writers.parquet import MAGIC, Stitched

SCHEMA = {
    "id": pl.Int64, "text": pl.String, "share": pl.Float64, "is_open": pl.Boolean, "at": pl.Datetime("us", "UTC"),
    "votes": pl.List(pl.Struct({"label": pl.String, "votes": pl.Int64})),
}  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(-(2**63), 2**63 - 1), "text": st.none() | st.text(max_size=20), "share": st.none() | st.floats(0, 1),
        "is_open": st.none() | st.booleans(), "at": st.none(),
        "votes": st.none() | st.lists(st.fixed_dictionaries({"label": st.text(max_size=3), "votes": st.integers(0, 9)}), max_size=3),
    }
)  # fmt: skip


def stitched(frames: list[pl.DataFrame], **more: str) -> bytes:
    file = Stitched(SCHEMA, notes=more)
    return b"".join([*(file.add(frame) for frame in frames), file.end()])


def frames_of(pieces: list[list[dict[str, object]]]) -> list[pl.DataFrame]:
    return [pl.DataFrame(rows, schema=SCHEMA) for rows in pieces]


@given(st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_file_of_pieces_reads_as_the_pieces_below_each_other(pieces: list[list[dict[str, object]]]) -> None:
    frames = frames_of(pieces)
    content = stitched(frames)
    assert_frame_equal(pl.read_parquet(io.BytesIO(content)), pl.concat(frames))
    assert_frame_equal(
        pl.scan_parquet(io.BytesIO(content)).select("votes", "id").collect(), pl.concat(frames).select("votes", "id")
    )


def test_a_file_without_rows_has_its_columns() -> None:
    found = pl.read_parquet(io.BytesIO(stitched([])))
    assert (found.height, dict(found.schema)) == (0, SCHEMA)


def test_notes_stand_beside_what_the_library_wrote() -> None:
    content = stitched([pl.DataFrame(schema=SCHEMA)], huggingface="{}")
    found = pl.read_parquet_metadata(io.BytesIO(content))
    assert found["huggingface"] == "{}"
    assert "ARROW:schema" in found


def test_many_row_groups_are_found_by_what_they_hold() -> None:
    """Each group's least and greatest values lead to its own pages."""
    frames = [pl.DataFrame({"id": range(1000 * part, 1000 * part + 1000)}, schema={"id": pl.Int64}) for part in range(40)]
    file = Stitched({"id": pl.Int64})
    content = b"".join([*(file.add(frame) for frame in frames), file.end()])
    found = pl.scan_parquet(io.BytesIO(content)).filter(pl.col("id").is_between(17_500, 17_502)).collect()
    assert found["id"].to_list() == [17_500, 17_501, 17_502]


STRUCT = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from([thrift.I16, thrift.I32, thrift.I64]), st.integers(-(2**63), 2**63 - 1)),
        st.tuples(st.just(thrift.BINARY), st.binary(max_size=200)),
        st.tuples(st.just(thrift.DOUBLE), st.binary(min_size=8, max_size=8)),
        st.booleans().map(lambda value: (thrift.TRUE if value else thrift.FALSE, value)),
        st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20).map(lambda values: (thrift.LIST, (thrift.I64, values))),
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.integers(1, 200), inner, max_size=4).map(lambda value: (thrift.STRUCT, dict(sorted(value.items())))),
        st.lists(st.dictionaries(st.integers(1, 9), inner, max_size=2), max_size=16).map(
            lambda values: (thrift.LIST, (thrift.STRUCT, [dict(sorted(value.items())) for value in values]))
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.integers(1, 300), STRUCT, max_size=6))
def test_a_struct_is_read_as_it_was_written(value: thrift.Struct) -> None:
    struct = dict(sorted(value.items()))
    assert thrift.Reader(thrift.write_struct(struct)).struct() == struct


def test_a_footer_of_polars_is_written_as_it_was_read() -> None:
    file = io.BytesIO()
    pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [[1.5], None]}).write_parquet(file)
    content = file.getvalue()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert thrift.write_struct(thrift.Reader(footer).struct()) == footer
    assert content[-4:] == MAGIC


def test_what_stands_in_no_footer_is_refused() -> None:
    with pytest.raises(ValueError, match="stands in no footer"):
        thrift.Reader(bytes([0x10 | thrift.MAP, 0])).struct()
