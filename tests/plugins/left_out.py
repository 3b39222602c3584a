"""Tests that need a server or a browser which is missing: left out with a reason, counted, and named at the end of the run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import testservers

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "left out, needs "


def leave_out(name: str, remedy: str) -> NoReturn:
    """Skip the test that asks; in CI, where everything must be there, fail it."""
    if testservers.in_ci():
        pytest.fail(f"{name} does not answer, and in CI nothing may be left out. To get it: {remedy}", pytrace=False)
    pytest.skip(f"{MARK}{name}: {remedy}")


def summary(skipped: Iterable[Any]) -> list[str]:
    """Return a line for each missing server, from the reports of skipped tests."""
    reasons = Counter(reason for report in skipped if (reason := _reason(report)))
    return [_line(count, *reason.split(": ", 1)) for reason, count in sorted(reasons.items())]


def _reason(report: Any) -> str:
    """Return what follows the mark in a report's ``longrepr`` (file, line, "Skipped: <reason>"), or nothing."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return text.partition(MARK)[2]


def _line(count: int, name: str, remedy: str) -> str:
    return f"left out: {count} {'test that needs' if count == 1 else 'tests that need'} {name}: {remedy}"
