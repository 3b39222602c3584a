"""Reads docs/coverage.md: which test proves which row of the feature lists, and which proves which promise.

A row is ``| id | what | tests |``; a test is named as pytest names it, ``tests/unit/test_x.py::test_y``, several with ``<br>`` or commas.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEST_NAME = re.compile(r"(?P<path>[\w./-]+\.py)::(?P<name>\w+(?:::\w+)*)")
RULER = re.compile(r"[|\s:-]+")


@dataclass(frozen=True)
class Row:
    id: str
    what: str
    tests: tuple[str, ...]


def parse(text: str, heading: str) -> list[Row]:
    """Return the rows of the table below ``## <heading>``.

    Raises ValueError when there is no such heading, no table below it, or a row that has not three cells.
    """
    _, found, rest = text.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"no heading '## {heading}'")
    section = rest.split("\n## ", 1)[0]
    lines = [line.strip() for line in section.splitlines() if line.strip().startswith("|")]
    if len(lines) < 2 or not RULER.fullmatch(lines[1]):  # noqa: PLR2004 - a head and a ruler
        raise ValueError(f"no table below '## {heading}'")
    return [_row(line) for line in lines[2:]]


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if len(cells) != 3:  # noqa: PLR2004
        raise ValueError(f"a row has three cells, id, what and tests, not {len(cells)}: {line}")
    identifier, what, tests = cells
    return Row(identifier, what, tuple(match.group() for match in TEST_NAME.finditer(tests)))


def complaints(rows: Iterable[Row], due: Iterable[str], root: Path) -> list[str]:
    """Return a sentence for each row that proves nothing: no test named, a test that is gone, an id twice; and for each id that lacks."""
    rows = list(rows)
    counts = Counter(row.id for row in rows)
    found = [f"{identifier}: stands {count} times" for identifier, count in counts.items() if count > 1]
    found += [f"{row.id}: names no test" for row in rows if not row.tests]
    found += [f"{row.id}: {test} does not exist" for row in rows for test in row.tests if not exists(test, root)]
    return found + [f"{identifier}: has no row" for identifier in sorted(set(due) - set(counts))]


def exists(test: str, root: Path) -> bool:
    """Return whether a test function of this name is written in its file, in its class when one is named."""
    place, *names = test.split("::")
    path = root / place
    if not (place.startswith("tests/") and path.is_file() and names[-1].startswith("test")):
        return False
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in names:
        node = next((node for node in body if getattr(node, "name", None) == name), None)
        if node is None:
            return False
        body = getattr(node, "body", [])
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
