"""What LabelForward's calls do in labelmill: on one dataset, by the features' own verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.accounts import Action, Actor
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import RecordKind, normal_label
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, NotFound
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.annotation.service import Served
    from labelmill.datasets import Dataset
    from labelmill.learning.model import Classifier

#: Rows that are read at once, and classifiers that are listed at all.
PAGE, MOST = 200, 10_000


def the_dataset(connection: Connection, named: str | None) -> Dataset:
    """Return the dataset that LabelForward's clients work on: the one that is named, else the oldest of texts, else the oldest.

    Raises NotFound.
    """
    if named is not None:
        return datasets.find(connection, named)
    after, first = 0, None
    while page := datasets.list_datasets(connection, after=after, limit=PAGE):
        texts = next((each for each in page if each.kind is RecordKind.TEXT), None)
        if texts is not None:
            return texts
        first, after = first or page[0], page[-1].id
    if first is None:
        way_out = "Import one, or take over a LabelForward's: `labelmill adopt labelforward`."
        raise NotFound("There is no dataset yet.", way_out=way_out)
    return first


def opened(connection: Connection, named: str | None, actor: Actor, action: Action) -> Dataset:
    """Return the dataset when ``actor`` may do ``action`` there. Raises what ``require_in`` raises."""
    dataset = the_dataset(connection, named)
    accounts.require_in(connection, actor, action, dataset.id)
    return dataset


def next_text(connection: Connection, named: str | None, actor: Actor) -> Served:
    """Return the record that lies before somebody, or the next one."""
    dataset = opened(connection, named, actor, Action.LABEL)
    return annotation.next_records(connection, dataset, actor.annotator_id)


def store(
    connection: Connection, named: str | None, actor: Actor, *, record_id: int, label: str, key: str | None
) -> str | None:
    """Store somebody's label of a record; returns the id of a training that is due now.

    The same label again changes nothing, another one changes their answer. Raises BadInput for an unknown label, NotFound for an
    unknown record, RecordFull for one that has all its answers.
    """
    dataset = opened(connection, named, actor, Action.LABEL)
    datasets.get_record(connection, dataset.id, record_id)
    label_id = _label_id(dataset, label)
    history = annotation.history(connection, dataset.id, record_id)
    mine = [each for each in history if each.annotator_id == actor.annotator_id]
    if mine and mine[-1].label_ids == (label_id,) and not mine[-1].is_settling:
        return None
    # Whoever presses a button twice at once makes the same key twice.
    made = key or f"labelforward-{record_id}-{len(mine)}-{label_id}"
    done = annotation.answer(connection, dataset, record_id, actor.annotator_id, label_ids=[label_id], key=made)
    return done.job_id


def classifiers(connection: Connection, dataset: Dataset) -> list[Classifier]:
    """Return a dataset's classifiers, oldest first."""
    found: list[Classifier] = []
    while len(found) < MOST:
        page = learning.list_classifiers(connection, dataset.id, before=found[-1].version if found else None, limit=PAGE)
        found += page
        if len(page) < PAGE:
            break
    return found[::-1]


def require_classifier(connection: Connection, dataset: Dataset, classifier_id: int) -> None:
    """Raise NotFound for a classifier that the dataset does not have."""
    learning.get_classifier(connection, classifier_id, dataset_id=dataset.id)


def share(connection: Connection, dataset: Dataset) -> float | None:
    """Return the share of records with a majority, None without records."""
    counted = datasets.counts(connection, dataset.id)
    return counted.answered / counted.records if counted.records else None


def _label_id(dataset: Dataset, label: str) -> int:
    name = normal_label(label)
    found = next((each.id for each in dataset.labels if each.name == name), None)
    if found is None:
        raise BadInput(
            f"The dataset has no label {name[:100]!r}.", where="body.label", way_out="`GET /api/texts/labels` lists them."
        )
    return found
