"""LabelForward's download calls and its channel ``dl_manager``."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import redis

import webapp
from archive_lab import QUEUES, ArchiveLab
from labelmill.accounts import Role
from labelmill.archives import service as archives
from labelmill.archives.wakeups import Messages, Requests
from labelmill.jobs.waker import PollingWaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Site:
    def __init__(self, site: webapp.Site) -> None:
        self.site, self.lab = site, ArchiveLab(site.app)
        self.dataset = self.lab.trained(20, 12)

    def ask(self, method: str, path: str = "monitor/download", **more: Any) -> webapp.httpx.Response:
        return self.site.ask(method, f"/api/{path}", role=Role.MANAGER, **more)

    def state(self) -> tuple[int, str | None]:
        row = self.ask("GET", "monitor/classifiers").json()["clfData"][0]
        return row["download"], row["downloadReason"]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("old")) as site:
        yield Site(site)


def test_l22_l24_a_classifiers_archive_is_requested_made_and_fetched_many_times(old: Site) -> None:
    assert old.state() == (0, None)
    assert old.ask("GET", "monitor/download?clfId=1").status_code == 404
    for _ in range(2):
        asked = old.ask("POST", json={"clfId": 1})
        assert (asked.status_code, asked.json()) == (200, {"success": True})
    assert old.state() == (1, None)
    assert old.ask("GET", "monitor/download?clfId=1").status_code == 409
    old.lab.work(QUEUES)
    assert old.state() == (2, None)
    for _ in range(2):
        answer = old.ask("GET", "monitor/download?clfId=1")
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''data-1.zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
            assert file.testzip() is None
            assert "machine_labeled_data_1.json" in file.namelist()
    told = old.ask("HEAD", "monitor/download?clfId=1")
    assert (told.status_code, told.content, int(told.headers["content-length"])) == (200, b"", len(answer.content))
    old.ask("POST", json={"clfId": "1"})
    assert old.state() == (2, None)
    old.lab.answer_right(old.dataset, 2, start=12)
    old.ask("POST", json={"clfId": 1})
    assert old.state() == (1, None)
    made = old.lab.read(archives.newest_by_classifier, [1])[1]
    old.lab.app.database.transact(archives.cancel, made.id)
    assert old.state() == (0, "It was cancelled.")
    assert old.ask("GET", "monitor/download?clfId=1").status_code == 409
    old.ask("POST", json={"clfId": 1})
    old.lab.work(QUEUES)
    assert old.state() == (2, None)


@pytest.mark.parametrize(("bad", "status"), [("abc", 422), (99, 404), (None, 422), ("../../etc", 422), (0, 422), (2**60, 422)])
def test_l22_a_bad_id_is_refused_and_harms_nothing(old: Site, bad: Any, status: int) -> None:
    before = len(old.lab.read(archives.list_archives, old.dataset.id))
    assert old.ask("POST", json={"clfId": bad}).status_code == status
    assert old.ask("GET", f"monitor/download?clfId={bad}").status_code == status
    Requests(old.lab.app.runtime, PollingWaker()).hear("dl_manager", f"clf-{bad}")
    assert len(old.lab.read(archives.list_archives, old.dataset.id)) == before


def test_only_messages_of_the_predecessors_form_are_heard() -> None:
    assert "clf-7" in Messages()
    for other in ("clf-0", "clf-", "clf-7 ", "clf-7x", "clf--7", "CLF-7", "clf-" + "9" * 40, "init", b"clf-7", None):
        assert other not in Messages()


def test_a_message_on_the_channel_requests_an_archive_once(tmp_path: Path, redis_database: str) -> None:
    with webapp.site(tmp_path, redis_url=redis_database) as site, site.app.listening():
        lab = ArchiveLab(site.app)
        dataset = lab.trained(10, 6)
        client = redis.Redis.from_url(redis_database)
        deadline = time.monotonic() + 60
        while not lab.read(archives.list_archives, dataset.id) and time.monotonic() < deadline:
            client.publish("dl_manager", "clf-99")
            client.publish("dl_manager", "clf-1")
            time.sleep(0.1)
        client.close()
        assert [each.classifier_id for each in lab.read(archives.list_archives, dataset.id)] == [1]
        lab.work(QUEUES)
        Requests(site.app.runtime, PollingWaker()).hear("dl_manager", "clf-1")
        assert [each.state for each in lab.read(archives.list_archives, dataset.id)] == ["available"]
