"""The page of a dataset's archives: request one, watch it, fetch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Form, Path, Query, Request, Response

from labelmill import clock
from labelmill.accounts import Action, may
from labelmill.archives import routes, service
from labelmill.archives.choices import Choices
from labelmill.errors import BadInput
from labelmill.exports import Naming
from labelmill.exports.service import require_export
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.jobs import service as jobs
from labelmill.jobs.model import progress
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
ArchiveId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Before = Annotated[str, Query(pattern="^([0-9a-f]{32})?$")]
SHOWN: Final = 20
#: Classifiers that can be chosen.
CLASSIFIERS: Final = 50


@router.get("/datasets/{dataset_id}/archives")
def archives_page(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, *, before: Before = "") -> Response:
    """List a dataset's archives, and the form that requests one."""
    require_export(app.database, actor, dataset_id, Naming.PSEUDONYM)
    frame = dataset_frame(app, actor, dataset_id)
    with app.database.read() as connection:
        found = service.list_archives(connection, dataset_id, before=before or None, limit=SHOWN + 1)
        now = {each.id: progress(jobs.glance(connection, each.id), clock.now()) for each in found[:SHOWN] if each.is_active}
        classifiers = learning.list_classifiers(connection, dataset_id, limit=CLASSIFIERS)
    return render(
        request, "archives/archives.html", **frame, archives=found[:SHOWN], more=len(found) > SHOWN, before=before, progress=now,
        classifiers=classifiers, changes=may(frame["inside"], Action.CHANGE_DATASET), knows=may(frame["inside"], Action.VIEW_ANNOTATORS),
        days=app.settings.archive_days,
    )  # fmt: skip


@router.post("/datasets/{dataset_id}/archives")
def request_archive(
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    classifier: Annotated[str, Form(max_length=20)] = "",
    annotators: Annotated[Naming, Form()] = Naming.PSEUDONYM,
    pickle: Annotated[bool, Form()] = False,
) -> Response:
    """Request an archive; with the classifier of an earlier one it is requested again."""
    require_export(app.database, actor, dataset_id, annotators)
    if classifier and not (classifier.isascii() and classifier.isdigit()):
        raise BadInput("This is no classifier.", where="classifier", way_out="Choose one of the list.")

    def verb(connection: Connection) -> str:
        choices = Choices(annotators=annotators, pickle=pickle)
        return routes.begin(app, connection, actor, dataset_id, choices, classifier_id=int(classifier or 0) or None).id

    app.runtime.wake(app.database.transact(verb))
    return see_other(f"/datasets/{dataset_id}/archives")


@router.post("/datasets/{dataset_id}/archives/{archive_id}/cancel")
def cancel_archive(app: TheApp, actor: SignedIn, dataset_id: DatasetId, archive_id: ArchiveId) -> Response:
    """Stop making an archive."""
    routes.found_for(app, actor, dataset_id, archive_id)
    app.database.transact(routes.cancel, actor, dataset_id, archive_id)
    return see_other(f"/datasets/{dataset_id}/archives")


@router.head("/datasets/{dataset_id}/archives/{archive_id}/file")
@router.get("/datasets/{dataset_id}/archives/{archive_id}/file")
def archive_file(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, archive_id: ArchiveId) -> Response:
    """Send an archive's file."""
    return routes.file_for(request, app, actor, dataset_id, archive_id)
