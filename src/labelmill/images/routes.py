"""Catalogues over HTTP: load one, look at it, count what conditions find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import Path, Query, Request, Response

from labelmill.accounts import Action, require
from labelmill.accounts import service as accounts
from labelmill.datasets import Shelf, hiding, without_folders
from labelmill.deadline import within
from labelmill.errors import LabelmillError
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented, spreadsheet
from labelmill.images import filters, places, query, service
from labelmill.images.schemas import (
    MOST_CONDITIONS,
    CatalogueColumnOut,
    CatalogueDetail,
    CatalogueOut,
    CataloguePage,
    CatalogueRejects,
    ColumnValues,
    LoadOut,
    LoadStarted,
    NewCatalogue,
    RejectedRow,
    RowCount,
    ValueCount,
)
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from labelmill.bootstrap import App
    from labelmill.images.filters import Condition
    from labelmill.images.model import Catalogue, Version
    from labelmill.jobs.model import Job
    from labelmill.settings import Settings

router = api_router("/catalogues", "catalogues")
CatalogueName = Annotated[str, Path(max_length=100, description="The catalogue's name or number.")]
Where = Annotated[
    list[Annotated[str, Query(max_length=1300)]],
    Query(
        max_length=MOST_CONDITIONS,
        description="Conditions: `COLUMN=VALUE`, `COLUMN>=VALUE`, `COLUMN<=VALUE` or `COLUMN~PART`; all of them hold, and the same"
        " column twice with `=` is either.",
        examples=[["gender=Men", "year>=2010"]],
    ),
]
Form = Annotated[Literal["json", "csv"] | None, Query(description="Goes before the Accept header.")]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
#: Seconds that looking at a table and its images may take.
SECONDS = 30


@router.post("", status_code=202, response_model=LoadStarted, responses=documented(404, 409))
def load_catalogue(app: TheApp, actor: SignedIn, once: TheOnce, new: NewCatalogue) -> Response:
    """Load a catalogue, or a new version of the one of this name, in the background: `/v1/jobs/{id}` follows it."""
    require(actor, Action.START_LABEL_TASK)
    table, images = new.table.reference(), {"path": new.images.path}

    def begin(connection: Connection) -> LoadStarted:
        job = service.load(
            connection, new.name, table=table, images=images, id_column=new.id_column, options=new.file.model_dump(),
            created_by=actor.annotator_id, limits=app.runtime.limits,
        )  # fmt: skip
        accounts.note(connection, actor, "load catalogue", f"catalogue {new.name}")
        return LoadStarted(catalogue=new.name, load=load_shown(app.settings, job))

    answer = once.repeated()
    if answer is None:
        _check(app, new)
        answer = once.run(begin, status=202)
    job_id = orjson.loads(bytes(answer.body))["load"]["id"]
    app.runtime.wake(job_id)
    answer.headers["Location"] = f"/v1/jobs/{job_id}"
    return answer


@router.get("")
def list_catalogues(
    app: TheApp,
    actor: SignedIn,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> CataloguePage:
    """Return catalogues by name."""
    require(actor, Action.VIEW_LABEL_TASKS)
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    with app.database.read() as connection:
        found = service.list_catalogues(connection, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": one.name})
    return CataloguePage(items=[CatalogueOut.of(one) for one in page.items], next=page.next)


@router.get("/{name}", responses=documented(404))
def get_catalogue(app: TheApp, actor: SignedIn, name: CatalogueName) -> CatalogueDetail:
    """Return a catalogue's columns and counts, and how far its last load is."""
    require(actor, Action.VIEW_LABEL_TASKS)
    with app.database.read() as connection:
        found = service.find(connection, name)
        load = service.last_load(connection, found)
    version = found.version
    return CatalogueDetail.of(
        found,
        id_column=version.id_column if version else None,
        columns=[CatalogueColumnOut.of(column) for column in version.columns] if version else [],
        load=load_shown(app.settings, load) if load else None,
    )


@router.get("/{name}/count", responses=documented(404, 409))
def count_rows(app: TheApp, actor: SignedIn, name: CatalogueName, *, where: Where = []) -> RowCount:  # noqa: B006 - FastAPI copies it
    """Return how many rows meet all conditions; without any, how many there are."""
    catalogue, version, path = _opened(app, actor, name)
    conditions = _conditions(where)
    return RowCount(catalogue=catalogue.name, version=version.number, rows=query.count(path, version, conditions))


@router.get("/{name}/values", responses=documented(404, 409))
def get_values(
    app: TheApp,
    actor: SignedIn,
    name: CatalogueName,
    *,
    column: Annotated[str, Query(max_length=300)],
    where: Where = [],  # noqa: B006 - FastAPI copies it
    most: Annotated[int, Query(ge=1, le=1000, description="So many values at most.")] = 20,
) -> ColumnValues:
    """Return a column's most frequent values among the rows that meet all conditions, each with its number of rows."""
    _, version, path = _opened(app, actor, name)
    return _values(path, version, column, _conditions(where), most)


@router.get("/{name}/rejects", response_model=CatalogueRejects, responses=CSV | documented(404, 409))
def get_catalogue_rejects(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    name: CatalogueName,
    *,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> CatalogueRejects | Response:
    """Return the rows that the newest version left out, by line, with the reason; as CSV with `Accept: text/csv` or `format=csv`."""
    require(actor, Action.VIEW_ROWS)
    with app.database.read() as connection:
        version = service.require_version(service.find(connection, name))
    rows = Shelf(app.settings.blob_dir, version.id).rejects()
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        headers = {"Content-Disposition": 'attachment; filename="rejects.csv"', "X-Content-Type-Options": "nosniff"}
        content = spreadsheet.as_csv(rows, ("place", "reason", "text"))
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
    return CatalogueRejects(rejected=version.rejected, items=[RejectedRow.model_validate(row) for row in rows])


@router.delete("/{name}", status_code=204, responses=documented(404, 409))
def remove_catalogue(app: TheApp, actor: SignedIn, name: CatalogueName) -> None:
    """Forget a catalogue and its versions. Its table, its images and what was delivered stay."""
    require(actor, Action.CHANGE_LABEL_TASK)

    def remove(connection: Connection) -> list[str]:
        found = service.find(connection, name)
        accounts.note(connection, actor, "remove catalogue", f"catalogue {found.name}")
        return service.remove(connection, found)

    for blob in app.database.transact(remove):
        app.blobs.remove(blob)


def load_shown(settings: Settings, job: Job) -> LoadOut:
    """Return what is shown of a load."""
    return LoadOut.of(job, error_shown(settings, job))


def error_shown(settings: Settings, job: Job) -> dict[str, Any] | None:
    """Return a job's error without folders of this machine."""
    if job.error is None:
        return None
    return {name: without_folders(settings, value) if isinstance(value, str) else value for name, value in job.error.items()}


def _check(app: App, new: NewCatalogue) -> None:
    """Raise now what would let a load fail, with errors that name fields and no folder of this machine."""

    def check() -> None:
        places.check(
            app.places, app.settings, table=new.table.reference(), images={"path": new.images.path}, ids=new.id_column,
            options=new.file.options(),
        )  # fmt: skip

    with hiding(app.settings), _naming_fields():
        within(SECONDS, check, "The table")


def _opened(app: App, actor: Any, name: str) -> tuple[Catalogue, Version, pathlib.Path]:
    require(actor, Action.VIEW_ROWS)
    with app.database.read() as connection:
        catalogue = service.find(connection, name)
    version = service.require_version(catalogue)
    return catalogue, version, app.blobs.path(version.blob)


def _conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    with _naming_fields():
        return filters.parse(texts)


def _values(path: pathlib.Path, version: Version, name: str, conditions: Sequence[Condition], most: int) -> ColumnValues:
    found = query.summary(path, version, name, conditions, most)
    values = [ValueCount(value=value, rows=rows) for value, rows in found.pop("values")]
    return ColumnValues(column=name, values=values, **found)


class _naming_fields:  # noqa: N801 - reads like a verb
    """Lets errors name fields of a request instead of options of the command line."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, LabelmillError):
            for option, field in (("--id-column", "id_column"), ("--where", "where"), ("--images", "images")):
                error.where, error.way_out = error.where.replace(option, field), error.way_out.replace(option, f"`{field}`")
