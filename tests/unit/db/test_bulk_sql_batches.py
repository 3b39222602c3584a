"""Frames fetched ahead of their reader, and rows of a cursor turned into columns."""

from __future__ import annotations

import threading
from itertools import count

import polars as pl
import pytest

from labelmill.db.bulk.batches import FETCHED_ROWS, MOST_ROWS, ahead, fetch_frames


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_all_items_come_in_their_order_and_the_thread_ends(wanted):
    assert list(ahead(iter(range(1000)), wanted)) == list(range(1000))
    assert threads() == []


def test_nothing_gives_nothing():
    assert list(ahead(iter(()))) == []
    assert threads() == []


@pytest.mark.parametrize("room", [1, 3])
def test_so_many_items_are_made_ahead_and_no_more(room):
    """While the reader holds one item, exactly ``room`` more are made: memory is bounded by that."""
    made, reached = [], threading.Event()

    def make():
        for number in count():
            made.append(number)
            if number == room:
                reached.set()
            yield number

    items = ahead(make(), room)
    assert next(items) == 0
    assert reached.wait(10)
    assert threading.Event().wait(0.05) is False
    assert made == list(range(room + 1))
    items.close()
    assert made == list(range(room + 1))


def test_an_item_is_made_while_the_last_is_worked_on():
    """The reader need not ask: a maker that waits for the reader's work would else wait for ever."""
    worked = threading.Event()

    def make():
        yield "first"
        assert worked.wait(10)
        yield "second"

    items = ahead(make())
    assert next(items) == "first"
    worked.set()
    assert list(items) == ["second"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_of_the_maker_comes_after_what_it_had_made(kind):
    def make():
        yield 1
        raise kind("broken")

    items = ahead(make())
    assert next(items) == 1
    with pytest.raises(kind, match="broken"):
        next(items)
    assert threads() == []


def test_a_reader_that_leaves_closes_the_maker_before_it_goes_on():
    """Connections that the maker holds are closed when ``close`` returns."""
    closed = []

    def make():
        try:
            yield from count()
        finally:
            closed.append(threading.current_thread().name)

    items = ahead(make())
    next(items)
    items.close()
    assert closed == ["ahead"]
    assert threads() == []


def test_a_reader_whose_work_fails_closes_the_maker():
    closed = []

    def make():
        try:
            yield from count()
        finally:
            closed.append(True)

    def work():
        for item in ahead(make()):
            if item == 3:
                raise LookupError

    with pytest.raises(LookupError):
        work()
    assert closed == [True]
    assert threads() == []


def test_a_reader_that_never_begins_starts_no_thread():
    items = ahead(iter(range(3)))
    assert threads() == []
    items.close()


class Rows:
    """A cursor over rows, that keeps how many were asked for."""

    def __init__(self, rows):
        self._rows, self.asked = list(rows), []

    def fetchmany(self, size):
        self.asked.append(size)
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, FETCHED_ROWS, 20_000])
def test_rows_become_columns_in_their_order(rows):
    cursor = Rows((number, str(number)) for number in range(rows))
    frames = list(fetch_frames(cursor, lambda columns: pl.DataFrame(dict(zip("ab", columns, strict=True)))))
    assert [row for frame in frames for row in frame.rows()] == [(number, str(number)) for number in range(rows)]
    assert max(cursor.asked) <= FETCHED_ROWS
    assert all(frame.height <= MOST_ROWS for frame in frames)
    assert len(frames) <= 2 + rows // MOST_ROWS


def test_chunks_shrink_where_rows_are_long():
    """Ten megabytes a row: after the first chunk rows come one by one."""
    cursor = Rows((b"x" * 10_000_000,) for _ in range(3))
    frames = fetch_frames(Rows([("x" * 20_000,)] * 2_000), lambda columns: pl.DataFrame({"a": columns[0]}))
    heights = [frame.height for frame in frames]
    assert heights[0] == 256
    assert max(heights[1:]) <= 210
    assert sum(heights) == 2_000
    assert sum(frame.height for frame in fetch_frames(cursor, lambda columns: pl.DataFrame({"a": columns[0]}))) == 3
