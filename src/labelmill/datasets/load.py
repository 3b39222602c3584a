"""The predecessor's files, loaded as its settings name them: texts, labels, addresses of those who may sign up, and init data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill import clock
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.console import say
from labelmill.datasets import labels, service
from labelmill.datasets.imports import read
from labelmill.datasets.mapping import LabelUse, Mapping
from labelmill.datasets.model import DatasetSettings, Order, RecordKind
from labelmill.errors import BadFile, BadInput, BadSettings, LabelmillError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from labelmill.bootstrap import App
    from labelmill.datasets.model import Dataset
    from labelmill.jobs.model import Job
    from labelmill.settings import Settings

#: Addresses that are invited by one call, and the days that they have: the predecessor's list never ended.
AT_ONCE, DAYS = 100, 365
#: The settings, what their files hold, and the column that has it.
_FILES = {"data_path": ("texts", "data"), "label_path": ("labels", "labels"), "accessor_path": ("addresses", "accessor")}
_TEXTS = Mapping(kind=RecordKind.TEXT, columns=("data",))
_INIT = Mapping(kind=RecordKind.TEXT, columns=("data",), label_column="label", label_use=LabelUse.INIT)


def load_all(application: App, into: str, run: Callable[..., Job]) -> tuple[dict[str, Any], list[Job]]:
    """Load everything and return what became of it, with the jobs that did it; loading again adds nothing twice.

    Raises BadSettings for a file that is not named and BadFile, BadSource or BadInput for one that cannot be read; only the init data
    may be missing.
    """
    settings = application.settings
    # All files are looked at before anything is changed: half a load would have to be cleaned up by hand.
    names = _column(settings, "label_path")
    addresses = _column(settings, "accessor_path")
    data = _path(settings, "data_path")
    _check(data, _TEXTS)
    init = _init_path(settings)
    dataset = _dataset(application, into)
    found = application.database.transact(labels.ensure_labels, dataset.id, names)
    links = application.database.transact(_invite, dataset.id, addresses)
    jobs = [run(application, dataset, {"file": str(data)}, _TEXTS)]
    if init is not None:
        jobs.append(run(application, dataset, {"file": str(init)}, _INIT))
    results = [job.result or {} for job in jobs]
    report = {
        "dataset": dataset.name, "labels": len(found), "texts added": results[0].get("added", 0), "texts known": results[0].get("known", 0),
        "init added": sum(result.get("init", 0) for result in results), "rejected": sum(result.get("rejected", 0) for result in results),
        "invited": len(links), "invitations": [{"email": email, "link": accounts.sign_up_url(settings, link)} for email, link in links],
    }  # fmt: skip
    return report, jobs


def _dataset(application: App, into: str) -> Dataset:
    try:
        with application.database.read() as connection:
            return service.find(connection, into)
    except NotFound:
        return application.database.transact(
            service.create, name=into, kind=RecordKind.TEXT, settings=loop_settings(application.settings)
        )


def loop_settings(settings: Settings) -> DatasetSettings:
    """Return the settings of a dataset that behaves as the predecessor's variables say."""
    return DatasetSettings(
        order=Order.UNCERTAINTY if settings.active_learning else Order.RANKING,
        labels_per_record=1 if settings.no_vote else 0,
        min_label_count=settings.min_label_count,
        batch_size=settings.batch_size,
        ignored_threshold=settings.uncertainty_threshold,
    )


def _invite(connection: Connection, dataset_id: int, addresses: list[str]) -> list[tuple[str | None, str]]:
    """Invite who neither has an account nor an invitation that is open."""
    open_ones = _invited(connection, dataset_id)
    new: list[str] = []
    for address in addresses:
        try:
            accounts.find_annotator(connection, address)
        except NotFound:
            if address.strip().casefold() not in open_ones:
                new.append(address)
    return [
        made
        for start in range(0, len(new), AT_ONCE)
        for made in accounts.invite(
            connection, emails=new[start : start + AT_ONCE], dataset_id=dataset_id, dataset_role=Role.ANNOTATOR, days=DAYS
        )
    ]


def _invited(connection: Connection, dataset_id: int) -> set[str | None]:
    """Return the addresses with an invitation to the dataset that still holds."""
    found: set[str | None] = set()
    before = ""
    while page := accounts.list_invitations(connection, dataset_id=dataset_id, before=before):
        found |= {each.email for each in page if each.revoked_at is None and each.expires_at > clock.now()}
        before = page[-1].id
    return found


def _path(settings: Settings, name: str) -> Path:
    what = _FILES[name][0]
    path: Path | None = getattr(settings, name)
    if path is None:
        raise BadSettings(f"No file of {what} is named.", where=name.upper(), way_out=f"Set LABELMILL_{name.upper()}.")
    if not path.is_file():
        raise BadFile(f"The file of {what} is not there.", where=str(path), way_out=f"Check LABELMILL_{name.upper()}.")
    return path


def _column(settings: Settings, name: str) -> list[str]:
    """Return the texts of a small file's one column."""
    path, column = _path(settings, name), _FILES[name][1]
    return [
        text for made in read(path, Mapping(columns=(column,))) for text in made.frame["content"].unique(maintain_order=True)
    ]


def _check(path: Path, mapping: Mapping) -> None:
    next(iter(read(path, mapping)), None)


def _init_path(settings: Settings) -> Path | None:
    path = settings.init_data_path
    if path is None:
        return None
    try:
        if not path.is_file():
            raise BadInput("there is no such file")
        _check(path, _INIT)
    except LabelmillError as error:
        say(f"warning: no init data is loaded: {path}: {error.message}")
        return None
    return path
