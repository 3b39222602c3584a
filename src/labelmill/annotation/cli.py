"""``labelmill answers``: how far a dataset is, how far its annotators agree, which records are tied."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill.accounts import service as accounts
from labelmill.annotation import service
from labelmill.annotation.agreement import agreement
from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, settings_of
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

app = typer.Typer(no_args_is_help=True, help="See how far a dataset is, how far its annotators agree, and what is tied.")

Which = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or number.")]
#: Tied records that are read at once.
PAGE = 200


@app.command("progress")
def show_progress(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Show who answered how much, how fast and when last."""
    with _found(context, which) as (connection, dataset):
        found = service.progress(connection, dataset)
        people = accounts.get_annotators(connection, (each.annotator_id for each in found.annotators))
    rows = [_named(people, each.annotator_id) | asdict(each) for each in found.annotators]
    if json:
        print_json({"annotators": rows, "days": [{"day": day, "answers": number} for day, number in found.days]})
        return
    print_rows(rows, columns=("email", "name", "answers", "today", "median_seconds", "last_at"))


@app.command("agreement")
def show_agreement(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Show how far annotators agree: percent, Fleiss' kappa, Krippendorff's alpha, and Cohen's kappa of each pair."""
    with _found(context, which) as (connection, dataset):
        found = asdict(agreement(service.votes(connection, dataset.id)))
        people = accounts.get_annotators(connection, (each[side] for each in found["pairs"] for side in ("first", "second")))
    for each in found["pairs"]:
        each |= {f"{side}_email": _named(people, each[side])["email"] for side in ("first", "second")}
    if json:
        print_json(found)
        return
    names = {each.id: each.name for each in dataset.labels}
    print_fields({name: found[name] for name in ("records", "percent", "fleiss", "alpha")})
    rows = [{"label": names.get(each["label_id"], each["label_id"]), **each} for each in found["labels"]]
    print_rows(rows, columns=("label", "answers", "percent", "alpha"))
    pairs = [each | {"first": each["first_email"], "second": each["second_email"]} for each in found["pairs"]]
    print_rows(pairs, columns=("first", "second", "records", "percent", "kappa"))


@app.command("consensus")
def show_consensus(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """Show the majority beside Dawid-Skene, which weighs answers by how often each annotator errs; and which one classifiers learn from."""
    with _found(context, which) as (connection, dataset):
        found = asdict(service.compared(connection, dataset))
    if json:
        print_json(found)
        return
    names = {each.id: each.name for each in dataset.labels}
    print_fields({name: found[name] for name in ("option", "majority", "dawid_skene", "differ")})
    rows = [{"label": names.get(each["label_id"], each["label_id"]), **each} for each in found["labels"]]
    print_rows(rows, columns=("label", "majority", "dawid_skene"))


@app.command("ties")
def list_ties(context: typer.Context, which: Which, *, json: JsonOption = False) -> None:
    """List the records whose labels share the most votes, with who gave which."""
    with _found(context, which) as (connection, dataset):
        names = {each.id: each.name for each in dataset.labels}
        rows = []
        after = 0
        while found := service.ties(connection, dataset, after=after, limit=PAGE):
            people = accounts.get_annotators(connection, (each.annotator_id for one in found for each in one.answers))
            rows += [_tied(each, names, people) for each in found]
            after = found[-1].record.id
    shown = rows if json else [row | {"answers": _by_address(row)} for row in rows]
    print_rows(shown, columns=("record", "given_id", "content", "answers"), json=json)


@contextmanager
def _found(context: typer.Context, which: str) -> Iterator[tuple[Connection, Dataset]]:
    with opened(settings_of(context)) as built, built.database.read() as connection:
        yield connection, datasets.find(connection, which)


def _tied(tied: service.Tied, names: dict[int, str], people: Mapping[str, accounts.Annotator]) -> dict[str, Any]:
    answers = {each.annotator_id: " + ".join(names.get(label, str(label)) for label in each.label_ids) for each in tied.answers}
    emails = {each: _named(people, each)["email"] for each in answers}
    return {
        "record": tied.record.id, "given_id": tied.record.given_id, "content": tied.record.content, "answers": answers, "emails": emails,
    }  # fmt: skip


def _by_address(row: dict[str, Any]) -> str:
    return ", ".join(f"{row['emails'][who]}: {labels}" for who, labels in row["answers"].items())


def _named(people: Mapping[str, accounts.Annotator], annotator_id: str) -> dict[str, str]:
    """Return what somebody is called; who is gone is known by their id only."""
    known = people.get(annotator_id)
    return {"email": known.email, "name": known.name} if known else {"email": annotator_id, "name": ""}
