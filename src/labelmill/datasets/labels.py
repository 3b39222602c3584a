"""The verbs on a dataset's labels. A label that was merged or removed stays as a row: answers refer to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets import recount
from labelmill.datasets.model import IGNORED, Label, NewLabel, label_key, normal_label
from labelmill.datasets.palette import checked_colour, checked_shortcut, choose
from labelmill.datasets.rows import dataset_row, label_from, labels_of, locked, require_in_use, rise
from labelmill.datasets.tables import init_records, labels
from labelmill.errors import BadInput, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection, RowMapping

MOST_LABELS: Final = 10_000
LONGEST_DESCRIPTION: Final = 100_000
#: Keys that one statement names.
_KEYS: Final = 500


def add_first(connection: Connection, dataset_id: int, new: Sequence[NewLabel]) -> None:
    """Add the labels of a new dataset in their order, and ``ignored`` after them. Raises BadInput and Conflict."""
    named = [replace(each, name=normal_label(each.name)) for each in new]
    names = [each.name for each in named]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Conflict(f"The label {min(twice)[:100]!r} is given twice.", where="labels", way_out="Leave one of them out.")
    rest = [] if IGNORED in names else [NewLabel(name=IGNORED)]
    _insert(connection, dataset_id, [*named, *rest])


def add_label(connection: Connection, dataset_id: int, new: NewLabel, *, revision: int | None = None) -> Label:
    """Add a label after the others; one that was removed comes back. Raises BadInput, NotFound, Conflict."""
    locked(connection, dataset_id, revision)
    name = normal_label(new.name)
    old = _row_named(connection, dataset_id, name)
    if old is not None:
        _require_free(connection, old, name)
    if old is None:
        _insert(connection, dataset_id, [replace(new, name=name)])
    else:
        _revive(connection, dataset_id, old["id"], new)
    rise(connection, dataset_id)
    return label_from(_row(connection, dataset_id, _ids(connection, dataset_id)[name]))


def change_label(
    connection: Connection,
    dataset_id: int,
    label_id: int,
    *,
    revision: int | None = None,
    name: str | None = None,
    colour: str | None = None,
    shortcut: str | None = None,
    description: str | None = None,
) -> Label:
    """Change what is given; the answers with the label stay its own. Raises BadInput, NotFound, Conflict."""
    locked(connection, dataset_id, revision)
    row = _row(connection, dataset_id, label_id)
    others = [each for each in labels_of(connection, [dataset_id])[dataset_id] if each.id != label_id]
    values: dict[str, Any] = {} if name is None else _renamed(connection, dataset_id, row, normal_label(name))
    values |= {} if colour is None else {"colour": checked_colour(colour, [each.colour for each in others])}
    if shortcut is not None:
        values["shortcut"] = checked_shortcut(shortcut, [each.shortcut for each in others]) if shortcut else ""
    values |= {} if description is None else {"description": checked_description(description)}
    if values:
        connection.execute(sa.update(labels).where(labels.c.id == label_id).values(values))
        rise(connection, dataset_id)
    return label_from(_row(connection, dataset_id, label_id))


def order_labels(
    connection: Connection, dataset_id: int, ids: Sequence[int], *, revision: int | None = None
) -> tuple[Label, ...]:
    """Put the labels into this order, which names each of them once. Raises BadInput, NotFound, Conflict."""
    locked(connection, dataset_id, revision)
    known = {each.id: each.name for each in labels_of(connection, [dataset_id])[dataset_id]}
    if sorted(ids) != sorted(known):
        named = ", ".join(f"{each} ({name})" for each, name in known.items())
        raise BadInput("The order names not each label once.", where="labels", way_out=f"The labels are: {named}.")
    places = [{"label": label_id, "to": place} for place, label_id in enumerate(ids)]
    connection.execute(sa.update(labels).where(labels.c.id == sa.bindparam("label")).values(place=sa.bindparam("to")), places)
    rise(connection, dataset_id)
    return labels_of(connection, [dataset_id])[dataset_id]


def merge_labels(connection: Connection, dataset_id: int, label_id: int, into_id: int, *, revision: int | None = None) -> Label:
    """Let the answers with one label count for another, and offer it no more; majorities are derived anew.

    Answers stay as they were given. Raises NotFound, and Conflict for ``ignored`` and for a label with itself.
    """
    locked(connection, dataset_id, revision)
    row, into = _row(connection, dataset_id, label_id), _row(connection, dataset_id, into_id)
    if label_id == into_id:
        raise Conflict("A label cannot be merged into itself.", where="into", way_out="Name another one.")
    _require_ordinary(row, "merged into another one")
    # All that count for it already count for the other from now on: one look tells what an answer counts for.
    chain = sa.and_(labels.c.dataset_id == dataset_id, sa.or_(labels.c.id == label_id, labels.c.merged_into == label_id))
    connection.execute(sa.update(labels).where(chain).values(merged_into=into_id))
    connection.execute(sa.update(labels).where(labels.c.id == label_id).values(removed_at=clock.now(), shortcut=""))
    _merge_init(connection, dataset_id, label_id, into_id)
    rise(connection, dataset_id)
    recount.begin(connection, dataset_id)
    return label_from(into)


def merged_labels(connection: Connection, dataset_id: int) -> dict[int, int]:
    """Return for each label that was merged the one that its answers count for."""
    query = sa.select(labels.c.id, labels.c.merged_into).where(
        labels.c.dataset_id == dataset_id, labels.c.merged_into.is_not(None)
    )
    return {row.id: row.merged_into for row in connection.execute(query)}


def remove_label(connection: Connection, dataset_id: int, label_id: int, *, revision: int | None = None) -> None:
    """Offer a label no more. Raises NotFound, and Conflict for ``ignored`` and for one that answers or init records have."""
    locked(connection, dataset_id, revision)
    row = _row(connection, dataset_id, label_id)
    _require_ordinary(row, "removed")
    # Answers that are on their way hold the label's row until they are there.
    connection.execute(sa.select(labels.c.id).where(labels.c.id == label_id).with_for_update())
    if _is_used(connection, dataset_id, label_id):
        raise Conflict(
            f"The label {row['name'][:100]!r} has answers.",
            where="label",
            way_out="Merge it into another one: no answer is lost.",
        )
    connection.execute(sa.update(labels).where(labels.c.id == label_id).values(removed_at=clock.now(), shortcut=""))
    rise(connection, dataset_id)


def ensure_labels(connection: Connection, dataset_id: int, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of the labels with these names, which are made where they are missing; one that was merged gives the other's.

    The names of the answer are as they were given. Raises BadInput, NotFound, Conflict.
    """
    given = {name: normal_label(name) for name in names}
    known = _ids(connection, dataset_id)
    if set(given.values()) <= set(known):
        require_in_use(dataset_row(connection, dataset_id))
        return {name: known[normal] for name, normal in given.items()}
    locked(connection, dataset_id)
    known = _ids(connection, dataset_id)
    missing = [name for name in dict.fromkeys(given.values()) if name not in known]
    if missing:
        _add_missing(connection, dataset_id, missing)
        rise(connection, dataset_id)
        known = _ids(connection, dataset_id)
    return {name: known[normal] for name, normal in given.items()}


def checked_description(text: str) -> str:
    """Return a label's description; raises BadInput for one that cannot be kept."""
    if len(text) > LONGEST_DESCRIPTION or "\0" in text:
        raise BadInput(f"A description has at most {LONGEST_DESCRIPTION:,} characters, none of them NUL.", where="description")
    return text


def _insert(connection: Connection, dataset_id: int, new: Sequence[NewLabel]) -> None:
    present = labels_of(connection, [dataset_id]).get(dataset_id, ())
    place = _next_place(connection, dataset_id)
    if len(present) + len(new) > MOST_LABELS:
        raise BadInput(f"A dataset has at most {MOST_LABELS:,} labels.", where="labels")
    rows = [
        {
            "dataset_id": dataset_id, "name": each.name, "name_key": label_key(each.name), "place": place + index,
            "description": checked_description(each.description), "is_ignored": each.name == IGNORED,
            "merged_into": None, "removed_at": None,
        } | look
        for index, (each, look) in enumerate(zip(new, choose(present, new), strict=True))
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(labels), rows)


def _revive(connection: Connection, dataset_id: int, label_id: int, new: NewLabel) -> None:
    """Offer a removed label again, as the last one."""
    [look] = choose(labels_of(connection, [dataset_id]).get(dataset_id, ()), [new])
    place = _next_place(connection, dataset_id)
    values = look | {"description": checked_description(new.description), "place": place, "removed_at": None}
    connection.execute(sa.update(labels).where(labels.c.id == label_id).values(values))


def _add_missing(connection: Connection, dataset_id: int, names: Sequence[str]) -> None:
    mine = sa.and_(labels.c.dataset_id == dataset_id, labels.c.merged_into.is_(None), labels.c.removed_at.is_not(None))
    removed = {row.name: row.id for row in connection.execute(sa.select(labels.c.name, labels.c.id).where(mine))}
    for name in names:
        if name in removed:
            _revive(connection, dataset_id, removed[name], NewLabel(name=name))
    _insert(connection, dataset_id, [NewLabel(name=name) for name in names if name not in removed])


def _ids(connection: Connection, dataset_id: int) -> dict[str, int]:
    """Return the ids of labels by name, those that were merged by the one that they count for, without those that were removed."""
    here = sa.or_(labels.c.removed_at.is_(None), labels.c.merged_into.is_not(None))
    query = sa.select(labels.c.name, sa.func.coalesce(labels.c.merged_into, labels.c.id).label("id"))
    return {row.name: row.id for row in connection.execute(query.where(labels.c.dataset_id == dataset_id, here))}


def _row(connection: Connection, dataset_id: int, label_id: int) -> RowMapping:
    """Return a label's row. Raises NotFound, also for one that was merged or removed."""
    query = sa.select(labels).where(labels.c.id == label_id, labels.c.dataset_id == dataset_id, labels.c.removed_at.is_(None))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"The dataset has no label {label_id}.",
            where="label",
            way_out=f"`labelmill dataset labels {dataset_id}` shows them.",
        )
    return row


def _row_named(connection: Connection, dataset_id: int, name: str) -> RowMapping | None:
    query = sa.select(labels).where(labels.c.dataset_id == dataset_id, labels.c.name_key == label_key(name))
    return connection.execute(query).mappings().one_or_none()


def _require_free(connection: Connection, row: RowMapping, name: str) -> None:
    """Raise Conflict for a name that a label has which is offered, or which was merged."""
    if row["removed_at"] is None:
        raise Conflict(f"There is a label {name[:100]!r} already.", where="label", way_out="Take another name.")
    if row["merged_into"] is not None:
        into = connection.scalar(sa.select(labels.c.name).where(labels.c.id == row["merged_into"])) or ""
        way_out = f"Take another name; what is called so counts for {into[:100]!r}."
        raise Conflict(f"The label {name[:100]!r} was merged into another one.", where="label", way_out=way_out)


def _require_ordinary(row: RowMapping, what: str) -> None:
    if row["is_ignored"]:
        raise Conflict(f"The label {IGNORED!r} cannot be {what}.", where="label", way_out="Nobody has to use it.")


def _renamed(connection: Connection, dataset_id: int, row: RowMapping, name: str) -> dict[str, str]:
    """Return what a new name changes. Raises Conflict for ``ignored``, and for a name that another label has or had."""
    if name == row["name"]:
        return {}
    _require_ordinary(row, "renamed")
    old = _row_named(connection, dataset_id, name)
    if old is not None:
        _require_free(connection, old, name)
        way_out = "Take another name, or add the removed one again and merge this one into it."
        raise Conflict(f"A label {name[:100]!r} was removed.", where="label", way_out=way_out)
    return {"name": name, "name_key": label_key(name)}


def _next_place(connection: Connection, dataset_id: int) -> int:
    highest = connection.scalar(sa.select(sa.func.max(labels.c.place)).where(labels.c.dataset_id == dataset_id))
    return 0 if highest is None else int(highest) + 1


def _is_used(connection: Connection, dataset_id: int, label_id: int) -> bool:
    init = sa.select(init_records.c.id).where(init_records.c.dataset_id == dataset_id, init_records.c.label_id == label_id)
    return connection.scalar(init.limit(1)) is not None or recount.has_answers(connection, label_id)


def _merge_init(connection: Connection, dataset_id: int, label_id: int, into_id: int) -> None:
    mine = init_records.c.dataset_id == dataset_id
    double = init_records.alias()
    same = sa.select(double.c.record_key).where(double.c.dataset_id == dataset_id, double.c.label_id == into_id)
    keys = list(connection.scalars(same))
    for start in range(0, len(keys), _KEYS):
        lost = sa.and_(mine, init_records.c.label_id == label_id, init_records.c.record_key.in_(keys[start : start + _KEYS]))
        connection.execute(sa.delete(init_records).where(lost))
    connection.execute(sa.update(init_records).where(mine, init_records.c.label_id == label_id).values(label_id=into_id))
