"""Rule sets over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Header, Path, Query, Request, Response

from labelmill.accounts import Action, require
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, decode_cursor, page_of
from labelmill.rules import sample, service
from labelmill.rules.check import check
from labelmill.rules.diff import diff
from labelmill.rules.explain import explain
from labelmill.rules.parcel import Wrapping, unwrap, wrap
from labelmill.rules.readers.loaded import CHINESE_LABELS
from labelmill.rules.schemas import (
    Checked,
    DiffOut,
    Explained,
    Imported,
    NewRuleSet,
    NewVersion,
    RuleSetDetail,
    RuleSetOut,
    RuleSetPage,
    Sampled,
    Saved,
    ToCheck,
    ToExplain,
    ToSample,
    VersionOut,
    VersionPage,
)
from labelmill.rules.stored import LONGEST_NAME, LONGEST_NOTE, StoredRuleSet, pack, read_document, require_small

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.rules.model import RuleSet

router = api_router("/rule-sets", "rules")
Name = Annotated[str, Path(max_length=LONGEST_NAME)]
Number = Annotated[int, Path(ge=1, le=999_999_999)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file.", "content": {"application/octet-stream": {}}}}
_ETAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


@router.get("")
def list_rule_sets(
    app: TheApp, actor: SignedIn, *, archived: bool = False, cursor: str | None = None, limit: Limit = DEFAULT_LIMIT
) -> RuleSetPage:
    """Return rule sets by name, each with its latest version; with `archived` those out of use."""
    require(actor, Action.VIEW_RULES)
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    with app.database.read() as connection:
        found = service.list_rule_sets(connection, archived=archived, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": one.name})
    return RuleSetPage(items=[RuleSetOut.of(one) for one in page.items], next=page.next)


@router.post("", status_code=201, response_model=Saved, responses=documented(409, 413))
def add_rule_set(app: TheApp, actor: SignedIn, once: TheOnce, new: NewRuleSet) -> Response:  # noqa: ARG001 - one order of parameters
    """Store a new rule set as version 1."""
    require(actor, Action.EDIT_RULES)
    packed = pack(read_document(new.rule_set, new.name))
    more: dict[str, Any] = {"created_by": actor.annotator_id, "note": new.note, "expected": 0}
    return once.run(lambda connection: Saved.of_stored(service.save(connection, new.name, packed, **more)))


@router.post("/check", responses=documented(404, 413))
def check_rule_set(app: TheApp, actor: SignedIn, body: ToCheck) -> Checked:
    """Return what is wrong or idle in rules that are given, or stored."""
    require(actor, Action.VIEW_RULES)
    return Checked.of(check(given(app, body.rule_set)))


@router.post("/explain", responses=documented(404, 413))
def explain_text(app: TheApp, actor: SignedIn, body: ToExplain) -> Explained:
    """Return which rules hit a text where, the scores, and the label that wins in each group."""
    require(actor, Action.VIEW_RULES)
    return Explained.of(explain(given(app, body.rule_set), body.text))


@router.post("/sample", responses=documented(404, 413))
def try_on_sample(app: TheApp, actor: SignedIn, body: ToSample) -> Sampled:
    """Match the first rows of a file below the data folder's `files`, or of a named connection's table."""
    require(actor, Action.VIEW_FILES)
    rule_set = given(app, body.rule_set)
    columns: dict[str, Any] = {"text_column": body.text_column, "gold_column": body.gold_column}
    return Sampled.of(sample.take(app, body.source, rule_set, **columns, rows=body.rows))


async def _content(request: Request) -> bytes:
    return await request.body()


@router.post("/import", status_code=201, response_model=Imported, responses=documented(409, 413), openapi_extra=BODY)
def import_rule_set(
    app: TheApp,  # noqa: ARG001 - one order of parameters
    actor: SignedIn,
    once: TheOnce,
    content: Annotated[bytes, Depends(_content)],
    *,
    name: Annotated[str, Query(min_length=1, max_length=LONGEST_NAME)],
    file_name: Annotated[str, Query(max_length=300, description="Its ending tells the form: .json, .csv, .tsv, or .zip.")],
    predict_type: Annotated[str | None, Query(max_length=200)] = None,
    chinese_labels: bool = False,
    note: Annotated[str, Query(max_length=LONGEST_NOTE)] = "",
    expected_version: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Store the body, a file of rules, as the next version of `name`: JSON, CSV, or the predecessor's folder in a ZIP."""
    require(actor, Action.EDIT_RULES)
    dictionary = CHINESE_LABELS if chinese_labels else None
    loaded = unwrap(content, file_name, name=name, predict_type=predict_type, dictionary=dictionary)
    packed = pack(loaded.rule_set)
    more: dict[str, Any] = {"created_by": actor.annotator_id, "note": note, "expected": expected_version}
    return once.run(lambda connection: Imported.of_stored(service.save(connection, name, packed, **more)).noted(loaded.notes))


@router.get("/{name}", responses=documented(404))
def get_rule_set(app: TheApp, actor: SignedIn, response: Response, name: Name) -> RuleSetDetail:
    """Return the latest version with its rules; its `ETag` is the version."""
    require(actor, Action.VIEW_RULES)
    found = look(app, name)
    response.headers["ETag"] = f'"{found.version}"'
    return RuleSetDetail.of_stored(found)


@router.put("/{name}", responses=documented(404, 409, 413))
def save_version(
    app: TheApp,
    actor: SignedIn,
    response: Response,
    name: Name,
    new: NewVersion,
    *,
    if_match: Annotated[str | None, Header()] = None,
) -> Saved:
    """Save rules as the next version. `If-Match` or `expected_version` refuses the save when somebody else saved in between."""
    require(actor, Action.EDIT_RULES)
    expected = _expected(if_match) if if_match is not None else new.expected_version
    if expected is None:
        look(app, name, whole=False)
    packed = pack(read_document(new.rule_set, name))
    more: dict[str, Any] = {"created_by": actor.annotator_id, "note": new.note, "expected": expected}
    saved = app.database.transact(service.save, name, packed, **more)
    response.headers["ETag"] = f'"{saved.version}"'
    return Saved.of_stored(saved)


@router.delete("/{name}", status_code=204, responses=documented(404))
def archive_rule_set(app: TheApp, actor: SignedIn, name: Name) -> None:
    """Put a rule set out of use. Its versions stay, and `restore` undoes it."""
    require(actor, Action.EDIT_RULES)
    app.database.transact(service.archive, name)


@router.post("/{name}/restore", responses=documented(404))
def restore_rule_set(app: TheApp, actor: SignedIn, name: Name) -> RuleSetOut:
    """Put an archived rule set into use again."""
    require(actor, Action.EDIT_RULES)
    return RuleSetOut.of(app.database.transact(service.restore, name))


@router.get("/{name}/versions", responses=documented(404))
def list_versions(
    app: TheApp, actor: SignedIn, name: Name, *, cursor: str | None = None, limit: Limit = DEFAULT_LIMIT
) -> VersionPage:
    """Return the versions, latest first."""
    require(actor, Action.VIEW_RULES)
    before = _number(decode_cursor(cursor, "before")["before"]) if cursor else None
    with app.database.read() as connection:
        found = service.list_versions(connection, name, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": str(one.version)})
    return VersionPage(items=[VersionOut.of(one) for one in page.items], next=page.next)


@router.get("/{name}/versions/{version}", responses=documented(404))
def get_version(app: TheApp, actor: SignedIn, name: Name, version: Number) -> RuleSetDetail:
    """Return one version with its rules, also of an archived rule set."""
    require(actor, Action.VIEW_RULES)
    return RuleSetDetail.of_stored(look(app, name, version))


@router.get("/{name}/versions/{version}/diff", responses=documented(404))
def compare_versions(
    app: TheApp, actor: SignedIn, name: Name, version: Number, since: Annotated[int, Query(ge=1, le=999_999_999)]
) -> DiffOut:
    """Return what changed from the version `since` to this one."""
    require(actor, Action.VIEW_RULES)
    return DiffOut.of(diff(look(app, name, since).rule_set, look(app, name, version).rule_set))


@router.get("/{name}/versions/{version}/file", response_class=Response, responses=FILE | documented(404))
def download_version(app: TheApp, actor: SignedIn, name: Name, version: Number, form: Wrapping = Wrapping.JSON) -> Response:
    """Return a version as a file: JSON holds everything; CSV and the folder in a ZIP hold rules and labels only."""
    require(actor, Action.VIEW_RULES)
    content, _lost = wrap(look(app, name, version).rule_set, form)
    ascii_name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    headers = {"Content-Disposition": f'attachment; filename="{ascii_name}-{version}.{form}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


def look(app: App, name: str, version: int | None = None, *, whole: bool = True) -> Any:
    """Return a stored rule set; without ``whole`` only make sure that there is one. Raises NotFound."""
    with app.database.read() as connection:
        return service.get_rule_set(connection, name, version) if whole else service.get_info(connection, name)


def given(app: App, value: dict[str, Any]) -> RuleSet:
    """Return the rule set that a body holds, or the stored one that it names."""
    if not {"labels", "rules"} & set(value):
        return _named(app, value).rule_set
    name = value.get("name", "rules")
    rule_set = read_document(value, name if isinstance(name, str) and name else "rules")
    require_small(rule_set)
    return rule_set


def _named(app: App, value: dict[str, Any]) -> StoredRuleSet:
    name, version = value.get("name"), value.get("version")
    whole = version is None or (isinstance(version, int) and not isinstance(version, bool) and version > 0)
    if not isinstance(name, str) or not whole or set(value) - {"name", "version"}:
        way_out = "Give `labels` and `rules`, or the `name` (and perhaps the `version`) of a stored rule set."
        raise BadInput("This is no rule set.", where="body.rule_set", way_out=way_out)
    found: StoredRuleSet = look(app, name, version)
    return found


def _expected(if_match: str) -> int | None:
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise BadInput(
            "It is no version of a rule set.", where="If-Match", way_out='Send the ETag that came with it, like "3".'
        )
    return int(found[1])


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadInput("This is no cursor of this list.", where="cursor", way_out="Use the `next` of the page before.")
    return int(text)
