"""Label tasks over HTTP for tests: sources below the data folder, the body of a request, and a worker in this process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from labelmill.accounts import Role
from labelmill.connections import files_folder
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.bootstrap import App
    from webapp import Site

RULES: dict[str, Any] = {
    "name": "people",
    "labels": ["/male", "/female"],
    "rules": [
        {"label": "/male", "kind": "keyword", "match": "start", "content": "tom"},
        {"label": "/female", "kind": "keyword", "match": "partially", "content": "淑芬"},
        {"label": "/female", "kind": "regex", "content": r"^amy\d*$"},
    ],
}
#: Labelled: rows 1, 3 and 4 of every five; Tom's label is /male, the others' /female.
AUTHORS = ["Tom 1", "nobody", "林淑芬🌸", "AMY7", ""]


class HasApp(Protocol):
    @property
    def app(self) -> App: ...


def folder(site: HasApp) -> Path:
    found = files_folder(site.app.settings)
    found.mkdir(parents=True, exist_ok=True)
    return found


def rows(count: int = 50) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"p{number}" for number in range(count)],
            "s_id": ["F1" if number % 2 else "B1" for number in range(count)],
            "author": [AUTHORS[number % 5] for number in range(count)],
            "post_time": [f"2020-01-{number % 28 + 1:02} 00:00:00" for number in range(count)],
        }
    )


def write(site: HasApp, name: str, frame: pl.DataFrame | None = None) -> str:
    """Write rows in the form of the ending and return the path that a request names."""
    frame, path = rows() if frame is None else frame, folder(site) / name
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".jsonl":
            frame.write_ndjson(path)
        case ".parquet":
            frame.write_parquet(path)
        case _:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(f"CREATE TABLE posts ({', '.join(f'{name} TEXT' for name in frame.columns)})")
                connection.executemany(f"INSERT INTO posts VALUES ({', '.join('?' * frame.width)})", frame.rows())
    return name


def body(path: str = "posts.csv", sink: str | dict[str, Any] = "labels.csv", **changes: Any) -> dict[str, Any]:
    out = {"path": sink} if isinstance(sink, str) else sink
    return {"source": {"path": path}, "sink": out, "rules": RULES, "columns": {"text": "author"}} | changes


def start(site: Site, asked: dict[str, Any] | None = None, *, role: Role = Role.MANAGER, **headers: str) -> Any:
    return site.ask("POST", "/v1/label-tasks", role=role, json=asked or body(), headers=headers)


def work(site: HasApp, task_id: str, *, steps: int = 1_000_000) -> None:
    """Do what is left of a task, at most ``steps`` steps of it."""
    worker = WorkerProcess(site.app.runtime, worker_id=new_worker_id(), queues=["default"])
    while steps and worker.run_next(job_id=task_id):
        steps -= 1
    site.app.registry.close_idle()


def labelled(site: Site, asked: dict[str, Any] | None = None) -> str:
    """Run a task to its end and return its id; it must succeed."""
    answer = start(site, asked)
    assert answer.status_code == 202, answer.text
    task_id = str(answer.json()["id"])
    work(site, task_id)
    found = get(site, task_id)
    assert found["state"] == "succeeded", found["error"]
    return task_id


def get(site: Site, task_id: str, role: Role = Role.VIEWER) -> Any:
    return site.ask("GET", f"/v1/label-tasks/{task_id}", role=role).json()
