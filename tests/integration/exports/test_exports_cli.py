"""``labelmill export`` as somebody types it, and its files imported again."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, Any, str]]

POSTS = """id,text,label,who,at
r1,one,spam,ann@example.org,2026-01-01T10:00:00Z
r1,one,ham,bob@example.org,2026-01-01T10:00:01Z
r1,one,spam,eve@example.org,2026-01-01T10:00:02Z
r2,"two, and more",ham,ann@example.org,2026-01-01T10:00:03Z
r3,=three,,,
007,你好,spam,bob@example.org,2026-01-01T10:00:04Z
"""
MAPPING = ("--text-column", "text", "--id-column", "id", "--label-column", "label", "--labels", "answers")


@pytest.fixture
def posts(run: Run, tmp_path: Path) -> str:
    (tmp_path / "posts.csv").write_text(POSTS, encoding="utf-8")
    code, _, said = run(
        "import", "posts.csv", "--into", "posts", "--new", *MAPPING, "--annotator-column", "who", "--time-column", "at"
    )
    assert code == 0, said
    return "posts"


def test_the_ending_tells_the_format_and_a_file_is_not_replaced_unasked(run: Run, posts: str, tmp_path: Path) -> None:
    code, told, _ = run("export", posts, "--out", "out.jsonl", "--json")
    assert (code, told["format"], told["bytes"]) == (0, "jsonl", (tmp_path / "out.jsonl").stat().st_size)
    code, _, said = run("export", posts, "--out", "out.jsonl")
    assert (code, "there already" in said, "--force" in said) == (4, True, True)
    assert run("export", posts, "--out", "out.jsonl", "--label", "spam", "--force")[0] == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []


def test_standard_output_takes_the_file(run: Run, posts: str) -> None:
    code, out, _ = run("export", posts, "--format", "long", "--out", "-", "--annotators", "name")
    assert code == 0
    assert out.splitlines()[:2] == ["task,worker,label", "r1,ann@example.org,spam"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "x.foo"), "tells no format"),
        ((), "No format is named"),
        (("--out", "x.csv", "--label", "spm"), "There are: spam, ham"),
        (("--format", "images"), "holds no text records"),
        (("--out", "nowhere/x.csv"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, posts: str, arguments: tuple[str, ...], told: str) -> None:
    code, _, said = run("export", posts, *arguments)
    assert code != 0
    assert told in said.replace("ignored, ", "").replace(", ignored", "")


def test_a_table_takes_the_records_and_follows_them(run: Run, posts: str, tmp_path: Path) -> None:
    place = "out.db::labels"
    code, told, said = run("export", posts, "--to-table", place, "--answered", "--json")
    assert (code, told["added"], told["changed"], told["same"]) == (0, 3, 0, 0), said
    code, told, said = run("export", posts, "--to-table", f"sqlite:///{tmp_path}/out.db::labels", "--json")
    assert (code, told["added"], told["changed"], told["same"]) == (0, 1, 0, 3), said
    for arguments, word in (
        (("--to-table", place, "--out", "x.csv"), "no file and no format"),
        (("--to-table", place, "--rows", "answers"), "each record only"),
        (("--to-table", "@nobody::labels"), "nobody"),
        (("--to-table", "out.csv"), "names no table"),
        (("--to-table", "nowhere/out.db::labels"), "folder does not exist"),
    ):
        code, _, said = run("export", posts, *arguments)
        assert (code != 0, word in said) == (True, True), said


@pytest.mark.parametrize("form", ["jsonl", "parquet", "label-studio"])
def test_export_remove_and_import_gives_the_same_dataset(run: Run, posts: str, tmp_path: Path, form: str) -> None:
    before = _content(run, posts, tmp_path)
    name = f"again.{'json' if form == 'label-studio' else form}"
    rows = () if form == "label-studio" else ("--rows", "answers")
    code, _, said = run("export", posts, "--format", form, "--out", name, "--annotators", "name", *rows)
    assert code == 0, said
    [number] = [each["id"] for each in run("dataset", "list", "--json")[1] if each["name"] == posts]
    assert run("dataset", "archive", str(number))[0] == 0
    assert run("dataset", "remove", str(number), "--yes")[0] == 0
    code, told, said = run(
        "import",
        name,
        "--into",
        posts,
        "--new",
        *MAPPING,
        "--annotator-column",
        "annotator",
        "--time-column",
        "answered_at",
        "--json",
    )
    assert (code, told["rejected"]) == (0, 0), said
    assert _content(run, posts, tmp_path) == before


def test_records_without_own_ids_come_back_from_label_studio_without_any(run: Run, tmp_path: Path) -> None:
    """The file has an id for each task, which other programs want; it is no record's own."""
    (tmp_path / "plain.csv").write_text("text,label,who\none,spam,ann@example.org\ntwo,ham,bob@example.org\nthree,,\n")
    mapping = ("--text-column", "text", "--label-column", "label", "--labels", "answers", "--annotator-column")
    assert run("import", "plain.csv", "--into", "plain", "--new", *mapping, "who")[0] == 0
    before = [json.loads(each) for each in _content(run, "plain", tmp_path)[0]]
    assert run("export", "plain", "--format", "label-studio", "--out", "plain.json", "--annotators", "name")[0] == 0
    assert all(isinstance(task["id"], int) for task in json.loads((tmp_path / "plain.json").read_text()))
    code, told, said = run("import", "plain.json", "--into", "again", "--new", "--json")
    assert (code, told["rejected"]) == (0, 0), said
    after = [json.loads(each) for each in _content(run, "again", tmp_path)[0]]
    assert [each["text"] for each in after] == [each["text"] for each in before] == ["one", "two", "three"]
    assert [(each["label"], each["annotator"]) for each in after] == [(each["label"], each["annotator"]) for each in before]
    assert "id" not in after[0]


def _content(run: Run, dataset: str, tmp_path: Path) -> tuple[Counter[str], list[Any]]:
    """Return every answer and every record with what follows from its answers."""
    for rows in ("answers", "records"):
        code, _, said = run("export", dataset, "--rows", rows, "--annotators", "name", "--out", f"{rows}.jsonl", "--force")
        assert code == 0, said
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    kept = Counter(json.dumps({name: value for name, value in each.items() if name != "record"}) for each in answers)
    return kept, [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
