"""How large the slices of an import are: as large as what they cost, not as what they had to wait for."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets.slice_writer import FIRST_ROWS, SliceWriter

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
    assert sizes[0] == FIRST_ROWS
    assert sizes[1] >= sizes[0]
