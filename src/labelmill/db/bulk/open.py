"""One way to open whatever holds rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.many_files import ManyFiles
from labelmill.db.bulk.sql import open_table

if TYPE_CHECKING:
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Source

_DETECT = FileOptions()


def open_source(location: Location, *, options: FileOptions = _DETECT) -> Source:
    """Return the files or the table at ``location``, opened for reading only; raises BadSource, BadFile or Unavailable.

    Several files are looked for when their columns or rows are asked for.
    """
    if location.pattern is not None:
        return ManyFiles(location, options)
    return open_file(location, options=options) if location.is_file else open_table(location)
