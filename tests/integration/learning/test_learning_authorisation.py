"""Every route on classifiers is authorised (promise 29): a table of the expected status for each caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dataset_callers
import learning_lab
import webapp
from labelmill.accounts import Role, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Route -> the status for nobody; for viewer, annotator, manager and admin of the whole; for manager, annotator and viewer of this
#: dataset only, and for the manager of another dataset only.
TABLE = {
    "GET /v1/datasets/{dataset_id}/classifiers": (401, 404, 404, 200, 200, 200, 200, 200, 404),
    "GET /v1/datasets/{dataset_id}/classifiers/{classifier_id}": (401, 404, 404, 200, 200, 200, 200, 200, 404),
    "PUT /v1/datasets/{dataset_id}/classifiers/{classifier_id}/kept": (401, 404, 404, 200, 200, 200, 403, 403, 404),
    "POST /v1/datasets/{dataset_id}/train": (401, 404, 404, 202, 202, 202, 403, 403, 404),
    "GET /v1/datasets/{dataset_id}/consensus": (401, 404, 404, 200, 200, 200, 200, 200, 404),
    "GET /v1/datasets/{dataset_id}/monitor": (401, 404, 404, 200, 200, 200, 200, 200, 404),
}
BODIES = {"PUT /v1/datasets/{dataset_id}/classifiers/{classifier_id}/kept": {"kept": True}}


class Site:
    def __init__(self, site: webapp.Site) -> None:
        self.site, self.lab = site, learning_lab.Lab(site.app)
        self.here, self.there = self.lab.dataset(12), self.lab.dataset(0)
        self.lab.answer_right(self.here, 6)
        result = self.lab.train(self.here).result
        self.classifier = result["classifier"] if result else 0
        self.callers = dataset_callers.tokens(site, self.here, self.there)

    def ask(self, call: str, token: str) -> int:
        method, _, path = call.partition(" ")
        path = path.replace("{dataset_id}", str(self.here.id)).replace("{classifier_id}", str(self.classifier))
        return self.site.ask(method, path, token=token, json=BODIES.get(call)).status_code


@pytest.fixture(scope="module")
def lab_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("learning"), login_attempts_per_minute=10_000) as site:
        yield Site(site)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_on_classifiers_answers_each_caller_as_the_table_says(lab_site: Site, call: str) -> None:
    assert tuple(lab_site.ask(call, token) for token in lab_site.callers) == TABLE[call]


@pytest.mark.parametrize("call", [call for call in TABLE if not call.startswith("GET ")])
def test_p29_a_read_token_of_an_admin_changes_no_classifier(lab_site: Site, call: str) -> None:
    assert lab_site.ask(call, lab_site.site.token(Role.ADMIN, Scope.READ)) == 403


def test_a_classifier_of_another_dataset_is_not_found(lab_site: Site) -> None:
    path = f"/v1/datasets/{lab_site.there.id}/classifiers/{lab_site.classifier}"
    assert lab_site.site.ask("GET", path, role=Role.ADMIN).status_code == 404
