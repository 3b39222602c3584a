"""JSON that is written column by column is what Python's own encoder writes, whatever stands in names and texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from labelmill.exports.columns import VOTES
from labelmill.exports.writers import encoding
from labelmill.exports.writers.json_lines import object_lines

TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", ',"votes":', '},"votes":', '","votes":', "\x00\x1f\u2028"])
GIVEN = st.none() | st.lists(st.fixed_dictionaries({"label": TEXTS, "votes": st.integers(0, 9)}), max_size=4)


@given(
    st.lists(
        st.tuples(st.none() | TEXTS, GIVEN, st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
        max_size=6,
    )
)
def test_lines_hold_what_the_rows_hold(rows: list[tuple[str | None, Any, float | None]]) -> None:
    schema = {'a "name"\n': pl.String, "votes": VOTES, "confidence": pl.Float64}
    found = object_lines(pl.DataFrame(rows, schema=schema, orient="row")).decode()
    assert found.endswith("\n")
    wanted = [dict(zip(schema, (text, _votes(votes), number), strict=True)) for text, votes, number in rows]
    assert [json.loads(line) for line in found.split("\n")[:-1]] == wanted


@given(st.lists(GIVEN, max_size=6))
def test_votes_are_an_object_and_nothing_stays_nothing(rows: list[Any]) -> None:
    found = encoding.votes(pl.Series("votes", rows, VOTES))
    assert [each and json.loads(each) for each in found] == [each if each is None else _votes(each) for each in rows]


@given(st.lists(st.none() | st.lists(TEXTS, max_size=3), max_size=6))
def test_lists_are_arrays_and_nothing_stays_nothing(rows: list[Any]) -> None:
    found = encoding.lists(pl.Series("labels", rows, pl.List(pl.String)))
    assert [each and json.loads(each) for each in found] == rows


def test_times_are_utc_to_the_microsecond() -> None:
    times = [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), None]
    found = object_lines(pl.DataFrame({"at": times}, schema={"at": pl.Datetime("us", "UTC")})).decode().splitlines()
    assert found == ['{"at":"2026-01-02T03:04:05Z"}', '{"at":"1969-12-31T23:59:59.999999Z"}', '{"at":null}']


def _votes(given: Any) -> dict[str, int]:
    return {each["label"]: each["votes"] for each in given or ()}
