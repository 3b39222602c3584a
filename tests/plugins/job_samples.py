"""One small job of each kind that the product registers, with what it leaves behind; a kind without one fails a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.labeltasks import service as label_tasks
from labelmill.rules import from_dict

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


SAMPLES: dict[str, Callable[[App, Path], Sample]] = {"label-task": label_task}
