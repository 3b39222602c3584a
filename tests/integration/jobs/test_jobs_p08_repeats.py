"""Promise 8: delivered twice is done once, for every kind of job that there is."""

from __future__ import annotations

import random
import threading

import pytest

import job_kinds
import job_samples
from labelmill import bootstrap, clock
from labelmill.jobs import leases
from labelmill.jobs.model import JobState

TEST_SAMPLES = {
    "add": {"steps": 5, "each": 3},
    "sleep": {"seconds": 0.05},
    "deaf": {"seconds": 0.01},
    "fault": {"tries": 1},
    "refuse": {},
    "flaky": {"times": 0},
    "unstorable": {"tries": 1},
}
#: These take their process along: tests/integration/jobs/test_jobs_runners.py delivers them to real processes.
NEED_A_PROCESS = {"crash", "hoard", "loop", "block"}


def deliver(lab, names=("w1", "w2")):
    """Hand out a message for each free step one to three times, shuffled, to several workers at once, until nothing is due."""
    chance = random.Random(8)
    while True:
        with lab.database.read() as connection:
            free = [step_id for step_id, _ in leases.free_steps(connection)]
        messages = [step_id for step_id in free for _ in range(chance.randint(1, 3))]
        if not messages:
            return
        chance.shuffle(messages)
        threads = [
            threading.Thread(target=_serve, args=(lab, name, messages[number :: len(names)]))
            for number, name in enumerate(names)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)


def _serve(lab, name, messages):
    worker = lab.worker(name)
    for step_id in messages:
        worker.run_next(step_id=step_id)


@pytest.mark.parametrize("kind", sorted(TEST_SAMPLES))
def test_p08_a_message_delivered_one_to_three_times_has_its_effect_once(lab, kind):
    job = lab.submit(kind, **TEST_SAMPLES[kind])
    deliver(lab)
    ended = lab.job(job)
    assert ended.ended
    begun = lab.runs(job)
    assert len(begun) == len({step for step, _, _ in begun}), "each step was begun once"
    if kind == "add":
        assert lab.holds_exactly(job)


def test_p08_every_kind_for_tests_has_its_sample():
    assert {kind.name for kind in job_kinds.kinds()} == set(TEST_SAMPLES) | NEED_A_PROCESS


def test_p08_a_lost_answer_after_the_result_was_stored_changes_nothing(lab, monkeypatch):
    """The commit succeeded, the answer did not arrive: the worker reports again and is told that it is too late."""
    from labelmill.errors import Unavailable

    monkeypatch.setattr(clock, "sleep", lambda _: None)
    real, lost = lab.database.transact, []

    def transact(verb, *arguments, **named):
        answer = real(verb, *arguments, **named)
        if verb is leases.finish and arguments[0].key not in lost:
            lost.append(arguments[0].key)
            raise Unavailable("The answer was lost.")
        return answer

    monkeypatch.setattr(lab.database, "transact", transact)
    job = lab.submit("add")
    lab.work()
    assert lab.holds_exactly(job)
    assert len(lost) == 6


# ------------------------------------------------------------------------------------------------- the product's own kinds


@pytest.fixture
def product(lab):
    """Return the product's own app on the lab's database."""
    with bootstrap.opened(lab.settings) as app:
        yield app


def test_p08_every_kind_of_the_product_has_its_sample(product):
    """A new kind of job without a sample in job_samples.py fails here: it is covered by birth."""
    assert {kind.name for kind in product.registry} == set(job_samples.SAMPLES)


@pytest.mark.parametrize("kind", sorted(job_samples.SAMPLES))
def test_p08_every_kind_of_the_product_has_its_effect_once(lab, product, tmp_path, kind):
    """Delivered one to three times, shuffled, to two workers: the effects equal those of one quiet delivery."""
    lab.runtime = product.runtime
    quiet = job_samples.SAMPLES[kind](product, tmp_path / "quiet")
    lab.work(quiet.job)
    noisy = job_samples.SAMPLES[kind](product, tmp_path / "noisy")
    deliver(lab)
    assert [lab.job(found.job).error for found in (quiet, noisy)] == [None, None]
    assert [lab.job(found.job).state for found in (quiet, noisy)] == [JobState.SUCCEEDED] * 2
    assert noisy.effects() == quiet.effects() != []
