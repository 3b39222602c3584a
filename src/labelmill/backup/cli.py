"""``labelmill backup`` and ``labelmill restore``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from labelmill.backup import service
from labelmill.bootstrap import opened_as_is
from labelmill.console import JsonOption, print_fields, progress, say, settings_of


class _MakeUnlessNamed(TyperGroup):
    """``backup FILE`` is ``backup make FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual verb before arguments that begin with none."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MakeUnlessNamed, no_args_is_help=True,
    help="Write the whole installation to one file (`labelmill backup FILE` is short for `labelmill backup make FILE`), and check such a file.",
)  # fmt: skip
File = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the backup.")]


@app.command()
def make(
    context: typer.Context,
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the database, the blobs and the files of jobs to one file, as of one moment, while people go on labelling.

    It holds hashes of passwords and tokens: it is made for its owner only, and is to be kept like them.
    """
    with opened_as_is(settings_of(context)) as application, progress(f"backup {file.name}") as tell:
        made = service.backup(application, file, tell, replace=force)
    if made.vanished:
        say(f"warning: {made.vanished} files were removed by others meanwhile; the backup's manifest names them.")
    print_fields({"file": str(file), "bytes": file.stat().st_size, **asdict(made)}, json=json)


@app.command()
def verify(file: File, json: JsonOption = False) -> None:
    """Check that a backup is whole: that every part of it is as it was written."""
    with progress(f"verify {file.name}") as tell:
        found = service.verify(file, tell)
    print_fields({"file": str(file), "bytes": file.stat().st_size, **asdict(found)}, json=json)


def restore(context: typer.Context, file: File, json: JsonOption = False) -> None:
    """Bring a backup back into an empty installation, whatever database it has; the file is checked first.

    One that was interrupted can be started again.
    """
    with opened_as_is(settings_of(context)) as application, progress(f"restore {file.name}") as tell:
        done = service.restore(application, file, tell)
    if done.locked:
        say(
            f"warning: the secret of this installation is another one: the passwords of {done.locked} connections must be given anew, "
            "or LABELMILL_SECRET (or the file secret.key in the data folder) brought over."
        )
    fields = {"file": str(file), **asdict(done.summary), "jobs_begun_again": done.freed, "connections_locked": done.locked}
    print_fields(fields, json=json)
