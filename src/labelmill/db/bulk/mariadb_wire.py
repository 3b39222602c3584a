"""The rows of a MariaDB or MySQL result as they come over the wire, taken apart a column at a time and not a value at a time.

PyMySQL connects, asks and reads what describes the result; the rows themselves are read here. Each row is one packet: three bytes of
length, one of sequence, then each value with its length before it, as text or bytes, or the mark of a null.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Rows that are taken apart at one time.
MOST_ROWS = 16_384
CHUNK_BYTES = 4 << 20
#: Bytes that are asked for at one time; servers send 16 kB.
BLOCK_BYTES = 64 << 10
#: A packet of this length goes on in the next one.
LONGEST = 0xFFFFFF
_NULL, _TWO, _THREE, _EIGHT, _ERROR = 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
#: The packet that ends a result is shorter than any row whose first value has eight bytes of length.
_END_BYTES = 9
_header = Struct("<I").unpack_from


def fetch_columns(connection: Any, count: int) -> Iterator[list[pl.Series]]:
    """Yield the ``count`` columns of each chunk of rows, as bytes, of the unbuffered query that ``connection`` has just begun.

    Raises PyMySQL's error where the server reports one or goes away.
    """
    for rows in _chunks(connection):
        yield split_columns(rows, count)


def split_columns(rows: list[bytes], count: int) -> list[pl.Series]:
    """Return the ``count`` values of all rows, column by column."""
    places = pl.DataFrame(
        {"row": pl.Series(rows, dtype=pl.Binary), "place": pl.repeat(0, len(rows), dtype=pl.UInt32, eager=True)}
    )
    columns = []
    for _ in range(count):
        found = places.select("row", *_start_and_length(places))
        value = pl.col("row").bin.slice("start", "length")
        if found.get_column("length").null_count():  # a slice without a length would go on to the end
            value = pl.when(pl.col("length").is_not_null()).then(value)
        columns.append(found.select(value=value).to_series())
        places = found.select("row", place=pl.col("start") + pl.col("length").fill_null(0))
    if not places.select((pl.col("place") == pl.col("row").bin.size()).all()).item():
        _refuse()
    return columns


def _start_and_length(places: pl.DataFrame) -> tuple[pl.Expr, pl.Expr]:
    """Return where in each row the value after ``place`` starts, and its length, null for a null."""
    place, first = pl.col("place"), _number(0, pl.UInt8)
    most = places.select(first.max()).item()
    if most is None or most == _ERROR:
        _refuse()
    if most < _NULL:
        return (place + 1).alias("start"), first.cast(pl.UInt32).alias("length")
    two = _number(1, pl.UInt16).cast(pl.UInt32)
    three = two + _number(3, pl.UInt8).cast(pl.UInt32) * 0x10000
    eight = _number(1, pl.UInt64).cast(pl.UInt32)
    length = pl.when(first < _NULL).then(first.cast(pl.UInt32)).when(first == _TWO).then(two).when(first == _THREE).then(three)
    width = pl.when(first <= _NULL).then(1).when(first == _TWO).then(3).when(first == _THREE).then(4).otherwise(9)
    return (place + width.cast(pl.UInt32)).alias("start"), length.when(first == _EIGHT).then(eight).alias("length")


def _number(offset: int, dtype: type[pl.DataType]) -> pl.Expr:
    """Return the whole number so many bytes after ``place`` in each row; null where the row ends before."""
    size = {pl.UInt8: 1, pl.UInt16: 2, pl.UInt64: 8}[dtype]  # type: ignore[index]
    return pl.col("row").bin.slice(pl.col("place") + offset, size).bin.reinterpret(dtype=dtype, endianness="little")


def _chunks(connection: Any) -> Iterator[list[bytes]]:
    """Yield the rows that the server sends, each as it came, in lists that are bounded in number and bytes."""
    held: list[bytes] = []
    rest, wanted, size, ended = b"", 0, 0, False
    while not ended:
        block = rest + _receive(connection, wanted)
        packets, end, wanted = _cut(block)
        rest = block[end:]
        size += end
        held += packets
        ended = _ends(held)
        if ended:
            held.pop()
        if held and (ended or ((len(held) >= MOST_ROWS or size >= CHUNK_BYTES) and len(held[-1]) < LONGEST)):
            yield held if size < LONGEST else _joined(held)
            held, size = [], 0


def _cut(block: bytes) -> tuple[list[bytes], int, int]:
    """Return the whole packets in ``block``, where the next one begins, and the bytes that it lacks as far as that can be told."""
    packets: list[bytes] = []
    add = packets.append
    place, last = 0, len(block)
    while place + 4 <= last:
        end = place + 4 + (_header(block, place)[0] & LONGEST)
        if end > last:
            return packets, place, end - last
        add(block[place + 4 : end])
        place = end
    return packets, place, 0


def _receive(connection: Any, wanted: int) -> bytes:
    from pymysql.constants import CR
    from pymysql.err import OperationalError

    stream = connection._rfile  # noqa: SLF001 - PyMySQL itself reads value by value
    try:
        taken: bytes = stream.read(wanted) if wanted > BLOCK_BYTES else stream.read1(BLOCK_BYTES)
    except OSError as error:
        raise OperationalError(CR.CR_SERVER_LOST, f"Lost connection to the server during the query ({error})") from error
    if not taken:
        raise OperationalError(CR.CR_SERVER_LOST, "Lost connection to the server during the query")
    return taken


def _ends(packets: list[bytes]) -> bool:
    """Tell whether the last packet says that there are no more; raise what it says where it is an error."""
    if not packets or (len(packets) > 1 and len(packets[-2]) == LONGEST):
        return False
    last = packets[-1]
    if last[:1] == bytes([_ERROR]):
        from pymysql.err import raise_mysql_exception

        raise_mysql_exception(last)
    return last[:1] == bytes([_EIGHT]) and len(last) < _END_BYTES


def _joined(packets: list[bytes]) -> list[bytes]:
    """Return the rows, those whole that were sent in several packets."""
    rows: list[list[bytes]] = []
    goes_on = False
    for packet in packets:
        if goes_on:
            rows[-1].append(packet)
        else:
            rows.append([packet])
        goes_on = len(packet) == LONGEST
    return [b"".join(row) for row in rows]


def _refuse() -> NoReturn:
    from pymysql.constants import CR
    from pymysql.err import OperationalError

    raise OperationalError(CR.CR_MALFORMED_PACKET, "The server sent a row that cannot be read")
