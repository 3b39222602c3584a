"""Records are looked for by their text, span by span, with the same finds on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import webapp
from annotation_lab import Lab, person
from labelmill.accounts import Role
from labelmill.annotation import service as annotation
from labelmill.datasets import NewLabel, RecordKind, record_search, service
from labelmill.datasets.model import RecordFilter

if TYPE_CHECKING:
    from labelmill.datasets import Dataset
    from labelmill.db.database import Database

TEXTS = (
    "Good Day", "good night", "100%", "a_b", "axb", "a\\b", "a/b", "陳志明 said", "斑馬在動物園", "斑", "Ärger im Büro", "ärger", "arger",
    "ÉCOLE", "école", "ecole", "ПРИВЕТ мир", "привет", "ΣΟΦΙΑ", "σοφια", "straße", "😀 smile", "it's", '{"price":3}',
)  # fmt: skip
ASKED = (
    "good", "GOOD D", "%", "_", "\\", "/", "志明", "斑馬", "斑", "ärger", "ÄRGER", "École", "ECOLE", "привет", "ПРИВЕТ", "σοφ", "STRASSE", "straßE",
    "😀", "it's", '"price"', "nowhere", "a", "büro",
)  # fmt: skip


@pytest.fixture
def lab(database: Database) -> Lab:
    return Lab(database)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each answer come after one span of a few ids."""
    monkeypatch.setattr(record_search, "SPAN", 3)
    monkeypatch.setattr(record_search, "SECONDS", 0.0)


def pages(lab: Lab, dataset: Dataset, limit: int = 50, **where: Any) -> list[service.Found]:
    """Return every page, one after the other."""
    found: list[service.Found] = []
    after: int | None = 0
    while after is not None:
        with lab.database.read() as connection:
            found.append(service.search_records(connection, dataset.id, where=RecordFilter(**where), after=after, limit=limit))
        after = found[-1].following
        assert len(found) < 100
    return found


def contents(found: list[service.Found]) -> list[str]:
    return [each.content for page in found for each in page.records]


@pytest.mark.usefixtures("impatient")
def test_all_pages_together_hold_what_a_look_at_each_record_finds(lab: Lab) -> None:
    dataset, other = lab.dataset(0), lab.dataset(0)
    for place in range(0, len(TEXTS), 5):  # those of another dataset lie between
        lab.add(dataset, list(TEXTS[place : place + 5]))
        lab.add(other, [f"{text} elsewhere" for text in TEXTS[place : place + 5]])
    for asked in ASKED:
        wanted = [text for text in TEXTS if asked.lower() in text.lower()]
        assert contents(pages(lab, dataset, text=asked)) == wanted, asked
        assert contents(pages(lab, dataset, limit=1, text=asked)) == wanted, asked
        with lab.database.read() as connection:
            whole = service.list_records(connection, dataset.id, where=RecordFilter(text=asked))
        assert [each.content for each in whole] == wanted, asked


@pytest.mark.usefixtures("impatient")
def test_a_page_says_how_far_it_came(lab: Lab) -> None:
    dataset = lab.dataset(20)
    found = pages(lab, dataset, text="nowhere")
    shares = [page.share for page in found]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], found[-1].following) == (3 / 20, 1.0, None)


def test_a_page_that_is_full_leads_to_the_next_record(lab: Lab) -> None:
    dataset = lab.dataset(30)
    sizes = [(len(page.records), page.following is None) for page in pages(lab, dataset, limit=5, text="1")]
    assert sizes == [(5, False), (5, False), (2, True)]  # 1, 10 to 19, 21
    assert [len(page.records) for page in pages(lab, dataset, limit=6, text="1")] == [6, 6]


def test_an_empty_dataset_has_nothing(lab: Lab) -> None:
    [page] = pages(lab, lab.dataset(0), text="a")
    assert (page.records, page.share) == ([], 1.0)


@pytest.mark.usefixtures("impatient")
def test_a_text_is_looked_for_among_those_for_which_all_else_holds(lab: Lab) -> None:
    dataset = lab.dataset(12, labels_per_record=1)
    ids = lab.ids(dataset)
    label = lab.label(dataset, "a")
    for record_id in ids[:11]:
        lab.database.transact(annotation.answer, dataset, record_id, person(1), label_ids=[label], key=str(record_id))
    assert contents(pages(lab, dataset, text="1", is_open=True)) == ["11"]
    assert contents(pages(lab, dataset, text="1", is_open=False)) == ["1", "10"]
    assert contents(pages(lab, dataset, text="1", label_id=label)) == ["1", "10"]
    assert contents(pages(lab, dataset, text="1", is_answered=False)) == ["11"]
    assert contents(pages(lab, dataset, text="1", is_tied=True)) == []
    assert contents(pages(lab, dataset, limit=4, is_open=False)) == [str(number) for number in range(11)]


@pytest.mark.usefixtures("impatient")
def test_over_http_the_pages_are_followed_to_the_end(stored_site: webapp.Site) -> None:
    made = stored_site.app.database.transact(service.create, name="posts", kind=RecordKind.TEXT, labels=[NewLabel(name="a")])
    Lab(stored_site.app.database).add(made, [f"number {number}" for number in range(20)])
    found, place, shares = [], f"/v1/datasets/{made.id}/records?text=NUMBER+1", []
    cursor = ""
    while cursor is not None:
        page = stored_site.ask("GET", place + (f"&cursor={cursor}" if cursor else ""), role=Role.MANAGER).json()
        found += [each["content"] for each in page["items"]]
        shares.append(page["searched"])
        cursor = page["next"]
    assert found == ["number 1", *(f"number {number}" for number in range(10, 20))]
    assert (len(shares), shares[-1]) == (7, 1.0)


@pytest.mark.usefixtures("impatient")
def test_a_page_that_found_little_offers_to_look_further(site: webapp.Site) -> None:
    made = site.app.database.transact(service.create, name="posts", kind=RecordKind.TEXT, labels=[NewLabel(name="a")])
    Lab(site.app.database).add(made, [f"number {number}" for number in range(7)])
    place, seen, words = f"/datasets/{made.id}/records?q=number+6", [], []
    while place:
        page = site.page(place.replace("&amp;", "&")).text
        seen.append("number 6<" in page.replace("\n", "<"))
        words += [each for each in ("in 42 % of", "in 85 % of") if each in page]
        place = page.partition('rel="next" href="')[2].partition('"')[0]
    assert (seen, words) == ([False, False, True], ["in 42 % of", "in 85 % of"])
    assert "No more records" in site.page(f"/datasets/{made.id}/records?q=number+0&after=6").text
