"""The pages on rules say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import labelmill.rules
from labelmill.rules import Kind, Match, Tie, check, from_dict
from labelmill.rules.casing import CONTESTED
from labelmill.rules.readers import table

ROOT = Path(__file__).resolve().parents[3]
MATCHING = (ROOT / "docs/explanation/matching.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/reference/rules.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", REFERENCE, re.DOTALL)[0]


def test_the_contested_characters_are_all_listed():
    """The table of code points, ranges written out, is the tuple that the code uses."""
    listed = []
    for line in re.findall(r"^\| (U\+.*?) \|", MATCHING, re.MULTILINE):
        for part in line.split(", "):
            first, _, last = part.replace("U+", "").partition("-")
            listed += map(chr, range(int(first, 16), int(last or first, 16) + 1))
    assert tuple(listed) == CONTESTED


def test_the_json_example_is_a_sound_rule_set():
    """It loads and has no findings."""
    assert check(from_dict(json.loads(fenced("json")))) == []


def test_the_python_example_runs():
    """It labels the first two authors."""
    code = fenced("python").rstrip()
    assert code.endswith('label(batch, rule_set, "author")')
    names: dict[str, object] = {}
    exec(code.rpartition("\n")[0], names)
    frame = labelmill.rules.label(names["batch"], names["rule_set"], "author")
    assert frame["label"].to_list() == ["/male", "/female"]
    assert all(f"| `{column}` |" in REFERENCE for column in frame.columns)


@pytest.mark.parametrize("word", [*Kind, *Match, *Tie, *table._MATCHES, *table.COLUMNS])
def test_every_word_of_a_rule_file_is_explained(word):
    """Kinds, match types in English and Chinese, ties and columns."""
    assert word in REFERENCE


def test_every_code_of_a_finding_is_explained_and_no_other():
    """The table lists the codes that the check can give."""
    source = (ROOT / "src/labelmill/rules/check.py").read_text(encoding="utf-8")
    codes = re.search(r"Codes: (.*?)\"\"\"", source, re.DOTALL)
    assert codes
    listed = set(re.findall(r"^\| `([a-z-]+)` \| (?:error|warning)", REFERENCE, re.MULTILINE))
    assert set(re.findall(r"``([a-z-]+)``", codes[1])) == listed


def test_the_columns_of_the_result_have_the_documented_types():
    """Numbers are u32, the rest is text."""
    frame = labelmill.rules.label(pl.Series(["x"]), from_dict({"labels": ["/a"], "rules": []}))
    types = {"u32": pl.UInt32, "text": pl.String}
    documented = {name: types[kind] for name, kind in re.findall(r"^\| `([a-z_]+)` \| (u32|text) \|", REFERENCE, re.MULTILINE)}
    assert {name: kind for name, kind in documented.items() if name in frame.columns} == dict(frame.schema)
