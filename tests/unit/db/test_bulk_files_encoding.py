"""Encodings are told by their marks, by proof or by plausibility; a doubtful one is asked for, never guessed."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest

from labelmill.db.bulk.encoding import check_encoding, guess_encoding, show_marks
from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.location import parse_location
from labelmill.errors import BadFile, BadInput

if TYPE_CHECKING:
    from pathlib import Path

# ruff: noqa: RUF001

CHINESE = "作者,內容\n王小明,今天天氣很好，我們一起去公園玩。\n林美麗,這本書的內容非常有趣\n"
SIMPLIFIED = "作者,内容\n王小明,今天天气很好，我们一起去公园玩。\n李华,这本书的内容非常有趣\n"
JAPANESE = "名前,本文\n山田太郎,今日はとても良い天気ですね。\n佐藤花子,カタカナとひらがなの文章です\n"
FRENCH = "nom,texte\nRené,Où est le café ? Ça coûte 5 €\nJürgen,Straße übrigens schön\n"
KOREAN = "이름,본문\n김철수,오늘은 날씨가 아주 좋습니다\n이영희,이 책은 매우 재미있습니다\n"
RUSSIAN = "имя,текст\nИван,сегодня очень хорошая погода\n"


def rows_of(folder: Path, content: bytes, **options) -> tuple[list, object]:
    (folder / "x.csv").write_bytes(content)
    source = open_file(parse_location(str(folder / "x.csv")), options=FileOptions(**options))
    names = [column.name for column in source.table.columns]
    return [tuple(names), *(row for frame in source.read(names) for row in frame.rows())], source


def table_of(text: str) -> list[tuple[str, ...]]:
    return [tuple(line.split(",")) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"), (CHINESE, "utf-8-sig"), (CHINESE, "utf-16"), (CHINESE, "big5"), (SIMPLIFIED, "gb18030"), (SIMPLIFIED, "gb2312"),
        (JAPANESE, "shift_jis"), (JAPANESE, "utf-16"), (FRENCH, "cp1252"), (KOREAN, "utf-8"), (RUSSIAN, "utf-16"),
    ],
)  # fmt: skip
def test_common_encodings_are_told(tmp_path, text, encoding):
    """Text of these languages in these encodings is read as it was written."""
    assert table_of(text) == rows_of(tmp_path, text.encode(encoding))[0]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_names_either_order_of_utf_16(tmp_path, mark):
    """Both byte orders are read by their mark, which is not part of the first name."""
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    assert table_of(CHINESE) == rows_of(tmp_path, mark + CHINESE.encode(encoding))[0]


@pytest.mark.parametrize(
    ("text", "encoding"), [(KOREAN, "euc_kr"), (JAPANESE, "euc_jp"), (RUSSIAN, "cp1251"), ("a,b\n\xff\xfe\x80,1\n", "latin-1")]
)
def test_a_doubtful_encoding_is_asked_for(tmp_path, text, encoding):
    """Where several encodings fit or none does, the file is refused with the option that helps, and that option works."""
    with pytest.raises(BadFile) as caught:
        rows_of(tmp_path, text.encode(encoding))
    assert "--encoding" in caught.value.way_out
    assert caught.value.where.endswith("x.csv")
    assert table_of(text) == rows_of(tmp_path, text.encode(encoding), encoding=encoding)[0]


def test_a_late_character_decides_when_it_comes(tmp_path):
    """Megabytes of ASCII decide nothing: the first other byte does."""
    content = b"name,text\n" + b"plain,text\n" * 500_000 + FRENCH.split("\n", 1)[1].encode("cp1252")
    rows, source = rows_of(tmp_path, content)
    assert table_of(FRENCH)[1:] == rows[-2:]
    assert source.dialect.encoding == "cp1252"


def test_a_few_bad_bytes_do_not_unmake_utf_8(tmp_path):
    """UTF-8 with a broken row stays UTF-8: the row is refused, the rest is not misread as something else."""
    rows, source = rows_of(tmp_path, CHINESE.encode() + b"bad \xff\xfe row,x\n")
    assert table_of(CHINESE) == rows
    assert [(reject.place, reject.text) for reject in source.rejects] == [(4, "bad \\xff\\xfe row,x")]


def test_a_row_with_half_a_character_of_utf_16_is_refused_by_itself(tmp_path):
    """A lone surrogate in UTF-16 costs its row only."""
    rows, source = rows_of(tmp_path, "a,b\n1,2\n".encode("utf-16") + b"\x00\xd8" + ",x\n3,4\n".encode("utf-16-le"))
    assert rows == [("a", "b"), ("1", "2"), ("3", "4")]
    assert [reject.place for reject in source.rejects] == [3]


def test_a_name_that_is_no_encoding_is_refused():
    """Neither unknown names nor Python's byte-to-byte codecs are text encodings."""
    for name in ("klingon", "hex", "", "rot13\0"):
        with pytest.raises(BadInput, match="text encoding"):
            check_encoding(name)


def test_marks_are_shown_as_bytes():
    """Marked bytes can be shown, stored and sent."""
    assert show_marks("a\udcffb\udc80") == "a\\xffb\\x80"


def test_one_accented_name_is_enough():
    """A single byte in one name tells Western European text."""
    assert guess_encoding(b"name,age\nRen\xe9,44\n", "x") == "cp1252"
