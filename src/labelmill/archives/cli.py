"""``labelmill archive`` and ``labelmill archiver``."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmill.archives import service
from labelmill.archives.choices import Choices
from labelmill.archives.model import ARCHIVER_QUEUE, file_name
from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_rows, settings_of
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, Conflict, Unavailable
from labelmill.exports import Naming
from labelmill.jobs import cli as jobs
from labelmill.jobs.console import follow
from labelmill.jobs.inline import load
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.settings import Settings

_COLUMNS = ("id", "state", "version", "as_of", "annotators", "requested_at", "bytes", "expires_at", "reason")


def archive(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or number; or `verify` or `list`.")],
    what: Annotated[
        str, typer.Argument(metavar="[FILE|DATASET]", help="With `verify` the file to check, with `list` a dataset.")
    ] = "",
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write; else a file called like the dataset.")] = "",
    classifier: Annotated[
        int | None, typer.Option(min=1, metavar="V", help="The classifier's version; else the newest.")
    ] = None,
    annotators: Annotated[Naming, typer.Option(help="What annotators are called.")] = Naming.PSEUDONYM,
    pickle: Annotated[
        bool, typer.Option("--pickle", help="With clf.p, a pickle: opening it runs code, so it is unsafe.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    json: JsonOption = False,
) -> None:
    """Make an archive of a dataset and a classifier and write it to FILE; `archive verify FILE` checks one, `archive list DATASET` lists them."""
    if what and which == "verify":
        from labelmill.archives.verify import verify

        print_fields({"file": what, **asdict(verify(Path(what)))}, json=json)
    elif what and which == "list":
        _list(settings_of(context), what, json=json)
    elif what:
        raise BadInput(f"What is {what!r}?", where="labelmill archive", way_out="`labelmill archive DATASET --out FILE`.")
    else:
        choices = Choices(annotators=annotators, pickle=pickle)
        _make(settings_of(context), which, choices, version=classifier, out=out, force=force, json=json)


def archiver(context: typer.Context) -> None:
    """Make archives as they are requested, and do nothing else, until SIGTERM or Ctrl-C."""
    jobs.worker(context, queue=[ARCHIVER_QUEUE], concurrency=1, child=None, job=None)


def _make(settings: Settings, which: str, choices: Choices, *, version: int | None, out: str, force: bool, json: bool) -> None:
    with opened(settings) as built:
        with built.database.read() as connection:
            dataset = datasets.find(connection, which)
            classifier_id = _classifier_id(connection, dataset, version)
        if out and Path(out).exists() and not force:
            raise _is_there(Path(out))
        made = built.database.transact(
            service.request, dataset.id, choices, classifier_id=classifier_id, limits=built.runtime.limits
        )
        built.runtime.wake(made.id)
        follow(built.runtime, load(built.runtime, made.id))
        with built.database.read() as connection:
            made = service.get(connection, made.id)
        blob = service.require_file(made)
        path = Path(out or file_name(dataset.name, made.version))
        if path.exists() and not force:
            raise _is_there(path)
        _copy(built.blobs.path(blob), path)
    shown = {"archive": made.id, "as_of": made.number, "classifier": made.version, "bytes": made.bytes}
    print_fields({"file": str(path), **shown}, json=json)


def _list(settings: Settings, which: str, *, json: bool) -> None:
    from labelmill.archives.schemas import ArchiveOut

    with opened(settings) as built, built.database.read() as connection:
        found = service.list_archives(connection, datasets.find(connection, which).id)
    print_rows([ArchiveOut.of(each).model_dump(mode="json") for each in found], columns=_COLUMNS, json=json)


def _classifier_id(connection: Connection, dataset: datasets.Dataset, version: int | None) -> int | None:
    if version is None:
        return None
    found = learning.list_classifiers(connection, dataset.id, before=version + 1, limit=1)
    if not found or found[0].version != version:
        raise BadInput(
            f"{dataset.name} has no classifier of version {version}.", where="--classifier",
            way_out="`labelmill classifier list` shows them.",
        )  # fmt: skip
    return found[0].id


def _is_there(path: Path) -> Conflict:
    return Conflict("This file is there already.", where=str(path), way_out="Name another one, or add --force to replace it.")


def _copy(source: Path, path: Path) -> None:
    """Write a file, complete or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(path)
    except OSError as error:
        raise Unavailable(f"It cannot be written: {error.strerror}.", where=str(path), way_out="Name another place.") from error
    finally:
        with suppress(OSError):
            part.unlink()
