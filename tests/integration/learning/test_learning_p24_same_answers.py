"""The labelling loop gives the same answers on every database: what is imported, answered, learnt and served next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import lent
from labelmill.annotation import service as annotation
from labelmill.bootstrap import build
from labelmill.datasets import import_jobs, record_rows
from labelmill.datasets import service as datasets
from labelmill.datasets.import_places import reference
from labelmill.datasets.mapping import Mapping
from labelmill.datasets.model import DatasetSettings, NewLabel, Order, RecordKind
from labelmill.learning import service
from labelmill.settings import Settings
from learning_lab import Lab, person, text

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("sport", "food", "music")
#: Texts that databases like to take for one another, or to change.
TWINS = [
    "Tom",
    "Tom ",
    "tom",
    "TOM",
    "Stra\u00dfe",
    "Strasse",
    "\u00e9",
    "e\u0301",
    "007",
    "7",
    "\U0001f600",
    "\u5929\u6c23\u597d",
    "a\\b%_'\"b",
]


@pytest.fixture(params=["postgresql", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_migrated"))


def everything(url: str, folder: Path) -> dict[str, Any]:
    """Go once through the loop, and return what came of it, by contents and names instead of numbers."""
    folder.mkdir()
    settings = Settings(data_dir=folder, database_url=url, secret="0f7c1d9a4e6b8532c7d1a9e4f0b36285")
    app = build(settings)
    try:
        lab = Lab(app)
        chosen = DatasetSettings(order=Order.SEQUENTIAL, labels_per_record=2, warm_start=0, batch_size=1000, seed=7)
        dataset = app.database.transact(
            datasets.create,
            name="posts",
            kind=RecordKind.TEXT,
            labels=[NewLabel(name=each) for each in LABELS],
            settings=chosen,
        )
        imported = _import(lab, dataset, folder)
        served = _answer(lab, lab.again(dataset))
        assert lab.train(dataset).state == "succeeded"
        return {"imported": imported, "served": served} | _found(lab, lab.again(dataset))
    finally:
        app.close()


def _import(lab: Lab, dataset: Any, folder: Path) -> list[Any]:
    """Import a file twice: the second time nothing is new."""
    lab.gold |= {text(LABELS[number % 3], number): LABELS[number % 3] for number in range(45)}
    quoted = ['"' + each.replace('"', '""') + '"' for each in [*lab.gold, *TWINS, "", "Tom"]]
    path = folder / "posts.csv"
    path.write_text("\n".join(["text", *quoted]) + "\n", encoding="utf-8")
    results = []
    for _ in range(2):
        job = lab.app.database.transact(
            import_jobs.begin, dataset_id=dataset.id, source=reference(lab.app.places, str(path)), mapping=Mapping(columns=("text",)),
            piece_rows=20,
        )  # fmt: skip
        lab.work(("default",))
        results.append(lab.job(job.id).result)
    return results


def _answer(lab: Lab, dataset: Any) -> list[list[str]]:
    """Let three people label what they are served, now and then otherwise than it is meant, and take some of it back."""
    served = []
    for turn in range(12):
        who = turn % 3 + 1
        found = lab.app.database.transact(annotation.next_records, dataset, person(who), count=4).records
        served.append([each.record.content for each in found])
        for place, each in enumerate(found):
            right = lab.gold.get(each.record.content, "music")
            label = "food" if (turn + place) % 5 == 0 else right
            lab.answer(dataset, each.record.id, label, who)
        lab.app.database.transact(annotation.undo, dataset, person(who), key=f"undo-{turn}") if turn % 4 == 3 else None
    return served


def _found(lab: Lab, dataset: Any) -> dict[str, Any]:
    names = {label.id: label.name for label in dataset.labels} | {None: None}
    columns = record_rows.c["content", "record_key", "shuffle", "in_share", "answers", "is_open", "majority_id", "is_tied"]
    query = sa.select(*columns).where(record_rows.c.dataset_id == dataset.id).order_by(record_rows.c.id)
    with lab.app.database.read() as connection:
        records = [(*row[:-2], names[row[-2]], row[-1]) for row in connection.execute(query)]
    contents = lab.ids(dataset)
    votes = lab.read(annotation.votes, dataset.id)
    made = lab.read(service.list_classifiers, dataset.id)
    predicted = lab.read(service.predictions, lab.app.blobs, dataset.id, list(contents))
    return {
        "records": records,
        "agreement": annotation.agreement(votes),
        "progress": [(each.annotator_id, each.answers) for each in lab.read(annotation.progress, dataset).annotators],
        "ties": sorted(contents[each.record.id] for each in lab.read(annotation.ties, dataset)),
        "classifiers": [(each.version, each.metrics) for each in made],
        "predicted": {contents[number]: (names[label], round(sure, 6)) for number, (label, sure) in predicted.items()},
        "queue": [contents[each.record_id] for each in lab.queue(dataset)],
    }


def test_p24_the_loop_comes_to_the_same_on_a_server_as_in_a_file(server_url: str, tmp_path: Path) -> None:
    """Texts that collations take for one another stay apart; majorities, ties, scores, predictions and orders are the same."""
    file_url = f"sqlite:///{tmp_path / 'labelmill.db'}"
    lent.lay_down(file_url)
    wanted = everything(file_url, tmp_path / "file")
    assert wanted["imported"][0]["added"] == len(TWINS) + 45
    assert any(each[-1] for each in wanted["records"]), "nothing is tied"
    found = everything(server_url, tmp_path / "server")
    for name, value in wanted.items():
        assert found[name] == value, name
