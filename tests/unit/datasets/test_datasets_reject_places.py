"""A row that is left out is listed with its line, whatever is wrong with it: one list must not count in two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import xlsxwriter

from labelmill.datasets import imports
from labelmill.datasets.mapping import Mapping
from labelmill.db.bulk import delimited
from labelmill.db.bulk.files import FileOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROKEN_JSON = b'{"id":1,"text":"a"}\n{"id":2,"te\n\n[1]\n{"id":5,"text":" "}\n{"id":6,"text":"b"}\n{"id":7}\n'


def _places(path: Path, options: FileOptions | None = None) -> tuple[list[int], list[int]]:
    """Return where the records stand, and where what is left out does."""
    found = list(imports.read(path, Mapping(columns=("text",), id_column="id"), options))
    records = [place for each in found for place in each.frame["place"].to_list()]
    return records, sorted(reject.place for each in found for reject in each.rejects)


@pytest.mark.parametrize(
    ("content", "records", "left_out"),
    [
        pytest.param(b"id,text\n1,a\n2,\n3,b\n4,  \n", [2, 4], [3, 5], id="nothing-odd"),
        pytest.param(b"id,text\r\n\r\n1,a\r\n\r\n2,\r\n3,b", [3, 6], [5], id="blank-lines"),
        pytest.param(b'id,text\n1,"two\nlines"\n\n2,\n3,"b"\n', [2, 6], [5], id="rows-of-several-lines"),
        pytest.param(b'id,text\n1,"two\nlines"\n2,a,b\n3,\n\n4,"b"\n', [2, 7], [4, 5], id="rows-of-two-kinds-of-fault"),
        pytest.param(b'id,text\r1,"a"\r2,\r3,b\r', [2, 4], [3], id="ends-of-old"),
        pytest.param(b"id,text\r\r\n1,a\r\r\n2,\r\r\n", [2], [3], id="three-characters-to-an-end"),
    ],
)
def test_a_text_files_rows_are_named_by_their_lines(
    tmp_path: Path, content: bytes, records: list[int], left_out: list[int]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert _places(path) == (records, left_out)


def test_lines_are_counted_on_from_block_to_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    lines = [f'{number},"a\nb"\n' if number % 3 else f"{number},c\n" for number in range(1, 200)]
    path.write_text(f"id,text\n{''.join(lines)}200,\n201,z\n")
    blocks = delimited.TextBlocks

    class Small(blocks):
        def __iter__(self) -> Iterator[str]:
            for block in super().__iter__():
                cut = [each + "\n" for each in block.split("\n")[:-1]]
                yield from ("".join(cut[start : start + 7]) for start in range(0, len(cut), 7))

    monkeypatch.setattr(delimited, "TextBlocks", Small)
    records, left_out = _places(path, FileOptions(quoting=True))
    assert left_out == [2 + sum(line.count("\n") for line in lines)]
    assert (len(records), records[-1] - left_out[0], records == sorted(set(records))) == (len(lines) + 1, 1, True)


def test_json_lines_are_named_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(BROKEN_JSON)
    assert _places(path) == ([1, 6], [2, 4, 5, 7])


def test_a_sheets_rows_are_named_as_the_sheet_names_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for row, cells in {0: ("id", "text"), 1: ("1", "a"), 3: ("2", " "), 4: ("3", "b")}.items():
            sheet.write_row(row, 0, cells)
    assert _places(path) == ([2, 5], [4])
