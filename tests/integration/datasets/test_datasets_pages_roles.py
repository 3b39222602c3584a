"""Promise 29: every page on datasets answers every role as the table says."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import learning_lab
import webapp
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.datasets import import_jobs
from labelmill.datasets.mapping import Mapping
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webapp import Site

#: Route -> the status for nobody, a viewer who is no member, members who view, annotate and manage, a manager and an admin of the whole.
TABLE = {
    "GET /datasets": (401, 200, 200, 200, 200, 200, 200),
    "GET /datasets/new": (401, 403, 403, 403, 403, 200, 200),
    "POST /datasets/new": (401, 403, 403, 403, 403, 303, 303),
    "POST /datasets/samples": (401, 403, 403, 403, 403, 303, 303),
    "POST /datasets/new/file": (401, 403, 403, 403, 403, 303, 303),
    "GET /datasets/{dataset_id}": (401, 404, 303, 303, 303, 303, 303),
    "GET /datasets/{dataset_id}/records": (401, 404, 200, 200, 200, 200, 200),
    "GET /datasets/{dataset_id}/records/{record_id}": (401, 404, 200, 200, 200, 200, 200),
    "GET /datasets/{dataset_id}/monitor": (401, 404, 200, 200, 200, 200, 200),
    "GET /datasets/{dataset_id}/settings": (401, 404, 403, 403, 200, 200, 200),
    "POST /datasets/{dataset_id}/settings": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/settings/guidelines": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/settings/labels": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/settings/members": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/settings/merge": (401, 404, 403, 403, 409, 409, 409),
    "POST /datasets/{dataset_id}/train": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/classifiers/{classifier_id}/keep": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/archive": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/restore": (401, 404, 403, 403, 303, 303, 303),
    "POST /datasets/{dataset_id}/remove": (401, 404, 403, 403, 409, 409, 409),
    "GET /datasets/{dataset_id}/import": (401, 404, 403, 403, 200, 200, 200),
    "POST /datasets/{dataset_id}/import": (401, 404, 403, 403, 422, 422, 422),
    "POST /datasets/{dataset_id}/import/file": (401, 404, 403, 403, 303, 303, 303),
    "GET /datasets/{dataset_id}/imports/{job_id}": (401, 404, 403, 403, 200, 200, 200),
    "GET /datasets/{dataset_id}/imports/{job_id}/rejects.csv": (401, 404, 403, 403, 200, 200, 200),
    "POST /datasets/{dataset_id}/imports/{job_id}/cancel": (401, 404, 403, 403, 409, 409, 409),
    "POST /datasets/{dataset_id}/imports/{job_id}/retry": (401, 404, 403, 403, 303, 303, 303),
}
_NUMBERS = count(1)


class Place:
    """A dataset with a classifier and an import that failed, and a person for each column of the table."""

    def __init__(self, site: Site) -> None:
        self.site, self.lab = site, learning_lab.Lab(site.app)
        self.dataset = self.lab.dataset(12)
        self.lab.answer_right(self.dataset, 9)
        self.lab.train(self.dataset)
        [classifier] = self.lab.read(learning_lab.service.list_classifiers, self.dataset.id)
        self.ids = {"{record_id}": next(iter(self.lab.ids(self.dataset))), "{classifier_id}": classifier.id}
        self.tokens = [
            None,
            *(self._token(role) for role in (None, *Role)[:4]),
            site.token(Role.MANAGER),
            site.token(Role.ADMIN),
        ]

    def ask(self, call: str, token: str | None) -> int:
        """Return the status of a call by whoever has this token; the import has failed again before each."""
        method, _, path = call.partition(" ")
        for name, value in ({"{dataset_id}": self.dataset.id, "{job_id}": self._failed()} | self.ids).items():
            path = path.replace(name, str(value))
        options: dict[str, Any] = {"data": self._values(call)}
        if call.endswith("/file"):
            options = {"files": {"file": ("posts.csv", b"text\na text of some words\n")}}
        status = self.site.ask(method, path, token=token or "", **options).status_code
        if call.endswith("/archive"):
            self.site.ask("POST", path.replace("/archive", "/restore"), token=self.tokens[-1])
        return status

    def _values(self, call: str) -> dict[str, str]:
        good = str(self.dataset.labels[0].id)
        name = self.lab.again(self.dataset).name
        return {
            "POST /datasets/new": {"name": f"new {next(_NUMBERS)}"},
            "POST /datasets/{dataset_id}/settings/members": {"annotator": self.site.person(Role.VIEWER), "role": "viewer"},
            "POST /datasets/{dataset_id}/settings/merge": {"label": good, "into": good},
            "POST /datasets/{dataset_id}/remove": {"name": name},
        }.get(call, {})

    def _token(self, role: Role | None) -> str:
        transact = self.site.app.database.transact
        email = f"p{next(_NUMBERS)}@example.org"
        made = transact(accounts.add_annotator, email=email, name=email, role=Role.VIEWER if role is None else Role.ANNOTATOR)
        if role is not None:
            transact(accounts.set_member, self.dataset.id, made.id, role)
        return transact(accounts.create_token, made.id, name="test", scope="admin")[1]

    def _failed(self) -> str:
        transact = self.site.app.database.transact
        job = transact(
            import_jobs.begin,
            dataset_id=self.dataset.id,
            source={"upload": "0" * 32, "name": "x.csv"},
            mapping=Mapping(columns=("text",)),
        )
        transact(jobs.fail, job.id, {"code": "x", "detail": "x", "id": "x"})
        return job.id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with webapp.site(tmp_path_factory.mktemp("roles")) as site:
        yield Place(site)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_page_answers_each_role_as_the_table_says(place: Place, call: str) -> None:
    assert tuple(place.ask(call, token) for token in place.tokens) == TABLE[call]
