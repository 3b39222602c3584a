"""One small job of each kind that the product registers, with what it leaves behind; a kind without one fails a test."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import polars as pl
import sqlalchemy as sa

import archive_lab
import catalogue_lab
import learning_lab
from labelmill.connections import service as connections
from labelmill.datasets import blob_sweep, dataset_rows, import_jobs, record_rows, recount, removal
from labelmill.datasets import service as datasets
from labelmill.datasets.import_places import reference
from labelmill.datasets.imports import Mapping
from labelmill.datasets.model import RecordKind
from labelmill.exports import table_jobs
from labelmill.images import service as catalogues
from labelmill.images.task import Delivery
from labelmill.images.transforms import Transform
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.tables import job_steps
from labelmill.labeltasks import announcing, state_table
from labelmill.labeltasks import service as label_tasks
from labelmill.learning import service as learning
from labelmill.rules import from_dict
from labelmill.samples import service as samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labelmill.bootstrap import App
    from labelmill.jobs.model import Job

RULES = {
    "name": "gender",
    "labels": ["/male", "/female"],
    "rules": [
        {"label": "/male", "kind": "keyword", "match": "partially", "content": "john"},
        {"label": "/female", "kind": "keyword", "match": "partially", "content": "anna"},
    ],
}


@dataclass(frozen=True)
class Sample:
    job: Job
    #: Returns what the job has written, in an order that does not depend on the order of its steps.
    effects: Callable[[], Any]


def label_task(app: App, folder: Path) -> Sample:
    """Label 60 authors of a Parquet file in six parts."""
    folder.mkdir()
    source, out = folder / "posts.parquet", folder / "out.parquet"
    names = [["John", "Anna", "Kim"][number % 3] + str(number) for number in range(60)]
    pl.DataFrame({"id": range(60), "author": names}).write_parquet(source, row_group_size=10)
    request = label_tasks.Request(
        source=app.places.reference(str(source)), sink=app.places.reference(str(out)), rules=from_dict(RULES), text_column="author",
        name="posts", step_rows=10,
    )  # fmt: skip
    task = label_tasks.prepare(request, app.places)
    job = app.database.transact(label_tasks.start, task)
    return Sample(job, lambda: pl.read_parquet(out).drop("task_id").sort("id").to_dicts())


def label_task_row(app: App, folder: Path) -> Sample:
    """Take back the row of a task whose process was killed before it queued the task."""
    folder.mkdir()
    source, out = folder / "posts.csv", folder / "out.db"
    source.write_text("id,author\n1,John\n")
    request = label_tasks.Request(
        source=app.places.reference(str(source)), sink=app.places.reference(f"sqlite:///{out}"), rules=from_dict(RULES),
        text_column="author", name="posts",
    )  # fmt: skip
    task = label_tasks.prepare(request, app.places)
    with mock.patch.object(announcing, "GRACE", 0.0):
        app.database.transact(announcing.expect, task, folder.name)
    state_table.announce(app.places, task, folder.name)
    with app.database.read() as connection:
        job = jobs.list_jobs(connection, kind=announcing.KIND)[0]

    def effects() -> list[Any]:
        return [len(label_tasks.recent_states(app.places, task.sink, task.state_table or "", 10))]

    return Sample(job, effects)


def import_records(app: App, folder: Path) -> Sample:
    """Import 30 texts, some of them labelled, in four pieces."""
    folder.mkdir()
    path = folder / "posts.csv"
    path.write_text("text,label\n" + "".join(f"text {number},{'good' if number % 3 else ''}\n" for number in range(30)))
    dataset = app.database.transact(datasets.create, name=folder.name, kind=RecordKind.TEXT)
    job = app.database.transact(
        import_jobs.begin, dataset_id=dataset.id, source=reference(app.places, str(path)), piece_rows=8,
        mapping=Mapping(columns=("text",), label_column="label"),
    )  # fmt: skip

    def effects() -> list[Any]:
        with app.database.read() as connection:
            result = jobs.get(connection, job.id).result or {}
            contents = [each.content for each in datasets.list_records(connection, dataset.id)]
        return [*contents, result.get("init")]

    return Sample(job, effects)


def train(app: App, folder: Path) -> Sample:
    """Train on 24 answers."""
    del folder
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(40, batch_size=1000)
    lab.answer_right(dataset, 24)
    job = app.database.transact(learning.train_now, dataset)

    def effects() -> list[Any]:
        made = lab.read(learning.list_classifiers, dataset.id)
        followed = [each for each in lab.jobs("predict") if each.params["dataset"] == dataset.id]
        scores = [{**each.metrics, "share": each.metrics["share"]["precision"]} for each in made]
        return [(each.version, sorted(each.data["by_label"].values()), scores, len(followed)) for each in made]

    return Sample(job, effects)


def predict(app: App, folder: Path) -> Sample:
    """Predict 40 records."""
    del folder
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(40, batch_size=1000)
    lab.answer_right(dataset, 24)
    app.database.transact(learning.train_now, dataset)
    lab.work(("learner",))
    job = next(each for each in lab.jobs("predict") if each.params["dataset"] == dataset.id)
    contents, names = lab.ids(dataset), {label.id: label.name for label in dataset.labels}

    def effects() -> list[Any]:
        found = lab.read(learning.predictions, app.blobs, dataset.id, list(contents))
        queued = [contents[each.record_id] for each in lab.queue(dataset)]
        return [(contents[record_id], names[label]) for record_id, (label, _) in found.items()] + queued

    return Sample(job, effects)


def count_anew(app: App, folder: Path) -> Sample:
    """Open 12 answered records again: 4 in the transaction of the change, 8 by the job."""
    del folder
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(12, batch_size=1000)
    lab.answer_right(dataset, 12)
    with mock.patch.object(recount, "SLICE", 4):
        changed = app.database.transact(datasets.change, dataset.id, settings={"labels_per_record": 2})
    job = lab.job(lab.read(recount.job_of, changed))
    return Sample(
        job, lambda: [(each.content, each.answers, each.is_open) for each in lab.read(datasets.list_records, dataset.id)]
    )


def remove_dataset(app: App, folder: Path) -> Sample:
    """Remove 12 records with answers: 4 at once, 8 by the job; another dataset's stay."""
    del folder
    lab = learning_lab.Lab(app)
    dataset, other = lab.dataset(12, batch_size=1000), lab.dataset(3)
    lab.answer_right(dataset, 12)
    app.database.transact(datasets.archive, dataset.id)
    with mock.patch.object(removal, "SLICE", 4):
        job = lab.job(str(app.database.transact(datasets.remove, dataset.id)))

    def effects() -> list[Any]:
        tables = ((dataset_rows, dataset_rows.c.id), (record_rows, record_rows.c.dataset_id))
        with app.database.read() as connection:
            return [
                connection.scalar(sa.select(sa.func.count()).select_from(table).where(column == each.id))
                for each in (dataset, other)
                for table, column in tables
            ]

    return Sample(job, effects)


def sample_datasets(app: App, folder: Path) -> Sample:
    """Make the sample datasets, whatever earlier ones are called meanwhile."""
    with app.database.read() as connection:
        there = [each for each in datasets.list_datasets(connection) if each.name in {"digits", "posts"}]
    for each in there:
        app.database.transact(datasets.change, each.id, name=f"{each.name} before {folder.name}")
    job = app.database.transact(samples.begin)

    def effects() -> list[Any]:
        with app.database.read() as connection:
            made = (jobs.get(connection, job.id).result or {})["datasets"]
            counts = [(name, datasets.counts(connection, made[name])) for name in sorted(made)]
        return [(name, each.records, each.annotations, each.tied) for name, each in counts]

    return Sample(job, effects)


def sweep_blobs(app: App, folder: Path) -> Sample:
    """Remove the only image that no record refers to; one that was put lately and one of another dataset stay."""
    del folder
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(1)
    names = [f"images/0{number}/0{number}.png" for number in range(2)]
    for name in names:
        app.blobs.put(name, b"x")
    os.utime(app.blobs.path(names[0]), (1, 1))
    app.database.transact(datasets.archive, dataset.id)
    with mock.patch.object(blob_sweep, "GRACE", 0.0), mock.patch.object(removal, "SLICE", 4):
        app.database.transact(datasets.remove, dataset.id)
    job = max(lab.jobs("sweep-blobs"), key=lambda each: each.id)
    return Sample(job, lambda: [app.blobs.exists(name) for name in names])


def make_archive(app: App, folder: Path) -> Sample:
    """Make an archive of 30 records in four steps."""
    del folder
    lab = archive_lab.ArchiveLab(app)
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 12)
    made = lab.request(dataset, step_records=10)

    def effects() -> list[Any]:
        found = lab.found(made.id)
        members = lab.members(found)
        columns = [json.loads(members[name]) for name in sorted(members) if "labeled_data" in name]
        left = list(app.blobs.names(f"archives/{dataset.id}/{made.id}/"))
        return [*((each["text_data"], each["major_label"]) for each in columns), left == [found.blob]]

    return Sample(lab.job(made.id), effects)


def expire_archive(app: App, folder: Path) -> Sample:
    """Let go of an archive that was made."""
    del folder
    lab = archive_lab.ArchiveLab(app)
    dataset = lab.dataset(3)
    made = lab.make(dataset)
    app.database.transact(lambda connection: connection.execute(sa.update(job_steps).values(not_before=None, put_off_at=None)))
    job = max(lab.jobs("expire-archive"), key=lambda each: each.id)
    return Sample(job, lambda: [lab.found(made.id).blob, list(app.blobs.names(f"archives/{dataset.id}/"))])


def export_table(app: App, folder: Path) -> Sample:
    """Write 30 records into a table of a named connection."""
    folder.mkdir()
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 12)
    url = f"sqlite:///{folder}/theirs.db"
    app.database.transact(connections.add, app, name=f"theirs-{dataset.id}", url=url, writable=["main"], confined=False)
    place = {"connection": f"theirs-{dataset.id}", "schema": None, "table": "labels"}
    job = app.database.transact(table_jobs.submit, dataset.id, place)

    def effects() -> list[Any]:
        with closing(sqlite3.connect(folder / "theirs.db")) as connection:
            return connection.execute("SELECT * FROM labels ORDER BY record_key").fetchall()

    return Sample(job, effects)


def load_catalogue(app: App, folder: Path) -> Sample:
    """Load 30 products with their images."""
    made = catalogue_lab.make(folder, 30)
    places = {"table": app.places.reference(str(made / "styles.csv")), "images": {"file": str(made / "images")}}
    job = app.database.transact(catalogues.load, f"products {folder.name}", **places)

    def effects() -> list[Any]:
        with app.database.read() as connection:
            version = catalogues.get_version(connection, job.id)
        return [version.number, version.rows, pl.read_parquet(app.blobs.path(version.blob)).to_dicts()]

    return Sample(job, effects)


def image_task(app: App, folder: Path) -> Sample:
    """Deliver 30 images, transformed, in four steps."""
    loaded = load_catalogue(app, folder).job
    run_or_watch(app.runtime, loaded.id)
    with app.database.read() as connection:
        catalogue = catalogues.find(connection, f"products {folder.name}")
    delivery = Delivery(transform=Transform(width=16, height=16), out=str(folder / "out"), chunk=8)
    job = app.database.transact(catalogues.query, catalogue, (), delivery)

    def effects() -> list[Any]:
        return sorted((path.name, path.read_bytes()) for path in (folder / "out" / job.id).iterdir() if path.suffix != ".json")

    return Sample(job, effects)


SAMPLES: dict[str, Callable[[App, Path], Sample]] = {
    "archive": make_archive,
    "catalogue": load_catalogue,
    "expire-archive": expire_archive,
    "export-table": export_table,
    "image-task": image_task,
    "import": import_records,
    "label-task": label_task,
    "label-task-row": label_task_row,
    "recount": count_anew,
    "remove-dataset": remove_dataset,
    "sweep-blobs": sweep_blobs,
    "samples": sample_datasets,
    "train": train,
    "predict": predict,
}
