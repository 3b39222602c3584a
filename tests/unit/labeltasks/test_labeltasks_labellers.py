"""Several labellers and pre-filters in one task: what a reader of all rules would work out row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadSource
from labelmill.labeltasks.figures import OTHERS, total
from labelmill.labeltasks.filters import Action, Filter
from labelmill.labeltasks.frames import by_bucket, production
from labelmill.labeltasks.labelling import Labelling
from labelmill.labeltasks.model import MOST_UNMAPPED, Columns, Labeller, LabelTask
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules, to_dict

START = datetime(2020, 1, 1)
GENDER = (Label("/male", "gender"), Label("/female", "gender"))
BY_AUTHOR = RuleSet(
    "names",
    (*GENDER, Label("/student", "role")),
    (
        Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "amy"),
        Rule("/student", Kind.KEYWORD, Match.END, "17"),
    ),
)
BY_CONTENT = RuleSet(
    "texts",
    (*GENDER, Label("/young", "age")),
    (
        Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "mr"),
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "ms"),
        Rule("/young", Kind.REGEX, None, r"^hey\b"),
    ),
)
COLUMNS = Columns(text="author", id="id", source="s_id", author="author", time="post_time")
AUTHORS = st.sampled_from(["tom", "amy", "tom 17", "amy tom", "nobody", "小美", "", None])
CONTENTS = st.sampled_from(["mr x", "ms y", "mr ms", "hey ms", "hey", "spam mr", "x [mr] y", "[ms] mr", "quiet", "", None])
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), AUTHORS, CONTENTS, st.one_of(st.none(), st.integers(0, 3))), max_size=40
)
Row = tuple[Any, ...]
FILTERS = (
    Filter(
        action=Action.DELETE,
        column="content",
        rules={"rules": [{"kind": "keyword", "match": "partially", "content": "spam"}]},
    ),
    Filter(action=Action.ALTER, column="content", rules={"rules": [{"kind": "regex", "content": r"\[\w+\]"}]}),
)


def make_task(**changes: Any) -> LabelTask:
    also = (Labeller(rules=to_dict(BY_CONTENT), column="content"),)
    values: dict[str, Any] = {"source": {}, "sink": {}, "rules": to_dict(BY_AUTHOR), "columns": COLUMNS, "also": also}
    return LabelTask(**{"name": "all", **values, **changes})


def make_frame(rows: list[Row]) -> pl.DataFrame:
    columns = {
        "id": [f"r{number}" for number in range(len(rows))],
        "s_id": [row[0] for row in rows],
        "author": [row[1] for row in rows],
        "content": [row[2] for row in rows],
        "post_time": [None if row[3] is None else START + timedelta(hours=row[3]) for row in rows],
    }
    texts = dict.fromkeys(("id", "s_id", "author", "content"), pl.String)
    return pl.DataFrame(columns, schema={**texts, "post_time": pl.Datetime("us")})


def run(task: LabelTask, *frames: pl.DataFrame) -> Labelling:
    labelling = Labelling(task, [compile_rules(rules) for rules in (BY_AUTHOR, BY_CONTENT)[: len(task.labellers)]], "t" * 32)
    for frame in frames:
        labelling.add(frame)
    return labelling


def gender(text: str, male: str, female: str) -> list[tuple[str, str]]:
    """Both words are a tie, which gives no label."""
    if (male in text) == (female in text):
        return []
    return [("gender", "/male" if male in text else "/female")]


def filtered(text: str | None) -> str | None:
    """A text as the chain leaves it; None stands for a row that is left out as well as for no text."""
    return None if text is None or "spam" in text else text.replace("[mr]", "").replace("[ms]", "")


def by_author(text: str | None) -> list[tuple[str, str]]:
    text = text or ""
    return [*gender(text, "tom", "amy"), *([("role", "/student")] if text.endswith("17") else [])]


def by_content(text: str | None) -> list[tuple[str, str]]:
    text = text or ""
    return [*gender(text, "mr", "ms"), *([("age", "/young")] if text.startswith("hey") else [])]


def oracle_results(rows: list[Row], *, chain: bool) -> list[tuple[int, str, str, str]]:
    """(row, column, group, label) of each label that each labeller gives each row."""
    found = []
    for number, (_source, author, content, _hour) in enumerate(rows):
        if chain and "spam" in (content or ""):
            continue
        text = filtered(content) if chain else content
        found += [(number, "author", group, label) for group, label in by_author(author)]
        found += [(number, "content", group, label) for group, label in by_content(text)]
    return found


def oracle_production(rows: list[Row], tie: str, *, chain: bool) -> tuple[Counter[Row], int]:
    """One author and group at a time: the label of most records, with its latest."""
    records: dict[Row, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, _column, group, label in oracle_results(rows, chain=chain):
        source, author, _content, _hour = rows[number]
        if author:
            records[f"{source or ''}_{author}", group][label].add(number)
    made, ties = [], 0
    for (author, _group), labels in records.items():
        most = max(map(len, labels.values()))
        best = [label for label, numbers in labels.items() if len(numbers) == most]
        ties += len(best) > 1
        for label in best if tie == "keep" or len(best) == 1 else []:
            hours = {number: -1 if rows[number][3] is None else rows[number][3] for number in labels[label]}
            latest = max(hours, key=lambda number: (hours[number], number))
            made.append((author, label, f"r{latest}"))
    return Counter(made), ties


@given(ROWS, st.integers(0, 40), st.booleans())
def test_each_labeller_labels_its_own_column(rows: list[Row], cut: int, chain: bool) -> None:
    """Each label of each labeller stands once, in the order of the source, with what matched and where."""
    frame = make_frame(rows)
    labelling = run(make_task(filters=FILTERS if chain else ()), frame.head(cut), frame.slice(cut))
    found = labelling.results()
    expected = oracle_results(rows, chain=chain)
    assert Counter(found.select("id", "group", "panel").rows()) == Counter(
        (f"r{number}", group, label) for number, _column, group, label in expected
    )
    assert found["place"].is_sorted()
    for row_id, text, meta in found.select("id", "match_content", "match_meta").iter_rows():
        number = int(row_id[1:])
        content = filtered(rows[number][2]) if chain else rows[number][2]
        assert text in (rows[number][1], content)
        assert orjson.loads(meta)


@given(ROWS, st.sampled_from(["drop", "keep"]), st.integers(1, 4), st.booleans())
def test_production_is_that_of_a_naive_reading(rows: list[Row], tie: str, buckets: int, chain: bool) -> None:
    """One record with one label of two labellers is one record; a group spans labellers; buckets change nothing."""
    labelling = run(make_task(filters=FILTERS if chain else ()), make_frame(rows))
    made, ties = [], 0
    for results in by_bucket(labelling.results(), buckets):
        part, tied = production(results, tie)
        made += part.select("source_author", "panel", "id").rows()
        ties += tied
    assert (Counter(made), ties) == oracle_production(rows, tie, chain=chain)


@given(ROWS, st.booleans())
def test_every_row_is_counted_once(rows: list[Row], chain: bool) -> None:
    """Read are all; without text those with none in any labelled column; filtered ones apart; labelled whoever labelled them."""
    figures = run(make_task(filters=FILTERS if chain else ()), make_frame(rows)).figures
    kept = [row for row in rows if not (chain and "spam" in (row[2] or ""))]
    left = [(row[1], filtered(row[2]) if chain else row[2]) for row in kept]
    assert (figures.rows_read, figures.received) == (len(rows), {"all": len(rows)} if rows else {})
    assert figures.rows_filtered == len(rows) - len(kept)
    assert figures.rows_without_text == sum(1 for author, content in left if not author and not content)
    labelled = {number for number, *_ in oracle_results(rows, chain=chain)}
    assert figures.rows_labelled == len(labelled)
    assert figures.rows_without_author == sum(1 for number in labelled if not rows[number][1])
    both = sum(author == "amy tom" for author, _ in left) + sum(
        "mr" in (text or "") and "ms" in (text or "") for _, text in left
    )
    assert figures.ties.get("gender", 0) == both


def test_one_label_twice_of_one_record_is_one_record() -> None:
    """Two labellers that agree about one post do not outvote two posts."""
    rows = [("a", "tom 17", "mr x", 1), ("a", "tom 17", "ms y", 2), ("a", "tom 17", "ms z", 3)]
    task = make_task(columns=Columns(text="content", id="id", source="s_id", author="author", time="post_time"), also=())
    twice = LabelTask.from_params(task.as_params() | {"also": [{"rules": {}, "column": "content"}]})
    labelling = Labelling(twice, [compile_rules(BY_CONTENT), compile_rules(BY_CONTENT)], "t")
    labelling.add(make_frame([rows[0], rows[1]]))
    _made, ties = production(labelling.results(), "drop")
    assert (labelling.results().height, ties) == (4, 1)
    assert labelling.results()["again"].to_list() == [False, True, False, True]
    labelling.add(make_frame([rows[2]]))
    made, ties = production(labelling.results(), "drop")
    assert (made["panel"].to_list(), ties) == (["/female"], 0)


def test_each_result_says_what_matched_in_its_own_column() -> None:
    """The text of the labeller's column, and its rules."""
    found = run(make_task(), make_frame([("a", "tom 17", "hey ms", 1)])).results()
    told = {(row["group"], row["match_content"]): row["match_meta"] for row in found.to_dicts()}
    assert set(told) == {("gender", "tom 17"), ("role", "tom 17"), ("gender", "hey ms"), ("age", "hey ms")}
    assert "tom" in told["gender", "tom 17"]
    assert "ms" in told["gender", "hey ms"]


def test_what_a_filter_removed_is_neither_matched_nor_shown() -> None:
    """The label that stood in the brackets is gone, and so is it in match_content."""
    found = run(
        make_task(filters=FILTERS), make_frame([("a", "nobody", "[ms] mr", 1), ("a", "nobody", "spam mr", 1)])
    ).results()
    assert found.select("id", "panel", "match_content").rows() == [("r0", "/male", " mr")]


def test_a_filter_reads_a_column_that_nobody_labels() -> None:
    task = make_task(also=(), filters=FILTERS[:1])
    assert task.needed == ["id", "s_id", "author", "post_time", "content"]
    labelling = run(task, make_frame([("a", "tom", "spam", 1), ("a", "tom", "ham", 1), ("a", "tom", None, 1)]))
    assert labelling.results()["id"].to_list() == ["r1", "r2"]


def test_bytes_that_are_no_text_are_rejected_before_any_filter() -> None:
    """In whichever column: labelled by the second labeller, or only filtered; bytes that are text are read as such."""
    frame = make_frame([("a", "tom", "mr", 1), ("a", "amy", "ms", 1), ("a", "tom", "spam", 1)]).with_columns(
        content=pl.Series([b"mr \xff", "ms 淑芬".encode(), b"spam"])
    )
    for task in (make_task(filters=FILTERS), make_task(also=(), filters=FILTERS)):
        labelling = run(task, frame)
        assert [(reject.place, reject.reason) for reject in labelling.rejects] == [(1, "column 'content' is not UTF-8 text")]
        figures = labelling.figures
        assert (figures.rows_read, figures.rows_rejected, figures.rows_filtered, figures.rows_labelled) == (2, 1, 1, 1)
        assert labelling.results()["id"].unique().to_list() == ["r1"]


@given(ROWS)
def test_sources_that_are_left_out_are_counted_and_have_no_results(rows: list[Row]) -> None:
    """All rows read are counted as read, also those of sources that the map does not know; no name receives them."""
    source_map = {"one": ["a"], "two": ["a", "b"]}
    labelling = run(make_task(source_map=source_map, unmapped="leave-out"), make_frame(rows))
    figures, sources = labelling.figures, Counter(row[0] for row in rows)
    assert figures.rows_read == len(rows)
    assert figures.received == +Counter({"one": sources["a"], "two": sources["a"] + sources["b"]})
    assert figures.unmapped == +Counter({"c": sources["c"], "unknown": sources[None]})
    assert set(labelling.results()["name"]) <= {"one", "two"}
    expected = Counter(rows[number][0] for number, *_ in oracle_results(rows, chain=False))
    assert figures.results == +Counter({"one": expected["a"], "two": expected["a"] + expected["b"]})


@pytest.mark.parametrize("frames", [1, 5])
def test_more_unmapped_sources_than_can_be_listed_are_added_up(frames: int) -> None:
    """The largest stay by name, none is lost from the sum, and the list does not grow with the source."""
    many = MOST_UNMAPPED + 500
    rows: list[Row] = [(f"s{number}", "tom", None, 1) for number in range(many)] + [("s7", "tom", None, 1)] * 9
    frame = make_frame(rows)
    size = -(-len(rows) // frames)
    task = make_task(source_map={"one": ["a"]}, unmapped="leave-out")
    labelling = run(task, *(frame.slice(number * size, size) for number in range(frames)))
    found = labelling.figures.unmapped
    assert sum(found.values()) == len(rows) == labelling.figures.rows_read
    assert len(found) <= MOST_UNMAPPED + 1
    assert found[OTHERS] >= many - MOST_UNMAPPED
    assert found["s7"] >= 9
    assert labelling.results().height == 0


def test_the_unmapped_sources_of_many_steps_are_bounded_as_well() -> None:
    """What was added up in some steps is added to what is added up now."""
    steps = [{"unmapped": {f"s{step}-{number}": 1 for number in range(900)} | {OTHERS: 5, "large": 50}} for step in range(4)]
    found = total(steps).unmapped
    assert sum(found.values()) == 4 * 955
    assert len(found) == MOST_UNMAPPED + 1
    assert (found["large"], found[OTHERS]) == (200, 4 * 955 - 200 - (MOST_UNMAPPED - 1))


def test_more_unmapped_sources_than_tables_should_be_made_are_a_mistake() -> None:
    """Where each would get tables of its own, the way out names the other way."""
    rows: list[Row] = [(f"s{number}", "tom", None, 1) for number in range(MOST_UNMAPPED + 1)]
    with pytest.raises(BadSource, match="not in the source map") as refused:
        run(make_task(source_map={"one": ["a"]}), make_frame(rows))
    assert "leave unmapped sources out" in refused.value.way_out
