"""Every form of rule file is read as its author meant it, and what is written is read back equal."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelmill.errors import BadRules, Conflict
from labelmill.rules import CHINESE_LABELS, Form, Kind, Label, Match, Rule, RuleSet, Tie, form_of, load, save

KEYWORDS = st.text(alphabet="aAé小,\"; ='|😀", min_size=1, max_size=6)


@st.composite
def plain_rule_set(draw: st.DrawFn) -> RuleSet:
    """A rule set that every form can hold: known groups, ties dropped, labels in alphabetical order and none without rules."""
    rules = [
        Rule(label, Kind.KEYWORD, match, content)
        for label in ("/female", "/male")
        for match, content in draw(st.lists(st.tuples(st.sampled_from(list(Match)), KEYWORDS), min_size=1, max_size=5))
    ]
    return RuleSet("x", (Label("/female", "gender"), Label("/male", "gender")), tuple(rules))


@pytest.mark.parametrize("file", ["rules", "rules.csv", "rules.json"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain_rule_set())
def test_what_is_written_is_read_back(tmp_path_factory, file, rule_set):
    """In all three forms, whatever stands in the keywords; nothing is lost, so nothing is reported."""
    path = tmp_path_factory.mktemp("rules") / file
    assert save(rule_set, path) == ()
    loaded = load(path, name="x")
    assert ((), rule_set) == (loaded.notes, loaded.rule_set)


def test_json_keeps_groups_ties_and_regexes_and_the_others_say_what_they_lose(tmp_path):
    """A form that cannot hold something says so in a sentence each."""
    labels = Label("/male", "gender"), Label("/young", "age"), Label("/idle", "age")
    rules = Rule("/male", Kind.REGEX, None, r"^mr\b"), Rule("/young", Kind.KEYWORD, Match.END, "kid")
    rule_set = RuleSet("mine", labels, rules, Tie.FIRST, case_sensitive=True)
    assert save(rule_set, tmp_path / "a.json") == ()
    assert rule_set == load(tmp_path / "a.json").rule_set
    lost = " ".join(save(rule_set, tmp_path / "a.csv"))
    assert all(word in lost for word in ("tie", "case", "/idle"))
    assert "groups (gender (/male), age (/young, /idle)) are not in the file" in save(rule_set, tmp_path / "a")[0]
    again = load(tmp_path / "a").rule_set
    assert set(rules) == set(again.rules)
    assert [label.name for label in again.labels] == ["/idle", "/male", "/young"]


@pytest.fixture
def models(tmp_path):
    """The predecessor's folders: two labels of keywords with a byte-order mark and mixed line ends, one of regexes."""
    for file, data in {
        "keyword_model/female/author_name.txt": "\ufeff阿姨\tpartially\r\namy\tabsolutely\r\n\r\n".encode(),
        "keyword_model/male/author_name.txt": "／M\tend\n tom \tstart\nbob\texactly".encode(),  # noqa: RUF001
        "rule_model/male/author_name.txt": b"^mr\\b\n\\tsir\n",
    }.items():
        path = tmp_path / "rules" / file
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    return tmp_path / "rules"


def rows(rule_set: RuleSet) -> list[tuple[str, str]]:
    return [(rule.label, rule.meta) for rule in rule_set.rules]


FEMALE = [("/female", "partially:阿姨"), ("/female", "exactly:amy")]
MALE = [("/male", "end:／M"), ("/male", "start: tom "), ("/male", "exactly:bob")]  # noqa: RUF001
REGEXES = [("/male", "regex:^mr\\b"), ("/male", "regex:\\tsir")]


def test_the_predecessors_folder_is_read_whole_or_by_model(models):
    """The folder of models gives all of them, a model folder its own; each rule knows its file and line."""
    assert rows(load(models).rule_set) == FEMALE + MALE + REGEXES
    assert rows(load(models / "keyword_model").rule_set) == FEMALE + MALE
    loaded = load(models / "rule_model").rule_set
    assert (REGEXES, "rule_model", (Label("/male", "gender"),)) == (rows(loaded), loaded.name, loaded.labels)
    assert loaded.rules[1].place.endswith("rule_model/male/author_name.txt:2")


def test_a_predict_type_is_chosen_where_there_are_several(models):
    """Labels without a file of the chosen type are left out, with a note."""
    (models / "keyword_model/male/content.txt").write_text("he\tpartially\n")
    loaded = load(models / "keyword_model", predict_type="content")
    assert rows(loaded.rule_set) == [("/male", "partially:he")]
    assert [note.where.rpartition("/")[2] for note in loaded.notes] == ["female"]
    assert rows(load(models / "keyword_model", predict_type="author_name").rule_set) == FEMALE + MALE


CSV = """\ufeffcontent,label,rule_type,match_type,remark
王小姐,女性,keyword,"比對開頭,比對結尾",x
"a,b",男性,keyword,完全一致,
tom,男性,Keyword,"partially，部分吻合",
bob,色情,keyword,somewhere,
^mr,男性,regex,,
"""  # noqa: RUF001


def test_the_predecessors_csv_is_read_with_its_chinese_names(tmp_path):
    """Several types in a cell are several rules, an unknown one is partially with a note, labels stay as written."""
    path = tmp_path / "rules.csv"
    path.write_text(CSV, encoding="utf-8")
    loaded = load(path)
    assert rows(loaded.rule_set) == [
        ("女性", "start:王小姐"),
        ("女性", "end:王小姐"),
        ("男性", "exactly:a,b"),
        ("男性", "partially:tom"),
        ("色情", "partially:bob"),
        ("男性", "regex:^mr"),
    ]
    assert [(f"{path}:5", "The match type 'somewhere' is not known: read as partially.")] == [
        (note.where, note.message) for note in loaded.notes
    ]
    assert (Label("女性"), Label("男性"), Label("色情")) == loaded.rule_set.labels


def test_labels_of_a_csv_are_translated_on_demand(tmp_path):
    """With a dictionary a known name becomes its translation and an unknown one keeps its own, both with a slash."""
    path = tmp_path / "rules.csv"
    path.write_text(CSV, encoding="utf-8")
    labels = load(path, dictionary=CHINESE_LABELS).rule_set.labels
    assert [label.name for label in labels] == ["/female", "/male", "/色情"]


def test_a_row_over_several_lines_keeps_the_count(tmp_path):
    """The place of a rule is the line on which its row begins, also after a cell with line ends."""
    path = tmp_path / "rules.csv"
    path.write_text('content,label,rule_type,match_type\n"a\nb",/x,keyword,end\nc,/x,keyword,end\n')
    assert [f"{path}:2", f"{path}:4"] == [rule.place for rule in load(path).rule_set.rules]


def test_tabs_separate_too(tmp_path):
    """A header with tabs means a tab-separated file, whatever the suffix."""
    path = tmp_path / "rules.tsv"
    path.write_text("label\tcontent\tmatch_type\trule_type\n/x\ta,b\tend\tkeyword\n")
    assert rows(load(path).rule_set) == [("/x", "end:a,b")]


def test_a_json_document_names_itself(tmp_path):
    """Its own name goes before that of the file, which serves where there is none."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"labels": ["/a"], "rules": []}))
    assert load(path).rule_set.name == "mine"
    save(dataclasses.replace(load(path).rule_set, name="theirs"), path)
    assert load(path).rule_set.name == "theirs"


def test_the_form_is_told_from_the_path(tmp_path):
    """A folder stays a folder even when its name looks like a file."""
    (tmp_path / "odd.csv").mkdir()
    names = {"odd.csv": Form.FOLDER, "new": Form.FOLDER, "a.CSV": Form.CSV, "a.tsv": Form.CSV, "a.json": Form.JSON}
    assert names == {name: form_of(tmp_path / name) for name in names}


@pytest.mark.parametrize("label", ["male", "/", "/a/b", "/..", "/a:b", "/.hidden", "/a."])
def test_a_label_that_is_no_folder_name_is_not_written(tmp_path, label):
    """Nothing is written outside of the folder, and nothing at all when one label cannot be."""
    labels = Label("/fine"), Label(label)
    rules = tuple(Rule(each.name, Kind.KEYWORD, Match.END, "x") for each in labels)
    with pytest.raises(BadRules, match="cannot be a folder"):
        save(RuleSet("x", labels, rules), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["a\tb", "a\nb", "a\r", ""])
def test_a_keyword_that_is_no_line_is_not_written_to_a_folder(tmp_path, content):
    """A tab or a line end in it would be read back as something else; CSV and JSON hold it."""
    rule_set = RuleSet("x", (Label("/a"),), (Rule("/a", Kind.KEYWORD, Match.END, content),))
    with pytest.raises(BadRules, match="tab or line end") as caught:
        save(rule_set, tmp_path / "out")
    assert caught.value.way_out
    for file in ("out.csv", "out.json"):
        save(rule_set, tmp_path / file)
        assert load(tmp_path / file).rule_set.rules == rule_set.rules


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    """Files of labels that are gone would be read as rules again."""
    rule_set = RuleSet("x", (Label("/a"),), (Rule("/a", Kind.KEYWORD, Match.END, "x"),))
    save(rule_set, tmp_path / "out")
    with pytest.raises(Conflict, match="not empty"):
        save(rule_set, tmp_path / "out")
    assert rows(load(tmp_path / "out").rule_set) == [("/a", "end:x")]
