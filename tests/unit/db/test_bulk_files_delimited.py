"""CSV and TSV are read as Python's csv module reads them, and what was detected can be seen."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.db.bulk import text_blocks
from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.model import Kind

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
WIDTHS = st.integers(1, 5)


def read(path: Path, columns: list[str] | None = None, **options) -> tuple[list[str], list[tuple], object]:
    source = open_file(parse_location(str(path)), options=FileOptions(**options))
    names = columns or [column.name for column in source.table.columns]
    rows = [row for frame in source.read(names) for row in frame.rows()]
    return names, rows, source


def write(folder: Path, content: str | bytes, name: str = "posts.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def small_chunks(monkeypatch):
    """Blocks of a few bytes, so that rows, line ends and characters lie across their borders."""
    monkeypatch.setattr(text_blocks, "CHUNK", 16)


class TestRoundTrip:
    @settings(max_examples=150, deadline=None)
    @given(
        table=WIDTHS.flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)),
        separator=st.sampled_from(",;\t|"),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        line_end=st.sampled_from(["\n", "\r\n"]),
        chunk=st.sampled_from([7, 64, 1 << 20]),
    )
    def test_any_table_of_text_is_read_back_exactly(self, table, separator, quoting, line_end, chunk):
        """Whatever text the csv module writes, in any quoting and separator, comes back cell for cell, whatever the block size."""
        if quoting == csv.QUOTE_MINIMAL:
            line_end = "\r\n"  # the writer wraps only what stands in its own line end
        width = len(table[0]) if table else 2
        names = [f"column {number}" for number in range(width)]
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows([names, *table])
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            # The header is found in the first block.
            patch.setattr(text_blocks, "CHUNK", max(chunk, len(text.getvalue().splitlines()[0]) * 5 + 10))
            found, rows, source = read(write(Path(folder), text.getvalue()), separator=separator, quoting=True)
        assert (names, [tuple(row) for row in table], 0) == (found, rows, source.rejected)

    @settings(max_examples=80, deadline=None)
    @given(
        lines=st.lists(
            st.lists(
                st.text(st.characters(exclude_characters="\0\r\n,", exclude_categories=["Cs"]), max_size=9),
                min_size=1,
                max_size=4,
            )
        ),
        line_end=st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    )
    def test_the_quick_way_refuses_and_reads_what_the_slow_way_does(self, lines, line_end):
        """Ragged rows, odd quotes, blanks and marks give the same rows and refusals with and without the quick way."""
        content = line_end.join([",".join(line) for line in [["a", "b"], *lines]])
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            path = write(Path(folder), content)
            _, quick, one = read(path, separator=",", quoting=False)
            patch.setattr("labelmill.db.bulk.delimited.DelimitedFile._quick_frame", lambda *_: None)
            _, slow, other = read(path, separator=",", quoting=False)
        assert quick == slow
        assert list(one.rejects) == list(other.rejects)
        assert len(quick) + one.rejected == sum(line != [""] for line in lines)

    @pytest.mark.parametrize("name", ["posts.csv.gz", "posts.tsv.gz"])
    def test_compressed_text_is_read_alike(self, tmp_path, name):
        """A name that ends in .gz is unpacked on the way, and the table's name has neither ending."""
        separator = "\t" if "tsv" in name else ","
        path = write(tmp_path, gzip.compress(f"id{separator}text\n007{separator}x\n".encode()), name)
        _, rows, source = read(path)
        assert (rows, source.table.name) == ([("007", "x")], "posts")


class TestDetection:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_the_separator_is_the_one_that_fits_the_header(self, tmp_path, separator):
        """Other separators inside the text do not mislead."""
        text = "a, b; c | d\te".replace(separator, "")
        path = write(tmp_path, f"id{separator}text\n1{separator}{text}\n2{separator}d\n")
        _, rows, source = read(path)
        assert (separator, 2) == (source.dialect.separator, len(rows))

    @pytest.mark.parametrize(("end", "name"), [("\n", "LF"), ("\r\n", "CR LF"), ("\r", "CR"), ("\r\r\n", "CR CR LF")])
    @pytest.mark.usefixtures("small_chunks")
    def test_every_kind_of_line_end_ends_a_row(self, tmp_path, end, name):
        """Rows and their number do not depend on the line ends, nor on where a block ends."""
        path = write(tmp_path, end.join(["id;text", *(f"{number:03d};text {number}" for number in range(50))]) + end)
        _, rows, source = read(path)
        assert [(f"{number:03d}", f"text {number}") for number in range(50)] == rows
        assert name == source.dialect.line_end

    def test_a_single_column_needs_no_separator(self, tmp_path):
        """A list of names with commas in them stays whole where the header shows that there is one column."""
        _, rows, source = read(write(tmp_path, "name\nCurie, Marie\nNoether, Emmy\n"))
        assert rows == [("Curie, Marie",), ("Noether, Emmy",)]
        assert source.rejected == 0

    def test_stray_quotes_are_text(self, tmp_path):
        """A file whose quotes are odd ones inside unquoted text keeps every row and every quote."""
        lines = ['ham\t"hello', 'spam\tbuy 5" pipes', 'ham\the said "no"', "ham\tplain"]
        _, rows, source = read(write(tmp_path, "\n".join(["label\ttext", *lines]), "sms.tsv"))
        assert [tuple(line.split("\t")) for line in lines] == rows
        assert source.dialect.quoted is False

    def test_wrapping_quotes_are_recognised_beside_a_broken_row(self, tmp_path):
        """One broken row among many wrapped ones does not turn all quotes into text."""
        content = "a,b\n" + '"x","y, z"\n' * 20 + '"x"y,"z"\n' + '"x","y\nz"\n' * 20
        _, rows, source = read(write(tmp_path, content))
        assert rows == [("x", "y, z")] * 20 + [("x", "y\nz")] * 20
        assert [reject.place for reject in source.rejects] == [22]

    @pytest.mark.usefixtures("small_chunks")
    def test_quotes_that_come_late_decide_when_they_come(self, tmp_path):
        """A first quote far into the file is judged by the text around it."""
        _, rows, source = read(write(tmp_path, "a,b\n" + "1,2\n" * 40 + '"3,4",5\n' * 3))
        assert rows == [("1", "2")] * 40 + [("3,4", "5")] * 3
        assert source.dialect.quoted is True

    def test_the_dialect_speaks_to_people(self, tmp_path):
        """What was detected is one readable line."""
        source = read(write(tmp_path, "a\tb\r\n1\t2\r\n", "x.tsv"))[2]
        assert str(source.dialect) == "ASCII, separator tab, no quotes seen, lines end in CR LF"

    def test_options_overrule_detection(self, tmp_path):
        """What the user says is not doubted."""
        path = write(tmp_path, 'a,b\n"1",é\n'.encode("cp1252"))
        _, rows, source = read(path, encoding="latin-1", separator=",", quoting=False)
        assert rows == [('"1"', "é")]
        assert (source.dialect.encoding, source.dialect.quoted) == ("iso8859-1", False)


class TestReading:
    def test_everything_is_text(self, tmp_path):
        """Leading zeros, blanks, empty and odd values stay as they are written."""
        cells = ("007", "1e5", " x ", "", "NULL", "true", "-0", "2020-01-01")
        path = write(tmp_path, ",".join(f"c{number}" for number in range(8)) + "\n" + ",".join(cells) + "\n")
        _, rows, source = read(path)
        assert [cells] == rows
        assert {Kind.TEXT} == {column.kind for column in source.table.columns}

    def test_only_the_columns_asked_for_come_in_the_order_asked(self, tmp_path):
        """Frames hold exactly the columns, in the order of the request."""
        path = write(tmp_path, 'a,b,c\n1,2,3\n4,"5",6\n')
        assert read(path, ["c", "a"])[1] == [("3", "1"), ("6", "4")]

    def test_frames_are_no_larger_than_asked(self, tmp_path):
        """A frame has at most ``batch_rows`` rows, and together they hold all."""
        source = open_file(parse_location(str(write(tmp_path, "a,b\n" + "1,2\n" * 1000))))
        heights = [frame.height for frame in source.read(["a"], batch_rows=300)]
        assert (max(heights), sum(heights)) == (300, 1000)

    def test_blank_lines_are_no_rows(self, tmp_path):
        """Blank lines before, between and after rows are skipped, and counted as lines."""
        _, rows, source = read(write(tmp_path, "\n\na,b\n\n1,2\n\n\n3\n4,5\n\n"))
        assert rows == [("1", "2"), ("4", "5")]
        assert [reject.place for reject in source.rejects] == [8]

    @pytest.mark.usefixtures("small_chunks")
    def test_quoted_line_ends_stay_inside_their_field(self, tmp_path):
        """A quoted field keeps its line ends, of any kind, also across blocks."""
        _, rows, source = read(write(tmp_path, 'a,b\n"one\r\ntwo\rthree\nfour and a half","x"\n5,6\n'), quoting=True)
        assert rows == [("one\r\ntwo\rthree\nfour and a half", "x"), ("5", "6")]
        assert source.rejected == 0

    @pytest.mark.usefixtures("small_chunks")
    def test_line_numbers_count_lines_not_rows(self, tmp_path):
        """A refused row is named by the line that an editor shows, whatever stood before it."""
        _, _, source = read(write(tmp_path, 'a,b\r\n"x\r\ny",2\r\n' * 1 + "3,4\r\n" * 10 + "broken\r\n"), quoting=True)
        assert [reject.place for reject in source.rejects] == [14]

    def test_a_file_without_rows_has_its_columns(self, tmp_path):
        """A header alone is a table without rows."""
        names, rows, _ = read(write(tmp_path, "a,b\n"))
        assert (names, rows) == (["a", "b"], [])

    def test_it_can_be_read_again(self, tmp_path):
        """A second reading gives the same rows and does not count its rejects twice."""
        source = open_file(parse_location(str(write(tmp_path, "a,b\n1,2\n3\n"))))
        first, second = (pl.concat(source.read(["a"])) for _ in range(2))
        assert first.equals(second)
        assert source.rejected == 1

    def test_it_is_not_split(self, tmp_path):
        """Text has no parts: whoever needs them spools it."""
        with open_file(parse_location(str(write(tmp_path, "a,b\n1,2\n")))) as source:
            assert source.plan(10) is None
