"""docs/coverage.md tells the truth, and the checker that says so can say no."""

from __future__ import annotations

from pathlib import Path

import pytest

import coverage_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/coverage.md").read_text()

# What must have a row by now. A stage that finishes a feature adds its ids here and its rows there.
FEATURES_DUE: frozenset[str] = frozenset(
    {f"T{number}" for number in (*range(1, 23), *range(24, 28), 29, 33)}
    | {f"L{number}" for number in (*range(1, 22), *range(25, 30))}
)
PROMISES_DUE: frozenset[str] = frozenset(
    {"2", "3", "4", "10", "22", "23", "24", "5", "6", "7", "8", "9", "14", "15", "16", "17", "18", "20", "26", "27", "28", "29"}
)

TABLE = """# Page

## Features

| id | what | tests |
|---|---|---|
{rows}
"""
REAL = "tests/unit/test_project_coverage.py::test_a_row_may_name_several_tests"


def _rows(rows: str) -> list[coverage_table.Row]:
    return coverage_table.parse(TABLE.format(rows=rows), "Features")


@pytest.mark.parametrize(("heading", "due"), [("Features", FEATURES_DUE), ("Promises", PROMISES_DUE)])
def test_every_row_is_proved_by_tests_that_exist_and_every_due_id_has_a_row(heading, due):
    assert coverage_table.complaints(coverage_table.parse(PAGE, heading), due, ROOT) == []


def test_a_row_may_name_several_tests():
    assert _rows(f"| T5 | windows | `{REAL}`<br>{REAL}, `{REAL}` |") == [coverage_table.Row("T5", "windows", (REAL,) * 3)]


def test_a_row_whose_test_exists_is_accepted():
    assert coverage_table.complaints(_rows(f"| T5 | windows | {REAL} |"), {"T5"}, ROOT) == []


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("| T5 | windows | |", "T5: names no test"),
        ("| T5 | windows | proved by hand |", "T5: names no test"),
        (f"| T5 | a | {REAL} |\n| T5 | b | {REAL} |", "T5: stands 2 times"),
        (f"| T5 | windows | {REAL}_that_is_gone |", f"T5: {REAL}_that_is_gone does not exist"),
        ("| T5 | windows | tests/unit/test_gone.py::test_it |", "T5: tests/unit/test_gone.py::test_it does not exist"),
        (f"| T6 | rules | {REAL} |", "T5: has no row"),
    ],
    ids=["empty", "no test in it", "twice", "function gone", "file gone", "row lacks"],
)
def test_a_row_that_proves_nothing_is_refused(rows, complaint):
    assert coverage_table.complaints(_rows(rows), {"T5"}, ROOT) == [complaint]


@pytest.mark.parametrize(
    "test",
    [
        "tests/unit/test_project_coverage.py::_rows",  # no test, though a function
        "tests/unit/test_project_coverage.py::TABLE",  # no function
        "tests/unit/test_project_coverage.py::TestNot::test_a_row_may_name_several_tests",  # not in that class
        "scripts/coverage_table.py::parse",  # not among the tests
        "tests/unit::test_it",  # a folder
    ],
)
def test_what_is_not_a_test_does_not_count(test):
    assert not coverage_table.exists(test, ROOT)


def test_a_method_of_a_class_counts(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text("class TestX:\n    async def test_it(self): ...\n    test_other = 1\n")
    assert coverage_table.exists("tests/test_x.py::TestX::test_it", tmp_path)
    assert not coverage_table.exists("tests/test_x.py::TestX", tmp_path)
    assert not coverage_table.exists("tests/test_x.py::TestX::test_other", tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# Page\n", "no heading"),
        ("# Page\n\n## Features\n\nsoon\n", "no table"),
        ("# Page\n\n## Features\n\n| id | what | tests |\n| T5 | x | y |\n", "no table"),
        (TABLE.format(rows="| T5 | one cell less |"), "three cells"),
        (TABLE.format(rows="| T5 | a | pipe | tests |"), "three cells"),
    ],
    ids=["heading", "table", "ruler", "two cells", "four cells"],
)
def test_a_page_that_cannot_be_read_is_an_error_and_not_an_empty_table(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        coverage_table.parse(text, "Features")


def test_the_next_heading_ends_the_table():
    text = TABLE.format(rows=f"| T5 | x | {REAL} |") + f"\n## Promises\n\n| p | w | t |\n|---|---|---|\n| 1 | y | {REAL} |\n"
    assert [row.id for row in coverage_table.parse(text, "Features")] == ["T5"]
    assert [row.id for row in coverage_table.parse(text, "Promises")] == ["1"]
