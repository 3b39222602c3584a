"""Tables of pages: sorted by the address, the same as CSV, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from labelmill.http.sheets import Column, csv_of, sheet

COLUMNS = (
    Column(name="name", value=lambda row: row.name),
    Column(name="answers", value=lambda row: row.answers, is_figure=True),
    Column(name="bar"),
    Column(name="at", value=lambda row: row.at),
)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS = [
    SimpleNamespace(name="bob", answers=2, at=None),
    SimpleNamespace(name="Ann", answers=None, at=MOMENT),
    SimpleNamespace(name="=cmd()", answers=10, at=None),
    SimpleNamespace(name="cho", answers=2, at=None),
]


def asked(query: str) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/people", "query_string": query.encode(), "headers": []})


def names(query: str) -> list[str]:
    return [row.name for row in sheet(asked(query), "people", COLUMNS, ROWS).rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bob", "Ann", "=cmd()", "cho"]),
        ("sort=people.name", ["=cmd()", "Ann", "bob", "cho"]),
        ("sort=-people.name", ["cho", "bob", "Ann", "=cmd()"]),
        ("sort=people.answers", ["bob", "cho", "=cmd()", "Ann"]),
        ("sort=-people.answers", ["=cmd()", "bob", "cho", "Ann"]),
        ("sort=other.name", ["bob", "Ann", "=cmd()", "cho"]),
        ("sort=people.bar", ["bob", "Ann", "=cmd()", "cho"]),
        ("sort=people.__class__", ["bob", "Ann", "=cmd()", "cho"]),
    ],
)
def test_rows_are_in_the_order_that_the_address_asks_for_and_unknown_values_last(query: str, expected: list[str]) -> None:
    assert names(query) == expected


def test_a_heading_leads_to_the_other_direction_and_keeps_what_else_is_asked_for() -> None:
    made = sheet(asked("q=a+b&sort=people.name&after=9&csv=x"), "people", COLUMNS, ROWS)
    assert made.address(COLUMNS[0]) == "?q=a+b&sort=-people.name#t-people"
    assert made.address(COLUMNS[1]) == "?q=a+b&sort=-people.answers#t-people"
    assert [made.direction(column) for column in COLUMNS] == ["ascending", "none", "none", "none"]
    again = sheet(asked("sort=-people.name"), "people", COLUMNS, ROWS)
    assert again.address(COLUMNS[0]) == "?sort=people.name#t-people"
    assert again.csv_address() == "?sort=-people.name&csv=people"


def test_the_csv_has_the_same_rows_in_the_same_order_and_runs_nothing() -> None:
    request = asked("csv=people&sort=people.name")
    answer = csv_of(request, [sheet(request, "people", COLUMNS, ROWS)])
    assert answer is not None
    assert answer.headers["content-disposition"] == 'attachment; filename="people.csv"'
    read = list(csv.reader(io.StringIO(bytes(answer.body).decode("utf-8-sig"))))
    assert read == [
        ["name", "answers", "at"],
        ["'=cmd()", "10", ""],
        ["Ann", "", MOMENT.isoformat()],
        ["bob", "2", ""],
        ["cho", "2", ""],
    ]


@pytest.mark.parametrize("query", ["", "csv=", "csv=others"])
def test_a_page_is_a_page_unless_one_of_its_tables_is_asked_for(query: str) -> None:
    request = asked(query)
    made: Any = sheet(request, "people", COLUMNS, ROWS)
    assert csv_of(request, [made]) is None
