"""How large the slices of an import are: as large as what they cost, not as what they had to wait for."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets.slice_writer import ALONE_FIRST, ALONE_ROWS, FIRST_ROWS, MOST_ROWS_SQLITE, SliceWriter
from labelmill.db.company import serving

ROWS = 1_000_000


@pytest.fixture
def writer(embedded, tmp_path):
    made = SliceWriter(embedded, tmp_path)
    yield made
    made.close_idle(0.0)


def test_a_slice_that_waited_for_the_lock_is_followed_by_no_smaller_one(writer, embedded):
    """Else an import beside many who write comes to slices of fifty rows, and waits for each of them."""
    sizes, locked, waiting = [], threading.Event(), threading.Event()

    def hold():
        with embedded.write() as connection:
            connection.execute(sa.text("SELECT 1"))
            locked.set()
            waiting.wait(30)
            clock.sleep(0.3)

    def write(connection, size):
        sizes.append(size)
        connection.execute(sa.text("SELECT 1"))
        return size

    thread = threading.Thread(target=hold)
    with closing(embedded):
        thread.start()
        assert locked.wait(30)
        waiting.set()
        writer.write(write, 0, ROWS)
        thread.join()
        writer.write(write, sizes[0], ROWS)
    assert sizes[0] == ALONE_FIRST
    assert sizes[1] >= sizes[0]


def _sizes(writer, count, done=0):
    """Write slices that cost nothing, and return their sizes."""
    sizes = []
    for _ in range(count):
        sizes.append(writer.write(lambda _connection, size: size, done + sum(sizes), ROWS))
    return sizes


def test_while_people_are_served_slices_begin_small_and_never_grow_large(writer, embedded, tmp_path):
    """What cheap rows allow is no measure for the dear ones behind them."""
    with closing(embedded), serving(tmp_path):
        sizes = _sizes(writer, 8)
        assert sizes[0] == FIRST_ROWS <= 50
        assert sizes == sorted(sizes)
        assert sizes[-1] == MOST_ROWS_SQLITE <= 1_000
        assert _sizes(writer, 1) == [FIRST_ROWS], "the rows of another import cost something else"


def test_slices_begin_anew_when_serving_begins(writer, embedded, tmp_path):
    with closing(embedded):
        alone = _sizes(writer, 6)
        assert (alone[0], alone[-1]) == (ALONE_FIRST, ALONE_ROWS)
        with serving(tmp_path):
            assert _sizes(writer, 1, done=sum(alone)) == [FIRST_ROWS]
