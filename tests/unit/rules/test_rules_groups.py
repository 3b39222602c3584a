"""Labels that cannot hold at once compete, others live side by side, whichever file they were read from."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from labelmill.errors import BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, label, load, save, with_known_groups

FIVE = ("/female", "/male", "/married", "/unmarried", "/young")
KNOWN = {"/female": "gender", "/male": "gender", "/married": "marriage", "/unmarried": "marriage"}


def groups(rule_set: RuleSet) -> dict[str, str]:
    return {one.name: one.group for one in rule_set.labels}


def write_folder(folder: Path, predict: str = "content", labels: tuple[str, ...] = FIVE) -> Path:
    for name in labels:
        file = folder / "keyword_model" / name.removeprefix("/") / f"{predict}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name[1:3]}\tpartially\n")
    return folder / "keyword_model"


def write_csv(path: Path, *rows: str, header: str = "content,label,rule_type,match_type") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_known_labels_have_their_group_and_others_stand_apart_on_demand() -> None:
    """A group that somebody gave stays."""
    rule_set = RuleSet("x", (*map(Label, FIVE), Label("/old", "age")))
    assert groups(with_known_groups(rule_set)) == KNOWN | {"/young": "", "/old": "age"}
    assert groups(with_known_groups(rule_set, apart=True)) == KNOWN | {"/young": "/young", "/old": "age"}


def test_a_folder_gives_a_text_a_label_of_each_group_and_says_so(tmp_path: Path) -> None:
    """Three labels hit with equal scores: none of them drops another."""
    loaded = load(write_folder(tmp_path))
    assert groups(loaded.rule_set) == KNOWN | {"/young": "/young"}
    given = label(pl.DataFrame({"text": ["fe ma yo"]}), loaded.rule_set, "text")
    assert sorted(given["label"]) == ["/married", "/young"]  # "ma" is /male's too, which /female drops
    [note] = loaded.notes
    assert "gender (/female, /male), marriage (/married, /unmarried), /young" in note.message


def test_a_folder_of_one_dimension_needs_no_word(tmp_path: Path) -> None:
    loaded = load(write_folder(tmp_path, labels=FIVE[:2]))
    assert (groups(loaded.rule_set), loaded.notes) == ({"/female": "gender", "/male": "gender"}, ())


def test_a_csv_without_groups_has_the_known_ones_and_its_own_labels_compete(tmp_path: Path) -> None:
    """As it was documented for labels without a group; the note names both."""
    loaded = load(write_csv(tmp_path / "a.csv", *(f"x,{name},keyword,end" for name in (*FIVE, "/old"))))
    assert groups(loaded.rule_set) == KNOWN | {"/young": "", "/old": ""}
    assert "no group (/young, /old)" in loaded.notes[0].message


def test_a_csv_says_its_groups(tmp_path: Path) -> None:
    """Its word goes before what is known; a row may leave the group to the label's other rows."""
    header = "group,content,label,rule_type,match_type"
    rows = (",a,/male,keyword,end", "age,b,/young,keyword,end", ",c,/young,keyword,end", "sex,d,/x,regex,")
    loaded = load(write_csv(tmp_path / "a.csv", *rows, header=header))
    assert (groups(loaded.rule_set), loaded.notes) == ({"/male": "", "/young": "age", "/x": "sex"}, ())


def test_a_label_in_two_groups_is_refused_with_its_line(tmp_path: Path) -> None:
    header = "content,label,rule_type,match_type,group"
    path = write_csv(tmp_path / "a.csv", "a,/x,keyword,end,one", "b,/x,keyword,end,two", header=header)
    with pytest.raises(BadRules, match="'one' and in 'two'") as raised:
        load(path)
    assert (raised.value.where, bool(raised.value.way_out)) == (f"{path}:3", True)


@pytest.mark.parametrize("given", [("gender", "gender"), ("", ""), ("one", "two"), ("", "two")])
def test_groups_in_a_csv_come_back(tmp_path: Path, given: tuple[str, str]) -> None:
    """Also none for labels that would have one if the file did not say."""
    names = ("/female", "/male")
    labels = tuple(Label(name, group) for name, group in zip(names, given, strict=True))
    rule_set = RuleSet("a", labels, tuple(Rule(name, Kind.KEYWORD, Match.END, "x") for name in names))
    assert save(rule_set, tmp_path / "a.csv") == ()
    assert load(tmp_path / "a.csv").rule_set == rule_set


def test_a_csv_without_any_group_has_the_predecessors_columns_only(tmp_path: Path) -> None:
    rule_set = RuleSet("a", (Label("/x"),), (Rule("/x", Kind.KEYWORD, Match.END, "x"),))
    save(rule_set, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().split() == ["content,label,rule_type,match_type", "x,/x,keyword,end"]


@pytest.mark.parametrize(("column", "keyword"), [("author", "a"), ("author_name", "a"), ("title", "t")])
def test_the_column_chooses_among_several_predict_types(tmp_path: Path, column: str, keyword: str) -> None:
    """``author`` is labelled by ``author_name``; a predict type that somebody names goes first."""
    for predict in ("author_name", "title"):
        model = write_folder(tmp_path, predict, ("/male",))
        (model / f"male/{predict}.txt").write_text(f"{predict[0]}\tend\n")
    assert [rule.content for rule in load(model, column=column).rule_set.rules] == [keyword]
    assert [rule.content for rule in load(model, column=column, predict_type="title").rule_set.rules] == ["t"]


@pytest.mark.parametrize("column", [None, "content", "elsewhere"])
def test_a_column_that_is_none_of_them_is_told_the_way_out(tmp_path: Path, column: str | None) -> None:
    for predict in ("author_name", "title"):
        model = write_folder(tmp_path, predict)
    with pytest.raises(BadRules, match="several predict types") as raised:
        load(model, column=column)
    assert raised.value.way_out.startswith("Choose one of: author_name, title. `labelmill rules import NAME FOLDER")


def test_one_predict_type_labels_any_column(tmp_path: Path) -> None:
    assert len(load(write_folder(tmp_path), column="author").rule_set.rules) == len(FIVE)
