"""The numbers of annotations, which only rise: how new the newest is, and how many came since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.annotation.tables import annotation_rows
from labelmill.db.prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def newest_number(connection: Connection, dataset_id: int) -> int:
    """Return the number of a dataset's newest annotation, 0 for none."""
    query = sa.select(sa.func.max(annotation_rows.c.id)).where(annotation_rows.c.dataset_id == dataset_id)
    return int(connection.scalar(query) or 0)


def answers_since(connection: Connection, dataset_id: int, number: int, limit: int) -> int:
    """Return how many annotations came after number ``number``; counting ends at ``limit``."""
    values = {"this_dataset": dataset_id, "number": number, "most": limit}
    return int(_SINCE.scalar(connection, values) or 0)


_NEWER = sa.select(annotation_rows.c.id).where(
    annotation_rows.c.dataset_id == sa.bindparam("this_dataset"), annotation_rows.c.id > sa.bindparam("number")
)
_SINCE = Prepared(sa.select(sa.func.count()).select_from(_NEWER.limit(sa.bindparam("most")).subquery()))
