"""A chain of filters does to a frame what a reader of the chain does to one row after another."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.errors import BadFile, BadInput, BadRules, BadSource
from labelmill.labeltasks.filters import Action, Filter, Filters, load_filter, parse_action

if TYPE_CHECKING:
    from pathlib import Path

#: Names that mean something to an expression, and none here.
COLUMNS = ["content", "^.*$", "*", "欄 位"]
TEXTS = st.none() | st.sampled_from(["", "a", "ab", "AB", "ba", "aab b", "İa", "c"])
WORDS = st.sampled_from(["a", "b", "ab", "aa", "c", " "])


def make_filter(action: str, column: str, *rules: tuple[str, str], case_sensitive: bool = False) -> Filter:
    """Return a filter of (type, content) rules without labels."""
    listed = [
        {"kind": "regex", "content": content} if kind == "regex" else {"kind": "keyword", "match": kind, "content": content}
        for kind, content in rules
    ]
    return Filter(action=Action(action), column=column, rules={"rules": listed, "case_sensitive": case_sensitive})


def run(frame: pl.DataFrame, *filters: Filter) -> tuple[list[tuple[Any, ...]], list[bool]]:
    altered, deleted = Filters(filters).run(frame)
    assert frame.columns == altered.columns
    assert deleted.dtype == pl.Boolean
    return altered.rows(), deleted.to_list()


def oracle(filters: list[tuple[str, str, list[str]]], row: dict[str, str | None]) -> tuple[dict[str, str | None], bool]:
    """Return the row after the chain, and whether it is deleted; keywords ``partially``, case ignored."""
    row = dict(row)
    for action, column, words in filters:
        text = row[column]
        if text is None:
            continue
        if action == "delete" and any(word in text.lower() for word in words):
            return row, True
        if action == "alter":
            row[column] = stripped(text, words)
    return row, False


def stripped(text: str, words: list[str]) -> str:
    left = ""
    while text:
        # The one letter of these texts whose small form is longer is matched by none of these words.
        found = [word for word in words if text.lower().startswith(word)]
        left += "" if found else text[0]
        text = text[max(map(len, found), default=1) :]
    return left


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["delete", "alter"]), st.sampled_from(COLUMNS), st.lists(WORDS, min_size=1, max_size=3)),
        max_size=4,
    ),
    st.lists(st.tuples(*[TEXTS] * len(COLUMNS)), max_size=8),
)
def test_chains_equal_the_oracle(chain, rows):
    """Later filters see what earlier ones altered; a deleted row is altered no more."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    filters = [make_filter(action, column, *(("partially", word) for word in words)) for action, column, words in chain]
    expected = [oracle(chain, dict(zip(COLUMNS, row, strict=True))) for row in rows]
    assert run(frame, *filters) == ([tuple(row.values()) for row, _ in expected], [deleted for _, deleted in expected])


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (("partially", "AMY"), [True, True, True, True, False, False, False]),
        (("start", "amy"), [True, True, False, True, False, False, False]),
        (("end", "amy"), [True, False, True, True, False, False, False]),
        (("exactly", "amy"), [True, False, False, True, False, False, False]),
        (("regex", "^a.y$"), [True, False, False, True, False, False, False]),
        (("regex", ".*"), [True, True, True, True, True, False, False]),
    ],
)
def test_rows_are_deleted_where_any_rule_matches(rule, hit):
    """By each kind of rule; no rule matches an empty text or NULL."""
    frame = pl.DataFrame({"content": ["amy", "amy b", "b amy", "AMY", "b", "", None]})
    assert run(frame, make_filter("delete", "content", rule)) == (frame.rows(), hit)
    assert run(frame, make_filter("delete", "content", ("partially", "zzz"), rule))[1] == hit


def test_a_text_that_was_altered_away_is_empty_and_matched_by_nothing():
    frame = pl.DataFrame({"content": ["ad", "ad news", None]})
    chain = [make_filter("alter", "content", ("partially", "ad")), make_filter("delete", "content", ("partially", "ad"))]
    assert run(frame, *chain) == ([("",), (" news",), (None,)], [False, False, False])


def test_case_matters_where_the_rules_say_so():
    frame = pl.DataFrame({"content": ["Ad ad"]})
    assert run(frame, make_filter("alter", "content", ("partially", "ad"), case_sensitive=True)) == ([("Ad ",)], [False])


def test_only_the_named_column_is_altered_whatever_it_is_called():
    """A name like a pattern is that one column, and other columns, of any type, stay as they are."""
    frame = pl.DataFrame({"^.*$": ["ab"], "b": ["ab"], "*": ["ab"], "number": [1], "bytes": [b"\xff"]})
    chain = [make_filter("alter", "^.*$", ("partially", "a")), make_filter("alter", "*", ("partially", "b"))]
    assert run(frame, *chain) == ([("b", "ab", "a", 1, b"\xff")], [False])
    assert frame.rows() == [("ab", "ab", "ab", 1, b"\xff")]


def test_an_empty_chain_and_an_empty_frame():
    frame = pl.DataFrame({"content": ["a", None]})
    assert run(frame) == (frame.rows(), [False, False])
    assert Filters([]).columns == []
    chain = [make_filter("alter", "content", ("partially", "a")), make_filter("delete", "content", ("regex", "b"))]
    assert run(frame.clear(), *chain) == ([], [])


def test_categories_and_columns_of_null_are_text():
    frame = pl.DataFrame({"kind": pl.Series(["ad", "news"], dtype=pl.Categorical), "none": [None, None]})
    chain = [make_filter("alter", "none", ("partially", "x")), make_filter("delete", "kind", ("exactly", "ad"))]
    assert run(frame, *chain) == ([("ad", None), ("news", None)], [True, False])


def test_the_columns_of_a_chain_are_each_listed_once():
    chain = [make_filter("delete", column, ("exactly", "x")) for column in ("b", "*", "b", "a")]
    assert Filters(chain).columns == ["b", "*", "a"]


def test_one_chain_serves_many_threads():
    chain = Filters([make_filter("alter", "t", ("partially", "a")), make_filter("delete", "t", ("exactly", "b"))])
    frames = [pl.DataFrame({"t": [f"A{'b' * number}"]}) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        done = [(altered["t"][0], deleted[0]) for altered, deleted in pool.map(chain.run, frames)]
    assert done == [("b" * number, number == 1) for number in range(40)]


@pytest.mark.parametrize(
    ("rules", "fault", "where"),
    [
        ({"rules": []}, "no rules", "filter 2, filter"),
        ({"rules": [{"kind": "regex", "content": "a("}]}, "cannot be used", "filter 2, rule 1"),
        ({"rules": [{"kind": "keyword", "match": "start", "content": ""}]}, "the keyword is empty", "filter 2, rule 1"),
        ({"rules": [{"kind": "keyword", "content": "a"}]}, "none though it is a keyword", "filter 2, rule 1"),
        ({"labels": ["x"]}, "'rules' is missing", "filter 2, the rule set"),
    ],
)
@pytest.mark.parametrize("action", list(Action))
def test_a_filter_that_cannot_be_compiled_is_named(action, rules, fault, where):
    good = make_filter("delete", "a", ("exactly", "x"))
    with pytest.raises(BadRules, match=fault) as caught:
        Filters([good, Filter(action=action, column="a", rules=rules)])
    assert caught.value.where == where
    assert caught.value.way_out


def test_a_filter_without_a_column_is_refused():
    with pytest.raises(BadInput, match="no column") as caught:
        Filters([make_filter("delete", "", ("exactly", "x"))])
    assert caught.value.where == "filter 1"


@pytest.mark.parametrize("action", list(Action))
def test_a_column_that_is_missing_or_no_text_is_named(action):
    frame = pl.DataFrame({"a": ["x"], "n": [1]})
    with pytest.raises(BadSource, match=r"no column '\^\.\*\$'") as caught:
        Filters([make_filter(action, "^.*$", ("exactly", "x"))]).run(frame)
    assert caught.value.way_out == "The columns are: a, n."
    with pytest.raises(BadInput, match="'n' holds Int64"):
        Filters([make_filter(action, "n", ("exactly", "x"))]).run(frame)


@pytest.mark.parametrize(
    ("word", "action"),
    [(word, Action.DELETE) for word in ("delete", "DELETE", "刪除", " Delete ")]
    + [(word, Action.ALTER) for word in ("alter", "ALTER", "修改")],
)
def test_the_predecessor_s_words_for_actions(word, action):
    assert parse_action(word) is action


@pytest.mark.parametrize("word", ["", "remove", "删除", "delete alter"])
def test_other_words_are_refused_with_those_that_are_known(word):
    with pytest.raises(BadInput, match="not what a filter can do") as caught:
        parse_action(word)
    assert caught.value.way_out == "It is one of: delete, 刪除, alter, 修改."


def test_a_filter_survives_json():
    chosen = make_filter("alter", "^.*$", ("start", "re:"), ("regex", "a+"))
    assert Filter.from_params(json.loads(json.dumps(chosen.as_params()))) == chosen


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"action": "delete", "column": "a"},
        {"action": "delete", "column": "a", "rules": {}, "more": 1},
        {"action": "drop", "column": "a", "rules": {}},
        {"action": 1, "column": "a", "rules": {}},
        {"action": "delete", "column": None, "rules": {}},
    ],
)
def test_params_of_another_form_are_refused(params):
    with pytest.raises(BadInput) as caught:
        Filter.from_params(params)
    assert caught.value.way_out


def test_a_rule_file_needs_no_labels(tmp_path: Path):
    """A CSV file without the column, or with empty cells in it, in English or Chinese."""
    bare, partly = tmp_path / "bare.csv", tmp_path / "partly.csv"
    bare.write_text(
        "content,rule_type,match_type\n廣告,keyword,比對開頭\nhttp\\S+,regex,\nx,keyword,anywhere\n", encoding="utf-8"
    )
    partly.write_text("content,label,rule_type,match_type\nad,,keyword,start\nspam,/spam,keyword,end\n", encoding="utf-8")
    chosen, notes = load_filter(bare, action=Action.ALTER, column="t")
    assert [note.where for note in notes] == [f"{bare}:4"]
    frame = pl.DataFrame({"t": ["廣告 http://a 廣告 x", "ad spam"]})
    assert run(frame, chosen)[0] == [("  廣告 ",), ("ad spam",)]
    assert run(frame, load_filter(partly, action=Action.ALTER, column="t")[0])[0][1] == (" ",)
    assert {rule["label"] for rule in chosen.rules["rules"]} == {"filter"}


def test_a_rule_document_needs_no_labels(tmp_path: Path):
    path = tmp_path / "rules.json"
    rule = {"kind": "keyword", "match": "start", "content": "ad"}
    path.write_text(json.dumps({"rules": [rule, rule | {"label": "", "content": "b"}, rule | {"label": "/c", "content": "c"}]}))
    chosen, notes = load_filter(path, action=Action.DELETE, column="t")
    assert [rule["label"] for rule in chosen.rules["rules"]] == ["filter", "filter", "/c"]
    assert notes == ()
    assert run(pl.DataFrame({"t": ["ad", "b", "c", "d"]}), chosen)[1] == [True, True, True, False]


def test_the_other_columns_of_a_rule_file_are_still_needed(tmp_path: Path):
    path = tmp_path / "rules.csv"
    path.write_text("content,match_type\nad,start\n")
    with pytest.raises(BadFile, match="'rule_type' is missing") as caught:
        load_filter(path, action=Action.DELETE, column="t")
    assert caught.value.way_out == "The first line is: content,rule_type,match_type."
