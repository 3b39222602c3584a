"""The grid: records side by side, chosen and answered many at once. It is a form; a script selects ranges and takes keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may
from labelmill.annotation import grid
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.ids import new_id
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from labelmill.accounts import Actor
    from labelmill.bootstrap import App

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
Number = Annotated[int | None, Query(ge=1, le=2**53)]
Batch = Annotated[str, Form(pattern="^[0-9a-f]{32}$")]
WHICH = ("open", "answered", "tied", "all")


@router.get("/datasets/{dataset_id}/bulk")
def grid_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    text: Annotated[str, Query(max_length=200)] = "",
    label: Annotated[str, Query(max_length=15, pattern="^[0-9]*$")] = "",
    which: Annotated[str, Query(max_length=16)] = "open",
    like: Number = None,
    says: Annotated[str, Query(max_length=15, pattern="^[0-9]*$")] = "",
    sure: Annotated[str, Query(max_length=16)] = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    batch: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "",
    count: Annotated[int, Query(ge=0, le=10_000)] = 0,
    undone: Annotated[int | None, Query(ge=0, le=10_000)] = None,
) -> HTMLResponse:
    """Show a page of records that a filter holds for, or that are like one of them."""
    wanted = grid.Wanted(
        text=text.replace("\0", ""), label_id=int(label) if label else None, which=which if which in WHICH else "open", like=like, after=after,
        says=int(says) if says else None, sure=sure if sure in grid.SURE else "",
    )  # fmt: skip
    return _page(request, app, actor, dataset_id, wanted, batch=batch, count=count, undone=undone)


@router.post("/datasets/{dataset_id}/bulk")
def grid_form(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    batch: Batch,
    back: Annotated[str, Form(max_length=1_000)] = "",
    action: Annotated[str, Form(max_length=16)] = "answer",
    label: Annotated[int | None, Form(ge=1, le=2**53)] = None,
    record: Annotated[list[int] | None, Form(max_length=grid.PAGE)] = None,
) -> Response:
    """Give the selected records one answer, or take such a batch back; then the same grid again, or what was refused."""
    dataset = dataset_frame(app, actor, dataset_id, Action.LABEL)["dataset"]
    place = f"/datasets/{dataset_id}/bulk?{back}&" if back else f"/datasets/{dataset_id}/bulk?"
    if action == "undo":
        taken_back = grid.undo_many(app, dataset, actor.annotator_id, batch)
        return see_other(f"{place}undone={taken_back}")
    if label is None or not record:
        error = BadInput("No record was selected.", way_out="Tick some, then choose their label.")
        return _page(request, app, actor, dataset_id, grid.Wanted(), error=error)
    done = grid.answer_many(app, dataset, actor.annotator_id, record, label_id=label, batch=batch)
    if done.refused:
        return _page(request, app, actor, dataset_id, grid.Wanted(), refused=done.refused, batch=batch, count=done.answered)
    return see_other(f"{place}batch={batch}&count={done.answered}")


def _page(
    request: Request, app: App, actor: Actor, dataset_id: int, wanted: grid.Wanted, *, error: Any = None, **more: Any
) -> HTMLResponse:
    frame = dataset_frame(app, actor, dataset_id, Action.LABEL)
    dataset = frame["dataset"]
    # Who answers must not see what others answered: not by a filter either.
    sees = may(frame["inside"], Action.SETTLE)
    if not sees:
        wanted = replace(wanted, label_id=None, which="all" if wanted.which == "all" else "open")
    with app.database.read() as connection:
        seen = grid.look(connection, app.blobs, dataset, actor.annotator_id, wanted)
        learns = dataset.settings.suggest and learning.queue(connection, dataset_id) is not None
    values = {"label" if name == "label_id" else name: value for name, value in vars(wanted).items()}
    back = urlencode({name: value for name, value in values.items() if value})
    refused = more.get("refused", [])
    return render(
        request, "annotation/bulk.html", status=error.status if error else (409 if refused else 200), seen=seen, wanted=wanted, back=back,
        sees=sees, learns=learns, sure=grid.SURE, error=error, key=new_id(), labels=sorted(dataset.labels, key=lambda label: label.is_ignored), which=WHICH if sees else ("open", "all"),
        **{"batch": "", "count": 0, "undone": None, "refused": [], **frame, **more},
    )  # fmt: skip
