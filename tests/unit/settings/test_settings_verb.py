"""``labelmill settings``: the table for people, the same as JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelmill.cli import run
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import About, about_field, default_text, env_name


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        for one in (env_name(name), *about_field(name).also):
            monkeypatch.delenv(one, raising=False)


def test_people_get_a_line_for_each_setting(capsys: pytest.CaptureFixture[str]):
    assert run(["settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "value", "origin", "unit", "meaning"]
    assert [line.split()[0] for line in lines[1:]] == [env_name(name) for name in Settings.model_fields]


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NODE_PORT", "5000")
    monkeypatch.setenv("INPUT_PASSWORD", "hunter2")
    assert run(["--set", "workers=3", "settings", "--json"]) == 0
    out = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == [env_name(name) for name in Settings.model_fields]
    assert rows["LABELMILL_PORT"] == {
        "name": "LABELMILL_PORT",
        "value": "5000",
        "origin": "environment (NODE_PORT)",
        "unit": "",
        "meaning": "The TCP port that the web process listens on.",
        "secret": False,
    }
    assert (rows["LABELMILL_WORKERS"]["value"], rows["LABELMILL_WORKERS"]["origin"]) == ("3", "command line")
    assert rows["LABELMILL_INPUT_PASSWORD"]["secret"] is True
    assert "hunter2" not in out


def test_unused_names_are_told_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELMILL_PROT", "1")
    assert run(["settings", "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    assert (
        printed.err
        == "warning: LABELMILL_PROT (environment) is no setting and is not used; LABELMILL_PORT is meant, perhaps.\n"
    )


def test_a_mistake_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]):
    Path(".env").write_text("LABELMILL_PORT=x\nLABELMILL_WORKERS=y\n")
    assert run(["settings"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error[bad-settings]: LABELMILL_PORT (.env) is 'x': ")
    assert "LABELMILL_WORKERS (.env) is 'y': " in printed.err
    assert printed.err.count("\n") == 1


def test_an_assignment_may_hold_equal_signs(capsys: pytest.CaptureFixture[str]):
    assert run(["--set", "input_schema=a=b", "settings", "--json"]) == 0
    assert '"value": "a=b"' in capsys.readouterr().out


@pytest.mark.parametrize("assignment", ["port", "=9000", " =1"])
def test_an_assignment_needs_a_name_and_an_equal_sign(assignment: str, capsys: pytest.CaptureFixture[str]):
    assert run(["--set", assignment, "settings"]) == 2
    assert "is not of the form NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_one_meaning_in_sentences(name: str):
    about = about_field(name)
    assert isinstance(about, About)
    assert about.meaning[0].isupper()
    assert about.meaning.endswith(".")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_duration_and_size_has_its_unit(name: str):
    units = {"seconds": "s", "mb": "MB", "minutes": "minutes", "days": "days"}
    ending = name.rpartition("_")[2]
    assert about_field(name).unit == units.get(ending, about_field(name).unit)


def test_settings_of_new_datasets_are_marked():
    later = [name for name in Settings.model_fields if "For datasets that `labelmill load`" in about_field(name).meaning]
    assert later == [
        "batch_size",
        "min_label_count",
        "active_learning",
        "no_vote",
        "uncertainty_threshold",
    ]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_default_that_is_told_is_the_default_that_holds(name: str, tmp_path: Path):
    (row,) = [row for row in load_settings({"data_dir": str(tmp_path)}, {}).table() if row.name == env_name(name)]
    assert default_text(name).replace("<data_dir>", str(tmp_path)).replace("~/.labelmill", str(tmp_path)) == row.value
