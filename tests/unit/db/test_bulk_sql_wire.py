"""Rows of MariaDB taken apart by columns: from packets made by hand, cut anywhere, and broken ones."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.err import OperationalError, ProgrammingError

from labelmill.db.bulk import mariadb_wire
from labelmill.db.bulk.mariadb_wire import fetch_columns, split_columns

END = b"\xfe\0\0\x22\0"


def spelled(value):
    """Return a value as the protocol spells it."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    return b"\xfd" + size.to_bytes(3, "little") + value


def packets(*payloads, longest=0xFFFFFF):
    """Return the payloads as packets, those that are too long as several."""
    pieces = []
    for payload in payloads:
        cut = [payload[start : start + longest] for start in range(0, len(payload) + 1, longest)]
        pieces += [len(piece).to_bytes(3, "little") + b"\x07" + piece for piece in cut]
    return b"".join(pieces)


class Trickle(io.RawIOBase):
    """A connection that gives at most ``size`` bytes at a time."""

    def __init__(self, content, size):
        super().__init__()
        self._content, self._size = io.BytesIO(content), size

    def readable(self):
        return True

    def readinto(self, buffer):
        taken = self._content.read(min(self._size, len(buffer)))
        buffer[: len(taken)] = taken
        return len(taken)


def connection(content, size=1 << 20):
    return SimpleNamespace(_rfile=io.BufferedReader(Trickle(content, size)))


def fetched(content, count, size=1 << 20):
    return [row for columns in fetch_columns(connection(content, size), count) for row in zip(*columns, strict=True)]


lengths = st.sampled_from([0, 1, 249, 250, 251, 252, 253, 254, 255, 256, 65_535, 65_536]) | st.integers(0, 600)
values = st.none() | st.builds(
    lambda size, sign: bytes([sign]) * size, lengths, st.sampled_from([0, 97, 0xFB, 0xFC, 0xFE, 0xFF])
)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 4).flatmap(lambda count: st.lists(st.tuples(*[values] * count), min_size=1, max_size=12)),
    cut=st.integers(1, 40),
)
def test_all_values_come_back_wherever_the_stream_is_cut(rows, cut):
    """Nulls, empty values, values whose bytes look like lengths or ends, and lengths of all widths, in any pieces."""
    content = packets(*(b"".join(map(spelled, row)) for row in rows), END)
    assert fetched(content, len(rows[0]), size=cut * cut) == rows


def test_a_result_without_rows_gives_nothing():
    assert fetched(packets(END), 3) == []


@pytest.mark.parametrize("size", [4, 5, 6, 7, 8, 9, 10, 11, 12])
def test_a_row_in_several_packets_is_one_row(monkeypatch, size):
    """A packet of the longest length goes on in the next, also where nothing is left for that one, and where that looks like an end."""
    monkeypatch.setattr(mariadb_wire, "LONGEST", 7)
    monkeypatch.setattr(mariadb_wire, "_cut", cut_all)
    rows = [(b"\xfe" * size,), (b"b",), (b"c" * 20,), (None,)]
    assert fetched(packets(*(spelled(row[0]) for row in rows), END, longest=7), 1) == rows


def cut_all(block):
    """Cut packets whose length fits one byte, which the real one does not take from a length of 7."""
    found, place = [], 0
    while place + 4 <= len(block) and place + 4 + block[place] <= len(block):
        found.append(block[place + 4 : place + 4 + block[place]])
        place += 4 + block[place]
    return found, place, 0


def test_chunks_are_bounded_in_rows_and_in_bytes(monkeypatch):
    monkeypatch.setattr(mariadb_wire, "MOST_ROWS", 50)
    short = [columns[0].len() for columns in fetch_columns(connection(packets(*[b"\x01a"] * 1000, END), 60), 1)]
    assert sum(short) == 1000
    assert max(short) <= 61
    monkeypatch.setattr(mariadb_wire, "CHUNK_BYTES", 3000)
    long = [columns[0].len() for columns in fetch_columns(connection(packets(*[spelled(b"a" * 1000)] * 100, END), 1500), 1)]
    assert sum(long) == 100
    assert max(long) <= 5


def test_an_error_in_the_midst_is_raised_and_no_row():
    error = b"\xff" + (1146).to_bytes(2, "little") + b"#42S02There is no table."
    frames = fetch_columns(connection(packets(*[b"\x01a"] * 3, error)), 1)
    with pytest.raises(ProgrammingError, match="no table"):
        next(frames)


@pytest.mark.parametrize(
    "content", [b"", b"\x05", packets(b"\x01a"), packets(b"\x01a", END)[:-2], packets(spelled(b"x" * 100_000))[:-9]]
)
def test_a_server_that_goes_away_is_no_end(content):
    """Whatever was sent last: without the end mark the rows are not all there."""
    with pytest.raises(OperationalError, match="Lost connection"):
        fetched(content, 1)


def test_a_connection_that_breaks_is_the_drivers_error():
    class Broken(Trickle):
        def readinto(self, _buffer):
            raise TimeoutError("timed out")

    with pytest.raises(OperationalError, match="timed out"):
        list(fetch_columns(SimpleNamespace(_rfile=io.BufferedReader(Broken(b"", 1))), 1))


@pytest.mark.parametrize("row", [b"", b"\x02a", b"\x01ab", b"\xff", b"\xfc\x01", b"\xfd\x00\x00\x01"])
def test_a_row_that_does_not_hold_what_it_says_is_refused(row):
    """Too short, too long, without a length: nothing of it is guessed."""
    with pytest.raises(OperationalError, match="cannot be read"):
        split_columns([b"\x01a", row], 1)
