"""What every page of one dataset needs: the dataset, its counts, and who looks with their role in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    from labelmill.accounts import Actor
    from labelmill.bootstrap import App


def dataset_frame(app: App, actor: Actor, dataset_id: int, action: Action = Action.VIEW_DATASET) -> dict[str, Any]:
    """Return ``dataset``, ``counts`` and ``inside`` for ``datasets/frame.html``.

    ``inside`` is the actor with the role that they have in the dataset: ask ``may(inside, ...)``. Raises what ``require_in`` raises.
    """
    with app.database.read() as connection:
        inside = accounts.require_in(connection, actor, action, dataset_id)
        return {
            "inside": inside,
            "dataset": datasets.get(connection, dataset_id),
            "counts": datasets.counts(connection, dataset_id),
        }
