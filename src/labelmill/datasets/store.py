"""The verbs on datasets themselves: make, find, change and archive them, and count what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.datasets import recount
from labelmill.datasets.labels import add_first
from labelmill.datasets.model import Counts, Dataset, DatasetSettings, NewLabel, RecordKind, normal_name
from labelmill.datasets.rows import dataset_from, dataset_of, dataset_row, flag, labels_of, locked, rise
from labelmill.datasets.tables import datasets, records
from labelmill.errors import BadInput, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

#: Characters; some books are shorter.
LONGEST_GUIDELINES: Final = 1_000_000
#: They say which records are drawn at random: changed later, records of two draws would lie beside each other.
_DRAWN: Final = ("seed", "random_share")
#: They say what the answers to a record come to.
_DERIVING: Final = ("labels_per_record", "min_label_count", "tie")
#: They say which records a classifier asks first.
_ORDERING: Final = ("order", "uncertainty", "ignored_threshold")


def create(
    connection: Connection,
    *,
    name: str,
    kind: RecordKind,
    labels: Sequence[NewLabel] = (),
    guidelines: str = "",
    settings: DatasetSettings | None = None,
    created_by: str | None = None,
) -> Dataset:
    """Make a dataset with these labels, and with ``ignored`` after them. Raises BadInput, and Conflict for a name that is taken."""
    _require_learner(settings)
    row: dict[str, Any] = {
        "name": normal_name(name), "kind": RecordKind(kind), "guidelines": _guidelines(guidelines), "records": 0, "revision": 1,
        "settings": (settings or DatasetSettings()).as_dict(), "created_at": clock.now(), "created_by": created_by,
        "archived_at": None, "removed_at": None,
    }  # fmt: skip
    try:
        with connection.begin_nested():
            made = connection.execute(sa.insert(datasets).values(row)).inserted_primary_key
    except IntegrityError as error:
        raise _taken(row["name"]) from error
    dataset_id = int(made[0]) if made else 0
    add_first(connection, dataset_id, labels)
    return get(connection, dataset_id)


def get(connection: Connection, dataset_id: int) -> Dataset:
    """Return a dataset with its labels, archived or not. Raises NotFound."""
    return dataset_of(connection, dataset_id)


def find(connection: Connection, text: str) -> Dataset:
    """Return the dataset with this name, else the one with this id. Raises NotFound."""
    found = connection.scalar(sa.select(datasets.c.id).where(datasets.c.name == text, datasets.c.removed_at.is_(None)))
    if found is None and text.isascii() and text.isdigit() and len(text) <= 18:  # noqa: PLR2004 - digits that every database takes
        found = connection.scalar(sa.select(datasets.c.id).where(datasets.c.id == int(text)))
    if found is None:
        raise NotFound(f"There is no dataset {text[:100]!r}.", way_out="`labelmill dataset list` shows the datasets.")
    return get(connection, found)


def list_datasets(
    connection: Connection, *, only: Sequence[int] | None = None, archived: bool = False, after: int = 0, limit: int = 50
) -> list[Dataset]:
    """Return datasets in the order in which they were made, those after the id ``after``; with ``only`` no others than these."""
    state = datasets.c.archived_at.is_not(None) if archived else datasets.c.archived_at.is_(None)
    query = (
        sa.select(datasets)
        .where(datasets.c.id > after, state, datasets.c.removed_at.is_(None))
        .order_by(datasets.c.id)
        .limit(limit)
    )
    query = query if only is None else query.where(datasets.c.id.in_(only))
    rows = connection.execute(query).mappings().all()
    named = labels_of(connection, [row["id"] for row in rows])
    return [dataset_from(row, named.get(row["id"], ())) for row in rows]


def change(
    connection: Connection,
    dataset_id: int,
    *,
    revision: int | None = None,
    name: str | None = None,
    guidelines: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Dataset:
    """Change what is given; of ``settings`` those that are named. Raises BadInput, NotFound, and Conflict for an old ``revision``.

    What answers come to is derived anew where the settings say it otherwise than before, and so is the queue.
    """
    row = locked(connection, dataset_id, revision)
    before = DatasetSettings.from_dict(row["settings"])
    after = DatasetSettings.from_dict({**row["settings"], **(settings or {})})
    _require_same_draw(before, after, row["records"])
    _require_learner(after)
    values: dict[str, Any] = {"settings": after.as_dict()}
    values |= {} if name is None else {"name": normal_name(name)}
    values |= {} if guidelines is None else {"guidelines": _guidelines(guidelines)}
    try:
        with connection.begin_nested():
            rise(connection, dataset_id, **values)
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    if any(getattr(before, each) != getattr(after, each) for each in _DERIVING):
        recount.begin(connection, dataset_id)
    changed = get(connection, dataset_id)
    if any(getattr(before, each) != getattr(after, each) for each in _ORDERING):
        from labelmill.learning import service as learning  # slow to import, and stands on this feature

        learning.after_reordering(connection, changed)
    return changed


def archive(connection: Connection, dataset_id: int) -> Dataset:
    """Put a dataset out of use; all of it stays. Raises NotFound."""
    if locked(connection, dataset_id, in_use=False)["archived_at"] is None:
        rise(connection, dataset_id, archived_at=clock.now())
    return get(connection, dataset_id)


def restore(connection: Connection, dataset_id: int) -> Dataset:
    """Put an archived dataset into use again. Raises NotFound."""
    if locked(connection, dataset_id, in_use=False)["archived_at"] is not None:
        rise(connection, dataset_id, archived_at=None)
    return get(connection, dataset_id)


def counts(connection: Connection, dataset_id: int) -> Counts:
    """Return how far a dataset is. Raises NotFound.

    The number of records is kept, whatever it is. What is counted takes longer the more was answered, not the more there is to do.
    """
    total = dataset_row(connection, dataset_id)["records"]
    mine = records.c.dataset_id == dataset_id

    def number(*which: Any) -> int:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(records).where(mine, *which)) or 0)

    full = number(records.c.is_open == flag(False))
    return Counts(
        records=total,
        answered=number(records.c.majority_id.is_not(None)),
        tied=number(records.c.is_tied == flag(True)),
        annotations=recount.answers(connection, dataset_id),
        open=total - full,
    )


def _require_learner(settings: DatasetSettings | None) -> None:
    """Raise BadInput for a learner that there is not: its first training would fail, long after it was named."""
    if settings is None or settings.learner == DatasetSettings.learner:
        return
    from labelmill.learning import service as learning  # slow to import

    learning.find_learner(settings.learner)


def _require_same_draw(before: DatasetSettings, after: DatasetSettings, number: int) -> None:
    changed = [each for each in _DRAWN if getattr(before, each) != getattr(after, each)]
    if changed and number:
        raise Conflict(
            "It says which records are drawn at random, and the records have been drawn.",
            where=f"settings.{changed[0]}",
            way_out="Make a new dataset with it.",
        )


def _guidelines(text: str) -> str:
    if len(text) > LONGEST_GUIDELINES or "\0" in text:
        raise BadInput(f"Guidelines have at most {LONGEST_GUIDELINES:,} characters, none of them NUL.", where="guidelines")
    return text


def _taken(name: str) -> Conflict:
    return Conflict(
        f"There is a dataset {name!r} already, perhaps an archived one.", where="name", way_out="Take another name."
    )
