"""``labelmill import`` and ``labelmill load`` as somebody types them."""

from __future__ import annotations

import json
import os

import pytest
import sqlalchemy as sa

import preloaded
from import_samples import picture, write_xlsx
from labelmill.db.engine import make_engine


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path.name


@pytest.mark.parametrize("name", ["posts.unknown", "posts", ""])
def test_what_is_no_source_is_told_with_all_that_can_be_imported(run, name):
    """More than a label task reads: JSON, spreadsheets and images, too."""
    code, out, said = run("import", name, "--into", "posts", "--new")
    assert (code, out) == (2, "")
    assert all(each in said for each in ("a folder of images", ".csv", ".json,", ".xlsx", ".zip", "::table"))


def test_a_file_is_imported_into_a_new_dataset_and_again_adds_nothing(run, tmp_path):
    name = write(tmp_path / "posts.csv", "id;text;label\n1;007;good\n2;b;bad\n3;;good\n")
    code, told, said = run("import", name, "--into", "posts", "--new", "--json")
    assert (code, told["added"], told["rejected"]) == (0, 2, 1)
    assert "separator ;" in said
    assert "labels from label: only their names" in said
    code, told, _ = run("import", name, "--into", "posts", "--json")
    assert (code, told["added"], told["known"]) == (0, 0, 2)
    code, out, said = run("import", name, "--into", "posts")
    assert "its text is empty" in out
    code, rejects, _ = run("import-rejects", told["job"], "--json")
    assert [(row["place"], row["reason"]) for row in rejects] == [(4, "its text is empty")]


def test_columns_and_the_use_of_labels_are_as_asked(run, tmp_path):
    name = write(tmp_path / "a.csv", "a,b,c,d\nx,text one,good,ann\n")
    asked = ("--text-column", "b", "--id-column", "a", "--label-column", "c")
    assert run("import", name, "--into", "one", "--new", *asked, "--json")[1]["init"] == 1
    code, told, _ = run("import", name, "--into", "two", "--new", *asked, "--annotator-column", "d", "--json")
    assert (code, told["answers"], told["added"]) == (0, 1, 1)
    code, told, _ = run("import", name, "--into", "three", "--new", "--field", "a", "--field", "c", "--no-labels", "--json")
    assert (code, told["added"], told["labels"]) == (0, 1, 0)


def test_a_wrong_column_is_told_before_a_dataset_is_made_or_a_job_begins(run, tmp_path):
    name = write(tmp_path / "posts.csv", "id,text\n1,hello\n")
    code, _, said = run("import", name, "--into", "posts", "--new", "--text-column", "body")
    assert (code, "There is no column 'body'" in said, "id, text" in said) == (2, True, True)
    assert run("dataset", "list", "--json")[1] == []
    assert run("jobs", "list", "--json")[1] == []


def test_a_file_without_rows_is_told(run, tmp_path):
    code, told, said = run("import", write(tmp_path / "posts.csv", "id,text\n"), "--into", "posts", "--new", "--json")
    assert (code, told["rows"]) == (0, 0)
    assert "no row below it" in said


def test_a_preview_imports_nothing(run, tmp_path):
    name = write(tmp_path / "a.jsonl", '{"text":"a"}\n')
    code, told, _ = run("import", name, "--preview", "--json")
    assert (code, told["format"], told["mapping"]["columns"], told["sample"]) == (0, "jsonl", ["text"], [{"text": "a"}])


def test_spreadsheets_folders_of_images_tables_and_queries_are_imported(run, tmp_path):
    write_xlsx(tmp_path / "a.xlsx", [["text"], ["007"], ["a longer text"]])
    assert run("import", "a.xlsx", "--into", "sheet", "--new", "--json")[1]["added"] == 2
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.jpg").write_bytes(picture())
    assert run("import", "photos", "--into", "photos", "--new", "--json")[1]["added"] == 1
    engine = make_engine(f"sqlite:///{tmp_path}/posts.db", foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE posts (id INTEGER PRIMARY KEY, text TEXT)"))
        connection.execute(sa.text("INSERT INTO posts VALUES (1, '007'), (2, 'b'), (3, 'at 10:30')"))
    engine.dispose()
    assert run("import", "posts.db::posts", "--into", "table", "--new", "--text-column", "text", "--json")[1]["added"] == 3
    query = "SELECT text AS t FROM posts WHERE text <> ':x' AND id > 1"
    assert (
        run("import", "posts.db", "--sql", query, "--into", "query", "--new", "--text-column", "t", "--json")[1]["added"] == 2
    )


@pytest.mark.parametrize(
    "query", ["DROP TABLE posts", "DELETE FROM posts RETURNING id", "nonsense", "SELECT id, id FROM posts"]
)
def test_p20_a_query_that_writes_or_is_none_changes_nothing(run, tmp_path, query):
    engine = make_engine(f"sqlite:///{tmp_path}/posts.db", foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE posts (id INTEGER PRIMARY KEY, text TEXT)"))
        connection.execute(sa.text("INSERT INTO posts VALUES (1, 'a')"))
    code, _, said = run("import", "posts.db", "--sql", query, "--into", "x", "--new")
    assert (code, "bad-source" in said) == (2, True)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM posts")) == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("missing.csv", "--into", "a", "--new"), 2),
        (("a.csv",), 2),
        (("a.csv", "--into", "nobody"), 3),
        (("a.csv", "--into", "a", "--new", "--text-column", "none"), 2),
        (("a.exe", "--into", "a", "--new"), 2),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, tmp_path, arguments, code):
    write(tmp_path / "a.csv", "text\na\n")
    write(tmp_path / "a.exe", "text\na\n")
    found, _, said = run("import", *arguments)
    assert found == code
    assert said.splitlines()[-1].startswith("error[")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Make the predecessor's files, named by its variables."""
    content = {
        "DATA_PATH": {"data": {"0": "007", "1": "second", "10": "third"}},
        "LABEL_PATH": {"labels": {"0": "good", "1": "bad"}},
        "ACCESSOR_PATH": {"accessor": {"0": "ann@example.org", "1": "bob@example.org"}},
        "INIT_DATA_PATH": {"data": {"0": "first of all"}, "label": {"0": "good"}},
    }
    for name, value in content.items():
        monkeypatch.setenv(name, write(tmp_path / f"{name.lower()}.json", value))
    return tmp_path


def test_l1_l2_l3_the_predecessors_files_are_loaded_and_a_second_time_nothing_is_added(run, files):
    code, told, _ = run("load", "--json")
    assert (code, told["texts added"], told["labels"], told["init added"], told["invited"]) == (0, 3, 2, 1, 2)
    assert [each["email"] for each in told["invitations"]] == ["ann@example.org", "bob@example.org"]
    assert all(each["link"].startswith("http://127.0.0.1:8700/sign-up") for each in told["invitations"])
    code, told, _ = run("load", "--json")
    assert (code, told["texts added"], told["texts known"], told["init added"], told["invited"]) == (0, 0, 3, 0, 0)
    write(files / "data_path.json", {"data": {"0": "007", "1": "second", "2": "new"}})
    assert run("load", "--json")[1]["texts added"] == 1


@pytest.mark.parametrize("broken", ["missing", "{", '{"text":{"0":"a"}}'])
def test_l1_missing_or_broken_init_data_is_a_warning(run, files, broken):
    (files / "init_data_path.json").unlink() if broken == "missing" else write(files / "init_data_path.json", broken)
    code, told, said = run("load", "--json")
    assert (code, told["texts added"], told["init added"]) == (0, 3, 0)
    assert "warning: no init data is loaded" in said


@pytest.mark.parametrize("name", ["DATA_PATH", "LABEL_PATH", "ACCESSOR_PATH"])
@pytest.mark.parametrize("broken", ["missing", "unset", "{", '{"other":{"0":"a"}}'])
def test_l1_any_other_missing_file_is_an_error_and_nothing_is_loaded(run, files, monkeypatch, name, broken):
    if broken == "unset":
        monkeypatch.delenv(name)
    elif broken == "missing":
        (files / f"{name.lower()}.json").unlink()
    else:
        write(files / f"{name.lower()}.json", broken)
    code, _, said = run("load")
    assert code == 2
    assert said.splitlines()[-1].startswith("error[")
    assert run("import", "data_path.json", "--into", "texts")[0] in (2, 3), "a dataset was made"


def test_l3_the_loops_variables_become_the_datasets_settings(run, files, monkeypatch):
    for name, value in {
        "BATCH_SIZE": "7",
        "MIN_LABEL_COUNT": "2",
        "ACTIVE_LEARNING": "false",
        "NO_VOTE": "true",
        "UNCERTAINTY_THRESHOLD": "0.4",
    }.items():
        monkeypatch.setenv(name, value)
    assert run("load")[0] == 0
    engine = make_engine(f"sqlite:///{files}/data/labelmill.db")
    with engine.connect() as connection:
        found = json.loads(connection.scalar(sa.text("SELECT settings FROM datasets")))
    engine.dispose()
    wanted = {"batch_size": 7, "min_label_count": 2, "order": "ranking", "labels_per_record": 1, "ignored_threshold": 0.4}
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "place", ["import.read:kill:1", "import.slice-written:kill:1", "import.slice-added:kill:1", "import.finished:kill:1"]
)
def test_p05_a_killed_command_goes_on_where_it_was(run, tmp_path, place):
    name = write(tmp_path / "a.csv", "text\n" + "".join(f"text {n}\n" for n in range(1200)))
    command = ["import", name, "--into", "posts", "--new"]
    killed = preloaded.run(command, cwd=tmp_path, env={**os.environ, "LABELMILL_TRIGGER": place})
    assert killed.returncode == -9
    (job,) = [each for each in run("jobs", "list", "--json")[1] if each["kind"] == "import"]
    code, _, said = run("jobs", "run", job["id"])
    assert code == 0, said
    (job,) = [each for each in run("jobs", "list", "--json")[1] if each["id"] == job["id"]]
    assert job["state"] == "succeeded"
    assert run("import", name, "--into", "posts", "--json")[1]["known"] == 1200
