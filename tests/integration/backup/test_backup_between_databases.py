"""A backup of every kind of database, restored into every other kind: the same rows, and labelling goes on."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import webapp
from backup_lab import EMAIL, PASSWORD, files_of, fill, quiet, require_same, rows_of, settings_for
from labelmill.accounts import service as accounts
from labelmill.backup import service
from labelmill.backup.reading import LEFT_OUT
from labelmill.bootstrap import opened_as_is
from labelmill.db import migrate
from labelmill.jobs import leases
from labelmill.jobs.tables import job_steps

if TYPE_CHECKING:
    from pathlib import Path

    from backup_lab import Filled
    from labelmill.bootstrap import App

#: From where to where, and where blobs lie there.
HOPS = [("sqlite", "postgresql", "database:"), ("postgresql", "mariadb", None), ("mariadb", "sqlite", None)]


@pytest.mark.parametrize(("source", "onto", "blobs_url"), HOPS, ids=["-to-".join(hop[:2]) for hop in HOPS])
def test_p25_a_backup_restores_into_another_kind_of_database(
    tmp_path: Path, request: pytest.FixtureRequest, source: str, onto: str, blobs_url: str | None
) -> None:
    file = tmp_path / "all.labelmill"
    url = request.getfixturevalue(f"{source}_migrated")
    with webapp.site(tmp_path / "source", database_url=url, secret=webapp.SECRET) as site:
        filled = fill(site)
        before, files = rows_of(site.app.database), files_of(site.app)
        made = service.backup(site.app, file, quiet)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (made.blobs > 0, made.files, made.vanished) == (True, 1, 0)
    assert [name for name, rows in before.items() if not rows and name not in LEFT_OUT] == []
    new_url = f"sqlite:///{tmp_path}/new.db" if onto == "sqlite" else request.getfixturevalue(f"{onto}_database")
    target = settings_for(tmp_path / "target", new_url, blobs_url=blobs_url)
    with opened_as_is(target) as application:
        done = service.restore(application, file, quiet)
        assert (done.summary, done.freed, done.locked) == (made, 1, 0)
        assert migrate.current(application.database.engine) == migrate.head()
        assert files_of(application) == files
        require_same(before, rows_of(application.database))
        require_freed(application, filled)
    with webapp.site(tmp_path / "target", database_url=new_url, secret=webapp.SECRET, blobs_url=blobs_url) as again:
        require_work_goes_on(again, filled)


def require_freed(app: App, filled: Filled) -> None:
    with app.database.read() as connection:
        query = (
            sa.select(job_steps.c.state, job_steps.c.owner).where(job_steps.c.job_id == filled.job_id).order_by(job_steps.c.seq)
        )
        assert [tuple(row) for row in connection.execute(query)] == [("queued", None), ("waiting", None)]
        assert leases.any_free(connection, job_id=filled.job_id)


def require_work_goes_on(site: webapp.Site, filled: Filled) -> None:
    """Sign in by password, label by token, and let every counting key go on after what was restored."""
    assert accounts.sign_in(site.app.database, EMAIL, PASSWORD, site.app.settings)
    place = f"/v1/datasets/{filled.dataset_id}"
    served = site.ask("POST", f"{place}/next", token=filled.token, json={"count": 1}).json()
    record = served["records"][0]["id"]
    answer = {"label_ids": [filled.label_id], "key": "after"}
    answered = site.ask("POST", f"{place}/records/{record}/answers", token=filled.token, json=answer)
    assert answered.status_code in (200, 201), answered.text
    body = {"name": "another", "kind": "text", "labels": [{"name": "x"}]}
    made = site.ask("POST", "/v1/datasets", role=webapp.Role.ADMIN, json=body)
    assert made.status_code == 201, made.text
    assert made.json()["id"] > filled.dataset_id
