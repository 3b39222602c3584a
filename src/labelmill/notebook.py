"""labelmill from a notebook: the verbs of the command line as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill import bootstrap, logs
from labelmill.jobs.inline import require_success, run_or_watch
from labelmill.labeltasks import service
from labelmill.rules import RuleSet, load
from labelmill.settings import Settings, load_settings

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike


def label(
    source: str | PathLike[str],
    rules: RuleSet | str | PathLike[str],
    out: str | PathLike[str],
    *,
    text_column: str,
    start: datetime | None = None,
    end: datetime | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Label the rows of a table or file with rules, wait for the end, and return the report.

    ``source`` and ``out`` are written as on the command line (``posts.db::posts``, ``posts.parquet``, a URL); ``rules`` is a rule set or
    the path of one. ``start`` and ``end`` are half open; without a zone they mean UTC. ``options`` are further fields of
    ``labelmill.labeltasks.service.Request``, such as ``id_column``, ``source_map`` or ``overwrite``.
    Raises BadSource, BadFile, BadRules, BadInput or Conflict before anything is written, and JobStopped when the task failed.
    """
    if not logs.is_configured():
        # A notebook shows what a function prints: only trouble is worth it.
        logs.configure("warning", "console")
    rule_set = rules if isinstance(rules, RuleSet) else load(Path(rules), column=text_column).rule_set
    with bootstrap.opened(settings or load_settings()) as app:
        request = service.Request(
            source=app.places.reference(str(source)), sink=app.places.reference(str(out)), rules=rule_set, text_column=text_column,
            start=start, end=end, **options,
        )  # fmt: skip
        task = service.prepare(request, app.places)
        job = service.begin(app.database, app.places, task, limits=app.runtime.limits)
        require_success(run_or_watch(app.runtime, job.id))
        with app.database.read() as connection:
            return service.report(connection, job.id)
