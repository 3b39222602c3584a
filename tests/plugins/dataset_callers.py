"""Who may call a route of a dataset: one token for each column of the tables of promise 29."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.accounts import Role, Scope, service
from labelmill.ids import new_id

if TYPE_CHECKING:
    import webapp
    from labelmill.datasets import Dataset


def tokens(site: webapp.Site, here: Dataset, there: Dataset) -> list[str]:
    """Return nobody's token; those of viewer, annotator, manager and admin of the whole; and of members, who are annotators of the whole.

    The members are manager, annotator and viewer of ``here``, and manager of ``there``.
    """
    everywhere = [site.token(role) for role in (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)]
    inside = ((here, Role.MANAGER), (here, Role.ANNOTATOR), (here, Role.VIEWER), (there, Role.MANAGER))
    return ["", *everywhere, *(_member(site, dataset.id, role) for dataset, role in inside)]


def _member(site: webapp.Site, dataset_id: int, role: Role) -> str:
    database = site.app.database
    made = database.transact(service.add_annotator, email=f"{new_id()}@example.org", name="x", role=Role.ANNOTATOR)
    database.transact(service.set_member, dataset_id, made.id, role)
    return str(database.transact(service.create_token, made.id, name="x", scope=Scope.ADMIN)[1])
