"""Archives over HTTP: request one, see how far it is, fetch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query, Request, Response

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.archives import service
from labelmill.archives.choices import Choices
from labelmill.archives.model import MEDIA_TYPE, Archive, file_name
from labelmill.archives.schemas import ArchiveOut, ArchivePage, NewArchive
from labelmill.datasets import service as datasets
from labelmill.exports import Naming
from labelmill.exports.service import require_export
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.http.sending import documented_file, send_file
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App

router = api_router("/datasets/{dataset_id}/archives", "archives")
Id = Annotated[int, Path(ge=1, le=2**53)]
ArchiveId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@router.post("", status_code=202, response_model=ArchiveOut, responses=documented(404, 409))
def request_archive(app: TheApp, actor: SignedIn, once: TheOnce, dataset_id: Id, body: NewArchive) -> Response:
    """Request an archive of a dataset as it is now, with a classifier. While one of the same is made, that one is returned."""
    require_export(app.database, actor, dataset_id, body.annotators)
    made: list[str] = []

    def verb(connection: Connection) -> ArchiveOut:
        choices = Choices(annotators=body.annotators, pickle=body.pickle)
        found = begin(app, connection, actor, dataset_id, choices, classifier_id=body.classifier_id)
        made.append(found.id)
        return ArchiveOut.of(found)

    answer = once.run(verb, status=202)
    if made:
        app.runtime.wake(made[-1])
    return answer


@router.get("", responses=documented(404))
def list_archives(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> ArchivePage:
    """Return a dataset's archives, newest first."""
    before = decode_cursor(cursor, "before")["before"] if cursor else None
    require_export(app.database, actor, dataset_id, Naming.PSEUDONYM)
    with app.database.read() as connection:
        datasets.get(connection, dataset_id)
        found = service.list_archives(connection, dataset_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": one.id})
    return ArchivePage(items=[ArchiveOut.of(one) for one in page.items], next=page.next)


@router.get("/{archive_id}", responses=documented(404))
def get_archive(app: TheApp, actor: SignedIn, dataset_id: Id, archive_id: ArchiveId) -> ArchiveOut:
    """Return how far an archive is, why it failed, or when it expires."""
    return ArchiveOut.of(found_for(app, actor, dataset_id, archive_id))


@router.post("/{archive_id}/cancel", responses=documented(404, 409))
def cancel_archive(app: TheApp, actor: SignedIn, dataset_id: Id, archive_id: ArchiveId) -> ArchiveOut:
    """Stop making an archive; it can be requested again."""
    found_for(app, actor, dataset_id, archive_id)
    return ArchiveOut.of(app.database.transact(cancel, actor, dataset_id, archive_id))


@router.head("/{archive_id}/file", include_in_schema=False)
@router.get("/{archive_id}/file", response_class=Response, responses=documented_file(MEDIA_TYPE) | documented(404, 409, 416))
def get_archive_file(request: Request, app: TheApp, actor: SignedIn, dataset_id: Id, archive_id: ArchiveId) -> Response:
    """Send an archive's file, or with `Range` a part of it: 409 while it is made, 404 once it has expired."""
    return file_for(request, app, actor, dataset_id, archive_id)


def begin(
    app: App, connection: Connection, actor: Actor, dataset_id: int, choices: Choices, *, classifier_id: int | None = None
) -> Archive:
    """Request an archive for somebody who may change the dataset. Raises what ``require_in`` and ``request`` raise."""
    accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    found = service.request(
        connection, dataset_id, choices, classifier_id=classifier_id, requested_by=actor.annotator_id, limits=app.runtime.limits
    )
    accounts.note(connection, actor, "request archive", f"archive {found.id}", dataset_id, annotators=str(choices.annotators))
    return found


def cancel(connection: Connection, actor: Actor, dataset_id: int, archive_id: str) -> Archive:
    """Stop making an archive, for somebody who may change the dataset."""
    accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    return service.cancel(connection, archive_id)


def found_for(app: App, actor: Actor, dataset_id: int, archive_id: str) -> Archive:
    """Return an archive for somebody who may know what is in it. Raises Forbidden and NotFound."""
    require_export(app.database, actor, dataset_id, Naming.PSEUDONYM)
    with app.database.read() as connection:
        return service.get(connection, archive_id, dataset_id=dataset_id)


def file_for(request: Request, app: App, actor: Actor, dataset_id: int, archive_id: str) -> Response:
    """Return the answer that sends an archive's file to somebody who may have it. Raises what ``require_file`` raises, and BadRange."""
    found = found_for(app, actor, dataset_id, archive_id)
    require_export(app.database, actor, dataset_id, found.choices.annotators)
    with app.database.read() as connection:
        name = file_name(datasets.get(connection, dataset_id).name, found.version)
    path = app.blobs.path(service.require_file(found))
    return send_file(request, path, tag=found.id, name=name, media_type=MEDIA_TYPE)
