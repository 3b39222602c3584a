"""README.md, predict.py and metrics.json: what the archive holds, how it came to be, and how its classifier is used."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from labelmill import __version__
from labelmill.archives.members import ANSWERS, HUMAN, RECORDS, STAMPS, Tally
from labelmill.datasets import Consensus, Tie
from labelmill.learning.service import Takes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.archives.plan import Plan

SKOPS: Final = "classifier.skops"
PICKLE: Final = "clf.p"
PREDICT: Final = "predict.py"
METRICS: Final = "metrics.json"
PACKAGES: Final = ("scikit-learn", "skops", "numpy", "scipy")
#: How the script is called, what it labels, and what it needs beside PACKAGES.
_SCRIPTS: Final = {
    Takes.TEXTS: ("python predict.py IN.csv OUT.csv", "the column `text` of a CSV file", ""),
    Takes.ROWS: ("python predict.py IN.csv OUT.csv", "the rows of a CSV file whose headings are the fields", ""),
    Takes.IMAGES: ("python predict.py FOLDER OUT.csv", "the images of a folder", "pillow"),
}
_MEMBERS: Final = {
    RECORDS: "one row per record: its id and content, `label` (the majority, empty without one), `tied`, `agreement`, `answers`, "
    "`votes`, and what this classifier says: `predicted`, `confidence`, and the probability of each label as `p_<label>`",
    ANSWERS: "one row per answer that counts: number, record, annotator, labels, whether it settles a tie, when it was shown and "
    "answered (UTC), and the seconds between",
    HUMAN: "records with a majority, column by column, with LabelForward's column names (`pandas.read_json` reads it)",
    STAMPS: "when each answer was shown and given, in milliseconds since 1970 (UTC), likewise",
    METRICS: "the classifier's scores, parameters and training data, with the names of the labels",
}


def readme(plan: Plan, tally: Tally, members: Mapping[str, Any], takes: Takes | None) -> str:
    """Return the card of an archive."""
    moment = plan.moment
    dataset, settings = moment.dataset, moment.dataset.settings
    lines = [
        f"# {_line(dataset.name)}", "",
        (f"An archive of a dataset of {dataset.kind} records, made by labelmill {__version__}. Requested {_time(plan.requested_at)}; it holds "
        f"the state as of annotation {moment.number}."), "",
        "## Figures", "", "| | |", "|---|---|",
        f"| records | {tally.rows[RECORDS]:,} |", f"| with a label by people | {tally.rows[HUMAN]:,} |",
        f"| without, tied ones among them | {tally.rows[plan.machine]:,} |", f"| tied | {tally.rows['tied']:,} |",
        f"| answers | {tally.rows[ANSWERS]:,} |", f"| annotators | {len(tally.annotators):,} |", "",
        "## Labels", "", "| label | meaning | by people | by the classifier |", "|---|---|---|---|",
        *(
            f"| {_line(name)} | {_line(about)} | {tally.majority[name]:,} | {tally.predicted[name]:,} |"
            for name, about in _labels(plan, tally)
        ), "",
        "## How it was labelled", "",
        (f"Each record is meant to get {settings.labels_per_record} answer(s). " if settings.labels_per_record else "Every annotator is asked about each record. ")
        + "The label is the majority of "
        f"the answers; at least {settings.min_label_count} are needed. "
        + ("Of labels with equally many votes the one that was given first counts." if settings.tie is Tie.FIRST else "A tie has no label until somebody settles it."),
        *(["Classifiers learn from labels by Dawid-Skene; the labels here are majorities."] if settings.consensus is Consensus.DAWID_SKENE else []),
        (f"Records were chosen in the order `{settings.order}`; {settings.random_share:.0%} of them form a random share, on which classifiers "
        "are scored."), f"Annotators are named by {plan.choices.annotators}.", "",
        *_classifier(plan, takes), "## Members", "",
        *(f"- `{name}`: {_about(plan, name, takes)}" for name in members), ("- `manifest.json`: SHA-256, bytes and rows of each member; "
        "`labelmill archive verify FILE` checks them"), "",
    ]  # fmt: skip
    if dataset.guidelines.strip():
        lines += ["## Guidelines", "", dataset.guidelines.strip(), ""]
    return "\n".join(lines)


def metrics(plan: Plan) -> dict[str, Any] | None:
    """Return what is known of the classifier; None without one."""
    if plan.classifier is None:
        return None
    known = plan.classifier
    features = known.parameters["features"]
    parameters = known.parameters | {"features": {"name": features["name"], "fitted": features["fitted"]}}
    return {
        "classifier": known.id, "version": known.version, "created_at": known.created_at, "trained_to": known.trained_to,
        "parameters": parameters, "data": known.data, "metrics": known.metrics,
        "labels": {str(label): name for label, name in plan.moment.labels.items()},
    }  # fmt: skip


def _classifier(plan: Plan, takes: Takes | None) -> list[str]:
    known = plan.classifier
    if known is None:
        return ["## Classifier", "", "There was none: nothing is predicted, and the machine's labels are empty.", ""]
    held_out = (known.metrics or {}).get("held_out") or {}
    precision = f"{held_out['precision']:.3f}" if held_out.get("precision") is not None else "not known"
    call, _, more = _SCRIPTS[takes] if takes else ("", "", "")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in (*PACKAGES, *more.split()))
    lines = [
        "## Classifier", "",
        (f"Version {known.version} (`{known.parameters['learner']}`), trained on {known.data['records']:,} labelled records and "
        f"{known.data['init_records']:,} given ones; precision on a held-out tenth: {precision}."), "",
    ]  # fmt: skip
    if takes:
        lines += [
            (f"`{SKOPS}` and `{PREDICT}` hold all of it, from the record to its label, with classes of scikit-learn. It was written with "
            f"{versions}; other versions may refuse it or differ. It is loaded without running code:"), "",
            f"    pip install {' '.join(['scikit-learn', 'skops', *more.split()])}", f"    {call}", "",
        ]  # fmt: skip
    else:
        lines += [
            (f"**It cannot label by itself.** Its features (`{known.parameters['features']['name']}`) are made by a large model that labelmill "
            f"runs and that has no form in scikit-learn's classes: `{SKOPS}` holds the rule from features to labels only, there is no predict.py, "
            f"and its predictions of all records are in `{RECORDS}`. It was written with {versions}."), "",
        ]  # fmt: skip
    if plan.choices.pickle:
        lines += [
            f"**`{PICKLE}` is unsafe**: opening a pickle runs whatever code it holds. Use `{SKOPS}` instead, or open it only if you trust where it came from.",
            "",
        ]
    return lines


def _labels(plan: Plan, tally: Tally) -> list[tuple[str, str]]:
    known = [(label.name, label.description) for label in plan.moment.dataset.labels]
    names = {name for name, _ in known}
    return known + [(name, "*offered no more*") for name in sorted({*tally.majority, *tally.predicted} - names)]


def _about(plan: Plan, name: str, takes: Takes | None) -> str:
    if name == plan.machine:
        return (
            "records without a majority; `major_label` is what the classifier says; `tied` marks those whose answers are tied"
        )
    if name == SKOPS:
        return "the classifier"
    if name == PREDICT and takes:
        return f"labels {_SCRIPTS[takes][1]}: `{_SCRIPTS[takes][0]}`"
    if name == PICKLE:
        return "the same as a pickle; **unsafe**, see above"
    return _MEMBERS[name]


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
