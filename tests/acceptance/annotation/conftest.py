"""A server on a port of its own with a dataset to label, and a browser for it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

import annotation_lab
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation import service
from labelmill.bootstrap import build
from labelmill.datasets import NewLabel, RecordKind
from labelmill.datasets import service as datasets
from labelmill.settings import Settings
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

#: What the browser says by itself of answers that are no success, and of a network that is away.
EXPECTED = ("status of 4", "status of 5", "ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_CONNECTION_REFUSED", "ERR_ABORTED")


class Served:
    """A server, what lies in its database, and who labels."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.app = build(Settings(data_dir=folder / "data", port=self.port))
        self.base = f"http://127.0.0.1:{self.port}"
        self.lab = annotation_lab.Lab(self.app.database)
        self.me = self.person("me", Role.ANNOTATOR)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        web = create_app(self.app)
        server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=self.port, log_level="error"))
        web.state.stopping = lambda: server.should_exit
        self._server, self._thread = server, threading.Thread(target=server.run)
        self._thread.start()
        while not server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._server
        assert self._thread
        self._server.should_exit = True
        self._thread.join(20)

    def person(self, name: str, role: Role) -> str:
        made = self.app.database.transact(accounts.add_annotator, email=f"{name}@example.org", name=name.title(), role=role)
        return made.id

    def session(self, person: str) -> str:
        return self.app.database.transact(accounts.open_session, person, Scope.ADMIN, self.app.settings)

    def dataset(self, size: int = 30, **more: Any) -> datasets.Dataset:
        """Return a dataset of texts ``0``, ``1``, ... with the labels a, b, c, in order, of which ``me`` is an annotator."""
        made = self.lab.dataset(size, **more)
        self.app.database.transact(accounts.set_member, made.id, self.me, Role.ANNOTATOR)
        return made

    def guided(self, **more: Any) -> datasets.Dataset:
        """Return a dataset with guidelines and long texts, in two scripts."""
        labels = [NewLabel(name=name, description=f"What is {name}") for name in ("complaint", "praise", "a question")]
        guidelines = "# How to label\n\nRead **everything**.\n\n| label | when |\n|---|---|\n| praise | glad |\n"
        made = self.app.database.transact(
            datasets.create, name="Messages", kind=RecordKind.TEXT, labels=labels, guidelines=guidelines, **more
        )
        self.lab.add(made, [f"{number}. " + "The parcel came late. 包裹遲到了。" * 12 for number in range(12)])
        self.app.database.transact(accounts.set_member, made.id, self.me, Role.ANNOTATOR)
        return self.lab.again(made)

    def given(self, dataset: datasets.Dataset, who: str = "") -> dict[str, list[str]]:
        """Return everything that was stored for somebody's answers by record: labels, or "-" for a withdrawal."""
        names = {each.id: each.name for each in dataset.labels}
        found: dict[str, list[str]] = {}
        with self.app.database.read() as connection:
            for record in datasets.list_records(connection, dataset.id, limit=500):
                history = service.history(connection, dataset.id, record.id)
                mine = [each for each in history if each.annotator_id == (who or self.me)]
                if mine:
                    found[record.content] = ["+".join(names[one] for one in each.label_ids) or "-" for each in mine]
        return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.start()
    yield made
    made.stop()
    made.app.close()


@contextmanager
def signed_in(browser: Browser, served: Served, *, person: str = "", **options: Any) -> Iterator[Page]:
    """Give a page of somebody who is signed in; the browser must have had nothing to complain about at the end."""
    context = browser.new_context(base_url=served.base, **{"viewport": {"width": 1280, "height": 800}, **options})
    context.add_cookies([{"name": "labelmill_session", "value": served.session(person or served.me), "url": served.base}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    try:
        yield page
    finally:
        context.close()
    assert [text for text in complaints if not any(word in text for word in EXPECTED)] == []


@pytest.fixture
def open_page(browser: Browser, served: Served) -> Any:
    """Return ``signed_in`` for this browser and server."""

    def opened(**options: Any) -> Any:
        return signed_in(browser, served, **options)

    return opened


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with signed_in(browser, served) as made:
        yield made
