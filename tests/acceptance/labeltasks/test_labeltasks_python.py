"""labelmill from a notebook does what the command does."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

import labelmill
from labelmill.errors import BadSource, Conflict
from labelmill.rules import Kind, Label, Match, Rule, RuleSet
from labelmill.settings import Settings

RULES = RuleSet("people", (Label("/male"), Label("/female")), (Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),))


def test_the_public_names_are_these() -> None:
    """What is not listed may change; what is listed is there."""
    assert labelmill.__all__ == sorted(labelmill.__all__)
    assert all(getattr(labelmill, name) for name in labelmill.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        labelmill.nothing  # noqa: B018


def test_a_file_is_labelled_and_the_report_returned(tmp_path: Path) -> None:
    """The same fields as ``labelmill label --json``."""
    (tmp_path / "in.csv").write_text("who,post_time\nTom,2020-01-01\nAnn,2020-01-02\nTom,2021-01-01\n", encoding="utf-8")
    settings = Settings(data_dir=tmp_path / "data")
    out = tmp_path / "out.parquet"
    report = labelmill.label(
        tmp_path / "in.csv",
        RULES,
        out,
        text_column="who",
        start=datetime(2020, 1, 1),
        end=datetime(2021, 1, 1),
        settings=settings,
    )
    assert (report["state"], report["rows_read"], report["rows_outside"], report["labels"]) == ("succeeded", 2, 1, {"/male": 1})
    assert pl.read_parquet(out)["panel"].to_list() == ["/male"]
    with pytest.raises(Conflict, match="exists"):
        labelmill.label(tmp_path / "in.csv", RULES, out, text_column="who", settings=settings)
    again = labelmill.label(tmp_path / "in.csv", RULES, out, text_column="who", overwrite=True, settings=settings)
    assert again["rows_read"] == 3


def test_mistakes_are_exceptions_with_a_way_out(tmp_path: Path) -> None:
    """Nothing is written before everything was looked at."""
    (tmp_path / "in.csv").write_text("who\nTom\n", encoding="utf-8")
    with pytest.raises(BadSource, match="whom") as caught:
        labelmill.label(
            tmp_path / "in.csv", RULES, tmp_path / "out.csv", text_column="whom", settings=Settings(data_dir=tmp_path / "data")
        )
    assert "who" in caught.value.way_out
    assert not (tmp_path / "out.csv").exists()


def test_asking_for_the_version_loads_nothing_else() -> None:
    """``labelmill --version`` need not wait for polars."""
    code = "import labelmill, sys; labelmill.__version__; print('polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
