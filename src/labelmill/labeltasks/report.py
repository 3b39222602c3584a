"""A label task's report in the order in which people ask: is it done, how much was labelled, what was left out and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill import clock
from labelmill.jobs.model import progress
from labelmill.labeltasks.figures import Figures, total

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from labelmill.jobs.model import Job

#: Why rows of the source have no result, in the order of the figures.
LEFT_OUT = {
    "rows_without_text": "text is NULL or empty",
    "rows_without_time": "time is NULL or unreadable",
    "rows_outside": "outside of the time range",
    "rows_filtered": "a filter left them out",
    "rows_rejected": "could not be read (`labelmill label-tasks rejects`)",
}
#: What is said where a time range left nothing, since no row has a time.
NO_TIMES = "no row has a readable time: is this the column with the time?"
#: Without a time range such rows are labelled all the same.
TIMELESS = "time is NULL or unreadable: labelled, and the earliest in production"
#: What becomes of the rows of sources that are not in the source map.
UNMAPPED = {"own": "its results go by this id", "leave-out": "its rows are only counted"}


def report(job: Job, steps: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the report of a task as JSON. Before the task has ended, the figures are those of the ``steps`` done so far."""
    seconds = working_seconds(job, steps, clock.now())
    figures = job.result or total(step["figures"]["counts"] for step in steps if step["figures"]).as_dict()
    figures = {name: value for name, value in figures.items() if name in Figures.__dataclass_fields__}
    counts = Figures(**figures)
    read = counts.rows_read
    return {
        "id": job.id,
        "state": job.state,
        "title": job.title,
        "seconds": round(seconds, 3),
        "rows_per_second": round(read / seconds) if seconds and read else None,
        **figures,
        "has_time_range": bool(job.params.get("start") or job.params.get("end")),
        "unmapped_rows": job.params.get("unmapped", "own"),
        "coverage": round(counts.rows_labelled / read * 100, 2) if read else None,
        "rate_of_label": counts.rates,
        "written": (job.result or {}).get("written", []),
        "check_point": check_point(steps),
        "error": job.error,
    }


def working_seconds(job: Job, steps: Sequence[dict[str, Any]], now: datetime) -> float:
    """Return how long a task has been at work: the wait that was asked for between labelling and production is no work."""
    seconds = progress(job, now).seconds
    asked = float(job.params.get("production_after") or 0.0)
    before = [step for step in steps if step["name"] in ("plan", "label")]
    labelled: list[datetime] = [step["finished_at"] for step in before if step.get("finished_at")]
    settle = [step for step in steps if step["name"] == "settle"]
    if not asked or not settle or len(labelled) < len(before):
        return seconds
    settling: list[datetime] = [step["started_at"] for step in settle if step.get("started_at")]
    waited = (min(settling, default=job.finished_at or now) - max(labelled)).total_seconds()
    return max(0.0, seconds - min(asked, max(0.0, waited)))


def by_name(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each name that results go by; what needs authors is there when there are some."""
    rows = []
    for name, read in sorted(report["received"].items()):
        row = {"name": name, "rows read": read, "results": report["results"].get(name, 0)}
        if report["authors"]:
            row["authors"] = report["authors"].get(name, 0)
            row["production"] = report["production"].get(name, 0)
            row["rate of label, %"] = report["rate_of_label"].get(name, 0.0)
        rows.append(row)
    return rows


def left_out(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each reason why rows have no result; what does not occur is left out."""
    reasons = LEFT_OUT if report["has_time_range"] else LEFT_OUT | {"rows_without_time": TIMELESS}
    if without_times(report):
        reasons = reasons | {"rows_without_time": NO_TIMES}
    rows = [{"rows": report[name], "reason": reason} for name, reason in reasons.items() if report[name]]
    rows += [
        {"rows": count, "reason": f"several labels had the best score{f' in {group}' if group else ''}"}
        for group, count in report["ties"].items()
        if count
    ]
    if report["production_ties"]:
        rows.append({"rows": report["production_ties"], "reason": "authors whose labels had equally many records"})
    fate = UNMAPPED[report["unmapped_rows"]]
    rows += [
        {"rows": count, "reason": f"source {source!r} is not in the source map: {fate}"}
        for source, count in report["unmapped"].items()
    ]
    return rows


def without_times(report: dict[str, Any]) -> bool:
    """Tell whether a time range was asked for of rows none of which has a time."""
    dated = report["rows_read"] + report["rows_outside"]
    return bool(report["has_time_range"] and report["rows_without_time"] and not dated)


def listed(report: dict[str, Any]) -> int:
    """Return how many rows are listed one by one as left out: with a time range, those without a time too."""
    return int(report["rows_rejected"] + (report["rows_without_time"] if report["has_time_range"] else 0))


def check_point(steps: Sequence[dict[str, Any]]) -> str | None:
    """Return the key of the first unfinished step, None when every step is done."""
    return next((step["key"] for step in steps if step["state"] != "done"), None)
