"""``labelmill import`` and ``labelmill load``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill import bootstrap
from labelmill.console import JsonOption, print_fields, print_json, print_rows, say, settings_of
from labelmill.datasets import import_jobs, service
from labelmill.datasets.import_places import open_reference, reference
from labelmill.datasets.import_shelf import Shelf
from labelmill.datasets.imports import LabelUse, Mapping, Preview, look, usual_mapping
from labelmill.datasets.load import load_all
from labelmill.datasets.model import RecordKind
from labelmill.db.bulk.files import FileOptions
from labelmill.errors import BadInput, NotFound
from labelmill.jobs.console import follow
from labelmill.jobs.inline import require_success

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.datasets.model import Dataset
    from labelmill.jobs.model import Job

_SOURCE = "CSV, TSV, JSON, JSONL, Parquet, XLSX, a folder or ZIP of images, posts.db::table, a database URL with ::table, or @connection::table."
#: Refused rows that are printed for people; all that are kept can be downloaded.
SHOWN_REJECTS = 20


def import_files(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="FILE...", help=f"What to import: {_SOURCE}")],
    into: Annotated[str, typer.Option(metavar="DATASET", help="The dataset, by its name or id.")] = "",
    new: Annotated[bool, typer.Option("--new", help="Make the dataset where there is none of this name.")] = False,
    kind: Annotated[RecordKind | None, typer.Option(help="What a record is; else it is found out.")] = None,
    text_column: Annotated[
        list[str] | None, typer.Option(help="The column with the text; repeated, the texts stand below each other.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="A field of a tabular record; may be repeated.  [usual: all other columns]")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="The column that names a row; else its content tells it from others.")
    ] = None,
    label_column: Annotated[str | None, typer.Option(help="The column with labels that are known.")] = None,
    labels: Annotated[
        LabelUse | None,
        typer.Option(
            help="What these are: init (labelled data to learn from, never shown), answers (of annotators), or names (only which labels there are)."
        ),
    ] = None,
    label_separator: Annotated[str | None, typer.Option(help="What separates several labels in one cell.")] = None,
    annotator_column: Annotated[str | None, typer.Option(help="The column with the annotator of each label.")] = None,
    annotator: Annotated[str | None, typer.Option(help="The annotator of all labels: an address or a name.")] = None,
    time_column: Annotated[str | None, typer.Option(help="The column with the time of each label.")] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Leave labels out that the file seems to have.")] = False,
    sql: Annotated[str | None, typer.Option(help="A query whose rows are imported; FILE is the database then.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding of a text file; else it is detected.")] = None,
    separator: Annotated[str | None, typer.Option(help="What separates the fields of a CSV file; else it is detected.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what is there and what it seems to mean; import nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Add the records of files, tables or folders of images to a dataset; what is there already is not added again."""
    options = FileOptions(encoding=encoding, separator={"\\t": "\t", "tab": "\t"}.get(separator or "", separator))
    asked = {
        "columns": tuple(text_column or field or ()), "id_column": id_column, "label_column": label_column, "label_use": labels,
        "label_separator": label_separator, "annotator_column": annotator_column, "annotator": annotator, "time_column": time_column,
    }  # fmt: skip
    wanted = RecordKind.TABULAR if field and kind is None else kind
    with bootstrap.opened(settings_of(context)) as application:
        done = []
        for source in sources:
            place = reference(application.places, source, query=sql)
            seen = look(open_reference(application.places, application.settings, place, options))
            mapping = choose(seen, wanted, asked, no_labels=no_labels)
            with open_reference(application.places, application.settings, place, options).source as rows:
                mapping.check(rows.table)  # before a dataset is made and a job fails
            if preview:
                _print_preview(seen, mapping, json=json)
                continue
            say(f"{source}: {described(seen, mapping)}")
            dataset = _dataset(application, into, mapping, new=new)
            done.append(run(application, dataset, place, mapping, options=options))
        if done:
            _print_end(application, done, json=json)


def choose(seen: Preview, kind: RecordKind | None, asked: dict[str, Any], *, no_labels: bool = False) -> Mapping:
    """Return the mapping that was asked for, with the guesses of the preview for what was not."""
    usual = usual_mapping(seen, kind)
    given = {name: value for name, value in asked.items() if value not in (None, ())}
    named = {given.get(name) for name in ("id_column", "label_column", "annotator_column", "time_column")}
    if "columns" not in given and usual.kind is RecordKind.TABULAR:
        given["columns"] = tuple(name for name in usual.columns if name not in named)
    if "label_use" not in given and {"annotator", "annotator_column"} & given.keys():
        given["label_use"] = LabelUse.ANSWERS
    elif "label_use" not in given and "label_column" in given:
        given["label_use"] = LabelUse.INIT
    if no_labels:
        given |= {"label_column": None, "label_use": LabelUse.INIT, "annotator_column": None, "time_column": None}
    return replace(usual, **given)


def run(
    application: App, dataset: Dataset, place: dict[str, Any], mapping: Mapping, *, options: FileOptions | None = None
) -> Job:
    """Import one source and return its job once it has ended, with a progress bar meanwhile."""
    job = application.database.transact(
        import_jobs.begin, dataset_id=dataset.id, source=place, mapping=mapping, options=options, trusted=True,
        limits=application.runtime.limits,
    )  # fmt: skip
    return follow(application.runtime, job)


def described(seen: Preview, mapping: Mapping) -> str:
    """Return in one line what was found and what it is taken for."""
    parts = [seen.format + (f" ({seen.dialect})" if seen.dialect else ""), f"{mapping.kind} from {', '.join(mapping.columns)}"]
    if mapping.id_column:
        parts.append(f"id from {mapping.id_column}")
    if mapping.label_column:
        uses = {LabelUse.INIT: "init data", LabelUse.ANSWERS: "answers", LabelUse.NAMES: "only their names"}
        parts.append(f"labels from {mapping.label_column}: {uses[mapping.label_use]}")
    return "; ".join(parts)


def _dataset(application: App, into: str, mapping: Mapping, *, new: bool) -> Dataset:
    if not into:
        raise BadInput("No dataset is named.", where="--into", way_out="Add --into NAME, with --new to make it.")
    try:
        with application.database.read() as connection:
            return service.find(connection, into)
    except NotFound as error:
        if not new:
            error.way_out = "Add --new to make it."
            raise
        return application.database.transact(service.create, name=into, kind=mapping.kind)


def _print_preview(seen: Preview, mapping: Mapping, *, json: bool) -> None:
    if json:
        print_json(
            {
                "format": seen.format, "dialect": seen.dialect, "encoding": seen.encoding, "rows": seen.total, "mapping": mapping.as_dict(),
                "columns": [{"name": column.name, "kind": column.kind} for column in seen.columns], "sample": seen.rows,
            }
        )  # fmt: skip
        return
    say(described(seen, mapping))
    print_rows(seen.rows, columns=[column.name for column in seen.columns])


def _print_end(application: App, done: list[Job], *, json: bool) -> None:
    reports = [{"job": job.id, "state": job.state, **(job.result or {})} for job in done]
    if json:
        print_json(reports if len(reports) > 1 else reports[0])
    else:
        print_rows(reports, columns=("state", "rows", "added", "known", "init", "answers", "rejected", "conflicts"))
    for job in done:
        if job.result and not job.result["rows"] + job.result["rejected"]:
            say(f"note: {job.title}: there is a header and no row below it, so nothing was imported.")
        rejects = Shelf(application.settings.blob_dir, job.id).rejects()
        if rejects and not json:
            say(
                f"left out of {job.title}: {len(rejects):,} rows are listed; `labelmill import-rejects {job.id}` lists them all."
            )
            print_rows(rejects[:SHOWN_REJECTS], columns=("place", "reason", "text"))
        require_success(job)


def import_rejects(
    context: typer.Context, job: Annotated[str, typer.Argument(help="The import's job id.")], json: JsonOption = False
) -> None:
    """List the rows that an import left out: place, reason and text."""
    with bootstrap.opened(settings_of(context)) as application:
        with application.database.read() as connection:
            found = import_jobs.get(connection, job)
        print_rows(Shelf(application.settings.blob_dir, found.id).rejects(), columns=("place", "reason", "text"), json=json)


def load(
    context: typer.Context,
    into: Annotated[str, typer.Option(metavar="DATASET", help="The dataset, made where there is none of this name.")] = "texts",
    json: JsonOption = False,
) -> None:
    """Load what DATA_PATH, LABEL_PATH, ACCESSOR_PATH and INIT_DATA_PATH name; a second time adds what is new."""
    with bootstrap.opened(settings_of(context)) as application:
        report, jobs = load_all(application, into, run)
        application.tell_loaded()
        if json:
            print_json(report)
        else:
            links = report.pop("invitations")
            print_fields(report)
            print_rows(links) if links else None
        for job in jobs:
            require_success(job)
