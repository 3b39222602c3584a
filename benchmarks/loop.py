"""The labelling loop through the real HTTP server: how long `next` and an answer take, and what many annotators at once get.

Run: ``.venv/bin/python benchmarks/loop.py [--records N] [--database sqlite|postgresql|mariadb|URL] [--clients 1,8,50] [--seconds S]
[--order random] [--processes N] [--while nothing|import|training]``. Clients think not at all: each asks for a record, answers it, and asks again. For
each number of them it prints the milliseconds of both calls: ``seen`` by the client, its waiting in line behind the others included;
``server`` from the arrival of a request's head to its answer, as the header Server-Timing says, waiting for threads, locks and the disk included;
``work`` of that without waiting for others. ``cpu`` is the processor time of the web processes for one call. From the database it counts
whether every answer that was acknowledged is stored once. ``--while import`` imports a million rows into the same dataset meanwhile,
``--while training`` has a worker learn from the answers as they come, again and again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import psutil
import sqlalchemy as sa

from crowd import Client, Times, crowd
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation.tables import annotation_rows
from labelmill.bootstrap import App, build
from labelmill.datasets import DatasetSettings, NewLabel, Order, RecordKind, record_key
from labelmill.datasets import service as datasets
from labelmill.db import migrate
from labelmill.db.engine import make_engine
from labelmill.jobs import presence
from labelmill.jobs.tables import jobs
from labelmill.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "scripts"), str(ROOT / "tests/plugins")]
import fresh  # noqa: E402 - tests have them too
import testservers  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE = 20_000
SECRET = secrets.token_hex(24)


def main() -> None:
    asked = _asked()
    with tempfile.TemporaryDirectory() as folder, _database(asked.database) as url:
        chosen = {"database_url": url} if url else {}
        app = build(
            Settings(data_dir=Path(folder) / "data", secret=SECRET, port=_port(), web_processes=asked.processes, **chosen)
        )
        dataset = _dataset(app, asked.records, asked.order)
        tokens = [_token(app, dataset.id, number) for number in range(max(asked.clients))]
        rows = []
        with ExitStack() as stack:
            server = [stack.enter_context(_started(app, "web")) for _ in range(asked.processes)]
            _wait(app.settings.port)
            for number in asked.clients:
                clients = [Client(token) for token in tokens[:number]]
                rows.append(_row(app, dataset, clients, asked, server))
                print(json.dumps(rows[-1]), flush=True)
        app.close()
    _print(rows, asked)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--clients", type=lambda text: [int(each) for each in text.split(",")], default=[1, 8, 50])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--order", type=Order, default=Order.RANDOM)
    parser.add_argument("--while", dest="meanwhile", choices=("nothing", "import", "training"), default="nothing")
    parser.add_argument("--processes", type=int, default=1, help="web processes")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the import")
    return parser.parse_args()


@contextmanager
def _database(name: str) -> Iterator[str]:
    """Give the URL of an empty database, "" for the embedded one."""
    if name == "sqlite":
        yield ""
        return
    url = testservers.find(name) if name in testservers.SERVERS else name
    if url is None:
        sys.exit(f"No {name} answers: `python scripts/testservers.py up` starts one.")
    with fresh.database(name, url, "loop") as made:
        engine = make_engine(made)
        migrate.upgrade(engine)
        engine.dispose()
        yield made


def _dataset(app: App, size: int, order: Order) -> datasets.Dataset:
    """Return a dataset with ``size`` texts."""
    start = time.perf_counter()
    labels = [NewLabel(name=each) for each in ("good", "bad", "neither")]
    settings = DatasetSettings(order=order)
    made = app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT, labels=labels, settings=settings)
    for first in range(0, size, SLICE):
        texts = [
            f"This is the text number {number} of many that want a label." for number in range(first, min(size, first + SLICE))
        ]
        keys = [record_key(None, text) for text in texts]
        empty = pl.Series([None] * len(texts), dtype=pl.String)
        app.database.transact(
            datasets.add_records, made.id, pl.DataFrame({"record_key": keys, "given_id": empty, "content": texts})
        )
    if app.database.dialect == "postgresql":
        with app.database.write() as connection:
            connection.execute(sa.text("ANALYZE"))
    print(f"{size:,} records in {time.perf_counter() - start:.1f} s", file=sys.stderr)
    with app.database.read() as connection:
        return datasets.get(connection, made.id)


def _token(app: App, dataset_id: int, number: int) -> str:
    made = app.database.transact(
        accounts.add_annotator, email=f"a{number}@example.org", name=f"A {number}", role=Role.ANNOTATOR
    )
    app.database.transact(accounts.set_member, dataset_id, made.id, Role.ANNOTATOR)
    return app.database.transact(accounts.create_token, made.id, name="loop", scope=Scope.WRITE)[1]


@contextmanager
def _started(app: App, *verb: str) -> Iterator[psutil.Process]:
    """Run a verb of the command line meanwhile."""
    environment = os.environ | {
        "LABELMILL_DATA_DIR": str(app.settings.data_dir), "LABELMILL_PORT": str(app.settings.port), "LABELMILL_SECRET": SECRET,
        "LABELMILL_WEB_PROCESSES": str(app.settings.web_processes),
        "LABELMILL_DATABASE_URL": app.settings.database_url, "LABELMILL_LOG_LEVEL": "error",
    }  # fmt: skip
    command = [sys.executable, "-m", "labelmill", *verb]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def _meanwhile(app: App, dataset: datasets.Dataset, asked: argparse.Namespace) -> Iterator[None]:
    """Let others work on the same database."""
    if asked.meanwhile == "nothing":
        yield
        return
    if asked.meanwhile == "training":
        with _started(app, "worker", "--concurrency", "1"):
            _until(lambda: _has_worker(app))
            yield
        return
    file = app.settings.data_dir / f"{secrets.token_hex(4)}.csv"
    numbers = pl.int_range(asked.rows, eager=True).cast(pl.String)
    name = file.stem
    texts = f"Row {name} " + numbers + " of an import that comes while others label, twelve words."
    pl.DataFrame({"id": f"{name}-" + numbers, "text": texts}).write_csv(file)
    columns = ("--text-column", "text", "--id-column", "id")
    before = _done(app, dataset)[0]
    with _started(app, "import", str(file), "--into", str(dataset.id), *columns):
        _until(lambda: _done(app, dataset)[0] > before)
        yield


def _until(begun: Callable[[], bool]) -> None:
    for _ in range(600):
        if begun():
            return
        time.sleep(0.1)
    sys.exit("What should be done meanwhile did not begin.")


def _has_worker(app: App) -> bool:
    with app.database.read() as connection:
        return any(not each.is_gone for each in presence.list_workers(connection))


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(600):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("The server did not come up.")


def _cpu(processes: list[psutil.Process]) -> float:
    return float(sum(each.cpu_times().user + each.cpu_times().system for each in processes))


def _row(
    app: App, dataset: datasets.Dataset, clients: list[Client], asked: argparse.Namespace, server: list[psutil.Process]
) -> dict[str, Any]:
    seconds = asked.seconds if len(clients) > 8 or asked.meanwhile != "nothing" else min(asked.seconds, 15)
    labels = [each.id for each in dataset.labels]
    # What is done once, for a process and for a token, is no part of a call.
    crowd([Client(each.token) for each in clients], app.settings.port, dataset.id, labels, 0.0)
    with _meanwhile(app, dataset, asked):
        before, came = _cpu(server), _done(app, dataset)
        crowd(clients, app.settings.port, dataset.id, labels, seconds)
        after = _done(app, dataset)
        cpu = _cpu(server) - before
    acknowledged = [key for client in clients for key in client.acknowledged]
    with app.database.read() as connection:
        stored = list(connection.scalars(sa.select(annotation_rows.c.key)))
    errors = [each for client in clients for each in client.errors]
    calls = sum(len(one.seen) for client in clients for one in (client.next, client.answer))
    return {
        "clients": len(clients), "calls/s": round(calls / seconds), "cpu": round(cpu / max(1, calls) * 1000, 2),
        **_times("next", [each.next for each in clients]), **_times("answer", [each.answer for each in clients]),
        "acknowledged": len(acknowledged), "errors": len(errors), "lost": len(set(acknowledged) - set(stored)),
        "twice": len(stored) - len(set(stored)), "imported": after[0] - came[0], "trainings": after[1] - came[1],
        "first_error": errors[:1],
    }  # fmt: skip


def _done(app: App, dataset: datasets.Dataset) -> tuple[int, int]:
    """Return how many records the dataset has, and how many trainings ended well."""
    trainings = sa.select(sa.func.count()).where(jobs.c.kind == "train", jobs.c.state == "succeeded")
    with app.database.read() as connection:
        return datasets.get(connection, dataset.id).records, connection.scalar(trainings) or 0


def _times(name: str, clients: list[Times]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("seen", "server", "work"):
        times = np.array([one for each in clients for one in getattr(each, kind)] or [0.0])
        found |= {f"{name} {kind} p{part}": round(float(np.percentile(times, part)), 1) for part in (50, 95, 99)}
        if kind == "server":
            found |= {f"{name} server max": round(float(times.max()), 1), f"{name} >100": int((times > 100).sum())}
    return found


def _print(rows: list[dict[str, Any]], asked: argparse.Namespace) -> None:
    print(f"\n{asked.records:,} records, {asked.database}, order {asked.order}, meanwhile {asked.meanwhile}; milliseconds")
    for row in rows:
        shown = {name: row[name] for name in row if " " not in name and name != "first_error"}
        print(", ".join(f"{name} {value}" for name, value in shown.items()))
        kinds = [f"{call} {kind}" for call in ("next", "answer") for kind in ("seen", "server", "work")]
        table = [{"": kind, **{part: row.get(f"{kind} {part}") for part in ("p50", "p95", "p99", "max")}} for kind in kinds]
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
            print(pl.DataFrame(table))


if __name__ == "__main__":
    main()
