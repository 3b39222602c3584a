"""The steps of one label task taken by Celery workers that share a database, a broker and a folder for files, and nothing else."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import kombu
import pytest

import task_lab
from labelmill.jobs import presence, service
from task_lab import FIGURES, TaskLab

ROWS = 24
BROKERS = {"rabbitmq": "rabbitmq_url", "redis": "redis_database"}
#: labelmill's own database, the database of the posts and their results, the broker.
CLUSTERS = ("postgresql-mariadb-rabbitmq", "mariadb-postgresql-redis")
SECRET = "5d0c9b8a7f6e4d3c2b1a09f8e7d6c5b4-shared"


class Cluster:
    """Several installations with one database and one broker. Each has its own data folder."""

    def __init__(self, folder: Path, posts: str, queue: str, **shared: str) -> None:
        self.folder, self.posts, self.queue, self.shared = folder, posts, queue, shared
        self.home = self.installation("home")
        self._workers: list[Any] = []

    def installation(self, name: str, **variables: str) -> TaskLab:
        return TaskLab(
            self.folder / name, **(self.shared | {"LABELMILL_QUEUES": self.queue, "LABELMILL_LEASE_SECONDS": "5"} | variables)
        )

    def worker(self, name: str, *options: str, **variables: str) -> str:
        """Start ``labelmill worker`` on a machine of its own, wait until it is there, and return its process's name."""
        known = self.alive()
        self._workers.append(self.installation(name, **variables).begin("worker", "--concurrency", "1", *options))
        self.until(lambda: self.alive() - known)
        (found,) = self.alive() - known
        return found

    def alive(self) -> set[str]:
        return {worker.id for worker in self.ask(presence.list_workers)}

    def ask(self, question: Callable[..., Any], *values: Any) -> Any:
        with self.home.app() as app, app.database.read() as connection:
            return question(connection, *values)

    def until(self, happened: Callable[[], Any], *, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, [process.poll() for process in self._workers]
            time.sleep(0.1)

    def owners(self, job_id: str, name: str = "label") -> set[str]:
        return {step["owner"] for step in self.ask(service.list_steps, job_id) if step["name"] == name and step["owner"]}

    def words(self, *options: str) -> list[str]:
        return self.home.words(f"{self.posts}::posts", self.posts, "--step-rows", "1", *options)

    def stop(self) -> None:
        for process in self._workers:
            process.terminate()
        for process in self._workers:
            process.communicate(timeout=60)


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path, queue_prefix: str) -> Iterator[Cluster]:
    own, posts, runner = request.param.split("-")
    url, place = (str(request.getfixturevalue(name)) for name in (f"{own}_migrated", f"{posts}_database"))
    broker = str(request.getfixturevalue(BROKERS[runner]))
    task_lab.make_table(place, task_lab.rows(ROWS))
    made = Cluster(
        tmp_path, place, f"{queue_prefix}queue1", LABELMILL_DATABASE_URL=url, LABELMILL_BROKER_URL=broker, LABELMILL_SECRET=SECRET,
        LABELMILL_BLOB_DIR=str(tmp_path / "blobs"),
    )  # fmt: skip
    yield made
    made.stop()
    if runner == "rabbitmq":
        with kombu.Connection(broker) as connection, closing(connection.channel()) as channel:
            for number in (1, 2):
                channel.queue_delete(f"labelmill.{queue_prefix}queue{number}")


def test_two_workers_share_the_steps_of_one_task(cluster: Cluster, tmp_path: Path) -> None:
    """The command only watches; what they write together is what one process writes alone."""
    alone = TaskLab(tmp_path / "alone").run(*cluster.words())
    assert alone.returncode == 0, alone.stderr
    expected = task_lab.output(cluster.posts), json.loads(alone.stdout)
    task_lab.empty(cluster.posts)
    workers = {cluster.worker("first"), cluster.worker("second")}
    run = cluster.home.run(*cluster.words("--queue", cluster.queue))
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert task_lab.output(cluster.posts) == expected[0]
    assert {name: report[name] for name in FIGURES} == {name: expected[1][name] for name in FIGURES}
    assert cluster.owners(report["id"]) == workers


def test_workers_without_a_common_folder_say_so_instead_of_losing_rows(cluster: Cluster, tmp_path: Path) -> None:
    """Results of the others are out of reach: no production is made of some of them, and the error names the setting."""
    for name in ("first", "second"):
        cluster.worker(name, LABELMILL_BLOB_DIR=str(tmp_path / name / "blobs"))
    command = cluster.home.begin(*cluster.words("--queue", cluster.queue))

    def complaint() -> dict[str, Any] | None:
        jobs = cluster.ask(service.list_jobs)
        steps = cluster.ask(service.list_steps, jobs[0].id) if jobs else []
        return next((step["error"] for step in steps if step["name"] == "settle" and step["error"]), None)

    cluster.until(complaint)
    (job,) = cluster.ask(service.list_jobs)
    error = complaint() or {}
    assert (error["code"], "LABELMILL_BLOB_DIR" in error["way_out"], "steps are not here" in error["detail"]) == (
        "unavailable",
        True,
        True,
    )
    assert job.state == "running"
    written = task_lab.output(cluster.posts)
    assert (len(written["forum"]) > 0, "wh_panel_mapping_forum" in written) == (True, False)
    cancelled = cluster.home.run("jobs", "cancel", job.id)
    assert cancelled.returncode == 0, cancelled.stderr
    command.communicate(timeout=60)
    assert command.returncode == 8
    shutil.rmtree(tmp_path / "first")


def test_a_task_on_a_queue_is_taken_only_by_those_who_serve_it(cluster: Cluster) -> None:
    """Whoever serves another queue leaves it alone, however long it waits."""
    other = cluster.queue[:-1] + "2"
    stranger = cluster.worker("stranger", "--queue", other, LABELMILL_QUEUES=other)
    theirs = cluster.home.begin(*cluster.words("--queue", other), LABELMILL_QUEUES=f"{cluster.queue},{other}")
    server = cluster.worker("server", "--queue", cluster.queue)
    mine = cluster.home.run(*cluster.words("--queue", cluster.queue))
    assert mine.returncode == 0, mine.stderr
    assert cluster.owners(json.loads(mine.stdout)["id"]) == {server}
    out, err = theirs.communicate(timeout=120)
    assert theirs.returncode == 0, err
    assert cluster.owners(json.loads(out)["id"]) == {stranger}
