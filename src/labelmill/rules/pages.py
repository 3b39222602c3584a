"""The pages on rules. The table works as a plain form; a script sends the same form as it is typed and puts in what comes back."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, cast
from urllib.parse import quote

from fastapi import Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may, require
from labelmill.connections import files_folder
from labelmill.connections import service as connections
from labelmill.errors import Conflict, LabelmillError
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.rules import service, view
from labelmill.rules.console import diff_rows
from labelmill.rules.diff import diff
from labelmill.rules.edits import TYPES
from labelmill.rules.form import TheForm, Typed, Wishes
from labelmill.rules.model import RuleSet
from labelmill.rules.parcel import unwrap
from labelmill.rules.readers.loaded import CHINESE_LABELS
from labelmill.rules.routes import look
from labelmill.rules.stored import LONGEST_NAME, StoredRuleSet, pack

if TYPE_CHECKING:
    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.rules.view import View

router = page_router()
Name = Annotated[str, Path(max_length=LONGEST_NAME)]
Number = Annotated[int, Path(ge=1, le=999_999_999)]
Short = Annotated[str, Form(max_length=1_000)]
#: Files that are offered as a source.
MOST_FILES: Final = 200
MOST_VERSIONS: Final = 100
MOST_LISTED: Final = 200
LARGEST_UPLOAD: Final = 64 << 20
_ENDINGS: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".csv.gz", ".db", ".sqlite", ".sqlite3")


@router.get("/rules")
def list_page(request: Request, app: TheApp, actor: SignedIn, *, archived: bool = False, after: str = "") -> HTMLResponse:
    """List the rule sets."""
    require(actor, Action.VIEW_RULES)
    return _list(request, app, actor, archived=archived, after=after[:LONGEST_NAME])


@router.get("/rules/new")
def new_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """Begin a rule set."""
    require(actor, Action.EDIT_RULES)
    seen = view.begin(RuleSet("new", ()))
    return _editor(request, app, actor, seen, typed=Typed(), stored=None)


@router.post("/rules/new")
def make(request: Request, app: TheApp, actor: SignedIn, typed: TheForm) -> Response:
    """Look at what a new rule set would be, or store it."""
    require(actor, Action.EDIT_RULES)
    return _turn(request, app, actor, typed, None)


@router.post("/rules/import")
def import_file(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    file: UploadFile,
    name: Short,
    *,
    predict_type: Short = "",
    chinese_labels: Short = "",
) -> Response:
    """Store an uploaded file of rules; what cannot be read comes back with its line."""
    require(actor, Action.EDIT_RULES)
    try:
        dictionary = CHINESE_LABELS if chinese_labels else None
        content = file.file.read(LARGEST_UPLOAD + 1)
        loaded = unwrap(
            content, file.filename or "", name=name.strip(), predict_type=predict_type.strip() or None, dictionary=dictionary
        )
        packed = pack(loaded.rule_set)
        note = f"{file.filename}"[:200].replace("\0", "")
        saved = app.database.transact(service.save, name.strip(), packed, created_by=actor.annotator_id, note=note)
    except LabelmillError as error:
        return _list(request, app, actor, error=error, typed={"name": name, "predict_type": predict_type})
    if loaded.notes:
        return _list(request, app, actor, imported=(saved, loaded.notes))
    return see_other(_address(saved.name))


@router.get("/rules/{name}")
def rule_set_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    name: Name,
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    saved: int = 0,
) -> HTMLResponse:
    """Show a rule set's rules, to be changed by those who may."""
    require(actor, Action.VIEW_RULES)
    stored = look(app, name)
    seen = view.begin(stored.rule_set, wanted=q, page=page)
    wishes = Wishes(base=stored.version, filter=q, page=page)
    # A large rule set is checked when somebody asks for it, not at every look.
    view.work_out(app, seen, wishes, sampled=False, checked=len(stored.rule_set.rules) <= view.LIVE)
    return _editor(request, app, actor, seen, typed=Typed(wishes=wishes), stored=stored, saved=saved == stored.version)


@router.post("/rules/{name}")
def change(request: Request, app: TheApp, actor: SignedIn, name: Name, typed: TheForm) -> Response:
    """Look at what the changes come to, or save them as the next version."""
    require(actor, Action.VIEW_RULES)
    return _turn(request, app, actor, typed, look(app, name, typed.wishes.base or None))


@router.get("/rules/{name}/versions")
def versions_page(request: Request, app: TheApp, actor: SignedIn, name: Name, *, before: int | None = None) -> HTMLResponse:
    """List the versions of a rule set, latest first."""
    require(actor, Action.VIEW_RULES)
    with app.database.read() as connection:
        info = service.get_info(connection, name)
        found = service.list_versions(connection, name, before=before, limit=MOST_VERSIONS + 1)
    shown, more = found[:MOST_VERSIONS], len(found) > MOST_VERSIONS
    return render(request, "rules/versions.html", info=info, versions=shown, more=more, edits=may(actor, Action.EDIT_RULES))


@router.get("/rules/{name}/versions/{version}")
def version_page(request: Request, app: TheApp, actor: SignedIn, name: Name, version: Number) -> HTMLResponse:
    """Show what a version changed, and how it leaves this place."""
    require(actor, Action.VIEW_RULES)
    stored = look(app, name, version)
    with app.database.read() as connection:
        info = service.get_info(connection, name)
    before = look(app, name, version - 1).rule_set if version > 1 else RuleSet(name, ())
    changes = diff_rows(diff(before, stored.rule_set))
    return render(
        request, "rules/version.html", info=info, stored=stored, changes=changes[: view.MOST_CHANGES], count=len(changes),
        edits=may(actor, Action.EDIT_RULES),
    )  # fmt: skip


@router.post("/rules/{name}/versions/{version}/restore")
def go_back(app: TheApp, actor: SignedIn, name: Name, version: Number) -> Response:
    """Save an earlier version as the next one."""
    require(actor, Action.EDIT_RULES)
    packed = pack(look(app, name, version).rule_set)
    saved = app.database.transact(service.save, name, packed, created_by=actor.annotator_id, note=f"= {version}")
    return see_other(f"{_address(name)}?saved={saved.version}")


@router.post("/rules/{name}/archive")
def archive(app: TheApp, actor: SignedIn, name: Name) -> Response:
    """Put a rule set out of use."""
    require(actor, Action.EDIT_RULES)
    app.database.transact(service.archive, name)
    return see_other("/rules")


@router.post("/rules/{name}/restore")
def restore(app: TheApp, actor: SignedIn, name: Name) -> Response:
    """Put a rule set into use again."""
    require(actor, Action.EDIT_RULES)
    app.database.transact(service.restore, name)
    return see_other(_address(name))


def _turn(request: Request, app: App, actor: Actor, typed: Typed, stored: StoredRuleSet | None) -> Response:
    """Handle the form: with the button to save it is stored, else everything that follows from it is shown."""
    wishes, save = typed.wishes, typed.wishes.action == "save"
    base = stored.rule_set if stored else RuleSet("new", ())
    seen = view.View(base=base, edits=typed.edits, pages=1, shown=0)
    view.work_out(app, seen, wishes, sampled=may(actor, Action.VIEW_FILES) and not save)
    if not save or not seen.usable:
        return _editor(request, app, actor, seen, typed=typed, stored=stored, refused=save)
    require(actor, Action.EDIT_RULES)
    try:
        saved = _saved(app, actor, seen, wishes, stored)
    except LabelmillError as error:
        seen.error = error
        return _editor(request, app, actor, seen, typed=typed, stored=stored)
    return see_other(_address(saved.name) + (f"?saved={saved.version}" if saved.new else ""))


def _saved(app: App, actor: Actor, seen: View, wishes: Wishes, stored: StoredRuleSet | None) -> StoredRuleSet:
    packed = pack(cast("RuleSet", seen.rule_set))
    name = stored.name if stored else wishes.name.strip()
    expected = wishes.base if wishes.over is None else wishes.over
    return app.database.transact(
        service.save, name, packed, created_by=actor.annotator_id, note=wishes.note.strip(), expected=expected
    )


def _editor(
    request: Request,
    app: App,
    actor: Actor,
    seen: View,
    *,
    typed: Typed,
    stored: StoredRuleSet | None,
    saved: bool = False,
    refused: bool = False,
) -> HTMLResponse:
    error = seen.error
    samples = may(actor, Action.VIEW_FILES)
    return render(
        request,
        "rules/editor.html",
        status=error.status if error and typed.wishes.action == "save" else 200,
        seen=seen, wishes=typed.wishes, stored=stored, types=TYPES, saved=saved, refused=refused,
        newer=error.details.get("version") if isinstance(error, Conflict) and stored else None,
        edits=may(actor, Action.EDIT_RULES), samples=samples, sources=_sources(app, actor) if samples else [],
        live=len(seen.base.rules) <= view.LIVE, most_findings=view.MOST_FINDINGS, most_changes=view.MOST_CHANGES, page_rows=view.PAGE,
    )  # fmt: skip


def _list(
    request: Request,
    app: App,
    actor: Actor,
    *,
    archived: bool = False,
    after: str = "",
    error: LabelmillError | None = None,
    typed: dict[str, str] | None = None,
    imported: tuple[StoredRuleSet, Any] | None = None,
) -> HTMLResponse:
    with app.database.read() as connection:
        found = service.list_rule_sets(connection, archived=archived, after=after, limit=MOST_LISTED + 1)
        gone = archived or bool(service.list_rule_sets(connection, archived=True, limit=1))
    return render(
        request,
        "rules/list.html",
        status=error.status if error else 200,
        rule_sets=found[:MOST_LISTED], more=len(found) > MOST_LISTED, archived=archived, gone=gone, first=not after,
        edits=may(actor, Action.EDIT_RULES), error=error, typed=typed or {}, imported=imported,
    )  # fmt: skip


def _sources(app: App, actor: Actor) -> list[str]:
    """Return what is offered as a source: files below the data folder, and the beginnings of named connections' tables."""
    folder = files_folder(app.settings)
    found = islice(
        (path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.name.lower().endswith(_ENDINGS)), MOST_FILES
    )
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    if may(actor, Action.VIEW_CONNECTIONS):
        with app.database.read() as connection:
            names += [f"@{one.name}::" for one in connections.list_connections(connection)]
    return names


def _address(name: str) -> str:
    return f"/rules/{quote(name)}"
