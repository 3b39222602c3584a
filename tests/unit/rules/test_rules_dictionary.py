"""The label dictionary: the predecessor's nine labels by their Chinese names, and everybody's own labels beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.rules import CHINESE_LABELS, load

#: From its documents; a panel is written with a slash.
NINE = {
    "男性": "/male",
    "女性": "/female",
    "未婚": "/unmarried",
    "已婚": "/married",
    "孩子": "/child",
    "有子女": "/parenting",
    "青年": "/young",
    "上班族": "/employee",
    "學生": "/student",
}


def write_rules(path: Path, labels: list[str]) -> Path:
    lines = [f"word{number},{label},keyword,exactly" for number, label in enumerate(labels)]
    path.write_text("\n".join(["content,label,rule_type,match_type", *lines]), encoding="utf-8")
    return path


def test_the_nine_labels_have_their_panels(tmp_path: Path) -> None:
    """Each, and no other: with the dictionary a file in Chinese names panels as the predecessor wrote them."""
    assert {chinese: f"/{name}" for chinese, name in CHINESE_LABELS.items()} == NINE
    rule_set = load(write_rules(tmp_path / "rules.csv", list(NINE)), dictionary=CHINESE_LABELS).rule_set
    assert sorted(label.name for label in rule_set.labels) == sorted(NINE.values())
    assert [rule.label for rule in rule_set.rules] == list(NINE.values())


@pytest.mark.parametrize(("own", "panel"), [("色情", "/色情"), ("/gamer", "/gamer"), ("vip customer", "/vip customer")])
def test_own_labels_stand_beside_them(tmp_path: Path, own: str, panel: str) -> None:
    """Under their own name, with one slash; without the dictionary every label stays as it is written."""
    path = write_rules(tmp_path / "rules.csv", ["男性", own])
    assert {label.name for label in load(path, dictionary=CHINESE_LABELS).rule_set.labels} == {"/male", panel}
    assert {label.name for label in load(path).rule_set.labels} == {"男性", own}
