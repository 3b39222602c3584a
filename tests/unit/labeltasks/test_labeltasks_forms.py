"""What a form means, and what stands beside which field when it means nothing."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from labelmill.labeltasks.commands import cli_label, curl_start
from labelmill.labeltasks.form_parts import changed, numbers
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
           "encoding": "big5", "overwrite": "on", "countdown": "7", "unmapped": "leave-out", "production_prefix": "p_", "production_after": "2.5",
           "batch_rows": "1000"}
    )  # fmt: skip
    assert (new.unmapped, new.production_prefix, new.production_after, new.batch_rows) == ("leave-out", "p_", 2.5, 1000)
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
    found = read_form(values, {"rules_file": file}).rules
    assert ([label["name"] for label in found["labels"]], found["name"]) == (["/a", "/f"], "more-rules")
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
        ({"unmapped": "lose"}, "unmapped", ""),
        ({"production_after": "later"}, "production_after", ""),
        ({"production_prefix": "x" * 64}, "production_prefix", "63"),
        ({"batch_rows": "1"}, "batch_rows", "100"),
        ({"also-0-text": ""}, "also.0.rules", "no rules yet"),
        ({"also-0-text": "", "also-0-rules_text": "{"}, "also.0.rules", "not JSON"),
        ({"filters-4-action": "delete"}, "filters.0.rules", "no rules yet"),
        ({"filters-0-action": "burn", "filters-0-rules_name": "x"}, "filters.0.action", ""),
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
            read_form(TYPED, {"rules_file": (name, content)})
        assert name in caught.value.by_field["rules"]


PART_RULES = json.dumps(RULES | {"name": "more"})
PARTS = {
    "also-0-text": "", "also-0-rules_text": PART_RULES, "also-2-text": "title", "also-2-rules_name": "people",
    "filters-1-action": "alter", "filters-1-column": "title", "filters-1-rules_text": '{"rules": [{"kind": "regex", "content": "x+"}]}',
    "filters-3-action": "delete", "filters-3-column": "", "filters-3-rules_task": "abc/filters.1",
}  # fmt: skip


def test_further_labellers_and_filters_come_in_the_order_of_their_numbers() -> None:
    new = read_form(TYPED | PARTS)
    assert [(one.text, one.rules["name"]) for one in new.also] == [(None, "more"), ("title", "people")]
    assert [(str(one.action), one.column) for one in new.filters] == [("alter", "title"), ("delete", None)]
    assert new.filters[0].rules["rules"] == [{"label": "filter", "kind": "regex", "content": "x+"}]
    assert new.filters[1].rules == {"task": "abc", "part": "filters.1"}


def test_a_file_belongs_to_the_part_whose_field_it_is_in() -> None:
    files = {
        "also-0-rules_file": ("b.json", PART_RULES.encode()),
        "filters-3-rules_file": ("c.csv", b"content,rule_type,match_type\nbad,keyword,start\n"),
    }
    new = read_form(TYPED | PARTS | {"also-0-rules_text": ""}, files)
    assert new.also[0].rules["name"] == "more"
    assert [rule["content"] for rule in new.filters[1].rules["rules"]] == ["bad"]


def test_a_button_adds_and_removes_parts_and_keeps_what_was_typed() -> None:
    grown = changed(TYPED | PARTS | {"add": "filters"}, 20)
    assert {kind: numbers(grown, kind) for kind in ("also", "filters")} == {"also": [0, 1], "filters": [0, 1, 2]}
    assert (grown["also-1-text"], grown["filters-0-action"], grown["filters-2-action"]) == ("title", "alter", "")
    assert TYPED.items() <= grown.items()
    shrunk = changed(grown | {"remove": "filters-0"}, 20)
    assert numbers(shrunk, "filters") == [0, 1]
    assert shrunk["filters-0-rules_task"] == "abc/filters.1"
    assert not any(name in shrunk for name in ("add", "remove"))


@pytest.mark.parametrize(
    "button", [{"add": "also"}, {"add": "rows"}, {"remove": "also-99"}, {"remove": "../also-0"}, {"remove": "name"}]
)
def test_a_button_that_means_nothing_changes_nothing(button: dict[str, str]) -> None:
    assert changed(TYPED | PARTS | button, 2) == changed(TYPED | PARTS, 2)


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


def command(asked: NewLabelTask) -> list[str]:
    return shlex.split(cli_label("F", "http://x", asked).rpartition("EOF\n")[2].replace("\\\n", ""))


def values_of(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_several_labellers_are_named_in_order_with_a_column_each() -> None:
    words = command(body(also=[{"rules": {"name": "people", "version": 2}, "text": "title"}, {"rules": RULES}]))
    assert values_of(words, "--rules") == ["rules.json", "people@2", "rules-3.json"]
    assert values_of(words, "--text-column") == ["$x", "title", "$x"]
    same = command(body(also=[{"rules": RULES}], columns={}))
    assert (values_of(same, "--rules"), values_of(same, "--text-column")) == (["rules.json", "rules-2.json"], [])
    usual = command(body(also=[{"rules": RULES, "text": "title"}], columns={}))
    assert values_of(usual, "--text-column") == ["content", "title"]


def test_filters_are_files_of_rules_wherever_their_rules_are() -> None:
    rules: list[dict[str, Any]] = [
        {"rules": []},
        {"name": "spam", "version": 2},
        {"name": "spam"},
        {"task": "abc", "part": "filters.0"},
    ]
    asked = body(rules={"name": "people"}, filters=[{"action": "alter", "column": "a b", "rules": one} for one in rules])
    text = cli_label("F", "http://x", asked)
    assert values_of(command(asked), "--filter") == [f"alter:a b=filter-{number}.json" for number in (1, 2, 3, 4)]
    assert "cat > filter-1.json" in text
    assert "labelmill rules export spam@2 filter-2.json --overwrite\n" in text
    assert "labelmill rules export spam filter-3.json --overwrite\n" in text
    assert "-o filter-4.json" in text
    assert "http://x/v1/label-tasks/abc/rules?part=filters.0" in shlex.split(text.replace("\n", " "), comments=False)


def test_every_option_that_is_not_the_usual_one_is_written() -> None:
    changes = {
        "unmapped": "leave-out", "production_prefix": "p_", "production_tie": "keep", "production_after": 2.5, "step_rows": 1000, "batch_rows": 500,
        "queue": "slow", "name": "x",
    }  # fmt: skip
    words = command(body(**changes))
    assert {f"--{name.replace('_', '-')}": [str(value)] for name, value in changes.items()} == {
        f"--{name.replace('_', '-')}": values_of(words, f"--{name.replace('_', '-')}") for name in changes
    }
    assert [word for word in command(body()) if word.startswith("--")] == ["--rules", "--text-column", "--out"]


def test_the_call_sends_what_the_form_means_and_nothing_else() -> None:
    text = curl_start("http://x", body(where={"start": "2020-01-01"}))
    sent = text.partition("<<'EOF'\n")[2].removesuffix("\nEOF")
    assert NewLabelTask.model_validate(json.loads(sent)) == body(where={"start": "2020-01-01"})
    assert "EOF" not in sent.splitlines()
    assert "queue" not in json.loads(sent)
