"""What is in an archive: every record once, who said what, and a classifier that works without labelmill."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from labelmill.learning import service as learning

if TYPE_CHECKING:
    from archive_lab import ArchiveLab, Rich

OF_RECORDS = (
    "text_id", "text_data", "labeled", "selected", "taught", "labels", "users", "major_label", "uncertainty", "predicted_label",
)  # fmt: skip
HUMAN, STAMPS = "human_labeled_data.json", "sample_timestamps.json"


def machine(rich: Rich) -> str:
    return f"machine_labeled_data_{rich.archive.classifier_id}.json"


def test_l23_the_predecessors_members_hold_each_record_once_with_its_columns(rich: Rich) -> None:
    human, by_machine = rich.rows(HUMAN), rich.rows(machine(rich))
    assert [row["text_id"] for row in human] == rich.ids[:20]
    assert [row["text_id"] for row in by_machine] == rich.ids[20:]
    assert tuple(human[0]) == OF_RECORDS
    assert tuple(by_machine[0]) == (*OF_RECORDS, "tied")
    contents = rich.lab.ids(rich.dataset)
    assert {row["text_id"]: row["text_data"] for row in human + by_machine} == contents
    assert [row["major_label"] for row in human] == [rich.lab.gold[row["text_data"]] for row in human]


def test_ties_are_labelled_by_the_machine_and_marked(rich: Rich) -> None:
    by_machine = rich.rows(machine(rich))
    assert [row["text_id"] for row in by_machine if row["tied"]] == [rich.ids[20]]
    assert by_machine[0]["labels"] == ["sport", "food"]
    assert by_machine[0]["users"] == ["annotator-1", "annotator-2"]
    assert by_machine[1]["labels"] == []
    assert all(row["major_label"] == row["predicted_label"] is not None for row in by_machine)


def test_the_predictions_are_those_of_the_archives_classifier(rich: Rich) -> None:
    said = rich.lab.read(learning.predicted, rich.lab.app.blobs, rich.dataset.id, rich.ids, every=True)
    names = {label.id: label.name for label in rich.dataset.labels}
    found = rich.frame("records.parquet")
    assert dict(found.select("record", "predicted").iter_rows()) == {key: names[each.label_id] for key, each in said.items()}
    for row in found.iter_rows(named=True):
        every = {names[label]: value for label, value in said[row["record"]].probabilities.items()}
        assert {name: row[f"p_{name}"] for name in every} == pytest.approx(every)
        assert row["confidence"] == pytest.approx(max(every.values()), abs=1e-4)


def test_the_parquet_members_tell_majority_votes_agreement_and_every_answer(rich: Rich) -> None:
    records, answers = rich.frame("records.parquet"), rich.frame("annotations.parquet")
    assert records["record"].to_list() == rich.ids
    tied = records.row(20, named=True)
    assert (tied["label"], tied["tied"], tied["answers"], tied["agreement"]) == (None, True, 2, 0.5)
    assert tied["votes"] == [{"label": "food", "votes": 1}, {"label": "sport", "votes": 1}]
    assert records["answers"].sum() == answers.height == 23
    assert answers["record"].to_list()[-2:] == [rich.ids[20], rich.ids[20]]
    stamps = rich.json(STAMPS)
    assert list(stamps) == ["stamp_id", "user_id", "text_id", "start_time", "end_time"]
    assert list(stamps["stamp_id"].values()) == answers["number"].to_list()
    assert list(stamps["end_time"].values()) == answers["answered_at"].dt.epoch("ms").to_list()


def test_p19_the_manifest_has_the_sum_of_every_member(rich: Rich) -> None:
    manifest = json.loads(rich.members["manifest.json"])
    assert set(manifest["members"]) == set(rich.members) - {"manifest.json"}
    for name, about in manifest["members"].items():
        assert hashlib.sha256(rich.members[name]).hexdigest() == about["sha256"], name
        assert len(rich.members[name]) == about["bytes"]
    assert manifest["members"]["records.parquet"]["rows"] == 40
    assert manifest["as_of"] == rich.archive.number


def test_the_card_tells_counts_labels_guidelines_and_what_is_unsafe(rich: Rich) -> None:
    card = rich.members["README.md"].decode()
    for text in (
        "| records | 40 |",
        "| tied | 1 |",
        "| sport |",
        "Read *all* of it.",
        "clf.p` is unsafe",
        "pip install scikit-learn skops",
    ):
        assert text in card
    assert "@" not in card
    metrics = json.loads(rich.members["metrics.json"])
    assert metrics["classifier"] == rich.archive.classifier_id


def test_pandas_reads_the_predecessors_members(rich: Rich) -> None:
    for name in (HUMAN, machine(rich), STAMPS):
        found = pd.read_json(io.BytesIO(rich.members[name]))
        assert list(found.columns) == list(rich.json(name))
        assert len(found) == len(rich.json(name)["text_id"])


def test_a_dataset_without_a_classifier_has_an_archive_without_its_members(kept_lab: ArchiveLab) -> None:
    dataset = kept_lab.dataset(6)
    kept_lab.answer_right(dataset, 2)
    members = kept_lab.members(kept_lab.make(dataset))
    assert set(members) == {
        HUMAN, STAMPS, "machine_labeled_data_none.json", "records.parquet", "annotations.parquet", "README.md", "manifest.json",
    }  # fmt: skip
    assert set(json.loads(members["machine_labeled_data_none.json"])["major_label"].values()) == {None}
    assert b"There was none" in members["README.md"]


def test_an_empty_dataset_has_an_archive_too(kept_lab: ArchiveLab) -> None:
    members = kept_lab.members(kept_lab.make(kept_lab.dataset(0)))
    assert json.loads(members[HUMAN]) == {name: {} for name in OF_RECORDS}


@pytest.mark.parametrize(("naming", "called"), [("name", "Ann"), ("email", "ann@example.org"), ("pseudonym", "annotator-1")])
def test_annotators_are_called_as_was_chosen(kept_lab: ArchiveLab, naming: str, called: str) -> None:
    from labelmill.accounts import Role, service
    from labelmill.annotation import service as annotation
    from labelmill.archives.choices import Naming

    email = f"{naming}-ann@example.org"
    person = kept_lab.app.database.transact(service.add_annotator, email=email, name="Ann", role=Role.ANNOTATOR)
    dataset = kept_lab.dataset(3)
    record, label = next(iter(kept_lab.ids(dataset))), dataset.labels[0].id
    kept_lab.app.database.transact(annotation.answer, dataset, record, person.id, label_ids=[label], key=naming)
    members = kept_lab.members(kept_lab.make(dataset, annotators=Naming(naming)))
    wanted = email if naming == "email" else called
    assert json.loads(members[HUMAN])["users"] == {"0": [wanted]}
    told = b"".join(members[name] for name in (HUMAN, STAMPS, "README.md", "annotations.parquet"))
    assert (email.encode() in told) is (naming == "email")
