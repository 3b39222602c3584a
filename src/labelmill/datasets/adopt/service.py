"""The verb: read a LabelForward once, and with ``apply`` take it over in short transactions, each of which may be the last one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from labelmill.accounts import LOCAL
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.datasets.adopt.model import LONGEST_SHOWN, Report, Text, Vote, clean_label, moment, votes_of
from labelmill.datasets.adopt.people import People, stands_alone, take_accessors
from labelmill.datasets.adopt.source import Source
from labelmill.datasets.load import loop_settings
from labelmill.datasets.model import NewLabel, RecordFilter, RecordKind, Tie, record_key
from labelmill.errors import Conflict, NotFound
from labelmill.learning import service as learning
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from labelmill.bootstrap import App
    from labelmill.datasets.adopt.model import Span
    from labelmill.datasets.model import Dataset
    from labelmill.db.bulk.location import Location

#: Texts, or init records, of one transaction.
SLICE: Final = 500
ACTION: Final = "adopt labelforward"
_AT: Final = pl.Datetime("us", "UTC")
_ANSWERS: Final[dict[str, Any]] = {
    "record_id": pl.Int64, "annotator_id": pl.String, "label_id": pl.Int64, "answered_at": _AT, "shown_at": _AT,
}  # fmt: skip


@dataclass
class _State:
    """What a transaction changes beside the database: a copy of it goes with each try, and counts only once that is committed."""

    report: Report
    people: People


def adopt(
    app: App,
    location: Location,
    *,
    into: str,
    zone: ZoneInfo | None = None,
    same: Mapping[str, str] | None = None,
    apply: bool = False,
) -> Report:
    """Return what a LabelForward holds and what of it is to be taken over, or with ``apply`` has been.

    ``into`` names the dataset, which is made where there is none; ``zone`` is that of times that name none (UTC); ``same`` tells for
    addresses that votes have and no account which account it is. Later runs know both from earlier ones. Nothing is taken twice,
    however often and wherever a run ended. Raises BadSource and NotFound where there is no LabelForward, Unavailable where it does
    not answer, and Conflict where the dataset is another one or votes of an address were taken as somebody else's.
    """
    with Source.opened(location) as source:
        said = _Said(place=str(location), same=dict(same or {}), zone=zone.key if zone else None)
        return _Adoption(app, source, Report(place=said.place, into=into, applied=apply), said).run()


@dataclass(frozen=True, kw_only=True)
class _Said:
    """Where a LabelForward is, and what only people know of it: who is the same, and the zone of its times. The audit log keeps it."""

    place: str
    same: dict[str, str]
    zone: str | None


class _Adoption:
    """One run."""

    def __init__(self, app: App, source: Source, report: Report, said: _Said) -> None:
        self._app, self._source = app, source
        self._apply = report.applied
        self._users = source.users()
        self._dataset, said = self._open(report.into, said)
        self._same = said.same
        self._state = _State(report=report, people=People(self._users, self._same, report))
        report.dataset_id = self._dataset.id if self._dataset else None
        self._spans = self._read_spans(ZoneInfo(said.zone or "UTC"))

    def run(self) -> Report:
        self._do(self._labels)
        self._do(self._people)
        for texts in self._source.texts(SLICE):
            self._do(
                self._texts, [replace(each, users=[self._same.get(one or "", one) for one in each.users]) for each in texts]
            )
            passing("adopt-labelforward.texts")
        for rows in self._source.init_data(SLICE):
            self._do(self._init, rows)
            passing("adopt-labelforward.init")
        if self._apply and self._dataset is not None:
            self._state.report.job_id = self._app.database.transact(learning.after_import, self._dataset)
        return self._state.report

    @property
    def _target(self) -> int | None:
        """Where people are put; None while things are only counted."""
        return self._dataset.id if self._apply and self._dataset is not None else None

    def _do(self, verb: Callable[..., None], *arguments: Any) -> None:
        """Do one part in one transaction, or without ``apply`` only count."""

        def once(connection: Connection) -> _State:
            state = deepcopy(self._state)
            verb(connection, state, *arguments)
            return state

        if self._apply:
            self._state = self._app.database.transact(once)
        else:
            with self._app.database.read() as connection:
                self._state = once(connection)

    def _open(self, into: str, said: _Said) -> tuple[Dataset | None, _Said]:
        """Return the dataset, and what is said now with what earlier runs were told."""
        with self._app.database.read() as connection:
            known, found = replace(said, same={}, zone=None), _find(connection, into)
            if found is not None:
                known = _said_before(connection, found)
                _require_apart(connection, found, said.same.keys() - known.same.keys())
        self._labels_before = {each.name for each in found.labels} if found else set[str]()
        told = replace(said, same=known.same | said.same, zone=said.zone or known.zone)
        if found is None and self._apply:
            names = filter(None, (clean_label(each or "") for each in self._source.labels()))
            found = self._app.database.transact(_make, into, self._app, list(dict.fromkeys(names)), told)
        elif found is not None and self._apply and told != known:
            self._app.database.transact(_keep, found.id, told)
        return found, told

    def _read_spans(self, zone: ZoneInfo) -> dict[int, dict[str, Span]]:
        """Return the times of all votes: by text, then by address."""
        addresses = {each.id: each.email for each in self._users}
        found: dict[int, dict[str, Span]] = {}
        for user_id, text_id, started, ended in self._source.stamps():
            if user_id in addresses:
                span = (moment(started, zone), moment(ended, zone))
                found.setdefault(text_id, {})[self._same.get(addresses[user_id], addresses[user_id])] = span
        return found

    def _labels(self, connection: Connection, state: _State) -> None:
        count, names = state.report.counts["labels"], dict[str, None]()
        known = self._labels_before
        for number, label in enumerate(self._source.labels(), 1):
            count.found += 1
            name = clean_label(label or "")
            if name is None:
                state.report.leave_out("labels", f"label {number}", f"{(label or '')[:LONGEST_SHOWN]!r} is no name of a label")
            elif name in names or name in known:
                count.known += 1
            else:
                count.taken += 1
                names[name] = None
        if self._target is not None:
            datasets.ensure_labels(connection, self._target, names)

    def _people(self, connection: Connection, state: _State) -> None:
        state.people.take_accounts(connection, self._target)
        take_accessors(connection, self._source.accessors(), self._users, self._target, state.report)

    def _texts(self, connection: Connection, state: _State, texts: list[Text]) -> None:
        count = state.report.counts["texts"]
        before = _records(connection, self._dataset, [each.id for each in texts])
        count.found, count.known = count.found + len(texts), count.known + len(before)
        count.taken += len(texts) - len(before)
        votes = [vote for text in texts for vote in self._votes(text, state)]
        people = {
            user: state.people.id_of(connection, self._target, user) for user in dict.fromkeys(each.user for each in votes)
        }
        new = _new_votes(connection, self._dataset, votes, people, before)
        state.report.counts["votes"].taken += len(new)
        state.report.counts["votes"].known += len(votes) - len(new)
        if self._target is not None:
            datasets.add_records(connection, self._target, _text_frame(texts))
            _add_votes(connection, self._target, new, people)

    def _votes(self, text: Text, state: _State) -> list[Vote]:
        spans = self._spans.get(text.id, {})
        votes = votes_of(text, spans, state.report)
        known = {each.email for each in self._users}
        for each in votes:
            if each.user not in known:
                state.report.meet(each.user, (one for one in spans if one not in text.users))
        changed = len(votes) - len({each.user for each in votes})
        if changed:
            state.report.note("votes that a later one of the same annotator replaces", changed)
        return votes

    def _init(self, connection: Connection, state: _State, rows: list[tuple[int, str, str | None]]) -> None:
        count, ready = state.report.counts["init data"], []
        count.found += len(rows)
        for number, content, label in rows:
            name = clean_label(label or "")
            if name is None:
                state.report.leave_out(
                    "init data", f"init {number}", f"{(label or '')[:LONGEST_SHOWN]!r} is no name of a label"
                )
            else:
                ready.append((content, name))
        if self._target is None or not ready:
            count.taken += len(ready)
            return
        ids = datasets.ensure_labels(connection, self._target, dict.fromkeys(name for _, name in ready))
        schema = {"content": pl.String, "label_id": pl.Int64}
        frame = pl.DataFrame([(content, ids[name]) for content, name in ready], schema=schema, orient="row")
        added = datasets.add_init_records(connection, self._target, frame)
        count.taken += added.added
        count.known += added.known


def _make(connection: Connection, name: str, app: App, labels: list[str], told: _Said) -> Dataset:
    # Who labels most was first: what LabelForward called a majority stays one.
    settings = replace(loop_settings(app.settings), tie=Tie.FIRST)
    made = datasets.create(
        connection, name=name, kind=RecordKind.TEXT, settings=settings, labels=[NewLabel(name=each) for each in labels]
    )
    _keep(connection, made.id, told)
    return made


def _keep(connection: Connection, dataset_id: int, told: _Said) -> None:
    said = {name: value for name, value in asdict(told).items() if value}
    accounts.note(connection, LOCAL, ACTION, f"dataset {dataset_id}", dataset_id, **said)


def _find(connection: Connection, name: str) -> Dataset | None:
    try:
        return datasets.find(connection, name)
    except NotFound:
        return None


def _said_before(connection: Connection, dataset: Dataset) -> _Said:
    """Return what earlier runs were told; raises Conflict for a dataset that none of them made: two would be mixed."""
    before: int | None = None
    runs: list[dict[str, Any]] = []
    while page := accounts.list_audit(connection, dataset_id=dataset.id, before=before):
        runs += [each.details for each in page if each.action == ACTION]
        before = page[-1].id
    if not runs:
        raise Conflict(
            f"The dataset {dataset.name!r} is another one.", where="--into",
            way_out="Name one that there is not yet, or the one of an earlier run.",
        )  # fmt: skip
    return _Said(place=runs[0].get("place", ""), same=runs[0].get("same", {}), zone=runs[0].get("zone"))


def _require_apart(connection: Connection, dataset: Dataset, addresses: Iterable[str]) -> None:
    """Raise Conflict for an address that earlier runs took as a person of its own: its votes would count for two."""
    for address in addresses:
        if stands_alone(connection, dataset.id, address):
            raise Conflict(
                f"An earlier run took the votes of {address[:LONGEST_SHOWN]!r} as those of an account of its own.", where="--same",
                way_out="Leave it out, or take everything over into a new dataset: --into.",
            )  # fmt: skip


def _records(connection: Connection, dataset: Dataset | None, text_ids: list[int]) -> dict[int, int]:
    """Return the records of texts that the dataset has."""
    if dataset is None:
        return {}
    where = RecordFilter(given_ids=tuple(map(str, text_ids)))
    found = datasets.list_records(connection, dataset.id, where=where, limit=len(text_ids))
    return {int(each.given_id): each.id for each in found if each.given_id is not None}


def _new_votes(
    connection: Connection, dataset: Dataset | None, votes: list[Vote], people: Mapping[str, str], known: Mapping[int, int]
) -> list[Vote]:
    """Return the votes that are not there: of each annotator and text those beyond as many as they have answers to it."""
    new: list[Vote] = []
    for text_id, theirs in groupby(votes, key=lambda vote: vote.text_id):
        there: dict[str, int] = {}
        if dataset is not None and text_id in known:
            for each in annotation.history(connection, dataset.id, known[text_id]):
                there[each.annotator_id] = there.get(each.annotator_id, 0) + 1
        for vote in theirs:
            who = people[vote.user]
            if there.get(who, 0):
                there[who] -= 1
            else:
                new.append(vote)
    return new


def _text_frame(texts: list[Text]) -> pl.DataFrame:
    # A text that stands there twice has two sets of votes: its number tells them apart, not what it says.
    rows = [(record_key(str(each.id), each.content), str(each.id), each.content) for each in texts]
    return pl.DataFrame(rows, schema=dict.fromkeys(("record_key", "given_id", "content"), pl.String), orient="row")


def _add_votes(connection: Connection, dataset_id: int, votes: list[Vote], people: Mapping[str, str]) -> None:
    if not votes:
        return
    labels = datasets.ensure_labels(connection, dataset_id, dict.fromkeys(each.label for each in votes))
    dataset = datasets.get(connection, dataset_id)
    records = _records(connection, dataset, list(dict.fromkeys(each.text_id for each in votes)))
    rows = [(records[each.text_id], people[each.user], labels[each.label], each.answered_at, each.shown_at) for each in votes]
    annotation.add_answers(connection, dataset, pl.DataFrame(rows, schema=_ANSWERS, orient="row"))
