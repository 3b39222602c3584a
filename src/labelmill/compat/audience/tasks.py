"""What the contract asks for, said in the words of label tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill.compat.audience.rules import COLUMNS
from labelmill.compat.audience.sources import PRODUCTION_PREFIX, source_map
from labelmill.errors import BadInput, BadSource, NotFound
from labelmill.labeltasks import service

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from labelmill.bootstrap import App
    from labelmill.compat.audience.schemas import NewTask
    from labelmill.rules import RuleSet
    from labelmill.settings import Settings

#: The predecessor's default queue: a client that names it means the usual one.
USUAL_QUEUE = "queue1"
#: Schemas that a database user with too many rights could spoil its server with, or tell its accounts from.
SERVERS_OWN = frozenset({"mysql", "sys", "information_schema", "performance_schema", "pg_catalog", "pg_toast"})


def queue_of(settings: Settings, asked: str) -> str:
    """Return the queue that a task goes to; raises BadInput, which lists the queues there are, for one that no worker looks at."""
    if asked in settings.queues:
        return asked
    if asked == USUAL_QUEUE:
        return settings.queues[0]
    known = ", ".join(dict.fromkeys((*settings.queues, USUAL_QUEUE)))
    raise BadInput(f"queue {asked[:64]!r} is unknown.", way_out=f"There are: {known}.")


def times_of(new: NewTask) -> tuple[datetime, datetime]:
    """Return the time range as UTC without saying so; raises BadInput where it is empty."""
    if new.start_time >= new.end_time:
        raise BadInput("start_time must be earlier than end_time.", way_out=f"It was {new.start_time} - {new.end_time}.")
    return new.start_time, new.end_time


def request_of(app: App, new: NewTask, rules: RuleSet) -> service.Request:
    """Return the label task that is meant."""
    start, end = times_of(new)
    return service.Request(
        source=source_of(app.settings, new),
        sink=sink_of(app.settings, new.output_schema), rules=rules,
        text_column=COLUMNS[new.predict_type], id_column="id", source_column="s_id", author_column="author", time_column="post_time",
        start=start.replace(tzinfo=UTC), end=end.replace(tzinfo=UTC), source_map=source_map(app.settings), unmapped="leave-out",
        production_prefix=PRODUCTION_PREFIX, production_after=float(new.countdown), state_table=app.settings.state_table,
    )  # fmt: skip


def title_of(asked: service.Request) -> str:
    """Return a task as a sentence for the list of jobs."""
    place = ".".join(filter(None, (asked.source["schema"], asked.source["table"])))
    return f"Label {asked.text_column} of {place} with {asked.rules.name} (Audience API)"


def source_of(settings: Settings, new: NewTask) -> dict[str, Any]:
    """Return the reference to what a task reads; raises BadSource for a schema that belongs to the server itself."""
    schema = new.target_schema or settings.input_schema
    _check_owner(schema, "Name a schema with posts.")
    return {"setting": "input", "schema": schema, "table": new.target_table}


def sink_of(settings: Settings, schema: str | None = None) -> dict[str, Any]:
    """Return the reference to where a task writes; raises BadSource for a schema that belongs to the server itself.

    The schema is named where it can be: it is kept with a task, which is found there whatever the settings say later.
    """
    schema = schema or settings.output_schema or _database_of(settings.output_database)
    _check_owner(schema, "Name a schema for results.")
    return {"setting": "output", "schema": schema, "table": None}


def _check_owner(schema: str | None, way_out: str) -> None:
    if (schema or "").strip().casefold() in SERVERS_OWN:
        raise BadSource(f"{schema!r} belongs to the server itself.", way_out=way_out)


def _database_of(url: URL | None) -> str | None:
    """Return the database that a URL names where that is a schema, as on MariaDB."""
    return url.database if url is not None and url.get_backend_name() in ("mysql", "mariadb") else None


def config_of(app: App, new: NewTask) -> dict[str, Any]:
    """Return the fields of a request as they are understood, without the task's id."""
    start, end = times_of(new)
    settings = app.settings
    return new.model_dump() | {
        "predict_type": COLUMNS[new.predict_type],
        "start_time": start,
        "end_time": end,
        "target_schema": new.target_schema or _usual_schema(settings.input_database, settings.input_schema),
        "output_schema": new.output_schema or _usual_schema(settings.output_database, settings.output_schema),
        "date_range": f"{start} - {end}",
    }


def place_of(app: App, task_id: str) -> tuple[dict[str, Any], str]:
    """Return the sink and the state table of a task: its own where it was started here, else those of the settings."""
    try:
        with app.database.read() as connection:
            params = service.get(connection, task_id).params
    except NotFound:
        params = {}
    # A task that wrote files has no table to show; one of another version may lack the field.
    table = params.get("state_table")
    return (params["sink"], table) if table else (sink_of(app.settings), app.settings.state_table)


def _usual_schema(url: URL | None, configured: str | None) -> str:
    if url is None or configured:
        return configured or ""
    backend = url.get_backend_name()
    return "public" if backend == "postgresql" else Path(url.database or "").name
