"""A task's row in the state table, in the predecessor's words: a pure function of the job and its steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labelmill.jobs.model import JobState, progress
from labelmill.labeltasks.figures import Figures, total
from labelmill.labeltasks.report import working_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelmill.jobs.model import Job
    from labelmill.labeltasks.model import LabelTask

#: The predecessor's word for each state; it has none for running.
STAT = {
    JobState.QUEUED: "PENDING",
    JobState.RUNNING: "PENDING",
    JobState.SUCCEEDED: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "BREAK",
}


def first_state(task: LabelTask, task_id: str, now: datetime) -> dict[str, Any]:
    """Return the row of a task that nobody has begun."""
    return {
        "task_id": task_id, "stat": "PENDING", "prod_stat": None,
        "model_type": ",".join(dict.fromkeys(labeller.model_type for labeller in task.labellers)),
        "predict_type": ",".join(dict.fromkeys(labeller.column for labeller in task.labellers)),
        "date_range": date_range(task), "target_table": task.source_schema or task.source_table,
        "create_time": _naive(now), "result": "", "progress": 0.0, "revision": -1,
    }  # fmt: skip


def state_of(job: Job, task: LabelTask, steps: Sequence[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return the row of a task as its job stands: the counts are those of the steps done so far.

    ``stat`` turns to SUCCESS with the last result, ``prod_stat`` to finish (or no_data) with the last production row: lists are in
    the order of ``result``, the names with results.
    """
    figures = total(step["figures"]["counts"] for step in steps if step["figures"])
    if job.result:
        figures = Figures(**{name: job.result[name] for name in Figures.__dataclass_fields__ if name in job.result})
    labelled = _is_labelled(steps)
    names = [name for name in sorted(figures.results) if figures.results[name]]
    finished = job.state is JobState.SUCCEEDED
    how_far = progress(job, now)
    return first_state(task, job.id, job.created_at) | {
        "stat": "SUCCESS" if labelled and not job.ended else STAT[job.state],
        "prod_stat": ("finish" if names else "no_data") if finished else None,
        "peak_memory": figures.peak_memory_mb or None,
        "length_receive_table": figures.rows_read if job.started_at else None,
        "length_output_table": sum(figures.results.values()) if job.started_at else None,
        "length_prod_table": sum(figures.production.values()) if finished else None,
        "result": ",".join(names),
        "uniq_source_author": ",".join(str(figures.authors.get(name, 0)) for name in names) if finished else None,
        "rate_of_label": ",".join(f"{figures.rates.get(name, 0.0):.2f}" for name in names) if finished else None,
        "run_time": round(working_seconds(job, steps, now) / 60, 4) if job.started_at else None,
        "check_point": _check_point(steps, task),
        "check_step": next((step["key"] for step in steps if step["state"] != "done"), None),
        "error_message": _spoken(job.error),
        "progress": round((how_far.share or 0.0) * 100, 2),
        "update_time": _naive(now),
        "revision": job.changes,
    }  # fmt: skip


def date_range(task: LabelTask) -> str:
    """Return the time range as the predecessor writes it; nothing where all rows are read."""
    if task.time_range is None:
        return ""
    return " - ".join(str(edge.replace(tzinfo=None)) if edge else "" for edge in (task.start, task.end))


def _is_labelled(steps: Sequence[dict[str, Any]]) -> bool:
    label = [step["state"] == "done" for step in steps if step["name"] == "label"]
    planned = any(step["name"] == "plan" and step["state"] == "done" for step in steps)
    return planned and all(label)


def _check_point(steps: Sequence[dict[str, Any]], task: LabelTask) -> datetime | None:
    """Return where the first unfinished range of times begins; None where all is done.

    Where the source is not cut by time an unfinished part may hold any of them: then that is the start of the whole range, if it has one.
    """
    open_step = next((step for step in steps if step["name"] == "label" and step["state"] != "done"), None)
    if open_step is None:
        return None
    # Parts reach beyond the range where the zone of the source's times is not known.
    start, end = (_naive(edge) if edge else None for edge in (task.start, task.end))
    bounds = (open_step["payload"] or {}).get("bounds") or {}
    if bounds.get("by") != "time" or not isinstance(bounds["low"], str):
        return start
    try:
        low = _naive(datetime.fromisoformat(bounds["low"]))
    except ValueError:  # a text that is spelled otherwise
        return start
    within = min(max(low, start or low), end or low)
    return within if within.year > 1 else start


def _spoken(error: dict[str, Any] | None) -> str | None:
    """Return an error as one line for people."""
    if not error:
        return None
    sentences = " ".join(str(error[part]) for part in ("detail", "way_out") if error.get(part))
    return ": ".join(str(part) for part in (error.get("where"), sentences) if part)[:10_000]


def _naive(moment: datetime) -> datetime:
    """Return the moment as UTC without saying so, to the second, as the predecessor's columns hold times."""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None, microsecond=0)
