"""``labelmill db``: the schema of labelmill's own database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from labelmill.console import JsonOption, print_fields, print_json, say, settings_of
from labelmill.db import migrate
from labelmill.db.database import answering
from labelmill.db.engine import make_engine
from labelmill.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

app = typer.Typer(no_args_is_help=True, help="Look after the schema of labelmill's own database.")


@app.command()
def upgrade(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(help="The revision to go to.")] = "head",
    json: JsonOption = False,
) -> None:
    """Bring the database to the schema that this version needs; safe to run at any time, by several at once."""
    _require_known(revision, "head")
    with _engine(context) as engine:
        migrate.upgrade(engine, revision)
        _tell(engine, json=json)


@app.command()
def downgrade(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(help="The revision to go back to, or base.")],
    json: JsonOption = False,
) -> None:
    """Take the database back to an older schema; what only the newer one can hold is lost."""
    _require_known(revision, "base")
    with _engine(context) as engine:
        migrate.downgrade(engine, revision)
        _tell(engine, json=json)


@app.command()
def revision(context: typer.Context, json: JsonOption = False) -> None:
    """Print the revision of the database and the one that this version needs."""
    with _engine(context) as engine:
        print_fields({"database": migrate.current(engine), "needed": migrate.head()}, json=json)


@app.command()
def check(context: typer.Context, json: JsonOption = False) -> None:
    """Check that the database answers, has the right schema and, for SQLite, that its file is whole."""
    with _engine(context) as engine:
        migrate.require_current(engine)
        found = _integrity(engine)
    if found != "ok":
        raise Unavailable(
            f"The database file is damaged: {found}",
            way_out="Restore a backup, or copy what is left with `sqlite3 FILE .recover`.",
        )
    print_fields({"database": engine.dialect.name, "revision": migrate.head(), "state": "ok"}, json=json)


def _tell(engine: Engine, *, json: bool) -> None:
    found = migrate.current(engine)
    if json:
        print_json({"database": found, "needed": migrate.head()})
    else:
        say(f"The database is at revision {found or 'none'}.")


def _integrity(engine: Engine) -> str:
    if engine.dialect.name != "sqlite":
        return "ok"
    with answering(), engine.execution_options(labelmill_read=True).connect() as connection:
        return str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())


def _require_known(revision: str, word: str) -> None:
    if revision not in (word, *migrate.revisions()):
        raise BadInput(f"There is no revision {revision!r}.", way_out=f"Use {word} or one of {', '.join(migrate.revisions())}.")


@contextmanager
def _engine(context: typer.Context) -> Iterator[Engine]:
    settings = settings_of(context)
    if settings.database_url.startswith("sqlite"):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = make_engine(settings.database_url)
    try:
        yield engine
    finally:
        engine.dispose()
