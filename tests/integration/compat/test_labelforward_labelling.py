"""LabelForward's calls on texts and classifiers, as its clients make them, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import labelforward
from labelforward import Client
from labelmill import clock
from labelmill.accounts import Role
from labelmill.annotation.tables import annotation_rows, current_annotations
from labelmill.datasets import service as datasets
from labelmill.jobs.tables import jobs
from labelmill.learning.tables import classifiers

if TYPE_CHECKING:
    from webapp import Site

STATE = "x-labelmill-state"


def _count(site: Site, table: sa.Table) -> int:
    with site.app.database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _classifier(site: Site, dataset_id: int, version: int, metrics: dict[str, Any] | None) -> int:
    row = {
        "dataset_id": dataset_id, "version": version, "created_at": clock.now(), "trained_to": 0, "parameters": {}, "data": {},
        "metrics": metrics, "blob": f"b{version}", "job_id": f"{version:032x}", "is_kept": False,
    }  # fmt: skip
    with site.app.database.write() as connection:
        made = connection.execute(sa.insert(classifiers).values(row)).inserted_primary_key
    return int(made[0]) if made else 0


def test_l18_l26_a_text_its_label_and_the_end(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=2)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    first = client.ask("GET", "texts/text")
    assert first.status_code == 200
    assert set(first.json()) == {"text", "text_id", "state"}
    assert (first.json()["text"], first.json()["state"], first.headers[STATE]) == ("news 0", "record", "record")
    assert client.ask("GET", "texts/text").json() == first.json(), "a reload shows the same text"
    stored = client.label(first.json()["text_id"], "good")
    assert (stored.status_code, stored.content) == (201, b"")
    second = client.ask("GET", "texts/text").json()
    assert second["text"] == "news 1"
    assert client.label(str(second["text_id"]), "ignored").status_code == 201
    done = client.ask("GET", "texts/text")
    assert (done.status_code, done.content, done.headers[STATE]) == (205, b"", "done")


def test_l18_who_must_wait_is_told_at_once(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=1, labels_per_record=1)
    ann, bob = (labelforward.join(stored_site, dataset, f"{name}@example.org") for name in ("ann", "bob"))
    assert ann.ask("GET", "texts/text").status_code == 200
    waiting = bob.ask("GET", "texts/text")
    assert (waiting.status_code, waiting.content, waiting.headers[STATE]) == (204, b"", "waiting")
    assert int(waiting.headers["retry-after"]) > 0


def test_l16_l17_a_record_that_is_full_takes_no_more_and_says_so(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=1, labels_per_record=1)
    ann, bob = (labelforward.join(stored_site, dataset, f"{name}@example.org") for name in ("ann", "bob"))
    text_id = ann.ask("GET", "texts/text").json()["text_id"]
    assert ann.label(text_id, "good").status_code == 201
    late = bob.label(text_id, "bad")
    assert (late.status_code, late.json()["code"]) == (409, "record-full")
    assert _count(stored_site, annotation_rows) == 1


def test_l17_the_same_label_again_is_one_vote_and_another_one_changes_it(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=1)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    text_id = client.ask("GET", "texts/text").json()["text_id"]
    for _ in range(3):
        assert client.label(text_id, "good").status_code == 201
    assert _count(stored_site, annotation_rows) == 1
    assert client.label(text_id, "bad").status_code == 201
    assert (_count(stored_site, annotation_rows), _count(stored_site, current_annotations)) == (2, 1)
    with stored_site.app.database.read() as connection:
        names = {each.id: each.name for each in datasets.get(connection, dataset.id).labels}
        assert names[datasets.get_record(connection, dataset.id, text_id).majority_id or 0] == "bad"


def test_l17_a_double_click_is_stored_once(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=1)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    text_id = client.ask("GET", "texts/text").json()["text_id"]
    with ThreadPoolExecutor(4) as pool:
        codes = [each.status_code for each in pool.map(lambda _: client.label(text_id, "good"), range(4))]
    assert codes == [201] * 4
    assert _count(stored_site, annotation_rows) == 1


def test_p02_a_key_of_the_clients_own_is_honoured(site: Site) -> None:
    dataset = labelforward.make_dataset(site, texts=1)
    client = labelforward.join(site, dataset, "ann@example.org")
    text_id = client.ask("GET", "texts/text").json()["text_id"]
    assert client.label(text_id, "good", headers={"Idempotency-Key": "k1"}).status_code == 201
    assert client.label(text_id, "good", headers={"Idempotency-Key": "k1"}).status_code == 201
    assert client.label(text_id, "bad", headers={"Idempotency-Key": "k1"}).status_code == 409
    assert _count(site, annotation_rows) == 1


@pytest.mark.parametrize(
    ("label", "text_id", "status"),
    [
        ("nobody's", 1, 422), ("", 1, 422), ("x" * 20_000, 1, 422), ("good", 10**6, 404), ("good", "x", 422), ("good", None, 422),
        ("good", 1.5, 422), ("good", True, 422), ("good", -1, 422), (None, 1, 422), ("good", "1" * 30, 422),
    ],
)  # fmt: skip
def test_l17_what_does_not_exist_is_refused_and_harms_nothing(site: Site, label: Any, text_id: Any, status: int) -> None:
    dataset = labelforward.make_dataset(site, texts=1)
    client = labelforward.join(site, dataset, "ann@example.org")
    existing = client.ask("GET", "texts/text").json()["text_id"]
    refused = client.label(existing if text_id == 1 and text_id is not True else text_id, label)
    assert refused.status_code == status, refused.text
    assert refused.json()["msg"]
    assert client.label(existing, "good").status_code == 201
    assert _count(site, annotation_rows) == 1


def test_a_text_of_another_dataset_cannot_be_labelled(site: Site) -> None:
    dataset = labelforward.make_dataset(site, texts=1)
    labelforward.make_dataset(site, texts=1, name="secret")
    client = labelforward.join(site, dataset, "ann@example.org")
    assert client.label(2, "good").status_code == 404


def test_p29_who_is_no_member_sees_nothing_of_a_dataset(site: Site) -> None:
    dataset = labelforward.make_dataset(site, texts=1, name="secret")
    assert datasets  # the oldest is served
    for path in ("texts/text", "texts/labels", "monitor/label", "monitor/classifiers", "monitor/download?clfId=1"):
        assert site.ask("GET", f"/api/{path}", role=Role.ANNOTATOR).status_code == 404, path
    assert dataset.id


def test_l20_labels_come_in_their_order(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    assert client.ask("GET", "texts/labels").json() == {"labels": ["good", "bad"]}
    with stored_site.app.database.read() as connection:
        good, bad, ignored = datasets.get(connection, dataset.id).labels
    stored_site.app.database.transact(datasets.order_labels, dataset.id, [bad.id, ignored.id, good.id])
    assert client.ask("GET", "texts/labels").json() == {"labels": ["bad", "good"]}


def test_l21_the_monitor_tells_the_share_and_the_classifiers(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=4)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    assert client.ask("GET", "monitor/label").json() == {"labelShare": 0.0}
    client.label(client.ask("GET", "texts/text").json()["text_id"], "good")
    assert client.ask("GET", "monitor/label").json() == {"labelShare": 0.25}
    assert client.ask("GET", "monitor/classifiers").json() == {"clfData": []}
    first = _classifier(stored_site, dataset.id, 1, None)
    second = _classifier(stored_site, dataset.id, 2, {"held_out": {"precision": 0.75}, "share": {}})
    rows = client.ask("GET", "monitor/classifiers").json()["clfData"]
    assert [(row["clfId"], row["precision"], row["download"]) for row in rows] == [(first, None, 0), (second, 0.75, 0)]
    assert set(rows[0]) == {"clfId", "precision", "timestamp", "download", "downloadReason"}
    assert datetime.fromisoformat(rows[0]["timestamp"]).utcoffset() is not None


def test_l21_without_records_the_share_is_null(site: Site) -> None:
    dataset = labelforward.make_dataset(site, texts=0)
    client = labelforward.join(site, dataset, "ann@example.org")
    assert client.ask("GET", "monitor/label").json() == {"labelShare": None}
    assert client.ask("GET", "texts/text").status_code == 205


def test_l8_labels_that_come_by_these_calls_start_a_training(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=4, batch_size=3)
    client = labelforward.join(stored_site, dataset, "ann@example.org")
    for count in (1, 2, 3):
        client.label(client.ask("GET", "texts/text").json()["text_id"], "good")
        with stored_site.app.database.read() as connection:
            kinds = list(connection.scalars(sa.select(jobs.c.kind)))
        assert kinds == (["train"] if count == 3 else [])


def test_the_dataset_is_the_one_that_the_settings_name_else_the_oldest_of_texts(site: Site) -> None:
    labelforward.make_dataset(site, texts=1, name="first")
    named = labelforward.make_dataset(site, texts=1, name="second set")
    first = site.ask("GET", "/api/texts/text", role=Role.ADMIN).json()
    assert first["text"] == "first 0"
    for written in ("second set", str(named.id)):
        object.__setattr__(site.app, "settings", site.app.settings.model_copy(update={"compat_dataset": written}))
        assert site.ask("GET", "/api/texts/text", role=Role.ADMIN).json()["text"] == "second set 0"
    object.__setattr__(site.app, "settings", site.app.settings.model_copy(update={"compat_dataset": "gone"}))
    assert site.ask("GET", "/api/texts/text", role=Role.ADMIN).status_code == 404


def test_without_any_dataset_the_way_out_is_told(site: Site) -> None:
    answer = site.ask("GET", "/api/texts/text", role=Role.ADMIN)
    assert answer.status_code == 404
    assert "labelmill adopt labelforward" in answer.json()["msg"]


def test_an_archived_dataset_takes_no_label_and_says_so(site: Site) -> None:
    dataset = labelforward.make_dataset(site, texts=1)
    client = labelforward.join(site, dataset, "ann@example.org")
    text_id = client.ask("GET", "texts/text").json()["text_id"]
    object.__setattr__(site.app, "settings", site.app.settings.model_copy(update={"compat_dataset": str(dataset.id)}))
    site.app.database.transact(datasets.archive, dataset.id)
    assert client.label(text_id, "good").status_code == 409
    assert client.ask("GET", "texts/text").status_code == 409


def test_every_documented_address_answers_with_and_without_a_slash(site: Site) -> None:
    dataset = labelforward.make_dataset(site)
    client = labelforward.join(site, dataset, "ann@example.org")
    for path in ("texts/text", "texts/labels", "monitor/classifiers", "monitor/label", "login", "login/logout"):
        assert client.ask("GET", path).status_code == 200, path
        client = Client(site) if path == "login/logout" else client
    client.sign_in("ann@example.org")
    for path in ("texts/text/", "texts/labels/", "monitor/classifiers/", "monitor/label/", "login/", "login/logout/"):
        assert client.ask("GET", path).status_code == 200, path
