"""The whole web app in the test's process, with a client for each role: nothing of it is replaced."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from anyio.from_thread import start_blocking_portal
from fastapi import routing

import lent
from labelmill.accounts import Role, Scope, service
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.jobs.model import Job, NewStep
from labelmill.settings import Settings
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from anyio.abc import BlockingPortal

SECRET = "0f7c1d9a4e6b8532c7d1a9e4f0b36285"
BASE = "http://127.0.0.1:8700"
#: What every browser of today sends with a form of our own page.
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
HTML = {"Accept": "text/html,*/*;q=0.8"}


class Site:
    """An app with people of every role. ``ask`` sends one request without any cookie but those it is given."""

    def __init__(self, folder: Path, portal: BlockingPortal, **settings: Any) -> None:
        self.app = lent.build(Settings(data_dir=folder / "data", **settings))
        self.web = create_app(self.app)
        self._portal = portal
        self._tokens: dict[tuple[Role, Scope], str] = {}
        self._people: dict[Role, str] = {}

    def ask(self, method: str, path: str, *, token: str = "", role: Role | None = None, **options: Any) -> httpx.Response:
        """Return the answer to a request by nobody, by ``token``, or by somebody with ``role``."""
        headers = dict(options.pop("headers", {}))
        secret = token or (self.token(role) if role else "")
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return self._portal.call(partial(self._ask, method, path, headers, options))

    async def _ask(self, method: str, path: str, headers: dict[str, str], options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.web, client=(options.pop("address", "127.0.0.1"), 40000))
        base = options.pop("base", BASE)
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=60) as client:
            return await client.request(method, path, headers=headers, **options)

    def person(self, role: Role) -> str:
        """Return the id of somebody with this role."""
        if role not in self._people:
            made = self.app.database.transact(
                service.add_annotator, email=f"{role}-{new_id()}@example.org", name=role, role=role
            )
            self._people[role] = made.id
        return self._people[role]

    def token(self, role: Role, scope: Scope = Scope.ADMIN) -> str:
        """Return an API token of somebody with this role."""
        if (role, scope) not in self._tokens:
            _, secret = self.app.database.transact(service.create_token, self.person(role), name=f"{role} {scope}", scope=scope)
            self._tokens[role, scope] = secret
        return self._tokens[role, scope]

    def session(self, role: Role) -> dict[str, str]:
        """Return the cookie of a browser in which somebody with this role is signed in."""
        settings = self.app.settings
        return {
            "Cookie": f"labelmill_session={self.app.database.transact(service.open_session, self.person(role), Scope.ADMIN, settings)}"
        }

    def page(self, path: str, role: Role = Role.ADMIN, **headers: str) -> httpx.Response:
        """Return a page as a signed-in browser gets it."""
        return self.ask("GET", path, headers={**HTML, **self.session(role), **headers})

    def form(self, path: str, values: dict[str, Any], role: Role = Role.ADMIN) -> httpx.Response:
        """Send a form of a page as a signed-in browser does."""
        return self.ask("POST", path, headers={**HTML, **SAME_SITE, **self.session(role)}, data=values)

    def job(self, title: str = "A job", **more: Any) -> Job:
        """Return a new job with two steps; no worker runs here."""
        steps = [NewStep(key=key, name="step", phase=0, units=5) for key in ("one", "two")]
        return self.app.database.transact(jobs.submit, kind="test", steps=steps, params={}, title=title, unit="rows", **more)


def share_routes(patch: pytest.MonkeyPatch) -> None:
    """Have what FastAPI makes of the routes of a router made once a process, not once an app: it is the same for each of them.

    It takes a third of a second until an app has answered at a few places, and is done anew for the app of every test.
    """
    build = routing._IncludedRouter.effective_candidates
    first: dict[tuple[int, str], Any] = {}

    def shared(router: Any) -> Any:
        return build(first.setdefault((id(router.original_router), router.include_context.prefix), router))

    patch.setattr(routing._IncludedRouter, "effective_candidates", shared)


@contextmanager
def site(folder: Path, **settings: Any) -> Iterator[Site]:
    """Give a site with its data in ``folder``, on ``database_url`` where that is given."""
    url = settings.get("database_url", "")
    if url and not url.startswith("sqlite"):
        settings = {"secret": SECRET, **settings}
    with start_blocking_portal() as portal:
        made = Site(folder, portal, **settings)
        try:
            yield made
        finally:
            made.app.close()
