"""``labelmill catalogue ...`` and ``labelmill images ...``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, say, settings_of
from labelmill.datasets import Shelf, reference
from labelmill.db.bulk.files import FileOptions
from labelmill.errors import BadInput, Conflict
from labelmill.images import filters, places, query, service
from labelmill.images.formats import ImageFormat
from labelmill.images.model import COUNTS, IMAGE_TASK
from labelmill.images.task import CHUNK, Delivery, Pack
from labelmill.images.transforms import Transform
from labelmill.jobs import service as jobs
from labelmill.jobs.console import as_fields, follow
from labelmill.jobs.inline import require_success

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.images.model import Catalogue

app = typer.Typer(no_args_is_help=True, help="Keep catalogues of products with their images.")
images_app = typer.Typer(no_args_is_help=True, help="Deliver the images of a query over a catalogue.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The catalogue's name or number.")]
_Where = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="COLUMN=VALUE, COLUMN>=VALUE, COLUMN<=VALUE or COLUMN~PART; all of them hold."),
]
_COLUMNS = ("name", "version", "rows", "rejected", "rows_without_image", "images_without_row", "made_at")
SHOWN_REJECTS = 20


@app.command()
def load(
    context: typer.Context,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A CSV or another file of rows, or a database's URL::table.")],
    images: Annotated[str, typer.Option(metavar="DIR", help="The folder, or ZIP, with a file <id>.jpg for each row.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The catalogue's name; else that of the file.")] = "",
    id_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the ids; else id.")] = None,
    json: JsonOption = False,
) -> None:
    """Load a catalogue, or a new version of one: tasks that run keep the version that they began with."""
    with opened(settings_of(context)) as built:
        rows, place = reference(built.places, table), places.reference(images)
        places.check(built.places, built.settings, table=rows, images=place, ids=id_column, options=FileOptions())
        job = built.database.transact(
            service.load, name or Path(table.partition("::")[0]).stem, table=rows, images=place,
            id_column=id_column, limits=built.runtime.limits,
        )  # fmt: skip
        built.runtime.wake(job.id)
        ended = follow(built.runtime, job)
        require_success(ended)
        report: dict[str, Any] = {"job": ended.id} | {name: (ended.result or {}).get(name) for name in COUNTS}
        rejects = Shelf(built.settings.blob_dir, ended.id).rejects()
    if json:
        print_json(report | {"rejects": rejects})
        return
    print_fields(report)
    if rejects:
        say(
            f"{report['rejected']:,} rows were left out:"
            if len(rejects) <= SHOWN_REJECTS
            else f"{report['rejected']:,} rows were left out, such as:"
        )
        print_rows(rejects[:SHOWN_REJECTS], columns=("place", "reason", "text"))


@app.command("list")
def list_catalogues(context: typer.Context, json: JsonOption = False) -> None:
    """List the catalogues."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_catalogues(connection)
    print_rows([_row(each) for each in found], columns=_COLUMNS, json=json)


@app.command()
def show(context: typer.Context, name: _Name, json: JsonOption = False) -> None:
    """Show a catalogue's columns, each with its kind and its most frequent values."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            catalogue = service.find(connection, name)
        version = service.require_version(catalogue)
        columns = query.describe(built.blobs.path(version.blob), version)
    if json:
        print_json(_row(catalogue) | {"columns": columns})
        return
    print_fields(_row(catalogue))
    print_rows(
        [each | {"values": ", ".join(f"{value} ({count:,})" for value, count in each["values"])} for each in columns],
        columns=("name", "kind", "missing", "distinct", "values"),
    )


@app.command()
def remove(
    context: typer.Context,
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    json: JsonOption = False,
) -> None:
    """Forget a catalogue and its versions. Its table, its images and what was delivered stay."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            catalogue = service.find(connection, name)
        if not yes and not typer.confirm(f"Forget the catalogue {catalogue.name}?", err=True):
            raise Conflict("Nothing was removed.", way_out="Add --yes to remove it without being asked.")
        for blob in built.database.transact(service.remove, catalogue):
            built.blobs.remove(blob)
    print_fields({"removed": catalogue.name}, json=json)


@images_app.command("query")
def query_images(
    context: typer.Context,
    name: _Name,
    where: _Where = None,
    out: Annotated[str, typer.Option(metavar="PLACE", help="A folder, or FILE.zip, or FILE.tar for shards of tar files.")] = "",
    transform: Annotated[
        bool, typer.Option("--transform", help="Crop, resize and write anew; else images go as they are.")
    ] = False,
    crop: Annotated[float, typer.Option(help="The share of each side that stays, at a random place; 1 crops nothing.")] = 0.8,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Pixels of a delivered image.")] = "256x256",
    form: Annotated[ImageFormat, typer.Option("--format", help="How a transformed image is written.")] = ImageFormat.JPEG,
    quality: Annotated[int, typer.Option(help="Quality of JPEG and WebP, 1 to 100.")] = 75,
    seed: Annotated[int, typer.Option(help="The same seed gives the same crops.")] = 0,
    link: Annotated[bool, typer.Option("--link", help="Link files instead of copying them, where that can be.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Only count what the conditions find.")] = False,
    chunk: Annotated[int, typer.Option(help="Images of one step, and of one shard.")] = CHUNK,
    json: JsonOption = False,
) -> None:
    """Deliver the images of the rows that meet all conditions, with metadata.csv, skipped.csv and report.json."""
    conditions = filters.parse(where or ())
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            catalogue = service.find(connection, name)
        if count:
            version = service.require_version(catalogue)
            found = query.count(built.blobs.path(version.blob), version, conditions)
            print_fields({"catalogue": catalogue.name, "version": version.number, "images": found}, json=json)
            return
        made = None
        if transform:
            width, height = _size(size)
            made = Transform(crop=crop, width=width, height=height, format=form, quality=quality, seed=seed)
        delivery = _delivery(out, made, link=link, chunk=chunk)
        _deliver(built, catalogue, conditions, delivery, json=json)


@images_app.command("list")
def list_tasks(context: typer.Context, json: JsonOption = False) -> None:
    """List image tasks, newest first."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = [as_fields(job) for job in jobs.list_jobs(connection, kind=IMAGE_TASK)]
    print_rows(found, columns=("id", "state", "title", "done", "total", "created_at"), json=json)


def _deliver(
    built: App, catalogue: Catalogue, conditions: tuple[filters.Condition, ...], delivery: Delivery, *, json: bool
) -> None:
    job = built.database.transact(service.query, catalogue, conditions, delivery, limits=built.runtime.limits)
    built.runtime.wake(job.id)
    ended = follow(built.runtime, job)
    require_success(ended)
    report: dict[str, Any] = ended.result or {}
    if json:
        print_json(report)
        return
    print_fields({each: report[each] for each in ("task", "selected", "delivered", "skipped", "bytes", "place")})
    if report["reasons"]:
        say("skipped.csv lists what was left out:")
        print_rows(
            [{"reason": why, "images": number} for why, number in report["reasons"].items()], columns=("images", "reason")
        )


def _delivery(out: str, transform: Transform | None, *, link: bool, chunk: int) -> Delivery:
    if not out:
        raise BadInput(
            "No place is named.", where="--out", way_out="Add --out FOLDER, --out FILE.zip or --out FILE.tar; or --count."
        )
    suffix = Path(out).suffix.lower()
    pack = {".zip": Pack.ZIP, ".tar": Pack.TAR}.get(suffix, Pack.FOLDER)
    place = Path(out).absolute()
    if pack is Pack.ZIP and place.exists():
        raise Conflict("This file is there already.", where=out, way_out="Name another one, or remove it.")
    if pack is Pack.FOLDER and place.exists() and not place.is_dir():
        raise Conflict("This is a file, not a folder.", where=out, way_out="Name a folder, FILE.zip or FILE.tar.")
    return Delivery(transform=transform, pack=pack, out=str(place), link=link, chunk=chunk)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (width.isdecimal() and (height.isdecimal() or not cross)):
        raise BadInput(f"{text!r} is no size.", where="--size", way_out="Write WIDTHxHEIGHT in pixels, such as 256x256.")
    return int(width), int(height or width)


def _row(catalogue: Catalogue) -> dict[str, Any]:
    version = catalogue.version
    known = {} if version is None else asdict(version)
    return {
        "name": catalogue.name, "version": known.get("number"), "rows": known.get("rows"), "rejected": known.get("rejected"),
        "rows_without_image": known.get("rows_without_image"), "images_without_row": known.get("images_without_row"),
        "made_at": known.get("made_at"),
    }  # fmt: skip
