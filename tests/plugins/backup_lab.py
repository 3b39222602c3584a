"""Installations with something in every table, and what is compared of them."""

from __future__ import annotations

import random
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

import learning_lab
import webapp
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.annotation.tables import cursors
from labelmill.archives import service as archives
from labelmill.backup.reading import LEFT_OUT, catalogue
from labelmill.connections import service as connections
from labelmill.datasets import RecordKind, record_key
from labelmill.datasets import service as datasets
from labelmill.db.tables import METADATA
from labelmill.images import service as catalogues
from labelmill.images.model import CatalogueColumn, ColumnKind, Version
from labelmill.jobs import leases
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from labelmill.jobs.tables import job_steps
from labelmill.labeltasks.tables import label_task_states
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie, pack
from labelmill.rules import service as rules
from labelmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labelmill.bootstrap import App
    from labelmill.db.database import Database

PASSWORD = "seven green lamps"
EMAIL = "zoë@example.org"
#: Texts that get lost easily between databases and files.
ODD = (
    "", " ", "NULL", "null", "\\N", "\\", "a\\nb", "line\nline", "line\r\nline", "\r", "tab\there", '"quoted" and \'single\'', "a,b;c", "%s %(x)s :y ?",
    "😀 👩‍💻", "志明", "e\u0301", "\u202eright", "\x01\x1f\x7f", " Tom ", "Tom", "tom", "0x00", "007", "1e5", "x" * 70_000,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Filled:
    dataset_id: int
    label_id: int
    token: str
    job_id: str


def fill(site: webapp.Site, seed: int = 1) -> Filled:
    """Put something into every table through the services, among it what is easily lost; a job is left half done."""
    app = site.app
    lab = learning_lab.Lab(app)
    dataset = lab.dataset(size=24, labels_per_record=2)
    lab.add_contents(dataset, [*ODD[2:], *_random_texts(seed)])
    lab.add_init(dataset, dict.fromkeys(ODD[2:8], "food"))
    lab.answer_right(dataset, 12)
    lab.train(dataset)
    app.database.transact(archives.request, dataset.id, archives.Choices())
    identity = _person(app, dataset.id)
    with app.database.write() as connection:
        served = annotation.next_records(connection, dataset, identity, count=3)
        annotation.skip(connection, dataset, served.records[0].record.id, identity)
        # It is written only where somebody has come past a record, which chance decides here.
        place = {"dataset_id": dataset.id, "order_name": "random", "shuffle": 7, "record_id": served.records[0].record.id}
        connection.execute(sa.insert(cursors).values(annotator_id="f" * 32, **place))
    numbers = list(lab.ids(dataset))
    for number in numbers[:2]:
        app.database.transact(annotation.answer, dataset, number, identity, label_ids=[dataset.labels[0].id], key=f"k{number}")
    app.database.transact(annotation.withdraw, dataset, numbers[0], identity, key="gone")
    token = app.database.transact(accounts.create_token, identity, name="ODD 😀", scope=Scope.WRITE)[1]
    app.database.transact(
        connections.add,
        app,
        name="shop",
        url="postgresql://ann@127.0.0.1/shop",
        password="pä$s",
        readable=["a"],
        writable=["b"],
    )
    # As many bytes as there are, in every order.
    keywords = [*("".join(chr(each) for each in range(start, start + 40)) for start in range(0x21, 0x400, 40)), *ODD[10:20:2]]
    rule_set = RuleSet(
        "odd", (Label("x"),), tuple(Rule("x", Kind.KEYWORD, Match.START, one) for one in keywords if one.strip()), Tie.DROP
    )
    app.database.transact(rules.save, "odd", pack(rule_set), note=ODD[10])
    _catalogue(app)
    made = site.ask("POST", "/v1/tokens", role=Role.ADMIN, json={"name": "t"}, headers={"Idempotency-Key": "once"})
    assert made.status_code == 201, made.text
    site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"email": EMAIL, "password": "wrong"})
    return Filled(dataset_id=dataset.id, label_id=dataset.labels[0].id, token=token, job_id=_half_done(app))


def _random_texts(seed: int) -> list[str]:
    """Return texts of characters of every kind but NUL and lone surrogates, which no dataset takes."""
    drawn = random.Random(seed)
    spans = ((1, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
    return ["".join(chr(drawn.randint(*drawn.choice(spans))) for _ in range(drawn.randint(1, 40))) for _ in range(60)]


def _person(app: App, dataset_id: int) -> str:
    [(_, link)] = app.database.transact(accounts.invite, emails=[EMAIL])
    identity = accounts.sign_up(app.database, email=EMAIL, password=PASSWORD, link=link).id
    accounts.sign_in(app.database, EMAIL, PASSWORD, app.settings, "an agent, 😀")
    app.database.transact(accounts.make_login_link, identity)
    app.database.transact(accounts.set_member, dataset_id, identity, Role.ANNOTATOR)
    return identity


def _catalogue(app: App) -> None:
    """Keep a version of a catalogue as its load does; nothing is loaded."""
    load = app.database.transact(catalogues.load, "shoes 😀", table={"file": "gone.csv"}, images={"file": "gone"})
    app.database.transact(jobs.cancel, load.id)
    columns = (CatalogueColumn(key="c0", name=ODD[16], kind=ColumnKind.TEXT),)
    version = Version(
        id=load.id, number=0, made_at=load.created_at, id_column="id", columns=columns, rows=1, rejected=2, rows_without_image=1,
        images_without_row=3, images={"file": "gone"},
    )  # fmt: skip
    app.blobs.put(version.blob, b"rows")
    app.database.transact(catalogues.keep_version, load.params["catalogue"], version)


def _half_done(app: App) -> str:
    steps = [
        NewStep(key=key, name="train", phase=phase, units=5, delay=0.1 * phase) for phase, key in enumerate(("one", "two"))
    ]
    params = {"text": ODD[10], "number": 0.1 + 0.2, "none": None, "nested": [1, {"ü": True}]}
    job = app.database.transact(
        jobs.submit, kind="half", steps=steps, params=params, title="half 😀", unit="rows", queue="nobody"
    )
    app.database.transact(leases.claim, "a-worker", job_id=job.id)
    with app.database.write() as connection:
        connection.execute(sa.insert(label_task_states).values(task_id=job.id, seen=3))
    shelf = app.work_root / "imports" / job.id / "Müll 1.parquet"
    shelf.parent.mkdir(parents=True)
    shelf.write_bytes(b"a piece")
    return job.id


def rows_of(database: Any) -> dict[str, list[Any]]:
    """Return every row of every table, as labelmill itself reads them, in one order."""
    catalogue()
    found = {}
    with database.read() as connection:
        for name, table in METADATA.tables.items():
            key = list(table.primary_key.columns)
            rows = [tuple(row) for row in connection.execute(sa.select(table).order_by(*key))]
            found[name] = sorted(rows, key=lambda row: repr(row[: len(key)]))
    return found


def files_of(app: App) -> dict[str, bytes]:
    """Return every blob, and every file of a job, by its name."""
    found = {name: app.blobs.get(name) for name in app.blobs.names()}
    root = app.work_root
    return found | {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("imports", "uploads", "label-tasks")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def require_same(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> None:
    """Require the same rows, but for the step that somebody held, which is free now."""
    for name, rows in before.items():
        if name == "job_steps":
            assert without_holders(after[name]) == without_holders(rows)
        elif name not in LEFT_OUT:
            assert after[name] == rows, name


def without_holders(rows: list[Any]) -> list[Any]:
    names = [column.name for column in job_steps.columns]
    changed = {names.index(name) for name in ("state", "owner", "done")}
    return [[value for place, value in enumerate(row) if place not in changed] for row in rows]


def settings_for(folder: Path, url: str, **more: Any) -> Settings:
    return Settings(data_dir=folder / "data", database_url=url, secret=webapp.SECRET, **more)


def quiet(done: int, total: int | None) -> None:
    """Take progress, and require that it makes sense."""
    assert total is not None
    assert 0 < done <= total


def add_texts(database: Database, name: str, texts: list[str]) -> int:
    """Return a dataset of texts: the smallest thing that is worth a backup."""
    made = database.transact(datasets.create, name=name, kind=RecordKind.TEXT)
    add_more(database, made.id, texts)
    return made.id


def add_more(database: Database, dataset_id: int, texts: list[str]) -> None:
    given = pl.Series([None] * len(texts), dtype=pl.String)
    frame = pl.DataFrame({"record_key": [record_key(None, each) for each in texts], "given_id": given, "content": texts})
    database.transact(datasets.add_records, dataset_id, frame)


def rewritten(file: Path, into: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Return a copy of a backup whose members, by name, were changed."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return into
