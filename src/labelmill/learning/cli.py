"""``labelmill classifier``, ``labelmill learner`` and ``labelmill predictor``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_rows, settings_of
from labelmill.datasets import service as datasets
from labelmill.errors import NotFound
from labelmill.jobs import cli as jobs
from labelmill.jobs.console import follow
from labelmill.jobs.inline import require_success
from labelmill.learning import service
from labelmill.learning.model import LEARNER_QUEUE, PREDICTOR_QUEUE, Classifier
from labelmill.learning.schemas import ClassifierDetail, ClassifierOut

app = typer.Typer(no_args_is_help=True, help="Look at a dataset's classifiers, train one, keep one's predictions.")

DatasetArgument = Annotated[str, typer.Argument(help="The dataset's id or name.")]
Version = Annotated[int, typer.Argument(min=1, help="The classifier's version in its dataset.")]
_COLUMNS = ("version", "created_at", "learner", "records", "precision", "share_precision", "share_macro_f1", "kept")


@app.command("list")
def list_classifiers(
    context: typer.Context,
    dataset: DatasetArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: JsonOption = False,
) -> None:
    """List a dataset's classifiers, newest first."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_classifiers(connection, datasets.find(connection, dataset).id, limit=limit)
    print_rows([ClassifierOut.of(one).model_dump(mode="json") for one in found], columns=_COLUMNS, json=json)


@app.command()
def show(context: typer.Context, dataset: DatasetArgument, version: Version, json: JsonOption = False) -> None:
    """Show a classifier: its learner, what it was trained on, and its scores."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = _version(connection, dataset, version)
    print_fields(ClassifierDetail.of(found).model_dump(mode="json"), json=json)


@app.command()
def train(context: typer.Context, dataset: DatasetArgument, json: JsonOption = False) -> None:
    """Train now on the labels there are and predict every record, here unless a worker does. Exit code 8 unless it succeeds."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            found = datasets.find(connection, dataset)
        job = built.database.transact(service.train_now, found)
        built.runtime.wake(job.id)
        ended = follow(built.runtime, job)
        require_success(ended)
        result = dict(ended.result or {})
        result.pop("features", None)
        for following in service.predictions_of(built.database, found.id):
            require_success(follow(built.runtime, following))
    print_fields({"job": ended.id} | result, json=json)


@app.command()
def keep(
    context: typer.Context,
    dataset: DatasetArgument,
    version: Version,
    let_go: Annotated[bool, typer.Option("--let-go", help="Let its predictions go again.")] = False,
    json: JsonOption = False,
) -> None:
    """Keep a classifier's predictions when newer ones come."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            found = _version(connection, dataset, version)
        built.database.transact(service.keep, found.id, not let_go)
    print_fields({"version": version, "kept": not let_go}, json=json)


def learner(context: typer.Context) -> None:
    """Train classifiers as they are due, and do nothing else, until SIGTERM or Ctrl-C."""
    jobs.worker(context, queue=[LEARNER_QUEUE], concurrency=1, child=None, job=None)


def predictor(context: typer.Context) -> None:
    """Predict records with new classifiers as they come, and do nothing else, until SIGTERM or Ctrl-C."""
    jobs.worker(context, queue=[PREDICTOR_QUEUE], concurrency=1, child=None, job=None)


def _version(connection: Any, dataset: str, version: int) -> Classifier:
    found = datasets.find(connection, dataset)
    one = next(iter(service.list_classifiers(connection, found.id, before=version + 1, limit=1)), None)
    if one is None or one.version != version:
        raise NotFound(
            f"{found.name} has no classifier of version {version}.", way_out="`labelmill classifier list` shows them."
        )
    return one
