"""What a form means, and what stands beside which field when it means nothing."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from labelmill.labeltasks.commands import cli_label, curl_start
from labelmill.labeltasks.forms import FormErrors, read_form
from labelmill.labeltasks.schemas import NewLabelTask

RULES = {"labels": ["/a"], "rules": [{"label": "/a", "kind": "keyword", "match": "start", "content": "it's"}]}
TYPED = {
    "path": "posts.csv",
    "text_column": "author",
    "sink_kind": "file",
    "sink_path": "out.csv",
    "rules_text": json.dumps(RULES),
}


def wrong(**changes: str) -> dict[str, str]:
    with pytest.raises(FormErrors) as caught:
        read_form(TYPED | changes)
    return caught.value.by_field


def test_empty_fields_are_not_asked_for() -> None:
    new = read_form(
        TYPED | {"id_column": "", "start": "", "source_map": " ", "name": "", "encoding": "", "separator": "", "step_rows": ""}
    )
    assert new.model_dump(exclude_defaults=True, exclude={"rules"}) == {
        "source": {"path": "posts.csv"}, "sink": {"path": "out.csv"}, "columns": {"text": "author"},
    }  # fmt: skip


def test_every_field_of_the_form_reaches_the_request() -> None:
    new = read_form(
        TYPED
        | {"id_column": "i", "source_column": "s", "author_column": "a", "time_column": "t", "start": "2020-01-01T00:00:01", "end": "2021-01-01T00:00",
           "source_map": '{"forum": ["F1"]}', "name": "x", "production_tie": "keep", "step_rows": "5000", "queue": "slow", "separator": "tab",
           "encoding": "big5", "overwrite": "on", "countdown": "7"}
    )  # fmt: skip
    assert list(new.columns.model_dump().values()) == ["author", "i", "s", "a", "t"]
    assert (new.where.start.isoformat(), new.where.end.isoformat()) == ("2020-01-01T00:00:01", "2021-01-01T00:00:00")  # type: ignore[union-attr]
    assert (new.source_map, new.name, new.production_tie, new.step_rows) == ({"forum": ["F1"]}, "x", "keep", 5000)
    assert (new.queue, new.file.separator, new.file.encoding, new.overwrite, new.countdown) == ("slow", "\t", "big5", True, 7)


def test_a_connection_is_taken_where_it_was_chosen_and_the_file_is_left_out() -> None:
    new = read_form(TYPED | {"sink_kind": "connection", "sink_connection": "shop", "sink_schema": "public"})
    assert new.sink.model_dump(by_alias=True) == {"path": None, "connection": "shop", "schema": "public"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (json.dumps(RULES), ["/a"]),
        ("content,label,rule_type,match_type\ntom,/b,keyword,start\n", ["/b"]),
        ("content\tlabel\trule_type\tmatch_type\ntom\t/c\tkeyword\tstart\n", ["/c"]),
    ],
)
def test_rules_are_pasted_in_any_form(text: str, labels: list[str]) -> None:
    assert [label["name"] for label in read_form(TYPED | {"rules_text": text}).rules["labels"]] == labels


def test_a_file_of_rules_goes_before_pasted_ones_before_stored_ones_before_those_of_a_task() -> None:
    file = ("C:\\mine\\more rules.json", json.dumps(RULES | {"labels": ["/a", "/f"]}).encode())
    values = TYPED | {"rules_name": "people", "rules_task": "abc"}
    assert [label["name"] for label in read_form(values, file).rules["labels"]] == ["/a", "/f"]
    assert read_form(values, file).rules["name"] == "more-rules"
    assert "labels" in read_form(values).rules
    assert read_form(values | {"rules_text": ""}).rules == {"name": "people"}
    assert read_form(values | {"rules_text": "", "rules_name": ""}).rules == {"task": "abc"}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"rules_text": ""}, "rules", "no rules yet"),
        ({"rules_text": "{"}, "rules", "not JSON"),
        ({"rules_text": '{"labels": []}'}, "rules", "rules"),
        ({"rules_text": "x"}, "rules", ""),
        ({"source_map": "{"}, "source_map", "not JSON"),
        ({"source_map": "[]"}, "source_map", ""),
        ({"sink_path": ""}, "sink", "Give either a path or a connection."),
        ({"path": ""}, "source", "Give either a path or a connection."),
        ({"text_column": ""}, "columns.text", "Choose one."),
        ({"start": "2021-01-01", "end": "2020-01-01"}, "where", "The start must be earlier than the end."),
        ({"start": "soon"}, "where", ""),
        ({"step_rows": "many"}, "step_rows", ""),
        ({"step_rows": "1"}, "step_rows", "greater than or equal to 1000"),
        ({"separator": "ab"}, "file.separator", ""),
        ({"production_tie": "toss"}, "production_tie", ""),
    ],
)
def test_a_mistake_is_told_beside_its_field(changes: dict[str, str], field: str, words: str) -> None:
    found = wrong(**changes)
    assert list(found) == [field]
    assert words in found[field]
    assert "/tmp" not in found[field]


def test_all_mistakes_are_told_at_once() -> None:
    assert set(wrong(rules_text="{", source_map="{", text_column="", sink_path="")) == {
        "rules",
        "source_map",
        "columns.text",
        "sink",
    }


def test_a_file_that_holds_no_rules_is_refused_by_its_own_name() -> None:
    for name, content in (("rules.exe", b"x"), ("rules.json", b"{"), ("rules.csv", b"\xff\xfe\x00")):
        with pytest.raises(FormErrors) as caught:
            read_form(TYPED, (name, content))
        assert name in caught.value.by_field["rules"]


def body(**changes: Any) -> NewLabelTask:
    return NewLabelTask.model_validate(
        {"source": {"path": "a b.csv"}, "sink": {"path": "c'd.csv"}, "rules": RULES, "columns": {"text": "$x"}} | changes
    )


def test_names_are_quoted_for_the_shell() -> None:
    words = shlex.split(cli_label("/data/files", "http://x", body()).rpartition("EOF\n")[2].replace("\\\n", ""))
    assert words == [
        "labelmill",
        "label",
        "/data/files/a b.csv",
        "--rules",
        "rules.json",
        "--text-column",
        "$x",
        "--out",
        "/data/files/c'd.csv",
    ]


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ({"path": "p.db", "table": "a b"}, "F/p.db::a b"),
        ({"connection": "shop", "table": "posts"}, "@shop::posts"),
        ({"connection": "shop", "schema": "pub", "table": "posts"}, "@shop::pub.posts"),
        ({"connection": "shop"}, "@shop"),
    ],
)
def test_a_place_is_written_as_the_command_line_reads_it(source: dict[str, str], word: str) -> None:
    assert word in shlex.split(cli_label("F", "http://x", body(source=source)).rpartition("EOF\n")[2].replace("\\\n", ""))


@pytest.mark.parametrize(("rules", "word"), [({"name": "people"}, "people"), ({"name": "people", "version": 3}, "people@3")])
def test_a_stored_rule_set_is_named_and_not_written_out(rules: dict[str, Any], word: str) -> None:
    assert f"--rules {word}" in cli_label("F", "http://x", body(rules=rules))
    assert "cat >" not in cli_label("F", "http://x", body(rules=rules))


def test_the_rules_of_a_task_are_fetched_first() -> None:
    first = cli_label("F", "http://x", body(rules={"task": "abc"})).splitlines()[0]
    assert shlex.split(first)[-2:] == ["Authorization: Bearer $LABELMILL_TOKEN", "http://x/v1/label-tasks/abc/rules"]


def test_the_call_sends_what_the_form_means_and_nothing_else() -> None:
    text = curl_start("http://x", body(where={"start": "2020-01-01"}))
    sent = text.partition("<<'EOF'\n")[2].removesuffix("\nEOF")
    assert NewLabelTask.model_validate(json.loads(sent)) == body(where={"start": "2020-01-01"})
    assert "EOF" not in sent.splitlines()
    assert "queue" not in json.loads(sent)
