"""Files below the data folder, and a look at sources, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import anyio.to_thread
from fastapi import Path, Query, Request, Response
from fastapi.responses import FileResponse

from labelmill.accounts import Action, require
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, api_router, documented
from labelmill.labeltasks import intake, shelf
from labelmill.labeltasks.look import Look, look, usual_columns
from labelmill.labeltasks.schemas import ColumnOut, FileList, FileOut, SourceColumns, SourceIn
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, decode_cursor, page_of

router = api_router("", "files")
FilePath = Annotated[str, Path(max_length=1024)]
Text = Annotated[str | None, Query(max_length=1024)]
ANY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}, "description": "The file."}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/files", responses=documented(404))
def list_files(
    app: TheApp,
    actor: SignedIn,
    *,
    folder: Annotated[str, Query(max_length=1024)] = "",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> FileList:
    """Return the files and folders in a folder below the data folder's `files`, by name."""
    require(actor, Action.VIEW_FILES)
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    found = shelf.list_folder(app.settings, folder, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda item: {"after": item.path.rpartition("/")[2]})
    return FileList(items=[FileOut(**vars(item)) for item in page.items], next=page.next)


@router.get("/files/{path:path}", response_class=FileResponse, responses=ANY | documented(404))
def download_file(app: TheApp, actor: SignedIn, path: FilePath) -> FileResponse:
    """Return a file as an attachment."""
    require(actor, Action.VIEW_FILES)
    found = shelf.open_path(app.settings, path)
    headers = {"X-Content-Type-Options": "nosniff"}
    return FileResponse(found, filename=found.name, media_type="application/octet-stream", headers=headers)


@router.put("/files/{path:path}", status_code=201, responses=documented(404, 409, 413), openapi_extra=BODY)
async def upload_file(request: Request, response: Response, app: TheApp, actor: SignedIn, path: FilePath) -> FileOut:
    """Store the body as a new file of rows (CSV, TSV, JSONL, Parquet) or a ZIP of images; what is there is never replaced."""
    require(actor, Action.KEEP_FILES)
    with await anyio.to_thread.run_sync(shelf.Arrival, app.settings, path) as arrival:
        async for chunk in request.stream():
            await anyio.to_thread.run_sync(arrival.write, chunk)
        await anyio.to_thread.run_sync(arrival.finish)
    response.headers["Location"] = f"/v1/files/{quote(path)}"
    return FileOut(**vars(shelf.describe(app.settings, path)))


@router.get("/sources/columns", responses=documented(404))
def get_columns(
    app: TheApp, actor: SignedIn, *, path: Text = None, connection: Text = None, schema: Text = None, table: Text = None
) -> SourceColumns:
    """Look at a source: its columns, which of them are probably meant, and its first rows."""
    require(actor, Action.VIEW_FILES)
    given = {"path": path, "connection": connection, "schema": schema, "table": table}
    if bool(path) == bool(connection) or (path and schema):
        raise BadInput(
            "Give either a path or a connection.",
            where="query",
            way_out="`?path=posts.csv`, or `?connection=shop&table=posts`.",
        )
    return columns_of(inspect(app, SourceIn(**{name: value for name, value in given.items() if value})))


def inspect(app: TheApp, source: SourceIn) -> Look:
    """Return what a source shows, with errors that name the field."""
    with intake.telling(app.settings, "source"):
        return look(app.places.locate(intake.source_reference(app.settings, source), write=False))


def columns_of(seen: Look) -> SourceColumns:
    """Return a look as it is shown."""
    table = seen.table
    columns = table.columns if table else ()
    return SourceColumns(
        name=table.name if table else seen.location.name, format=seen.location.format, tables=list(seen.tables),
        columns=[ColumnOut(**vars(column), indexed=bool(table and column.name in table.indexed)) for column in columns],
        usual=usual_columns(table) if table else {}, rows=table.rows if table else None, dialect=seen.dialect, preview=list(seen.preview),
    )  # fmt: skip
