"""Tables of pages sort and download without scripts, for whoever may see the page, and the rail marks where one is."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import annotation_lab
from labelmill import clock
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.datasets import service as datasets
from labelmill.learning.tables import classifiers

if TYPE_CHECKING:
    import httpx

    from labelmill.datasets import Dataset
    from webapp import Site


def sheet(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def sorted_by(page: str) -> list[tuple[str, str]]:
    """Return the headings that say how their table is sorted."""
    return re.findall(r'aria-sort="(ascending|descending)"><a class="sorts" href="[^"]*">([^<]*)<', page)


@pytest.fixture
def answered(site: Site) -> Dataset:
    """A dataset in which one person gave three answers and another one, about which two records they differ."""
    lab = annotation_lab.Lab(site.app.database)
    dataset = lab.dataset(6, labels=("beta", "=alpha()"), labels_per_record=2)
    ids = lab.ids(dataset)
    for record in ids[:3]:
        lab.answer(dataset, record, 1, "beta")
    lab.answer(dataset, ids[0], 2, "=alpha()")
    return dataset


def test_the_monitor_sorts_each_table_by_the_address_and_gives_it_as_csv(site: Site, answered: Dataset) -> None:
    place = f"/datasets/{answered.id}/monitor"
    assert sorted_by(site.page(place).text) == []
    page = site.page(f"{place}?sort=annotators.answers").text
    assert sorted_by(page) == [("ascending", "Answers")]
    assert page.index(">annotator 2<") < page.index(">annotator 1<", page.index('id="t-annotators"'))
    assert 'href="?sort=-annotators.answers#t-annotators"' in page
    found = sheet(site.page(f"{place}?sort=-annotators.answers&csv=annotators"))
    assert [row[:2] for row in found] == [["annotator", "answers"], ["annotator 1", "3"], ["annotator 2", "1"]]
    labels = sheet(site.page(f"{place}?sort=spread.label&csv=spread"))
    assert [row[0] for row in labels] == ["label", "'=alpha()", "beta", "ignored"]
    assert sheet(site.page(f"{place}?csv=hardest"))[1][1] in {
        "beta: 1, =alpha(): 1",
        "=alpha(): 1, beta: 1",
        "'=alpha(): 1, beta: 1",
    }


def test_the_classifiers_sort_and_download(site: Site, answered: Dataset) -> None:
    fixed = {"dataset_id": answered.id, "trained_to": 1, "parameters": {"learner": "nb"}, "blob": "b", "is_kept": 0}
    with site.app.database.write() as connection:
        for version, records in enumerate((40, 7, 300), 1):
            row = fixed | {"version": version, "data": {"records": records, "init_records": 0}, "job_id": f"{version:032x}"}
            connection.execute(sa.insert(classifiers).values(row | {"created_at": clock.now()}))
    place = f"/datasets/{answered.id}/monitor"
    found = sheet(site.page(f"{place}?sort=classifiers.labels&csv=classifiers"))
    assert [(row[0], row[2]) for row in found] == [("version", "labels"), ("2", "7"), ("1", "40"), ("3", "300")]
    page = site.page(f"{place}?sort=-classifiers.labels").text
    assert re.findall(r'<td class="figure">(v\d)</td>', page)[-3:] == ["v3", "v1", "v2"]


def test_p29_a_csv_tells_an_annotator_no_more_than_the_page(site: Site, answered: Dataset) -> None:
    site.app.database.transact(accounts.set_member, answered.id, site.person(Role.ANNOTATOR), Role.ANNOTATOR)
    place = f"/datasets/{answered.id}/monitor"
    for table in ("hardest", "pairs"):
        assert len(sheet(site.page(f"{place}?csv={table}"))) == 2
        assert len(sheet(site.page(f"{place}?csv={table}", Role.ANNOTATOR))) == 1
    named = sheet(site.page(f"{place}?names=true&csv=annotators", Role.ANNOTATOR))
    assert [row[0] for row in named] == ["annotator", "annotator 1", "annotator 2"]


def test_people_sort_and_download_as_they_are_found(site: Site) -> None:
    for name in ("Zoe", "+cmd", "ann"):
        email = f"{name.strip('+')}@sort.example"
        site.app.database.transact(accounts.add_annotator, email=email, name=name, role=Role.ANNOTATOR)
    found = sheet(site.page("/people?q=sort.example&sort=people.name&csv=people"))
    assert [row[0] for row in found] == ["name", "'+cmd", "ann", "Zoe"]
    page = site.page("/people?q=sort.example&sort=-people.name").text
    assert sorted_by(page) == [("descending", "Name")]
    assert page.index("zoe@sort.example") < page.index("ann@sort.example") < page.index("cmd@sort.example")
    assert 'href="/people?q=sort.example&amp;sort=people.name#t-people"' in page
    assert site.page("/people?csv=people", Role.ANNOTATOR).status_code == 403


def test_members_of_a_dataset_sort_and_download(site: Site, answered: Dataset) -> None:
    for role in (Role.MANAGER, Role.ANNOTATOR, Role.VIEWER):
        site.app.database.transact(accounts.set_member, answered.id, site.person(role), role)
    found = sheet(site.page(f"/datasets/{answered.id}/members?sort=-members.role&csv=members"))
    assert [row[2] for row in found] == ["role", "viewer", "manager", "annotator"]


@pytest.mark.parametrize("path", ["/account", "/people", "/audit", "/settings", "/settings/tokens"])
def test_the_rail_marks_the_settings_on_each_of_their_pages(site: Site, path: str) -> None:
    rail = site.page(path).text.partition("<main")[0]
    assert re.findall(r'<a href="([^"]*)" title="[^"]*" aria-current="(\w+)"', rail) == [
        ("/settings", "page" if path == "/settings" else "true")
    ]


def test_what_is_ignored_comes_last_in_the_settings_and_cannot_be_moved(site: Site, answered: Dataset) -> None:
    page = site.page(f"/datasets/{answered.id}/settings").text
    rows = re.findall(r'name="name-(\d+)" value="([^"]*)"', page)
    assert [name for _, name in rows] == ["beta", "=alpha()", "ignored"]
    assert f'name="place-{rows[-1][0]}"' not in page
    values = {"revision": str(answered.revision), f"place-{rows[0][0]}": "2", f"place-{rows[1][0]}": "1"}
    assert site.form(f"/datasets/{answered.id}/settings/labels", values).status_code == 303
    with site.app.database.read() as connection:
        names = [label.name for label in datasets.get(connection, answered.id).labels if not label.is_ignored]
    assert names == ["=alpha()", "beta"]


def test_records_sort_page_by_page_and_download_as_csv(site: Site, answered: Dataset) -> None:
    place = f"/datasets/{answered.id}/records"
    page = site.page(f"{place}?sort=-records.id").text
    assert sorted_by(page) == [("descending", "Id")]
    assert re.findall(r'<td class="wrap in-record">(\d)</td>', page) == ["5", "4", "3", "2", "1", "0"]
    (address,) = re.findall(r'<p class="table-csv"><a href="([^"]*)"', site.page(f"{place}?state=tied").text)
    assert len(sheet(site.page(html.unescape(address)))) == 2


def test_p29_who_answers_cannot_tell_by_the_order_what_is_tied(site: Site, answered: Dataset) -> None:
    site.app.database.transact(accounts.set_member, answered.id, site.person(Role.ANNOTATOR), Role.ANNOTATOR)
    place = f"/datasets/{answered.id}/records"
    page = site.page(f"{place}?sort=records.state", Role.ANNOTATOR).text
    assert sorted_by(page) == []
    assert re.findall(r'<td class="wrap in-record">(\d)</td>', page) == ["0", "1", "2", "3", "4", "5"]
    assert "table-csv" not in page
    assert site.page(f"/datasets/{answered.id}/export/file", Role.ANNOTATOR).status_code == 403


def test_a_long_sorted_list_goes_on_where_it_ended(site: Site) -> None:
    dataset = annotation_lab.Lab(site.app.database).dataset(60)
    first = site.page(f"/datasets/{dataset.id}/records?sort=-records.id").text
    (address,) = re.findall(r'<a class="button" rel="next" href="([^"]*)"', first)
    rest = site.page(html.unescape(address)).text
    assert re.findall(r'<td class="wrap in-record">(\d+)</td>', rest) == [str(number) for number in range(9, -1, -1)]
    assert 'sort=-records.id"' in rest.partition("First page")[0].rpartition("<p")[2]
    assert sorted_by(site.page(f"/datasets/{dataset.id}/records?sort=-records.id&q=1").text) == []


def test_a_dataset_without_records_has_a_monitor_too(site: Site) -> None:
    dataset = annotation_lab.Lab(site.app.database).dataset(0)
    page = site.page(f"/datasets/{dataset.id}/monitor")
    assert page.status_code == 200
    assert "Nothing to see yet" in page.text
    assert sheet(site.page(f"/datasets/{dataset.id}/monitor?csv=annotators"))[1:] == []


def test_the_datasets_sort_all_of_them_and_download(site: Site, answered: Dataset) -> None:
    """Not a page of them only; who may see but some gets those."""
    lab = annotation_lab.Lab(site.app.database)
    made = [lab.dataset(size) for size in (9, 2, 30)]
    found = sheet(site.page("/datasets?sort=-datasets.records&csv=datasets"))
    assert found[0] == ["name", "kind", "records", "labelled", "ties", "labels", "created_at"]
    assert [row[2] for row in found[1:]] == ["30", "9", "6", "2"]
    assert found[3][:6] == [answered.name, "text", "6", "2", "1", "2"]
    page = site.page("/datasets?sort=datasets.records").text
    assert sorted_by(page) == [("ascending", "Records")]
    assert re.findall(r"<strong>(set [^<]*)</strong>", page) == [row[0] for row in reversed(found[1:])]
    site.app.database.transact(accounts.set_member, made[0].id, site.person(Role.ANNOTATOR), Role.ANNOTATOR)
    mine = site.page("/datasets?csv=datasets", Role.ANNOTATOR)
    assert [row[0] for row in sheet(mine)[1:]] == [made[0].name]


def test_tokens_and_sessions_sort_and_download(site: Site) -> None:
    for name in ("b program", "a program"):
        site.app.database.transact(accounts.create_token, site.person(Role.ADMIN), name=name, scope="read")
    tokens = sheet(site.page("/settings/tokens?sort=tokens.name&csv=tokens"))
    assert tokens[0] == ["name", "scope", "created_at", "expires_at", "last_used_at", "state"]
    assert [row[0] for row in tokens[1:3]] == ["a program", "b program"]
    sessions = sheet(site.page("/account?csv=sessions", **{"User-Agent": "a=b"}))
    assert sessions[0] == ["browser", "scope", "created_at", "last_seen_at", "expires_at"]
    assert len(sessions) > 1
    assert sorted_by(site.page("/account?sort=-sessions.created_at").text) == [("descending", "Begun")]
