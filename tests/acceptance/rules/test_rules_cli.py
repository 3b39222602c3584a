"""``labelmill rules`` as a real process: what a person types, reads, and a script gets."""

from __future__ import annotations

import json
import os
import random

import pytest

import preloaded

CSV = """content,label,rule_type,match_type
mister,/male,keyword,start
tom,/male,keyword,"partially,end"
淑芬,/female,keyword,partially
^(mrs|ms)\\b,/female,regex,
"""
POSTS = "author,gold\nMister Tom,/male\n林淑芬,/female\nms tom,/female\nnobody,\n"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "people.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "posts.csv").write_text(POSTS, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    environment |= {"LABELMILL_DATA_DIR": str(tmp_path / "data")}

    def run(*arguments, code=0, given=""):
        done = preloaded.run(arguments, cwd=tmp_path, env=environment, given=given)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done

    def as_json(*arguments, code=0):
        return json.loads(run(*arguments, "--json", code=code).stdout)

    run.json = as_json
    run.folder = tmp_path
    return run


def test_check_tells_errors_by_its_exit_code_and_warnings_not(run):
    """A file, a folder and a stored name are checked alike."""
    assert run("rules", "check", "people.csv").stderr == "0 errors, 0 warnings\n"
    (run.folder / "people.csv").write_text(CSV + "tommy,/male,keyword,partially\n", encoding="utf-8")
    warned = run("rules", "check", "people.csv")
    assert "people.csv:6" in warned.stdout
    assert warned.stderr == "0 errors, 1 warnings\n"
    (run.folder / "people.csv").write_text(CSV + "(?<=a)b,/male,regex,\n,/male,keyword,end\n", encoding="utf-8")
    found = run.json("rules", "check", "people.csv", code=2)
    assert [(one["severity"], one["code"], one["place"]) for one in found] == [
        ("error", "refused", "people.csv:6"),
        ("error", "empty", "people.csv:7"),
    ]
    assert all(one["message"] and one["way_out"] for one in found)
    assert not (run.folder / "data").exists()


def test_explain_marks_the_hits_and_names_the_winner(run):
    """Brackets where no terminal is, places for programs."""
    shown = run("rules", "explain", "people.csv", "--text", "Mister Tom 🌸").stdout
    assert shown.startswith("[Mister] [Tom] 🌸\n")
    assert "/male 2" in shown
    found = run.json("rules", "explain", "people.csv", "--text", "Mister Tom 🌸")
    assert [(hit["rule"]["content"], hit["spans"]) for hit in found["hits"]] == [("mister", [[0, 6]]), ("tom", [[7, 10]])]
    assert found["outcomes"] == [{"group": "gender", "label": "/male", "scores": {"/male": 2}, "tied": []}]


def test_stats_count_a_source_and_judge_it_against_gold(run):
    """Each figure by hand: Ms Tom ends with tom (score 2 against 1), so /male is wrong once."""
    found = run.json("rules", "stats", "posts.csv", "--rules", "people.csv", "--text-column", "author", "--gold-column", "gold")
    assert {name: found[name] for name in ("rows", "covered", "overlapping", "conflicting", "rejected")} == {
        "rows": 4, "covered": 3, "overlapping": 2, "conflicting": 1, "rejected": 0,
    }  # fmt: skip
    assert [(one["label"], one["labelled"], one["correct"], one["recall"]) for one in found["labels"]] == [
        ("/male", 2, 1, 1.0),
        ("/female", 1, 1, 0.5),
    ]
    shown = run("rules", "stats", "posts.csv", "--rules", "people.csv", "--text-column", "author", "--top", "1")
    assert "covered       3 (75.0 %)" in shown.stdout
    assert "4 rules" not in shown.stderr
    assert "5 rules, 0 of them without a hit" in shown.stderr
    assert "precision" not in shown.stdout
    refused = run("rules", "stats", "posts.csv", "--rules", "people.csv", "--text-column", "name", code=2)
    assert "author, gold" in refused.stderr


def test_a_rule_set_lives_through_its_versions(run):
    """Imported, changed, compared, exported, removed and restored."""
    first = run.json("rules", "import", "people", "people.csv", "--note", "first")
    assert (first["version"], first["new"]) == (1, True)
    assert run.json("rules", "import", "people", "people.csv")["new"] is False
    (run.folder / "people.csv").write_text(
        CSV.replace("mister,/male,keyword,start", "mister,/male,keyword,end"), encoding="utf-8"
    )
    assert run.json("rules", "import", "people", "people.csv")["version"] == 2
    assert run.json("rules", "diff", "people@1", "people@2") == [
        {"change": "changed", "what": "rule", "before": "/male start:mister", "after": "/male end:mister"}
    ]
    assert run("rules", "diff", "people", "people.csv").stderr == "no difference\n"
    assert [(one["name"], one["version"], one["rules"]) for one in run.json("rules", "list")] == [("people", 2, 5)]
    assert [(one["version"], one["note"]) for one in run.json("rules", "versions", "people")] == [(2, ""), (1, "first")]
    assert run.json("rules", "show", "people@1")["content_hash"] == first["content_hash"]
    assert "start" not in run("rules", "show", "people").stdout
    run("rules", "remove", "people", "--yes")
    assert run.json("rules", "list") == []
    assert [one["name"] for one in run.json("rules", "list", "--archived")] == ["people"]
    assert "labelmill rules restore people" in run("rules", "check", "people", code=3).stderr
    assert run.json("rules", "restore", "people") == {"name": "people", "archived_at": None}
    run("rules", "check", "people")


def test_remove_asks_once(run):
    """No is no, and so is silence."""
    run("rules", "import", "people", "people.csv")
    for answer in ("n\n", ""):
        asked = run("rules", "remove", "people", given=answer, code=130)
        assert "Remove the rule set people with 1 versions?" in asked.stderr
        assert asked.stdout == ""
    run("rules", "remove", "people", given="y\n")
    run("rules", "remove", "ghosts", "--yes", code=3)


def test_every_form_holds_the_same_rules(run):
    """Folder -> stored -> CSV -> stored -> JSON -> stored: one content, so one version only."""
    (run.folder / "people.csv").write_text(CSV.replace(',"partially,end"', ",partially"), encoding="utf-8")
    run("rules", "import", "start", "people.csv")
    run("rules", "export", "start", "folder")
    hashes = [run.json("rules", "import", "people", "folder")["content_hash"]]
    for path in ("rules.csv", "rules.json", "again.csv"):
        run("rules", "export", "people", path)
        again = run.json("rules", "import", "people", path)
        hashes.append(again["content_hash"])
        assert again["version"] == 1
    assert len(set(hashes)) == 1
    run("rules", "export", "people", "rules.csv", code=4)
    exported = run.json("rules", "export", "people", "rules.csv", "--overwrite")
    assert exported == {"name": "people", "version": 1, "path": "rules.csv", "lost": []}


def test_a_path_that_exists_goes_before_a_stored_name(run):
    """Whoever has a file called like a rule set means the file."""
    run("rules", "import", "people.csv", "people.csv")
    (run.folder / "people.csv").write_text(CSV + "(,/x,regex,\n", encoding="utf-8")
    run("rules", "check", "people.csv", code=2)
    run("rules", "check", "people.csv@1")
    (run.folder / "people.csv").unlink()
    run("rules", "check", "people.csv")
    missing = run("rules", "check", "nothing.csv", code=3).stderr
    assert "There is no rule set 'nothing.csv'. There is no such file or folder either." in missing


def test_label_takes_a_stored_rule_set_of_a_version(run):
    """What was saved later does not change what version 1 gives."""
    run("rules", "import", "people", "people.csv")
    (run.folder / "people.csv").write_text("content,label,rule_type,match_type\nnobody,/x,keyword,end\n", encoding="utf-8")
    run("rules", "import", "people", "people.csv")
    for reference, labelled in (("people@1", 3), ("people", 1)):
        report = run.json("label", "posts.csv", "--rules", reference, "--text-column", "author", "--out", f"out-{labelled}.csv")
        assert report["rows_labelled"] == labelled


def test_rules_that_cannot_be_used_are_not_stored(run):
    """Every fault is told to a script."""
    (run.folder / "people.csv").write_text(CSV + "(,/male,regex,\n(?=x),/male,regex,\n", encoding="utf-8")
    refused = run("rules", "import", "people", "people.csv", "--json", code=2)
    problem = json.loads(refused.stderr)
    assert (problem["code"], [one["where"] for one in problem["errors"]]) == ("bad-rules", ["people.csv:6", "people.csv:7"])
    assert run.json("rules", "list") == []


def test_100_000_keywords_are_checked_stored_and_tried(run):
    """With a thousand labels in fifty groups; a busy machine has two minutes for each command, in which a loop over pairs of rules ends nowhere."""
    draw = random.Random(7)
    words = {"".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(100_000)}
    labels = [{"name": f"/{number}", "group": f"{number % 50}"} for number in range(1000)]
    rules = [
        {"label": f"/{number % 1000}", "kind": "keyword", "match": "partially", "content": word}
        for number, word in enumerate(sorted(words))
    ]
    (run.folder / "many.json").write_text(json.dumps({"labels": labels, "rules": rules}), encoding="utf-8")
    assert run("rules", "check", "many.json").stderr == "0 errors, 0 warnings\n"
    assert run.json("rules", "import", "many", "many.json")["rules"] == len(words)
    found = run.json("rules", "explain", "many", "--text", f"x{rules[500]['content']}x")
    assert [hit["rule"]["content"] for hit in found["hits"]] == [rules[500]["content"]]
