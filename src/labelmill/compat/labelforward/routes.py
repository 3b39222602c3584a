"""``/api/texts/`` and ``/api/monitor/``: the next text, its label, how far it is, and the classifiers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Response

from labelmill.accounts import Action
from labelmill.annotation.service import State
from labelmill.archives import Archive, ArchiveState
from labelmill.archives import service as archives
from labelmill.compat.labelforward import labelling
from labelmill.compat.labelforward.answers import STATE
from labelmill.compat.labelforward.callers import Caller
from labelmill.compat.labelforward.schemas import (
    ClassifierRow,
    Classifiers,
    Labels,
    LabelShare,
    NewLabelling,
    Text,
)
from labelmill.http import TheApp, documented
from labelmill.http.routing import StrictRoute

router = APIRouter(prefix="/api", tags=["LabelForward API"], route_class=StrictRoute)
_NO_BODY: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": f"None now, but others hold some that may come back: ask again. `{STATE}: waiting`, `Retry-After`."},
    205: {"description": f"All is labelled. `{STATE}: done`."},
}


@router.get("/texts/text/", include_in_schema=False)
@router.get("/texts/text", response_model=Text, responses=_NO_BODY | documented(404, 409))
def next_text(response: Response, app: TheApp, actor: Caller) -> Any:
    """Return the text that lies before who asks, or the next one. It answers at once, whatever is trained or predicted."""
    served = app.database.transact(labelling.next_text, app.settings.compat_dataset, actor)
    if served.records:
        record = served.records[0].record
        response.headers[STATE] = State.RECORD
        return Text(text=record.content, text_id=record.id)
    headers = {STATE: str(served.state)}
    if served.state is State.WAITING:
        return Response(status_code=204, headers=headers | {"Retry-After": str(served.retry_seconds)})
    return Response(status_code=205, headers=headers | {"Content-Length": "0"})


@router.get("/texts/labels/", include_in_schema=False)
@router.get("/texts/labels", responses=documented(404))
def list_labels(app: TheApp, actor: Caller) -> Labels:
    """Return the names of the labels in their order."""
    with app.database.read() as connection:
        dataset = labelling.opened(connection, app.settings.compat_dataset, actor, Action.VIEW_DATASET)
    return Labels(labels=[each.name for each in dataset.labels if not each.is_ignored])


@router.post("/texts/text/", include_in_schema=False, status_code=201)
@router.post("/texts/text", status_code=201, response_class=Response, responses=documented(404, 409))
def store_label(
    app: TheApp, actor: Caller, new: NewLabelling, *, idempotency_key: Annotated[str | None, Header(max_length=64)] = None
) -> Response:
    """Store the label of a text: 201 means that it is stored, once, whatever goes on meanwhile."""
    due = app.database.transact(
        labelling.store, app.settings.compat_dataset, actor, record_id=new.text_id, label=new.label, key=idempotency_key
    )
    if due is not None:
        app.runtime.wake(due)
    return Response(status_code=201)


@router.get("/monitor/classifiers/", include_in_schema=False)
@router.get("/monitor/classifiers", responses=documented(404))
def list_classifiers(app: TheApp, actor: Caller) -> Classifiers:
    """Return the dataset's classifiers, oldest first."""
    with app.database.read() as connection:
        dataset = labelling.opened(connection, app.settings.compat_dataset, actor, Action.VIEW_DATASET)
        found = labelling.classifiers(connection, dataset)
        known = archives.newest_by_classifier(connection, [each.id for each in found])
    rows = [
        ClassifierRow(
            clfId=each.id, precision=_precision(each.metrics), timestamp=each.created_at, download=_download(known.get(each.id)),
            downloadReason=known[each.id].reason if each.id in known else None,
        )
        for each in found
    ]  # fmt: skip
    return Classifiers(clfData=rows)


@router.get("/monitor/label/", include_in_schema=False)
@router.get("/monitor/label", responses=documented(404))
def label_share(app: TheApp, actor: Caller) -> LabelShare:
    """Return the share of texts that people have labelled."""
    with app.database.read() as connection:
        dataset = labelling.opened(connection, app.settings.compat_dataset, actor, Action.VIEW_DATASET)
        return LabelShare(labelShare=labelling.share(connection, dataset))


def _precision(metrics: dict[str, Any] | None) -> float | None:
    held_out = (metrics or {}).get("held_out") or {}
    found: float | None = held_out.get("precision")
    return found


def _download(archive: Archive | None) -> Literal[0, 1, 2]:
    """Return the predecessor's number: what failed or has expired is to be requested again."""
    if archive is None or archive.state in (ArchiveState.FAILED, ArchiveState.EXPIRED):
        return 0
    return 2 if archive.state is ArchiveState.AVAILABLE else 1
