"""Files that a MariaDB or MySQL server may ask this machine for: the one that a statement of ours names, and no other.

LOAD DATA LOCAL lets the server say which file it wants, in answer to any statement. A connection that may load files is therefore
made with the flag that agrees to it but without PyMySQL's leave to send, which is given only while ``sending`` names the one file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def may_send(connection: Any) -> bool:
    """Tell whether this PyMySQL connection and its server agreed on files when it began."""
    from pymysql.constants import CLIENT

    return bool(getattr(connection, "client_flag", 0) & CLIENT.LOCAL_FILES)


@contextmanager
def sending(connection: Any, path: Path) -> Iterator[None]:
    """Let the server ask for the file at ``path`` meanwhile; raise BadSource, and end the connection, where it asks for another."""
    read = connection._read_packet  # noqa: SLF001 - the name that the server asks for passes here only

    def read_checked(*arguments: Any) -> Any:
        packet = read(*arguments)
        if packet.is_load_local_packet() and packet.get_all_data()[1:] != path.as_posix().encode():
            connection._force_close()  # noqa: SLF001
            raise BadSource(
                "The server asks for a file of this machine that it was not offered.",
                where=connection.get_host_info(),
                way_out="Do not write to this server: it is not to be trusted.",
            )
        return packet

    connection._read_packet = read_checked  # noqa: SLF001
    connection._local_infile = True  # noqa: SLF001
    try:
        yield
    finally:
        del connection._read_packet  # noqa: SLF001
        connection._local_infile = False  # noqa: SLF001
