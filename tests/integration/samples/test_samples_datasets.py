"""The sample datasets: made once, half answered, with something to see on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.demo.cli import add_samples
from labelmill.errors import NotFound
from labelmill.jobs.inline import require_success, run_or_watch
from labelmill.learning import service as learning
from labelmill.samples import digits, service

if TYPE_CHECKING:
    from webapp import Site


def make(site: Site) -> dict[str, Any]:
    job = site.app.database.transact(service.begin)
    return require_success(run_or_watch(site.app.runtime, job.id)).result or {}


def read(site: Site, verb: Any, *values: Any, **more: Any) -> Any:
    with site.app.database.read() as connection:
        return verb(connection, *values, **more)


def test_both_are_made_and_half_answered_on_every_database(stored_site):
    made = make(stored_site)["datasets"]
    shown = {name: read(stored_site, datasets.get, made[name]) for name in ("digits", "posts")}
    counts = {name: read(stored_site, datasets.counts, dataset.id) for name, dataset in shown.items()}

    assert (counts["digits"].records, counts["digits"].answered) == (400, 200)
    assert counts["posts"].records == 2000
    assert counts["posts"].answered + counts["posts"].tied == 1000
    assert counts["posts"].annotations == 1200
    assert 5 <= counts["posts"].tied <= 40
    choices = [label for label in shown["digits"].labels if not label.is_ignored]
    assert [(label.name, label.shortcut) for label in choices] == [(str(digit), str(digit)) for digit in range(10)]
    assert [label.name for label in shown["posts"].labels if not label.is_ignored] == ["food", "travel", "money"]


def test_a_second_time_adds_nothing(stored_site):
    first = make(stored_site)["datasets"]
    before = {name: read(stored_site, datasets.counts, dataset_id) for name, dataset_id in first.items()}
    people = read(stored_site, accounts.list_annotators)

    assert make(stored_site) == {"datasets": {}}
    assert {name: read(stored_site, datasets.counts, dataset_id) for name, dataset_id in first.items()} == before
    assert read(stored_site, accounts.list_annotators) == people


def test_what_is_called_so_already_stays_as_it_is(site):
    mine = site.app.database.transact(datasets.create, name="posts", kind=datasets.RecordKind.TEXT)

    assert list(make(site)["datasets"]) == ["digits"]
    assert read(site, datasets.counts, mine.id).records == 0


def test_answers_lie_on_several_days_in_the_past_and_take_some_seconds(site):
    made = make(site)["datasets"]
    dataset = read(site, datasets.get, made["posts"])
    people = {each.name: each.id for each in read(site, accounts.list_annotators)}
    given = [answer for answer, _record in read(site, annotation.mine, dataset, people["Ada (sample)"], limit=1000)]

    assert len(given) == 1000
    assert len({each.answered_at.date() for each in given}) == 5
    assert max(each.answered_at for each in given) < dataset.created_at
    assert all(1 <= (each.answered_at - each.shown_at).total_seconds() < 10 for each in given)


def test_the_demo_trains_on_the_answers_and_predicts_every_record(site, capsys):
    add_samples(site.app)
    said = capsys.readouterr().err
    for name in ("digits", "posts"):
        dataset = read(site, datasets.find, name)
        figures = read(site, learning.figures, site.app.blobs, dataset)
        assert figures["generation"]["records"] == dataset.records
        assert figures["share"]["macro_f1"] > 0.6
        assert f"dataset {name}: " in said
        for page in ("label", "monitor", "records", "ties"):
            assert site.page(f"/datasets/{dataset.id}/{page}").status_code == 200

    add_samples(site.app)
    assert "dataset digits: " not in (again := capsys.readouterr().err)
    assert "dataset posts: " not in again


def test_a_digit_is_an_image_that_a_browser_shows(site):
    dataset = read(site, datasets.get, make(site)["datasets"]["digits"])
    [record] = read(site, datasets.list_records, dataset.id, limit=1)
    image = site.ask("GET", f"/v1/datasets/{dataset.id}/records/{record.id}/image", role=Role.ADMIN)

    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    assert image.content.startswith(b"\x89PNG")


def test_without_the_library_for_images_the_digits_are_left_out_and_it_says_so(site, monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda _name: None)
    result = make(site)

    assert list(result["datasets"]) == ["posts"]
    assert "Pillow" in result["left out"]
    with pytest.raises(NotFound):
        read(site, datasets.find, "digits")


def test_the_empty_page_offers_them_to_managers_and_shows_the_job(site):
    assert "/datasets/samples" not in site.page("/datasets", Role.ANNOTATOR).text
    assert 'action="/datasets/samples?' in site.page("/datasets", Role.MANAGER).text
    assert "加入範例資料集" in site.page("/datasets", Role.MANAGER, **{"Accept-Language": "zh-TW"}).text

    sent = site.form("/datasets/samples", {}, Role.MANAGER)
    assert sent.status_code == 303
    assert site.page(sent.headers["location"], Role.MANAGER).status_code == 200
    job_id = sent.headers["location"].rpartition("/")[2]
    require_success(run_or_watch(site.app.runtime, job_id))
    listed = site.page("/datasets", Role.MANAGER).text
    assert "digits" in listed
    assert "posts" in listed
    assert read(site, datasets.find, "digits").created_by == site.person(Role.MANAGER)
