"""Kill -9 after each statement of `labelmill adopt audience --apply`: run again, the tables end as those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

import preloaded
from audience_tables import RESULT_ROWS, RESULTS_24, STATE_24, STATE_ROWS_24, UTF8MB3, Predecessor
from labelmill import triggers

#: More places than there are: the last run comes to its end.
MOST = 40
PENDING = (
    "f" * 32,
    "PENDING",
    None,
    "keyword_model",
    "author",
    "",
    "wh_bbs_02",
    "2021-12-03 08:00:00",
    *[None] * 3,
    None,
    "",
    *[None] * 5,
)


def labelmill(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    environment |= {"LABELMILL_DATA_DIR": str(folder / "data"), **variables}
    return preloaded.run(["adopt", "audience", *arguments], cwd=folder, env=environment)


def fill(place: Predecessor) -> None:
    """Make the tables of v2.4 anew, which take every kind of statement."""
    for name in place.shape():
        place.run(f"DROP TABLE {place.quote(name)}")
    place.make("state", STATE_24, [*STATE_ROWS_24, PENDING], options=UTF8MB3)
    for name in ("fbfans", "wh_panel_mapping_fbfans"):
        place.make(name, RESULTS_24, [(*row, "['志明']") for row in RESULT_ROWS], options=UTF8MB3)


def test_p05_killed_after_any_statement_and_repeated_it_ends_the_same(tmp_path: Path, database_url: str) -> None:
    place = Predecessor(database_url)
    arguments = (database_url, "--apply", "--mark-failed", "--json")
    fill(place)
    before = place.shape()
    done = labelmill(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    undisturbed = place.shape()
    assert undisturbed != before
    for number in range(1, MOST):
        fill(place)
        run = labelmill(tmp_path, *arguments, **{triggers.VARIABLE: f"*:kill:{number}"})
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL, run.stderr
        report = place.adopt(apply=True, mark_failed=True)
        assert not report.refused, [plan.refused for plan in report.plans]
        assert place.shape() == undisturbed, f"killed at place {number}"
    else:
        pytest.fail("the run never came to its end")
    # Of the state an ALTER, a COPY and a FAIL, of each table of results an ALTER, and the commit of each: on MariaDB no fewer.
    assert number > 8
    place.engine.dispose()
