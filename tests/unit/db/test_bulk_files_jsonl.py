"""JSON Lines keep the kinds of their values, and no key is lost however late it turns up."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.db.bulk import jsonl, text_blocks
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.model import Kind
from labelmill.errors import BadSource

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = {
    Kind.TEXT: TEXT,
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.REAL: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
}


def open_lines(folder: Path, content: str | bytes, name: str = "x.jsonl"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_file(parse_location(str(path)))


def column(source, name: str) -> list:
    return [value for frame in source.read([name]) for value in frame[name].to_list()]


@settings(max_examples=120, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({}, optional={kind.value: st.none() | values for kind, values in VALUES.items()}),
        min_size=1,
        max_size=12,
    ),
    spaces=st.booleans(),
    ascii_only=st.booleans(),
    chunk=st.sampled_from([5, 1 << 20]),
)
def test_any_rows_are_read_back_exactly(rows, spaces, ascii_only, chunk):
    """Whatever Python's json module writes, one object a line, comes back value for value and kind for kind."""
    separators = (", ", " : ") if spaces else (",", ":")
    content = "".join(json.dumps(row, separators=separators, ensure_ascii=ascii_only) + "\n" for row in rows)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_blocks, "CHUNK", chunk)
        patch.setattr(jsonl, "_BLOCK_ROWS", 3)
        source = open_lines(Path(folder), content)
        keys = [known.name for known in source.table.columns]
        found = {key: column(source, key) for key in keys}
    assert {key for row in rows for key in row} == set(keys)
    assert {key: [row.get(key) for row in rows] for key in keys} == found
    for known in source.table.columns:
        if any(row.get(known.name) is not None for row in rows):
            assert known.name == known.kind.value


def test_a_key_of_the_last_row_is_a_column(tmp_path):
    """A key that turns up after a hundred thousand rows can be asked for."""
    source = open_lines(tmp_path, '{"a":1}\n' * 100_000 + '{"a":2,"late":"here"}\n')
    assert [known.name for known in source.table.columns] == ["a", "late"]
    assert column(source, "late") == [None] * 100_000 + ["here"]
    assert source.table.rows == 100_001


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        (["1", "2.5"], Kind.REAL, [1.0, 2.5]),
        (["1", '"x"'], Kind.TEXT, ["1", "x"]),
        (["true", "1"], Kind.TEXT, ["true", "1"]),
        (["9007199254740993", "0.5"], Kind.TEXT, ["9007199254740993", "0.5"]),
        (["1", "18446744073709551616"], Kind.TEXT, ["1", "18446744073709551616"]),
        (["1", "9223372036854775808"], Kind.TEXT, ["1", "9223372036854775808"]),
        (["9223372036854775807", "-9223372036854775808"], Kind.INTEGER, [2**63 - 1, -(2**63)]),
        (['{"b":[1,"é"]}', "null", "[]"], Kind.OTHER, ['{"b":[1,"é"]}', None, "[]"]),
        (['{"b":1}', '"x"'], Kind.TEXT, ['{"b":1}', "x"]),
        (["null", "null"], Kind.TEXT, [None, None]),
        (['"007"', '"1"'], Kind.TEXT, ["007", "1"]),
        (["1" * 300, "2"], Kind.TEXT, ["1" * 300, "2"]),
    ],
)
def test_values_keep_their_kind_or_become_text(tmp_path, values, kind, found):
    """A column of one kind keeps it; mixed kinds, and numbers that 64 bits cannot hold, come as text without loss."""
    source = open_lines(tmp_path, "".join(f'{{"a":{value}}}\n' for value in values))
    assert (kind, found) == (source.table.column("a").kind, column(source, "a"))


def test_a_kind_that_changes_late_changes_the_whole_column(tmp_path):
    """Every frame has the same type, also when the odd value stands at the end."""
    source = open_lines(tmp_path, '{"a":1}\n' * 70_000 + '{"a":"x"}\n')
    schemas = {str(frame.schema) for frame in source.read(["a"])}
    assert len(schemas) == 1
    assert column(source, "a")[-2:] == ["1", "x"]


def test_marks_blank_lines_and_line_ends_do_not_matter(tmp_path):
    """A byte-order mark, CR LF, blank lines and a missing last line end change nothing."""
    source = open_lines(tmp_path, b'\xef\xbb\xbf{"a":"x"}\r\n\r\n{"a":"y"}\r\n   \n{"a":"z"}')
    assert column(source, "a") == ["x", "y", "z"]
    assert source.rejected == 0


def test_keys_and_colons_inside_strings_are_no_keys(tmp_path):
    """Text that looks like JSON inside a string is text."""
    text = 'say ":" and "a": 1'
    assert [text, text] == column(open_lines(tmp_path, (json.dumps({"a": text}) + "\n") * 2), "a")


def test_compressed_lines_are_read_alike(tmp_path):
    """A name that ends in .jsonl.gz is unpacked on the way."""
    source = open_lines(tmp_path, gzip.compress(b'{"a":1}\n'), "x.jsonl.gz")
    assert (source.table.name, column(source, "a")) == ("x", [1])


def test_frames_are_no_larger_than_asked(tmp_path):
    """A frame has at most ``batch_rows`` rows."""
    source = open_lines(tmp_path, '{"a":1,"b":2}\n' * 1000)
    assert [frame.height for frame in source.read(["b"], batch_rows=400)] == [400, 400, 200]


def test_an_unknown_column_is_refused_with_the_known_ones(tmp_path):
    """The error lists what there is."""
    source = open_lines(tmp_path, '{"a":1}\n')
    with pytest.raises(BadSource, match="no column 'b'") as caught:
        list(source.read(["b"]))
    assert "a" in caught.value.way_out


def test_it_is_not_split(tmp_path):
    """Lines have no parts: whoever needs them spools the file."""
    assert open_lines(tmp_path, '{"a":1}\n').plan(1) is None
