"""The majority is a pure function of the annotations: any order of answers, repeats, changes, withdrawals, undos and settlings."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import event

from annotation_lab import person
from labelmill.annotation import service
from labelmill.annotation.tables import current_annotations, record_leases
from labelmill.errors import Conflict, NotFound, RecordFull

who = st.integers(1, 4)
which = st.integers(0, 2)
label = st.sampled_from("abc")


class Annotators(RuleBasedStateMachine):
    """Annotators at work through the service, beside a list of what each of them said."""

    def __init__(self, lab):
        super().__init__()
        self.lab = lab
        self.dataset = None
        #: Who holds more than is wanted, and of what: settling is beyond it, and so is taking that back.
        self.beyond = set()

    @initialize(wanted=st.integers(0, 3), least=st.integers(1, 2), tie=st.sampled_from(["open", "first"]))
    def begin(self, wanted, least, tie):
        self.dataset = self.lab.dataset(3, labels_per_record=wanted, min_label_count=least, tie=tie)
        self.ids = self.lab.ids(self.dataset)
        #: Of each record the answers in the order in which they were given: annotator, label, whether it settles.
        self.said = {each: [] for each in self.ids}
        self.order = {}
        self.sent = []

    @rule(who=who, which=which, label=label)
    def answer(self, who, which, label):
        record, key = self.ids[which], f"key {self.dataset.id} {len(self.sent)}"
        is_known = any(each[0] == who for each in self.said[record])
        try:
            self.lab.answer(self.dataset, record, who, label, key=key)
        except RecordFull:
            assert not is_known
            assert self.dataset.settings.labels_per_record
            return
        self._say(who, record, label, settles=False)
        self.sent.append((who, record, label, key))

    @rule(number=st.integers(0, 50))
    def repeat(self, number):
        """A key that came before changes nothing, whatever happened since."""
        if not self.sent:
            return
        who, record, label, key = self.sent[number % len(self.sent)]
        assert self.lab.answer(self.dataset, record, who, label, key=key).repeated
        with suppress(Conflict):
            self.lab.answer(self.dataset, record, who, "a" if label != "a" else "b", key=key)
            raise AssertionError("another answer with the same key was taken")

    @rule(who=who, which=which)
    def withdraw(self, who, which):
        record = self.ids[which]
        is_known = any(each[0] == who for each in self.said[record])
        try:
            self.lab.withdraw(self.dataset, record, who)
        except NotFound:
            assert not is_known
        else:
            assert is_known
            self._unsay(who, record)

    @rule(who=who)
    def undo(self, who):
        mine = {record: number for (each, record), number in self.order.items() if each == who}
        try:
            found = self.lab.undo(self.dataset, who).annotation.record_id
        except NotFound:
            assert not mine
        else:
            assert found == max(mine, key=mine.__getitem__)
            self._unsay(who, found)

    @rule(who=who, which=which, label=label)
    def settle(self, who, which, label):
        self.lab.settle(self.dataset, self.ids[which], who, label)
        self._say(who, self.ids[which], label, settles=True)

    @rule(who=who, count=st.integers(1, 3))
    def ask(self, who, count):
        for each in self.lab.next(self.dataset, who, count=count).records:
            assert all(said[0] != who for said in self.said[each.record.id])

    @rule(who=who, which=which)
    def skip(self, who, which):
        self.lab.database.transact(service.skip, self.dataset, self.ids[which], person(who))

    @rule(who=who)
    def release(self, who):
        self.lab.database.transact(service.release, self.dataset, person(who))

    @invariant()
    def every_record_is_what_its_answers_come_to(self):
        if self.dataset is None:
            return
        chosen = self.dataset.settings
        for record, said in self.said.items():
            row = self.lab.row(record)
            assert (row["answers"], row["majority_id"], row["is_tied"]) == (len(said), *self._majority(said))
            assert row["is_open"] == (chosen.labels_per_record == 0 or len(said) < chosen.labels_per_record)

    @invariant()
    def answers_and_leases_stay_below_what_is_wanted(self):
        wanted = self.dataset.settings.labels_per_record if self.dataset else 0
        for record in self.ids if wanted else ():
            with self.lab.database.read() as connection:
                held = {
                    found
                    for table in (current_annotations, record_leases)
                    for found in connection.scalars(sa.select(table.c.annotator_id).where(table.c.record_id == record))
                }
            assert len(held) <= wanted + len(self.beyond & {(each, record) for each in held})

    def _majority(self, said):
        settled = [each for each in said if each[2]]
        if settled:
            return self.lab.label(self.dataset, settled[-1][1]), False
        votes = Counter(each[1] for each in said)
        if not votes or len(said) < self.dataset.settings.min_label_count:
            return None, False
        best = [name for name, count in votes.items() if count == max(votes.values())]
        if len(best) > 1 and self.dataset.settings.tie == "open":
            return None, True
        return self.lab.label(self.dataset, next(each[1] for each in said if each[1] in best)), False

    def _say(self, who, record, label, *, settles):
        self._unsay(who, record)
        self.said[record].append((who, label, settles))
        self.order[who, record] = max(self.order.values(), default=0) + 1
        if settles:
            self.beyond |= {(person(each), record) for each in range(1, 5)}

    def _unsay(self, who, record):
        self.said[record] = [each for each in self.said[record] if each[0] != who]
        self.order.pop((who, record), None)


def test_p04_the_majority_is_a_function_of_the_annotations(small_lab):
    # What a power failure would take is nothing that is tested here.
    event.listen(small_lab.database.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous=OFF").close())
    small_lab.database.engine.dispose()
    run_state_machine_as_test(
        lambda: Annotators(small_lab),
        settings=settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)),
    )
