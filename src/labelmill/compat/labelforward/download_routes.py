"""``/api/monitor/download``: the archive of a classifier with its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.archives import service as archives
from labelmill.compat.labelforward import labelling
from labelmill.compat.labelforward.callers import Caller
from labelmill.compat.labelforward.schemas import NewDownload, Success
from labelmill.errors import NotFound
from labelmill.exports import Naming
from labelmill.exports.service import require_export
from labelmill.http import TheApp, documented
from labelmill.http.routing import StrictRoute
from labelmill.http.sending import documented_file, send_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.archives import Archive
    from labelmill.bootstrap import App

router = APIRouter(prefix="/api", tags=["LabelForward API"], route_class=StrictRoute)


@router.post("/monitor/download/", include_in_schema=False)
@router.post("/monitor/download", responses=documented(404))
def request_download(app: TheApp, actor: Caller, asked: NewDownload) -> Success:
    """Ask for a classifier's archive of the texts and labels as they are now; asked again, nothing happens until there is something new."""

    def verb(connection: Connection) -> Archive:
        dataset = labelling.opened(connection, app.settings.compat_dataset, actor, Action.CHANGE_DATASET)
        labelling.require_classifier(connection, dataset, asked.clfId)
        made = archives.ensure(connection, asked.clfId, app.runtime.limits, actor.annotator_id)
        accounts.note(connection, actor, "request archive", f"archive {made.id}", dataset.id)
        return made

    app.runtime.wake(app.database.transact(verb).id)
    return Success()


@router.head("/monitor/download/", include_in_schema=False)
@router.head("/monitor/download", include_in_schema=False)
@router.get("/monitor/download/", include_in_schema=False)
@router.get(
    "/monitor/download", response_class=Response, responses=documented_file(archives.MEDIA_TYPE) | documented(404, 409, 416)
)
def download(
    request: Request, app: TheApp, actor: Caller, classifier: Annotated[int, Query(alias="clfId", ge=1, le=2**53)]
) -> Response:
    """Fetch a classifier's newest archive: 404 where none was asked for or it has expired, 409 while it is made or where that failed."""
    found = _newest(app, actor, classifier)
    require_export(app.database, actor, found.dataset_id, found.choices.annotators)
    path = app.blobs.path(archives.require_file(found))
    return send_file(request, path, tag=found.id, name=f"data-{classifier}.zip", media_type=archives.MEDIA_TYPE)


def _newest(app: App, actor: Caller, classifier_id: int) -> Archive:
    with app.database.read() as connection:
        dataset = labelling.opened(connection, app.settings.compat_dataset, actor, Action.VIEW_DATASET)
        labelling.require_classifier(connection, dataset, classifier_id)
    require_export(app.database, actor, dataset.id, Naming.PSEUDONYM)
    with app.database.read() as connection:
        found = archives.newest_by_classifier(connection, [classifier_id])
    if classifier_id not in found:
        raise NotFound("Nobody has asked for this archive.", where="clfId", way_out="`POST /api/monitor/download` asks for it.")
    return found[classifier_id]
