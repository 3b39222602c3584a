"""What appends an annotation, from a form of a page: in one transaction, and then the training that it made due is woken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.annotation.answering import Answered
    from labelmill.bootstrap import App


def stored(app: App, verb: Callable[..., Answered], *args: Any, **values: Any) -> Answered:
    """Return what ``verb(connection, ...)`` returned, committed."""
    done = app.database.transact(verb, *args, **values)
    wake(app, done.job_id)
    return done


def wake(app: App, job_id: str | None) -> None:
    """Tell workers of a training that is due, if one is."""
    if job_id is not None:
        app.runtime.wake(job_id)
