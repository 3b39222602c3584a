"""The monitor's tables: what stands in each column, which is what they are sorted by and what their CSV holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill.http.sheets import Column, sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import Request

    from labelmill.http.sheets import Sheet


def sheets(request: Request, context: Mapping[str, Any], labels: Mapping[int, str]) -> dict[str, Sheet]:
    """Return the tables for which the page has figures, by name; ``labels`` are the names of the labels by id."""
    columns: dict[str, tuple[tuple[Column, ...], Any]] = {
        "curve": (CURVE, list(reversed(context["curve"]))),
        "scores": ((_label("label", labels), *SCORES), context["share"].get("labels", [])),
        "spread": (SPREAD, context["spread"]),
        "classifiers": (CLASSIFIERS, context["classifiers"]),
    }
    if context["matrix"]:
        columns["confusion"] = confusion(context["matrix"]), context["matrix"].rows
    if "people" in context:
        columns |= _of_people(context, labels)
    return {name: sheet(request, name, some, rows) for name, (some, rows) in columns.items()}


def _of_people(context: Mapping[str, Any], labels: Mapping[int, str]) -> dict[str, tuple[tuple[Column, ...], Any]]:
    people, agreement = context["people"], context["agreement"]

    def who(name: str, field: str) -> Column:
        return Column(name=name, value=lambda row: people.called(getattr(row, field)))

    return {
        "days": (DAYS, list(reversed(context["days"]))),
        "annotators": ((who("annotator", "annotator_id"), *ANNOTATORS), people.progress.annotators),
        "agreement": ((_label("label_id", labels), *AGREEMENT), agreement.labels),
        "consensus": ((_label("label_id", labels), *CONSENSUS), context["consensus"].labels),
        "pairs": ((who("one", "first"), who("other", "second"), *PAIRS), agreement.pairs),
        "hardest": (hardest(context["contents"], labels), context["hard"]),
    }


def hardest(contents: Mapping[int, Any], labels: Mapping[int, str]) -> tuple[Column, ...]:
    """Return the columns of the records that are disputed most."""

    def votes(row: Any) -> str:
        return ", ".join(f"{labels.get(label, '')}: {count}" for label, count in row.votes)

    def record(row: Any) -> str:
        return contents[row.record_id].given_id or str(row.record_id)

    return (Column(name="record", value=record), Column(name="answers", value=votes), _figure("disagreement"))


def confusion(matrix: Any) -> tuple[Column, ...]:
    """Return the columns of the confusion matrix: the right label, and how often each one was predicted."""

    def cell(place: int) -> Callable[[Any], int]:
        return lambda row: int(row.cells[place].count)

    predicted = [Column(name=name, value=cell(place), is_figure=True) for place, name in enumerate(matrix.names)]
    return (_text("right label", "name"), *predicted, _figure("all", "total"))


def _of(row: Any, path: str) -> Any:
    """Return what lies on a path of names in a row, None where the path ends before."""
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else getattr(row, name, None)
    return row


def _figure(name: str, path: str = "") -> Column:
    return Column(name=name, value=lambda row: _of(row, path or name), is_figure=True)


def _text(name: str, path: str = "") -> Column:
    return Column(name=name, value=lambda row: _of(row, path or name))


def _label(field: str, labels: Mapping[int, str]) -> Column:
    return Column(name="label", value=lambda row: labels.get(_of(row, field)))


_BAR = Column(name="bar", is_silent=True)
DAYS = (
    Column(name="day", value=lambda row: row[0].isoformat()),
    Column(name="answers", value=lambda row: row[1], is_figure=True),
)
CURVE = (_figure("version"), _figure("labels"), _figure("records"), _figure("precision"), _figure("macro_f1"))
SCORES = (_figure("records"), _figure("precision"), _figure("recall"), _figure("f1"))
AGREEMENT = (_figure("answers"), _figure("percent"), _figure("alpha"))
CONSENSUS = (_figure("majority"), _figure("dawid_skene"))
PAIRS = (_figure("records"), _figure("percent"), _figure("kappa"))
ANNOTATORS = (_figure("answers"), _BAR, _figure("today"), _figure("median_seconds"), _text("last_at"))
SPREAD = (_text("label", "label.name"), _figure("human"), _BAR, _figure("machine"), _BAR)
CLASSIFIERS = (
    _figure("version"), _text("created_at"),
    Column(name="labels", value=lambda row: _of(row, "metrics.labels") or _of(row, "data.records"), is_figure=True),
    _figure("precision", "metrics.share.precision"), _figure("macro_f1", "metrics.share.macro_f1"),
    _figure("held_out", "metrics.held_out.precision"), _text("learner", "parameters.learner"), _text("is_kept"),
)  # fmt: skip
