"""The pages that bring records in: a file, what its columns are, the import, and what was refused."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import webapp
from labelmill.accounts import Role
from labelmill.connections import files_folder
from labelmill.datasets import service
from labelmill.datasets.model import RecordKind
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webapp import Site

CSV = "id,text,label\n007,a first text,spam\n2,second,ham\n3,,spam\n4,=1+1,ham\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("imports")) as made:
        yield made


def send(
    site: Site, content: str | bytes = CSV, name: str = "posts.csv", *, place: str = "/datasets/new", role: Role = Role.MANAGER
) -> Any:
    """Send a file as the form does."""
    body = content.encode() if isinstance(content, str) else content
    headers = {**webapp.HTML, **webapp.SAME_SITE, **site.session(role)}
    return site.ask("POST", f"{place}/file", headers=headers, files={"file": (name, body)})


def begin(site: Site, sent: Any, **values: str) -> tuple[int, str]:
    """Send the form of the second page, and return the dataset's id and the job's."""
    place, _, upload = sent.headers["location"].partition("?upload=")
    done = site.form(place, {"upload": upload, "name": f"set {new_id()}"} | values, Role.MANAGER)
    assert done.status_code == 303, re.findall(r"<strong>.*?</strong>", done.text)
    found = re.fullmatch(r"/datasets/(\d+)/imports/([0-9a-f]{32})\?then=label", done.headers["location"])
    assert found
    return int(found[1]), found[2]


def run(site: Site, job_id: str) -> Any:
    run_or_watch(site.app.runtime, job_id)
    with site.app.database.read() as connection:
        return jobs.get(connection, job_id)


def records(site: Site, dataset_id: int) -> list[tuple[str | None, str]]:
    with site.app.database.read() as connection:
        return [(each.given_id, each.content) for each in service.list_records(connection, dataset_id, limit=100)]


def labels(site: Site, dataset_id: int) -> list[str]:
    with site.app.database.read() as connection:
        return [label.name for label in service.get(connection, dataset_id).labels]


def chosen(page: str) -> list[str]:
    return re.findall(r'<option value="(\w+)" selected>', page.partition("role-0")[2].partition("</thead>")[0])


def test_a_file_is_shown_with_how_it_is_written_and_what_its_columns_probably_are(site: Site) -> None:
    sent = send(site, "文字;標籤\n第一筆;好\n第二筆;壞\n".encode("big5"), "筆記.csv")
    page = site.page(sent.headers["location"], Role.MANAGER).text
    assert "筆記.csv" in page
    for words in ("the sign ;", "LF", "第二筆"):
        assert words in page
    assert re.search(r"<dt>Encoding</dt><dd>(cp950|big5)", page)
    page = site.page(send(site).headers["location"], Role.MANAGER).text
    assert chosen(page) == ["id", "text", "label"]
    assert 'name="name" value="posts"' in page
    assert "spam, ham" in page


def test_a_file_becomes_a_dataset_whose_texts_are_as_they_were_and_leads_to_the_label_page(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site, "id,text,label\n007,0012,spam\n8,1e5,ham\n"))
    place = f"/datasets/{dataset_id}/imports/{job_id}"
    assert "queued" in site.page(f"{place}?then=label", Role.MANAGER).text
    assert run(site, job_id).state == "succeeded"
    assert records(site, dataset_id) == [("007", "0012"), ("8", "1e5")]
    assert set(labels(site, dataset_id)) == {"spam", "ham", "ignored"}
    assert site.page(f"{place}?then=label", Role.MANAGER).headers["location"] == f"/datasets/{dataset_id}/label"
    assert site.page(place, Role.MANAGER).status_code == 200


def test_rows_that_are_refused_are_listed_and_downloaded_without_formulas(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site, CSV + "=cmd(),x,y,z\n=2+3\n"))
    job = run(site, job_id)
    assert job.state == "succeeded", job.error
    place = f"/datasets/{dataset_id}/imports/{job_id}"
    page = site.page(f"{place}?then=label", Role.MANAGER)
    assert page.status_code == 200
    assert "its text is empty" in page.text
    assert "Every row went in" not in page.text
    file = site.page(f"{place}/rejects.csv", Role.MANAGER)
    assert file.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert rows[0] == ["place", "reason", "text"]
    assert len(rows) == job.result["rejected"] + 1
    assert [cell for row in rows for cell in row if cell.startswith("=")] == []
    assert [row for row in rows if "=cmd()" in row[2]]


def test_columns_can_be_something_else_than_was_guessed(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site), **{"role-0": "field", "role-1": "field", "role-2": "none"})
    run(site, job_id)
    with site.app.database.read() as connection:
        assert service.get(connection, dataset_id).kind is RecordKind.TABULAR
    assert ('{"id":"007","text":"a first text"}') in [content for _, content in records(site, dataset_id)]


def test_labels_are_typed_where_no_column_has_them(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site, "text\nsome longer text of a post\nanother one\n"), labels="好\uff0c壞, so so")
    run(site, job_id)
    assert labels(site, dataset_id) == ["好", "壞", "so so", "ignored"]


def test_the_same_file_again_adds_nothing_and_new_rows_are_added(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site))
    run(site, job_id)
    place = f"/datasets/{dataset_id}/import"
    _, second = begin(site, send(site, CSV + "9,a new one,ham\n", place=place))
    result = run(site, second).result
    assert (result["added"], result["known"]) == (1, 3)


def test_images_come_in_a_zip(site: Site) -> None:
    image = (
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc"
        b"\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("cats/a.png", "dogs/b.png"):
            archive.writestr(name, image)
    sent = send(site, packed.getvalue(), "pets.zip")
    page = site.page(sent.headers["location"], Role.MANAGER).text
    assert "role-0" not in page
    dataset_id, job_id = begin(site, sent)
    run(site, job_id)
    with site.app.database.read() as connection:
        assert service.get(connection, dataset_id).kind is RecordKind.IMAGE
    assert len(records(site, dataset_id)) <= 2


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [
        (b"", "a.csv", 422, "The file is empty"),
        (b"x", "a.exe", 422, "Files of this kind are not read"),
        (b"\n\n\n", "a.csv", 422, "nothing but blank lines"),
        (b"PK\x03\x04 broken", "a.zip", 422, "a.zip"),
        (b"PAR1 broken", "a.parquet", 422, "a.parquet"),
        (b"not json", "a.json", 422, "This is no JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_name_and_no_folder(
    site: Site, content: bytes, name: str, status: int, said: str
) -> None:
    answer = send(site, content, name)
    if answer.status_code == 303:
        answer = site.page(answer.headers["location"], Role.MANAGER)
    assert answer.status_code == status
    assert said in answer.text
    assert str(site.app.settings.data_dir) not in answer.text
    assert 'type="file"' in answer.text


def test_a_form_without_a_file_says_so(site: Site) -> None:
    headers = {**webapp.HTML, **webapp.SAME_SITE, **site.session(Role.MANAGER)}
    answer = site.ask("POST", "/datasets/new/file", headers=headers, files={"file": ("", b"")})
    assert answer.status_code == 422
    assert "No file was chosen" in answer.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"role-0": "text", "role-1": "field"}, "A record is a text or a row of fields"),
        ({"role-0": "id", "role-1": "id"}, "Two columns are the id"),
        ({"role-1": "none"}, "No column is named"),
        ({"role-1": "nonsense"}, "One of:"),
        ({"label_use": "answers"}, "Nobody is named whose answers"),
        ({"name": ""}, "1 to 200 characters"),
    ],
)
def test_a_mistake_makes_no_dataset_and_the_form_comes_back(site: Site, values: dict[str, str], said: str) -> None:
    sent = send(site)
    place, _, upload = sent.headers["location"].partition("?upload=")
    with site.app.database.read() as connection:
        before = len(service.list_datasets(connection, limit=1000))
    refused = site.form(place, {"upload": upload, "name": f"set {new_id()}", "labels": "kept, too"} | values, Role.MANAGER)
    assert refused.status_code == 422
    assert said in refused.text
    assert 'value="kept, too"' in refused.text
    with site.app.database.read() as connection:
        assert len(service.list_datasets(connection, limit=1000)) == before


def test_a_file_is_read_again_in_another_encoding(site: Site) -> None:
    sent = send(site, "text\ncafé au lait is a long text\n".encode("cp1252"))
    place, _, upload = sent.headers["location"].partition("?upload=")
    page = site.form(place, {"upload": upload, "action": "look", "encoding": "cp1252"}, Role.MANAGER).text
    assert "café au lait" in page
    assert "<option selected>cp1252</option>" in page


def test_the_page_shows_the_command_that_does_the_same(site: Site) -> None:
    sent = send(site, name="my posts.csv")
    page = site.page(sent.headers["location"], Role.MANAGER).text
    told = "labelmill import &#39;my posts.csv&#39; --into &#39;my posts&#39; --text-column text --id-column id --label-column label --labels names --new"
    assert told in page
    place, _, upload = sent.headers["location"].partition("?upload=")
    headers = {**webapp.SAME_SITE, **site.session(Role.MANAGER), "HX-Request": "true"}
    values = {"upload": upload, "name": "posts", "action": "look", "role-0": "none"}
    part = site.ask("POST", place, headers=headers, data=values).text
    assert "--id-column" not in part
    assert "<html" not in part


def test_an_empty_dataset_is_made_without_a_file(site: Site) -> None:
    name = f"set {new_id()}"
    done = site.form("/datasets/new", {"name": name, "kind": "tabular", "labels": "a, b"}, Role.MANAGER)
    dataset_id = int(done.headers["location"].split("/")[2])
    assert labels(site, dataset_id) == ["a", "b", "ignored"]
    again = site.form("/datasets/new", {"name": name, "kind": "tabular", "labels": "a, b"}, Role.MANAGER)
    assert again.status_code == 409
    assert f'value="{name}"' in again.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR])
def test_only_managers_bring_records_in(site: Site, role: Role) -> None:
    made = site.app.database.transact(service.create, name=f"set {new_id()}", kind=RecordKind.TEXT)
    assert site.page("/datasets/new", role).status_code == 403
    assert send(site, role=role).status_code == 403
    for place in (f"/datasets/{made.id}/import", f"/datasets/{made.id}/imports/{new_id()}"):
        assert site.page(place, role).status_code == 404
    assert send(site, place=f"/datasets/{made.id}/import", role=role).status_code == 404
    assert site.form("/datasets/new", {"name": "x"}, role).status_code == 403


def test_a_file_of_the_server_is_taken_by_its_path_and_none_outside(site: Site) -> None:
    folder = files_folder(site.app.settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "there.csv").write_text(CSV)
    assert "a first text" in site.page("/datasets/new?path=there.csv", Role.MANAGER).text
    for path in ("../labelmill.db", "/etc/passwd", "missing.csv"):
        refused = site.page(f"/datasets/new?path={path}", Role.MANAGER)
        assert refused.status_code in (403, 404, 422), path
        assert str(site.app.settings.data_dir) not in refused.text


def test_an_import_of_another_dataset_is_not_shown(site: Site) -> None:
    _, job_id = begin(site, send(site))
    other = site.app.database.transact(service.create, name=f"set {new_id()}", kind=RecordKind.TEXT)
    for path in ("", "/rejects.csv"):
        assert site.page(f"/datasets/{other.id}/imports/{job_id}{path}", Role.MANAGER).status_code == 404
    assert site.form(f"/datasets/{other.id}/imports/{job_id}/cancel", {}, Role.MANAGER).status_code == 404


def test_an_import_is_cancelled_and_taken_up_again(site: Site) -> None:
    dataset_id, job_id = begin(site, send(site))
    place = f"/datasets/{dataset_id}/imports/{job_id}"
    assert site.form(f"{place}/cancel", {}, Role.MANAGER).status_code == 303
    assert "cancelled" in site.page(place, Role.MANAGER).text
    assert site.form(f"{place}/retry", {}, Role.MANAGER).status_code == 303
    assert run(site, job_id).state == "succeeded"
    assert len(records(site, dataset_id)) == 3
