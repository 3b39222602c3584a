"""Checks that functions and files stay small: half of the functions within 10 lines, 90 % within 35, none above 80, files within 400.

A function above 80 lines may stand when the line of its ``def`` says why: ``# long: <reason>``. Only the package and its scripts are
measured: tests may list as many cases as they need. Migrations, once released, are history and are left alone.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "scripts")
MOST_MEDIAN, MOST_90_PERCENT, MOST_FUNCTION, MOST_FILE = 10, 35, 80, 400  # lines
REASON = re.compile(r"#\s*long:\s*\S")


@dataclass(frozen=True)
class Function:
    place: str
    lines: int
    excused: bool


def functions_in(place: str, source: str) -> list[Function]:
    """Return every function of a file, nested ones too; a decorator is not counted."""
    lines = source.splitlines()
    return [
        Function(
            f"{place}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1, _excused(lines, node)
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _excused(lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(REASON.search(line) for line in lines[node.lineno - 1 : node.body[0].lineno])


def complaints(sources: dict[str, str]) -> list[str]:
    """Return a sentence for each thing that is too large; ``sources`` maps a file's path to its text."""
    functions = [function for place, source in sources.items() for function in functions_in(place, source)]
    found = [
        f"{place}: {count} lines, at most {MOST_FILE}: split it by noun"
        for place, source in sources.items()
        if (count := len(source.splitlines())) > MOST_FILE
    ]
    found += [
        f"{function.place}: {function.lines} lines, at most {MOST_FUNCTION}: split it, or say why with '# long: <reason>'"
        for function in functions
        if function.lines > MOST_FUNCTION and not function.excused
    ]
    return found + _distribution([function.lines for function in functions])


def _distribution(sizes: list[int]) -> list[str]:
    if not sizes:
        return []
    middle, ninety = median(sizes), sorted(sizes)[int(len(sizes) * 0.9)]
    found = []
    if middle > MOST_MEDIAN:
        found.append(f"the median function has {middle:g} lines, at most {MOST_MEDIAN}")
    if ninety > MOST_90_PERCENT:
        found.append(f"one function in ten has {ninety} lines or more, at most {MOST_90_PERCENT}")
    return found


def read_sources() -> dict[str, str]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


if __name__ == "__main__":
    sentences = complaints(read_sources())
    sys.exit("\n".join(sentences) or 0)
