"""Conditions find what a naive reading of the same rows finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import catalogue_lab
from labelmill.errors import BadInput, NotFound
from labelmill.images.filters import Condition, expression, parse
from labelmill.images.model import DTYPE, CatalogueColumn, ColumnKind, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

SEVEN = ("gender", "masterCategory", "subCategory", "articleType", "season", "usage", "year")
ROWS = [catalogue_lab.row(number) for number in range(1, 121)]
COLUMNS = tuple(
    CatalogueColumn(key=f"c{place}", name=name, kind=ColumnKind.INTEGER if name == "year" else ColumnKind.TEXT)
    for place, name in enumerate(catalogue_lab.COLUMNS[1:])
)
VERSION = Version(
    id="0" * 32, number=1, made_at=datetime(2026, 1, 1, tzinfo=UTC), id_column="id", columns=COLUMNS, rows=len(ROWS), rejected=0,
    rows_without_image=0, images_without_row=0, images={},
)  # fmt: skip
FRAME = pl.DataFrame(
    {"id": [row[0] for row in ROWS]}
    | {
        column.key: pl.Series([row[place] or None for row in ROWS]).cast(DTYPE[column.kind])
        for place, column in enumerate(COLUMNS, 1)
    }
)


def found(conditions: Sequence[Condition]) -> list[str]:
    return FRAME.filter(expression(VERSION, conditions))["id"].to_list()


def naive(asked: dict[str, Any]) -> list[str]:
    place = {name: number for number, name in enumerate(catalogue_lab.COLUMNS)}
    return [row[0] for row in ROWS if all(row[place[name]] == str(value) for name, value in asked.items())]


choices = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from([*catalogue_lab.VALUES[name], "none such", "o'Brien"])
        if name != "year"
        else st.integers(2008, 2014)
        for name in SEVEN
    },
)


@settings(max_examples=200, deadline=None)
@given(choices)
def test_p3_the_seven_filters_alone_and_together_are_those_of_a_naive_reading(asked: dict[str, Any]) -> None:
    assert found([Condition(column=name, among=(value,)) for name, value in asked.items()]) == naive(asked)
    assert found(parse(f"{name}={value}" for name, value in asked.items())) == naive(asked)


@pytest.mark.parametrize("name", SEVEN)
def test_p3_each_filter_finds_something_and_leaves_something_out(name: str) -> None:
    value = catalogue_lab.VALUES[name][0] if name in catalogue_lab.VALUES else "2010"
    assert 0 < len(found(parse([f"{name}={value}"]))) < len(ROWS)


def test_several_values_of_a_column_are_either_and_ranges_take_their_ends_in() -> None:
    either = found(parse(["season=Fall", "season=Winter"]))
    assert set(either) == set(found(parse(["season=Fall"]))) | set(found(parse(["season=Winter"])))
    between = found(parse(["year>=2010", "year<=2011"]))
    assert between == [row[0] for row in ROWS if row[7] in ("2010", "2011")]
    assert found(parse(["productDisplayName~KID'S SHOES"])) == [row[0] for row in ROWS if "Kid's shoes" in row[9]]
    assert found(parse(["id=7"])) == ["7"]
    assert found([]) == [row[0] for row in ROWS]


def test_no_value_is_a_statement_and_no_part_a_pattern() -> None:
    injected = "x' or '1'='1"
    assert found(parse([f"articleType={injected}"])) == [row[0] for row in ROWS if row[4] == injected]
    assert found(parse(["gender=Men' or '1'='1"])) == []
    assert found(parse(["productDisplayName~.*"])) == []


@pytest.mark.parametrize(
    ("written", "error", "said"),
    [
        ("colour=Blue", NotFound, "baseColour"),
        ("^.*$=Blue", NotFound, "The columns are: id, gender"),
        ("year=MMX", BadInput, "is no number"),
        ("year>2010", BadInput, "Write >=, which takes the value in."),
        ("gender", BadInput, "COLUMN=VALUE"),
        ("=Men", BadInput, "COLUMN=VALUE"),
        ("year=nan", BadInput, "is no number"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_with_what_there_is(written: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        expression(VERSION, parse([written]))
    assert said in str(caught.value)


def test_a_fraction_lies_between_whole_numbers() -> None:
    assert found(parse(["year>=2012.5"])) == [row[0] for row in ROWS if row[7] == "2013"]
    assert found(parse(["year=2010.5"])) == []


@given(st.sampled_from([*parse(["year>=2010", "a=b", "a=c", "x~y"])]))
def test_conditions_survive_json(condition: Condition) -> None:
    assert Condition.from_dict(condition.as_dict()) == condition
