"""Rules from the predecessor's folders: which file, which column, which labels exclude each other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest

import audience
from labelmill.compat.audience.rules import COLUMNS, read_rules
from labelmill.errors import LabelmillError
from labelmill.rules import Label, compile_rules
from rights import as_nobody


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return audience.write_rules(tmp_path / "rules")


def test_t06_the_labels_of_one_dimension_are_in_one_group_and_others_on_their_own(rules: Path) -> None:
    found = read_rules(rules, "keyword_model", "content")
    assert found.labels == (Label("/female", "gender"), Label("/married", "marriage"), Label("/young", "/young"))
    assert read_rules(rules, "keyword_model", "author_name").labels == (Label("/female", "gender"), Label("/male", "gender"))


def test_both_halves_of_each_dimension_have_its_group(tmp_path: Path) -> None:
    names = ("male", "female", "married", "unmarried", "child", "parenting", "young", "employee", "student", "色情")
    audience.write_rules(tmp_path, {f"keyword_model/{name}/content": "x\tend\n" for name in names})
    groups = {label.name: label.group for label in read_rules(tmp_path, "keyword_model", "content").labels}
    assert {groups[name] for name in ("/male", "/female")} == {"gender"}
    assert {groups[name] for name in ("/married", "/unmarried")} == {"marriage"}
    assert all(groups[f"/{name}"] == f"/{name}" for name in names[4:])


def test_a_text_may_have_a_label_of_each_group(rules: Path) -> None:
    """`/female`, `/married` and `/young` hold at once; nothing is dropped because something else matched."""
    matcher = compile_rules(read_rules(rules, "keyword_model", "content"))
    labelled = matcher.label(pl.Series(["my husband at school", "nothing"]))
    assert sorted(str(each) for each in labelled["label"].to_list()) == ["/female", "/married", "/young"]


def test_t08_each_predict_type_has_its_file_and_its_column(rules: Path) -> None:
    assert COLUMNS == {"author_name": "author", "content": "content", "s_area_id": "s_area_id", "title": "title"}
    assert [rule.content for rule in read_rules(rules, "keyword_model", "s_area_id").rules] == ["WH_F0003_0055"]


def test_t07_a_rule_model_has_regexes(rules: Path) -> None:
    [rule] = read_rules(rules, "rule_model", "title").rules
    assert (rule.type, rule.content, rule.label) == ("regex", r"^mr\.? ", "/male")


def _refusal(folder: Path | None, model: str = "keyword_model", predict: str = "author_name") -> LabelmillError:
    with pytest.raises(LabelmillError) as raised:
        read_rules(folder, model, predict)
    return raised.value


@pytest.mark.parametrize("model", ["", "svm", "..", "keyword_model/../rule_model", "/etc", "KEYWORD_MODEL", "x" * 5000])
def test_t02_an_unknown_model_is_never_a_path(rules: Path, model: str) -> None:
    error = _refusal(rules, model)
    assert (error.where, len(error.message) < 100) == ("model_type", True)
    assert error.way_out == "There are: keyword_model, rule_model."


@pytest.mark.parametrize("predict", ["", "author", "*", "../author_name", "x" * 5000])
def test_t02_an_unknown_predict_type_is_never_a_pattern(rules: Path, predict: str) -> None:
    assert _refusal(rules, predict=predict).where == "predict_type"


def test_t02_what_is_missing_is_named(rules: Path) -> None:
    assert _refusal(None).where == "LABELMILL_RULES_DIR"
    assert _refusal(rules / "nothing").where == str(rules / "nothing/keyword_model")
    assert _refusal(rules, "rule_model", "content").where == str(rules / "rule_model")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tom\n", "male/author_name.txt:1"),
        ("tom\tstart\nx\tnowhere\n", "male/author_name.txt:2"),
        ("\tstart\n", "male/author_name.txt:1"),
    ],
)
def test_t02_a_broken_line_is_named_with_its_file(rules: Path, text: str, where: str) -> None:
    (rules / "keyword_model/male/author_name.txt").write_text(text)
    assert where in str(_refusal(rules))


def test_t02_a_bad_regex_is_named_with_its_file(rules: Path) -> None:
    (rules / "rule_model/male/title.txt").write_text("fine\n(?=look)\n")
    assert "male/title.txt:2" in str(_refusal(rules, "rule_model", "title"))


def test_t02_files_without_a_rule_are_refused(tmp_path: Path) -> None:
    audience.write_rules(tmp_path, {"keyword_model/male/author_name": "\n\n"})
    assert "author_name.txt" in _refusal(tmp_path).where


def test_t02_a_folder_without_rights_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:  # nobody may come as far as pytest's folders
        Path(folder).chmod(0o755)
        rules = audience.write_rules(Path(folder) / "rules")
        (rules / "keyword_model").chmod(0)
        try:
            with as_nobody():
                assert _refusal(rules).where == str(rules / "keyword_model")
        finally:
            (rules / "keyword_model").chmod(0o755)


def test_t02_what_the_system_refuses_is_told_with_the_path(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    error = _refusal(rules)
    assert (error.where, "Permission denied" in error.message) == (str(rules / "keyword_model"), True)
