"""The page of a dataset's settings: one form for each part, so that a mistake in one loses nothing of another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, Role, may
from labelmill.accounts import service as accounts
from labelmill.datasets import service, settings_form
from labelmill.datasets.model import NewLabel, Order, Tie, Uncertainty
from labelmill.datasets.pages import DatasetId
from labelmill.errors import BadInput, Conflict, Forbidden, NotFound
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.errors import LabelmillError

router = page_router()
#: Roles that somebody can have in one dataset.
ROLES: Final = (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER)
MOST_FIELDS: Final = 60_000
LARGEST_FIELD: Final = 4 << 20
SAVE_AGAIN: Final = "What you typed still stands here. Save again to put it in place of theirs."


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A form that was not taken: which part of the page, why, and what was typed."""

    part: str
    error: LabelmillError
    values: Mapping[str, str]


async def form_values(request: Request) -> dict[str, str]:
    """Return the texts of a form."""
    async with request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=LARGEST_FIELD) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A form of the page, and who sent it."""

    request: Request
    app: App
    actor: Actor
    dataset_id: int
    values: Mapping[str, str]


def the_form(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    values: Annotated[dict[str, str], Depends(form_values)],
) -> Sent:
    """Return the form that was sent."""
    return Sent(request=request, app=app, actor=actor, dataset_id=dataset_id, values=values)


TheForm = Annotated[Sent, Depends(the_form)]


@router.get("/datasets/{dataset_id}/settings")
def settings_page(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, *, saved: str = "") -> HTMLResponse:
    """Show a dataset's settings."""
    return _page(request, app, actor, dataset_id, saved=saved[:20])


@router.post("/datasets/{dataset_id}/settings")
def save(sent: TheForm) -> Response:
    """Save the name and how records are served and learnt from."""

    def verb(connection: Connection) -> dict[str, Any]:
        now = service.get(connection, sent.dataset_id)
        values = _merged(sent, settings_form.shown_settings(now))
        wanted = settings_form.changed(settings_form.read_settings(values), now.settings)
        name = values.get("name", now.name)
        service.change(
            connection,
            sent.dataset_id,
            revision=_revision(sent.values) or now.revision,
            name=None if name == now.name else name,
            settings=wanted or None,
        )
        return wanted | ({} if name == now.name else {"name": name})

    return _act(sent, "general", verb, note="change dataset")


@router.post("/datasets/{dataset_id}/settings/guidelines")
def save_guidelines(sent: TheForm) -> Response:
    """Save the guidelines, or show how they will look."""
    text = sent.values.get("guidelines", "").replace("\r\n", "\n")
    if sent.values.get("action") == "preview":
        with sent.app.database.read() as connection:
            accounts.require_in(connection, sent.actor, Action.CHANGE_DATASET, sent.dataset_id)
        if "hx-request" in sent.request.headers:
            return render(sent.request, "datasets/guidelines.html", text=text)
        return _page(sent.request, sent.app, sent.actor, sent.dataset_id, preview=text)

    def verb(connection: Connection) -> None:
        service.change(connection, sent.dataset_id, revision=_revision(sent.values), guidelines=text)

    return _act(sent, "guidelines", verb, note="change dataset")


@router.post("/datasets/{dataset_id}/settings/labels")
def save_labels(sent: TheForm) -> Response:
    """Save names, colours, keys, descriptions and order of all labels, and add one."""

    def verb(connection: Connection) -> dict[str, Any]:
        now = service.get(connection, sent.dataset_id)
        values = _merged(sent, settings_form.shown_labels(now))
        service.change(connection, sent.dataset_id, revision=_revision(sent.values) or now.revision)
        rows = settings_form.read_labels(values, now.labels)
        _change_labels(connection, now, rows)
        if sent.values.get("remove"):
            service.remove_label(connection, sent.dataset_id, _id(sent.values["remove"]))
        if sent.values.get("new-name", "").strip():
            new = {
                field: sent.values.get(f"new-{field}", "").strip() for field in ("name", "colour", "shortcut", "description")
            }
            service.add_label(connection, sent.dataset_id, NewLabel(**new))
        before = [each.name for each in now.labels]
        after = [each.name for each in service.get(connection, sent.dataset_id).labels]
        gone, come = [each for each in before if each not in after], [each for each in after if each not in before]
        return {"before": gone, "after": come} if gone or come else {}

    return _act(sent, "labels", verb, note="change labels")


@router.post("/datasets/{dataset_id}/settings/merge")
def merge(sent: TheForm) -> Response:
    """Let the answers with one label count for another."""

    def verb(connection: Connection) -> dict[str, Any]:
        names = {label.id: label.name for label in service.get(connection, sent.dataset_id).labels}
        label, into = _id(sent.values.get("label", "")), _id(sent.values.get("into", ""))
        service.merge_labels(connection, sent.dataset_id, label, into)
        return {"label": names.get(label), "into": names.get(into)}

    return _act(sent, "labels", verb, note="merge label")


@router.post("/datasets/{dataset_id}/settings/members")
def save_member(sent: TheForm) -> Response:
    """Let somebody in, change what they may do, or let them out."""

    def verb(connection: Connection) -> None:
        if sent.values.get("remove"):
            accounts.remove_member(connection, sent.dataset_id, sent.values["remove"], by=sent.actor)
            return
        role = next((each for each in ROLES if each == sent.values.get("role")), None)
        if role is None:
            raise BadInput("There is no such role.", where="role", way_out=f"One of: {', '.join(ROLES)}.")
        accounts.set_member(connection, sent.dataset_id, _person(connection, sent.values), role, by=sent.actor)

    return _act(sent, "people", verb, action=Action.KEEP_MEMBERS)


@router.post("/datasets/{dataset_id}/archive")
def archive(sent: TheForm) -> Response:
    """Archive a dataset."""
    return _act(sent, "danger", lambda connection: service.archive(connection, sent.dataset_id), note="archive dataset")


@router.post("/datasets/{dataset_id}/restore")
def restore(sent: TheForm) -> Response:
    """Restore an archived dataset."""
    return _act(sent, "danger", lambda connection: service.restore(connection, sent.dataset_id), note="restore dataset")


@router.post("/datasets/{dataset_id}/remove")
def remove(sent: TheForm) -> Response:
    """Remove a dataset that is archived, for good; its name has to be typed."""

    def verb(connection: Connection) -> str | None:
        if sent.values.get("name", "").strip() != service.get(connection, sent.dataset_id).name:
            raise BadInput("That is not the dataset's name.", where="name", way_out="Type its name to remove it.")
        return service.remove(connection, sent.dataset_id)

    return _act(sent, "danger", verb, note="remove dataset", to="/datasets?archived=true")


def _merged(sent: Sent, now: Mapping[str, str]) -> Mapping[str, str]:
    """Return what was changed in a form; raises Conflict where somebody else changed the same meanwhile, and otherwise."""
    found = settings_form.merged(sent.values, now)
    if found.both:
        names = ", ".join(name.partition("-")[0] for name in found.both)
        raise Conflict(f"Somebody else changed the same meanwhile: {names}.", way_out=SAVE_AGAIN)
    return found.values


def _act(
    sent: Sent, part: str, verb: Callable[[Connection], object], *, note: str = "", action: Action = Action.CHANGE_DATASET, to: str = ""
) -> Response:  # fmt: skip
    """Do ``verb`` in one transaction with the right to do so, and write it down as ``note``.

    What it returns as text is a job to wake, as a dict what was changed.

    What is refused is said beside its part of the page.
    """

    def allowed(connection: Connection) -> object:
        accounts.require_in(connection, sent.actor, action, sent.dataset_id)
        done = verb(connection)
        if note:
            details = done if isinstance(done, dict) else {}
            accounts.note(connection, sent.actor, note, f"dataset {sent.dataset_id}", sent.dataset_id, **details)
        return done

    try:
        done = sent.app.database.transact(allowed)
    except (BadInput, Conflict, Forbidden, NotFound) as error:
        if error.where == "revision":
            error.way_out = SAVE_AGAIN
        return _refused(sent, Refused(part=part, error=error, values=sent.values))
    if isinstance(done, str):
        sent.app.runtime.wake(done)
    return see_other(to or f"/datasets/{sent.dataset_id}/settings?saved={part}#{part}")


def _refused(sent: Sent, refused: Refused) -> Response:
    shows = {"general": settings_form.shown_settings, "labels": settings_form.shown_labels}.get(refused.part)
    if shows is not None and "shown" in sent.values and refused.error.where != "shown":
        with sent.app.database.read() as connection:
            now = shows(service.get(connection, sent.dataset_id))
        refused = replace(refused, values=settings_form.merged(sent.values, now).as_shown)
    return _page(sent.request, sent.app, sent.actor, sent.dataset_id, refused=refused)


def _change_labels(connection: Connection, now: service.Dataset, rows: list[settings_form.LabelRow]) -> None:
    stored = {label.id: label for label in now.labels}
    changes = {row.id: change for row in rows if (change := row.changes(stored[row.id]))}
    for label_id, change in changes.items():
        # Keys may change places: all are free before the first is given again.
        if "shortcut" in change and stored[label_id].shortcut:
            service.change_label(connection, now.id, label_id, shortcut="")
    for label_id in settings_form.in_turn(changes, now.labels):
        fields: dict[str, Any] = dict(changes[label_id])
        service.change_label(connection, now.id, label_id, **fields)
    order = [row.id for row in rows]
    if order != [label.id for label in now.labels]:
        service.order_labels(connection, now.id, order)


def _person(connection: Connection, values: Mapping[str, str]) -> str:
    if values.get("annotator"):
        return values["annotator"]
    return accounts.find_annotator(connection, values.get("email", "").strip()).id


def _revision(values: Mapping[str, str]) -> int | None:
    text = values.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004 - digits that databases take


def _id(text: str) -> int:
    number = _revision({"revision": text})
    if number is None:
        raise BadInput("No label was chosen.", where="label")
    return number


def _page(
    request: Request, app: App, actor: Actor, dataset_id: int, *, refused: Refused | None = None, saved: str = "", preview: str | None = None
) -> HTMLResponse:  # fmt: skip
    frame = dataset_frame(app, actor, dataset_id, Action.CHANGE_DATASET)
    keeps = may(frame["inside"], Action.KEEP_MEMBERS)
    return render(
        request, "datasets/settings.html", status=refused.error.status if refused else 200, **frame,
        refused=refused, saved=saved, preview=preview, shown_settings=settings_form.shown_settings(frame["dataset"]),
        shown_labels=settings_form.shown_labels(frame["dataset"]), orders=list(Order), uncertainties=list(Uncertainty), ties=list(Tie),
        keeps=keeps, people=_people(app, dataset_id) if keeps else [], roles=ROLES,
    )  # fmt: skip


def _people(app: App, dataset_id: int) -> list[Any]:
    with app.database.read() as connection:
        return accounts.list_members(connection, dataset_id)
