"""The commands of deploy/compose.yaml as processes: the same words, the same settings, the same health checks, then a task and the end.

Addresses, ports and folders are the test's; everything else is what a container would get.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing

import httpx
import kombu
import psutil
import pytest
from sqlalchemy.engine import make_url

import http_tasks
from deployment import DEPLOY, compose
from labelmill.db.engine import make_engine
from labelmill.jobs import presence

LABELMILL = [sys.executable, str(DEPLOY / "with_secrets.py")]
SECRET = "0f7c1d9a4e6b8532c7d1a9e4f0b36285"
PLACES = {
    "postgresql-rabbitmq": ("postgresql_database", "rabbitmq_url"),
    "mariadb-redis": ("mariadb_database", "redis_database"),
}
SECONDS = 60
ROLES = ("learner", "predictor", "archiver")


class Stack:
    """The services of compose.yaml that are labelmill, on the servers of the tests."""

    def __init__(self, folder, database_url, broker_url, queue):
        self.folder, self.queue, self.database_url = folder, queue, database_url
        (folder / "data").mkdir()
        (folder / "secrets").mkdir()
        self._write("labelmill_secret", SECRET)
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self.port = str(probe.getsockname()[1])
        self.services = compose(
            SECRETS_DIR=str(folder / "secrets"),
            DATABASE_URL=self._with_file(database_url, "database_password"),
            BROKER_URL=self._with_file(broker_url, "broker_password"),
            QUEUES=queue,
            LOG_LEVEL="warning",
        )["services"]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.running = {}

    def _write(self, name, content):
        (self.folder / "secrets" / name).write_text(f"{content}\n")

    def _with_file(self, url, name):
        """Return the URL as .env would hold it: the password is in a file."""
        parsed = make_url(url)
        if not parsed.password:
            return url
        self._write(name, parsed.password)
        return url.replace(f":{parsed.password}@", f":</run/secrets/{name}>@", 1)

    def environment(self, service):
        """Return what the container would have, in the places of this test, and nothing else that labelmill reads."""
        here = {
            "LABELMILL_DATA_DIR": str(self.folder / "data"),
            "LABELMILL_BLOB_DIR": str(self.folder / "data/blobs"),
            "LABELMILL_HOST": "127.0.0.1",
            "LABELMILL_PORT": self.port,
        }
        declared = {name: str(value) for name, value in self.services[service]["environment"].items()}
        assert set(here) <= set(declared)
        secrets = f"<{self.folder}/secrets/"
        ours = {name: value.replace("</run/secrets/", secrets) for name, value in declared.items()}
        return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | ours | here

    def command(self, words):
        """Return a command of the container as one that runs here."""
        name, *rest = words
        rest = [word.replace(":8700/", f":{self.port}/") for word in rest]
        return [*LABELMILL, *rest] if name == "labelmill" else [sys.executable, *rest]

    def run(self, service, words):
        """Run a command as ``docker compose exec`` or a health check does."""
        return subprocess.run(
            self.command(words),
            env=self.environment(service), cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    def start(self, service):
        with (self.folder / f"{service}.log").open("wb") as log:
            self.running[service] = subprocess.Popen(
                self.command(self.services[service]["command"]),
                env=self.environment(service), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def is_healthy(self, service):
        kind, *words = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(service, words).returncode == 0

    def until(self, happened, what):
        deadline = time.monotonic() + SECONDS
        while not (found := happened()):
            ended = {name: process.poll() for name, process in self.running.items() if process.poll() is not None}
            assert not ended, f"ended: {ended}: {self.logs()}"
            assert time.monotonic() < deadline, f"{what} not within {SECONDS} s: {self.logs()}"
            time.sleep(0.1)
        return found

    def logs(self):
        return {path.name: path.read_text() for path in self.folder.glob("*.log")}

    def workers(self):
        engine = make_engine(self.database_url)
        with engine.connect() as connection:
            found = presence.list_workers(connection)
        engine.dispose()
        return found

    def runners(self):
        return [worker.runner for worker in self.workers() if worker.queues == (self.queue,)]

    def served(self):
        return sorted(worker.queues for worker in self.workers())

    def stop(self):
        """Send SIGTERM to all at once and return the exit codes, and the processes that are left of them."""
        family = [child for one in self.running.values() for child in psutil.Process(one.pid).children(recursive=True)]
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(30) for name, process in self.running.items()}
        _, left = psutil.wait_procs(family, timeout=2)
        return codes, left

    def close(self):
        self.client.close()
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture(params=PLACES)
def stack(request, tmp_path, queue_prefix):
    database, broker = (str(request.getfixturevalue(name)) for name in PLACES[request.param])
    made = Stack(tmp_path, database, broker, f"{queue_prefix}q")
    yield made
    made.close()
    if broker.startswith("amqp"):
        with kombu.Connection(broker) as connection, closing(connection.channel()) as channel:
            channel.queue_delete(f"labelmill.{made.queue}")


def test_the_stack_labels_a_file_with_celery_and_ends_when_told(stack):
    assert stack.run("worker", ["labelmill", "db", "check"]).returncode != 0  # what pods wait for before the job has run
    migrated = stack.run("migrate", stack.services["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    stack.start("worker")
    stack.start("web")
    for service in ("web", "worker"):
        stack.until(lambda service=service: stack.is_healthy(service), f"{service} healthy")
    stack.until(lambda: stack.runners() == ["celery"], "a Celery worker")

    made = stack.run("web", ["labelmill", "token", "create", "deployed", "--scope", "write"])
    assert made.returncode == 0, made.stderr
    stack.client.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
    _label(stack)

    codes, left = stack.stop()
    # The web server's library ends it by the signal that it got, once requests have ended; as the first process of a container it ends with 0.
    assert codes["web"] in (0, -signal.SIGTERM), stack.logs()
    assert (codes["worker"], left) == (0, []), stack.logs()
    assert SECRET not in str(stack.logs())


def test_l27_the_roles_of_their_own_start_are_well_and_end_when_told(stack):
    """Each serves its own queue and no other, and is well only while it runs."""
    migrated = stack.run("migrate", stack.services["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    assert not stack.is_healthy("learner")
    for role in ROLES:
        stack.start(role)
    stack.until(lambda: stack.served() == sorted((role,) for role in ROLES), "a worker of each role")
    for role in ROLES:
        stack.until(lambda role=role: stack.is_healthy(role), f"{role} healthy")
    codes, left = stack.stop()
    assert (codes, left, stack.served()) == (dict.fromkeys(ROLES, 0), [], []), stack.logs()
    assert not stack.is_healthy("learner")
    assert SECRET not in str(stack.logs())


def _label(stack):
    """Send a file, have it labelled, and find the right rows in what comes back."""
    sent = stack.client.put("/v1/files/posts.csv", content=http_tasks.rows(50).write_csv().encode())
    assert sent.status_code == 201, sent.text
    started = stack.client.post("/v1/label-tasks", json=http_tasks.body(queue=stack.queue))
    assert started.status_code == 202, started.text
    address = f"/v1/label-tasks/{started.json()['id']}"
    stack.until(lambda: stack.client.get(address).json()["state"] not in ("queued", "running"), "the end of the task")
    task = stack.client.get(address).json()
    assert task["state"] == "succeeded", task
    labels = stack.client.get("/v1/files/labels.csv")
    # Three of every five authors are labelled.
    assert len(labels.text.splitlines()) == 1 + 30


def test_nothing_starts_without_the_secret(tmp_path):
    """A secret's file that is gone ends each command at once, with its name."""
    stack = Stack(tmp_path, f"sqlite:///{tmp_path}/data/labelmill.db", "redis://127.0.0.1:1/0", "none")
    (tmp_path / "secrets/labelmill_secret").unlink()
    for service in ("migrate", "web", "worker"):
        ended = stack.run(service, stack.services[service]["command"])
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "secrets/labelmill_secret cannot be read" in ended.stderr
    stack.close()
