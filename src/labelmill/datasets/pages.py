"""The pages on datasets: the list, and where a dataset's address leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Path, Query, Request, Response

from labelmill.accounts import Action, may, require
from labelmill.accounts import service as accounts
from labelmill.datasets import service
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.http.sheets import Column, csv_of, sheet, wanted_order
from labelmill.samples import service as samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
MOST_LISTED: Final = 50
MOST_SORTED: Final = 1_000


def _of_counts(name: str) -> Callable[[dict[str, Any]], int]:
    return lambda line: int(getattr(line["counts"], name))


def _of_dataset(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda line: getattr(line["dataset"], name)


def _labels(line: dict[str, Any]) -> int:
    return sum(not label.is_ignored for label in line["dataset"].labels)


COLUMNS: Final = (
    Column(name="name", value=_of_dataset("name")),
    Column(name="kind", value=_of_dataset("kind"), is_wide_only=True),
    Column(name="records", value=_of_counts("records"), is_figure=True),
    Column(name="labelled", value=_of_counts("answered")),
    Column(name="ties", value=_of_counts("tied"), is_figure=True),
    Column(name="labels", value=_labels, is_figure=True, is_wide_only=True),
    Column(name="created_at", value=_of_dataset("created_at"), is_wide_only=True),
    Column(name="actions", is_silent=True),
)


@router.get("/datasets")
def list_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    archived: bool = False,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """List the datasets that somebody may see, with how far each is.

    ``?sort=`` sorts them and ``?csv=datasets`` gives them as CSV, up to MOST_SORTED: a page of them would have an order of its own.
    """
    require(actor, Action.VIEW_DATASET)
    most = MOST_SORTED if wanted_order(request, "datasets")[0] or "csv" in request.query_params else MOST_LISTED
    with app.database.read() as connection:
        only = accounts.datasets_of(connection, actor)
        found = service.list_datasets(connection, only=only, archived=archived, after=after, limit=most + 1)
        shown = [_line(connection, actor, each) for each in found[:most]]
        gone = archived or bool(service.list_datasets(connection, only=only, archived=True, limit=1))
    table = sheet(request, "datasets", COLUMNS, shown)
    return csv_of(request, [table]) or render(
        request, "datasets/list.html", table=table, last=found[:most][-1].id if found else 0, more=len(found) > most, first=not after, archived=archived, gone=gone,
        makes=may(actor, Action.MAKE_DATASET),
    )  # fmt: skip


@router.post("/datasets/samples")
def make_samples(app: TheApp, actor: SignedIn) -> Response:
    """Begin to make the sample datasets, and show the job that does it."""
    require(actor, Action.MAKE_DATASET)
    job = app.database.transact(samples.begin, created_by=actor.annotator_id, limits=app.runtime.limits)
    app.runtime.wake(job.id)
    return see_other(f"/jobs/{job.id}")


@router.get("/datasets/{dataset_id}")
def dataset_page(app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> Response:
    """Lead to what is next in a dataset: records where it has none, else labelling, else the figures."""
    frame = dataset_frame(app, actor, dataset_id)
    inside, dataset = frame["inside"], frame["dataset"]
    if not frame["counts"].records and may(inside, Action.CHANGE_DATASET) and dataset.archived_at is None:
        return see_other(f"/datasets/{dataset_id}/import")
    labels = may(inside, Action.LABEL) and dataset.archived_at is None
    return see_other(f"/datasets/{dataset_id}/{'label' if labels else 'monitor'}")


def _line(connection: Connection, actor: Actor, dataset: service.Dataset) -> dict[str, Any]:
    inside = accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset.id)
    return {"dataset": dataset, "inside": inside, "counts": service.counts(connection, dataset.id)}
