"""``labelmill dataset``: make datasets, look at them, change their labels and settings."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill.accounts import service as accounts
from labelmill.bootstrap import App, opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, printable, say, settings_of
from labelmill.datasets import recount, service
from labelmill.datasets.model import Dataset, DatasetSettings, Label, NewLabel, RecordKind, normal_label, read_setting
from labelmill.errors import BadFile, BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

app = typer.Typer(no_args_is_help=True, help="Make datasets, look at them, change their labels and settings.")

Which = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or number.")]
Guidelines = Annotated[Path | None, typer.Option("--guidelines", help="A Markdown file that is shown beside each record.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--setting", metavar="NAME=VALUE", help="A setting, as in --setting batch_size=20; may be repeated."),
]
_LISTED = ("id", "name", "kind", "labels", "records", "answered", "tied", "created_at")


@app.command("list")
def list_all(
    context: typer.Context,
    *,
    archived: Annotated[bool, typer.Option("--archived", help="Those out of use.")] = False,
    json: JsonOption = False,
) -> None:
    """List the datasets and how far each is."""
    rows: list[dict[str, Any]] = []
    with opened(settings_of(context)) as built, built.database.read() as connection:
        while found := service.list_datasets(connection, archived=archived, after=rows[-1]["id"] if rows else 0):
            rows += [_row(connection, each) for each in found]
    print_rows(rows, columns=_LISTED, json=json)


@app.command()
def show(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Show a dataset: how far it is, its settings and its labels."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.find(connection, which)
        row = _row(connection, found)
    _print(found, row, json=json)


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name that no other dataset has.")],
    *,
    kind: Annotated[RecordKind, typer.Option(help="What its records are.")] = RecordKind.TEXT,
    labels: Annotated[list[str] | None, typer.Option("--label", help="A label; may be repeated, in their order.")] = None,
    guidelines: Guidelines = None,
    setting: Assignments = None,
    json: JsonOption = False,
) -> None:
    """Make a dataset without records; `labelmill import` brings some."""
    values: dict[str, Any] = {
        "name": name, "kind": kind, "labels": [NewLabel(name=each) for each in labels or ()],
        "guidelines": _text(guidelines) or "", "settings": DatasetSettings.from_dict(_settings(setting)),
    }  # fmt: skip

    def make(connection: Connection) -> Dataset:
        made = service.create(connection, **values)
        accounts.note(connection, None, "make dataset", f"dataset {made.id}", made.id, name=made.name)
        return made

    with opened(settings_of(context)) as built:
        made = built.database.transact(make)
        with built.database.read() as connection:
            row = _row(connection, made)
    _print(made, row, json=json)


@app.command()
def change(
    context: typer.Context,
    which: Which,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    guidelines: Guidelines = None,
    setting: Assignments = None,
    revision: Annotated[int | None, typer.Option(help="Refuse where somebody changed the dataset since this revision.")] = None,
    json: JsonOption = False,
) -> None:
    """Change a dataset's name, guidelines or settings; the rest stays."""
    values: dict[str, Any] = {"name": name, "guidelines": _text(guidelines), "settings": _settings(setting) or None}
    if all(value is None for value in values.values()):
        raise BadInput("Nothing is to be changed.", where="dataset change", way_out="Give --name, --guidelines or --setting.")

    def verb(connection: Connection, found: Dataset) -> Dataset:
        return service.change(connection, found.id, revision=revision, **values)

    _changed(context, which, "change dataset", verb, json=json)


@app.command()
def labels(
    context: typer.Context,
    which: Which,
    *,
    add: Annotated[list[str] | None, typer.Option("--add", help="A new label; may be repeated.")] = None,
    rename: Annotated[tuple[str, str], typer.Option(metavar="LABEL NAME", help="Another name; its answers stay its own.")] = (
        "",
        "",
    ),
    merge: Annotated[
        tuple[str, str], typer.Option(metavar="LABEL INTO", help="Let the answers with a label count for another one.")
    ] = ("", ""),
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A label without answers; may be repeated.")] = None,
    order: Annotated[list[str] | None, typer.Option("--order", help="Each label once, in the new order.")] = None,
    json: JsonOption = False,
) -> None:
    """List a dataset's labels, after the changes that are asked for, which are made all or none."""
    verbs: list[Callable[[Connection, Dataset], object]] = []
    verbs += [_adding(name) for name in add or ()]
    verbs += [_renaming(*rename)] if any(rename) else []
    verbs += [_removing(name) for name in remove or ()]
    verbs += [_ordering(order)] if order else []
    # Last: the job that it may ask for is known by the dataset's newest revision.
    verbs += [_merging(*merge)] if any(merge) else []
    with opened(settings_of(context)) as built:
        found = _change(built, which, "change labels", verbs) if verbs else _find(built, which)
    print_rows([asdict(each) for each in found.labels], columns=("id", "name", "colour", "shortcut", "description"), json=json)


@app.command()
def archive(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Put a dataset out of use; all of it stays, and `restore` brings it back."""
    _changed(context, which, "archive dataset", lambda connection, found: service.archive(connection, found.id), json=json)


@app.command()
def restore(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Put an archived dataset into use again."""
    _changed(context, which, "restore dataset", lambda connection, found: service.restore(connection, found.id), json=json)


@app.command("remove")
def remove_all(
    context: typer.Context,
    which: Which,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove an archived dataset with its records and answers, for good."""
    from labelmill.jobs.inline import require_success, run_or_watch

    with opened(settings_of(context)) as built:
        found = _find(built, which)
        if found.archived_at is not None and not yes:
            _ask(f"Remove the dataset {found.name} with {found.records:,} records and their answers for good?")

        def verb(connection: Connection) -> str | None:
            job = service.remove(connection, found.id)
            accounts.note(connection, None, "remove dataset", f"dataset {found.id}", found.id, name=found.name)
            return job

        if job := built.database.transact(verb):
            require_success(run_or_watch(built.runtime, job))
    if json:
        print_json({"removed": found.id, "name": found.name})
    else:
        say(f"removed {found.name}")


def _changed(
    context: typer.Context, which: str, what: str, verb: Callable[[Connection, Dataset], object], *, json: bool
) -> None:
    with opened(settings_of(context)) as built:
        found = _change(built, which, what, [verb])
        with built.database.read() as connection:
            row = _row(connection, found)
    _print(found, row, json=json)


def _change(built: App, which: str, what: str, verbs: Sequence[Callable[[Connection, Dataset], object]]) -> Dataset:
    """Return a dataset after changes in one transaction, and after the job that they may have asked for."""
    from labelmill.jobs.inline import require_success, run_or_watch

    def change(connection: Connection) -> tuple[Dataset, str | None]:
        found = service.find(connection, which)
        for verb in verbs:
            verb(connection, service.get(connection, found.id))
        accounts.note(connection, None, what, f"dataset {found.id}", found.id)
        done = service.get(connection, found.id)
        return done, recount.job_of(connection, done)

    done, job = built.database.transact(change)
    if job is not None:
        require_success(run_or_watch(built.runtime, job))
    return done


def _find(built: App, which: str) -> Dataset:
    with built.database.read() as connection:
        return service.find(connection, which)


def _adding(name: str) -> Callable[[Connection, Dataset], object]:
    return lambda connection, found: service.add_label(connection, found.id, NewLabel(name=name))


def _renaming(label: str, name: str) -> Callable[[Connection, Dataset], object]:
    return lambda connection, found: service.change_label(connection, found.id, _label(found, label).id, name=name)


def _merging(label: str, into: str) -> Callable[[Connection, Dataset], object]:
    return lambda connection, found: service.merge_labels(connection, found.id, _label(found, label).id, _label(found, into).id)


def _removing(name: str) -> Callable[[Connection, Dataset], object]:
    return lambda connection, found: service.remove_label(connection, found.id, _label(found, name).id)


def _ordering(names: Sequence[str]) -> Callable[[Connection, Dataset], object]:
    return lambda connection, found: service.order_labels(connection, found.id, [_label(found, name).id for name in names])


def _label(found: Dataset, text: str) -> Label:
    """Return the label with this name. Raises NotFound."""
    name = normal_label(text)
    for label in found.labels:
        if label.name == name:
            return label
    known = ", ".join(repr(label.name) for label in found.labels[:20])
    raise NotFound(f"The dataset {found.name!r} has no label {name[:100]!r}.", where="label", way_out=f"It has: {known}.")


def _row(connection: Connection, dataset: Dataset) -> dict[str, Any]:
    """Return what a list says of a dataset."""
    counts = asdict(service.counts(connection, dataset.id))
    names = ("id", "name", "kind", "revision", "created_at", "archived_at")
    return {**{name: getattr(dataset, name) for name in names}, "labels": len(dataset.labels), **counts}


def _print(dataset: Dataset, row: dict[str, Any], *, json: bool) -> None:
    if json:
        more = {"guidelines": dataset.guidelines, "settings": dataset.settings.as_dict()}
        print_json({**row, **more, "labels": [asdict(label) for label in dataset.labels]})
        return
    print_fields({**row, "labels": [label.name for label in dataset.labels]})
    print_rows({"setting": name, "value": value} for name, value in dataset.settings.as_dict().items())


def _text(path: Path | None) -> str | None:
    """Return what a file says. Raises BadFile."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadFile(
            f"The guidelines cannot be read: {reason}.", where=str(path), way_out="Give a text file in UTF-8."
        ) from error


def _settings(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Return settings from NAME=VALUE, each as what its kind is. Raises BadInput."""
    values: dict[str, Any] = {}
    for assignment in assignments or ():
        name, separator, text = (part.strip() for part in assignment.partition("="))
        if not separator or not name:
            raise BadInput(f"{assignment!r} is not of the form NAME=VALUE.", where="--setting", way_out="Like batch_size=20.")
        if name in values:
            raise BadInput("The setting is given twice.", where=f"--setting {name}", way_out="Give it once.")
        values[name] = read_setting(name, text)
    return values


def _ask(question: str) -> None:
    """Go on after a yes; the question goes to stderr, for stdout holds results only."""
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Abort
