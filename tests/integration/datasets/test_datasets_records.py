"""The records of a dataset, on every database: added once, drawn, found again, listed at one price."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import sqlalchemy as sa

from annotation_lab import Lab, person
from labelmill.annotation import service as annotation
from labelmill.datasets import service
from labelmill.datasets.draw import drawn
from labelmill.datasets.model import Added, RecordFilter, record_key
from labelmill.datasets.tables import init_records, records
from labelmill.db import migrate
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.errors import BadInput, Conflict, NotFound


@pytest.fixture
def lab(database):
    return Lab(database)


def frame(*rows):
    """Rows of given id (or None) and content."""
    keys = [record_key(given, content) for given, content in rows]
    given = pl.Series([row[0] for row in rows], dtype=pl.String)
    return pl.DataFrame({"record_key": keys, "given_id": given, "content": [row[1] for row in rows]})


def add(lab, dataset, *rows):
    return lab.database.transact(service.add_records, dataset.id, frame(*rows))


def listed(lab, dataset, limit=50, after=0, **where):
    with lab.database.read() as connection:
        found = service.list_records(connection, dataset.id, where=RecordFilter(**where), after=after, limit=limit)
    return [each.content for each in found]


NASTY = [
    "007",
    "",
    " x ",
    "a\r\nb",
    "'; DROP TABLE records; --",
    "100%",
    "_",
    "\\",
    "😀 陳志明",
    "a\u202eb",
    "x" * 100_000,
    "NULL",
    "\x01",
]


class TestAdd:
    def test_l01_texts_stay_as_they_are(self, lab):
        dataset = lab.dataset(0)
        assert add(lab, dataset, *((None, text) for text in NASTY)) == Added(added=len(NASTY), known=0)
        assert listed(lab, dataset) == NASTY

    def test_l02_again_adds_nothing_and_new_ones_go_in(self, lab):
        dataset = lab.dataset(0)
        rows = [(None, text) for text in NASTY]
        add(lab, dataset, *rows)
        assert add(lab, dataset, *rows, (None, "new")) == Added(added=1, known=len(NASTY))
        assert lab.again(dataset).records == len(NASTY) + 1

    def test_the_same_twice_in_one_slice_is_one(self, lab):
        dataset = lab.dataset(0)
        assert add(lab, dataset, (None, "x"), (None, "x"), ("1", "x"), ("1", "y")) == Added(added=2, known=2)
        assert listed(lab, dataset, given_ids=("1",)) == ["x"]

    def test_another_dataset_may_have_the_same(self, lab):
        one, other = lab.dataset(2), lab.dataset(2)
        assert lab.again(one).records == lab.again(other).records == 2
        assert listed(lab, one) == listed(lab, other) == ["0", "1"]

    def test_p02_two_imports_of_the_same_at_once_add_each_once(self, lab):
        dataset = lab.dataset(0)
        slices = [[(None, f"text {number}") for number in range(start, start + 200)] for start in range(0, 1000, 100)]
        with ThreadPoolExecutor(4) as pool:
            found = [call.result() for call in [pool.submit(add, lab, dataset, *each) for each in slices * 2]]
        assert sum(each.added for each in found) == lab.again(dataset).records == 1100
        with lab.database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(records)) == 1100
            assert service.counts(connection, dataset.id).open == 1100

    def test_each_record_is_drawn_as_the_seed_says(self, lab):
        dataset = lab.dataset(0, seed=7, random_share=0.3)
        rows = [(None, f"text {number}") for number in range(200)]
        add(lab, dataset, *rows)
        wanted = frame(*rows).select(drawn(pl.col("record_key"), 7, 0.3))
        with lab.database.read() as connection:
            stored = connection.execute(sa.select(records.c.shuffle, records.c.in_share).order_by(records.c.id)).all()
        assert [(row.shuffle, int(row.in_share)) for row in stored] == wanted.rows()

    def test_nothing_of_a_slice_is_stored_that_holds_what_cannot_be(self, lab):
        dataset = lab.dataset(0)
        for rows in ([(None, "fine"), (None, "a\0b")], [("i\0d", "x")]):
            with pytest.raises(BadInput, match="NUL") as caught:
                add(lab, dataset, *rows)
            assert caught.value.where.startswith(f"row {len(rows)}, ")
        assert lab.again(dataset).records == 0

    def test_an_empty_slice_is_none(self, lab):
        dataset = lab.dataset(0)
        assert add(lab, dataset) == Added(added=0, known=0)
        nothing = pl.DataFrame({"content": [], "label_id": []})
        assert lab.database.transact(service.add_init_records, dataset.id, nothing) == Added(added=0, known=0)

    def test_there_must_be_a_dataset_in_use(self, lab):
        with pytest.raises(NotFound):
            lab.database.transact(service.add_records, 999, frame((None, "x")))
        dataset = lab.dataset(0)
        lab.database.transact(service.archive, dataset.id)
        with pytest.raises(Conflict, match="archived"):
            add(lab, dataset, (None, "x"))


class TestInit:
    def test_l06_they_are_kept_apart_once_each(self, lab):
        dataset = lab.dataset(2)
        a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
        given = pl.DataFrame({"content": ["x", "x", "x", "y"], "label_id": [a, b, a, b]})
        assert lab.database.transact(service.add_init_records, dataset.id, given) == Added(added=3, known=1)
        assert lab.database.transact(service.add_init_records, dataset.id, given) == Added(added=0, known=4)
        assert listed(lab, dataset) == ["0", "1"]
        with lab.database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(init_records)) == 3

    def test_their_labels_are_the_datasets(self, lab):
        dataset, other = lab.dataset(0), lab.dataset(0)
        given = pl.DataFrame({"content": ["x"], "label_id": [lab.label(other, "a")]})
        with pytest.raises(NotFound, match="no label"):
            lab.database.transact(service.add_init_records, dataset.id, given)


class TestList:
    def test_pages_are_in_order_whatever_is_open(self, lab):
        lab.dataset(3)
        dataset = lab.dataset(30)
        for record_id in lab.ids(dataset)[::3]:
            label = lab.label(dataset, "a")
            lab.database.transact(annotation.answer, dataset, record_id, person(1), label_ids=[label], key=str(record_id))
        found, after = [], 0
        while True:
            with lab.database.read() as connection:
                page = service.list_records(connection, dataset.id, after=after, limit=7)
            if not page:
                break
            found += [each.content for each in page]
            after = page[-1].id
        assert found == [str(number) for number in range(30)]

    def test_a_text_is_found_in_whatever_case_and_holds_no_wildcards(self, lab):
        dataset = lab.dataset(0)
        add(
            lab,
            dataset,
            (None, "Good Day"),
            (None, "100%"),
            (None, "a_b"),
            (None, "a\\b"),
            (None, "axb"),
            (None, "陳志明 said"),
        )
        for text, wanted in (
            ("good d", ["Good Day"]), ("%", ["100%"]), ("_", ["a_b"]), ("\\", ["a\\b"]), ("/", []), ("志明", ["陳志明 said"]), ("'", []),
        ):  # fmt: skip
            assert listed(lab, dataset, text=text) == wanted, text

    def test_given_ids_are_looked_up(self, lab):
        dataset = lab.dataset(0)
        add(lab, dataset, ("1", "one"), ("2", "two"), (None, "1"))
        assert listed(lab, dataset, given_ids=("2", "1", "3")) == ["one", "two"]
        with pytest.raises(BadInput, match="At most 500"):
            listed(lab, dataset, given_ids=tuple(map(str, range(501))))

    def test_a_record_is_its_datasets_only(self, lab):
        one, other = lab.dataset(1), lab.dataset(1)
        with lab.database.read() as connection, pytest.raises(NotFound):
            service.get_record(connection, one.id, lab.ids(other)[0])


@pytest.mark.parametrize("where", [{}, {"is_open": True}, {"is_tied": True}, {"label_id": 1}])
def test_a_page_and_the_counts_walk_along_an_index_and_no_table(tmp_path, where):
    """On SQLite, whose plan can be read: with a million records each step costs what it costs with a thousand."""
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    migrate.upgrade(engine)
    lab = Lab(Database(engine))
    dataset = lab.dataset(5)
    statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda *event: statements.append((event[2], event[3])))
    listed(lab, dataset, **where)
    with lab.database.read() as connection:
        service.counts(connection, dataset.id)
        asked = [each for each in statements if "FROM records" in each[0] and not each[0].startswith("EXPLAIN")]
        plan = [str(row[3]) for each in asked for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each[0]}", each[1])]
    lab.database.close()
    assert len(asked) == 4
    assert [line for line in plan if line.startswith("SCAN records") or ("TEMP B-TREE" in line and not where)] == []
    assert all("ix_records" in line or "PRIMARY KEY" in line for line in plan if "records" in line and "SEARCH" in line), plan
