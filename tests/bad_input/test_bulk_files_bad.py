"""Bad files of rows: each is refused with its place and the way out, or costs exactly its bad rows."""

from __future__ import annotations

import codecs
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pytest

from labelmill.db.bulk import text_blocks
from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.location import parse_location
from labelmill.errors import BadFile, BadInput, BadSource, LabelmillError, TooLarge
from rights import as_nobody


def put(folder, content: str | bytes, name: str = "x.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, **options) -> tuple[list[tuple], list[tuple[int, str]]]:
    source = open_file(parse_location(str(path)), options=FileOptions(**options))
    names = [column.name for column in source.table.columns]
    rows = [row for frame in source.read(names) for row in frame.rows()]
    assert source.rejected == len(source.rejects)
    assert all(reject.reason for reject in source.rejects)
    return rows, [(reject.place, reject.text) for reject in source.rejects]


def refused(path, kind: type[LabelmillError], words: str, **options) -> LabelmillError:
    """Return the error, after checking its class, words, place, way out and time."""
    begun = time.process_time()
    with pytest.raises(kind, match=words) as caught:
        read(path, **options)
    assert time.process_time() - begun < 5
    assert str(path) in caught.value.where
    assert caught.value.way_out
    return caught.value


def outcome(path) -> tuple[int | None, int | None, LabelmillError | None]:
    """Return the rows that a file claims and those that can be read, or the error."""
    claimed = found = None
    try:
        source = open_file(parse_location(str(path)))
        claimed = source.table.rows
        found = sum(frame.height for frame in source.read([column.name for column in source.table.columns]))
    except LabelmillError as error:
        return claimed, None, error
    return claimed, found, None


class TestNoFile:
    @pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
    def test_a_missing_file_is_named(self, tmp_path, ending):
        refused(tmp_path / f"x.{ending}", BadSource, "no such file")

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
    def test_a_folder_is_no_file(self, tmp_path, ending):
        (tmp_path / f"x.{ending}").mkdir()
        refused(tmp_path / f"x.{ending}", BadSource, "folder")

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz"])
    def test_an_empty_file_is_refused(self, tmp_path, ending):
        refused(put(tmp_path, "", f"x.{ending}"), BadFile, "empty")

    @pytest.mark.skipif(os.name != "posix", reason="rights of this kind are POSIX's")
    @pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o755, 0o000), (0o000, 0o644)])
    def test_a_file_without_permission_is_named(self, folder_mode, file_mode):
        """Neither a file nor a folder that may not be read is mistaken for a missing one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = put(folder, "a\n1\n")
            path.chmod(file_mode)
            folder.chmod(folder_mode)
            try:
                with as_nobody():
                    refused(path, BadSource, "may not be read")
            finally:
                folder.chmod(0o755)

    def test_a_loop_of_links_is_an_error_of_the_system(self, tmp_path):
        (tmp_path / "x.csv").symlink_to(tmp_path / "x.csv")
        refused(tmp_path / "x.csv", LabelmillError, "cannot be read")

    def test_an_unknown_ending_lists_the_known_ones(self):
        with pytest.raises(BadSource) as caught:
            parse_location("x.xlsx.gz")
        assert ".csv" in caught.value.way_out


class TestText:
    def test_blank_lines_are_no_file_of_rows(self, tmp_path):
        refused(put(tmp_path, "\n\r\n  \n"), BadFile, "blank")

    @pytest.mark.parametrize(
        ("header", "words"), [("a,b,a", "Columns 1 and 3"), ("a,,b", "Column 2"), ("a,b,", "Column 3"), ('a," "', "Column 2")]
    )
    def test_odd_headers_are_named_by_their_place(self, tmp_path, header, words):
        refused(put(tmp_path, header + "\n1,2,3\n"), BadFile, words)

    def test_a_header_with_broken_quotes_is_refused(self, tmp_path):
        refused(put(tmp_path, '"a,b\n1,2\n'), BadFile, "header", separator=",", quoting=True)

    def test_too_many_columns_are_refused(self, tmp_path):
        names = ",".join(f"c{number}" for number in range(10_001))
        refused(put(tmp_path, names + "\n"), TooLarge, "10,001 columns")

    def test_ragged_rows_cost_only_themselves(self, tmp_path):
        rows, rejects = read(put(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n"))
        assert rows == [("1", "2"), ("7", "8")]
        assert rejects == [(3, "3"), (4, "4,5,6")]

    def test_a_missing_and_a_surplus_separator_do_not_cancel_out(self, tmp_path):
        rows, rejects = read(put(tmp_path, "a,b\n1,2\n3\n4,5,6\n"))
        assert (rows, len(rejects)) == ([("1", "2")], 2)

    def test_a_row_with_nul_is_refused_by_itself(self, tmp_path):
        rows, rejects = read(put(tmp_path, "a,b\n1,2\nx\0y,3\n4,5\n"))
        assert rows == [("1", "2"), ("4", "5")]
        assert [place for place, _ in rejects] == [3]

    @pytest.mark.parametrize("chunk", [16, 1 << 20])
    def test_a_quote_that_is_never_closed_does_not_swallow_rows(self, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(text_blocks, "CHUNK", chunk)
        rows, rejects = read(put(tmp_path, 'a,b\n"1",2\n"open,3\n' + "4,5\n" * 20), quoting=True)
        assert rows == [("1", "2")] + [("4", "5")] * 20
        assert rejects == [(3, '"open,3')]

    def test_a_broken_multi_line_row_makes_no_false_rows(self, tmp_path):
        rows, rejects = read(put(tmp_path, 'a,b\n"multi\nline"x,b\n1,2\n'), quoting=True)
        assert rows == [("1", "2")]
        assert [place for place, _ in rejects] == [2, 3]

    def test_many_open_quotes_take_linear_time(self, tmp_path):
        content = "a,b\n" + ('"x,1\n' + "2,3\n" * 50) * 2_000
        begun = time.process_time()
        rows, rejects = read(put(tmp_path, content), quoting=True)
        assert time.process_time() - begun < 5
        assert len(rows) + len(rejects) >= 100_000

    def test_a_huge_field_is_refused_by_itself(self, tmp_path):
        rows, rejects = read(put(tmp_path, "a,b\n1,2\n" + "x" * 10_000_001 + ",3\n4,5\n"))
        assert rows == [("1", "2"), ("4", "5")]
        assert rejects == [(3, "x" * 500)]

    def test_an_open_quote_before_millions_of_rows_stays_small(self, tmp_path):
        """A quote is given up after as many lines as a row may have, and the lines that it had swallowed come in frames."""
        path = put(tmp_path, b'a,b\n"x,1\n' + b"2,3\n" * 4_000_000)
        answer = subprocess.run([sys.executable, "-c", OPEN_QUOTE, str(path)], capture_output=True, text=True, check=True)
        rows, rejected, megabytes = map(int, answer.stdout.split())
        assert (rows, rejected) == (4_000_000, 1)
        assert megabytes < 300

    def test_a_line_without_end_is_refused(self, tmp_path):
        refused(put(tmp_path, b"a,b\n" + b"x" * 40_000_000), TooLarge, "longer than")

    def test_a_compressed_line_without_end_stays_small(self, tmp_path):
        refused(
            put(tmp_path, gzip.compress(b"a,b\n" + b"\0" * 400_000_000, 1, mtime=0), "x.csv.gz"),
            LabelmillError,
            "NUL|longer than",
        )

    @pytest.mark.parametrize(
        "content",
        [
            gzip.compress(b"a,b\n" + bytes(random.Random(5).randbytes(9000)).hex().encode(), mtime=0)[:-3000],
            b"no gzip",
            gzip.compress(b"a\n1\n", mtime=0)[:-8],
        ],
    )
    def test_damaged_gzip_is_named(self, tmp_path, content):
        refused(put(tmp_path, content, "x.csv.gz"), BadFile, "gzip")

    def test_utf_16_without_a_mark_says_which(self, tmp_path):
        error = refused(put(tmp_path, "a,b\n1,2\n".encode("utf-16-le")), BadFile, "NUL")
        assert "--encoding utf-16-le" in error.way_out

    @pytest.mark.parametrize(
        "content",
        [
            codecs.BOM_UTF16_LE + b"id,text\n1,hello world\n2,more\n",
            codecs.BOM_UTF16_BE + "id,text\n1,hello\n2,more\n".encode("utf-16-le"),
        ],
    )
    def test_a_mark_of_utf16_before_other_text_is_no_file_without_rows(self, tmp_path, content):
        """Decoded by its mark all of it is one long name of a column: a run would read nothing and call it done."""
        error = refused(put(tmp_path, content), BadFile, "no line ends")
        assert "UTF-8" in error.way_out

    def test_a_header_alone_in_utf16_has_no_rows(self, tmp_path):
        assert read(put(tmp_path, "id,text".encode("utf-16"))) == ([], [])

    @pytest.mark.parametrize("separator", ["", ",,", '"', "\n", "é"])
    def test_what_cannot_separate_is_refused(self, tmp_path, separator):
        with pytest.raises(BadInput, match="separate") as caught:
            read(put(tmp_path, "a,b\n"), separator=separator)
        assert caught.value.way_out

    def test_text_options_for_other_formats_are_refused(self, tmp_path):
        refused(put(tmp_path, '{"a":1}\n', "x.jsonl"), BadInput, "mean nothing", encoding="big5")

    def test_invisible_characters_are_kept(self, tmp_path):
        """What to do with them is decided where labels are made, not where text is read."""
        assert read(put(tmp_path, "a,b\na\u200bb,\u202edcba\n"))[0] == [("a\u200bb", "\u202edcba")]


class TestJson:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (b'{"a":NaN}', "JSON"), (b'{"a":Infinity}', "JSON"), (b'{"a":-Infinity}', "JSON"), (b'{"a":1e999}', "infinity"), (b'{"a":1', "JSON"),
            (b'{"a":1,"a":2}', "twice"), (b'{"a":1,"a" :2}', "twice"), (b'{"b":{"c":1,"c":2}}', "twice"), (b'{"a":"\\ud800"}', "surrogate"),
            (b'{"a":"\xff"}', "JSON"), (b"[1]", "array"), (b"1", "number"), (b'"x"', "string"), (b"null", "null"), (b"true", "boolean"),
            (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "depth"), (b'{"a":"x\0"}', "JSON"), (b"\0", "JSON"),
        ],
    )  # fmt: skip
    def test_one_bad_line_of_many_costs_only_itself(self, tmp_path, line, words):
        path = put(tmp_path, b'{"a":1}\n' * 40_000 + line + b'\n{"a":2}\n', "x.jsonl")
        source = open_file(parse_location(str(path)))
        values = [value for frame in source.read(["a"]) for value in frame["a"]]
        assert values == [1] * 40_000 + [2]
        [reject] = source.rejects
        assert reject.place == 40_001
        assert words in reject.reason

    def test_deep_nesting_that_the_quick_parser_allows_is_read_or_refused(self, tmp_path):
        nested = '{"a":' * 900 + "1" + "}" * 900
        source = open_file(parse_location(str(put(tmp_path, '{"a":"x"}\n' + nested + "\n", "x.jsonl"))))
        assert sum(frame.height for frame in source.read(["a"])) + source.rejected == 2

    @pytest.mark.parametrize("content", ['[\n{"a":1},\n{"a":2}\n]\n', '[{"a":1}]', "a,b\n1,2\n", "\n\n"])
    def test_a_file_without_any_object_is_refused(self, tmp_path, content):
        refused(
            put(tmp_path, content.replace('{"a":1},', '{"a":1},,').replace('{"a":2}', '{"a":2},'), "x.jsonl"),
            BadFile,
            "No line is a JSON object",
        )

    def test_utf_16_is_refused(self, tmp_path):
        refused(put(tmp_path, '{"a":1}\n'.encode("utf-16"), "x.jsonl"), BadFile, "UTF-16")

    def test_too_many_keys_are_refused(self, tmp_path):
        content = "".join(f'{{"k{number}":1}}\n' for number in range(10_001))
        refused(put(tmp_path, content, "x.jsonl"), TooLarge, "keys")

    def test_a_line_without_end_is_refused(self, tmp_path):
        refused(put(tmp_path, b'{"a":"' + b"x" * 40_000_000, "x.jsonl"), TooLarge, "longer than")


class TestParquet:
    @pytest.fixture
    def whole(self, tmp_path) -> bytes:
        frame = pl.DataFrame({"id": range(20_000), "author": [f"name {number * 7919 % 10007}" for number in range(20_000)]})
        frame.write_parquet(tmp_path / "whole.parquet", row_group_size=5_000)
        return (tmp_path / "whole.parquet").read_bytes()

    @pytest.mark.parametrize("keep", [0.01, 0.5, 0.99])
    def test_a_truncated_file_is_refused(self, tmp_path, whole, keep):
        refused(put(tmp_path, whole[: int(len(whole) * keep)], "x.parquet"), BadFile, "cut off")

    @pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PK\x03\x04", b"P", b"PAR", b"PAR1"])
    def test_other_bytes_are_no_parquet(self, tmp_path, content):
        refused(put(tmp_path, content, "x.parquet"), BadFile, "not a Parquet file|cannot be read")

    @pytest.mark.parametrize("length", [0, 1, 1_000, 2**31 - 1, 2**32 - 1])
    def test_a_lying_footer_length_is_refused(self, tmp_path, whole, length):
        refused(put(tmp_path, whole[:-8] + length.to_bytes(4, "little") + b"PAR1", "x.parquet"), BadFile, "footer")

    def test_an_encrypted_file_says_so(self, tmp_path, whole):
        refused(put(tmp_path, whole[:-4] + b"PARE", "x.parquet"), BadFile, "encrypted")

    def test_changed_footers_are_refused_or_read_whole(self, tmp_path, whole):
        """Each byte of the footer set to something else gives an error of ours, or the number of rows that the file says."""
        size = int.from_bytes(whole[-8:-4], "little")
        for place in range(len(whole) - 8 - size, len(whole) - 8, 7):
            content = bytearray(whole)
            content[place] ^= 0x55
            path = put(tmp_path, bytes(content), "x.parquet")
            claimed, found, error = outcome(path)
            assert found == claimed if error is None else (str(path) in error.where and error.way_out)

    def test_changed_pages_are_refused_or_read_whole(self, tmp_path, whole):
        """Damage in the data is an error that names the rows, never fewer rows."""
        for place in range(4, len(whole) // 2, 1999):
            path = put(tmp_path, whole[:place] + b"\xff" * 8 + whole[place + 8 :], "x.parquet")
            _, found, error = outcome(path)
            assert found == 20_000 if error is None else str(path) in error.where

    def test_a_decompression_bomb_is_refused_before_it_is_decoded(self, tmp_path):
        """A page of 200 MB in a few kB is refused in a process that may not take 300 MB more than it has."""
        pl.DataFrame({"a": ["x" * 200_000_000]}).write_parquet(tmp_path / "x.parquet")
        assert (tmp_path / "x.parquet").stat().st_size < 1_000_000
        before = _peak_megabytes()
        refused(tmp_path / "x.parquet", TooLarge, "unpacks to 200,")
        assert _peak_megabytes() - before < 50

    def test_too_many_columns_are_refused(self, tmp_path):
        pl.DataFrame({f"c{number}": [1] for number in range(10_001)}).write_parquet(tmp_path / "x.parquet")
        refused(tmp_path / "x.parquet", TooLarge, "10,001 columns")


def _peak_megabytes() -> int:
    resource = pytest.importorskip("resource")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


OPEN_QUOTE = """
import resource, sys
from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.location import parse_location
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_file(parse_location(sys.argv[1]), options=FileOptions(quoting=True))
rows = sum(frame.height for frame in source.read(["a", "b"]))
print(rows, source.rejected, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024)
"""

FULL_DISK = """
import resource, sys
from pathlib import Path
import polars as pl
from labelmill.db.bulk import sink
from labelmill.errors import Unavailable
path, sink.PIECE_BYTES = Path(sys.argv[1]), int(sys.argv[2])
path.write_text("old")
frames = [pl.DataFrame({"a": [f"{number * 7919:x}" for number in range(start, start + 50_000)]}) for start in range(0, 500_000, 50_000)]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    sink.write_file(path, frames, pl.Schema({"a": pl.String}), overwrite=True)
except Unavailable as error:
    assert error.way_out and str(path) == error.where, error
    print(path.read_text(), [each.name for each in path.parent.iterdir()])
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit on file sizes is POSIX's")
@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl"])
@pytest.mark.parametrize("piece_bytes", [100_000, 1 << 30])
def test_p12_a_full_disk_leaves_the_old_file_whole(tmp_path, ending, piece_bytes):
    """Where there is no room, the error says so, the old file is whole and nothing else is left."""
    path = tmp_path / f"out.{ending}"
    answer = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(piece_bytes)], capture_output=True, text=True, check=False
    )
    assert answer.stdout.strip() == f"old ['{path.name}']", answer.stderr[-2000:]
