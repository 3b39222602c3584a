"""Labelling goes on without one error while rows come in, and each of both is there once afterwards (promises 1 and 5)."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from annotation_lab import Lab
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation.tables import current_annotations
from labelmill.datasets import import_jobs, record_rows
from labelmill.datasets.import_places import reference
from labelmill.datasets.imports import Mapping
from labelmill.db.company import serving
from labelmill.jobs.inline import run_or_watch

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site

ROWS = 6000


def test_p01_p05_people_label_while_many_rows_come_in(stored_site: Site, tmp_path: Path) -> None:
    """Into the very dataset that they label, with rows that are there already and rows that are none among them."""
    site, database = stored_site, stored_site.app.database
    dataset = Lab(database).dataset(500)
    database.transact(accounts.set_member, dataset.id, site.person(Role.ANNOTATOR), Role.ANNOTATOR)
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "".join(f"{number}\n" for number in range(ROWS)) + '""\n')
    source = reference(site.app.places, str(path))
    job = database.transact(
        import_jobs.begin, dataset_id=dataset.id, source=source, mapping=Mapping(columns=("text",)), piece_rows=500
    )
    told: Counter[int] = Counter()
    answered: list[int] = []

    def ask(path: str, **body: Any) -> Any:
        answer = site.ask("POST", f"/v1/datasets/{dataset.id}{path}", role=Role.ANNOTATOR, json=body)
        told[answer.status_code] += 1
        return answer.json()

    with serving(site.app.settings.data_dir):
        importing = threading.Thread(target=run_or_watch, args=(site.app.runtime, job.id))
        importing.start()
        while importing.is_alive():
            for record in ask("/next", count=5)["records"]:
                ask(f"/records/{record['id']}/answers", label_ids=[dataset.labels[0].id], key=f"k{record['id']}")
                answered.append(record["id"])
        importing.join()
    assert set(told) == {200}
    assert len(answered) > 10
    with database.read() as connection:
        there = connection.scalars(sa.select(record_rows.c.content).where(record_rows.c.dataset_id == dataset.id)).all()
        stored = connection.scalars(sa.select(current_annotations.c.record_id)).all()
    assert sorted(there, key=int) == [str(number) for number in range(ROWS)]
    assert sorted(stored) == sorted(answered)
