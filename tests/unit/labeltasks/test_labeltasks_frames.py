"""Results and production equal what a reader of the rules would work out row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadSource
from labelmill.labeltasks.frames import PART_SCHEMA, by_bucket, production
from labelmill.labeltasks.labelling import Labelling
from labelmill.labeltasks.model import Columns, Labeller, LabelTask
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules, to_dict

START = datetime(2020, 1, 1)
RULES = RuleSet(
    "test",
    (Label("/male", "gender"), Label("/female", "gender"), Label("/student", "role")),
    (
        Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "amy"),
        Rule("/student", Kind.KEYWORD, Match.END, "17"),
    ),
)
COLUMNS = Columns(text="content", id="id", source="s_id", author="author", time="post_time")
AUTHORS = st.sampled_from(["ann", "bob", "小美", "", None])
TEXTS = st.sampled_from(["tom", "amy", "tom 17", "AMY17", "amy tom", "nothing", "", None])
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), AUTHORS, TEXTS, st.one_of(st.none(), st.integers(0, 5))), max_size=40
)
MAP = {"one": ["a"], "two": ["b", "a"]}


def make_task(**changes: Any) -> LabelTask:
    values: dict[str, Any] = {"source": {}, "sink": {}, "rules": {}, "columns": COLUMNS, "name": "all"}
    return LabelTask(**values | changes)


def make_frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    columns = {
        "id": [f"r{number}" for number in range(len(rows))],
        "s_id": [row[0] for row in rows],
        "author": [row[1] for row in rows],
        "content": [row[2] for row in rows],
        "post_time": [None if row[3] is None else START + timedelta(hours=row[3]) for row in rows],
    }
    return pl.DataFrame(
        columns,
        schema={"id": pl.String, "s_id": pl.String, "author": pl.String, "content": pl.String, "post_time": pl.Datetime("us")},
    )


def run(task: LabelTask, *frames: pl.DataFrame) -> Labelling:
    labelling = Labelling(task, [compile_rules(RULES)], "t" * 32)
    for frame in frames:
        labelling.add(frame)
    return labelling


def oracle_labels(text: str | None) -> list[tuple[str, str]]:
    """One row at a time, as the spec's table says: the best score of each group, a tie gives none."""
    found = []
    folded = (text or "").lower()
    if ("tom" in folded) != ("amy" in folded):
        found.append(("gender", "/male" if "tom" in folded else "/female"))
    if folded.endswith("17"):
        found.append(("role", "/student"))
    return found


def oracle_results(rows: list[tuple[Any, ...]], source_map: dict[str, list[str]] | None) -> list[tuple[Any, ...]]:
    found = []
    for number, (source, author, text, _hour) in enumerate(rows):
        named = [name for name, sources in (source_map or {}).items() if source in sources]
        names = ["all"] if source_map is None else named or [source or "unknown"]
        key = f"{source or ''}_{author}" if author else None
        found += [(name, f"r{number}", key, label) for _group, label in oracle_labels(text) for name in names]
    return found


@given(ROWS, st.sampled_from([None, MAP]), st.integers(0, 40))
def test_results_are_those_of_a_row_by_row_reading(rows: list[tuple[Any, ...]], source_map: Any, cut: int) -> None:
    """However the rows are cut into frames, each label of each row stands once under each of its names."""
    frame = make_frame(rows)
    labelling = run(make_task(source_map=source_map), frame.head(cut), frame.slice(cut))
    found = labelling.results().select("name", "id", "source_author", "panel").rows()
    assert Counter(found) == Counter(oracle_results(rows, source_map))


@given(ROWS, st.sampled_from([None, MAP]))
def test_every_row_is_counted_once(rows: list[tuple[Any, ...]], source_map: Any) -> None:
    """Read, without text and labelled add up over the rows; authors are distinct by name, labelled or not."""
    labelling = run(make_task(source_map=source_map), make_frame(rows))
    figures = labelling.figures
    assert figures.rows_read == len(rows)
    assert figures.rows_without_text == sum(1 for row in rows if not row[2])
    assert figures.rows_labelled == sum(1 for row in rows if oracle_labels(row[2]))
    assert figures.ties.get("gender", 0) == sum(1 for row in rows if row[2] == "amy tom")
    mapped = {source for sources in (source_map or {}).values() for source in sources}
    unmapped = Counter(row[0] or "unknown" for row in rows if row[0] not in mapped) if source_map else Counter()
    assert figures.unmapped == dict(unmapped)
    known = {(row[0] or "", row[1]) for row in rows if row[1]}
    assert sum(part["hash"].n_unique() for part in labelling.authors(3)) == len(known)


@given(ROWS, st.booleans(), st.integers(0, 6), st.integers(0, 6))
def test_a_time_range_is_half_open_and_covers_each_row_once(
    rows: list[tuple[Any, ...]], open_end: bool, first: int, length: int
) -> None:
    """Rows at the start belong to the range, rows at the end do not, rows without a time are counted apart."""
    start = (START + timedelta(hours=first)).replace(tzinfo=UTC)
    end = None if open_end else start + timedelta(hours=length + 1)
    figures = run(make_task(start=start, end=end), make_frame(rows)).figures
    inside = [row for row in rows if row[3] is not None and row[3] >= first and (open_end or row[3] < first + length + 1)]
    assert figures.rows_read == len(inside)
    assert figures.rows_without_time == sum(1 for row in rows if row[3] is None)
    assert figures.rows_read + figures.rows_without_time + figures.rows_outside == len(rows)


def oracle_production(results: list[dict[str, Any]], tie: str) -> set[tuple[str, str, str, str]]:
    """For each author and group the label with most records stays, with its latest record; equals drop each other."""
    groups: dict[tuple[str, str, str], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        if row["source_author"] is not None:
            groups[row["name"], row["source_author"], row["group"]][row["panel"]].append(row)
    kept = set()
    for (name, author, _group), panels in groups.items():
        most = max(len(records) for records in panels.values())
        winners = [panel for panel, records in panels.items() if len(records) == most]
        if len(winners) == 1 or tie == "keep":
            for panel in winners:
                latest = max(panels[panel], key=lambda row: (row["create_time"] or datetime.min, row["place"]))  # noqa: DTZ901
                kept.add((name, author, panel, latest["id"]))
    return kept


@given(ROWS, st.sampled_from(["drop", "keep"]), st.sampled_from([None, MAP]))
def test_production_keeps_the_latest_record_of_the_majority(rows: list[tuple[Any, ...]], tie: str, source_map: Any) -> None:
    """One row for each author and label; other groups are untouched by a group's majority or tie."""
    results = run(make_task(source_map=source_map), make_frame(rows)).results()
    made, ties = production(results, tie)
    assert set(made.select("name", "source_author", "panel", "id").rows()) == oracle_production(results.to_dicts(), tie)
    assert made.height == made.select("name", "source_author", "panel").n_unique()
    assert (ties > 0) == (oracle_production(results.to_dicts(), "keep") != oracle_production(results.to_dicts(), "drop"))


@given(ROWS, st.integers(1, 5))
def test_production_is_the_same_however_authors_are_spread(rows: list[tuple[Any, ...]], buckets: int) -> None:
    """All rows of one author meet in one bucket, so bucket by bucket gives what all at once gives."""
    results = run(make_task(), make_frame(rows)).results()
    whole, ties = production(results, "drop")
    parts = [production(part, "drop") for part in by_bucket(results, buckets)]
    assert len(parts) == buckets
    assert sum(part_ties for _part, part_ties in parts) == ties
    spread = pl.concat([PART_SCHEMA.to_frame(), *(part for part, _ties in parts)])
    assert sorted(spread.rows(), key=str) == sorted(whole.rows(), key=str)


def test_a_tie_does_not_favour_a_label() -> None:
    """One record each for /male and /female leaves neither (B5: the predecessor always kept /male)."""
    rows = [("a", "kim", "tom", 1), ("a", "kim", "amy", 2), ("a", "kim", "x 17", 3)]
    made, ties = production(run(make_task(), make_frame(rows)).results(), "drop")
    assert made["panel"].to_list() == ["/student"]
    assert ties == 1


def test_a_group_does_not_delete_another() -> None:
    """Twice /male and once /student: both stay, since they answer different questions (B7)."""
    rows = [("a", "kim", "tom", 1), ("a", "kim", "tom", 2), ("a", "kim", "x 17", 3)]
    made, _ties = production(run(make_task(), make_frame(rows)).results(), "drop")
    assert made.select("panel", "id").rows() == [("/male", "r1"), ("/student", "r2")]


def test_three_labels_leave_the_best_one() -> None:
    """3, 2 and 1 records: only the first stays (B6 compared two of them)."""
    panels = ["/x"] * 3 + ["/y"] * 2 + ["/z"]
    frame = pl.DataFrame(
        {"panel": panels, "id": [str(number) for number in range(6)], "place": range(6), "create_time": [START] * 6}
    ).with_columns(
        name=pl.lit("n"), group=pl.lit("g"), task_id=pl.lit("t"), source_author=pl.lit("a"), field_content=pl.lit(""),
        match_content=pl.lit(""), match_meta=pl.lit("[]"), again=pl.lit(value=False),
    )  # fmt: skip
    made, ties = production(frame.select(PART_SCHEMA.names()).cast(dict(PART_SCHEMA)), "drop")
    assert made["panel"].to_list() == ["/x"]
    assert ties == 0


def test_rows_without_id_column_are_numbered_through() -> None:
    """The first row of a part that begins after 100 rows is number 101, also in a second frame of the part."""
    task = make_task(columns=Columns(text="content"))
    labelling = Labelling(task, [compile_rules(RULES)], "t" * 32, first_row=100)
    labelling.add(pl.DataFrame({"content": ["tom", "x"]}))
    labelling.add(pl.DataFrame({"content": ["amy"]}))
    assert labelling.results()["id"].to_list() == ["101", "103"]


def test_a_number_column_can_be_labelled() -> None:
    """Ids and texts that the source keeps as numbers are read as they are written."""
    task = make_task(columns=Columns(text="n", id="n"))
    labelling = Labelling(task, [compile_rules(RULES)], "t" * 32)
    labelling.add(pl.DataFrame({"n": [17, 18]}))
    assert labelling.results().select("id", "panel").rows() == [("17", "/student")]


def test_a_wrong_source_column_is_found_out() -> None:
    """Thousands of unknown sources mean that the map or the column is wrong: nobody wants a thousand tables."""
    frame = make_frame([(f"s{number}", "a", "tom", 1) for number in range(1001)])
    with pytest.raises(BadSource, match="1000 sources") as caught:
        run(make_task(source_map=MAP), frame)
    assert "map" in caught.value.way_out


def test_a_source_listed_twice_under_a_name_counts_once() -> None:
    """{"one": ["a", "a"]} is a slip of the pen, not a wish for every row twice."""
    labelling = run(make_task(source_map={"one": ["a", "a"]}), make_frame([("a", "kim", "tom", 1)]))
    assert labelling.results().height == 1
    assert labelling.figures.received == {"one": 1}


@pytest.mark.parametrize("source", ["", "x" * 64, "ONE", "wh_panel_mapping_one", "sqlite_master", "labelmill_steps", "a\nb"])
def test_a_source_id_that_cannot_name_a_table_goes_by_unknown(source: str) -> None:
    """Empty, too long, or the name of something else: its rows are kept under one name, its id is still listed."""
    labelling = run(make_task(source_map={"one": ["a"]}), make_frame([(source, "kim", "tom", 1)]))
    assert labelling.results()["name"].to_list() == ["unknown"]
    assert labelling.figures.unmapped == {source or "unknown": 1}


def test_bytes_that_are_no_text_reject_their_row_only() -> None:
    """The row is listed with its place and column; the others are labelled."""
    frame = pl.DataFrame({"id": ["1", "2", "3"], "content": [b"tom", b"\xff\xfea", None]})
    labelling = run(make_task(columns=Columns(text="content", id="id")), frame)
    assert labelling.results()["id"].to_list() == ["1"]
    assert [(reject.place, reject.reason) for reject in labelling.rejects] == [(2, "column 'content' is not UTF-8 text")]
    assert (labelling.figures.rows_read, labelling.figures.rows_rejected) == (2, 1)


@pytest.mark.parametrize("name", ["*", "^.*$", "^t.*$", "a b", ""])
def test_a_column_may_have_any_name(name: str) -> None:
    """Also one that polars would read as a pattern."""
    frame = pl.DataFrame({name: ["tom"], "tother": ["amy"]})
    labelling = run(make_task(columns=Columns(text=name, author=name, time=name)), frame)
    assert labelling.results().select("panel", "source_author").rows() == [("/male", "tom")]
    assert labelling.figures.rows_without_time == 1


@pytest.mark.parametrize("pattern", [(0, 1), (1, 0, 1), (0, 1, 0), (0, 0, 2)])
def test_frames_of_several_chunks_some_of_them_empty(pattern: tuple[int, ...]) -> None:
    """A time range that leaves out whole chunks of a frame must not matter."""
    chunks = [make_frame([("a", "kim", "tom", 5 if kept else 0)]) for kept in pattern]
    labelling = run(make_task(start=datetime(2020, 1, 1, 3, tzinfo=UTC)), pl.concat(chunks, rechunk=False))
    assert labelling.results().height == sum(1 for kept in pattern if kept)


def test_labels_without_a_group_compete_within_their_rule_set_only() -> None:
    """A sex from the name and a topic from the text can both hold; two topics of one rule set cannot."""
    topics = RuleSet("topics", (Label("/cats"), Label("/dogs")), (
        Rule("/cats", Kind.KEYWORD, Match.PARTIALLY, "cats"), Rule("/dogs", Kind.KEYWORD, Match.PARTIALLY, "dogs")))  # fmt: skip
    sexes = RuleSet("sexes", (Label("/male"),), (Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),))
    frame = make_frame([("F1", "tom", "cats", 1), ("F1", "tom", "dogs", 2)])
    labellers = (Labeller(rules=to_dict(topics), column="content"),)
    task = make_task(rules=to_dict(sexes), columns=replace(COLUMNS, text="author"), also=labellers)
    labelling = Labelling(task, [compile_rules(sexes), compile_rules(topics)], "t" * 32)
    labelling.add(frame)
    made, ties = production(labelling.results(), "drop")
    assert made["panel"].to_list() == ["/male"]
    assert ties == 1
    assert set(labelling.results()["group"]) == {"sexes", "topics"}
