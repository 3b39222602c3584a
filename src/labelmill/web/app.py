"""The web app: routers, pages, layers and the one error handler, put together."""

from __future__ import annotations

from contextlib import asynccontextmanager, closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles

from labelmill import __version__
from labelmill.accounts.service import Attempts, Leaps
from labelmill.annotation import routes as annotation
from labelmill.db.company import serving
from labelmill.http import documents
from labelmill.http.current import Met
from labelmill.http.quick import Counter
from labelmill.web import middleware, problems
from labelmill.web.metrics import Metrics
from labelmill.web.rendering import Renderer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from labelmill.bootstrap import App

#: Modules with a ``router``, in the order of the document. A feature adds its ``routes`` and ``pages`` here.
ROUTERS = (
    "labelmill.web.routes",
    "labelmill.labeltasks.routes",
    "labelmill.labeltasks.file_routes",
    "labelmill.rules.routes",
    "labelmill.web.jobs.routes",
    "labelmill.connections.routes",
    "labelmill.accounts.routes",
    "labelmill.accounts.account_routes",
    "labelmill.accounts.people_routes",
    "labelmill.datasets.routes",
    "labelmill.datasets.label_routes",
    "labelmill.datasets.record_routes",
    "labelmill.datasets.import_routes",
    "labelmill.exports.routes",
    "labelmill.archives.routes",
    "labelmill.images.routes",
    "labelmill.images.task_routes",
    "labelmill.compat.audience.routes",
    "labelmill.compat.svc_ml.routes",
    "labelmill.compat.labelforward.account_routes",
    "labelmill.compat.labelforward.routes",
    "labelmill.compat.labelforward.download_routes",
    "labelmill.web.reference",
    "labelmill.datasets.import_pages",
    "labelmill.datasets.pages",
    "labelmill.datasets.record_pages",
    "labelmill.datasets.settings_pages",
    "labelmill.exports.pages",
    "labelmill.archives.pages",
    "labelmill.learning.pages",
    "labelmill.annotation.routes",
    "labelmill.learning.routes",
    "labelmill.annotation.pages",
    "labelmill.annotation.grid_pages",
    "labelmill.annotation.tie_pages",
    "labelmill.rules.pages",
    "labelmill.labeltasks.pages",
    "labelmill.accounts.pages",
    "labelmill.accounts.account_pages",
    "labelmill.accounts.people_pages",
    "labelmill.connections.pages",
    "labelmill.web.jobs.pages",
    "labelmill.web.settings_page",
)
STATIC = Path(__file__).parent / "static"
#: Handlers run in this many threads: no more than the database's pool has connections.
THREADS = 14
DESCRIPTION = (
    "Raw rows in, trusted labels out. Send `Authorization: Bearer <token>` (`labelmill token create` makes one); lists come in pages "
    "with a `cursor`; every error has one shape, whose `id` is in the log."
)


def create_app(app: App) -> FastAPI:
    """Return the web app around ``app``, which its caller closes.

    Raises BadSettings where there is no secret and none may be made.
    """
    app.keys  # noqa: B018 - refused now, not at the first request that needs a key
    app.settings.data_dir.mkdir(parents=True, exist_ok=True)
    metrics = Metrics(app.database)
    web = FastAPI(
        title="labelmill", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None, openapi_url="/openapi.json",
        middleware=middleware.stack(app.settings, metrics), lifespan=_lifespan, separate_input_output_schemas=False,
        responses=documents.documented(401, 403, 422, 429, 503), redirect_slashes=False,
    )  # fmt: skip
    web.state.labelmill = app
    web.state.metrics = metrics
    web.state.attempts = Attempts(app.database, "sign in", app.settings.login_attempts_per_minute)
    web.state.imports = Attempts(app.database, "import", app.settings.imports_per_minute)
    web.state.leaps = Leaps()
    web.state.stopping = lambda: False
    problems.install(web)
    web.state.met = Met()
    web.state.counter = Counter(app.database)
    for name in ROUTERS:
        web.include_router(import_module(name).router)
    web.router.routes[:0] = annotation.QUICK
    web.mount("/static", StaticFiles(directory=STATIC), name="static")
    web.state.renderer = Renderer(web)
    web.openapi = lambda: _document(web)  # type: ignore[method-assign]
    return web


@asynccontextmanager
async def _lifespan(web: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    with serving(web.state.labelmill.settings.data_dir), closing(web.state.counter):
        yield


def _document(web: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document with the shape of a problem among its schemas."""
    if web.openapi_schema is None:
        document = get_openapi(title=web.title, version=web.version, description=web.description, routes=web.routes)
        schema = documents.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= schema.pop("$defs", {}) | {"Problem": schema}
        web.openapi_schema = document
    return web.openapi_schema
