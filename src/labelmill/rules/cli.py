"""``labelmill rules``: check, try and measure rules, and keep them in versions."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, printable, progress, say, settings_of
from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.open import open_source
from labelmill.errors import Conflict
from labelmill.rules import console, service
from labelmill.rules.check import Severity, check
from labelmill.rules.diff import diff
from labelmill.rules.document import to_dict
from labelmill.rules.explain import explain
from labelmill.rules.files import load, save
from labelmill.rules.readers.loaded import CHINESE_LABELS
from labelmill.rules.stats import stats
from labelmill.rules.stored import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.rules.readers.loaded import Note
    from labelmill.rules.stored import StoredRuleSet

app = typer.Typer(no_args_is_help=True, help="Check, try and measure rules, and keep them in versions.")

Rules = Annotated[str, typer.Argument(help="A folder, a .csv or .json file, or a stored rule set: NAME or NAME@VERSION.")]
Name = Annotated[str, typer.Argument(help="The rule set's name.")]
Reference = Annotated[str, typer.Argument(help="NAME for the latest version, or NAME@VERSION.")]
PredictType = Annotated[str | None, typer.Option(help="Which files of a folder: those called so.  [e.g. author_name]")]
#: Exit code where rules have errors, as for every other bad input.
FAULTY = 2


@app.command("check")
def check_rules(context: typer.Context, rules: Rules, *, predict_type: PredictType = None, json: JsonOption = False) -> None:
    """List what is wrong or idle in rules; ends with code 2 where a rule cannot be used."""
    findings = check(_resolved(context, rules, predict_type=predict_type))
    rows = [
        {"severity": one.severity, "code": one.code, "place": one.place, "message": one.message, "way_out": one.way_out}
        for one in findings
    ]
    if rows or json:
        print_rows(rows, columns=("severity", "place", "message", "way_out"), json=json)
    count = Counter(one.severity for one in findings)
    say(f"{count[Severity.ERROR]:,} errors, {count[Severity.WARNING]:,} warnings")
    if count[Severity.ERROR]:
        raise typer.Exit(FAULTY)


@app.command("explain")
def explain_text(
    context: typer.Context,
    rules: Rules,
    text: Annotated[str, typer.Option(help="The text to label.")],
    *,
    predict_type: PredictType = None,
    json: JsonOption = False,
) -> None:
    """Show which rules hit a text where, the scores, and the label that wins."""
    explanation = explain(_resolved(context, rules, predict_type=predict_type), text)
    if json:
        print_json(asdict(explanation))
    else:
        console.print_explanation(explanation)


@app.command("stats")
def measure(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file, posts.db::table, a database URL with ::table, or @connection::table.")],
    rules: Annotated[str, typer.Option(help="A folder, a .csv or .json file, or a stored rule set: NAME or NAME@VERSION.")],
    text_column: Annotated[str, typer.Option(help="The column that the rules look at.")],
    gold_column: Annotated[str | None, typer.Option(help="The column with the right label, for precision and recall.")] = None,
    *,
    predict_type: PredictType = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding of a text file; else it is detected.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many rules people see, those with most hits first.")] = 20,
    json: JsonOption = False,
) -> None:
    """Count what each rule and label hits in a table or file; with a gold column also how often it is right."""
    rule_set = _resolved(context, rules, predict_type=predict_type)
    columns = list(dict.fromkeys([text_column, *([gold_column] if gold_column else [])]))
    with opened(settings_of(context)) as built:
        location = built.places.locate(built.places.reference(source), write=False)
        with open_source(location, options=FileOptions(encoding=encoding)) as opened_source:
            with progress(f"matching {location.name}", opened_source.table.rows) as tell:
                frames = _told(opened_source.read(columns), tell, opened_source.table.rows)
                counted = stats(frames, rule_set, text_column, gold_column)
            rejected = opened_source.rejected
    if json:
        print_json(console.stats_fields(counted) | {"rejected": rejected})
    else:
        console.print_stats(counted, rejected, top=top)


@app.command("import")
def import_rules(
    context: typer.Context,
    name: Name,
    path: Annotated[Path, typer.Argument(help="A folder, a .csv or .json file.")],
    *,
    predict_type: PredictType = None,
    chinese_labels: Annotated[
        bool, typer.Option("--chinese-labels", help="Translate the audience labels of a CSV file.")
    ] = False,
    note: Annotated[str, typer.Option(help="Why this version is made.")] = "",
    json: JsonOption = False,
) -> None:
    """Store rules under a name, as its next version where there is one; equal rules make none."""
    loaded = load(path, name=name, predict_type=predict_type, dictionary=CHINESE_LABELS if chinese_labels else None)
    _say_notes(loaded.notes)
    packed = pack(loaded.rule_set)
    with opened(settings_of(context)) as built:
        saved = built.database.transact(service.save, name, packed, note=note)
    print_fields(_fields(saved) | {"new": saved.new}, json=json)


@app.command("export")
def export_rules(
    context: typer.Context,
    rules: Reference,
    path: Annotated[Path, typer.Argument(help="A folder, a .csv or .json file.")],
    *,
    predict_type: Annotated[str, typer.Option(help="What the files in a folder are called.")] = "author_name",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write a stored rule set to a file or folder, and say what that form cannot hold."""
    if path.is_file() and not overwrite:
        raise Conflict("The file is there already.", where=str(path), way_out="Take another name, or give --overwrite.")
    with _reading(context) as connection:
        found = service.find(connection, rules)
    lost = save(found.rule_set, path, predict_type=predict_type)
    if json:
        print_json({"name": found.name, "version": found.version, "path": str(path), "lost": lost})
        return
    for sentence in lost:
        say(f"note: {sentence}")
    say(f"wrote {found.name}@{found.version} to {path}")


@app.command("list")
def list_stored(
    context: typer.Context,
    *,
    archived: Annotated[bool, typer.Option("--archived", help="Those that were removed.")] = False,
    json: JsonOption = False,
) -> None:
    """List the stored rule sets."""
    with _reading(context) as connection:
        found = service.list_rule_sets(connection, archived=archived)
    rows = [
        {
            "name": one.name, "version": one.latest.version, "labels": one.latest.labels, "rules": one.latest.rules,
            "changed": one.latest.created_at, "note": one.latest.note, "archived": one.archived_at,
        }
        for one in found
    ]  # fmt: skip
    print_rows(rows, columns=("name", "version", "labels", "rules", "changed", "note"), json=json)


@app.command()
def show(context: typer.Context, rules: Reference, *, json: JsonOption = False) -> None:
    """Show a stored rule set: its labels for people, the whole document with --json."""
    with _reading(context) as connection:
        found = service.find(connection, rules)
    if json:
        print_json(_fields(found) | {"rule_set": to_dict(found.rule_set)})
        return
    options = {"tie": found.rule_set.tie, "case sensitive": found.rule_set.case_sensitive}
    print_fields(_fields(found) | options)
    count = Counter((rule.label, rule.type) for rule in found.rule_set.rules)
    types = list(dict.fromkeys(rule.type for rule in found.rule_set.rules))
    print_rows(
        {"label": label.name, "group": label.group, **{one: count[label.name, one] for one in types}}
        for label in found.rule_set.labels
    )


@app.command()
def versions(context: typer.Context, name: Name, *, json: JsonOption = False) -> None:
    """List the versions of a rule set, latest first."""
    with _reading(context) as connection:
        found = service.list_versions(connection, name)
    print_rows([asdict(one) for one in found], columns=("version", "labels", "rules", "created_at", "note"), json=json)


@app.command("diff")
def compare(context: typer.Context, old: Rules, new: Rules, *, json: JsonOption = False) -> None:
    """Show what changed from one rule set to another: NAME@1 NAME@2, or files."""
    changes = diff(_resolved(context, old), _resolved(context, new))
    if changes or json:
        print_rows(console.diff_rows(changes), columns=("change", "what", "before", "after"), json=json)
    else:
        say("no difference")


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Put a rule set out of use; `restore` brings it back with all its versions."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            found = service.get_info(connection, name)
        if not yes:
            _ask(f"Remove the rule set {name} with {found.latest.version} versions?")
        removed = built.database.transact(service.archive, name)
    if json:
        print_json({"name": name, "archived_at": removed.archived_at})
    else:
        say(f"removed {name}; `labelmill rules restore {name}` brings it back")


@app.command()
def restore(context: typer.Context, name: Name, *, json: JsonOption = False) -> None:
    """Bring a removed rule set back."""
    with opened(settings_of(context)) as built:
        restored = built.database.transact(service.restore, name)
    if json:
        print_json({"name": name, "archived_at": restored.archived_at})
    else:
        say(f"restored {name}")


def _ask(question: str) -> None:
    """Go on after a yes; the question goes to stderr, for stdout holds results only."""
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Abort


@contextmanager
def _reading(context: typer.Context) -> Iterator[Connection]:
    with opened(settings_of(context)) as built, built.database.read() as connection:
        yield connection


def _resolved(context: typer.Context, text: str, *, predict_type: str | None = None) -> Any:
    loaded = service.resolve(text, lambda: _reading(context), predict_type=predict_type)
    _say_notes(loaded.notes)
    return loaded.rule_set


def _say_notes(notes: Sequence[Note]) -> None:
    for note in notes[: console.MOST_NOTES]:
        say(f"note: {note.where}: {note.message}")
    if len(notes) > console.MOST_NOTES:
        say(f"note: and {len(notes) - console.MOST_NOTES:,} more like these")


def _told(frames: Iterable[pl.DataFrame], tell: Callable[[int, int | None], None], total: int | None) -> Iterator[pl.DataFrame]:
    done = 0
    for frame in frames:
        yield frame
        done += len(frame)
        tell(done, total)


def _fields(found: StoredRuleSet) -> dict[str, Any]:
    return {
        "name": found.name, "version": found.version, "labels": len(found.rule_set.labels), "rules": len(found.rule_set.rules),
        "created_at": found.created_at, "note": found.note, "content_hash": found.content_hash,
    }  # fmt: skip
