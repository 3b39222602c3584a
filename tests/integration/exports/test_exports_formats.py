"""Every format, from each kind of database: what stands in it is what people said."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import python_calamine

from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, NotFound

if TYPE_CHECKING:
    from tests.integration.exports.conftest import Lab

HEAD = ["text", "label", "tied", "agreement", "answers", "votes", "predicted", "confidence"]


def table(content: bytes, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=separator))


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_csv_has_a_row_for_each_record_with_majority_votes_and_agreement(lab: Lab) -> None:
    assert table(lab.export(lab.with_answers(), "csv")) == [
        HEAD,
        ["0", "spam", "false", "0.6667", "3", '{"spam":2,"ham":1}', "", ""],
        ["1", "", "true", "0.5", "2", '{"ham":1,"spam":1}', "", ""],
        ["2", "ham", "false", "1.0", "1", '{"ham":1}', "", ""],
        ["3", "", "false", "", "0", "", "", ""],
    ]


def test_tsv_and_excel_hold_the_same_as_csv(small_lab: Lab) -> None:
    dataset = small_lab.with_answers()
    expected = table(small_lab.export(dataset, "csv"))
    assert table(small_lab.export(dataset, "tsv"), "\t") == expected
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(small_lab.export(dataset, "xlsx"))).get_sheet_by_index(0)
    rows = [["" if cell == "" else str(cell) for cell in row] for row in sheet.to_python()]
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    assert [row[5] for row in rows] == [row[5] for row in expected]


def test_a_row_for_each_answer_says_who_gave_it_and_when(lab: Lab) -> None:
    dataset = lab.with_answers()
    rows = pl.read_parquet(io.BytesIO(lab.export(dataset, "parquet", rows="answers")))
    assert rows.select("text", "annotator", "label").rows() == [
        ("0", "annotator-1", "spam"), ("0", "annotator-2", "spam"), ("0", "annotator-3", "ham"), ("1", "annotator-1", "ham"),
        ("1", "annotator-2", "spam"), ("2", "annotator-2", "ham"), ("3", None, None),
    ]  # fmt: skip
    assert rows["answered_at"].drop_nulls().is_sorted()
    assert rows["record"].to_list() == [
        each for each, number in zip(lab.ids(dataset), (3, 2, 1, 1), strict=True) for _ in range(number)
    ]


def test_jsonl_keeps_every_value_as_it_is(small_lab: Lab) -> None:
    dataset = small_lab.dataset(0)
    texts = ["=SUM(A1)", "007", "line\nbreak", 'quote "x"', "你好", "tab\there", "-1"]
    small_lab.add(dataset, texts)
    found = lines(small_lab.export(dataset, "jsonl"))
    assert [row["text"] for row in found] == texts
    assert found[0] == {
        "text": "=SUM(A1)", "label": None, "tied": False, "agreement": None, "answers": 0, "votes": {}, "predicted": None,
        "confidence": None,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "tsv", "xlsx"])
def test_no_text_is_a_formula_to_a_spreadsheet(small_lab: Lab, form: str) -> None:
    dataset = small_lab.dataset(0, labels=("=cmd", "b"))
    small_lab.add(dataset, ["=SUM(A1)", "+1", "-1", "@x", " =2", "\uff1d3", "fine"])
    small_lab.answer(dataset, small_lab.ids(dataset)[0], 1, "=cmd")
    content = small_lab.export(dataset, form)
    if form == "xlsx":
        rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    else:
        rows = table(content, "," if form == "csv" else "\t")
    assert [row[0] for row in rows[1:]] == ["'=SUM(A1)", "'+1", "'-1", "'@x", "' =2", "'\uff1d3", "fine"]
    assert rows[1][1] == "'=cmd"


def test_label_studio_tasks_have_every_annotation(lab: Lab) -> None:
    tasks = json.loads(lab.export(lab.with_answers(), "label-studio"))
    assert [(task["data"], len(task["annotations"])) for task in tasks] == [
        ({"text": str(n)}, k) for n, k in enumerate((3, 2, 1, 0))
    ]
    assert len({task["id"] for task in tasks}) == len(tasks), "Label Studio's own converter looks for the id of each task"
    first = tasks[0]["annotations"][0]
    assert first["result"] == [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["spam"]}}]
    assert first["completed_by"] == {"email": "annotator-1"}


def test_doccano_spacy_and_the_long_form(lab: Lab) -> None:
    dataset = lab.with_answers()
    assert lines(lab.export(dataset, "doccano")) == [
        {"text": "0", "label": ["spam"]}, {"text": "1", "label": []}, {"text": "2", "label": ["ham"]}, {"text": "3", "label": []},
    ]  # fmt: skip
    rest = {"ignored": 0.0}
    assert lines(lab.export(dataset, "spacy")) == [
        {"text": "0", "cats": {"spam": 1.0, "ham": 0.0} | rest}, {"text": "2", "cats": {"spam": 0.0, "ham": 1.0} | rest},
    ]  # fmt: skip
    ids = [str(each) for each in lab.ids(dataset)]
    long = table(lab.export(dataset, "long"))
    assert long[:3] == [["task", "worker", "label"], [ids[0], "annotator-1", "spam"], [ids[0], "annotator-2", "spam"]]
    assert len(long) == 7


def test_a_hugging_face_folder_has_class_labels_and_a_card(small_lab: Lab) -> None:
    with zipfile.ZipFile(io.BytesIO(small_lab.export(small_lab.with_answers(), "hugging-face"))) as archive:
        assert archive.testzip() is None
        card = archive.read("README.md").decode()
        rows = pl.read_parquet(io.BytesIO(archive.read("data/train-00000-of-00001.parquet")))
    head = dict(line.split(": ", 1) for line in card.split("---\n")[1].splitlines())
    features = {each["name"]: each["dtype"] for each in json.loads(head["dataset_info"])["features"] if "dtype" in each}
    names = features["label"]["class_label"]["names"]
    assert [names.get(str(number)) for number in rows["label"]] == ["spam", None, "ham", None]
    assert "| spam | 1 |" in card


def test_fields_of_rows_have_columns_with_their_types_and_those_of_ours_stay_apart(small_lab: Lab) -> None:
    dataset = small_lab.filled(
        "tabular", {'{"price":3,"label":"x","big":true}': None, '{"price":null,"label":"7","more":[1]}': None}
    )
    found = pl.read_parquet(io.BytesIO(small_lab.export(dataset, "parquet"))).select(
        "price", "field.label", "big", "more", "label"
    )
    assert dict(found.schema) == {
        "price": pl.Int64, "field.label": pl.String, "big": pl.Boolean, "more": pl.String, "label": pl.String,
    }  # fmt: skip
    assert found.rows() == [(3, "x", True, None, None), (None, "7", None, "[1]", None)]
    tasks = json.loads(small_lab.export(dataset, "label-studio"))
    assert tasks[1]["data"] == {"price": None, "label": "7", "more": [1]}


def test_images_lie_in_folders_of_their_labels(small_lab: Lab, picture: Any) -> None:
    blobs = {f"images/{name}.png": picture("PNG", (8, 6)) for name in ("one", "two", "three")}
    for name, content in blobs.items():
        small_lab.blobs.put(name, content)
    given = ["../a/b.png", "a/b.png", None]
    contents = {json.dumps({"blob": name, "width": 8, "height": 6}): each for name, each in zip(blobs, given, strict=True)}
    dataset = small_lab.filled("image", contents, labels=("../up", "up"))
    one, two, three = small_lab.ids(dataset)
    small_lab.answer(dataset, one, 1, "../up")
    small_lab.answer(dataset, two, 1, "up")
    with zipfile.ZipFile(io.BytesIO(small_lab.export(dataset, "images"))) as archive:
        names = archive.namelist()
        assert names == [f"-up/{one}-b.png", f"up/{two}-b.png", f"unlabelled/{three}.png", "records.csv"]
        assert archive.read(names[1]) == blobs["images/two.png"]
        assert [row[0] for row in table(archive.read("records.csv"))] == [
            "file",
            "'-up/" + names[0].rpartition("/")[2],
            *names[1:3],
        ]
    with zipfile.ZipFile(io.BytesIO(small_lab.export(dataset, "hugging-face"))) as archive:
        rows = pl.read_parquet(io.BytesIO(archive.read("data/train-00000-of-00001.parquet")))
    assert [row["bytes"] for row in rows["image"]] == list(blobs.values())


def test_a_settled_tie_is_the_label_and_no_vote(lab: Lab) -> None:
    dataset = lab.with_answers()
    lab.settle(dataset, lab.ids(dataset)[1], 9, "spam")
    row = lines(lab.export(dataset, "jsonl"))[1]
    assert (row["label"], row["tied"], row["votes"]) == ("spam", False, {"ham": 1, "spam": 1})
    answers = lines(lab.export(dataset, "jsonl", rows="answers"))
    assert [each["settles"] for each in answers if each["text"] == "1"] == [False, False, True]


def test_only_what_is_asked_for(lab: Lab) -> None:
    dataset = lab.with_answers()

    def texts(**where: Any) -> list[str]:
        return [row["text"] for row in lines(lab.export(dataset, "jsonl", **where))]

    assert texts(is_tied=True) == ["1"]
    assert texts(is_answered=True) == ["0", "2"]
    assert texts(is_answered=False) == ["1", "3"]
    assert texts(label_id=lab.label(dataset, "ham")) == ["2"]
    assert texts(text="3") == ["3"]
    assert texts(is_open=False) == ["0"]


def test_a_format_that_cannot_hold_the_records_says_which_can(small_lab: Lab) -> None:
    dataset = small_lab.dataset(1)
    with pytest.raises(BadInput, match="holds no text records"):
        small_lab.export(dataset, "images")
    with pytest.raises(BadInput, match="has its own rows"):
        small_lab.export(dataset, "spacy", rows="answers")
    small_lab.database.transact(datasets.archive, dataset.id)
    assert lines(small_lab.export(dataset, "jsonl"))[0]["text"] == "0"
    with pytest.raises(NotFound):
        small_lab.export(type(dataset)(**{**vars(dataset), "id": 999}), "csv")


@pytest.mark.parametrize(
    "form", ["csv", "tsv", "xlsx", "jsonl", "parquet", "label-studio", "doccano", "spacy", "long", "hugging-face"]
)
def test_an_empty_dataset_is_a_file_without_rows(small_lab: Lab, form: str) -> None:
    content = small_lab.export(small_lab.dataset(0), form)
    if form in ("csv", "tsv"):
        assert table(content, "," if form == "csv" else "\t") == [HEAD]
    elif form == "parquet":
        assert pl.read_parquet(io.BytesIO(content)).columns == HEAD
    elif form == "label-studio":
        assert json.loads(content) == []
    elif form in ("jsonl", "doccano", "spacy"):
        assert content == b""
    elif form == "long":
        assert content == b"task,worker,label\n"
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
