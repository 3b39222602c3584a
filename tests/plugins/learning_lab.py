"""A dataset of short texts with known labels, and trainings of it that run in the test's process."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.datasets.model import DatasetSettings, NewLabel, RecordKind, record_key
from labelmill.datasets.tables import records
from labelmill.jobs import service as jobs
from labelmill.jobs.worker import WorkerProcess
from labelmill.learning import service

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.jobs.model import Job

WORDS = {
    "sport": "ball goal match team coach win",
    "food": "soup bread cook taste oven spice",
    "music": "song choir drum note band tune",
}
_NUMBERS = count(1)


def person(number: int = 1) -> str:
    """Return the id of an annotator."""
    return f"{number:032x}"


def text(label: str, number: int) -> str:
    """Return a text of three words of its label and one that tells nothing; each number another one."""
    generator = np.random.default_rng([number, len(label), ord(label[0])])
    words = generator.permutation(WORDS[label].split())[:3].tolist()
    return " ".join([*words, f"day{number % 7}", f"n{number}"])


class Lab:
    def __init__(self, app: App) -> None:
        self.app = app
        self.gold: dict[str, str] = {}

    def dataset(
        self, size: int = 60, labels: tuple[str, ...] = ("sport", "food", "music"), kind: str = "text", **settings: Any
    ) -> Any:
        """Return a dataset with ``size`` records, the labels in turn."""
        chosen = DatasetSettings(**{"warm_start": 0, "batch_size": 5, **settings})
        made = self.app.database.transact(
            datasets.create,
            name=f"set {next(_NUMBERS)}",
            kind=RecordKind(kind),
            labels=[NewLabel(name=each) for each in labels],
            settings=chosen,
        )
        if size:
            self.add(made, size, labels)
        return self.again(made)

    def add(self, dataset: Any, size: int, labels: tuple[str, ...] = ("sport", "food", "music"), start: int = 0) -> None:
        """Add texts about the labels in turn."""
        texts = {
            text(labels[number % len(labels)], number): labels[number % len(labels)] for number in range(start, start + size)
        }
        self.gold |= texts
        self.add_contents(dataset, list(texts))

    def add_contents(self, dataset: Any, contents: list[str]) -> None:
        frame = pl.DataFrame(
            {
                "record_key": [record_key(None, each) for each in contents],
                "given_id": pl.Series([None] * len(contents), dtype=pl.String),
                "content": contents,
            }
        )
        if contents:
            self.app.database.transact(datasets.add_records, dataset.id, frame)

    def add_init(self, dataset: Any, contents: dict[str, str]) -> None:
        ids = {label.name: label.id for label in dataset.labels}
        frame = pl.DataFrame({"content": list(contents), "label_id": [ids[label] for label in contents.values()]})
        self.app.database.transact(datasets.add_init_records, dataset.id, frame)

    def again(self, dataset: Any) -> Any:
        with self.app.database.read() as connection:
            return datasets.get(connection, dataset.id)

    def ids(self, dataset: Any) -> dict[int, str]:
        """Return the contents of the records by their ids."""
        with self.app.database.read() as connection:
            query = sa.select(records.c.id, records.c.content).where(records.c.dataset_id == dataset.id).order_by(records.c.id)
            return {row.id: row.content for row in connection.execute(query)}

    def answer(self, dataset: Any, record_id: int, label: str, who: int = 1) -> str | None:
        """Answer one record, and return the training that this made due."""
        label_id = next(each.id for each in dataset.labels if each.name == label)

        done = self.app.database.transact(
            annotation.answer, dataset, record_id, person(who), label_ids=[label_id], key=f"key-{next(_NUMBERS)}"
        )
        return done.job_id

    def answer_right(self, dataset: Any, count_: int, start: int = 0) -> list[str]:
        """Answer records as their texts are meant, in the order of their ids; return the trainings that this made due."""
        chosen = list(self.ids(dataset).items())[start : start + count_]
        found = [self.answer(dataset, record_id, self.gold[content]) for record_id, content in chosen]
        return [each for each in found if each]

    def train(self, dataset: Any) -> Job:
        """Train now, and run everything that follows."""
        job = self.app.database.transact(service.train_now, dataset)
        self.work()
        return self.job(job.id)

    def work(self, queues: tuple[str, ...] = ("learner", "predictor")) -> None:
        """Run every step that is due in these queues."""
        process = WorkerProcess(self.app.runtime, worker_id=f"w{next(_NUMBERS)}", queues=queues)
        while process.run_next():
            pass

    def job(self, job_id: str) -> Job:
        with self.app.database.read() as connection:
            return jobs.get(connection, job_id)

    def jobs(self, kind: str) -> list[Job]:
        with self.app.database.read() as connection:
            return jobs.list_jobs(connection, kind=kind)

    def read(self, verb: Any, *arguments: Any, **more: Any) -> Any:
        with self.app.database.read() as connection:
            return verb(connection, *arguments, **more)

    def queue(self, dataset: Any, who: int = 99, limit: int = 1000) -> list[Any]:
        return self.read(service.queue_page, dataset.id, person(who), limit)
