"""Jobs over HTTP, on every database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labelmill.accounts import Role
from labelmill.jobs import leases
from labelmill.jobs import service as jobs
from labelmill.jobs.model import StepResult

if TYPE_CHECKING:
    from webapp import Site


def test_pages_of_jobs_hold_each_job_once_newest_first(stored_site: Site) -> None:
    made = [stored_site.job(f"Job {number}").id for number in range(7)]
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        page = stored_site.ask(
            "GET", "/v1/jobs", role=Role.VIEWER, params={"limit": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_jobs_are_chosen_by_state_and_kind(stored_site: Site) -> None:
    stored_site.job()
    stopped = stored_site.job()
    stored_site.app.database.transact(jobs.cancel, stopped.id)
    items = stored_site.ask("GET", "/v1/jobs", role=Role.VIEWER, params={"state": "cancelled"}).json()["items"]
    assert [job["id"] for job in items] == [stopped.id]
    assert stored_site.ask("GET", "/v1/jobs", role=Role.VIEWER, params={"kind": "other"}).json()["items"] == []


def test_a_job_tells_its_progress_and_steps(stored_site: Site) -> None:
    job = stored_site.job("Count")
    database = stored_site.app.database
    step = database.transact(leases.claim, "worker-1", queues=None, job_id=job.id)
    assert step is not None
    database.transact(leases.finish, step, StepResult(done=5))
    found = stored_site.ask("GET", f"/v1/jobs/{job.id}", role=Role.VIEWER).json()
    progress = found["progress"]
    assert (found["title"], found["state"], progress["done"], progress["total"], progress["unit"]) == (
        "Count",
        "running",
        5,
        10,
        "rows",
    )
    assert progress["share"] == 0.5
    assert progress["rate"] > 0
    assert progress["seconds_left"] >= 0
    assert [one["state"] for one in found["steps"]] == ["done", "queued"]


def test_a_job_is_cancelled_once_and_can_be_retried(stored_site: Site) -> None:
    job = stored_site.job()
    answers = [
        stored_site.ask("POST", f"/v1/jobs/{job.id}/{verb}", role=Role.MANAGER)
        for verb in ("cancel", "cancel", "retry", "retry")
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 200, 409]
    assert [answer.json().get("state") for answer in answers] == ["cancelled", None, "queued", None]


def test_the_events_of_an_ended_job_are_its_state_and_an_end(stored_site: Site) -> None:
    job = stored_site.job()
    stored_site.app.database.transact(jobs.cancel, job.id)
    answer = stored_site.ask("GET", f"/v1/jobs/{job.id}/events", role=Role.VIEWER)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block for block in answer.text.split("\n\n") if block.startswith("event: job")]
    assert len(events) == 1
    assert json.loads(events[0].partition("data: ")[2])["state"] == "cancelled"


def test_a_job_that_is_not_there_has_no_events(site: Site) -> None:
    assert site.ask("GET", "/v1/jobs/0/events", role=Role.VIEWER).status_code == 404
