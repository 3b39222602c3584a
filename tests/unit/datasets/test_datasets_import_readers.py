"""What readers make of files: every cell as it stands, good rows in, bad rows listed, and no file that harms."""

from __future__ import annotations

import json
import tracemalloc
import zipfile

import polars as pl
import pytest

from import_samples import DATA, write_xlsx
from labelmill.datasets import imports
from labelmill.datasets.imports import LabelUse, Mapping
from labelmill.datasets.model import RecordKind
from labelmill.datasets.readers import open_rows
from labelmill.db.bulk.files import FileOptions
from labelmill.errors import BadFile, BadInput, BadSource, TooLarge


def rows_of(path, **options):
    """Return the format, the rows and the refused places of a file."""
    opened = open_rows(path, FileOptions(**options) if options else None)
    with opened.source as source:
        names = [column.name for column in source.table.columns]
        rows = [row for frame in source.read(names) for row in frame.to_dicts()]
        return opened.format, rows, [(reject.place, reject.reason) for reject in source.rejects]


def read_all(path, mapping):
    """Return all rows of a file as records, and all that are none."""
    found = list(imports.read(path, mapping))
    frame = pl.concat([each.frame for each in found])
    return imports.Mapped(frame=frame, rejects=[reject for each in found for reject in each.rejects])


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_l1_column_json_keeps_its_texts_verbatim_and_its_order(tmp_path):
    text = '{"data":{"0":"007","10":"1.50","2":" a \\n b "},"label":{"0":"good","2":"bad"}}'
    form, rows, rejects = rows_of(write(tmp_path / "init.json", text))
    assert (form, rejects) == ("column-json", [])
    assert rows == [
        {"data": "007", "label": "good"},
        {"data": "1.50", "label": None},
        {"data": " a \n b ", "label": "bad"},
    ]


def test_column_json_of_numbers_is_text_as_written(tmp_path):
    _, rows, _ = rows_of(write(tmp_path / "a.json", '{"data":{"0":7,"1":true,"2":[1,"x"]}}'))
    assert [row["data"] for row in rows] == ["7", "true", '[1,"x"]']


def test_column_json_with_rows_that_the_first_column_lacks_lists_them(tmp_path):
    _, rows, rejects = rows_of(write(tmp_path / "a.json", '{"data":{"0":"x"},"label":{"0":"a","5":"b"}}'))
    assert (len(rows), rejects) == (1, [(0, "the first column has no row of this name")])


@pytest.mark.parametrize(
    "text",
    [
        '{"data":{"0":"x","0":"y"}}',
        '{"data":["x"]}',
        "{}",
        '{"data":{"0":NaN}}',
        '{"data":{"0":"\\ud800"}}',
        "{",
        "7",
        "",
        "[[[[",
    ],
)
def test_json_that_is_no_table_is_refused(tmp_path, text):
    with pytest.raises((BadFile, BadSource)):
        rows_of(write(tmp_path / "a.json", text))


def test_an_array_is_read_element_by_element(tmp_path):
    text = '\ufeff [ {"text":"007","n":1},\r\n {"text":"ü\\n","n":2.5} , {"text":null} ] \n'
    form, rows, rejects = rows_of(write(tmp_path / "a.json", text))
    assert (form, rejects) == ("json", [])
    assert rows == [{"text": "007", "n": 1.0}, {"text": "ü\n", "n": 2.5}, {"text": None, "n": None}]


def test_an_array_of_texts_is_one_column(tmp_path):
    assert rows_of(write(tmp_path / "a.json", '["007", "b"]'))[1] == [{"text": "007"}, {"text": "b"}]


def test_elements_that_are_no_sound_objects_are_refused_by_themselves(tmp_path):
    text = '[{"a":1},{"a":NaN},{"a":1,"a":2},7,{"a":"\\ud800"},{"a":3}]'
    _, rows, rejects = rows_of(write(tmp_path / "a.json", text))
    assert [row["a"] for row in rows] == [1, 3]
    assert [place for place, _ in rejects] == [2, 3, 4, 5]


def test_bytes_that_are_not_utf_8_refuse_their_element_only(tmp_path):
    _, rows, rejects = rows_of(write(tmp_path / "a.json", b'[{"a":"x"},{"a":"\xff"},{"a":"y"}]'))
    assert ([row["a"] for row in rows], [place for place, _ in rejects]) == (["x", "y"], [2])


@pytest.mark.parametrize("text", ['[{"a":1}', '[{"a":1} {"a":2}]', '[{"a":1}]x', '[{"a":}]', "[" * 5000 + "]" * 5000])
def test_an_array_that_is_not_well_formed_is_refused_with_its_place(tmp_path, text):
    with pytest.raises(BadFile, match=r"element|beginning"):
        rows_of(write(tmp_path / "a.json", text))


def test_an_array_that_is_cut_anywhere_by_the_reading_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("labelmill.db.bulk.text_blocks.CHUNK", 7)
    wanted = [{"text": f"é{number}", "n": number * 12345} for number in range(50)]
    assert rows_of(write(tmp_path / "a.json", json.dumps(wanted, ensure_ascii=False, indent=1)))[1] == wanted


def test_a_large_array_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write("[" + ",".join(json.dumps({"text": "word " * 40, "n": n}) for n in range(60_000)) + "]")
    opened = open_rows(path)
    tracemalloc.start()
    count = sum(frame.height for frame in opened.source.read(["n"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, peak < 80e6) == (60_000, True), peak


def test_lines_in_a_file_that_is_called_json_are_read_as_lines(tmp_path):
    form, rows, rejects = rows_of(write(tmp_path / "a.json", '{"text":"a"}\n{"text":"b"}\nbroken\n'))
    assert (form, len(rows), [place for place, _ in rejects]) == ("jsonl", 2, [3])


def test_doccano_lines_have_their_labels(tmp_path):
    lines = [
        '{"id":1,"text":"a","label":["x","y"]}',
        '{"id":2,"text":"b","label":[]}',
        '{"id":3,"text":"c","label":[[0,1,"PER"]]}',
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    seen = imports.inspect(path)
    assert (seen.format, seen.guess.text, seen.guess.id, seen.guess.label) == ("doccano", "text", "id", "label")
    made = read_all(path, Mapping(columns=("text",), id_column="id", label_column="label"))
    assert made.frame["labels"].to_list() == [["x", "y"], []]
    assert [(reject.place, "spans" in reject.reason) for reject in made.rejects] == [(3, True)]


def test_label_studio_tasks_are_a_row_for_each_answer(tmp_path):
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    box = {"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["car"]}}
    tasks = [
        {"id": 1, "data": {"text": "a"}, "annotations": [
            {"completed_by": {"email": "ann@example.org"}, "result": [choice], "created_at": "2024-05-01T10:00:00.000000Z"},
            {"completed_by": 7, "result": [{"value": {"choices": ["bad"]}}], "created_at": "2024-05-01T11:00:00Z"},
            {"completed_by": 8, "result": [choice], "was_cancelled": True},
        ]},
        {"id": 2, "data": {"text": "b"}, "annotations": []},
        {"id": 3, "data": {"text": "c"}, "annotations": [{"completed_by": 7, "result": [box], "created_at": None}]},
        {"id": 4, "data": "nothing", "annotations": []},
    ]  # fmt: skip
    path = write(tmp_path / "export.json", json.dumps(tasks))
    seen = imports.inspect(path)
    mapping = imports.usual_mapping(seen)
    assert (seen.format, mapping.columns, mapping.id_column, mapping.label_use) == (
        "label-studio",
        ("text",),
        "id",
        LabelUse.ANSWERS,
    )
    frames = list(imports.read(path, mapping))
    rows = [row for made in frames for row in made.frame.to_dicts()]
    assert [(row["given_id"], row["content"], row["labels"], row["annotator"]) for row in rows] == [
        ("1", "a", ["good"], "ann@example.org"),
        ("1", "a", ["bad"], "7"),
        ("2", "b", [], None),
    ]
    assert f"{rows[0]['answered_at']:%Y-%m-%d %H:%M}" == "2024-05-01 10:00"
    assert len([reject for made in frames for reject in made.rejects]) == 2


def test_label_studio_tasks_whose_ids_are_not_their_own_have_none(tmp_path):
    """An export gives each task an id, since other programs want one, and marks those that it made up."""
    tasks = [{"id": n, "meta": {"labelmill_no_own_id": True}, "data": {"text": f"t{n}"}, "annotations": []} for n in (1, 2)]
    path = write(tmp_path / "export.json", json.dumps([*tasks, {"data": {"text": "t3"}, "annotations": []}]))
    mapping = imports.usual_mapping(imports.inspect(path))
    [made] = imports.read(path, mapping)
    assert (mapping.id_column, made.rejects) == (None, [])
    assert made.frame.select("given_id", "content").rows() == [(None, "t1"), (None, "t2"), (None, "t3")]


def test_spreadsheet_cells_are_text_as_they_are_typed(tmp_path):
    path = write_xlsx(
        tmp_path / "a.xlsx", [["id", "text", "n"], ["007", "a\nb", 7], [None, None, None], [8, "é=1+1", 1.5], [True, "x", None]]
    )
    form, rows, _ = rows_of(path)
    assert form == "xlsx"
    assert rows == [
        {"id": "007", "text": "a\nb", "n": "7"},
        {"id": "8", "text": "é=1+1", "n": "1.5"},
        {"id": "true", "text": "x", "n": None},
    ]


def test_a_sheet_is_named_and_must_be_there(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", [["text"], ["a"]])
    assert rows_of(f"{path}::First")[1] == [{"text": "a"}]
    with pytest.raises(BadSource, match="There are: First"):
        rows_of(f"{path}::Second")


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("labelmill.datasets.readers.spreadsheet.MOST_BYTES", 100_000)
    with pytest.raises(TooLarge):
        open_rows(write_xlsx(tmp_path / "a.xlsx", [["text"], ["a"]], extra=b" " * 200_000))


def test_a_workbook_whose_member_lies_about_its_size_is_refused(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", [["text"], ["a"]], extra=b" " * 200_000)
    content = path.read_bytes()
    path.write_bytes(content.replace((200_000).to_bytes(4, "little"), (20).to_bytes(4, "little")))
    with pytest.raises(BadFile, match="damaged"):
        open_rows(path)


@pytest.mark.parametrize("rows", [[], [["a", "a"], ["x", "y"]]])
def test_a_sheet_without_a_header_that_tells_columns_apart_is_refused(tmp_path, rows):
    with pytest.raises(BadFile):
        rows_of(write_xlsx(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_damaged_workbook_is_refused(tmp_path, cut):
    path = write_xlsx(tmp_path / "a.xlsx", [["text"], ["a"]])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(BadFile):
        rows_of(path)


def test_a_parquet_file_keeps_numbers_in_tabular_records(tmp_path):
    pl.DataFrame({"n": [1, None], "x": [0.5, 2.0], "t": ["007", "b"], "l": [[1], []]}).write_parquet(tmp_path / "a.parquet")
    made = read_all(tmp_path / "a.parquet", Mapping(kind=RecordKind.TABULAR, columns=("t", "n", "x", "l")))
    assert made.frame["content"].to_list() == ['{"t":"007","n":1,"x":0.5,"l":"[1]"}', '{"t":"b","n":null,"x":2.0,"l":"[]"}']


def test_several_texts_stand_below_each_other(tmp_path):
    path = write(tmp_path / "a.csv", "title,body\nA,b\n,c\n")
    made = read_all(path, Mapping(columns=("title", "body")))
    assert made.frame["content"].to_list() == ["A\n\nb", "\n\nc"]


def test_rows_that_can_be_no_record_are_listed_with_their_reason(tmp_path):
    lines = ["id,text,label", "1,a,good", ",b,good", "3, ,good", "4,d,ev\u202eil", "5,e,", f"6,{'x' * 1_000_001},good"]
    path = write(tmp_path / "a.csv", "\n".join(lines))
    made = read_all(path, Mapping(columns=("text",), id_column="id", label_column="label"))
    assert made.frame["given_id"].to_list() == ["1", "5"]
    assert made.frame["labels"].to_list() == [["good"], []]
    found = {reject.place: reject.reason for reject in made.rejects}
    assert (found[3], found[4]) == ("it has no id", "its text is empty")
    assert "U+202E" in found[5]
    assert "longer than" in found[7]


def test_an_object_names_labels_by_its_choices_and_is_none_itself(tmp_path):
    """Label Studio's short export writes several choices as an object."""
    labels = ["pos", {"choices": ["neg", "rude"]}, {"choices": "odd"}, {"start": 1}, "{no json}"]
    path = write(tmp_path / "a.json", json.dumps([{"text": f"t{n}", "label": each} for n, each in enumerate(labels)]))
    made = read_all(path, Mapping(columns=("text",), label_column="label"))
    assert made.frame["labels"].to_list() == [["pos"], ["neg", "rude"], ["odd"], ["{no json}"]]
    assert [(reject.place, "spans" in reject.reason) for reject in made.rejects] == [(4, True)]


@pytest.mark.parametrize(("last", "use"), [([], LabelUse.INIT), (["neg"], LabelUse.NAMES)])
def test_an_empty_list_of_labels_is_none(tmp_path, last, use):
    """So doccano writes what is not labelled yet: only that is left to be labelled."""
    rows = [{"id": 1, "text": "a", "label": ["pos"]}, {"id": 2, "text": "b", "label": last}]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    frame = pl.DataFrame({"text": ["a", "b"], "label": [["pos"], last]}, schema_overrides={"label": pl.List(pl.String)})
    frame.write_parquet(tmp_path / "a.parquet")
    for each in (path, tmp_path / "a.parquet"):
        assert imports.usual_mapping(imports.inspect(each)).label_use is use


def test_labels_are_normal_forms_and_may_be_several(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\na,cafe\u0301; bar;bar\nb,caf\u00e9\n")
    made = read_all(path, Mapping(columns=("text",), label_column="label", label_separator=";"))
    assert made.frame["labels"].to_list() == [["caf\u00e9", "bar"], ["caf\u00e9"]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-05-01 10:00:00", "2024-05-01 10:00"),
        ("2024-05-01T10:00:00Z", "2024-05-01 10:00"),
        ("2024-05-01T12:00:00.5+02:00", "2024-05-01 10:00"),
        ("2024-05-01 12:00:00+02:00", "2024-05-01 10:00"),
        ("2024-05-01", "2024-05-01 00:00"),
        ("yesterday", None),
    ],
)
def test_times_are_read_with_their_zone(tmp_path, text, wanted):
    path = write(tmp_path / "a.csv", f"text,label,who,at\na,x,w,{text}\n")
    mapping = Mapping(
        columns=("text",), label_column="label", label_use=LabelUse.ANSWERS, annotator_column="who", time_column="at"
    )
    made = read_all(path, mapping)
    (found,) = made.frame["answered_at"].to_list()
    assert (f"{found:%Y-%m-%d %H:%M}" if found else None) == wanted


@pytest.mark.parametrize(
    "mapping",
    [
        Mapping(columns=()),
        Mapping(columns=("text", "text")),
        Mapping(columns=("none",)),
        Mapping(columns=("text",), kind=RecordKind.IMAGE),
        Mapping(columns=("text",), label_column="label", label_use=LabelUse.ANSWERS),
    ],
)
def test_a_mapping_that_makes_no_records_is_refused(tmp_path, mapping):
    path = write(tmp_path / "a.csv", "text,label\na,x\n")
    with pytest.raises((BadInput, BadSource)):
        list(imports.read(path, mapping))


def test_a_mapping_survives_the_params_of_a_job():
    mapping = Mapping(kind=RecordKind.TABULAR, columns=("a", "b"), id_column="c", label_column="d", label_use=LabelUse.NAMES)
    assert Mapping.from_dict(json.loads(json.dumps(mapping.as_dict()))) == mapping


@pytest.mark.parametrize("name", ["a.exe", "a", "a.doc", "a.csv.zip.exe"])
def test_files_of_other_kinds_are_refused_with_the_kinds_that_are_read(tmp_path, name):
    with pytest.raises(BadSource) as found:
        open_rows(write(tmp_path / name, "text\na\n"))
    assert ".parquet" in found.value.way_out


def test_an_archive_that_is_no_archive_of_images_lists_its_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "text\na\n")
    assert rows_of(tmp_path / "a.zip")[2] == [(1, "it is no JPEG, PNG, WebP, GIF or BMP image by its name")]


REAL = {
    "banking77/train.csv.gz": (10_003, "csv", "CR LF", "text", "category"),
    "banking77/test.csv.gz": (3_080, "csv", "CR LF", "text", "category"),
    "sms_spam/SMSSpamCollection.tsv.gz": (5_574, "tsv", "LF", "SMS", "Label"),
    "bad_inputs/sms_stray_quotes.tsv": (145, "tsv", "LF", "SMS", "Label"),
    "bad_inputs/sms_non_ascii.tsv": (200, "tsv", "LF", "SMS", "Label"),
    "bad_inputs/cr_only_line_ends.csv": (200, "csv", "CR", None, None),
    "bad_inputs/crcrlf_line_ends.csv": (200, "csv", "CR CR LF", None, None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_whole_and_their_columns_guessed(tmp_path, name):
    rows, form, line_end, text, label = REAL[name]
    path = DATA / name
    if not path.exists():
        end = {"CR LF": "\r\n", "LF": "\n", "CR": "\r", "CR CR LF": "\r\r\n"}[line_end]
        separator = "\t" if form == "tsv" else ","
        header = [label or "a", text or "b"]
        lines = [
            header,
            *(
                [f"l{n % 2}", f'a "stray text" of some length {n}' if form == "tsv" else f"longer text {n}"]
                for n in range(rows)
            ),
        ]
        path = write(tmp_path / f"a.{form}", "".join(separator.join(line) + end for line in lines))
        text = text or "b"
    seen = imports.inspect(path)
    assert (seen.format, seen.guess.text, seen.guess.label) == (form, text, label)
    assert seen.dialect.endswith(f"lines end in {line_end}")
    made = list(imports.read(path, imports.usual_mapping(seen)))
    assert sum(each.frame.height for each in made) == rows
    assert not [reject for each in made for reject in each.rejects]
