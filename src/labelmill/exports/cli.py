"""``labelmill export``."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, progress, settings_of
from labelmill.datasets import RecordFilter
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, Conflict, Unavailable
from labelmill.exports.formats import KINDS, Format, Naming, Request, Rows
from labelmill.exports.service import Reading, export, export_to_table

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.exports.service import Export

#: Endings that tell a format; of those that share one, the format without a program's name.
_BY_ENDING = {f".{KINDS[each].suffix}": each for each in reversed(Format) if each not in (Format.LONG, Format.IMAGES)} | {
    ".jsonl": Format.JSONL,
    ".csv": Format.CSV,
}


def export_dataset(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or number.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write; - is standard output.")] = "",
    format: Annotated[Format | None, typer.Option(help="The format; else the ending of FILE tells.")] = None,  # noqa: A002 - the word for it
    rows: Annotated[Rows, typer.Option(help="One row for each record, or for each answer.")] = Rows.RECORDS,
    annotators: Annotated[Naming, typer.Option(help="What annotators are called.")] = Naming.PSEUDONYM,
    text: Annotated[str, typer.Option(help="Only records that hold this, in whatever case.")] = "",
    label: Annotated[str | None, typer.Option(help="Only records whose majority is this label.")] = None,
    answered: Annotated[
        bool | None, typer.Option("--answered/--unanswered", help="Only records with, or without, a majority.")
    ] = None,
    tied: Annotated[bool | None, typer.Option("--tied/--untied", help="Only records that are tied, or that are not.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    to_table: Annotated[
        str,
        typer.Option(
            "--to-table",
            metavar="TABLE",
            help="Instead of a file: @CONNECTION::schema.table, a URL with ::table, or FILE.db::table. Records that are there are changed, others added.",
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Write a dataset's records, answers and predictions to a file, as of this moment."""
    if to_table and (out or format):
        raise BadInput("A table has no file and no format.", where="--to-table", way_out="Leave --out and --format away.")
    if to_table and rows is not Rows.RECORDS:
        raise BadInput("A table takes a row for each record only.", where="--rows", way_out="Export answers to a file.")
    wanted = Format.PARQUET if to_table else format or _by_ending(out)
    with opened(settings_of(context)) as application:
        with application.database.read() as connection:
            dataset = datasets.find(connection, which)
        where = RecordFilter(text=text, label_id=_label(dataset, label), is_answered=answered, is_tied=tied)
        request = Request(format=wanted, rows=rows, naming=annotators, where=where)
        if to_table:
            _to_table(application, dataset, request, to_table, json=json)
            return
        made = export(application.database, application.blobs, dataset.id, request)
        if out == "-":
            _to_stdout(made)
            return
        path = Path(out or made.name)
        size = _to_file(made, path, force=force)
    print_fields({"file": str(path), "bytes": size, "format": wanted, "as_of": made.number}, json=json)


def _by_ending(out: str) -> Format:
    found = _BY_ENDING.get(Path(out).suffix.lower())
    if found is None:
        raise BadInput(
            "No format is named." if out in ("", "-") else f"The ending of {out} tells no format.", where="--format",
            way_out=f"There are: {', '.join(Format)}.",
        )  # fmt: skip
    return found


def _label(dataset: datasets.Dataset, name: str | None) -> int | None:
    if name is None:
        return None
    found = next((each.id for each in dataset.labels if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in dataset.labels)
        raise BadInput(f"The dataset has no label {name!r}.", where="--label", way_out=f"There are: {known}.")
    return found


def _to_table(application: App, dataset: datasets.Dataset, request: Request, place: str, *, json: bool) -> None:
    location = application.places.locate(application.places.reference(place), write=True)
    with progress(f"export {dataset.name}", dataset.records) as tell:
        reading = Reading.begin(application.database, application.blobs, dataset.id, request)
        made = export_to_table(reading, location, tell)
    print_fields(
        {"table": str(location), "as_of": made.number, "added": made.added, "changed": made.changed, "same": made.same},
        json=json,
    )


def _to_stdout(made: Export) -> None:
    for chunk in made.chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _to_file(made: Export, path: Path, *, force: bool) -> int:
    """Write a file, complete or not at all, and return its size."""
    if path.exists() and not force:
        raise Conflict(
            "This file is there already.", where=str(path), way_out="Name another one, or add --force to replace it."
        )
    part = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with part.open("wb") as file, progress(f"export {path.name}") as tell:
            for chunk in made.chunks:
                file.write(chunk)
                size += len(chunk)
                tell(size, None)
        part.replace(path)
    except OSError as error:
        raise Unavailable(f"It cannot be written: {error.strerror}.", where=str(path), way_out="Name another place.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return size
