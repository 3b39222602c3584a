"""`labelmill answers`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from annotation_lab import Lab, person
from labelmill import cli
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.accounts.tables import annotators
from labelmill.bootstrap import build
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a dataset in which two annotators agree on one of two records."""
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LABELMILL_DATABASE_URL", raising=False)
    app = build(Settings(data_dir=tmp_path / "data"))
    lab = Lab(app.database)
    dataset = lab.dataset(2, labels_per_record=2)
    first, second = lab.ids(dataset)
    for record_id, who, label in ((first, 1, "a"), (first, 2, "a"), (second, 1, "a"), (second, 2, "b")):
        lab.answer(dataset, record_id, who, label)
    app.close()
    return dataset.name


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.run(("answers", *arguments)) == 0
    return capsys.readouterr().out


def test_progress(capsys: pytest.CaptureFixture[str], name: str):
    found = json.loads(_run(capsys, "progress", name, "--json"))
    assert [(each["annotator_id"], each["answers"]) for each in found["annotators"]] == [(person(1), 2), (person(2), 2)]
    assert sum(each["answers"] for each in found["days"]) == 4
    assert person(1) in _run(capsys, "progress", name)


def test_agreement(capsys: pytest.CaptureFixture[str], name: str):
    found = json.loads(_run(capsys, "agreement", name, "--json"))
    assert (found["records"], found["percent"], len(found["pairs"]), len(found["labels"])) == (2, 0.5, 1, 2)
    assert "kappa" in _run(capsys, "agreement", name)


def test_l09_ties(capsys: pytest.CaptureFixture[str], name: str):
    (tied,) = json.loads(_run(capsys, "ties", name, "--json"))
    assert (tied["content"], tied["answers"]) == ("1", {person(1): "a", person(2): "b"})


def test_people_are_shown_by_address_and_name_and_who_is_gone_by_id(
    capsys: pytest.CaptureFixture[str], name: str, tmp_path: Path
):
    app = build(Settings(data_dir=tmp_path / "data"))
    made = app.database.transact(accounts.add_annotator, email="ann@example.org", name="Ann", role=Role.ANNOTATOR)
    with app.database.write() as connection:
        connection.execute(sa.update(annotators).where(annotators.c.id == made.id).values(id=person(1)))
    app.close()
    found = json.loads(_run(capsys, "progress", name, "--json"))["annotators"]
    assert [(each["email"], each["name"]) for each in found] == [("ann@example.org", "Ann"), (person(2), "")]
    assert {"ann@example.org", "Ann"} <= set(_run(capsys, "progress", name).split())
    (pair,) = json.loads(_run(capsys, "agreement", name, "--json"))["pairs"]
    assert (pair["first"], pair["first_email"], pair["second_email"]) == (person(1), "ann@example.org", person(2))
    assert "ann@example.org" in _run(capsys, "agreement", name)
    (tied,) = json.loads(_run(capsys, "ties", name, "--json"))
    assert tied["emails"] == {person(1): "ann@example.org", person(2): person(2)}
    assert f"ann@example.org: a, {person(2)}: b" in _run(capsys, "ties", name)


def test_an_unknown_dataset_is_told_with_exit_code_3(capsys: pytest.CaptureFixture[str], name: str):
    assert cli.run(("answers", "ties", "nothing")) == 3
