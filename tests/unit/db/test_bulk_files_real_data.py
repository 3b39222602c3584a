"""Public data sets, with all their oddities, are read to the row. Each test makes a file of the same kind where the data is missing."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest

from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import parse_location

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
CORPUS = "chinese_names_corpus/{}.txt.gz"

FILES = {
    "banking77/train.csv.gz": (10_003, 2, ",", True, "CR LF"),
    "banking77/test.csv.gz": (3_080, 2, ",", True, "CR LF"),
    "sms_spam/SMSSpamCollection.tsv.gz": (5_574, 2, "\t", False, "LF"),
    "dynamos/Personen_UVA.csv.gz": (18_026, 8, ";", None, "CR CR LF"),
    "dynamos/Personen_VU.csv.gz": (16_217, 8, ";", None, "CR CR LF"),
    "dynamos/Aanstellingen_UVA.csv.gz": (18_639, 13, ";", None, "CR"),
    "dynamos/Aanstellingen_VU.csv.gz": (16_626, 13, ";", None, "CR"),
    "adult_arx/adult.csv.gz": (30_162, 9, ";", None, "CR LF"),
    "bad_inputs/cr_only_line_ends.csv": (200, 13, ";", None, "CR"),
    "bad_inputs/crcrlf_line_ends.csv": (200, 8, ";", None, "CR CR LF"),
    "bad_inputs/sms_stray_quotes.tsv": (145, 2, "\t", False, "LF"),
    "bad_inputs/sms_non_ascii.tsv": (200, 2, "\t", True, "LF"),
    "ssa_names/name_totals.csv.gz": (100_360, 4, ",", None, "LF"),
    "crowd/hit_spam_crowdflower_labels.csv.gz": (42_762, 3, ",", None, "LF"),
}


def stand_in(folder: Path, name: str) -> Path:
    """Return the file itself, or one of the same dialect and size."""
    if (DATA / name).exists():
        return DATA / name
    rows, width, separator, quoted, line_end = FILES[name]
    end = line_end.replace("CR", "\r").replace("LF", "\n").replace(" ", "")
    inside = end if end == "\r\n" else separator
    cell = {True: f'"x{inside}yz"', False: '"the x', None: "0007"}[quoted]
    plain = separator.join(["a", *["b"] * (width - 1)])
    odd = separator.join([cell, *["b"] * (width - 1)])
    header = separator.join(f"column{number}" for number in range(width))
    content = (end.join([header, odd, *[plain] * (rows - 1)]) + end).encode()
    path = folder / Path(name).name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_read_and_the_dialect_is_found(tmp_path, name):
    """Row count, column count and dialect are those that people counted; nothing is refused."""
    source = open_file(parse_location(str(stand_in(tmp_path, name))))
    names = [column.name for column in source.table.columns]
    rows = sum(frame.height for frame in source.read(names))
    dialect = source.dialect
    assert FILES[name] == (rows, len(names), dialect.separator, dialect.quoted, dialect.line_end)
    assert source.rejected == 0


@pytest.mark.parametrize("name", ["banking77/train.csv.gz", "adult_arx/adult.csv.gz", "ssa_names/name_totals.csv.gz"])
def test_every_cell_is_that_of_the_csv_module(tmp_path, name):
    """Well-formed files are read cell for cell as Python's own reader reads them."""
    path = stand_in(tmp_path, name)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=FILES[name][2])
    source = open_file(parse_location(str(path)))
    assert [tuple(row) for row in rows] == [row for frame in source.read(header) for row in frame.rows()]


def test_stray_quotes_swallow_nothing(tmp_path):
    """Each line of the short messages is one row, its quotes kept."""
    path = stand_in(tmp_path, "sms_spam/SMSSpamCollection.tsv.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1:-1]
    names = [column.name for column in open_file(parse_location(str(path))).table.columns]
    rows = [row for frame in open_file(parse_location(str(path))).read(names) for row in frame.rows()]
    assert [tuple(line.rstrip("\r").split("\t")) for line in lines] == rows


@pytest.mark.parametrize(
    ("name", "rows"), [("ancient_names_25w", 255_353), ("english_names_2w", 29_718), ("japanese_names_18w", 172_414)]
)
def test_name_lists_are_one_column_of_text(tmp_path, name, rows):
    """A mark, CR LF and a preamble: every line that is not blank is a row under the first."""
    source = DATA / CORPUS.format(name)
    text = gzip.decompress(source.read_bytes()) if source.exists() else ("\ufeffnames\r\n" + "王小明\r\n\r\n" * rows).encode()
    (tmp_path / "names.csv").write_bytes(text)
    opened = open_file(parse_location(str(tmp_path / "names.csv")))
    [column] = opened.table.columns
    assert rows == sum(frame.height for frame in opened.read([column.name]))
    assert not column.name.startswith("\ufeff")


@pytest.mark.parametrize(
    ("name", "encoding"), [("ancient_names_25w", "gb2312"), ("ancient_names_25w", "big5"), ("japanese_names_18w", "shift_jis")]
)
def test_name_lists_in_old_encodings_are_told(tmp_path, name, encoding):
    """Hundreds of thousands of real names, written in an old encoding, are recognised and read without loss."""
    source = DATA / CORPUS.format(name)
    made = "name\n" + ("王小明\n林美麗\n" if encoding != "shift_jis" else "山田太郎\n佐藤花子\n") * 500
    text = gzip.decompress(source.read_bytes()).decode("utf-8-sig") if source.exists() else made
    lines = [line for line in text.encode(encoding, "ignore").decode(encoding).splitlines() if line.strip()]
    (tmp_path / "names.csv").write_bytes("\n".join(lines).encode(encoding))
    opened = open_file(parse_location(str(tmp_path / "names.csv")))
    [column] = opened.table.columns
    names = [name for frame in opened.read([column.name]) for name in frame[column.name]]
    assert lines == [column.name, *names]


def test_names_by_year_are_read_in_parts(tmp_path):
    """Two million rows of Parquet come in parts that together hold each row."""
    path, rows = DATA / "ssa_names" / "names_by_year.parquet", 2_020_273
    if not path.exists():
        path = tmp_path / "names.parquet"
        pl.DataFrame({"name": ["Mary"] * rows, "count": range(rows)}).write_parquet(path)
    source = open_file(parse_location(str(path)))
    parts = source.plan(250_000)
    assert (9, rows, rows) == (len(parts), source.table.rows, sum(part.rows for part in parts))
    assert rows == sum(frame.height for part in parts for frame in source.read(["name", "count"], part))


def test_a_table_written_with_stray_line_ends_can_be_made_without_the_data():
    """The stand-ins are of the dialects that they stand for."""
    assert {separator for _, _, separator, _, _ in FILES.values()} == {",", ";", "\t"}
    assert io.StringIO("a\r\r\n", newline="").readline() == "a\r"
