"""A server with a dataset that people have worked on for days, and a browser for it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import uvicorn

import learning_lab
from labelmill import clock
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.bootstrap import build
from labelmill.datasets import service as datasets
from labelmill.settings import Settings
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

GUIDELINES = "# What the text is about\n\nChoose by its **words**.\n\n- ball, goal: sport\n- soup, bread: food\n"


class Served:
    """A server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.app = build(Settings(data_dir=folder / "data", port=port))
        self.base = f"http://127.0.0.1:{port}"
        self.admin = self.app.database.transact(accounts.ensure_admin).id
        self.lab = learning_lab.Lab(self.app)

    def person(self, name: str, role: Role) -> str:
        made = self.app.database.transact(accounts.add_annotator, email=f"{name}@example.org", name=name.title(), role=role)
        return made.id

    def session(self, person: str = "") -> str:
        return self.app.database.transact(accounts.open_session, person or self.admin, Scope.ADMIN, self.app.settings)

    def lively(self) -> datasets.Dataset:
        """Return a dataset with three annotators of whom each errs at times, several classifiers, ties and disputes."""
        people = [self.person(name, Role.ANNOTATOR) for name in ("ann", "bob", "chen")]
        made = self.lab.dataset(500, labels_per_record=3, random_share=0.5, batch_size=100_000)
        self.app.database.transact(datasets.change, made.id, name="Short messages", guidelines=GUIDELINES)
        made = self.lab.again(made)
        for who in people:
            self.app.database.transact(accounts.set_member, made.id, who, Role.ANNOTATOR)
        draw, records = np.random.default_rng(7), list(self.lab.ids(made).items())
        for batch in range(6):
            frame = self._answers(made, records[batch * 80 : batch * 80 + 80], people, draw, days=6 - batch)
            self.app.database.transact(annotation.add_answers, made, frame)
            self.lab.train(made)
        return self.lab.again(made)

    def _answers(self, dataset: Any, records: Any, people: list[str], draw: Any, *, days: int) -> pl.DataFrame:
        labels = {label.name: label.id for label in dataset.labels}
        start, rows = clock.now() - timedelta(days=days), []
        for place, (record_id, content) in enumerate(records):
            for who in people[: 1 + draw.integers(3)]:
                wrong = draw.random() < 0.15
                label = draw.choice(list(labels.values())) if wrong else labels[self.lab.gold[content]]
                shown = start + timedelta(seconds=30 * place)
                rows.append((record_id, who, int(label), shown, shown + timedelta(seconds=float(2 + 6 * draw.random()))))
        return pl.DataFrame(rows, schema=["record_id", "annotator_id", "label_id", "shown_at", "answered_at"], orient="row")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("datasets"))
    web = create_app(made.app)
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=made.app.settings.port, log_level="error"))
    web.state.stopping = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield made
    server.should_exit = True
    thread.join(20)
    made.app.close()


@pytest.fixture(scope="module")
def lively(served: Served) -> datasets.Dataset:
    return served.lively()


@contextmanager
def signed_in(browser: Browser, served: Served, *, person: str = "", language: str = "en", **options: Any) -> Iterator[Page]:
    """Give a page of somebody who is signed in; the browser must have had nothing to complain about at the end."""
    context = browser.new_context(base_url=served.base, **{"viewport": {"width": 1280, "height": 800}, **options})
    cookies = {"labelmill_session": served.session(person), "labelmill_language": language}
    context.add_cookies([{"name": name, "value": value, "url": served.base} for name, value in cookies.items()])
    page = context.new_page()
    page.set_default_timeout(90_000)  # a training may run beside it
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    try:
        yield page
    finally:
        context.close()
    assert [text for text in complaints if "status of 4" not in text] == []


@pytest.fixture
def open_page(browser: Browser, served: Served) -> Any:
    """Return ``signed_in`` for this browser and server."""

    def opened(**options: Any) -> Any:
        return signed_in(browser, served, **options)

    return opened
