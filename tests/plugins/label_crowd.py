"""Clients that label as fast as they are answered, at a web process of its own that may be killed; and what must be true of it all."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import sqlalchemy as sa

import private_servers
from annotation_lab import Lab
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.bootstrap import build
from labelmill.datasets import record_rows
from labelmill.datasets.model import Order
from labelmill.db import migrate
from labelmill.db.engine import make_engine
from labelmill.settings import Settings
from webapp import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Record, annotator and label.
Given = tuple[int, str, int]
LONGEST_SECONDS = 10.0
#: What a busy machine may need to start a process, or to come round to it: no promise is about that.
PATIENCE_SECONDS = 240.0
#: How long one of many clients knocks: where the server is killed again and again, it may be away or busy each time that one comes.
KNOCKING_SECONDS = 1800.0


class Server:
    """The web process, and a dataset that everybody who has a token may label."""

    def __init__(self, folder: Path, url: str, *, clients: int, records: int, wanted: int, **settings: Any) -> None:
        port = private_servers.free_port()
        self.settings = Settings(data_dir=folder, database_url=url, secret=SECRET, port=port, log_level="error", **settings)
        engine = make_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        self.app = build(self.settings)
        self.wanted = wanted
        # Leases that end while the process is away: records go to others.
        self.dataset = Lab(self.app.database).dataset(
            records, order=Order.RANDOM, labels_per_record=wanted, lease_seconds=5, batch_size=50
        )
        self.people = [self._person(number) for number in range(clients)]
        self.address = f"http://127.0.0.1:{port}/v1/datasets/{self.dataset.id}"
        self._log = (folder / "web.log").open("wb")
        self._prober = httpx.Client()  # each new one reads all certificates of the machine
        self.start()

    def _person(self, number: int) -> tuple[str, str]:
        made = self.app.database.transact(
            accounts.add_annotator, email=f"{number}@example.org", name=str(number), role=Role.ANNOTATOR
        )
        self.app.database.transact(accounts.set_member, self.dataset.id, made.id, Role.ANNOTATOR)
        _, token = self.app.database.transact(accounts.create_token, made.id, name="crowd", scope=Scope.WRITE)
        return made.id, token

    def start(self) -> None:
        """Return once it is ready."""
        environment = {**os.environ, **self.settings.environment()}
        command = [sys.executable, "-m", "labelmill", "web"]
        self.process = subprocess.Popen(command, env=environment, stderr=self._log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            while not self._is_ready():
                assert time.monotonic() < deadline
                assert self.process.poll() is None, f"it ended by itself: {self._last_words()}"
                time.sleep(0.05)
        except AssertionError:
            self.kill()
            raise

    def _last_words(self) -> str:
        return Path(self._log.name).read_text(errors="replace")[-2000:]

    def _is_ready(self) -> bool:
        try:
            return self._prober.get(f"http://127.0.0.1:{self.settings.port}/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self._prober.close()
        self._log.close()
        self.app.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Log:
    """What one client sent and what it was told, by the key of the answer."""

    sent: dict[str, Given] = field(default_factory=dict)
    acknowledged: dict[str, Given] = field(default_factory=dict)
    #: Answers of the server by status; "away" where none took the question, "lost" where no answer came, "repeated" where it had.
    told: Counter[str] = field(default_factory=Counter)
    #: Seconds of the longest request.
    longest: float = 0.0


class Client:
    """One annotator: asks, answers, now and then changes the last answer, and sends the same again until there is an answer."""

    def __init__(self, server: Server, number: int, seed: int) -> None:
        self.log = Log()
        self._who, token = server.people[number]
        self._labels = [each.id for each in server.dataset.labels]
        self._chance = random.Random(seed + number)
        self._keys = count()
        self._http = httpx.Client(base_url=server.address, headers={"Authorization": f"Bearer {token}"})

    def run(self, stop: threading.Event) -> None:
        with self._http:
            while not stop.is_set():
                served = self._ask("/next", {"count": self._chance.randint(1, 3)}).json()
                if served["state"] == "done":
                    return
                for each in served["records"]:
                    for _ in range(2 if self._chance.random() < 0.1 else 1):
                        self._answer(each["id"])
                if not served["records"]:
                    time.sleep(0.2)

    def _answer(self, record_id: int) -> None:
        key, label = f"{self._who}-{next(self._keys)}", self._chance.choice(self._labels)
        given = self.log.sent[key] = (record_id, self._who, label)
        answer = self._ask(f"/records/{record_id}/answers", {"label_ids": [label], "key": key})
        if answer.status_code == httpx.codes.CONFLICT and answer.json()["code"] == "record-full":
            return
        body = answer.raise_for_status().json()
        assert body["annotation"]["label_ids"] == [label]
        self.log.told["repeated"] += body["repeated"]
        self.log.acknowledged[key] = given

    def _ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        deadline = time.monotonic() + KNOCKING_SECONDS
        while True:
            # Now and then the client hangs up early: the answer is lost, whether stored or not.
            patience = self._chance.uniform(0, 0.05) if self._chance.random() < 0.1 else 2 * LONGEST_SECONDS
            begun = time.monotonic()
            try:
                answer = self._http.post(path, json=body, timeout=httpx.Timeout(2 * LONGEST_SECONDS, read=patience))
                self.log.told[str(answer.status_code)] += 1
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
            except httpx.ConnectError:
                self.log.told["away"] += 1
            except httpx.TransportError:
                self.log.told["lost"] += 1
            finally:
                self.log.longest = max(self.log.longest, time.monotonic() - begun)
            assert time.monotonic() < deadline, "no answer for half an hour"
            time.sleep(0.25)  # fifty who knock all the time leave a server no time to start


class Crowd:
    """All clients of a server at once."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.clients = [Client(server, number, seed) for number in range(len(server.people))]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them label until the end of the block; each goes on until its last answer is acknowledged or refused."""
        stop = threading.Event()
        with ThreadPoolExecutor(len(self.clients)) as pool:
            working = [pool.submit(client.run, stop) for client in self.clients]
            try:
                yield
            finally:
                stop.set()
            for each in working:
                each.result()

    def acknowledged(self) -> dict[str, Given]:
        return {key: given for client in self.clients for key, given in client.log.acknowledged.copy().items()}

    def sent(self) -> dict[str, Given]:
        return {key: given for client in self.clients for key, given in client.log.sent.copy().items()}

    def await_label(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once one more answer is acknowledged."""
        before, deadline = len(self.acknowledged()), time.monotonic() + seconds
        while len(self.acknowledged()) == before:
            assert time.monotonic() < deadline, "they do not go on"
            time.sleep(0.02)

    def told(self) -> Counter[str]:
        return sum((client.log.told for client in self.clients), Counter())

    def longest(self) -> float:
        return max(client.log.longest for client in self.clients)

    def require_kept(self) -> None:
        """Require that all that was acknowledged is stored as it was sent, once, and that no record has too many answers."""
        acknowledged = self.acknowledged()  # before the look
        stored = self._stored()
        keys = Counter(key for key, _ in stored)
        assert [key for key, times in keys.items() if times > 1] == []
        assert set(acknowledged.items()) - set(stored) == set()
        assert set(stored) - set(self.sent().items()) == set()
        by_record = self._rows(
            sa.select(current_annotations.c.record_id, sa.func.count()).group_by(current_annotations.c.record_id)
        )
        assert [record_id for record_id, answers in by_record if answers > self.server.wanted] == []

    def require_exact(self) -> None:
        """Require, once everybody has stopped, that exactly what was acknowledged is stored, and that the counts are its own."""
        self.require_kept()
        assert set(self._stored()) == set(self.acknowledged().items())
        newest = sa.select(annotation_rows.c.record_id, annotation_rows.c.annotator_id, sa.func.max(annotation_rows.c.id))
        newest = newest.group_by(annotation_rows.c.record_id, annotation_rows.c.annotator_id)
        current = self._rows(sa.select(*current_annotations.c["record_id", "annotator_id", "annotation_id"]))
        assert sorted(current) == sorted(self._rows(newest))
        answers = Counter(record_id for record_id, _, _ in current)
        for record_id, counted, is_open in self._rows(sa.select(*record_rows.c["id", "answers", "is_open"])):
            assert (counted, is_open) == (answers[record_id], answers[record_id] < self.server.wanted)

    def _stored(self) -> list[tuple[str, Given]]:
        rows, labels = annotation_rows, annotation_labels
        query = sa.select(rows.c.key, rows.c.record_id, rows.c.annotator_id, labels.c.label_id)
        joined = query.join(labels, labels.c.annotation_id == rows.c.id)
        return [(key, (record_id, who, label_id)) for key, record_id, who, label_id in self._rows(joined)]

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.server.app.database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]
