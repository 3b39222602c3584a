"""Pages in a browser while Redis or the database is away: who labels notices nothing, or is told what waits; and all catches up."""

from __future__ import annotations

import time
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from loop_crowd import Loop

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
AWAY_SECONDS = 60
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SAVED = "[data-part=saved]"


@contextmanager
def browser_of(loop, chromium_path):
    """Give a signed-in browser, and a list of every answer that it got, by status and address."""
    database = loop.app.database
    me = database.transact(accounts.add_annotator, email="me@example.org", name="Me", role=Role.ADMIN)
    secret = database.transact(accounts.open_session, me.id, Scope.ADMIN, loop.settings)
    base, told = f"http://127.0.0.1:{loop.settings.port}", []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        context = browser.new_context(base_url=base)
        context.add_cookies([{"name": "labelmill_session", "value": secret, "url": base}])
        context.set_default_timeout(60_000)
        context.on("response", lambda answer: told.append((answer.status, answer.url)))
        yield context, told
        browser.close()


def begin_labelling(context, loop):
    page = context.new_page()
    page.goto(f"/datasets/{loop.dataset.id}/label")
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    return page


def slow_job(loop):
    """Submit a job that nobody runs: the test says how far it is."""
    steps = [NewStep(key="one", name="step", phase=0, units=100)]
    values = {"kind": "never", "steps": steps, "params": {}, "title": "a job", "unit": "rows", "queue": "nobody"}
    return loop.app.database.transact(jobs.submit, **values)


def test_p10_labelling_goes_on_for_a_minute_without_redis(rough_redis, sqlite_database, tmp_path, chromium_path):
    """Every call is answered 2xx, the import that is asked for meanwhile is done, and its page goes on by itself."""
    more = {"clients": 1, "records": 2000, "wanted": 0, "redis_url": rough_redis.url}
    with Loop(tmp_path, sqlite_database, **more) as loop, browser_of(loop, chromium_path) as (context, told):
        label = begin_labelling(context, loop)
        rough_redis.stop()
        end, answered = time.monotonic() + AWAY_SECONDS, 0
        while time.monotonic() < end:
            label.keyboard.press("1")
            answered += 1
            if answered % 50 == 0:
                loop.begin_import(len(loop.imported))
            label.wait_for_timeout(200)
        shown = context.new_page()
        shown.goto(f"/jobs/{loop.imported[0]}")
        expect(shown.locator(".state-succeeded").first).to_be_visible(timeout=60_000)
        rough_redis.start()
        expect(label.locator(SAVED)).to_have_text("all saved", timeout=60_000)
        loop.await_quiet()
        assert [each for each in told if each[0] >= httpx.codes.BAD_REQUEST] == []
        assert answered > 100
        assert loop.answers() == answered
        loop.require_imports()
        loop.require_trainings()


def test_p11_a_page_says_that_live_updates_wait_and_catches_up(rough_postgresql, tmp_path, chromium_path):
    """The database is away: what was answered meanwhile is kept in the browser, sent when it is back, and a job's page is live again."""
    with Loop(tmp_path, rough_postgresql.url, clients=1, records=500, wanted=0) as loop:
        job = slow_job(loop)
        with browser_of(loop, chromium_path) as (context, told):
            label = begin_labelling(context, loop)
            shown = context.new_page()
            shown.goto(f"/jobs/{job.id}")
            expect(shown.locator("[data-live-note]")).to_be_visible()
            label.bring_to_front()
            rough_postgresql.stop()
            for _ in range(3):
                label.keyboard.press("1")
                label.wait_for_timeout(100)
            expect(label.locator(SAVED)).not_to_have_text("all saved")
            expect(shown.locator("[data-lost-note]")).to_be_visible()
            assert any(status == httpx.codes.SERVICE_UNAVAILABLE for status, _ in told)
            label.wait_for_timeout(10_000)
            rough_postgresql.start()
            expect(label.locator(SAVED)).to_have_text("all saved", timeout=60_000)
            expect(shown.locator("[data-live-note]")).to_be_visible(timeout=60_000)
            loop.patiently(lambda: loop.app.database.transact(jobs.cancel, job.id))
            expect(shown.locator(".state-cancelled").first).to_be_visible(timeout=60_000)
        assert loop.answers() == 3
